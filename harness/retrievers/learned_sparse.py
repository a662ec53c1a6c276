"""Search by weights of terms that a model has learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from harness.codes import cut
from harness.cutting import cut_warning
from harness.parts import name_of
from harness.protocols import Encoder, Lap, Need, Pooling, VectorSource
from harness.ranking import best, check_finite, id_order, own_documents, scored, settled, stacked
from harness.sparse import unpacked, width_of
from harness.types import Doubles, EvalSet, HarnessError, Inapplicable, Ints, Ranking, Vectors

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True)
class LearnedSparse:
    """Inner products of sparse queries and documents over an inverted index, exact (scipy.sparse).

    Only documents that share a term with the query are results, as in a search engine.
    """

    encoder: Encoder
    pooling: Pooling

    def needs(self) -> Sequence[Need]:
        """One forward pass that gives weights of terms."""
        return (Need(self.encoder, self.pooling),)

    def prepare(self, evalset: EvalSet, source: VectorSource) -> LearnedSparseSearcher:
        """Encode both sides; Inapplicable where the model gives no weights of terms, or compares them by distance."""
        traits = self.encoder.traits()
        if traits.gives != "sparse":
            what = "one vector a text" if traits.gives == "vector" else "a vector for each token"
            raise Inapplicable(f"{name_of(self.encoder)} gives {what}, no weights of terms; use retriever=native")
        if traits.similarity not in ("dot", "cosine"):
            raise Inapplicable(f"an inverted index cannot compare by {traits.similarity}, only by dot or cosine")
        documents = source.vectors(self.encoder, self.pooling, "document", evalset.documents.texts)
        queries = source.vectors(self.encoder, self.pooling, "query", evalset.queries.texts)
        weights = _sides(documents, queries, traits.similarity == "cosine")
        warnings = (*traits.warnings, *cut_warning(documents, traits.max_tokens))
        return LearnedSparseSearcher(evalset, weights, cut(documents), warnings)


class _Sides(NamedTuple):
    """float64 [n, V] and [q, V] weights of terms."""

    documents: csr_array
    queries: csr_array


class LearnedSparseSearcher:
    """An inverted index of one eval set: for each term the documents that have it and its weights there."""

    def __init__(self, evalset: EvalSet, weights: _Sides, lost: Mapping[str, float], warnings: tuple[str, ...]) -> None:
        self.documents, self.queries = weights
        self.postings = self.documents.T.tocsr()
        self.excluded = own_documents(evalset)
        self.order = id_order(evalset.documents.ids)
        self.reach = _norms(self.queries) * _norms(self.documents).max(initial=0)
        self.warnings = warnings
        self.facts: Mapping[str, float] = {**lost, **self._sizes()}

    def rank(self, k: int) -> Ranking:
        """The k best for every query; float64 sums in the order of the terms."""
        return stacked([self._ranked(query, k) for query in range(len(self.excluded))])

    def score(self, candidates: Ints) -> Doubles:
        """The scores of `rank`; 0 where no term is shared."""
        return scored(candidates, self._exact)

    def probe(self, query: int, k: int, lap: Lap) -> Ints:
        """One query's stored weights, looked up in the inverted index."""
        found, scores = self._met(query)
        best_first: Ints = found[np.argsort(-scores, kind="stable")[:k]].astype(np.int32)
        lap("search")
        return best_first

    def probe_score(self, query: int, documents: Ints, lap: Lap) -> Doubles:
        """Scores of some documents from their stored weights."""
        scores = self._exact(query, documents)
        lap("score")
        return scores

    def _ranked(self, query: int, k: int) -> Ranking:
        found, scores = self._met(query)
        return best(found, settled(scores, float(self.reach[query])), self.order, k)

    def _met(self, query: int) -> tuple[Ints, Doubles]:
        """Documents that share a term with the query, its own left out, and their scores."""
        met = self.queries[[query]] @ self.postings
        kept = met.indices != self.excluded[query]
        return met.indices[kept], met.data[kept]

    def _exact(self, query: int, documents: Ints) -> Doubles:
        wanted = self.queries[[query]].toarray()[0]
        return settled(self.documents[documents] @ wanted, float(self.reach[query]))

    def _sizes(self) -> Mapping[str, float]:
        documents, terms = self.documents.shape
        total = float(self.documents.nnz * (4 + 4) + (terms + 1) * 8)  # int32 ids, float32 weights, int64 offsets
        return {
            "index_bytes": total,
            "ram_bytes": total,
            "bytes_per_doc": total / documents,
            "terms_per_doc": self.documents.nnz / documents,
            "terms_per_query": self.queries.nnz / max(1, self.queries.shape[0]),
        }


def _sides(documents: Vectors, queries: Vectors, cosine: bool) -> _Sides:
    width = width_of(documents.rows, queries.rows)
    found = []
    for what, side in (("document", documents), ("query", queries)):
        check_finite(side.rows, what)
        counts = np.ones(len(side.rows), dtype=np.int32) if side.counts is None else side.counts
        found.append(_directed(unpacked(side.rows, counts, width).astype(np.float64), cosine))
    if not found[0].nnz:
        raise HarnessError("no document has a term with a weight above 0: the model does not tell texts apart")
    return _Sides(*found)


def _directed(weights: csr_array, cosine: bool) -> csr_array:
    """For cosine each text's weights over their length."""
    if cosine:
        norms = _norms(weights)
        weights.data /= np.repeat(np.where(norms == 0, 1, norms), np.diff(weights.indptr))
    return weights


def _norms(weights: csr_array) -> Doubles:
    norms: Doubles = np.sqrt(weights.multiply(weights).sum(axis=1))
    return norms
