"""Search by a vector for each token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.codes import check_sides, cut
from harness.cutting import cut_warning
from harness.parts import name_of
from harness.protocols import Encoder, Lap, Need, Pooling, VectorSource
from harness.ranking import best, blocks, id_order, own_documents, scored, settled, stacked
from harness.shortlist import Shortlist
from harness.tokenrows import TokenRows, maxsim, token_rows
from harness.types import Doubles, EvalSet, HarnessError, Inapplicable, Ints, Ranking, Vectors

_ROUNDING = 4e-6  # over the error of a float32 product of unit vectors: whatever may reach the k is scored again
_QUERY_TOKENS = 2**13  # of the queries that share a pass over the documents
_DOCUMENTS = 2**13  # whose scores are held at once
_HELD = 2**22  # candidates of all those queries, before they are looked through again
_EXACT_TOKENS = 2**12  # of documents, held in float64: memory of this size is used again, larger is fetched anew
_TOO_LONG = 1e30  # products near float32's largest value


@dataclass(frozen=True)
class LateInteraction:
    """MaxSim over all documents (Khattab and Zaharia 2020, arXiv:2004.12832), exact.

    A document's score is the sum over the query's token vectors of the largest inner product with one of the
    document's. ColBERT's own engine compares the candidates that a centroid index finds; here none is missed.
    `dtype` is that of the documents' token vectors as stored; queries stay float32. A model that declares `meanmaxsim`
    divides each score by the query's number of tokens, which changes no ranking and is left out.
    """

    encoder: Encoder
    pooling: Pooling
    dtype: Literal["float32", "float16"] = "float32"

    def needs(self) -> Sequence[Need]:
        """One forward pass that keeps the tokens' vectors."""
        return (Need(self.encoder, self.pooling),)

    def prepare(self, evalset: EvalSet, source: VectorSource) -> LateInteractionSearcher:
        """Encode both sides; Inapplicable where the model gives anything but a vector for each token."""
        traits = self.encoder.traits()
        if traits.gives != "vectors":
            what = "one vector a text" if traits.gives == "vector" else "weights of terms"
            raise Inapplicable(f"{name_of(self.encoder)} gives {what}, no vector for each token; use retriever=native")
        documents = source.vectors(self.encoder, self.pooling, "document", evalset.documents.texts)
        queries = source.vectors(self.encoder, self.pooling, "query", evalset.queries.texts)
        if self.dtype == "float16":
            for block in blocks(len(documents.rows)):
                with np.errstate(over="ignore"):  # what is too large for it is found below
                    documents.rows[block] = documents.rows[block].astype(np.float16)
        found = check_sides(documents.rows, queries.rows)
        warnings = (*traits.warnings, *found, *cut_warning(documents, traits.max_tokens))
        return LateInteractionSearcher(evalset, documents, queries, np.dtype(self.dtype).itemsize, warnings)


class LateInteractionSearcher:
    """Token vectors of one eval set; it owns their rows, which are never copied whole."""

    def __init__(
        self, evalset: EvalSet, documents: Vectors, queries: Vectors, value_bytes: int, warnings: tuple[str, ...]
    ) -> None:
        self.documents, self.queries = token_rows(documents), token_rows(queries)
        self.excluded = own_documents(evalset)
        self.order = id_order(evalset.documents.ids)
        self.reach = _reach(self.queries, self.documents)
        self.warnings = warnings
        self.facts: Mapping[str, float] = {**cut(documents), **self._sizes(value_bytes)}

    def rank(self, k: int) -> Ranking:
        """The k best for every query: float32 products of all tokens, whatever may reach the k rescored in float64."""
        return stacked([one for some in self.queries.batches(_QUERY_TOKENS) for one in self._ranked(some, k)])

    def score(self, candidates: Ints) -> Doubles:
        """Exact scores, those of `rank`."""
        return scored(candidates, self._exact)

    def probe(self, query: int, k: int, lap: Lap) -> Ints:
        """One query's stored token vectors against all documents, in float32."""
        scores = maxsim(self.queries.between(slice(query, query + 1)), self.documents)[0]
        found: Ints = np.argsort(-scores, kind="stable")[: k + 1].astype(np.int32)
        found = found[found != self.excluded[query]][:k]
        lap("search")
        return found

    def probe_score(self, query: int, documents: Ints, lap: Lap) -> Doubles:
        """float32 scores of some documents, whose token vectors are fetched first."""
        scores = maxsim(self.queries.between(slice(query, query + 1)), self.documents.chosen(documents))[0]
        wide: Doubles = scores.astype(np.float64)
        lap("score")
        return wide

    def _ranked(self, some: slice, k: int) -> list[Ranking]:
        found = self._candidates(some, min(k, len(self.order)))
        queries = range(some.start, some.stop)
        return [best(c, self._exact(q, c), self.order, k) for q, c in zip(queries, found, strict=True)]

    def _candidates(self, some: slice, k: int) -> list[Ints]:
        queries, excluded = self.queries.between(some), self.excluded[some]
        shortlist = Shortlist((_ROUNDING * self.reach[some]).astype(np.float32), k, _HELD)
        for start in range(0, len(self.order), _DOCUMENTS):
            stop = min(start + _DOCUMENTS, len(self.order))
            scores = maxsim(queries, self.documents.between(slice(start, stop)))
            barred = np.flatnonzero((excluded >= start) & (excluded < stop))
            scores[barred, excluded[barred] - start] = -np.inf
            shortlist.add(scores, start)
        return shortlist.candidates()

    def _exact(self, query: int, documents: Ints) -> Doubles:
        wanted = self.queries.chosen(np.array([query]), np.float64)
        scores: Doubles = np.empty(len(documents))
        for some in self.documents.batches(_EXACT_TOKENS, documents):
            scores[some] = maxsim(wanted, self.documents.chosen(documents[some], np.float64))[0]
        return settled(scores, float(self.reach[query]))

    def _sizes(self, value_bytes: int) -> Mapping[str, float]:
        rows, dimensions = self.documents.rows.shape
        total = float(rows * dimensions * value_bytes + self.documents.starts.nbytes)
        return {
            "index_bytes": total,
            "ram_bytes": total,
            "bytes_per_doc": total / len(self.documents),
            "dimensions": float(dimensions),
            "tokens_per_doc": rows / len(self.documents),
        }


def _reach(queries: TokenRows, documents: TokenRows) -> Doubles:
    """float64 [q], the largest score each query can have; HarnessError where float32 cannot hold such."""
    lengths: Doubles = np.add.reduceat(queries.norms(), queries.starts[:-1])
    reach: Doubles = lengths * documents.norms().max(initial=0)
    if reach.max(initial=0) > _TOO_LONG:
        raise HarnessError(f"token vectors with products of {reach.max():.0e}: too long for float32; normalise them")
    return reach
