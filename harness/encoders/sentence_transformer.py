"""Models in sentence-transformers' layout: a hub id, a local folder, or a folder inside an installed package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from harness.batching import batches
from harness.modelfolder import (
    check_room,
    chosen_limit,
    hashes_of,
    inside_package,
    local_folder,
    overrides,
    own_prompt,
    pooling_of,
    similarity_of,
    snapshot,
)  # fmt: skip
from harness.parts import place
from harness.protocols import Pooling
from harness.tokenizing import folder_spans, untruncated
from harness.types import Encoded, Floats, HarnessError, Inapplicable, Ints, Role, Traits, first_line

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer as Model


@dataclass(frozen=True)
class SentenceTransformer:
    """A bi-encoder or static model that `sentence_transformers.SentenceTransformer` loads.

    The first of these that is given and present is read: `path` (a folder), `package` (`module/folder`, a folder
    inside an installed package), `id` (a hub id, from the local cache or the network). `prompts`, `max_tokens` (0),
    `similarity` ("native") left out are the model's own. `sha256` is checked against model.safetensors when given.
    `pool_prompt=False` keeps the prompt's tokens out of the pooling (INSTRUCTOR models).
    Vectors equal `SentenceTransformer.encode`'s, whose modules run; only the pooling module is replaced on demand.
    """

    id: str = place("")
    path: str = place("")
    package: str = place("")
    revision: str = ""
    sha256: str = place("")
    prompts: Mapping[Role, str] | None = None
    max_tokens: int = 0
    similarity: Literal["native", "cosine", "dot", "euclidean", "manhattan"] = "native"
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    trust_remote_code: bool = False
    pool_prompt: bool = True

    def content(self) -> Mapping[str, str]:
        """sha256 of every file that decides the vectors; so a hub model and a copy of its folder are the same model.

        Read once: `open` refuses files that have changed since.
        """
        return self._content

    @cached_property
    def _content(self) -> Mapping[str, str]:
        folder = self._folder()
        hashes = hashes_of(folder)
        if self.sha256 and hashes.get("model.safetensors") != self.sha256:
            raise HarnessError(
                f"{folder.name}/model.safetensors has sha256 {hashes.get('model.safetensors', 'missing')}, expected "
                f"{self.sha256}: these are not the weights of {self.id or 'this model'}. Reinstall the package"
            )
        return hashes

    def traits(self) -> Traits:
        """Read from the folder's JSON files."""
        folder = self._folder()
        similarity = similarity_of(folder) if self.similarity == "native" else self.similarity
        warnings = overrides(
            folder, {"query": self.prompt("query"), "document": self.prompt("document")}, self.max_tokens
        )
        return Traits(similarity, pooling_of(folder), chosen_limit(folder, self.max_tokens), warnings)

    def prompt(self, role: Role) -> str:
        """The prompt given for the role, else the model's own, else its default prompt, else none."""
        if self.prompts is not None and role in self.prompts:
            return self.prompts[role]
        return own_prompt(self._folder(), role) or ""

    def bare(self) -> SentenceTransformer:
        """The same model without prompts."""
        return replace(self, prompts=None)

    def spans(self, texts: Sequence[str]) -> list[Ints]:
        """See `Encoder`."""
        return folder_spans(self._folder(), texts)

    def open(self, device: str) -> OpenSentenceTransformer:
        """Load the weights; Unavailable where they cannot be reached, HarnessError where the folder is no model."""
        folder = self._folder()
        chosen_limit(folder, self.max_tokens)
        if self.max_tokens and not pooling_of(folder):
            raise Inapplicable("a static model reads texts of any length; leave max_tokens out")
        if self.content() != hashes_of(folder):
            raise HarnessError(f"files in {folder.name} changed while the sweep ran. Run the same command again")
        return OpenSentenceTransformer(self, _load(str(folder), self, device))

    def _folder(self) -> Path:
        if self.path:
            return local_folder(self.path)
        if self.package and (folder := inside_package(self.package)):
            return folder
        if not self.id:
            raise HarnessError("the model has no weights to read: give model.path=FOLDER or model.id=HUB_ID")
        return snapshot(self.id, self.revision or None, self.package.split("/")[0])


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


def _load(folder: str, part: SentenceTransformer, device: str) -> Model:
    import torch
    from safetensors import SafetensorError
    from sentence_transformers import SentenceTransformer as Model
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        model = Model(
            folder, device=device, trust_remote_code=part.trust_remote_code, local_files_only=not part.trust_remote_code
        )
    except (OSError, ValueError, KeyError, ImportError, SafetensorError) as error:
        raise HarnessError(f"{Path(folder).name} cannot be loaded as a model: {first_line(error)}") from error
    if part.max_tokens:
        model.max_seq_length = part.max_tokens
    if not part.pool_prompt:
        model.set_pooling_include_prompt(False)
    return model.to(getattr(torch, part.dtype)).eval()
