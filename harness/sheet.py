"""The CSV file that people fill with grades: written so that a spreadsheet does no harm, read back strictly."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from harness.judgements import positions
from harness.parts import did_you_mean
from harness.reading import lines, shown
from harness.types import EvalSet, HarnessError, Texts

COLUMNS = ("query", "document", "grade", "note", "query_id", "document_id", "pair", "of")
_READ = ("grade", "query_id", "document_id", "pair")
_LONGEST = 4000  # characters of a text; spreadsheets refuse cells of more than 32,767
_ACTED_ON = ("=", "+", "-", "@", "'", "\t", "\n")
_SEPARATORS = (",", ";", "\t")


class Graded(NamedTuple):
    """A row that somebody graded: `file:line`, positions of query and document in the eval set, the grade."""

    place: str
    query: int
    document: int
    grade: int


class Sheet(NamedTuple):
    """What a sheet holds: graded rows, each pair once, and how many rows have no grade.

    pool: how many pairs were to be judged when it was written, which may be more than its rows; 0 where it is unsaid.
    """

    graded: tuple[Graded, ...]
    empty: int
    pool: int = 0

    @property
    def whole(self) -> bool:
        """Whether every pair of the pool has a grade."""
        return not self.empty and 0 < self.pool <= len(self.graded)


def sheet_bytes(evalset: EvalSet, pairs: Iterable[tuple[int, int]], pool: int) -> bytes:
    """The sheet of these pairs of positions: RFC 4180 in UTF-8, marked as such, since spreadsheets guess otherwise.

    pool: how many pairs there are to judge in all, the column `of`.


    A cell that a spreadsheet would run gets a ' in front, which `read_sheet` takes off again; texts are cut at 4,000
    characters. HarnessError for an id with a control character, which no spreadsheet gives back.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for query, document in pairs:
        ids = _id(evalset.queries, query), _id(evalset.documents, document)
        texts = _text(evalset.queries.texts[query]), _text(evalset.documents.texts[document])
        writer.writerow([*map(_guarded, texts), "", "", *map(_guarded, ids), _mark(evalset, query, document), pool])
    return out.getvalue().encode("utf-8-sig", "replace")


def _id(texts: Texts, position: int) -> str:
    name = texts.ids[position]
    if any(map(_control, name)):
        raise HarnessError(f"the id {name!r:.80} has a control character, which a spreadsheet loses. Rename it.")
    return name


def _text(text: str) -> str:
    """A text as a cell shows it: line breaks of one kind, no control characters, cut."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    cut = f"{plain[:_LONGEST]} [...]" if len(plain) > _LONGEST else plain
    return "".join("\N{REPLACEMENT CHARACTER}" if _control(c) and c not in "\t\n" else c for c in cut)


def _control(character: str) -> bool:
    return character < " " or "\x7f" <= character <= "\x9f"


def _guarded(text: str) -> str:
    return f"'{text}" if text.startswith(_ACTED_ON) else text


def _unguarded(cell: str) -> str:
    return cell[1:] if cell.startswith("'") else cell


def _mark(evalset: EvalSet, query: int, document: int) -> str:
    """What ties a row to ids and texts: letters and digits that no spreadsheet reads as a number or a date."""
    queries, documents = evalset.queries, evalset.documents
    named = [queries.ids[query], queries.texts[query], documents.ids[document], documents.texts[document]]
    return "p" + hashlib.sha256(json.dumps(named).encode()).hexdigest()[:12]


def read_sheet(path: Path, evalset: EvalSet) -> Sheet:
    """The grades of a sheet for an eval set; rows and columns may have been moved, `;` and tabs separate as well.

    HarnessError with file and line for a missing column, an id that the set lacks, ids or texts that are no longer
    those of the row, a grade outside the scale of the set, and two grades for one pair.
    """
    found: dict[tuple[int, int], Graded] = {}
    scale, empty, pool = int(evalset.qrels.grade.max()), 0, 0
    sides = positions(evalset.queries), positions(evalset.documents)
    rows = list(_rows(path))
    _check_set([row for _, row in rows], sides, evalset, path)
    for place, row in rows:
        query = _position(row["query_id"], sides[0], f"{place} has the query id", evalset)
        document = _position(row["document_id"], sides[1], f"{place} has the document id", evalset)
        _check_mark(row["pair"], evalset, (query, document), place)
        pool = max(pool, _pool(row.get("of", "0"), place))
        if not row["grade"]:
            empty += 1
            continue
        one = Graded(place, query, document, _grade(row["grade"], scale, place))
        known = found.setdefault((query, document), one)
        if known.grade != one.grade:
            raise HarnessError(
                f"{place} gives the pair of {known.place} grade {one.grade}, not {known.grade}. Keep one."
            )
    return Sheet(tuple(found.values()), empty, pool)


def _check_set(
    rows: Sequence[Mapping[str, str]], sides: tuple[Mapping[str, int], ...], evalset: EvalSet, path: Path
) -> None:
    """HarnessError where most rows name what the set lacks: that is no slip of a row."""
    names = ("query_id", "document_id")
    lost = sum(
        any(not {row[name], _unguarded(row[name])} & known.keys() for name, known in zip(names, sides, strict=True))
        for row in rows
    )
    if lost > 1 and 2 * lost > len(rows):
        raise HarnessError(
            f"{shown(path)}: {lost} of {len(rows)} rows have ids that {evalset.name} lacks: is this the sheet of "
            "another set? If not, a spreadsheet rewrote the ids (001 as 1): take them from the file of harness pool"
        )


def _pool(cell: str, place: str) -> int:
    try:
        value = float(cell)
    except ValueError:
        value = -1.0
    if not (value.is_integer() and value >= 0):
        raise HarnessError(f"{place}: of={cell!r:.40}: expected the whole number that harness pool wrote there")
    return int(value)


def _rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Place and the read columns of each row that is not blank."""
    if not path.is_file():
        raise HarnessError(f"{shown(path)} does not exist; expected the CSV file that harness pool wrote.")
    records = _records(path)
    place, header = next(records, (f"{shown(path)}:1", []))
    at = _columns(header, place)
    for place, record in records:
        if any(record):
            _check_width(record, len(header), place)
            filled = record + [""] * (len(header) - len(record))
            yield place, {name: filled[position].strip(" ") for name, position in at.items()}


