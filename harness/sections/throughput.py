"""How fast documents are indexed at each batch size: the knee, what did not fit, and the memory that it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from harness.agreement import agreement
from harness.measurements import series
from harness.page import fill
from harness.page.grid import Column, grid
from harness.plots import Line, Mark, Scales, scatter
from harness.report import Report
from harness.shapes import tones
from harness.svg import Drawing, inline_svg
from harness.table import Row
from harness.types import Record
from harness.wording import enumerated, number, percent, whole

_LABELLED = 4  # curves in a plot beyond which marks have no labels of their own


class _Curve(NamedTuple):
    """A model's rates: one row a batch size, smallest first, of the eval set that it is slowest on; lost: why none."""

    name: str
    model: str
    rows: Sequence[Row]
    lost: Mapping[int, str]

    @property
    def best(self) -> Row:
        """Of the sizes that fitted, if any did."""
        fitted = [row for row in self.rows if _used(row) is None] or self.rows
        return max(fitted, key=lambda row: row["docs_per_s"])

    @property
    def sizes(self) -> list[int]:
        return sorted({*(row["batch_size"] or 0 for row in self.rows), *self.lost})


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
        curves = _curves(report)
        shown = curves[: self.most]
        if not shown:
            return ""
        several = [curve for curve in shown if len(curve.sizes) > 1]
        return fill(
            "throughput.html",
            plots=[(drawing, inline_svg(*drawing)) for drawing in self.figures(report)],
            told=[(curve.name, _told(curve)) for curve in several[: self.told]],
            lost=any(curve.lost for curve in several),
            smaller=any(_used(row) for curve in several for row in curve.rows),
            grid=grid(_COLUMNS, [line for curve in shown for line in _lines(curve)], look=lambda line: line.look),
            left_out=len(curves) - len(shown),
            sets=len(report.manifest["evalsets"]),
        )

    def figures(self, report: Report) -> list[Drawing]:
        """Rate, and where it was measured memory, against batch size, where several sizes were swept."""
        curves = [curve for curve in _curves(report)[: self.most] if len(curve.sizes) > 1]
        if not curves:
            return []
        colours = tones(entry["model"] for entry in report.entries)
        return [_rates(curves, colours), *_memory(curves, colours)]


def _curves(report: Report) -> list[_Curve]:
    """One a model, pooling and what else its rate depends on; pipelines over it that are as fast are not repeated."""
    several = len({row["device"] for row in report.rows if row["device"]}) > 1
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in report.rows:
        if row["docs_per_s"] is not None:
            groups.setdefault(_called(row, several), []).append(row)
    lost = _lost(report.manifest, report.records, several)
    models = [model for model, _ in groups]
    found: dict[Any, _Curve] = {}
    for (model, name), rows in groups.items():
        slowest = _slowest(rows)
        short = model if models.count(model) == 1 else name
        curve = _Curve(short, model, slowest, lost.get(name, {}))
        found.setdefault((model, *((row["batch_size"], row["docs_per_s"]) for row in slowest)), curve)
    places: dict[str, int] = {}
    for entry in report.entries:
        places.setdefault(entry["model"], len(places))
    return sorted(found.values(), key=lambda curve: (places.get(curve.model, len(places)), curve.name))


def _called(labels: Mapping[str, Any], several: bool) -> tuple[str, str]:
    device = f" · {labels['device']}" if several and labels["device"] else ""
    return str(labels["model"]), series(labels) + device


def _slowest(rows: Iterable[Row]) -> list[Row]:
    """One row for each batch size, of the eval set whose best rate is the lowest; of several the least like float32."""
    sets: dict[str, dict[int, list[Row]]] = {}
    for row in rows:
        sets.setdefault(row["task"], {}).setdefault(row["batch_size"] or 0, []).append(row)
    slowest = min(sets.values(), key=lambda sizes: max(row["docs_per_s"] for same in sizes.values() for row in same))
    return [min(slowest[size], key=lambda row: row["parity_difference"] or 0.0) for size in sorted(slowest)]


def _lost(manifest: Mapping[str, Any], records: Mapping[str, Record], several: bool) -> dict[str, dict[int, str]]:
    """By curve and batch size: why a rate could not be measured."""
    found: dict[str, dict[int, str]] = {}
    for variant in manifest["variants"]:
        for kind, key in variant["timings"].items():
            record = records.get(key)
            if kind.startswith("index") and record is not None and record.status != "ok" and variant["batch_size"]:
                found.setdefault(_called(variant, several)[1], {})[variant["batch_size"]] = record.reason
    return found


