"""Plots as SVG with text kept as text, coloured by the page's CSS variables. Same values, same bytes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from harness.placing import along, anywhere, apart, overlap, places
from harness.svg import TONES, Drawing
from harness.wording import legible, signed

_CHARACTER = 6.1  # width of a typical letter at 11 px, for placing labels


class Mark(NamedTuple):
    """One point: `key` links it to table rows, `tip` is shown on hover, `label` (may be empty) is written beside it."""

    key: str
    tip: str
    label: str
    x: float
    y: float
    shape: str = ""
    tone: str = "accent"
    hollow: bool = False
    bold: bool = False


class Line(NamedTuple):
    """Marks that belong together: joined as `line`, as `step`, or not at all; `end` is written at the right edge."""

    marks: Sequence[Mark]
    join: str = ""
    end: str = ""
    tone: str = "accent"


class Bar(NamedTuple):
    """One line of a forest plot: an observed difference with its interval."""

    key: str
    label: str
    value: float
    low: float
    high: float
    tone: str = "grey"
    bold: bool = False


class Scales(NamedTuple):
    """What the axes show; from a limit of x on the plot is shaded; `ticks` replace the usual ones of x.

    lost: x and tooltip of what was tried and has no y: a cross on the lower edge.
    """

    x: str
    y: str
    about: str
    limit: float | None = None
    limit_text: str = ""
    ticks: tuple[float, ...] = ()
    lost: tuple[tuple[float, str], ...] = ()


def shorten(text: str, most: int) -> str:
    """At most `most` characters: without what a pipeline holds in brackets, then cut in the middle."""
    text = legible(text)
    if len(text) > most:
        text = re.sub(r"(?<=\w)\(.+?\)(?= |$)", "(…)", text)
    if len(text) <= most:
        return text
    head = (most - 1) // 2
    return f"{text[:head]}…{text[len(text) - (most - 1 - head) :]}"


def forest(name: str, bars: Sequence[Bar], margin: float, about: str, xlabel: str) -> Drawing:
    """Difference from the reference with its interval, one line a candidate; the margin is a shaded band."""
    height = 24 * len(bars) + 66

    def draw(figure: Any) -> dict[str, str]:
        axes = figure.add_axes([400 / 1080, 54 / height, 490 / 1080, (height - 66) / height])
        axes.axvspan(-margin, 0, color=TONES["good-bg"], zorder=0, gid=f"{name}-margin")
        axes.axvline(0, color=TONES["muted"], linewidth=1, zorder=1)
        tips = {f"{name}-margin": f"margin of {margin:g}"}
        for row, bar in enumerate(bars):
            gid, tone = f"{name}-p{row}", TONES[bar.tone]
            axes.plot([bar.low, bar.high], [row, row], color=tone, linewidth=3, solid_capstyle="round", zorder=2)
            axes.plot([bar.value], [row], "o", color=tone, markersize=8, zorder=3, gid=f"{gid}@{bar.key}")
            ends = f"{signed(bar.value)}  [{signed(bar.low)}, {signed(bar.high)}]"
            tips[f"{gid}@{bar.key}"] = f"{bar.label}: {ends}"
            weight = "bold" if bar.bold else "normal"
            for x, text, side in ((-0.02, shorten(bar.label, 58), "right"), (1.03, ends, "left")):
                axes.text(x, row, text, transform=axes.get_yaxis_transform(), ha=side, va="center_baseline",
                          color=TONES["fg"], fontweight=weight, fontsize=12)  # fmt: skip
        axes.set_ylim(len(bars) - 0.4, -0.6)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        _furnish(axes, Scales(xlabel, "", about))
        return tips

    return Drawing(name, (1080, height), about, draw)


def scatter(name: str, lines: Sequence[Line], scales: Scales, log_y: bool = False, height: int = 400) -> Drawing:
    """Points and lines over a logarithmic x; labels are moved apart, and left to the tooltip where there is no room.

    height: of the whole, in pixels.
    """
    right = 150 if any(line.end for line in lines) else 24

    def draw(figure: Any) -> dict[str, str]:
        axes = figure.add_axes([62 / 560, 56 / height, (560 - 62 - right) / 560, (height - 56 - 18) / height])
        axes.set_xscale("log")
        axes.set_yscale("log" if log_y else "linear")
        tips: dict[str, str] = {}
        for number, line in enumerate(lines):
            _draw_line(axes, line, f"{name}-l{number}", tips)
        for number, (x, tip) in enumerate(scales.lost):
            gid, edge = f"{name}-lost{number}", axes.get_xaxis_transform()
            axes.plot([x], [0.03], "x", transform=edge, color=TONES["bad"], markersize=8, markeredgewidth=2, gid=gid)
            tips[gid] = tip
        _limits(axes, [m for line in lines for m in line.marks], scales)
        _furnish(axes, scales)
        figure.canvas.draw()
        _label_marks(axes, lines, scales.limit)
        _label_ends(axes, [line for line in lines if line.end])
        return tips

    return Drawing(name, (560, height), scales.about, draw)


def _draw_line(axes: Any, line: Line, gid: str, tips: dict[str, str]) -> None:
    xs, ys = [m.x for m in line.marks], [m.y for m in line.marks]
    if line.join == "line":
        axes.plot(xs, ys, color=TONES[line.tone], linewidth=1.4, zorder=2)
    elif line.join == "step":
        axes.plot(xs, ys, color=TONES[line.tone], linewidth=1.4, drawstyle="steps-post", zorder=2)
    for number, mark in enumerate(line.marks):
        own, tone = f"{gid}p{number}@{mark.key}", TONES[mark.tone]
        face = "none" if mark.hollow else tone
        look = {"markersize": 9, "zorder": 4} if mark.bold else {"markersize": 7, "zorder": 3}
        axes.plot([mark.x], [mark.y], mark.shape or "o", color=tone, markerfacecolor=face, gid=own, **look)
        tips[own] = mark.tip


def _limits(axes: Any, marks: Sequence[Mark], scales: Scales) -> None:
    xs, ys = [m.x for m in marks], [m.y for m in marks]
    tried = [*xs, *(x for x, _ in scales.lost)]
    low, high = min(tried), max(tried)
    if scales.limit is not None:
        high = max(high, scales.limit)
    room = max((high / low) ** 0.06, 1.35)
    axes.set_xlim(low / room, high * room)
    if axes.get_yscale() == "log":
        axes.set_ylim(min(ys) / 1.6, max(ys) * 1.6)
    else:
        pad = max((max(ys) - min(ys)) * 0.09, abs(max(ys)) * 0.02, 1e-6)
        axes.set_ylim(min(ys) - pad, max(ys) + pad)
    if scales.limit is not None:
        end = axes.get_xlim()[1]
        axes.axvspan(scales.limit, end, color=TONES["bad-bg"], zorder=0)
        axes.axvline(scales.limit, color=TONES["bad"], linewidth=1, linestyle="--", zorder=1)
        axes.text(scales.limit, 1.01, scales.limit_text, transform=axes.get_xaxis_transform(), color=TONES["bad"],
                  ha="right" if _share(axes, scales.limit) > 0.6 else "left", va="bottom")  # fmt: skip


def _share(axes: Any, x: float) -> float:
    return float(axes.transAxes.inverted().transform(axes.transData.transform((x, 0)))[0])


def _furnish(axes: Any, scales: Scales) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

    for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        if axis.get_scale() == "log":
            axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 3000 else (1,)))
            axis.set_minor_locator(NullLocator())
    if scales.ticks:
        axes.xaxis.set_major_locator(FixedLocator(scales.ticks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
    axes.grid(visible=True, color=TONES["line"], linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(color=TONES["line"], labelcolor=TONES["muted"], length=0, pad=6)
    for spine in axes.spines.values():
        spine.set_color(TONES["line"])
    axes.set_xlabel(scales.x, color=TONES["muted"], labelpad=8)
    axes.set_ylabel(scales.y, color=TONES["muted"], labelpad=8)


def _tick(value: float) -> str:
    text = f"{value:.10g}" if abs(value) < 1e5 else f"{value:.0e}".replace("e+0", "e")
    return "0" if abs(value) < 1e-12 else text.replace("-", "−")


def _label_marks(axes: Any, lines: Sequence[Line], limit: float | None) -> None:
    """Write each label where it covers no point, no line and no other label; bold ones first, far off if need be."""
    frame = axes.get_window_extent()
    marks = [m for line in lines for m in line.marks]
    spots = [axes.transData.transform((m.x, m.y)) for m in marks]
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in spots]
    for line in lines:
        at = [axes.transData.transform((m.x, m.y)) for m in line.marks] if line.join else []
        for start, end in pairwise(at):
            taken += (
                along(start, (end[0], start[1])) + along((end[0], start[1]), end)
                if line.join == "step"
                else along(start, end)
            )
    wall = float(axes.transData.transform((limit, marks[0].y))[0]) if limit else -1.0  # bold ones may cross it
    for mark, (x, y) in sorted(zip(marks, spots, strict=True), key=lambda pair: not pair[0].bold):
        text = shorten(mark.label, 46 if mark.bold else 30)
        width = len(text) * _CHARACTER * (1.08 if mark.bold else 1)
        free = places(x, y, width) + (anywhere(frame, x, y, width) if mark.bold else [])
        for left, bottom in free if text else []:
            box = (left, bottom, left + width, bottom + 13)
            inside = box[0] >= frame.x0 and box[2] <= frame.x1 + 18 and box[1] >= frame.y0 and box[3] <= frame.y1
            crosses = box[0] - 3 < wall < box[2] + 3 and not mark.bold
            if inside and not crosses and not any(overlap(box, other) for other in taken):
                taken.append(box)
                _write(axes, mark, text, box)
                break


def _write(axes: Any, mark: Mark, text: str, box: tuple[float, float, float, float]) -> None:
    """A label in its place, with a thin leader where that is not beside its mark."""
    back = axes.transData.inverted()
    x, y = axes.transData.transform((mark.x, mark.y))
    near = (min(max(x, box[0]), box[2]), min(max(y, box[1]), box[3]))
    if max(abs(near[0] - x), abs(near[1] - y)) > 24:
        (x0, y0), (x1, y1) = mark[3:5], back.transform(near)
        axes.plot([x0, x1], [y0, y1], color=TONES["muted"], linewidth=0.7, linestyle=":", zorder=2)
    weight, tone = ("bold", "fg") if mark.bold else ("normal", "muted" if mark.hollow else "fg")
    at = back.transform((box[0], box[1] + 6.5))
    axes.text(*at, text, va="center_baseline", color=TONES[tone], fontweight=weight)


def _label_ends(axes: Any, lines: Sequence[Line]) -> None:
    """Names of lines at the right edge, moved apart, each with a thin leader; of too many, those that end highest."""
    if not lines:
        return
    frame = axes.get_window_extent()
    ends = sorted(
        ((axes.transData.transform((n.marks[-1].x, n.marks[-1].y)), n) for n in lines), key=lambda e: float(e[0][1])
    )[-int(frame.height // 15) :]
    at = apart([float(spot[1]) for spot, _ in ends], 15.0, frame.y0, frame.y1)
    back = axes.transData.inverted()
    for (spot, line), height in zip(ends, at, strict=True):
        edge = back.transform((frame.x1 + 6, height))
        start = back.transform((spot[0] + 6, spot[1]))
        axes.plot(
            [start[0], edge[0]],
            [start[1], edge[1]],
            color=TONES[line.tone],
            linewidth=0.7,
            linestyle=":",
            clip_on=False,
        )
        text = back.transform((frame.x1 + 9, height))
        axes.text(*text, shorten(line.end, 21), va="center_baseline", color=TONES[line.tone])
