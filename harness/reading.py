"""Reading files strictly: rows with their places. Every complaint names the file, the line and the remedy."""

from __future__ import annotations

import csv
import gzip
import itertools
import json
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness.complaints import Broken, complain
from harness.types import HarnessError, Unavailable

EXTENSIONS = (".jsonl", ".csv", ".tsv", ".parquet", ".jsonl.gz", ".csv.gz", ".tsv.gz")
QREL_FIELDS = ("query-id", "corpus-id", "score")
# A JSON Lines file has no header: these many rows are looked at to learn which fields there are.
_PEEK = 100
_QREL_HEADERS = {"query-id", "query_id", "qid", "corpus-id", "corpus_id", "docid", "score", "grade", "relevance"}


class Row(NamedTuple):
    """One line of a file: its `file:line` (for Parquet the row number, from 1) and its values by field name."""

    place: str
    values: Mapping[str, Any]


class Table(NamedTuple):
    """Rows that can be read once, with the fields that the header line, or the first rows, name."""

    where: str
    fields: tuple[str, ...]
    rows: Iterable[Row]
    header: bool = False


def shown(path: Path) -> str:
    """The path as an error prints it: relative to the working directory where it lies inside."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_absolute() and path.is_relative_to(here) else str(path)


def pick(folder: Path, names: Sequence[str]) -> Path:
    """The one file or folder of these names in a folder; a HarnessError says what was expected and what lies there."""
    found = [folder / name for name in names if (folder / name).exists()]
    if len(found) == 1:
        return found[0]
    if found:
        raise HarnessError(f"{shown(folder)} has both {found[0].name} and {found[1].name}; keep one of them.")
    raise HarnessError(f"{shown(folder)} has no {' or '.join(names)}; {listing(folder)}.")


def listing(folder: Path) -> str:
    """What a folder holds, for an error line."""
    if not folder.exists():
        return "it does not exist"
    if not folder.is_dir():
        return "it is not a folder"
    names = sorted(p.name + ("/" if p.is_dir() else "") for p in folder.iterdir() if not p.name.startswith("."))
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"it has {', '.join(names[:8])}{more}" if names else "it is empty"


def extension(path: Path) -> str:
    """`.jsonl`, `.csv.gz` ...: the table extension of a file name, or an empty string."""
    return next((e for e in EXTENSIONS if path.name.lower().endswith(e)), "")


def stem(path: Path) -> str:
    """The file name without its table extension."""
    return path.name[: len(path.name) - len(extension(path))]


def open_table(path: Path) -> Table:
    """A CSV, TSV, JSON Lines or Parquet file as rows; the first three may be gzipped.

    TSV fields are taken as written, without quoting, as TREC and BEIR tools do; CSV follows RFC 4180.
    """
    kind = extension(path).removesuffix(".gz")
    if not path.is_file():
        raise HarnessError(f"{shown(path)} does not exist.")
    readers: dict[str, Callable[[Path], Table]] = {
        ".jsonl": _json_table, ".csv": _csv_table, ".tsv": _tsv_table, ".parquet": _parquet_table,
    }  # fmt: skip
    if kind not in readers:
        raise HarnessError(f"{shown(path)} is not a table; expected one of {', '.join(EXTENSIONS)}.")
    return readers[kind](path)


def lines(path: Path) -> Iterator[tuple[str, str]]:
    """(`file:line`, text without its line break) for each line; a byte order mark is taken off.

    Not UTF-8, a NUL byte or a damaged gzip file is a HarnessError.
    """
    name = shown(path)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                yield f"{name}:{number}", _decoded(raw, f"{name}:{number}", first=number == 1)
    except (OSError, EOFError, zlib.error) as error:
        raise HarnessError(f"{name} cannot be read: {error}") from error


def _decoded(raw: bytes, place: str, first: bool) -> str:
    """The line; where complaints are collected, without its NUL bytes and with its bad ones replaced."""
    raw = raw.removeprefix(b"\xef\xbb\xbf") if first else raw
    if b"\0" in raw:
        line = f"{place} has a NUL byte. Save the file as UTF-8 text (not UTF-16), without NUL bytes."
        complain(Broken(line, "nul-bytes"))
        raw = raw.replace(b"\0", b"")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        bad = raw[error.start]
        line = f"{place} is not UTF-8: byte 0x{bad:02x} at position {error.start + 1}. Save the file as UTF-8, "
        complain(Broken(f"{line}for example with iconv -f latin1 -t utf-8.", "not-utf8"))
        text = raw.decode("utf-8", "replace")
    return text.removesuffix("\n").removesuffix("\r")


def _peeked(path: Path, rows: Iterator[Row]) -> Table:
    head = list(itertools.islice(rows, _PEEK))
    fields = tuple(dict.fromkeys(field for row in head for field in row.values))
    return Table(shown(path), fields, itertools.chain(head, rows))


def _json_table(path: Path) -> Table:
    return _peeked(path, _json_rows(path))


def _json_rows(path: Path) -> Iterator[Row]:
    for place, line in lines(path):
        if line.strip():
            try:
                yield Row(place, _json_object(line, place))
            except Broken as error:
                complain(error)


def _json_object(line: str, place: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Broken(f"{place} is not JSON: {error}. Each line must be one JSON object.", "not-json") from error
    if not isinstance(value, dict):
        line = f"{place} is a JSON {type(value).__name__}, expected an object like {{...}} on each line."
        raise Broken(line, "not-json")
    return value


def _csv_table(path: Path) -> Table:
    return _with_header(path, _csv_records(path))


def _csv_records(path: Path) -> Iterator[tuple[str, list[str]]]:
    csv.field_size_limit(sys.maxsize)  # the default refuses a document of more than 131072 characters
    reader = csv.reader((line + "\n" for _, line in lines(path)), strict=True)
    while True:
        place = f"{shown(path)}:{reader.line_num + 1}"
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            complain(Broken(f"{place} is not CSV: {error}. Put a field that holds a quote in quotes.", "not-csv"))
            continue
        yield place, record


def _tsv_table(path: Path) -> Table:
    return _with_header(path, ((place, line.split("\t") if line else []) for place, line in lines(path)))


def _with_header(path: Path, records: Iterator[tuple[str, list[str]]]) -> Table:
    place, header = next(records, (f"{shown(path)}:1", []))
    doubled = next((name for i, name in enumerate(header) if name in header[:i]), None)
    if doubled is not None:
        raise Broken(f'{place} names the column "{doubled}" twice. Rename one of them.', "unknown-columns")
    return Table(shown(path), tuple(header), _named(header, records), header=bool(header))


def _named(header: Sequence[str], records: Iterator[tuple[str, list[str]]]) -> Iterator[Row]:
    for place, record in records:
        if record and _fits(place, record, len(header), "as the header"):
            yield Row(place, dict(zip(header, record, strict=True)))


def _fits(place: str, record: Sequence[str], width: int, why: str) -> bool:
    """Whether a row has as many columns as it must; a complaint where it has not."""
    if len(record) != width:
        line = f"{place} has {len(record)} columns, expected {width} {why}. A field with a separator or a line break "
        complain(Broken(f"{line}must be quoted (CSV) or rewritten (TSV).", "column-count"))
    return len(record) == width


def _parquet_table(path: Path) -> Table:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise Unavailable(f"{shown(path)} needs pyarrow: pip install pyarrow") from error
    try:
        file = parquet.ParquetFile(path)
        values = file.read().to_pylist()
    except (ArrowException, OSError) as error:
        raise HarnessError(f"{shown(path)} is not a Parquet file: {str(error).splitlines()[0]}") from error
    return Table(shown(path), tuple(file.schema_arrow.names), numbered(shown(path), values))


def numbered(where: str, values: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    """Rows of a table without lines: `where:1`, `where:2` and so on."""
    return (Row(f"{where}:{number}", value) for number, value in enumerate(values, start=1))


def open_qrels(path: Path, names: Iterable[str] = ()) -> Table:
    """Judgements as query id, document id, grade.

    Three columns (query-id, corpus-id, score), TAB separated, or trec_eval's four (query, iteration, document,
    grade), with or without a header. A header is known by its column names, ours or those in `names`; a first line
    without any of them is a judgement, and is kept.
    """
    records = _qrel_records(path)
    first = next(records, None)
    if first is None:
        return Table(shown(path), (), ())
    if {field.strip().lower() for field in first[1]} & _QREL_HEADERS or set(first[1]) & set(names):
        return _with_header(path, itertools.chain([first], records))
    return Table(shown(path), QREL_FIELDS, _unnamed(itertools.chain([first], records), len(first[1])))


def _qrel_records(path: Path) -> Iterator[tuple[str, list[str]]]:
    for place, line in lines(path):
        if not line.strip():
            continue
        fields = line.split("\t") if "\t" in line else line.split()
        if len(fields) == 4 or (len(fields) == 3 and "\t" in line):
            yield place, [field.strip() for field in fields]
            continue
        has = f"{len(fields)} columns" + (" by spaces" if len(fields) == 3 else "")  # else it would contradict itself
        wrong = f"{place} has {has}, expected 3 (query-id, corpus-id, score), separated by TAB, or "
        complain(Broken(f"{wrong}trec_eval's 4 (query, iteration, document, grade).", "column-count"))


def _unnamed(records: Iterable[tuple[str, list[str]]], width: int) -> Iterator[Row]:
    for place, record in records:
        if not _fits(place, record, width, "as in the first line"):
            continue
        yield Row(place, dict(zip(QREL_FIELDS, (record[0], record[-2], record[-1]), strict=True)))
