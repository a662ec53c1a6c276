"""Several retrievers at once, their lists fused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.parts import find, name_of, place
from harness.pipelines import check_positive, named, names_of, together, within
from harness.protocols import Lap, Need, Retriever, Searcher, VectorSource
from harness.ranking import best, id_order, judge, stacked
from harness.types import Doubles, EvalSet, HarnessError, Inapplicable, Ints, Ranking

_DECIMALS = 12  # sums of the same values in another order then tie
_STEPS = 10  # weights are tuned in tenths
_METRIC = ("ndcg", 10)


@dataclass(frozen=True)
class Hybrid:
    """Fuses the first `depth` documents of each member; what none of them lists is no result.

    `rrf` is reciprocal rank fusion: the sum of weight / (`k` + rank), ranks from 1 (Cormack, Clarke and Buettcher
    2009). `min-max` and `z-score` add the members' scores, normalised over each list by itself (Lee 1997; Bruch et al.
    2023, arXiv:2210.11934, whose theoretical minimum we leave out, as unbounded scores have none): a document that a
    member does not list counts as that member's lowest. A list of equal scores counts 1 by min-max, as in OpenSearch,
    and 0 by z-score.

    `weights`, one a member, are relative, so none and equal ones are the same; they are never chosen on the queries
    that are scored. Given `tune_on`, they are chosen on that other eval set: the best mean nDCG@10 of all weights in
    steps of 0.1, ties to those nearest to equal. `tuned_sha256` is that set's hash and stands for it in the identity.
    """

    of: tuple[Retriever, ...]
    fusion: Literal["rrf", "min-max", "z-score"] = "rrf"
    k: int = 60
    depth: int = 100
    weights: tuple[float, ...] = ()
    tune_on: str = place("")
    tuned_sha256: str = ""

    def needs(self) -> Sequence[Need]:
        """Those of all members."""
        return tuple(need for part in self.of for need in part.needs())

    def prepare(self, evalset: EvalSet, source: VectorSource) -> HybridSearcher:
        """Prepare each member and settle the weights; Inapplicable where the set to tune on shares a query with it."""
        self._check()
        if self.tune_on:
            chosen = _tuned(self, evalset, source)
            facts = {f"weight_{i}": weight for i, weight in enumerate(chosen, 1)}
        else:
            chosen, facts = self.weights or (1.0,) * len(self.of), {}
        members = [part.prepare(evalset, source) for part in self.of]
        return HybridSearcher(self, members, _relative(chosen), facts, id_order(evalset.documents.ids))

    def _check(self) -> None:
        if len(self.of) < 2:
            raise HarnessError(f"a hybrid of {len(self.of)} fuses nothing: name two retrievers or more in of")
        check_positive("hybrid depth", self.depth)
        short = [part for part in self.of if getattr(part, "depth", self.depth) < self.depth]
        if short and self.fusion != "rrf":
            raise Inapplicable(
                f"{self.fusion} needs scores on one scale, and {name_of(short[0])} gives its own to the first "
                f"{short[0].depth} documents alone; use depth={short[0].depth}, or fusion=rrf"  # type: ignore[attr-defined]
            )
        if self.k < 0:
            raise HarnessError(f"hybrid k={self.k}: expected a whole number of at least 0, such as 60")
        if self.weights and self.tune_on:
            raise HarnessError("hybrid has weights and tune_on: give fixed weights, or a set to choose them on")
        sound = all(np.isfinite(w) and w >= 0 for w in self.weights) and any(self.weights)
        if self.weights and (len(self.weights) != len(self.of) or not sound):
            raise HarnessError(
                f"hybrid weights={list(self.weights)}: expected {len(self.of)} numbers, one a retriever, of at least "
                "0 and not all 0"
            )


class HybridSearcher:
    """Prepared members, and the weights of their lists (the largest is 1)."""

    def __init__(
        self,
        part: Hybrid,
        members: Sequence[Searcher],
        weights: Doubles,
        facts: Mapping[str, float],
        order: NDArray[np.int64],
    ) -> None:
        self.part = part
        self.members = members
        self.weights = weights
        self.order = order
        self.names = names_of(part.of)
        self._own = facts
        self._tell()

    def _tell(self) -> None:
        self.facts: Mapping[str, float] = {**together([m.facts for m in self.members]), **self._own}
        shares = ", ".join(f"{name} {w:g}" for name, w in zip(self.names, self._own.values(), strict=False))
        chosen = (f"weights chosen on {self.part.tune_on}: {shares}",) if self._own else ()
        self.warnings: tuple[str, ...] = (*chosen, *named(self.names, [m.warnings for m in self.members]))

    def rank(self, k: int) -> Ranking:
        """The k best for every query, padded where the members together list fewer."""
        pools = _pools(self.part, [member.rank(self.part.depth) for member in self.members])
        self._tell()
        return stacked([_fused(pool, self.weights, self.order, k) for pool in pools])

    def score(self, candidates: Ints) -> Doubles:
        """Inapplicable: a fused score is made of places in lists, which a document by itself has not."""
        raise Inapplicable("a hybrid scores lists, not documents by themselves: put it first and not second")

    def probe(self, query: int, k: int, lap: Lap) -> Ints:
        """Each member's search, then the fusion.

        Always by rank: the members' probes give positions alone, and the other fusions take as long.
        """
        found = [
            member.probe(query, self.part.depth, within(name, lap))
            for name, member in zip(self.names, self.members, strict=True)
        ]
        pool = _pool([Ranking(f, np.zeros(len(f)), np.asarray(True)) for f in found], "rrf", self.part.k)
        fused = _fused(pool, self.weights, self.order, min(k, len(pool.documents))).documents
        lap("fuse")
        return fused

    def probe_score(self, query: int, documents: Ints, lap: Lap) -> Doubles:
        """Inapplicable, as `score`."""
        return self.score(documents)


class _Pool(NamedTuple):
    """One query's documents, int [u], and what each is worth to each member, float64 [members, u]."""

    documents: NDArray[np.integer]
    values: Doubles


