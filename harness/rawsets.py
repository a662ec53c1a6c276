"""From rows to a RawSet: names of columns, ids, grades, duplicates. The same strictness for every format."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from harness.parts import did_you_mean
from harness.reading import Row, Table
from harness.types import HarnessError, Judgement, Note, RawSet, Texts


class Want(NamedTuple):
    """A value that a row holds: the keys of `columns` that rename it, particular before general, and usual names."""

    roles: tuple[str, ...]
    names: tuple[str, ...]
    needed: bool = True


class Item(NamedTuple):
    """One document or query as read."""

    id: str
    text: str
    place: str


Wants = Mapping[str, Want]

CORPUS: Wants = {
    "id": Want(("document_id", "id"), ("_id", "id")),
    "title": Want(("title",), ("title",), needed=False),
    "text": Want(("document", "text"), ("text",)),
}
QUERIES: Wants = {"id": Want(("query_id", "id"), ("_id", "id")), "text": Want(("query", "text"), ("text",))}
QRELS: Wants = {
    "query": Want(("query_id",), ("query-id", "query_id", "qid")),
    "document": Want(("document_id",), ("corpus-id", "corpus_id", "document_id", "docid")),
    "grade": Want(("score",), ("score", "grade", "relevance")),
}
PAIRS: Wants = {
    "query": Want(("query",), ("query",)),
    "text": Want(("document",), ("document",)),
    "title": Want(("title",), ("title",), needed=False),
    "id": Want(("id",), ("id",), needed=False),
    "query_id": Want(("query_id",), ("query_id",), needed=False),
    "grade": Want(("score",), ("score",), needed=False),
}


def three_tables(corpus: Table, queries: Table, qrels: Table, columns: Mapping[str, str]) -> RawSet:
    """The RawSet of a corpus, a query and a judgement table, with the columns that the manifest renames."""
    check_columns(columns, [(corpus, CORPUS), (queries, QUERIES), (qrels, QRELS)])
    return assemble(
        texts(corpus, CORPUS, columns), texts(queries, QUERIES, columns), judgements(qrels, columns),
        (corpus.where, queries.where, qrels.where),
    )  # fmt: skip


def check_columns(columns: Mapping[str, str], tables: Sequence[tuple[Table, Wants]]) -> None:
    """Every key of `columns` must be a role of these tables, and every value a field of one of them."""
    roles = {role for _, wants in tables for want in wants.values() for role in want.roles}
    for role, name in columns.items():
        if role not in roles:
            raise HarnessError(f"columns.{role}: no such column. {did_you_mean(role, roles)}")
        fields = {f for t, wants in tables if any(role in w.roles for w in wants.values()) for f in t.fields}
        if name not in fields:
            where = " and ".join(t.where for t, wants in tables if any(role in w.roles for w in wants.values()))
            if any(";" in f for f in fields):
                raise HarnessError(f"{where}: the header has semicolons; save the table with commas, or tabs as .tsv")
            raise HarnessError(f"columns.{role}: {name}: {where} has no such field. {did_you_mean(name, fields)}")


def names_in(table: Table, wants: Wants, columns: Mapping[str, str]) -> dict[str, str]:
    """The field that holds each wanted value. A renaming counts for the tables that have such a field.

    A header line without a needed column is a HarnessError; other files are checked row by row.
    """
    names = {key: _name_in(table.fields, want, columns) for key, want in wants.items()}
    for key, want in wants.items():
        if table.header and want.needed and names[key] not in table.fields:
            raise _missing(f"{table.where}:1", table.fields, key, names, wants)
    return names


def _name_in(fields: Sequence[str], want: Want, columns: Mapping[str, str]) -> str:
    given = [columns[role] for role in want.roles if role in columns]
    return next((name for name in (*given, *want.names) if name in fields), want.names[0])


def texts(table: Table, wants: Wants, columns: Mapping[str, str]) -> Iterator[Item]:
    """Documents or queries of a table; a document's text is its title, a space and its text."""
    names = names_in(table, wants, columns)
    for row in table.rows:
        yield Item(_id(row, "id", names, wants), titled(row, names, wants), row.place)


