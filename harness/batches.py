"""The batch sizes a candidate was run at: the rate and memory of each, and the one that it is judged by."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from harness.policy import AT_LEAST
from harness.table import Row

_MEMORY = {"memory_mb": "peak_rss_mb", "vram_mb": "peak_vram_mb", "model_mb": "model_mb"}  # limit -> row key
JUDGED = ("docs_per_s", "memory_mb", "vram_mb")  # limits that one batch size has to meet together
_BOUND = {"docs_per_s": "docs_per_s_lower"}


class Batch(NamedTuple):
    """One batch size on every eval set that was looked at.

    size: None where there is none, or where no size was run on all of the sets; used: the smallest that was encoded,
    where one did not fit. knee: on how many sets it is the knee. costs: by limit and `docs_per_s_lower`,
    `docs_per_s_spread`; the worst of the sets, None where unknown. rows: what they are from.
    """

    size: int | None
    used: int | None
    knee: int
    costs: Mapping[str, float | None]
    rows: tuple[Row, ...]


def batches(good: Sequence[Row]) -> tuple[Batch, ...]:
    """Those that ran on every eval set of these rows, by device and size; none of no rows.

    Where the sets share no size it is one, of the size with the best lower bound on each.
    """
    tasks = {row["task"] for row in good}
    groups: dict[tuple[str, int], dict[str, Row]] = {}
    for row in good:
        groups.setdefault((str(row["device"]), row["batch_size"] or 0), {})[row["task"]] = row
    whole = [_batch(list(groups[key].values())) for key in sorted(groups) if len(groups[key]) == len(tasks)]
    if whole or not good:
        return tuple(whole)
    best = {row["task"]: row for row in sorted(good, key=_speed)}
    return (_batch(list(best.values())),)


def _batch(of: Sequence[Row]) -> Batch:
    timed = [row for row in of if row["docs_per_s"] is not None]
    shown = min(timed, key=lambda row: row["docs_per_s"], default=None)
    costs = {limit: _worst(max, of, key) for limit, key in _MEMORY.items()}
    costs |= {
        "docs_per_s": shown["docs_per_s"] if shown else None,
        "docs_per_s_lower": _worst(min, timed, "docs_per_s_lower"),
        "docs_per_s_spread": shown["docs_per_s_spread"] if shown else None,
    }
    sizes = {row["batch_size"] for row in of}
    used = [row["batch_used"] for row in of if row["batch_used"] is not None]
    knee = sum(row["knee"] is True for row in of)
    return Batch(sizes.pop() if len(sizes) == 1 else None, min(used, default=None), knee, costs, tuple(of))


def _worst(of: Any, good: Iterable[Row], key: str) -> float | None:
    values = [row[key] for row in good]
    return of(values) if values and all(value is not None for value in values) else None


def _speed(of: Mapping[str, Any]) -> tuple[float, float]:
    return of["docs_per_s_lower"] or 0.0, of["docs_per_s"] or 0.0


def judged_by(found: Sequence[Batch], limits: Mapping[str, Any]) -> Batch | None:
    """The batch size that is shown and held against the limits: of those that meet most, the best.

    Best is the nearest to the limits it misses, then the highest lower bound of the rate. Without a limit on the rate
    of indexing or memory, the knee comes first; of sizes without a rate, the one with most memory.
    """
    held = [key for key in JUDGED if limits.get(key) is not None]

    def rank(one: Batch) -> tuple[float, ...]:
        met = sum(meets(one, key, limits[key]) for key in held)
        short = sum(_short(one, key, limits[key]) for key in held)
        return (met, -short, 0 if held else one.knee, *_speed(one.costs), one.costs["memory_mb"] or 0.0)

    return max(found, key=rank, default=None)


def meets(one: Batch, key: str, allowed: float) -> bool:
    """Whether a batch size is within a limit of `JUDGED`, at its bound; not where that is unknown."""
    end = one.costs[_BOUND.get(key, key)]
    return end is not None and (end >= allowed if key in AT_LEAST else end <= allowed)


def _short(one: Batch, key: str, allowed: float) -> float:
    """By what part a batch size misses a limit at its bound: 0 where it meets it, infinite where that is unknown."""
    end = one.costs[_BOUND.get(key, key)]
    if meets(one, key, allowed):
        return 0.0
    if not end:
        return math.inf
    return (allowed / end if key in AT_LEAST else end / allowed) - 1


def nearest(found: Sequence[Batch], key: str, limits: Mapping[str, Any]) -> Batch | None:
    """The batch size that comes furthest within a limit of `JUDGED`, of those that meet the others; None without one.

    Where the batch size is free, this is what a level of that limit alone is held against.
    """
    others = [other for other in JUDGED if other != key and limits.get(other) is not None]
    fit = [one for one in found if all(meets(one, other, limits[other]) for other in others)]
    end, sign = _BOUND.get(key, key), -1 if key in AT_LEAST else 1
    known = [one for one in fit if one.costs[end] is not None]
    return min(known, key=lambda one: sign * (one.costs[end] or 0.0), default=None)
