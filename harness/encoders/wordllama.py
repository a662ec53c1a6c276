"""WordLlama's packaged static model."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from harness.protocols import Pooling
from harness.tokenizing import read_tokenizer, token_spans
from harness.types import Encoded, Floats, Ints, Role, Traits, Unavailable

_BATCH = 32
_TOKENIZER = "l2_supercat_tokenizer_config.json"


@dataclass(frozen=True)
class Wordllama:
    """The 256-dimensional `l2_supercat` token embeddings that the `wordllama` package carries; mean pooled, cosine.

    Trained for truncation to 128 and 64 dimensions (Matryoshka). No limit on the length of a text. Other poolings
    work on the token embeddings.
    """

    prompts: Mapping[Role, str] = field(default_factory=dict)

    def content(self) -> Mapping[str, str]:
        """sha256 of the weights and the tokenizer."""
        return _hashes(_package())

    def traits(self) -> Traits:
        """Cosine similarity, mean pooling, no limit."""
        return Traits("cosine", "mean", 0)

    def prompt(self, role: Role) -> str:
        """The prompt given for the role; the model has none of its own."""
        return self.prompts.get(role, "")

    def bare(self) -> Wordllama:
        """The same model without prompts."""
        return replace(self, prompts={})

    def spans(self, texts: Sequence[str]) -> list[Ints]:
        """See `Encoder`."""
        return token_spans(read_tokenizer(_package() / "tokenizers" / _TOKENIZER), texts)

    def open(self, device: str) -> OpenWordllama:
        """Load from the package, without network; a static model runs on the CPU whatever `device` says."""
        return OpenWordllama(self)


class OpenWordllama:
    """The loaded token embeddings.

    `weight_bytes` is the size of their matrix, `batch_used` how many texts the largest batch of the last `encode` held.
    """

    def __init__(self, part: Wordllama) -> None:
        root = logging.getLogger()
        if not root.handlers:  # the package calls logging.basicConfig(INFO) when it is imported
            root.addHandler(logging.NullHandler())
        from wordllama import WordLlama

        self.part = part
        self.model: Any = WordLlama.load(cache_dir=_package(), disable_download=True)
        self.weight_bytes = int(self.model.embedding.nbytes)
        self.batch_used = 0

    def encode(self, texts: Sequence[str], role: Role, poolings: Sequence[Pooling], batch_size: int | None) -> Encoded:
        """See `OpenEncoder`."""
        prompted = [self.part.prompt(role) + t for t in texts]
        size = batch_size or _BATCH
        self.batch_used = min(size, len(texts))
        chunks = [self._batch(prompted[i : i + size], poolings) for i in range(0, len(texts), size)]
        vectors = tuple(np.concatenate([c[0][j] for c in chunks]) for j in range(len(poolings)))
        tokens = np.concatenate([c[1] for c in chunks])
        return Encoded(vectors, tokens, tokens)

    def _batch(self, texts: list[str], poolings: Sequence[Pooling]) -> tuple[list[Floats], np.ndarray]:
        encoded = self.model.tokenize(texts)
        mask = np.asarray([e.attention_mask for e in encoded], dtype=bool)
        mask = mask if mask.shape[1] else np.zeros((len(texts), 1), dtype=bool)  # only empty texts
        ids = np.asarray([e.ids or [0] for e in encoded])
        states = self.model.embedding[ids]
        vectors = [self._own(states, mask) if p.native else p.pool(states, mask) for p in poolings]
        return vectors, mask.sum(axis=1).astype(np.int32)

    def _own(self, states: Floats, mask: np.ndarray) -> Floats:
        result: Floats = self.model.avg_pool(states, mask.astype(np.float32)).astype(np.float32)
        return result


def _package() -> Path:
    spec = importlib.util.find_spec("wordllama")
    if spec is None or spec.origin is None:
        raise Unavailable("wordllama is not installed: pip install wordllama")
    return Path(spec.origin).parent


@cache
def _hashes(package: Path) -> Mapping[str, str]:
    files = [
        package / "weights" / "l2_supercat_256.safetensors",
        package / "tokenizers" / _TOKENIZER,
    ]
    missing = [p.name for p in files if not p.exists()]
    if missing:
        raise Unavailable(f"the installed wordllama package lacks {missing[0]}: pip install wordllama==0.4.0.post1")
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
