"""Long documents, searched by their passages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.parts import name_of
from harness.pipelines import TwoStage, check_positive, named, within
from harness.protocols import Chunking, Lap, Need, Passages, Retriever, Searcher, VectorSource
from harness.ranking import best, id_order, own_documents, stacked
from harness.types import Doubles, EvalSet, HarnessError, Ints, Qrels, Ranking, Texts

_DECIMALS = 9


@dataclass(frozen=True)
class InPassages:
    """Cuts documents into passages, lets `of` search those, and gives a document what its passages got.

    `max`: its best passage's score (MaxP, Dai and Callan 2019, arXiv:1905.09217), exactly, where `of` ranks every
    passage. `mean`: of all its passages; `top`: of its `top` best, or of all where it has fewer. For these two the
    first `depth` documents by best passage are scored by all their passages, and those behind keep the order by best
    passage.
    """

    of: Retriever
    chunking: Chunking
    aggregate: Literal["max", "mean", "top"] = "max"
    top: int = 3
    depth: int = 100

    def needs(self) -> Sequence[Need]:
        """Those of the inner retriever, for passages."""
        return tuple(need._replace(chunking=self.chunking) for need in self.of.needs())

    def prepare(self, evalset: EvalSet, source: VectorSource) -> Searcher:
        """Cut the documents and prepare the inner retriever over the passages; what is Inapplicable passes through."""
        check_positive("in_passages top", self.top)
        check_positive("in_passages depth", self.depth)
        needs = self.of.needs()
        if any(need.chunking for need in needs):
            raise HarnessError("in_passages holds another in_passages: passages are not cut again; keep one of them")
        passages = self.chunking.cut(evalset.documents.texts, needs[0].encoder if needs else None)
        order = id_order(evalset.documents.ids)
        inner = self.of.prepare(_as_documents(evalset, passages, order), source)
        scorer = PassageScorer(self, inner, _starts(passages, len(order)))
        bests = PassageSearcher(scorer, passages.owner, own_documents(evalset), order)
        return bests if self.aggregate == "max" else TwoStage(bests, scorer, self.depth, ("", ""), order)


class PassageScorer:
    """Documents scored by all their passages; the passages of document i lie from `starts[i]` to `starts[i + 1]`."""

    def __init__(self, part: InPassages, inner: Searcher, starts: NDArray[np.int64]) -> None:
        self.inner = inner
        self.name = name_of(part.of)
        self.starts = starts
        self.best_of = {"max": 1, "top": part.top}.get(part.aggregate)
        self.facts: Mapping[str, float] = {}
        self.warnings: tuple[str, ...] = ()

    def score(self, candidates: Ints) -> Doubles:
        """See `Searcher`; every passage of every candidate is scored."""
        asked = [self._passages(row) for row in candidates]
        width = max(1, *(len(own) for own in asked))
        padded = np.full((len(asked), width), -1, dtype=np.int32)
        for row, own in zip(padded, asked, strict=True):
            row[: len(own)] = own
        scores = self.inner.score(padded)
        return np.stack([self._aggregated(row, own) for row, own in zip(candidates, scores, strict=True)])

    def probe_score(self, query: int, documents: Ints, lap: Lap) -> Doubles:
        """The inner retriever's scores of all passages, then their aggregation."""
        scores = self.inner.probe_score(query, self._passages(documents), within(self.name, lap))
        found = self._aggregated(documents, scores)
        lap("aggregate")
        return found

    def _passages(self, documents: Ints) -> Ints:
        spans = [np.arange(self.starts[i], self.starts[i + 1], dtype=np.int32) for i in documents if i >= 0]
        return np.concatenate([np.zeros(0, dtype=np.int32), *spans])

    def _aggregated(self, documents: Ints, scores: Doubles) -> Doubles:
        found = np.full(len(documents), -np.inf)
        at = 0
        for column, document in enumerate(documents):
            if document >= 0:
                size = int(self.starts[document + 1] - self.starts[document])
                found[column] = self._one(scores[at : at + size])
                at += size
        return np.round(found, _DECIMALS)

    def _one(self, scores: Doubles) -> float:
        return float((scores if self.best_of is None else np.sort(scores)[-self.best_of :]).mean())


