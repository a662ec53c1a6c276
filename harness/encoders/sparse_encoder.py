"""Learned sparse models (SPLADE and its kin): weights of vocabulary terms."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness.completeness import check_complete
from harness.modelfolder import check_room, modules_of, settings, similarity_of
from harness.sparse import packed
from harness.types import Floats, HarnessError, Role, Similarity, Traits
from harness.weights import OpenWeights, Pieces, Weights, entrance, loading

if TYPE_CHECKING:
    from sentence_transformers import SparseEncoder as Model

_CONFIG = "config_sentence_transformers.json"
_PLAIN = "no settings of a sparse model in this folder: read as SPLADE with maximum pooling"


@dataclass(frozen=True)
class Sparse(Weights):
    """A model that `sentence_transformers.SparseEncoder` loads: SPLADE (Formal et al. 2021, arXiv:2107.05720), models
    with a query path of their own (inference-free ones), sparse autoencoders; or a masked language model, as SPLADE.

    Weights equal `encode_query`'s and `encode_document`'s. A folder to which sentence-transformers would add an
    untrained autoencoder is refused.
    """

    instead: ClassVar[str] = "model=local-sparse model.path=FOLDER"

    def traits(self) -> Traits:
        """Read from the folder's JSON files; HarnessError where they describe no sparse model."""
        folder = self.folder()
        warnings = self.overridden() if _is_described(folder) else (*self.overridden(), _PLAIN)
        named = settings(folder / _CONFIG).get("similarity_fn_name")
        similarity: Similarity = similarity_of(folder) if named else "dot"
        return Traits(similarity, "", self.limit(), warnings, "sparse")

    def open(self, device: str) -> OpenSparse:
        """Load the weights; Unavailable where they cannot be reached, HarnessError where the folder is no model."""
        from harness.packed import packed

        folder = self.unchanged()
        _is_described(folder)
        model = packed(lambda: _load(folder, self, device), _looked_at)
        if self.max_tokens:
            model.max_seq_length = self.limit()
        first = entrance(model, "document")
        check_room(int(first.max_seq_length or 0), first.tokenizer.num_special_tokens_to_add())
        return OpenSparse(self, model)


class OpenSparse(OpenWeights):
    """The loaded modules, run in inference mode."""

    refusal: ClassVar[str] = "a sparse model weighs terms and has no token states to pool; use pooling=native"
    width: ClassVar[int] = 8  # a token's state is a row of logits over the vocabulary

    def forward(self, texts: list[str], role: Role, prompt: str) -> Pieces:
        """The weights above 0, packed."""
        import torch
        from scipy.sparse import csr_array
        from sentence_transformers.util import batch_to_device
        from sentence_transformers.util.tensor import select_max_active_dims

        most: dict[str, Any] = {}
        if self.model.max_active_dims is not None:
            most = {"max_active_dims": self.model.max_active_dims}
        with torch.inference_mode():
            features = self.model.preprocess(texts, prompt=prompt or None, task=role)
            tokens = features["attention_mask"].sum(dim=1).int().numpy()
            features = batch_to_device(features, self.model.device)
            weights = self.model(features, task=role, **most)["sentence_embedding"]
            weights = select_max_active_dims(weights, **most) if most else weights
            rows, counts = packed(csr_array(weights.float().cpu().numpy()))
        return Pieces(rows, counts, tokens)


def _load(folder: Path, part: Sparse, device: str) -> Model:
    import torch
    from sentence_transformers import SparseEncoder as Model

    own: dict[str, Any] = {"trust_remote_code": part.trust_remote_code, "local_files_only": not part.trust_remote_code}
    with loading(folder):
        model = Model(str(folder), device=device, **own)
    check_complete(folder.name, model)
    return model.to(getattr(torch, part.dtype)).eval()


def _looked_at(model: Model) -> Floats:
    """What tells whether a model still gives what it gave."""
    found: Floats = model.encode(["a somewhat longer text, of two parts"]).to_dense().float().cpu().numpy()
    return found


def _is_described(folder: Path) -> bool:
    """Whether the folder says how it is sparse; False for a masked language model, HarnessError for anything else."""
    if modules_of(folder):
        if settings(folder / _CONFIG).get("model_type") == "SparseEncoder":
            return True
    elif any(name.endswith("ForMaskedLM") for name in settings(folder / "config.json").get("architectures") or []):
        return False
    raise HarnessError(
        f"{folder.name} is no sparse model: expected a folder that SparseEncoder has saved, or a masked language model"
    )
