"""One item of an eval set beside two candidates: what each ranked first, and what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from harness.excerpts import Excerpt
from harness.types import Doubles, Ints, Record
from harness.wording import searched

_TOP, _ID = 3, 80


class Document(NamedTuple):
    """One document as shown: its id, its shortened text or what stands for it, its grade, and that in words.

    grade: None where nobody judged it, or its labels were not kept; `label` is empty for the latter.
    """

    id: str
    text: str
    grade: float | None
    label: str


class Side(NamedTuple):
    """One candidate on one item: its score, its first three documents, the rank of the first relevant one.

    first_relevant: 0 where none is among the first `depth`, which its record keeps; None where that is not known.
    """

    score: float
    documents: tuple[Document, ...]
    first_relevant: int | None
    depth: int


class Item(NamedTuple):
    """One item, first less second in `difference`; `wanted`: a pair's other side, or relevant documents not shown.

    Those are among the first three of neither.
    """

    id: str
    text: str
    difference: float
    wanted: tuple[Document, ...]
    first: Side
    second: Side


class Labels(NamedTuple):
    """What was kept of one item of an eval set of this type."""

    kind: str
    kept: Excerpt
    item: str

    @property
    def grades(self) -> Mapping[int, float] | None:
        """By position; None where nothing was kept of the item."""
        return self.kept.grades.get(self.item)

    def document(self, at: int) -> Document:
        """The document at a position of the eval set."""
        name, text = self.kept.documents.get(at, (f"document {at + 1} of the set", ""))
        grade = (self.grades or {}).get(at)
        return Document(name, text, grade, "" if self.grades is None else self._said(grade))

    def _said(self, grade: float | None) -> str:
        if grade is None:
            return "not judged"
        if self.kind == "pair_classification":
            return "alike" if grade else "not alike"
        return {"bitext": "its translation", "sts": f"people's score {grade:g}"}.get(self.kind, f"grade {grade:g}")


def item_of(row: int, both: Doubles, pair: tuple[Record, Record], labels: Labels) -> Item:
    """The item of this row; both: float64 [2, items] scores, in the order of the records."""
    grades = labels.grades or {}
    wanted = [at for at in sorted(grades, key=lambda at: (-grades[at], at)) if at in labels.kept.documents]
    if searched(labels.kind):
        shown_first = {at for one in pair for at in _top(one)[row, :_TOP].tolist()}
        wanted = [at for at in wanted if grades[at] > 0 and at not in shown_first]
    first, second = (_side(row, float(score), one, labels) for score, one in zip(both[:, row], pair, strict=True))
    shown = tuple(labels.document(at) for at in wanted[:_TOP])
    text = labels.kept.queries.get(labels.item, "")
    return Item(_cut(labels.item), text, first.score - second.score, shown, first, second)


def _side(row: int, score: float, record: Record, labels: Labels) -> Side:
    kept, grades = _top(record)[row].tolist(), labels.grades
    top = [at for at in kept if at >= 0]
    relevant: int | None = None
    if grades is not None and kept:
        relevant = next((rank for rank, at in enumerate(top, start=1) if grades.get(at, 0) > 0), 0)
    return Side(score, tuple(labels.document(at) for at in top[:_TOP]), relevant, len(kept))


def _cut(text: str) -> str:
    return text if len(text) <= _ID else f"{text[: _ID - 1]}…"


def _top(record: Record) -> Ints:
    """int32 [items, documents kept], none where nothing is ranked."""
    nothing = np.empty((len(record.arrays[record.values["main"]]), 0), dtype=np.int32)
    return np.asarray(record.arrays.get("top", nothing))
