"""From rows to a RawSet: ids, judgements, duplicates. The same strictness for every format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from harness.columns import Want, Wants, check_columns, grade_of, has, id_of, names_in, text_of
from harness.complaints import Broken, complain
from harness.reading import Row, Table
from harness.types import Judgement, Note, RawSet, Texts


class Item(NamedTuple):
    """One document or query as read."""

    id: str
    text: str
    place: str


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


def texts(table: Table, wants: Wants, columns: Mapping[str, str]) -> Iterator[Item]:
    """Documents or queries of a table; a document's text is its title, a space and its text."""
    names = names_in(table, wants, columns)
    for row in table.rows:
        try:
            item = Item(id_of(row, "id", names, wants), titled(row, names, wants), row.place)
        except Broken as error:
            complain(error)
        else:
            yield item


def titled(row: Row, names: Mapping[str, str], wants: Wants) -> str:
    """Title and text with a space between, stripped; the text as it stands where there is no title."""
    text = text_of(row, "text", names, wants)
    title = text_of(row, "title", names, wants) if has(row, "title", names) else ""
    return f"{title} {text}".strip() if title else text


def judgements(table: Table, columns: Mapping[str, str]) -> Iterator[Judgement]:
    """The judgements of a table, in file order."""
    names = names_in(table, QRELS, columns)
    for row in table.rows:
        try:
            query, document = id_of(row, "query", names, QRELS), id_of(row, "document", names, QRELS)
            judgement = Judgement(query, document, grade_of(row, "grade", names, QRELS), row.place)
        except Broken as error:
            complain(error)
        else:
            yield judgement


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
        try:
            pairs_read.append(_pair(row, found, names, columns_read))
        except Broken as error:
            complain(error)
    raw = assemble(found["document"].values(), found["query"].values(), pairs_read, (table.where,) * 3)
    message = f"{len(pairs_read)} rows give {len(raw.documents)} documents and {len(raw.queries)} queries"
    merged = 2 * len(pairs_read) - len(raw.documents) - len(raw.queries)
    fix = "Nothing to do: a document or query that several rows repeat is one."
    note = Note("merged-rows", "info", table.where, message, fix=fix, count=merged)
    return raw._replace(notes=(note, *raw.notes) if merged else raw.notes)


def _pair(row: Row, found: Mapping[str, dict[str, Item]], names: Mapping[str, str], fields: set[str]) -> Judgement:
    query = _member(found["query"], row, text_of(row, "query", names, PAIRS), ("query_id", "q"), names, fields)
    document = _member(found["document"], row, titled(row, names, PAIRS), ("id", "d"), names, fields)
    grade = grade_of(row, "grade", names, PAIRS) if names["grade"] in fields else 1
    return Judgement(query.id, document.id, grade, row.place)


def _member(
    found: dict[str, Item], row: Row, text: str, naming: tuple[str, str], names: Mapping[str, str], fields: set[str]
) -> Item:
    key, letter = naming
    if names[key] in fields:
        item = Item(id_of(row, key, names, PAIRS), text, row.place)
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
        raise Broken(f"{where} is empty: expected at least one {what}.", "empty")
    return Texts(tuple(found), tuple(i.text for i in found.values())), _repeat_note("duplicate-ids", what, repeats)


def _same_text(known: Item, item: Item) -> None:
    if known.text != item.text:
        line = f'{item.place} repeats the id "{item.id}" of {known.place} with another text. Give each text its own id.'
        complain(Broken(line, "same-id"))


def _unique_judgements(judged: Iterable[Judgement], where: str) -> tuple[tuple[Judgement, ...], list[Note]]:
    found: dict[tuple[str, str], Judgement] = {}
    repeats: list[Item] = []
    for one in judged:
        known = found.setdefault((one.query_id, one.document_id), one)
        if known.grade != one.grade:
            line = f'{one.place} grades document "{one.document_id}" for query "{one.query_id}" {one.grade}, '
            complain(Broken(f"{line}but {known.place} says {known.grade}. Keep one of the two lines.", "two-grades"))
        if known is not one:
            repeats.append(Item(f"{one.query_id} {one.document_id}", "", one.place))
    if not found:
        raise Broken(f"{where} is empty: expected at least one judgement.", "empty")
    return tuple(found.values()), _repeat_note("duplicate-judgements", "judgement", repeats)


def _repeat_note(code: str, what: str, repeats: Sequence[Item]) -> list[Note]:
    if not repeats:
        return []
    message = f'{len(repeats)} lines repeat a {what} word for word, the first of them "{repeats[0].id}"; merged'
    effect, fix = "none: a repeated line counts once", "Remove the repeated lines."
    return [Note(code, "warning", repeats[0].place, message, effect, fix, len(repeats), repeats[0].id)]
