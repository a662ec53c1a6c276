"""How fast documents are indexed at each batch size: the knee, what did not fit, and the memory that it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from harness.agreement import agreement
from harness.curves import Curve, curves_of, used_instead
from harness.page import fill
from harness.page.grid import Column, grid
from harness.plots import Line, Mark, Scales, scatter
from harness.report import Report
from harness.shapes import tones
from harness.svg import Drawing, inline_svg
from harness.table import Row
from harness.wording import enumerated, number, percent, whole

_LABELLED = 4  # curves in a plot beyond which marks have no labels of their own


@dataclass(frozen=True)
class Throughput:
    """Documents and tokens a second and peak memory by batch size; plots where several were swept.

    most: models shown, those of the best candidates first. told: of how many the knee is said in words.
    """

    most: int = 40
    told: int = 6
    position: ClassVar[int] = 51
    nav: ClassVar[str] = ""

    def render(self, report: Report) -> str:
        """The section, empty where no rate of indexing was measured."""
        curves = curves_of(report)
        shown = curves[: self.most]
        if not shown:
            return ""
        several = [curve for curve in shown if len(curve.sizes) > 1]
        return fill(
            "throughput.html",
            plots=[(drawing, inline_svg(*drawing)) for drawing in self.figures(report)],
            legend=_legend(report, several),
            told=[(curve.name, _told(curve)) for curve in several[: self.told]],
            lost=any(curve.lost for curve in several),
            smaller=any(used_instead(row) for curve in several for row in curve.rows),
            grid=grid(_COLUMNS, [line for curve in shown for line in _lines(curve)], look=lambda line: line.look),
            left_out=len(curves) - len(shown),
            sets=len(report.manifest["evalsets"]),
        )

    def figures(self, report: Report) -> list[Drawing]:
        """Rate, and where it was measured memory, against batch size, where several sizes were swept."""
        curves = [curve for curve in curves_of(report)[: self.most] if len(curve.sizes) > 1]
        if not curves:
            return []
        colours = tones(entry["model"] for entry in report.entries)
        return [_rates(curves, colours), *_memory(curves, colours)]


def _legend(report: Report, curves: Sequence[Curve]) -> list[tuple[str, str]]:
    """Name and colour of each line, for screens too narrow for the names at its end."""
    colours = tones(entry["model"] for entry in report.entries)
    return [(curve.name, colours[curve.model]) for curve in curves]


def _told(curve: Curve) -> str:
    """Where the curve bends, and what did not fit, in words."""
    if not curve.rows:
        return ""
    best, knee = curve.best, curve.knee
    top = f"{number(best['docs_per_s'])} documents/s at batch {best['batch_size']}"
    told = [f"fastest with {top}"]
    if knee is not None and knee is not best:
        share = percent(knee["docs_per_s"] / best["docs_per_s"])
        told = [f"batch {knee['batch_size']} is the knee: {share} of the best rate ({top})"]
    elif knee is not None:
        told = [
            f"batch {knee['batch_size']} is the knee, with the best rate ({number(best['docs_per_s'])} documents/s)"
        ]
    if curve.doubtful:
        told.append("no knee can be told, the rounds of the rates lie too far apart or were disturbed (noisy)")
    if knee is not None and knee["batch_size"] == max(curve.sizes):
        told.append("larger batches were not tried")
    misfits = [f"{row['batch_size']} did not fit, {used} used" for row in curve.rows if (used := used_instead(row))]
    lost = [f"{size} was not timed ({reason})" for size, reason in sorted(curve.lost.items())]
    return "; ".join((*told, *misfits, *lost))


class _Line(NamedTuple):
    """A line of the table: a curve at one batch size; `row` None where that was not timed."""

    curve: Curve
    size: int
    row: Row | None

    @property
    def share(self) -> float | None:
        """The rate as a share of the curve's best, where there are several."""
        known = self.row is not None and len(self.curve.sizes) > 1
        return self.row["docs_per_s"] / self.curve.best["docs_per_s"] if self.row and known else None

    @property
    def spread(self) -> float | None:
        """How far the rounds lie apart, as a share of the rate."""
        apart = self.measured("docs_per_s_spread")
        return apart / self.row["docs_per_s"] if self.row and apart is not None else None

    @property
    def look(self) -> str:
        return "lost" if self.row is None else ""

    def measured(self, key: str) -> Any:
        return self.row[key] if self.row else None

    @property
    def agreement(self) -> str | None:
        return (agreement(self.row) if self.row else "") or None

    @property
    def note(self) -> str | None:
        """What is to say of this size."""
        if self.row is None:
            return f"not timed: {self.curve.lost[self.size]}"
        told = ["the knee"] if self.row is self.curve.knee else []
        told += ["noisy"] if self.row["batch_size"] in self.curve.noisy else []
        return "; ".join(told + ([f"did not fit, {used} used"] if (used := used_instead(self.row)) else [])) or None


