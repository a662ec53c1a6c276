"""Models that read query and document together: a hub id, a local folder, or a folder inside an installed package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from harness.batching import Batching
from harness.completeness import check_complete
from harness.modelfolder import check_room, chosen_limit, limit_of, modules_of, settings, transformer_of
from harness.tokenizing import folder_pair_tokens
from harness.types import Floats, HarnessError, Ints
from harness.weights import Files, loading

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder as Model

_HEADS = ("ForSequenceClassification", "ForCausalLM")


@dataclass(frozen=True)
class CrossEncoder(Files):
    """A model that `sentence_transformers.CrossEncoder` loads and that gives each pair one score (fields: `weights`).

    `max_tokens` 0 is the model's own limit. Scores are raw logits, those of `CrossEncoder.predict` with the activation
    left out, prompts and all: a sigmoid would make the best pairs tie in float32.
    """

    option: ClassVar[str] = "the reranker's path: "
    instead: ClassVar[str] = "retriever.reranker={name: local, path: FOLDER}"
    unset: ClassVar[str] = "the reranker has no weights to read: give its YAML path: FOLDER or an id"

    max_tokens: int = 0
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    trust_remote_code: bool = False

    def limit(self) -> int:
        """Read from the folder's JSON files; HarnessError for a limit that the model cannot have."""
        return chosen_limit(self.folder(), self.max_tokens)

    def pair_tokens(self, queries: Sequence[str], documents: Sequence[str]) -> Ints:
        """See `PairCounting`; the model's default prompt stands before the query, as in `CrossEncoder.predict`."""
        folder = self.folder()
        prompt = _default_prompt(folder)
        return folder_pair_tokens(folder, [prompt + q for q in queries], documents)

    def overridden(self) -> tuple[str, ...]:
        """A line where `max_tokens` replaces the model's own limit."""
        own = limit_of(self.folder())
        if not self.max_tokens or not own or self.max_tokens == own:
            return ()
        return (f"max_tokens={self.max_tokens} overrides the reranker's own limit of {own}",)

    def rerank(self, device: str) -> OpenCrossEncoder:
        """Load the weights; Unavailable where they cannot be reached, HarnessError where they give no score a pair."""
        from harness.packed import packed

        folder = self.unchanged()
        _check_scores_pairs(folder)
        limit = self.limit()
        model = packed(lambda: _load(folder, self, device), _looked_at)
        check_room(limit, model.tokenizer.num_special_tokens_to_add(pair=True))
        return OpenCrossEncoder(model)


class OpenCrossEncoder:
    """A loaded cross-encoder."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def score(self, queries: Sequence[str], documents: Sequence[str]) -> Floats:
        """See `OpenReranker`; longest pairs first, in batches of so many tokens.

        In float32 a score moves by less than 1e-5 with the pairs that share its batch.
        """
        import torch

        pairs = list(zip(queries, documents, strict=True))
        scores = np.empty(len(pairs), dtype=np.float32)
        as_it_is = torch.nn.Identity()

        def forward(rows: NDArray[np.int64]) -> Floats:
            some, most = [pairs[i] for i in rows], len(rows)
            return np.asarray(
                self.model.predict(some, batch_size=most, activation_fn=as_it_is, show_progress_bar=False)
            )

        for rows, found in Batching[Floats](None, self.model.device.type).run(self._tokens(pairs), forward):
            scores[rows] = found
        return scores

    def _tokens(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.int32]:
        """How many tokens of each pair are read; the padding that some tokenizers bring (ms-marco: to 512) left out."""
        if not pairs:
            return np.zeros(0, dtype=np.int32)
        limit = self.model.max_seq_length
        cut = {"truncation": True, "max_length": limit} if limit else {}
        encoded = self.model.tokenizer(*map(list, zip(*pairs, strict=True)), padding=False, **cut)
        return np.asarray([len(ids) for ids in encoded["input_ids"]], dtype=np.int32)


def _looked_at(model: Model) -> Floats:
    """What tells whether a model still gives what it gave."""
    pairs = [("a query", "a somewhat longer text, of two parts"), ("a query", "another")]
    return np.asarray(model.predict(pairs, show_progress_bar=False), dtype=np.float32)


def _default_prompt(folder: Path) -> str:
    """Empty for none, and for a folder without modules.json, whose prompts sentence-transformers does not read."""
    own = settings(folder / "config_sentence_transformers.json") if modules_of(folder) else {}
    return (own.get("prompts") or {}).get(own.get("default_prompt_name")) or ""


def _check_scores_pairs(folder: Path) -> None:
    """HarnessError for a folder without a trained head: a random one would be put on, and its scores look real."""
    saved = settings(folder / "config_sentence_transformers.json").get("model_type")
    heads = settings(transformer_of(folder) / "config.json").get("architectures") or []
    if saved != "CrossEncoder" and not any(str(head).endswith(_HEADS) for head in heads):
        raise HarnessError(
            f"{folder.name} is no cross-encoder: its config.json names {', '.join(heads) or 'no architecture'}, "
            "expected one that ends in ForSequenceClassification. A bi-encoder is a model, no reranker: use model=local"
        )


def _load(folder: Path, part: CrossEncoder, device: str) -> Model:
    import torch
    from sentence_transformers import CrossEncoder as Model

    own: dict[str, Any] = {"trust_remote_code": part.trust_remote_code, "local_files_only": not part.trust_remote_code}
    with loading(folder, "a cross-encoder"):
        model = Model(str(folder), device=device, max_length=part.max_tokens or None, **own)
    check_complete(folder.name, model)
    if model.num_labels != 1:
        raise HarnessError(
            f"{folder.name} gives {model.num_labels} scores a pair (classes, such as entailment), expected 1 to rank by"
        )
    placed: Model = model.to(getattr(torch, part.dtype)).eval()
    return placed
