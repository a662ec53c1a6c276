"""Where in its files a text of an eval set stands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.reading import EXTENSIONS, Row, extension, lines, open_table, stem
from harness.splits import splits_of
from harness.types import EvalSet, HarnessError, Note

_SIDES = {"document": ("corpus", "docs"), "query": ("queries", "topics")}
_NAMED = re.compile(r'(document|query) "(.*)"', re.DOTALL)
_ROW = re.compile(r"([\w.]+)-(\d+)(-\w+-\d+)?")
_TAGGED = re.compile(r"<(?:docno|num)>\s*(?:number:)?\s*([^\s<]+)", re.IGNORECASE)


class Places:
    """Finds lines by what `cases.at` named; files are read when the first of them is asked for."""

    def __init__(self, evalset: EvalSet) -> None:
        self.evalset = evalset
        self.root = Path(evalset.source)

    def of(self, note: Note) -> Note:
        """The note with `file:line`; where that is not to be found, with the file or folder of the set."""
        source, place = self.evalset.source, note.place
        if named := _NAMED.fullmatch(place):
            place = self._sides[named[1]].get(named[2], f"{source} ({place})")
        elif self.evalset.type == "reranking" and place.startswith("query-"):
            place = self._sides["query"].get(place, f"{source} ({place})")
        elif row := _ROW.fullmatch(place):
            place = self._row(row[1], int(row[2])) or f"{source} ({place})"
        return note._replace(place=place or source)

    @cached_property
    def _sides(self) -> Mapping[str, Mapping[str, str]]:
        return {side: dict(self._found(side)) for side in _SIDES}

    def _found(self, side: str) -> Iterator[tuple[str, str]]:
        """Id and place of each document or query, the last of a file first, so that the first counts in a dict."""
        texts = self.evalset.documents if side == "document" else self.evalset.queries
        ids, by_text = set(texts.ids), dict(zip(texts.texts, texts.ids, strict=True))
        held: list[tuple[str, str]] = []
        for place, some in self._values(side):
            values = list(some)
            names = [one for one in values if one in ids] or [by_text[one] for one in values if one in by_text]
            held += [(name, place) for name in names]
        yield from reversed(held)

    def _values(self, side: str) -> Iterator[tuple[str, Iterable[str]]]:
        """Place and values of each row that may hold the side; what cannot be read ends it."""
        try:
            for file in self._files(side):
                if extension(file):
                    yield from ((row.place, _plain(row)) for row in open_table(file).rows)
                else:
                    yield from ((place, _TAGGED.findall(line)) for place, line in lines(file))
        except HarnessError:
            return

    def _files(self, side: str) -> list[Path]:
        if self.root.is_file():
            return [self.root]
        files = [file for file in sorted(self.root.rglob("*")) if file.is_file()]
        named = [file for file in files if stem(file) in _SIDES[side] or stem(file) == self.evalset.split]
        tables = [file for file in named if file.parent == self.root and file.name.lower().endswith(EXTENSIONS)]
        topics = [file for file in files if file.name.startswith("topics")]
        if not topics or (tables and side == "document"):
            return tables
        return topics if side == "query" else [file for file in files if not extension(file) and file not in topics]

    def _row(self, kind: str, number: int) -> str:
        """The place of a row by its number in the table of its split; empty where there is none."""
        if not self.root.exists():
            return ""
        try:
            rows = splits_of(self.root).table("train" if kind == "train" else self.evalset.split).rows
            return next((row.place for i, row in enumerate(rows, 1) if i == number), "")
        except HarnessError:
            return ""


def _plain(row: Row) -> Iterator[str]:
    """The values of a row as text, those of lists one by one."""
    for value in row.values.values():
        some: Iterable[Any] = value if isinstance(value, list) else (value,)
        yield from map(str, some)