def _used(row: Row) -> int | None:
    """The batch size that was used instead of the one asked for, where that did not fit."""
    used = row["batch_used"]
    return int(used) if used and row["batch_size"] and used < row["batch_size"] else None


def _told(curve: _Curve) -> str:
    """Where the curve bends, and what did not fit, in words."""
    if not curve.rows:
        return ""
    best, knee = curve.best, next((row for row in curve.rows if row["knee"]), None)
    top = f"{number(best['docs_per_s'])} documents/s at batch {best['batch_size']}"
    told = [f"fastest with {top}"]
    if knee is not None and knee is not best:
        share = percent(knee["docs_per_s"] / best["docs_per_s"])
        told = [f"batch {knee['batch_size']} is the knee: {share} of the best rate ({top})"]
    elif knee is not None:
        told = [
            f"batch {knee['batch_size']} is the knee, with the best rate ({number(best['docs_per_s'])} documents/s)"
        ]
    if knee is not None and knee["batch_size"] == max(curve.sizes):
        told.append("larger batches were not tried")
    misfits = [f"{row['batch_size']} did not fit, {used} used" for row in curve.rows if (used := _used(row))]
    lost = [f"{size} was not timed ({reason})" for size, reason in sorted(curve.lost.items())]
    return "; ".join((*told, *misfits, *lost))


class _Line(NamedTuple):
    """A line of the table: a curve at one batch size; `row` None where that was not timed."""

    curve: _Curve
    size: int
    row: Row | None

    @property
    def share(self) -> float | None:
        """The rate as a share of the curve's best, where there are several."""
        known = self.row is not None and len(self.curve.sizes) > 1
        return self.row["docs_per_s"] / self.curve.best["docs_per_s"] if self.row and known else None

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
        told = ["the knee"] if self.row["knee"] else []
        return "; ".join(told + ([f"did not fit, {used} used"] if (used := _used(self.row)) else [])) or None


def _lines(curve: _Curve) -> list[_Line]:
    known = {row["batch_size"] or 0: row for row in curve.rows}
    return [_Line(curve, size, known.get(size)) for size in curve.sizes]


def _measured(key: str) -> Callable[[_Line], Any]:
    return lambda line: line.measured(key)


_COLUMNS = (
    Column("Model", "ascending", None, lambda line: line.curve.name),
    Column("Batch", "ascending", str, lambda line: line.size or None),
    Column("Documents/s", "descending", number, _measured("docs_per_s")),
    Column("Of its best", "descending", percent, lambda line: line.share),
    Column("Tokens/s", "descending", number, _measured("tokens_per_s")),
    Column("Against float32", "descending", None, lambda line: line.agreement),
    Column("Peak memory (MB)", "ascending", whole, _measured("peak_rss_mb")),
    Column("Peak GPU memory (MB)", "ascending", whole, _measured("peak_vram_mb")),
    Column("Joules per document", "ascending", number, _measured("joules_per_doc")),
    Column("Note", "ascending", None, lambda line: line.note),
)


def _rates(curves: Sequence[_Curve], colours: Mapping[str, str]) -> Drawing:
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


def _mark(curve: _Curve, row: Row, tone: str, curves: int) -> Mark:
    size, rate, used, knee = row["batch_size"], row["docs_per_s"], _used(row), bool(row["knee"])
    tip = f"{curve.name}, batch {size}: {number(rate)} documents/s"
    tip += "; the knee" if knee else ""
    tip += f"; did not fit, {used} used" if used else ""
    label = f"knee: {size}" if knee else f"{size} did not fit, {used} used" if used else ""
    label = label if curves <= _LABELLED else ""
    return Mark("", tip, label, size, rate, "D" if knee else "o", tone, bool(used), knee)


def _memory(curves: Sequence[_Curve], colours: Mapping[str, str]) -> list[Drawing]:
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


def _peak(curve: _Curve, row: Row, key: str, tone: str) -> Mark:
    tip = f"{curve.name}, batch {row['batch_size']}: {whole(row[key])} MB"
    return Mark("", tip, "", row["batch_size"], row[key], "o", tone, _used(row) is not None)


def _ticks(curves: Sequence[_Curve]) -> tuple[float, ...]:
    return tuple(float(size) for size in sorted({size for curve in curves for size in curve.sizes}))


def _of(curves: Sequence[_Curve]) -> str:
    return f"{len(curves)} models" if len(curves) > 1 else enumerated([curves[0].name])