def _records(path: Path) -> Iterator[tuple[str, list[str]]]:
    _, first = next(lines(path), ("", ""))
    separator = max(_SEPARATORS, key=first.count)
    reader = csv.reader((f"{line}\n" for _, line in lines(path)), delimiter=separator, strict=True)
    while True:
        place = f"{shown(path)}:{reader.line_num + 1}"
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise HarnessError(f"{place} is not CSV: {error}. Save it as CSV, UTF-8, with quoted texts.") from error
        yield place, record


def _columns(header: Sequence[str], place: str) -> dict[str, int]:
    named = [name.strip().casefold() for name in header]
    for name in _READ:
        if named.count(name) != 1:
            how = "twice or more" if name in named else f"not; it has {', '.join(header)[:200] or 'none'}"
            raise HarnessError(
                f'{place}: expected the column "{name}" once, found {how}. Keep the columns of harness pool.'
            )
    return {name: named.index(name) for name in (*_READ, *(["of"] if named.count("of") == 1 else []))}


def _check_width(record: Sequence[str], width: int, place: str) -> None:
    """Spreadsheets leave empty cells off at the end, or add some; a filled one too many is a broken row."""
    if any(record[width:]):
        raise HarnessError(
            f"{place} has {len(record)} columns, the header {width}. Put texts with separators in quotes."
        )


def _position(cell: str, known: Mapping[str, int], where: str, evalset: EvalSet) -> int:
    for name in (_unguarded(cell), cell):
        if name in known:
            return known[name]
    near = did_you_mean(cell, known) if len(known) <= 2000 else ""
    why = "a spreadsheet may have rewritten it (001 as 1); take the ids of that row from the file of harness pool"
    raise HarnessError(f"{where} {cell!r:.80}, which {evalset.name} lacks: {why}. {near}".rstrip())


def _check_mark(cell: str, evalset: EvalSet, pair: tuple[int, int], place: str) -> None:
    if cell != _mark(evalset, *pair):
        raise HarnessError(
            f"{place}: query_id, document_id and pair do not belong together: a cell was changed, or a text of "
            f"{evalset.name} since. Take the three from the file of harness pool, or pool again."
        )


def _grade(cell: str, scale: int, place: str) -> int:
    try:
        value = float(cell)
    except ValueError:
        value = -1.0
    if not (value.is_integer() and 0 <= value <= scale):
        raise HarnessError(
            f"{place} has the grade {cell!r:.40}; expected a whole number from 0 (not relevant) to {scale}, the best "
            "grade of this set, or nothing where you did not judge."
        )
    return int(value)
