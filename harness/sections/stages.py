"""Where the time of a query goes: tokenising, the forward pass, pooling, and each step of the search."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from harness.disturbance import NOISY, noisy_rows
from harness.page import fill
from harness.report import Report
from harness.shapes import SERIES
from harness.table import Row
from harness.wording import called, enumerated, set_name

_WHOLE = {"encode", "search"}  # nothing that p50 of the two does not say already


class _Line(NamedTuple):
    """A candidate on an eval set; stages: name and typical milliseconds, in their order; noisy: a mark, or empty."""

    key: str
    label: str
    task: str
    row: Row
    stages: Sequence[tuple[str, float]]
    noisy: str

    @property
    def total(self) -> float:
        return sum(ms for _, ms in self.stages)


@dataclass(frozen=True)
class Stages:
    """One line a candidate and eval set: p50, p95, each stage's typical time, as a bar too; the `most` best ones."""

    most: int = 40
    position: ClassVar[int] = 57
    nav: ClassVar[str] = ""

    def render(self, report: Report) -> str:
        """The section, empty where no query was timed stage by stage."""
        lines = _lines(report)
        pick = report.decision["pick"]
        shown = [line for at, line in enumerate(lines) if at < self.most or line.row["candidate_id"] == pick]
        if not shown:
            return ""
        longest = max(line.total for line in shown) or 1.0
        tones = _tones(shown)
        return fill(
            "stages.html",
            lines=[(line, _bar(line, longest, tones)) for line in shown],
            legend=tones.items() if len(tones) <= len(SERIES) else (),
            left_out=len(lines) - len(shown),
            unsplit=enumerated(_unsplit(report, lines)),
        )


def _lines(report: Report) -> list[_Line]:
    """Of the best candidate first; batch sizes share a query's time."""
    places = {entry["id"]: place for place, entry in enumerate(report.entries)}
    doubtful = noisy_rows(report.manifest, report.records, "encode", "search")
    found: dict[tuple[str, str], _Line] = {}
    for row in report.rows:
        stages = _split(row["stages_p50_ms"])
        if {name for name, _ in stages} - _WHOLE:
            label, task, own = called(row), set_name(row["task"], row["sample"]), str(row["candidate_id"])
            noisy = NOISY if (row["candidate_id"], row["task"], row["batch_size"]) in doubtful else ""
            found.setdefault((label, task), _Line(report.keys.get(own, ""), label, task, row, stages, noisy))
    return sorted(found.values(), key=lambda line: places.get(line.row["candidate_id"], len(places)))


def _unsplit(report: Report, lines: Sequence[_Line]) -> list[str]:
    """Models whose queries were timed, but as a whole."""
    split = {line.row["model"] for line in lines}
    return sorted({row["model"] for row in report.rows if row["query_p50_ms"] is not None} - split - {"-"})


def _split(text: str | None) -> list[tuple[str, float]]:
    """`tokenise 0.31 + forward 6.2` as names and numbers."""
    parts = (stage.rpartition(" ") for stage in (text or "").split(" + ") if stage)
    return [(name, float(ms)) for name, _, ms in parts]


def _tones(lines: Iterable[_Line]) -> dict[str, str]:
    """A colour for each name of a stage, in the order in which they come."""
    names = dict.fromkeys(name for line in lines for name, _ in line.stages)
    return {name: SERIES[at % len(SERIES)] for at, name in enumerate(names)}


def _bar(line: _Line, longest: float, tones: dict[str, str]) -> list[dict[str, Any]]:
    """Pieces of the bar, as CSS: its width in percent of the longest bar, its colour."""
    return [{"width": f"{100 * ms / longest:.2f}%", "tone": tones[name]} for name, ms in line.stages]
