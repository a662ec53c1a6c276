"""Tables that a reader sorts: columns that know where their values come from, and the cells they make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from harness.wording import ABSENT


class Column(NamedTuple):
    """A heading, the order of the first click, how a value is written, and where it is from; `write` None for text."""

    heading: str
    order: str
    write: Callable[[Any], str] | None
    value: Callable[[Any], Any]


class Cell(NamedTuple):
    """What is written, the number behind it where that says more, and whether it is a number."""

    text: str
    exact: str
    number: bool


class Grid(NamedTuple):
    """What `grid.html` writes: columns, and for each line its cells, the key that links it and its class."""

    columns: Sequence[Column]
    lines: Sequence[tuple[Sequence[Cell], str, str]]


def grid(
    columns: Sequence[Column],
    lines: Iterable[Any],
    key: Callable[[Any], str] = lambda _: "",
    look: Callable[[Any], str] = lambda _: "",
) -> Grid:
    """The lines under those columns in which any of them has a value, and under the first in any case."""
    found = list(lines)
    kept = [c for c in columns if c is columns[0] or any(c.value(line) is not None for line in found)]
    return Grid(kept, [([cell(column, line) for column in kept], key(line), look(line)) for line in found])


def cell(column: Column, line: Any) -> Cell:
    """A cell; what has no value is a dash and sorts last."""
    value = column.value(line)
    if value is None:
        return Cell(ABSENT, "", column.write is not None)
    if column.write is None:
        return Cell(str(value), "", False)
    text, exact = column.write(value), f"{value:.6g}"
    return Cell(text, "" if text == exact else exact, True)