def _lines(curve: Curve) -> list[_Line]:
    known = {row["batch_size"] or 0: row for row in curve.rows}
    return [_Line(curve, size, known.get(size)) for size in curve.sizes]


def _measured(key: str) -> Callable[[_Line], Any]:
    return lambda line: line.measured(key)


_COLUMNS = (
    Column("Model", "ascending", None, lambda line: line.curve.name),
    Column("Batch", "ascending", str, lambda line: line.size or None),
    Column("Documents/s", "descending", number, _measured("docs_per_s")),
    Column("Spread", "descending", percent, lambda line: line.spread),
    Column("Of its best", "descending", percent, lambda line: line.share),
    Column("Tokens/s", "descending", number, _measured("tokens_per_s")),
    Column("Against float32", "descending", None, lambda line: line.agreement),
    Column("Peak memory (MB)", "ascending", whole, _measured("peak_rss_mb")),
    Column("Peak GPU memory (MB)", "ascending", whole, _measured("peak_vram_mb")),
    Column("Joules per document", "ascending", number, _measured("joules_per_doc")),
    Column("Note", "ascending", None, lambda line: line.note),
)


def _rates(curves: Sequence[Curve], colours: Mapping[str, str]) -> Drawing:
    """A diamond marks the knee, a hollow mark a batch that did not fit, a cross one that was not timed."""
    about = f"Documents per second against batch size, one line for each of {_of(curves)}"
    lost = [(float(size), f"{c.name}, batch {size}: not timed: {why}") for c in curves for size, why in c.lost.items()]
    lines = [
        Line([_mark(c, row, colours[c.model], len(curves)) for row in c.rows], "line", c.name, colours[c.model])
        for c in curves
    ]
    y = "documents per second (log scale)"
    return scatter("throughput", lines, Scales(_X, y, about, ticks=_ticks(curves), lost=tuple(lost)), log_y=True)


_X = "batch size (log scale)"


def _mark(curve: Curve, row: Row, tone: str, curves: int) -> Mark:
    size, rate, used, knee = row["batch_size"], row["docs_per_s"], used_instead(row), row is curve.knee
    tip = f"{curve.name}, batch {size}: {number(rate)} documents/s"
    tip += "; the knee" if knee else ""
    tip += " (noisy)" if size in curve.noisy else ""
    tip += f"; did not fit, {used} used" if used else ""
    label = f"knee: {size}" if knee else f"{size} did not fit, {used} used" if used else ""
    label = label if curves <= _LABELLED else ""
    return Mark("", tip, label, size, rate, "D" if knee else "o", tone, bool(used), knee)


def _memory(curves: Sequence[Curve], colours: Mapping[str, str]) -> list[Drawing]:
    """Peak memory at each batch size, of the accelerator where there is one; none where it was not measured."""
    for key, what in (("peak_vram_mb", "Peak GPU memory"), ("peak_rss_mb", "Peak memory")):
        known = [c._replace(rows=[row for row in c.rows if row[key] is not None], lost={}) for c in curves]
        known = [curve for curve in known if curve.rows]
        if any(len(curve.rows) > 1 for curve in known):
            lines = [
                Line([_peak(c, row, key, colours[c.model]) for row in c.rows], "line", c.name, colours[c.model])
                for c in known
            ]
            about = f"{what} in MB against batch size, one line for each of {_of(known)}"
            return [scatter("batch-memory", lines, Scales(_X, f"{what.lower()} in MB", about, ticks=_ticks(known)))]
    return []


def _peak(curve: Curve, row: Row, key: str, tone: str) -> Mark:
    tip = f"{curve.name}, batch {row['batch_size']}: {whole(row[key])} MB"
    return Mark("", tip, "", row["batch_size"], row[key], "o", tone, used_instead(row) is not None)


def _ticks(curves: Sequence[Curve]) -> tuple[float, ...]:
    return tuple(float(size) for size in sorted({size for curve in curves for size in curve.sizes}))


def _of(curves: Sequence[Curve]) -> str:
    return f"{len(curves)} models" if len(curves) > 1 else enumerated([curves[0].name])
