"""What speaks against the timings and the labels themselves: load, unjudged documents, eval sets with equal queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import NamedTuple

from harness.candidates import Candidate
from harness.table import Sweep

_FEW = 0.5  # of the ten documents shown first
_IRRELEVANT = 0.05  # judged and not relevant, of ten; labels with fewer name what is relevant alone
_OVER = 1.5  # load over cores: a sweep's own encoding fills the cores just before a timing begins


class Doubts(NamedTuple):
    """load: the highest load average at which a timing began, and the cores, where it is far over them; else None.

    judged: eval set -> smallest share of the first ten documents that are judged, where under half are. same: groups
    of eval sets with the same queries.
    """

    load: tuple[float, int] | None
    judged: Mapping[str, float]
    same: Sequence[tuple[str, ...]]


def doubts(sweep: Sweep, finalists: Iterable[Candidate]) -> Doubts:
    """The doubts of a sweep; judged documents are those that the finalists show."""
    found = list(finalists)
    few = {task: share for task in sweep.manifest["evalsets"] if (share := _judged(found, task)) < _FEW}
    return Doubts(_load(sweep), few, _same(sweep))


def _load(sweep: Sweep) -> tuple[float, int] | None:
    keys = {key for variant in sweep.manifest["variants"] for key in variant["timings"].values()}
    taken = [float(sweep.records[key].values.get("load_before", 0.0)) for key in keys if key in sweep.records]
    highest, cores = max(filter(isfinite, taken), default=0.0), sweep.manifest["machine"].get("cores")
    return (highest, cores) if cores and highest > _OVER * cores else None


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
