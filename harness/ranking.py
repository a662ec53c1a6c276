"""Arithmetic of rankings: the tie rule, judgements seen by rank, and what another order of ties would score."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.protocols import Metric, Rows
from harness.types import Doubles, EvalSet, HarnessError, Ints, Judged, Qrels, Ranking

BLOCK_ROWS = 8192
_DECIMALS = 9
_MIXER, _ROOM = np.uint64(0x9E3779B97F4A7C15), 8  # Knuth's multiplicative hashing, 1 key in 8 places or more
_SAME = 1e-5  # of the largest number: float32 rounds sums of equal numbers by less


def id_order(ids: Sequence[str]) -> NDArray[np.int64]:
    """int64 [n]: the position of each id among the sorted ids (code point order, as trec_eval's strcmp on UTF-8)."""
    return np.argsort(np.argsort(np.asarray(ids, dtype=object), kind="stable"))


def settled(scores: Doubles, largest: float) -> Doubles:
    """Scores rounded to 9 decimals, fewer or more where the largest score is of another magnitude: copies then tie.

    float64 sums of equal rows differ in their last bits with the number of rows multiplied at once.
    """
    magnitude = int(np.log10(largest)) if largest > 0 else 0  # 0 from 0.1 to 10: unit vectors are there on both sides
    result: Doubles = np.round(scores, _DECIMALS - magnitude)
    return result


def blocks(n: int) -> Iterator[slice]:
    """Slices that cover n rows in order, some thousands each: work on one at a time needs no second matrix."""
    for start in range(0, n, BLOCK_ROWS):
        yield slice(start, min(start + BLOCK_ROWS, n))


def check_finite(vectors: Rows, what: str) -> None:
    """HarnessError if a row of float32 [n, d] holds NaN or infinity; a bit or a code would hide it."""
    finite = np.empty(len(vectors), dtype=bool)
    for block in blocks(len(vectors)):
        finite[block] = np.isfinite(vectors[block]).all(axis=1)
    if not finite.all():
        raise HarnessError(
            f"{int((~finite).sum())} of {len(vectors)} {what} vectors are not finite "
            f"(first: row {int(np.argmin(finite))}); the model is broken at this dtype. Try dtype=float32"
        )


def check_varied(vectors: Rows, what: str) -> None:
    """HarnessError if all rows of float32 [n, d] are equal but for rounding: any order would be as good."""
    first = vectors[:1]
    slack = _SAME * float(np.abs(first).max(initial=0))
    apart = (np.abs(vectors[block] - first).max(initial=0) > slack for block in blocks(len(vectors)))
    if len(vectors) > 1 and not any(apart):
        raise HarnessError(f"all {len(vectors)} {what} vectors are equal: the model does not tell texts apart")


def best(documents: NDArray[np.integer], scores: Doubles, order: NDArray[np.int64], k: int) -> Ranking:
    """The k best of one query's candidates: score descending, then document id descending (trec_eval's rule).

    documents: int [c] positions; scores: float64 [c]; order: `id_order` of the whole corpus. Gives a Ranking
    without the query axis, padded to k.
    """
    place = np.lexsort((-order[documents], -scores))
    complete = len(place) <= k or bool(scores[place[k - 1]] != scores[place[k]])
    kept = place[:k]
    found, reached = np.full(k, -1, dtype=np.int32), np.full(k, -np.inf)
    found[: len(kept)], reached[: len(kept)] = documents[kept], scores[kept]
    return Ranking(found, reached, np.asarray(complete))


def stacked(rankings: Sequence[Ranking]) -> Ranking:
    """One Ranking [q, k] from the rankings of single queries."""
    return Ranking(*(np.array(column) for column in zip(*rankings, strict=True)))


def scored(candidates: Ints, exact: Callable[[int, Ints], Doubles]) -> Doubles:
    """float64 [q, c] scores of int32 [q, c] candidates, -inf where one is -1; `exact` scores some of one query."""
    scores = np.full(candidates.shape, -np.inf)
    for query, (row, documents) in enumerate(zip(scores, candidates, strict=True)):
        row[documents >= 0] = exact(query, documents[documents >= 0])
    return scores


def own_documents(evalset: EvalSet) -> Ints:
    """int32 [q]: the document with the query's own id where the eval set excludes it, else -1."""
    where = {d: i for i, d in enumerate(evalset.documents.ids)} if evalset.exclude_self else {}
    return np.asarray([where.get(q, -1) for q in evalset.queries.ids], dtype=np.int32)


def judge(ranking: Ranking, qrels: Qrels) -> Judged:
    """A ranking seen through judgements, for the queries that have a relevant document."""
    queries = np.unique(qrels.query[qrels.grade > 0])
    documents = ranking.documents[queries]
    known = qrels.document >= 0
    span = int(max(documents.max(initial=0), qrels.document.max(initial=0))) + 2
    keys = qrels.query[known].astype(np.int64) * span + qrels.document[known]
    order = np.argsort(keys)
    keys, values = keys[order], qrels.grade[known][order]
    wanted = (queries[:, None].astype(np.int64) * span + documents).reshape(-1)
    at = _likely(keys, wanted)
    place = np.searchsorted(keys, wanted[at])
    # A judged grade below 0 (trec_eval's "spam") is judged, yet no gain: 0 keeps it apart from unjudged.
    hit = (place < len(keys)) & (documents.reshape(-1)[at] >= 0)
    hit[hit] = keys[place[hit]] == wanted[at[hit]]
    grades = np.full(documents.size, -1, dtype=np.int32)
    grades[at[hit]] = np.maximum(values[place[hit]], 0)
    return Judged(queries.astype(np.int32), grades.reshape(documents.shape), documents >= 0, _ideal(qrels, queries))


def _likely(keys: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions in `wanted` of all that are among `keys` and a few that are not: most judge few of many documents."""
    bits = (len(keys) * _ROOM + 1).bit_length()
    mixed, sought = (values.view(np.uint64) * _MIXER >> np.uint64(64 - bits) for values in (keys, wanted))
    there = np.zeros(2**bits, dtype=bool)
    there[mixed] = True
    return np.flatnonzero(there[sought])


def _ideal(qrels: Qrels, queries: NDArray[np.integer]) -> Ints:
    relevant = np.flatnonzero(qrels.grade > 0)
    ordered = relevant[np.lexsort((-qrels.grade[relevant], qrels.query[relevant]))]
    row = np.searchsorted(queries, qrels.query[ordered])
    column = np.arange(len(row)) - np.searchsorted(row, row)
    ideal = np.zeros((len(queries), int(column.max(initial=0)) + 1), dtype=np.int32)
    ideal[row, column] = qrels.grade[ordered]
    return ideal


def tie_bounds(metric: Metric, ranking: Ranking, judged: Judged) -> tuple[Doubles, Doubles]:
    """Lowest and highest score, float64 [n] each, that any order of equally scored documents would give.

    Where the last tie runs on beyond the ranking, the bounds are outer ones: its unseen members count as
    unjudged for the lowest and as the query's missing relevant documents for the highest.
    """
    scores = ranking.scores[judged.query]
    group = np.concatenate(
        [np.zeros((len(scores), 1), int), np.cumsum(scores[:, 1:] != scores[:, :-1], axis=1)], axis=1
    )
    gains = judged.grades
    span = int(gains.max(initial=0)) + 2
    worst = np.take_along_axis(gains, np.argsort(group * span + gains, axis=1, kind="stable"), axis=1)
    fair = np.take_along_axis(gains, np.argsort(group * span - gains, axis=1, kind="stable"), axis=1)
    for row in np.flatnonzero(~ranking.complete[judged.query]):
        last = group[row] == group[row, -1]
        worst[row, last] = -1
        fair[row, last] = _best_of_unseen(gains[row], judged.ideal[row], last)
    return metric.score(judged._replace(grades=worst)), metric.score(judged._replace(grades=fair))


def _best_of_unseen(gains: Ints, ideal: Ints, last: NDArray[np.bool_]) -> Ints:
    seen_elsewhere = list(gains[~last & (gains > 0)])
    pool = [int(g) for g in ideal if g > 0]
    for grade in seen_elsewhere:
        pool.remove(int(grade))
    slots = int(last.sum())
    return np.asarray((pool + [0] * slots)[:slots], dtype=np.int32)
