"""What speaks against the timings and the labels themselves: load, unjudged documents, eval sets with equal queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any, NamedTuple

from harness.candidates import Candidate
from harness.meters import BUSY, STOLEN, disagree
from harness.table import Sweep

_FEW = 0.5  # of the ten documents shown first
_IRRELEVANT = 0.05  # judged and not relevant, of ten; labels with fewer name what is relevant alone
_OVER = 1.5  # load over cores: a sweep's own encoding fills the cores just before a timing begins


class Doubts(NamedTuple):
    """load: the highest load average at which a timing began, and the cores, where it is far over them; else None.

    judged: eval set -> smallest share of the first ten documents that are judged, where under half are. same: groups
    of eval sets with the same queries. busy, stolen: the highest shares of the cores' time (0..1) that other programs
    or other guests of a hypervisor used while a timing was taken, clock: the most seconds by which two clocks then
    disagreed; each None where it is too small to matter, or never known. `load` is about timings that do not know the
    share of other programs: a sweep's own work just before makes a load, too.
    """

    load: tuple[float, int] | None
    judged: Mapping[str, float]
    same: Sequence[tuple[str, ...]]
    busy: float | None = None
    stolen: float | None = None
    clock: float | None = None


def doubts(sweep: Sweep, finalists: Iterable[Candidate]) -> Doubts:
    """The doubts of a sweep; judged documents are those that the finalists show."""
    found = list(finalists)
    few = {task: share for task in sweep.manifest["evalsets"] if (share := _judged(found, task)) < _FEW}
    taken = _timings(sweep)
    busy, stolen = _most(taken, "busy_elsewhere", BUSY), _most(taken, "stolen", STOLEN)
    return Doubts(_load(sweep, taken), few, _same(sweep), busy, stolen, _clock(taken))


def _timings(sweep: Sweep) -> list[Mapping[str, Any]]:
    """Values of the timings that were taken."""
    keys = {key for variant in sweep.manifest["variants"] for key in variant["timings"].values()}
    found = (sweep.records[key] for key in sorted(keys) if key in sweep.records)
    return [record.values for record in found if record.status == "ok"]


def _load(sweep: Sweep, taken: Sequence[Mapping[str, Any]]) -> tuple[float, int] | None:
    """Of timings alone that do not know what others used."""
    unknown = [values for values in taken if values.get("busy_elsewhere") is None]
    cores = sweep.manifest["machine"].get("cores")
    highest = _most(unknown, "load_before", _OVER * cores) if cores else None
    return None if highest is None else (highest, cores)


def _most(taken: Sequence[Mapping[str, Any]], name: str, over: float) -> float | None:
    known = [float(values[name]) for values in taken if values.get(name) is not None]
    highest = max(filter(isfinite, known), default=0.0)
    return highest if highest > over else None


def _clock(taken: Sequence[Mapping[str, Any]]) -> float | None:
    wide = [v for v in taken if v.get("clock_gap_s") is not None and disagree(v["clock_gap_s"], v.get("watched_s"))]
    return max((float(values["clock_gap_s"]) for values in wide), default=None)


def _judged(finalists: Iterable[Candidate], task: str) -> float:
    """The smallest share; 1 where it is not known, or small by design: nothing is judged irrelevant."""
    shares = []
    for one in finalists:
        judged, relevant = (one.facts[key].get(task) for key in ("judged_at_10", "relevant_at_10"))
        if judged is not None and relevant is not None and judged - relevant >= _IRRELEVANT:
            shares.append(float(judged))
    return min(shares, default=1.0)


def _same(sweep: Sweep) -> list[tuple[str, ...]]:
    """Manifests of before there was a hash of the queries tell nothing."""
    groups: dict[str, list[str]] = {}
    for task, about in sweep.manifest["evalsets"].items():
        if known := about.get("queries_sha256"):
            groups.setdefault(known, []).append(task)
    return [tuple(tasks) for tasks in groups.values() if len(tasks) > 1]
