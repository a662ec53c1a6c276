"""How many queries a second each candidate sustains, with every rate that was tried and its 99th percentile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from typing import ClassVar

import numpy as np

from harness.disturbance import NOISY, disturbed
from harness.measurements import Measurement, measurements
from harness.page import fill
from harness.page.grid import Column, grid
from harness.plots import Line, Mark, Scales, scatter
from harness.report import Report
from harness.shapes import tones
from harness.svg import Drawing, inline_svg
from harness.wording import enumerated, number, whole


@dataclass(frozen=True)
class Serving:
    """Table of the served rates of at most `most` candidates, and a plot of the rates that `drawn` of them tried."""

    most: int = 60
    drawn: int = 12
    position: ClassVar[int] = 92
    nav: ClassVar[str] = ""

    def render(self, report: Report) -> str:
        """The section, empty where nothing was timed under load."""
        lines = _lines(report)
        if not lines:
            return ""
        sets = len({line.task for line in lines}) > 1
        columns = [column for column in _COLUMNS if sets or column.heading != "Eval set"]
        return fill(
            "serving.html",
            grid=grid(columns, lines[: self.most]),
            plots=[(drawing, inline_svg(*drawing)) for drawing in self.figures(report)],
            legend=tones(line.label for line in self._drawn(report)).items(),
            undrawn=max(0, len(lines) - self.drawn),
            left_out=len(lines) - len(lines[: self.most]),
            limits=enumerated([f"{limit:g} ms" for limit in _limits(lines)]),
        )

    def figures(self, report: Report) -> list[Drawing]:
        """Rate against its 99th percentile, where two rates of a candidate have one."""
        known = self._drawn(report)
        return [_plot(known)] if known else []

    def _drawn(self, report: Report) -> list[Measurement]:
        return [line for line in _lines(report)[: self.drawn] if len(_tried(line)) > 1]


def _lines(report: Report) -> list[Measurement]:
    """The highest rate first, those that sustain none last."""
    found = measurements(report.manifest, report.records, "serve")
    return sorted(found, key=lambda line: (-(line.record.values["rate_per_s"] or 0), line.label, line.task))


def _limits(lines: Sequence[Measurement]) -> list[float]:
    return sorted({float(line.record.values["limit_ms"]) for line in lines})


def _tried(line: Measurement) -> list[tuple[float, float]]:
    """Rates and p99 in milliseconds, lowest rate first; those with too few samples for one are left out."""
    pairs = zip(*(np.asarray(line.record.arrays[key]).tolist() for key in ("rates", "p99_ms")), strict=True)
    return sorted((rate, p99) for rate, p99 in pairs if not isnan(p99))


def _told(line: Measurement) -> str:
    """Every tried rate with its p99; one that was given up early has too few samples."""
    pairs = zip(*(np.asarray(line.record.arrays[key]).tolist() for key in ("rates", "p99_ms")), strict=True)
    return ", ".join(
        f"{number(rate)}/s: {'given up' if isnan(p99) else f'{number(p99)} ms'}" for rate, p99 in sorted(pairs)
    )


def _rate(line: Measurement) -> float:
    """0 where not even the lowest rate stayed under the limit."""
    return float(line.record.values["rate_per_s"] or 0.0)


_COLUMNS = (
    Column("Configuration", "ascending", None, lambda line: line.label),
    Column("Eval set", "ascending", None, lambda line: line.task),
    Column("Queries/s", "descending", number, _rate),
    Column("p99 there (ms)", "ascending", number, lambda line: line.record.values.get("p99_ms")),
    Column("Limit (ms)", "ascending", number, lambda line: line.record.values["limit_ms"]),
    Column("Requests", "descending", whole, lambda line: line.record.values.get("requests")),
    Column("Timing", "ascending", None, lambda line: NOISY if disturbed(line.record) else None),
    Column("Tried", "ascending", None, _told),
)


def _plot(lines: Sequence[Measurement]) -> Drawing:
    colours = tones(line.label for line in lines)
    limits = _limits(lines)
    drawn = [
        Line(
            [Mark("", _tip(line, rate, p99), "", p99, rate, "o", colours[line.label]) for rate, p99 in _tried(line)],
            "line",
            line.label,
            colours[line.label],
        )
        for line in lines
    ]
    about = f"Queries per second against their 99th percentile, {len(lines)} candidates"
    limit = limits[0] if len(limits) == 1 else None
    x = "p99 in ms from the intended send time (log scale)"
    return scatter(
        "serving", drawn, Scales(x, "queries per second (log scale)", about, limit, "over the limit"), log_y=True
    )


def _tip(line: Measurement, rate: float, p99: float) -> str:
    noisy = f" {NOISY}" if disturbed(line.record) else ""
    return f"{line.label}: {number(rate)} queries/s, p99 {number(p99)} ms{noisy}"
