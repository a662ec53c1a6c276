"""The values of a row by what they are for: names of columns, and ids, texts, grades and numbers read strictly."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from harness.complaints import Broken, complain
from harness.parts import did_you_mean
from harness.reading import Row, Table
from harness.types import HarnessError


class Want(NamedTuple):
    """A value that a row holds: the keys of `columns` that rename it, particular before general, and usual names."""

    roles: tuple[str, ...]
    names: tuple[str, ...]
    needed: bool = True


Wants = Mapping[str, Want]


def check_columns(columns: Mapping[str, str], tables: Sequence[tuple[Table, Wants]]) -> None:
    """Every key of `columns` must be a role of these tables, and every value a field of one of them."""
    roles = {role for _, wants in tables for want in wants.values() for role in want.roles}
    for role, name in columns.items():
        if role not in roles:
            raise Broken(f"columns.{role}: no such column. {did_you_mean(role, roles)}", "unknown-columns")
        fields = {f for t, wants in tables if any(role in w.roles for w in wants.values()) for f in t.fields}
        if name not in fields:
            where = " and ".join(t.where for t, wants in tables if any(role in w.roles for w in wants.values()))
            if any(";" in f for f in fields):
                line = f"{where}: the header has semicolons; save the table with commas, or tabs as .tsv"
                raise Broken(line, "unknown-columns")
            line = f"columns.{role}: {name}: {where} has no such field. {did_you_mean(name, fields)}"
            raise Broken(line, "unknown-columns")


def names_in(table: Table, wants: Wants, columns: Mapping[str, str]) -> dict[str, str]:
    """The field that holds each wanted value. A renaming counts for the tables that have such a field.

    A header line without a needed column is a HarnessError; other files are checked row by row.
    """
    names = {key: _name_in(table.fields, want, columns) for key, want in wants.items()}
    for key, want in wants.items():
        if table.header and want.needed and names[key] not in table.fields:
            if not set(table.fields) & set(names.values()):
                raise _headless(table, names, wants)
            raise _missing(f"{table.where}:1", table.fields, key, names, wants)
    return names


def _headless(table: Table, names: Mapping[str, str], wants: Wants) -> HarnessError:
    """The error for a first line that names nothing known: a row, most likely."""
    needed = [names[key] for key, want in wants.items() if want.needed]
    has_now = ", ".join(f'"{field:.40}"' for field in table.fields[:4])
    line = f'{table.where}:1 has no field "{needed[0]}"; it has {has_now}. Add the header line {",".join(needed)}'
    role = next(want.roles[-1] for want in wants.values() if want.needed)
    return Broken(f"{line}, or say what its columns are: columns: {{{role}: {table.fields[0]:.40}}}.", "header-missing")


def _name_in(fields: Sequence[str], want: Want, columns: Mapping[str, str]) -> str:
    given = [columns[role] for role in want.roles if role in columns]
    return next((name for name in (*given, *want.names) if name in fields), want.names[0])


def has(row: Row, key: str, names: Mapping[str, str]) -> bool:
    """Whether the row has this value at all: the field is there and not null."""
    return key in names and row.values.get(names[key]) is not None


def value_of(row: Row, key: str, names: Mapping[str, str], wants: Wants) -> Any:
    """The value as read; HarnessError where the field is absent or null."""
    if has(row, key, names):
        return row.values[names[key]]
    if names[key] in row.values:
        line = f'{row.place} has no value in the field "{names[key]}". Fill it, or remove the line.'
        raise Broken(line, "missing-value")
    raise _missing(row.place, row.values, key, names, wants)


def _missing(place: str, fields: Iterable[str], key: str, names: Mapping[str, str], wants: Wants) -> HarnessError:
    name, role = names[key], wants[key].roles[-1]
    others = [field for field in fields if field not in {n for k, n in names.items() if k != key}]
    nearest = others if len(others) == 1 else difflib.get_close_matches(name, others, n=1, cutoff=0.5)
    has_now = ", ".join(f'"{field:.40}"' for field in others or fields) or "none"
    remedy = (
        f"Rename it or set columns.{role}: {nearest[0]:.40}." if nearest else f"Add it, or name it in columns.{role}."
    )
    return Broken(f'{place} has no field "{name}"; it has {has_now}. {remedy}', "unknown-columns")


def id_of(row: Row, key: str, names: Mapping[str, str], wants: Wants) -> str:
    """An id as text; HarnessError for anything but text or an integer."""
    value = value_of(row, key, names, wants)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        line = f'{row.place} has the id {value!r:.60} in "{names[key]}"; expected text or an integer.'
        raise Broken(line, "bad-id")
    return _clean(str(value), row, names[key])


def text_of(row: Row, key: str, names: Mapping[str, str], wants: Wants) -> str:
    """Text without NUL bytes or halves of surrogate pairs; HarnessError for anything else."""
    value = value_of(row, key, names, wants)
    if not isinstance(value, str):
        raise Broken(f'{row.place} has {value!r:.60} in "{names[key]}"; expected text in quotes.', "not-text")
    return _clean(value, row, names[key])


def _clean(value: str, row: Row, name: str) -> str:
    if "\0" in value or not (value.isascii() or value.encode("utf-8", "ignore").decode() == value):
        line = f'{row.place} has a NUL or half a surrogate pair in "{name}". Remove that character.'
        complain(Broken(line, "nul-bytes"))
        return value.replace("\0", "").encode("utf-8", "ignore").decode()
    return value


def grade_of(row: Row, key: str, names: Mapping[str, str], wants: Wants) -> int:
    """A grade; HarnessError for anything but an integer."""
    value = value_of(row, key, names, wants)
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if isinstance(value, bool) or not number.is_integer() or abs(number) >= 2**31:
        line = f"{row.place} has the grade {value!r:.60}; expected an integer such as 0, 1 or 2."
        raise Broken(line, "bad-grade")
    return int(number)


def number_of(row: Row, key: str, names: Mapping[str, str], wants: Wants) -> float:
    """A finite number; HarnessError for anything else."""
    value = value_of(row, key, names, wants)
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise Broken(f'{row.place} has {value!r:.60} in "{names[key]}"; expected a number.', "not-a-number")
    return number


def within(value: float, scale: tuple[float, float], row: Row) -> float:
    """The value; HarnessError where it lies beyond the scale."""
    if not scale[0] <= value <= scale[1]:
        line = f"{row.place} has the score {value:g}, beyond {scale[0]:g} to {scale[1]:g}. Mend it, or set "
        raise Broken(line + "settings: {min_score: ..., max_score: ...}", "beyond-scale")
    return value


def list_of(row: Row, key: str, names: Mapping[str, str], wants: Wants) -> Any:
    """The value as read, or in a CSV file what its JSON says; None where that is none."""
    value = value_of(row, key, names, wants)
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def texts_of(row: Row, key: str, names: Mapping[str, str], wants: Wants) -> tuple[str, ...]:
    """A list of texts, or in a CSV file its JSON; HarnessError for anything else."""
    value = list_of(row, key, names, wants)
    if not isinstance(value, list | tuple) or not all(isinstance(text, str) for text in value):
        line = f'{row.place} has no list of texts in "{names[key]}"; expected such as ["one", "two"].'
        raise Broken(line, "not-a-list")
    return tuple(_clean(text, row, names[key]) for text in value)