def titled(row: Row, names: Mapping[str, str], wants: Wants) -> str:
    """Title and text with a space between, stripped; the text as it stands where there is no title."""
    text = _text(row, "text", names, wants)
    title = _text(row, "title", names, wants) if has(row, "title", names) else ""
    return f"{title} {text}".strip() if title else text


def judgements(table: Table, columns: Mapping[str, str]) -> Iterator[Judgement]:
    """The judgements of a table, in file order."""
    names = names_in(table, QRELS, columns)
    for row in table.rows:
        query, document = _id(row, "query", names, QRELS), _id(row, "document", names, QRELS)
        yield Judgement(query, document, _grade(row, "grade", names, QRELS), row.place)


def pairs(table: Table, columns: Mapping[str, str]) -> RawSet:
    """The RawSet of a table whose rows are query and document, with their ids and grade where it has such columns.

    Without ids, equal texts are one query or one document, numbered q1, d1 ... by first appearance. Without a score
    every pair has grade 1.
    """
    check_columns(columns, [(table, PAIRS)])
    names, columns_read = names_in(table, PAIRS, columns), set(table.fields)
    found: dict[str, dict[str, Item]] = {"query": {}, "document": {}}
    pairs_read: list[Judgement] = []
    for row in table.rows:
        query = _member(found["query"], row, _text(row, "query", names, PAIRS), ("query_id", "q"), names, columns_read)
        document = _member(found["document"], row, titled(row, names, PAIRS), ("id", "d"), names, columns_read)
        grade = _grade(row, "grade", names, PAIRS) if names["grade"] in columns_read else 1
        pairs_read.append(Judgement(query.id, document.id, grade, row.place))
    raw = assemble(found["document"].values(), found["query"].values(), pairs_read, (table.where,) * 3)
    message = f"{len(pairs_read)} rows give {len(raw.documents)} documents and {len(raw.queries)} queries"
    merged = 2 * len(pairs_read) - len(raw.documents) - len(raw.queries)
    fix = "Nothing to do: a document or query that several rows repeat is one."
    note = Note("merged-rows", "info", table.where, message, fix=fix, count=merged)
    return raw._replace(notes=(note, *raw.notes) if merged else raw.notes)


def _member(
    found: dict[str, Item], row: Row, text: str, naming: tuple[str, str], names: Mapping[str, str], fields: set[str]
) -> Item:
    key, letter = naming
    if names[key] in fields:
        item = Item(_id(row, key, names, PAIRS), text, row.place)
        known = found.setdefault(item.id, item)
        _same_text(known, item)
        return known
    return found.setdefault(text, Item(f"{letter}{len(found) + 1}", text, row.place))


def assemble(
    documents: Iterable[Item], queries: Iterable[Item], judged: Iterable[Judgement], where: tuple[str, str, str]
) -> RawSet:
    """A RawSet without repeated ids or judgements; `where` names the sources of the three.

    Repeats with equal content are merged and counted in a Note; repeats that differ are a HarnessError, as is an
    empty part.
    """
    corpus, corpus_notes = _unique(documents, "document", where[0])
    asked, query_notes = _unique(queries, "query", where[1])
    kept, judged_notes = _unique_judgements(judged, where[2])
    return RawSet(corpus, asked, kept, (*corpus_notes, *query_notes, *judged_notes))


def _unique(items: Iterable[Item], what: str, where: str) -> tuple[Texts, list[Note]]:
    found: dict[str, Item] = {}
    repeats: list[Item] = []
    for item in items:
        known = found.setdefault(item.id, item)
        if known is not item:
            _same_text(known, item)
            repeats.append(item)
    if not found:
        raise HarnessError(f"{where} is empty: expected at least one {what}.")
    return Texts(tuple(found), tuple(i.text for i in found.values())), _repeat_note("duplicate-ids", what, repeats)


