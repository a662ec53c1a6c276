"""Pairs of query and document that nobody judged, among the first documents of the candidates in question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, groupby
from typing import Any, NamedTuple

import numpy as np

from harness.judgements import positions
from harness.sampling import drawn
from harness.table import Sweep
from harness.types import EvalSet, Ints

MOST_CANDIDATES = 12
_CUT = 10  # ranks that nDCG@10 looks at
_NORMAL_95 = 1.96


class Ranked(NamedTuple):
    """The first documents that a candidate found: int32 [n, kept] positions, -1 for none, for n query ids."""

    label: str
    queries: tuple[str, ...]
    top: Ints


class Pair(NamedTuple):
    """An unjudged pair as positions in the eval set, and what the best grade for it would add to each candidate.

    gains: of nDCG@10 of its query, in the order of the candidates; 0 where it is not among the first 10.
    """

    query: int
    document: int
    gains: tuple[float, ...]

    @property
    def moves(self) -> float:
        """How far that grade would move two candidates apart, the mean over all two; 0 where all have it alike."""
        ordered, n = sorted(self.gains), len(self.gains)
        spread = sum((2 * i - n + 1) * gain for i, gain in enumerate(ordered))
        return 2 * spread / (n * (n - 1)) if n > 1 else 0.0


class Pool(NamedTuple):
    """Unjudged pairs, and what is known of judged ones: the share of relevant among those in the same ranks."""

    pairs: tuple[Pair, ...]
    relevant_share: float


def in_question(decision: Mapping[str, Any], task: str) -> list[str]:
    """Ids of the candidates on which the decision turns, at most 12, or all with a result where fewer than two do.

    First pick and reference, then what is proven, then what may still lie within the margin, then what has fewer judged
    documents than the reference on this set: its score is a floor.
    """
    entries = decision["candidates"]
    reference = next((e for e in entries if e["id"] == decision["reference"]), None)
    order = {e["id"]: turn for e in entries if reference and (turn := _turn(e, decision, reference, task)) is not None}
    chosen = sorted(order, key=order.__getitem__)  # stable: the best first among equals
    if len(chosen) < 2:
        chosen = [e["id"] for e in entries if task in e["scores"]]
    return chosen[:MOST_CANDIDATES]


def _turn(entry: Mapping[str, Any], decision: Mapping[str, Any], reference: Mapping[str, Any], task: str) -> int | None:
    if entry["id"] in (decision["pick"], decision["reference"]):
        return 0
    if entry["difference"] is None:  # no result, or over a limit
        return None
    if entry["proven"]:
        return 1
    if entry["interval"][1] > -decision["policy"]["margin"]:
        return 2
    judged, best = (e["judged_at_10"].get(task) for e in (entry, reference))
    return 3 if judged is not None and best is not None and judged < best else None


def rankings(sweep: Sweep, task: str, chosen: Sequence[str], labels: Mapping[str, str]) -> list[Ranked]:
    """What the records of these candidates hold for an eval set, in the order given."""
    keys = {v["candidate_id"]: v["quality"] for v in sweep.manifest["variants"] if v["task"] == task}
    return [_ranked(labels[name], sweep.records[keys[name]].arrays) for name in chosen]


def _ranked(label: str, arrays: Mapping[str, Any]) -> Ranked:
    """Scored queries, then those without a relevant document, which older records lack."""
    ids, top = arrays["query_ids"].tolist(), arrays["top"]
    if "unscored_ids" in arrays:
        ids, top = ids + arrays["unscored_ids"].tolist(), np.concatenate([top, arrays["unscored_top"]])
    return Ranked(label, tuple(map(str, ids)), top)


def unjudged(evalset: EvalSet, found: Sequence[Ranked], depth: int) -> Pool:
    """Every unjudged pair once, of those that a candidate has among its first `depth` documents; the decisive first."""
    place = positions(evalset.queries)
    grades = {(q, d): g for q, d, g in zip(*(column.tolist() for column in evalset.qrels), strict=True)}
    gains: dict[tuple[int, int], list[float]] = {}
    met: dict[tuple[int, int], bool] = {}
    for number, one in enumerate(found):
        for name, row in zip(one.queries, one.top[:, :depth].tolist(), strict=True):
            for rank, document in enumerate(row):
                pair = (place[name], document)
                if pair in grades:
                    met[pair] = grades[pair] > 0
                elif document >= 0:
                    gains.setdefault(pair, [0.0] * len(found))[number] = _discount(rank)
    worth = _worth(evalset)
    pairs = [Pair(q, d, tuple(worth[q] * gain for gain in by)) for (q, d), by in gains.items()]
    return Pool(tuple(_decisive(evalset, pairs)), sum(met.values()) / len(met) if met else 1.0)


def _discount(rank: int) -> float:
    return float(1 / np.log2(rank + 2)) if rank < _CUT else 0.0


def top_grade(evalset: EvalSet) -> int:
    """The highest grade in use."""
    return int(evalset.qrels.grade.max())


def _worth(evalset: EvalSet) -> list[float]:
    """For each query the best grade over the ideal gain that it would have with one more document of that grade."""
    best = top_grade(evalset)
    known: list[list[int]] = [[] for _ in evalset.queries.ids]
    for query, grade in zip(evalset.qrels.query.tolist(), evalset.qrels.grade.tolist(), strict=True):
        if grade > 0:
            known[query].append(grade)
    return [best / _ideal([best, *grades]) for grades in known]


def _ideal(grades: Sequence[int]) -> float:
    return sum(grade * _discount(rank) for rank, grade in enumerate(sorted(grades, reverse=True)))


def _decisive(evalset: EvalSet, pairs: Sequence[Pair]) -> list[Pair]:
    """By what they move, most first; equals by a hash of their ids, so that no candidate's order shows."""
    return sorted(_shuffled(evalset, pairs), key=lambda pair: -pair.moves)


