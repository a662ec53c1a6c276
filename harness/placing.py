"""Where text goes in a plot: boxes that are taken, places beside a point, positions apart from one another; pixels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any


def along(start: Sequence[float], end: Sequence[float]) -> list[tuple[float, float, float, float]]:
    """Boxes that cover a stretch of a line: one where it runs along an axis, else small ones every few pixels."""
    (x0, y0), (x1, y1) = start, end
    pieces = 1 if x0 == x1 or y0 == y1 else max(1, int(abs(x1 - x0) + abs(y1 - y0)) // 8)
    stops = [(x0 + (x1 - x0) * at / pieces, y0 + (y1 - y0) * at / pieces) for at in range(pieces + 1)]
    return [(min(a, c) - 2, min(b, d) - 2, max(a, c) + 2, max(b, d) + 2) for (a, b), (c, d) in pairwise(stops)]


def places(x: float, y: float, width: float) -> list[tuple[float, float]]:
    """Lower left corners for a text of this width close to a point, the best first."""
    beside = [(x + 9, y - 6), (x - 9 - width, y - 6)]
    stacked = [(x + dx, y + dy) for dy in (8, -22, 20, -34, 34, -48) for dx in (6, -width - 6, -width / 2)]
    return beside + stacked


def anywhere(frame: Any, x: float, y: float, width: float) -> list[tuple[float, float]]:
    """Places all over the plot, the nearest to the mark first."""
    lefts = range(int(frame.x0) + 4, int(frame.x1 - width), 12)
    grid = [
        (float(left), float(bottom)) for left in lefts for bottom in range(int(frame.y0) + 4, int(frame.y1) - 15, 9)
    ]
    return sorted(grid, key=lambda at: (max(at[0] - x, x - at[0] - width, 0) ** 2 + (at[1] - y) ** 2, at))


def overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    """Whether two boxes share any room."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def apart(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions at least `gap` apart, in order, close to the wanted ones and inside low..high where they fit."""
    at = list(wanted)
    for i in range(1, len(at)):
        at[i] = max(at[i], at[i - 1] + gap)
    over = max(0.0, at[-1] - high) if at else 0.0
    for i in reversed(range(len(at))):
        limit = high if i == len(at) - 1 else at[i + 1] - gap
        at[i] = min(at[i], limit) if over else at[i]
    return [max(a, low + k * gap) for k, a in enumerate(at)]