def _same_text(known: Item, item: Item) -> None:
    if known.text != item.text:
        raise HarnessError(
            f'{item.place} repeats the id "{item.id}" of {known.place} with another text. Give each text its own id.'
        )


def _unique_judgements(judged: Iterable[Judgement], where: str) -> tuple[tuple[Judgement, ...], list[Note]]:
    found: dict[tuple[str, str], Judgement] = {}
    repeats: list[Item] = []
    for one in judged:
        known = found.setdefault((one.query_id, one.document_id), one)
        if known.grade != one.grade:
            raise HarnessError(
                f'{one.place} grades document "{one.document_id}" for query "{one.query_id}" {one.grade}, '
                f"but {known.place} says {known.grade}. Keep one of the two lines."
            )
        if known is not one:
            repeats.append(Item(f"{one.query_id} {one.document_id}", "", one.place))
    if not found:
        raise HarnessError(f"{where} is empty: expected at least one judgement.")
    return tuple(found.values()), _repeat_note("duplicate-judgements", "judgement", repeats)


def _repeat_note(code: str, what: str, repeats: Sequence[Item]) -> list[Note]:
    if not repeats:
        return []
    message = f'{len(repeats)} lines repeat a {what} word for word, the first of them "{repeats[0].id}"; merged'
    return [Note(code, "warning", repeats[0].place, message, "none", "Remove the repeated lines.", len(repeats))]


def has(row: Row, key: str, names: Mapping[str, str]) -> bool:
    """Whether the row has this value at all: the field is there and not null."""
    return key in names and row.values.get(names[key]) is not None


def _value(row: Row, key: str, names: Mapping[str, str], wants: Wants) -> Any:
    if has(row, key, names):
        return row.values[names[key]]
    if names[key] in row.values:
        raise HarnessError(f'{row.place} has no value in the field "{names[key]}". Fill it, or remove the line.')
    raise _missing(row.place, row.values, key, names, wants)


def _missing(place: str, fields: Iterable[str], key: str, names: Mapping[str, str], wants: Wants) -> HarnessError:
    name, role = names[key], wants[key].roles[-1]
    others = [field for field in fields if field not in {n for k, n in names.items() if k != key}]
    nearest = others if len(others) == 1 else difflib.get_close_matches(name, others, n=1, cutoff=0.5)
    has_now = ", ".join(f'"{field}"' for field in others or fields) or "none"
    remedy = f"Rename it or set columns.{role}: {nearest[0]}." if nearest else f"Add it, or name it in columns.{role}."
    return HarnessError(f'{place} has no field "{name}"; it has {has_now}. {remedy}')


def _id(row: Row, key: str, names: Mapping[str, str], wants: Wants) -> str:
    value = _value(row, key, names, wants)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise HarnessError(f'{row.place} has the id {value!r} in "{names[key]}"; expected text or an integer.')
    return _clean(str(value), row, names[key])


def _text(row: Row, key: str, names: Mapping[str, str], wants: Wants) -> str:
    value = _value(row, key, names, wants)
    if not isinstance(value, str):
        raise HarnessError(f'{row.place} has {value!r:.60} in "{names[key]}"; expected text in quotes.')
    return _clean(value, row, names[key])


def _clean(value: str, row: Row, name: str) -> str:
    if "\0" in value or not (value.isascii() or value.encode("utf-8", "ignore").decode() == value):
        raise HarnessError(f'{row.place} has a NUL or half a surrogate pair in "{name}". Remove that character.')
    return value


def _grade(row: Row, key: str, names: Mapping[str, str], wants: Wants) -> int:
    value = _value(row, key, names, wants)
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if isinstance(value, bool) or not number.is_integer() or abs(number) >= 2**31:
        raise HarnessError(f"{row.place} has the grade {value!r}; expected an integer such as 0, 1 or 2.")
    return int(number)
