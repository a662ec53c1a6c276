"""What it takes from nothing to the first answer: loading a model in a fresh process, its first query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.disturbance import NOISY, disturbed
from harness.measurements import Measurement, measurements
from harness.page import fill
from harness.page.grid import Column, grid
from harness.report import Report
from harness.wording import number, whole


@dataclass(frozen=True)
class ColdStart:
    """One line a model that was started in a process of its own; at most `most`."""

    most: int = 60
    position: ClassVar[int] = 91
    nav: ClassVar[str] = ""

    def render(self, report: Report) -> str:
        """The section, empty where no start was timed."""
        lines = _lines(report)
        if not lines:
            return ""
        sets = len({line.task for line in lines}) > 1
        columns = [column for column in _COLUMNS if sets or column.heading != "Eval set"]
        return fill(
            "cold_start.html", grid=grid(columns, lines[: self.most]), left_out=len(lines) - len(lines[: self.most])
        )


def _lines(report: Report) -> list[Measurement]:
    """The batch sizes of a model were taken in one process, which started once."""
    found = measurements(report.manifest, report.records, "start")
    return list({(line.label, line.task): line for line in found}.values())


def _times(line: Measurement) -> float | None:
    """None of a noisy start: one disturbed time over another is no ratio."""
    first, settled = line.record.values.get("first_ms"), line.record.values.get("settled_ms")
    return first / settled if first is not None and settled and not _noisy(line) else None


def _noisy(line: Measurement) -> str | None:
    """Of a start that was disturbed, or whose first query was faster than the later ones."""
    first, settled = line.record.values.get("first_ms"), line.record.values.get("settled_ms")
    backwards = first is not None and settled is not None and first < settled
    return NOISY if backwards or disturbed(line.record) else None


def _value(heading: str, key: str, write: object = number) -> Column:
    return Column(heading, "ascending", write, lambda line: line.record.values.get(key))  # type: ignore[arg-type]


_COLUMNS = (
    Column("Model", "ascending", None, lambda line: line.label),
    Column("Eval set", "ascending", None, lambda line: line.task),
    _value("Loading (s)", "load_s"),
    _value("First query, model alone (ms)", "first_ms"),
    _value("Later queries, model alone (ms)", "settled_ms"),
    Column("First over later", "descending", lambda ratio: f"{number(ratio)}×", _times),
    Column("Timing", "ascending", None, _noisy),
    _value("Memory after loading (MB)", "loaded_mb", whole),
)
