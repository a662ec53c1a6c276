"""Ordering a given list of candidates for each query."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np

from harness.parts import available, did_you_mean, find
from harness.protocols import Metric, Searcher, TaskType
from harness.ranking import best, id_order, own_documents, stacked
from harness.types import EvalSet, Evaluation, HarnessError, Ints, Ranking

_CUT = re.compile("[1-9][0-9]{0,5}")


@dataclass(frozen=True)
class Reranking:
    """Scores each query's own candidates alone, then as `Retrieval` does, with `main` before the other metrics.

    `main` is mteb's name of a metric: that of mteb's reranking tasks unless the set says otherwise. Relevant documents
    that are no candidates count as missed; a query without a relevant document is left out and counted. `kept` is that
    of `Retrieval`.
    """

    metrics: tuple[Metric, ...] = ()
    main: str = "map_at_1000"
    kept: int = 10

    def evaluate(self, evalset: EvalSet, searcher: Searcher) -> Evaluation:
        """Rank the candidates and score; Inapplicable where documents have no score by themselves."""
        main = _metric(self.main)
        others = tuple(metric for metric in self.metrics if metric.key != main.key)
        retrieval: TaskType = find("tasktypes", "retrieval")((main, *others), self.kept)
        return retrieval.evaluate(evalset, cast(Searcher, _Shortlist(evalset, searcher)))


def _metric(key: str) -> Metric:
    name, _, k = key.rpartition("_at_")
    if name not in available("metrics") or not _CUT.fullmatch(k):
        raise HarnessError(f"main: {key:.60}: expected such as map_at_1000. {did_you_mean(name, available('metrics'))}")
    found: Metric = find("metrics", name)(k=int(k))
    return found


class _Shortlist:
    """A searcher that knows of each query's candidates alone; its `rank` is all that `Retrieval` asks of one."""

    def __init__(self, evalset: EvalSet, searcher: Searcher) -> None:
        given = evalset.targets["candidates"]
        own = own_documents(evalset)[:, None]
        self.candidates: Ints = np.where(given == own, np.int32(-1), given)
        self.scores = searcher.score(self.candidates)
        self.order = id_order(evalset.documents.ids)
        self.searcher = searcher

    @property
    def facts(self) -> Mapping[str, float]:
        return self.searcher.facts

    @property
    def warnings(self) -> tuple[str, ...]:
        return self.searcher.warnings

    def rank(self, k: int) -> Ranking:
        """The k best candidates of each query, fewer where it has fewer."""
        rows = []
        for documents, scores in zip(self.candidates, self.scores, strict=True):
            there = documents >= 0
            rows.append(best(documents[there], scores[there], self.order, k))
        return stacked(rows)
