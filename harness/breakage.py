"""What keeps a set from being read, all of it at once: each kind of broken row with its lines and their number."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path

from harness.cases import shortened
from harness.complaints import Broken, Complaints, collecting
from harness.types import HarnessError, Note

_PLACE = re.compile(r"(.+?:\d+)(?=[: ])")
_EFFECT = "no score: the set is not read until this is mended"
# What may follow from rows that were left out, and so says nothing beside them.
_FOLLOWING = (
    "empty", "no-relevant", "ids-differ", "one-label", "one-score", "too-few", "all-alone", "labels-differ",
)  # fmt: skip
_DOCUMENTS = ("corpus", "docs", "documents", "collection")  # beginnings of the names of files without queries
_WHOLE = ("nul-bytes", "not-utf8", "two-grades", "same-id")  # complaints whose row stays


def broken_rows(first: Broken, read: Callable[[], object]) -> tuple[Note, ...]:
    """A note for each code; `read` fails with `first`, and is called once more to collect whatever else is broken."""
    with collecting() as found:
        try:
            read()
        except Broken as error:
            if not found or error.code not in _FOLLOWING:
                found.add(error)
        except HarnessError:
            pass  # it stands behind rows that are to be mended first
    if first.code not in found.count:
        found.add(first)
    found.first[first.code][0] = str(first)  # may say more than the row: what else the file could be read as
    notes = [_note(code, found.first[code], n) for code, n in found.count.items()]
    lost = _queries_left_out(found)
    return tuple(n._replace(message=n.message + lost) if n.code == "unknown-query" else n for n in notes)


def _queries_left_out(found: Complaints) -> str:
    """Where rows of a file that may hold the queries were left out, that unknown queries may be these."""
    of = found.first.get("unknown-query", [""])[0]
    left = {_file(line) for code, lines in found.first.items() if code not in _WHOLE for line in lines}
    files = sorted(one for one in left - {_file(of), ""} if not Path(one).name.startswith(_DOCUMENTS))
    return f"; some may be rows of {', '.join(files)} that are broken and were left out" if files else ""


def _file(line: str) -> str:
    return _place(line).rpartition(":")[0]


def _place(line: str) -> str:
    found = _PLACE.match(line)
    return found[1] if found else ""


def _note(code: str, lines: list[str], count: int) -> Note:
    place, (message, fix) = _place(lines[0]), _parted(lines[0])
    if count > 1:
        more = " ..." if count > len(lines) else ""
        message += f" ({count} such rows: {', '.join(_place(line) for line in lines)}{more})"
    return Note(code, "error", place, message, _EFFECT, fix, count, _row_at(place))


def _parted(line: str) -> tuple[str, str]:
    """What is wrong, and the remedy: the last sentence, or what was expected."""
    for mark, front in (("; expected ", "Write "), (". ", ""), (": expected ", "Write "), (", expected ", "Write ")):
        said, found, rest = line.rpartition(mark)
        if found:
            return said, f"{front}{rest}"
    return line, "Mend the file."


def _row_at(place: str) -> str:
    """The row itself, shortened, where it stands in a file of lines."""
    name, _, number = place.rpartition(":")
    path = Path(name)
    if not path.is_file() or path.suffix in (".gz", ".parquet"):
        return ""
    with path.open("rb") as file:
        row = next(itertools.islice(file, int(number) - 1, None), b"")
    return shortened(row.decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}"))
