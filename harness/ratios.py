"""How fast one candidate is beside another, where both were timed on the same kind of machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from harness.candidates import candidate_of
from harness.machines import met, named
from harness.table import Row, Sweep, rows


class Ratio(NamedTuple):
    """A speed of both, and how far the rounds of each lie apart (None where that is not known), in its own unit."""

    what: str
    before: float
    after: float
    apart_before: float | None = None
    apart_after: float | None = None

    @property
    def times(self) -> float:
        """After over before."""
        return self.after / self.before


class Ratios(NamedTuple):
    """Ratios of latency (ms) and of throughput (documents a second); without any, why there are none."""

    found: tuple[Ratio, ...]
    why_not: str


def ratios(before: tuple[Sweep, str], after: tuple[Sweep, str], tasks: Mapping[str, str]) -> Ratios:
    """Of two candidates, each a sweep and an id, over the eval sets of `after` -> the same set of `before`.

    Of several eval sets the one counts on which the new one does worse. Nothing is compared where one was not timed,
    or the machines, or the settings of the timing, are not alike.
    """
    places = [met(_alone(sweep, cid)) for sweep, cid in (before, after)]
    if not all(places):
        return Ratios((), "no timing of both says on which machine it was taken")
    if len(unlike := named([*places[0], *places[1]])) > 1:
        return Ratios((), f"the machines differ ({'; '.join(unlike)})")
    if _settings(before[0]) != _settings(after[0]):
        return Ratios((), "the two were timed with other settings")
    old, new = _by_task(*before), _by_task(*after)
    pairs = [(old.get(there, []), new.get(here, [])) for here, there in tasks.items()]
    latencies = [_ratio("query p95", "query_p95_ms", pair, -1) for pair in pairs]
    rates = [_ratio("indexing rate", "docs_per_s", pair, 1) for pair in pairs]
    slowest = max((r for r in latencies if r), key=lambda r: r.times, default=None)
    rarest = min((r for r in rates if r), key=lambda r: r.times, default=None)
    found = tuple(r for r in (slowest, rarest) if r is not None)
    return Ratios(found, "" if found else "no eval set was timed for both")


def _settings(sweep: Sweep) -> Mapping[str, Any]:
    """Those that these speeds were taken with: whether a load was served beside them does not matter."""
    timing: Mapping[str, Any] = sweep.manifest["timing"]
    return {name: timing[name] for name in ("query", "index")} if "query" in timing else timing


def _alone(sweep: Sweep, candidate: str) -> Sweep:
    kept = [v for v in sweep.manifest["variants"] if v["candidate_id"] == candidate]
    return sweep._replace(manifest=sweep.manifest | {"variants": kept})


def _by_task(sweep: Sweep, candidate: str) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows(sweep):
        if candidate_of(row) == candidate and row["status"] == "ok":
            found.setdefault(row["task"], []).append(row)
    return found


def _ratio(what: str, key: str, pair: tuple[Sequence[Row], Sequence[Row]], better: int) -> Ratio | None:
    """Of the best variant (batch size) of each; None where one was not timed. better: 1 for more, -1 for less."""
    timed = [[row for row in side if row[key]] for side in pair]
    if not all(timed):
        return None
    old, new = (max(side, key=lambda row: better * row[key]) for side in timed)
    return Ratio(what, old[key], new[key], old.get(f"{key}_spread"), new.get(f"{key}_spread"))