class PassageSearcher:
    """Documents ranked by their best passage."""

    def __init__(self, scorer: PassageScorer, owner: Ints, excluded: Ints, order: NDArray[np.int64]) -> None:
        self.scorer = scorer
        self.inner = scorer.inner
        self.owner = owner
        self.excluded = excluded
        self.order = order
        self._tell()

    def _tell(self) -> None:
        each = len(self.owner) / len(self.order)
        inner = dict(self.inner.facts)
        if "bytes_per_doc" in inner:  # of the inner retriever's documents, which are passages
            inner["bytes_per_doc"] *= each
        self.facts: Mapping[str, float] = inner | {"passages": float(len(self.owner)), "passages_per_doc": each}
        self.warnings: tuple[str, ...] = named((f"{self.scorer.name} over passages",), (self.inner.warnings,))

    def rank(self, k: int) -> Ranking:
        """The k best for every query."""
        listed = self._listed(k + int((self.excluded >= 0).any()))
        rows = [Ranking(*row) for row in zip(*listed, strict=True)]
        self._tell()
        return stacked([self._by_document(row, own, k) for row, own in zip(rows, self.excluded, strict=True)])

    def score(self, candidates: Ints) -> Doubles:
        """See `Searcher`."""
        return self.scorer.score(candidates)

    def probe(self, query: int, k: int, lap: Lap) -> Ints:
        """One search for as many passages as k documents have on average, then one document for each that is met."""
        found = self.inner.probe(query, self._asked(k + 1), within(self.scorer.name, lap))
        documents, first = np.unique(self.owner[found], return_index=True)
        documents = documents[np.argsort(first)]
        kept: Ints = documents[documents != self.excluded[query]][:k]
        lap("passages")
        return kept

    def probe_score(self, query: int, documents: Ints, lap: Lap) -> Doubles:
        """See `Searcher`."""
        return self.scorer.probe_score(query, documents, lap)

    def _asked(self, k: int) -> int:
        return min(len(self.owner), ceil(k * len(self.owner) / len(self.order)))

    def _listed(self, k: int) -> Ranking:
        """The best passages of every query, as many as it takes to meet k documents, or all that there are."""
        asked = self._asked(k)
        while True:
            listed = self.inner.rank(asked)
            full = [row for row in listed.documents if row[-1] >= 0]
            if asked == len(self.owner) or all(len(np.unique(self.owner[row])) >= k for row in full):
                return listed
            asked = min(2 * asked, len(self.owner))

    def _by_document(self, row: Ranking, excluded: int, k: int) -> Ranking:
        found = row.documents[row.documents >= 0]
        documents, first = np.unique(self.owner[found], return_index=True)
        kept = documents != excluded
        ranked = best(documents[kept], row.scores[first[kept]], self.order, k)
        unseen = not row.complete and ranked.scores[-1] == row.scores[len(found) - 1]
        return ranked._replace(complete=np.asarray(bool(ranked.complete) and not unseen))


def _starts(passages: Passages, documents: int) -> NDArray[np.int64]:
    starts = np.searchsorted(passages.owner, np.arange(documents + 1))
    ordered = len(passages.texts) == len(passages.owner) and bool((np.diff(passages.owner) >= 0).all())
    if not ordered or not (np.diff(starts) > 0).all() or starts[-1] != len(passages.owner):
        raise HarnessError("the chunking gives passages out of the documents' order, or a document without a passage")
    return starts


def _as_documents(evalset: EvalSet, passages: Passages, order: NDArray[np.int64]) -> EvalSet:
    """The eval set whose documents are the passages; their ids sort as the documents' own do, then by place."""
    numbers = np.arange(len(passages.owner)) - np.searchsorted(passages.owner, passages.owner)
    ids = tuple(f"{order[o]:010}.{n:07}" for o, n in zip(passages.owner, numbers, strict=True))
    nothing = np.zeros(0, dtype=np.int32)
    judged = Qrels(nothing, nothing, nothing)
    return replace(evalset, documents=Texts(ids, passages.texts), qrels=judged, exclude_self=False)
