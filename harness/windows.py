"""Texts cut into passages of so many tokens or words."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np

from harness.protocols import Passages
from harness.types import Inapplicable, Ints


def windows(texts: Sequence[str], spans: Sequence[Ints], size: int, overlap: int) -> Passages:
    """Passages of `size` spans, the last `overlap` of which begin the next one; spans are int32 [t, 2] for each text.

    A passage is a slice of its text, up to the span after its last one and without the white space before that, so no
    other character is lost. A text of at most `size` spans is one passage, unchanged. No cut goes through a
    character that several tokens make up: there a passage is a little shorter, or longer where it must.
    """
    if size < 1 or not 0 <= overlap < size:
        raise Inapplicable(f"size={size}, overlap={overlap}: expected a size of at least 1 and an overlap below it")
    cut = [_pieces(text, own, size, overlap) for text, own in zip(texts, spans, strict=True)]
    owner = np.repeat(np.arange(len(cut), dtype=np.int32), [len(pieces) for pieces in cut])
    return Passages(tuple(piece for pieces in cut for piece in pieces), owner)


def _pieces(text: str, spans: Ints, size: int, overlap: int) -> list[str]:
    if len(spans) <= size:
        return [text]
    begins = [0, *spans[1:, 0].tolist()]
    rows = _rows(_borders(spans).tolist(), size, overlap)
    pieces = [text[begins[a] : begins[b]].rstrip() for a, b in rows[:-1]] + [text[begins[rows[-1][0]] :]]
    return [piece for piece in pieces if piece.strip()] or [text]


def _rows(borders: list[int], size: int, overlap: int) -> list[tuple[int, int]]:
    """First span and the one after the last, for each passage; the last border is the number of spans."""
    end, first, rows = borders[-1], 0, []
    while first + size < end and (stop := _border(borders, first + size, first)) < end:
        rows.append((first, stop))
        first = _border(borders, stop - overlap, first)
    return [*rows, (first, end)]


def _borders(spans: Ints) -> Ints:
    """Spans before which a text may be cut: those that begin a character of their own."""
    begins, reached = spans[1:, 0], np.maximum.accumulate(spans[:-1, 1])
    apart = (begins >= reached) & (begins > spans[:-1, 0])
    return np.concatenate([[0], np.flatnonzero(apart) + 1, [len(spans)]]).astype(np.int32)


def _border(borders: list[int], at: int, after: int) -> int:
    """The last border up to `at`, or the first beyond `after` where there is none between."""
    return borders[max(bisect_right(borders, at) - 1, bisect_right(borders, after))]