def _pools(part: Hybrid, lists: Sequence[Ranking]) -> list[_Pool]:
    queries = zip(*(zip(*listed, strict=True) for listed in lists), strict=True)
    return [_pool([Ranking(*row) for row in rows], part.fusion, part.k) for rows in queries]


def _pool(rows: Sequence[Ranking], fusion: str, k: int) -> _Pool:
    documents = np.unique(np.concatenate([row.documents[row.documents >= 0] for row in rows]))
    values = np.empty((len(rows), len(documents)))
    for row, own in zip(rows, values, strict=True):
        found = row.documents >= 0
        worth, own[:] = _normalised(row.scores[found], fusion, k)
        own[np.searchsorted(documents, row.documents[found])] = worth
    return _Pool(documents, values)


def _normalised(scores: Doubles, fusion: str, k: int) -> tuple[Doubles, float]:
    """What the documents of one list are worth, best first, and what one is that the list lacks."""
    if fusion == "rrf":
        return 1 / (k + np.arange(1.0, len(scores) + 1)), 0.0
    alike = not len(scores) or scores[0] == scores[-1]
    if fusion == "min-max":
        return (np.ones(len(scores)) if alike else (scores - scores[-1]) / (scores[0] - scores[-1])), 0.0
    standard = np.zeros(len(scores)) if alike else (scores - scores.mean()) / scores.std()
    return standard, float(standard.min(initial=0))


def _fused(pool: _Pool, weights: Doubles, order: NDArray[np.int64], k: int) -> Ranking:
    sums: Doubles = (weights[:, None] * pool.values).sum(axis=0)
    return best(pool.documents, np.round(sums, _DECIMALS), order, k)


def _relative(weights: Sequence[float]) -> Doubles:
    rows = np.asarray(weights, dtype=np.float64)
    result: Doubles = rows / rows.max()
    return result


def _tuned(part: Hybrid, evalset: EvalSet, source: VectorSource) -> tuple[float, ...]:
    other = source.evalset(part.tune_on)
    shared = {_plain(q) for q in other.queries.texts} & {_plain(q) for q in evalset.queries.texts}
    if shared:
        raise Inapplicable(
            f"tune_on={part.tune_on}: {len(shared)} of its queries are also queries of {evalset.name} (such as "
            f"{min(shared)!r}); weights tuned on the queries that are scored flatter them. Use another set"
        )
    if not (other.qrels.grade > 0).any():
        raise Inapplicable(f"tune_on={part.tune_on}: no query has a relevant document to tune weights by")
    pools = _pools(part, [member.prepare(other, source).rank(part.depth) for member in part.of])
    order = id_order(other.documents.ids)
    metric = find("metrics", _METRIC[0])(_METRIC[1])

    def quality(weights: tuple[float, ...]) -> float:
        ranking = stacked([_fused(pool, _relative(weights), order, metric.k) for pool in pools])
        return round(float(metric.score(judge(ranking, other.qrels)).mean()), _DECIMALS)

    return max(_simplex(len(part.of)), key=quality)


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _simplex(n: int) -> list[tuple[float, ...]]:
    """All n weights in tenths that sum to 1, those nearest to equal first."""

    def cut() -> Iterator[tuple[int, ...]]:
        for bars in combinations(range(_STEPS + n - 1), n - 1):
            edges = (-1, *bars, _STEPS + n - 1)
            yield tuple(b - a - 1 for a, b in pairwise(edges))

    return [tuple(c / _STEPS for c in counts) for counts in sorted(cut(), key=lambda c: sum(x * x for x in c))]
