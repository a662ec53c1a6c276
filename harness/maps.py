"""Drawings of an embedding space: points with a shape for each group, and cosines by bin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.geometry import EDGES
from harness.svg import TONES, Drawing
from harness.types import Doubles, Floats

_SIZE, _EDGE = (560, 400), 10
_FLAT = 250  # height of the outlines, two of which stand beside a map
_SMALL, _LARGE = 2.4, 4.0  # half the width of a mark, in pixels
_PEN = 1.4
_Strokes = tuple[tuple[tuple[float, float], ...], ...]
_DOT: _Strokes = (((0, 0), (0.05, 0)),)
# A mark is a few strokes and no symbol of its own: one path holds a group, and 600 points stay small.
_MARKS: tuple[tuple[str, _Strokes], ...] = (
    ("dot", _DOT),
    ("plus", (((-1, 0), (1, 0)), ((0, -1), (0, 1)))),
    ("triangle", (((-1, -0.8), (1, -0.8), (0, 1), (-1, -0.8)),)),
    ("cross", (((-0.9, -0.9), (0.9, 0.9)), ((-0.9, 0.9), (0.9, -0.9)))),
    ("square", (((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9), (-0.9, -0.9)),)),
    ("dash", (((-1.1, 0), (1.1, 0)),)),
    ("diamond", (((-1, 0), (0, 1.1), (1, 0), (0, -1.1), (-1, 0)),)),
    ("bar", (((0, -1.1), (0, 1.1)),)),
    ("hook", (((-1, 1), (0, -0.9), (1, 1)),)),
)
_TONES = (*(f"s{i}" for i in range(8)), "grey")


class Cloud(NamedTuple):
    """Points of a map: float32 [n, 2] places between 0 and 1, int [n] groups from 0 to 8, bool [n] drawn larger."""

    places: Floats
    groups: NDArray[np.integer]
    large: NDArray[np.bool_]


class Swatch(NamedTuple):
    """How a group looks in a legend: the word for its shape, an SVG path within -8..8, its pen's width and tone."""

    shape: str
    path: str
    width: float
    tone: str


class Curve(NamedTuple):
    """One outline of `cosines`: shares by bin of `geometry.EDGES`, the mean (marked where there is one), its look."""

    shares: Doubles
    mean: float | None
    tone: str
    dash: str
    filled: bool = False


def swatch(group: int) -> Swatch:
    """The look of a group."""
    shape, strokes = _MARKS[group]
    drawn = [" L ".join(f"{x * 4:g} {-y * 4:g}" for x, y in stroke) for stroke in strokes]
    return Swatch(shape, " ".join(f"M {line}" for line in drawn), 8 if strokes is _DOT else 1.6, _TONES[group])


def cloud(name: str, points: Cloud, about: str) -> Drawing:
    """The map: every group has a colour and a shape."""
    width, height = (side - 2 * _EDGE for side in _SIZE)

    def draw(figure: Any) -> Mapping[str, str]:
        axes = figure.add_axes([_EDGE / _SIZE[0], _EDGE / _SIZE[1], width / _SIZE[0], height / _SIZE[1]])
        axes.set_axis_off()
        axes.set_xlim(0, width)
        axes.set_ylim(0, height)
        at = (points.places * [width, height]).round(1)
        for group in sorted(set(points.groups.tolist()), reverse=True):
            for large in (False, True):
                chosen = (points.groups == group) & (points.large == large)
                if chosen.any():
                    _add(axes, at[chosen], group, _LARGE if large else _SMALL)
        return {}

    return Drawing(name, _SIZE, about, draw)


def _add(axes: Any, places: Doubles, group: int, size: float) -> None:
    """One path with the marks of all these places, a pixel being a unit."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    strokes = [(np.array(stroke) * size).round(1) for stroke in _MARKS[group][1]]
    vertices = np.concatenate([place + stroke for place in places for stroke in strokes])
    codes = [code for stroke in strokes for code in (Path.MOVETO, *[Path.LINETO] * (len(stroke) - 1))]
    pen = 2 * size if _MARKS[group][1] is _DOT else _PEN
    look = {"edgecolor": TONES[_TONES[group]], "linewidth": pen, "capstyle": "round", "joinstyle": "round"}
    axes.add_patch(PathPatch(Path(vertices, codes * len(places)), fill=False, clip_on=False, **look))


def cosines(name: str, curves: Sequence[Curve], lowest: float, about: str) -> Drawing:
    """Outlines of cosines from `lowest` to 1, with a line at each mean."""

    def draw(figure: Any) -> Mapping[str, str]:
        axes = figure.add_axes([62 / 560, 56 / _FLAT, (560 - 62 - 24) / 560, (_FLAT - 56 - 18) / _FLAT])
        for curve in curves:
            look = {"color": TONES[curve.tone], "linestyle": curve.dash, "linewidth": 1.6}
            if curve.filled:
                axes.stairs(curve.shares, EDGES, fill=True, color=TONES["good-bg"], zorder=1)
            axes.stairs(curve.shares, EDGES, baseline=None, zorder=2, **look)
            if curve.mean is not None:
                axes.axvline(curve.mean, zorder=3, **look)
        axes.set_xlim(lowest, 1)
        axes.set_ylim(0, None)
        _furnish(axes, "cosine", "share of pairs, by 0.02")
        return {}

    return Drawing(name, (_SIZE[0], _FLAT), about, draw)


def _furnish(axes: Any, x: str, y: str) -> None:
    from matplotlib.ticker import FuncFormatter

    plain = FuncFormatter(lambda value, _: f"{value:.3g}".replace("-", "−"))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(plain)
    axes.grid(visible=True, color=TONES["line"], linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(color=TONES["line"], labelcolor=TONES["muted"], length=0, pad=6)
    for spine in axes.spines.values():
        spine.set_color(TONES["line"])
    axes.set_xlabel(x, color=TONES["muted"], labelpad=8)
    axes.set_ylabel(y, color=TONES["muted"], labelpad=8)
