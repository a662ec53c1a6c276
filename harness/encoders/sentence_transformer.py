"""Models in sentence-transformers' layout: a hub id, a local folder, or a folder inside an installed package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.batching import Batching, ahead
from harness.completeness import check_complete
from harness.features import Read, placed, reader_of
from harness.modelfolder import (
    check_no_reranker,
    check_room,
    chosen_limit,
    overrides,
    pooling_of,
    similarity_of,
)
from harness.protocols import Lap, Pooling
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
        from harness.packed import packed

        folder = self.unchanged()
        return OpenSentenceTransformer(self, packed(lambda: _load(folder, self, device), _looked_at))


class OpenSentenceTransformer:
    """The loaded modules of a model, run in inference mode.

    `batch_used` is how many texts were in a full batch of the last `encode` that was given a size.
    """

    def __init__(self, part: SentenceTransformer, model: Model) -> None:
        self.part = part
        self.model = model
        self.batch_used = 0
        self._has_states = type(model[0]).__name__ == "Transformer"
        self._reader = reader_of(model, [part.prompt("query"), part.prompt("document")])
        if self._has_states:
            check_room(model.max_seq_length or 0, int(self._reader.read([""], "").full[0]))

    def encode(self, texts: Sequence[str], role: Role, poolings: Sequence[Pooling], batch_size: int | None) -> Encoded:
        """See `OpenEncoder`; longest texts first, so batches hold texts of like length, and each text once."""
        self._check(poolings)
        distinct = list(dict.fromkeys(texts))
        found = self._encoded(distinct, self.part.prompt(role), poolings, batch_size)
        if len(distinct) == len(texts):
            return found
        place = {text: i for i, text in enumerate(distinct)}
        rows = [place[text] for text in texts]
        return Encoded(tuple(v[rows] for v in found.vectors), found.tokens[rows], found.full_tokens[rows])

    def probe(self, text: str, role: Role, pooling: Pooling, lap: Lap) -> Floats:
        """float32 [d] of one text, as a service encodes a query, in the stages tokenise, forward and pool."""
        self._check([pooling])
        features = self._reader.read([text], self.part.prompt(role)).features(np.zeros(1, dtype=np.int64))
        lap("tokenise")
        with _inference():
            states = self.model[0](placed(features, self.model.device))
            _finished(self.model.device)
            lap("forward")
            vector = _joined([self._finish(states, pooling)])[0]
        lap("pool")
        return np.asarray(vector)

    def _check(self, poolings: Sequence[Pooling]) -> None:
        if not self._has_states and any(not p.native for p in poolings):
            raise Inapplicable("a static model has no token states to pool; use pooling=native")

    def _encoded(self, texts: list[str], prompt: str, poolings: Sequence[Pooling], size: int | None) -> Encoded:
        kind = self.model.device.type
        batching, passes = Batching[_Pass](size, kind), list[tuple[NDArray[np.int64], _Pass]]()
        full = np.zeros(len(texts), dtype=np.int32)
        for some, read in ahead(kind, texts, lambda block: self._reader.read(block, prompt)):
            full[some] = read.full
            found = batching.run(read.lengths, partial(self._forward, read, poolings))
            passes += [(some[rows], made) for rows, made in found]
        self.batch_used = batching.used
        back = np.argsort(np.concatenate([rows for rows, _ in passes]))
        columns = [[made.vectors[j] for _, made in passes] for j in range(len(poolings))]
        tokens = np.concatenate([made.tokens for _, made in passes])[back]
        return Encoded(tuple(_joined(column)[back] for column in columns), tokens.astype(np.int32), full)

    def _forward(self, read: Read, poolings: Sequence[Pooling], rows: NDArray[np.int64]) -> _Pass:
        features = read.features(rows)
        tokens = features["attention_mask"].sum(dim=1).numpy() if self._has_states else read.full[rows]
        with _inference():
            states = self.model[0](placed(features, self.model.device))
            return _Pass([self._finish(states, pooling) for pooling in poolings], tokens)

    def _finish(self, states: Mapping[str, Any], pooling: Pooling) -> Any:
        features, rest = dict(states), list(self.model)[1:]
        if not pooling.native:
            mask = features["attention_mask"].bool()
            features["sentence_embedding"] = pooling.pool(features["token_embeddings"], self._counted(mask, features))
            rest = rest[1:]
        for module in rest:
            features = module(features)
        return features["sentence_embedding"]

    def _counted(self, mask: Any, features: Mapping[str, Any]) -> Any:
        length = features.get("prompt_length")
        if length is None or getattr(self.model[1], "include_prompt", True):
            return mask
        seen = mask.int().cumsum(dim=1)  # right for left padding as well
        return mask & (seen > int(length))


class _Pass(NamedTuple):
    """One batch: for each pooling a tensor [n, d] on the device, and int [n] tokens that were read."""

    vectors: list[Any]
    tokens: NDArray[np.integer]


def _looked_at(model: Model) -> Floats:
    """What tells whether a model still gives what it gave."""
    return np.asarray(model.encode(["a query", "a somewhat longer text, of two parts"]), dtype=np.float32)


def _joined(vectors: Sequence[Any]) -> Floats:
    """float32 [n, d] of tensors; one transfer, so that a GPU need not wait for every batch."""
    import torch

    rows: Floats = torch.cat(list(vectors)).float().cpu().numpy()
    return rows


def _finished(device: Any) -> None:
    """Wait for a GPU, which is only told what to do, so that a stage holds the work and not the telling."""
    if device.type == "cuda":
        import torch

        torch.cuda.synchronize(device)


def _inference() -> Any:
    import torch

    return torch.inference_mode()


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
