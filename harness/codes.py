"""Document vectors as they are stored: scaled, coded, decoded block by block, and compared one query at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.corpus import nearness
from harness.protocols import FittedQuantizer, FittedReduction
from harness.ranking import blocks, check_finite, check_varied, settled
from harness.types import Comparison, Doubles, Floats, HarnessError, Similarity, Vectors


class Decoded:
    """`Rows` of codes, decoded whenever they are asked for."""

    def __init__(self, codes: NDArray[Any], quantizer: FittedQuantizer, dim: int) -> None:
        self.codes = codes
        self.quantizer = quantizer
        self.shape = (len(codes), dim)

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: slice | NDArray[np.integer], /) -> Floats:
        return self.quantizer.decode(self.codes[rows])

    def into(self, matrix: Floats) -> Floats:
        """float32 [n, d] `matrix`, filled with all rows."""
        for block in blocks(len(self)):
            matrix[block] = self[block]
        return matrix


def comparison_of(similarity: Similarity) -> Comparison:
    """What an index computes for a similarity: cosine is the inner product of unit vectors."""
    return "dot" if similarity == "cosine" else similarity


def operand(rows: Floats, reduction: FittedReduction, similarity: Similarity) -> Floats:
    """float32 [n, d] rows, reduced and, for cosine, scaled to length 1, in the front of their own memory."""
    width = reduction.apply(rows[:1]).shape[1]  # never over d, so what is overwritten has been read
    result = rows.reshape(-1)[: len(rows) * width].reshape(-1, width)
    for block in blocks(len(rows)):
        result[block] = _scaled(reduction.apply(rows[block]), similarity)
    return result


def coded(quantizer: FittedQuantizer, documents: Floats) -> NDArray[Any]:
    """Codes of float32 [n, d]; the documents themselves where those are their own codes."""
    sample = quantizer.encode(documents[:1])
    if np.may_share_memory(sample, documents):
        return documents
    codes = np.empty((len(documents), sample.shape[1]), dtype=sample.dtype)
    for block in blocks(len(documents)):
        codes[block] = quantizer.encode(documents[block])
    return codes


def compared(query: Floats, documents: Floats, comparison: Comparison) -> Doubles:
    """float64 [c] scores of float32 [c, d] documents for one query, higher is nearer, rounded so that copies tie."""
    scores = nearness(query, documents, comparison)
    if comparison != "dot":
        return settled(scores, float(-scores.min(initial=0)))
    longest = float(np.linalg.norm(documents, axis=1).max(initial=0))
    return settled(scores, float(np.linalg.norm(query)) * longest)


def check_sides(documents: Floats, queries: Floats) -> tuple[str, ...]:
    """HarnessError for vectors that cannot be compared; a warning for a few that are zero."""
    if documents.shape[1] != queries.shape[1]:
        raise HarnessError(
            f"documents have {documents.shape[1]} dimensions and queries {queries.shape[1]}: not one model's vectors. "
            "Check dims and the endpoint"
        )
    check_finite(documents, "document")
    check_finite(queries, "query")
    check_varied(documents, "document")
    found = []
    for what, rows in (("document", documents), ("query", queries)):
        empty = _zeros(rows)
        if 2 * empty > len(rows):
            raise HarnessError(
                f"{empty} of {len(rows)} {what} vectors are zero: the model finds nothing in these texts"
            )
        if empty:
            found.append(f"{empty} of {len(rows)} {what} vectors are zero: their similarity means nothing")
    return tuple(found)


def cut(documents: Vectors) -> Mapping[str, float]:
    """`documents_cut` and `tokens_cut`: shares of documents and of tokens beyond the model's limit."""
    longer = documents.full_tokens > documents.tokens
    full = int(documents.full_tokens.sum())
    share = 1 - int(documents.tokens.sum()) / full if full else 0.0
    return {"documents_cut": float(longer.mean()), "tokens_cut": share}


def _zeros(vectors: Floats) -> int:
    return sum(int((~vectors[block].any(axis=1)).sum()) for block in blocks(len(vectors)))


def _scaled(vectors: Floats, similarity: Similarity) -> Floats:
    if similarity != "cosine":
        return vectors
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(norms == 0, 1, norms), dtype=np.float32)
