"""Late-interaction models (ColBERT and its kin): a vector for each token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness.completeness import check_complete
from harness.modelfolder import check_no_reranker, check_room, modules_of, settings
from harness.types import Floats, Role, Traits
from harness.weights import OpenWeights, Pieces, Weights, entrance, loading

if TYPE_CHECKING:
    from sentence_transformers import MultiVectorEncoder as Model

_CONFIG = "config_sentence_transformers.json"
_OWN_LAYOUTS = ("MultiVectorEncoder", "ColBERT")  # sentence-transformers' own and PyLate's
_MARKERS: Mapping[Role, tuple[str, str]] = {
    "query": ("query_token_id", "[unused0]"),
    "document": ("doc_token_id", "[unused1]"),
}
_BARE = "no projection layer in this folder: token states are used as they are"


@dataclass(frozen=True)
class MultiVector(Weights):
    """A model that `sentence_transformers.MultiVectorEncoder` loads: its own layout, PyLate's, Stanford ColBERT's.

    Queries and documents are read as the model was made to: markers, query expansion with mask tokens, punctuation
    left out of documents. `max_tokens` is the documents' limit; queries keep the model's own. Vectors equal
    `encode_query`'s and `encode_document`'s, but for a folder without a projection: where sentence-transformers adds
    one with random weights, we add none and say so.
    """

    instead: ClassVar[str] = "model=local-multi-vector model.path=FOLDER"

    def traits(self) -> Traits:
        """Read from the folder's JSON files; the similarity is that of two token vectors."""
        check_no_reranker(self.folder())
        warnings = (_BARE,) if _is_bare(self.folder()) else ()
        return Traits("dot", "", self.limit(), (*self.overridden(), *warnings), "vectors")

    def own_prompt(self, role: Role) -> str:
        """The model's prompt with the marker before it that PyLate and Stanford ColBERT keep apart."""
        folder, prompt = self.folder(), super().own_prompt(role)
        marker = settings(folder / _CONFIG).get(f"{role}_prefix")
        if _is_stanford(folder):
            name, default = _MARKERS.get(role, _MARKERS["document"])
            marker = f"{settings(folder / 'artifact.metadata').get(name) or default} "
        return (marker or "") + prompt.removeprefix(marker or "")

    def own_limit(self) -> int:
        """The documents' limit, wherever a layout keeps it."""
        folder, limit = self.folder(), super().own_limit()
        if _is_stanford(folder):
            return int(settings(folder / "artifact.metadata").get("doc_maxlen") or limit)
        return int(settings(folder / _CONFIG).get("document_length") or limit)

    def open(self, device: str) -> OpenMultiVector:
        """Load the weights; Unavailable where they cannot be reached, HarnessError where the folder is no model."""
        from harness.packed import packed

        folder = self.unchanged()
        check_no_reranker(folder)
        model = packed(lambda: _load(folder, self, device), _looked_at)
        first = entrance(model, "document")
        if self.max_tokens:
            first.document_length = self.limit()
        check_room(first.document_length or 0, first.tokenizer.num_special_tokens_to_add())
        return OpenMultiVector(self, model)


class OpenMultiVector(OpenWeights):
    """The loaded modules, run in inference mode."""

    refusal: ClassVar[str] = "a late-interaction model keeps all token vectors; use pooling=native"

    def forward(self, texts: list[str], role: Role, prompt: str) -> Pieces:
        """The rows that count in a comparison, text by text."""
        import torch
        from sentence_transformers.util import batch_to_device

        with torch.inference_mode():
            features = self.model.preprocess(texts, prompt=prompt or None, task=role)
            tokens = features["attention_mask"].sum(dim=1).int().numpy()
            found = self.model(batch_to_device(features, self.model.device), task=role)
            mask = found["attention_mask"].bool()
            rows = found["token_embeddings"][mask].float().cpu().numpy()
            return Pieces(rows, mask.sum(dim=1).int().cpu().numpy(), tokens)


def _load(folder: Path, part: MultiVector, device: str) -> Model:
    import torch
    from sentence_transformers import MultiVectorEncoder as Model
    from sentence_transformers.base.modules import Dense

    own: dict[str, Any] = {"trust_remote_code": part.trust_remote_code, "local_files_only": not part.trust_remote_code}
    with loading(folder):
        model = Model(str(folder), device=device, **own)
        if _is_bare(folder):
            model = Model(modules=[m for m in model if not isinstance(m, Dense)], device=device)
    check_complete(folder.name, model)
    return model.to(getattr(torch, part.dtype)).eval()


def _looked_at(model: Model) -> Floats:
    """What tells whether a model still gives what it gave."""
    found: Floats = model.encode_document("a somewhat longer text, of two parts").float().cpu().numpy()
    return found


def _is_bare(folder: Path) -> bool:
    """Whether sentence-transformers would add a projection with random weights to what the folder holds."""
    kind = settings(folder / _CONFIG).get("model_type") or "SentenceTransformer"
    modules = modules_of(folder)
    if modules and kind in (*_OWN_LAYOUTS, "SentenceTransformer"):
        return kind == "SentenceTransformer" and all(name != "Dense" for name, _ in modules)
    native = any(name.endswith("ForRetrieval") for name in _architectures(folder))
    return not (native or _is_stanford(folder))


def _is_stanford(folder: Path) -> bool:
    return not modules_of(folder) and "HF_ColBERT" in _architectures(folder)


def _architectures(folder: Path) -> list[str]:
    return list(settings(folder / "config.json").get("architectures") or [])
