"""Query by query: the chosen candidate against those that a reader asks about, worst losses first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

from harness.items import Item
from harness.page import fill
from harness.querywise import Comparison, Versus, compare, losses, worst_of
from harness.report import Entry, Report
from harness.table import Sweep
from harness.wording import item, plural


class _Duel(NamedTuple):
    title: str
    names: tuple[str, str]
    comparison: Comparison
    worst: list[tuple[Versus, Item]]
    losses: int


@dataclass(frozen=True)
class Queries:
    """Won, tied and lost on each eval set, and the `most` worst losses over all of them with both top three.

    Of the chosen, or of the reference where there is no pick.
    """

    most: int = 20
    position: ClassVar[int] = 70
    nav: ClassVar[str] = "Queries"

    def render(self, report: Report) -> str:
        """The section; empty where there are no two candidates that have a result."""
        duels = [self._duel(report, *pair) for pair in _pairs(report)]
        items = plural(item(report.manifest["evalsets"]))
        return fill("queries.html", duels=duels, items=items, sweep=report.sweep) if duels else ""

    def _duel(self, report: Report, title: str, names: tuple[str, str], first: Entry, second: Entry) -> _Duel:
        sweep = Sweep(Path(report.sweep), dict(report.manifest), report.records)
        found = compare(sweep, report.excerpts, first["id"], second["id"])
        return _Duel(title, names, found, worst_of(found, self.most), losses(found))


def _pairs(report: Report) -> list[tuple[str, tuple[str, str], Entry, Entry]]:
    """Heading, short names and the two candidates of each comparison, at most three; none where nothing compares."""
    reference, first = report.reference, report.pick or report.reference
    if reference is None or first is None:
        return []
    name = "chosen" if report.pick else "reference"
    within = [entry for entry in report.entries if entry["difference"] is not None]
    others = (
        ("the reference", "reference", reference),
        ("the best of another model", "other model", _of_another_model(first, within)),
        ("the cheapest that stays open", "open", _open(report, first, within)),
    )
    found: dict[str, tuple[str, tuple[str, str], Entry, Entry]] = {}
    for what, short, second in others:
        if second is not None and second["id"] != first["id"]:
            found.setdefault(second["id"], (f"{name.capitalize()} against {what}", (name, short), first, second))
    return list(found.values()) or _runner_up(report, name, first, within)


def _of_another_model(first: Entry, within: Sequence[Entry]) -> Entry | None:
    """The best; entries come best first."""
    return next((entry for entry in within if entry["model"] != first["model"]), None)


def _open(report: Report, first: Entry, within: Sequence[Entry]) -> Entry | None:
    """The cheapest of those cheaper than the first that are neither proven within the margin nor shown to lie below."""
    margin = report.decision["policy"]["margin"]
    found = [
        entry
        for entry in within
        if not entry["proven"] and entry["interval"][1] > -margin and entry["cost_rank"] < first["cost_rank"]
    ]
    return min(found, key=lambda entry: int(entry["cost_rank"]), default=None)


def _runner_up(
    report: Report, name: str, first: Entry, within: Sequence[Entry]
) -> list[tuple[str, tuple[str, str], Entry, Entry]]:
    """Against who is picked next most often over resampled queries, else the next best."""
    often = [one["id"] for one in report.decision["same_pick"]]
    others = [entry for entry in within if entry["id"] != first["id"]]
    second = min(others, key=lambda e: often.index(e["id"]) if e["id"] in often else len(often), default=None)
    return [] if second is None else [(f"{name.capitalize()} against the next", (name, "next"), first, second)]
