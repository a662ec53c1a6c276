"""Query by query: the chosen candidate against the reference and against the runner-up, worst losses first."""

from __future__ import annotations

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

    Without a pick the reference stands against the runner-up.
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
    """Heading, short names and the two candidates of each comparison."""
    reference, first = report.reference, report.pick or report.reference
    if reference is None or first is None:
        return []
    name = "chosen" if report.pick else "reference"
    found = []
    if first["id"] != reference["id"]:
        found.append(("Chosen against reference", (name, "reference"), first, reference))
    second = _runner_up(report, {first["id"], reference["id"]})
    if second is not None:
        found.append((f"{name.capitalize()} against runner-up", (name, "runner-up"), first, second))
    return found


def _runner_up(report: Report, taken: set[str]) -> Entry | None:
    """Who is picked next most often over resampled queries, else the best of those within the limits."""
    often = [one["id"] for one in report.decision["same_pick"]]
    within = [entry for entry in report.entries if entry["difference"] is not None and entry["id"] not in taken]
    within.sort(key=lambda entry: often.index(entry["id"]) if entry["id"] in often else len(often))
    return within[0] if within else None