def _shuffled(evalset: EvalSet, pairs: Sequence[Pair]) -> list[Pair]:
    """Queries, and the documents of each query, in the order of a hash of their ids: the same for the same pairs."""
    by_query: dict[int, dict[int, Pair]] = {}
    for pair in pairs:
        by_query.setdefault(pair.query, {})[pair.document] = pair
    mixed = []
    for query in drawn(evalset.queries.ids, np.array(list(by_query), dtype=np.int64), "pool").tolist():
        documents = np.array(list(by_query[query]), dtype=np.int64)
        order = drawn(evalset.documents.ids, documents, f"pool|{evalset.queries.ids[query]}")
        mixed += [by_query[query][document] for document in order.tolist()]
    return mixed


def in_reading_order(evalset: EvalSet, pairs: Sequence[Pair]) -> list[Pair]:
    """Query by query, the one whose pairs together move most first; inside a query the order of a hash of the ids.

    A judge reads each query once, and neither place nor order says which candidate found a document or how high.
    """
    groups = [list(group) for _, group in groupby(_shuffled(evalset, pairs), key=lambda pair: pair.query)]
    groups.sort(key=lambda group: -sum(pair.moves for pair in group))
    return [pair for group in groups for pair in group]


def needed(pool: Pool, ordered: Sequence[Pair], queries: int, margin: float) -> int:
    """Pairs of `ordered` to judge until the rest should move no two candidates apart by the margin, 95 times of 100.

    As if each of the rest had the best grade with the chance that a judged document in the same ranks is relevant,
    without regard to the others.
    """
    gains = np.array([pair.gains for pair in ordered])[::-1]
    open_ = np.zeros(len(gains), dtype=bool)  # by the number of pairs that are left, from 1
    for one, other in combinations(range(gains.shape[1]), 2):
        apart = gains[:, one] - gains[:, other]
        expected = pool.relevant_share * np.abs(np.cumsum(apart))
        spread = np.sqrt(pool.relevant_share * (1 - pool.relevant_share) * np.cumsum(apart**2))
        open_ |= expected + _NORMAL_95 * spread >= margin * queries
    settled = np.flatnonzero(~open_)
    return len(gains) - (int(settled[-1]) + 1 if settled.size else 0)
