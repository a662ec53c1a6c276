"""Models in sentence-transformers' layout: a hub id, a local folder, or a folder inside an installed package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from harness.batching import batches
from harness.completeness import check_complete
from harness.modelfolder import (
    check_no_reranker,
    check_room,
    chosen_limit,
    overrides,
    pooling_of,
    similarity_of,
)
from harness.protocols import Pooling
from harness.tokenizing import untruncated
from harness.types import Encoded, Floats, Inapplicable, Role, Traits
from harness.weights import Weights, loading

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer as Model


@dataclass(frozen=True)
class SentenceTransformer(Weights):
    """A bi-encoder or static model that `sentence_transformers.SentenceTransformer` loads (fields: `weights`).

    `similarity` ("native") left out is the model's own. `pool_prompt=False` keeps the prompt's tokens out of the
    pooling (INSTRUCTOR models). Vectors equal `SentenceTransformer.encode`'s, whose modules run; only the pooling
    module is replaced on demand.
    """

    similarity: Literal["native", "cosine", "dot", "euclidean", "manhattan"] = "native"
    pool_prompt: bool = True

    def traits(self) -> Traits:
        """Read from the folder's JSON files."""
        folder = self.folder()
        check_no_reranker(folder)
        similarity = similarity_of(folder) if self.similarity == "native" else self.similarity
        prompts: dict[Role, str] = {"query": self.prompt("query"), "document": self.prompt("document")}
        warnings = overrides(folder, prompts, self.max_tokens)
        return Traits(similarity, pooling_of(folder), chosen_limit(folder, self.max_tokens), warnings)

    def open(self, device: str) -> OpenSentenceTransformer:
        """Load the weights; Unavailable where they cannot be reached, HarnessError where the folder is no model."""
        check_no_reranker(self.folder())
        chosen_limit(self.folder(), self.max_tokens)
        if self.max_tokens and not pooling_of(self.folder()):
            raise Inapplicable("a static model reads texts of any length; leave max_tokens out")
        return OpenSentenceTransformer(self, _load(self.unchanged(), self, device))


class OpenSentenceTransformer:
    """The loaded modules of a model, run in inference mode."""

    def __init__(self, part: SentenceTransformer, model: Model) -> None:
        self.part = part
        self.model = model
        self._has_states = type(model[0]).__name__ == "Transformer"
        self._free = untruncated(model.tokenizer)
        if self._has_states:
            check_room(model.max_seq_length or 0, int(self._full_tokens([""])[0]))

    def encode(self, texts: Sequence[str], role: Role, poolings: Sequence[Pooling], batch_size: int | None) -> Encoded:
        """See `OpenEncoder`; longest texts first, so batches hold texts of like length."""
        if not self._has_states and any(not p.native for p in poolings):
            raise Inapplicable("a static model has no token states to pool; use pooling=native")
        prompt = self.part.prompt(role)
        full = self._full_tokens([prompt + t for t in texts])
        lengths = np.minimum(full, self.model.max_seq_length or np.inf).astype(np.int64)
        chunks, order, tokens = [], [], np.zeros(len(texts), dtype=np.int32)
        for rows in batches(lengths, batch_size, self.model.device.type):
            vectors, counted = self._forward([texts[j] for j in rows], prompt, poolings)
            chunks.append(vectors)
            order.append(rows)
            tokens[rows] = full[rows] if counted is None else counted
        back = np.argsort(np.concatenate(order))
        return Encoded(tuple(np.concatenate([c[j] for c in chunks])[back] for j in range(len(poolings))), tokens, full)

    def _forward(
        self, texts: list[str], prompt: str, poolings: Sequence[Pooling]
    ) -> tuple[list[Floats], np.ndarray | None]:
        import torch
        from sentence_transformers.util import batch_to_device

        with torch.inference_mode():
            features = batch_to_device(self.model.preprocess(texts, prompt=prompt or None), self.model.device)
            states = self.model[0](features)
            vectors = [self._finish(states, p) for p in poolings]
            mask = features.get("attention_mask") if self._has_states else None
            return vectors, None if mask is None else mask.sum(dim=1).cpu().numpy()

    def _finish(self, states: Mapping[str, Any], pooling: Pooling) -> Floats:
        features, rest = dict(states), list(self.model)[1:]
        if not pooling.native:
            mask = features["attention_mask"].bool()
            features["sentence_embedding"] = pooling.pool(features["token_embeddings"], self._counted(mask, features))
            rest = rest[1:]
        for module in rest:
            features = module(features)
        result: Floats = features["sentence_embedding"].float().cpu().numpy()
        return result

    def _counted(self, mask: Any, features: Mapping[str, Any]) -> Any:
        length = features.get("prompt_length")
        if length is None or getattr(self.model[1], "include_prompt", True):
            return mask
        seen = mask.int().cumsum(dim=1)  # right for left padding as well
        return mask & (seen > int(length))

    def _full_tokens(self, texts: list[str]) -> np.ndarray:
        if self._free is None:
            tokenizer = self.model.tokenizer
            return np.asarray([len(tokenizer(t, truncation=False)["input_ids"]) for t in texts], dtype=np.int32)
        special = self._has_states  # static models leave special tokens out
        encoded = self._free.encode_batch(texts, add_special_tokens=special)
        return np.asarray([len(e.ids) for e in encoded], dtype=np.int32)


def _load(folder: Path, part: SentenceTransformer, device: str) -> Model:
    import torch
    from sentence_transformers import SentenceTransformer as Model

    own: dict[str, Any] = {"trust_remote_code": part.trust_remote_code, "local_files_only": not part.trust_remote_code}
    with loading(folder):
        model = Model(str(folder), device=device, **own)
    check_complete(folder.name, model)
    if part.max_tokens:
        model.max_seq_length = part.max_tokens
    if not part.pool_prompt:
        model.set_pooling_include_prompt(False)
    return model.to(getattr(torch, part.dtype)).eval()
