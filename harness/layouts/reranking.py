"""Queries, each with its own candidates, some of which answer it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from harness.cases import at, shortened
from harness.classes import named
from harness.columns import Want, Wants, check_columns, grade_of, names_in, text_of, texts_of
from harness.complaints import Broken, complain
from harness.duplicates import folded
from harness.reading import Row, Table
from harness.sampling import sampled
from harness.splits import Content, Splits
from harness.types import EvalSet, Ints, Note, Qrels, Texts

_LISTS: Wants = {
    "query": Want(("query",), ("query",)),
    "positive": Want(("positive",), ("positive",)),
    "negative": Want(("negative",), ("negative",)),
}
_ROWS: Wants = {
    "query": Want(("query",), ("query",)),
    "document": Want(("document",), ("document",)),
    "score": Want(("score",), ("score", "label")),
}


class _Asked(NamedTuple):
    """A query with the grade of each candidate text; `repeats` counts candidates that came again, and were merged."""

    number: int
    query: str
    place: str
    grades: dict[str, int]
    repeats: list[str]


@dataclass(frozen=True)
class Reranking:
    """Columns query, positive and negative, the last two lists; or query, document and score, above 0 where it answers.

    `columns` renames them. Rows of the second kind with equal queries are one query. Candidates of all queries are one
    corpus of distinct texts, numbered in the order of the texts, so that neither their position nor their id, which
    break ties, tells of their relevance.
    """

    split: str = "test"
    columns: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def read(self, splits: Splits) -> Content:
        """A candidate that is both right and wrong for a query is a HarnessError.

        Queries with only right or only wrong candidates are left out and counted; HarnessError where none is left.
        """
        table = splits.table(self.split)
        form = _LISTS if {"positive", "negative"} & {*table.fields, *self.columns} else _ROWS
        check_columns(self.columns, [(table, form)])
        names = names_in(table, form, self.columns)
        asked = list(_of_lists(table, names) if form is _LISTS else _of_rows(table, names))
        if not asked:
            raise Broken(f"{table.where} is empty: expected at least one query with its candidates.", "empty")
        scored = [one for one in asked if len({grade > 0 for grade in one.grades.values()}) == 2]
        if not scored:
            line = f"{table.where}: no query has both right and wrong candidates, so there is no order to score."
            raise Broken(line, "no-relevant")
        return _content(scored, (*_left_out(asked), *_merged(scored)))

    @staticmethod
    def findings(evalset: EvalSet) -> Sequence[Note]:
        """Candidates that are right and wrong in another spelling, equal queries that disagree, the score by chance."""
        return [*_twins(evalset), *_unlike(evalset), _chance(evalset)]

    @staticmethod
    def kept(evalset: EvalSet, items: int) -> EvalSet:
        """So many queries with all their candidates, in the whole corpus."""
        return sampled(evalset, items, None)


def _of_lists(table: Table, names: Mapping[str, str]) -> Iterator[_Asked]:
    for number, row in enumerate(table.rows, 1):
        try:
            right, wrong = (texts_of(row, kind, names, _LISTS) for kind in ("positive", "negative"))
            one = _Asked(number, text_of(row, "query", names, _LISTS), row.place, {}, [])
            for text, grade in (*((text, 1) for text in right), *((text, 0) for text in wrong)):
                _grade(one, text, grade, row)
        except Broken as error:
            complain(error)
        else:
            yield one


def _of_rows(table: Table, names: Mapping[str, str]) -> Iterator[_Asked]:
    found: dict[str, _Asked] = {}
    for row in table.rows:
        try:
            query = text_of(row, "query", names, _ROWS)
            one = found.setdefault(query, _Asked(len(found) + 1, query, row.place, {}, []))
            _grade(one, text_of(row, "document", names, _ROWS), grade_of(row, "score", names, _ROWS), row)
        except Broken as error:
            complain(error)
    yield from found.values()


def _grade(one: _Asked, text: str, grade: int, row: Row) -> None:
    if text in one.grades:
        one.repeats.append(text)
    before = one.grades.setdefault(text, grade)
    if before != grade:
        both = f"both with grade {before} and {grade} for one query"
        raise Broken(f"{row.place} has the candidate {text!r:.40} {both}. Keep one.", "two-grades")


def _left_out(asked: Sequence[_Asked]) -> list[Note]:
    """Notes for queries that any order answers alike."""
    barren = [one for one in asked if all(grade <= 0 for grade in one.grades.values())]
    full = [one for one in asked if one.grades and all(grade > 0 for grade in one.grades.values())]
    kept = len(asked) - len(barren) - len(full)
    effect = f"left out: scores are means over {kept} of {len(asked)} queries"
    notes = []
    for some, code, lack in ((barren, "queries-without-relevant", "right"), (full, "queries-without-wrong", "wrong")):
        if some:
            message = f"{len(some)} of {len(asked)} queries have no {lack} candidate: {named([o.query for o in some])}"
            fix = "Add one, or remove them."
            note = Note(code, "warning", some[0].place, message, effect, fix, len(some))
            notes.append(note._replace(example=f'"{shortened(some[0].query)}"'))
    return notes


def _merged(asked: Sequence[_Asked]) -> list[Note]:
    again = [(one, text) for one in asked for text in one.repeats]
    if not again:
        return []
    message = f"{len(again)} candidates come twice for one query, such as {again[0][1]!r:.40}; merged"
    effect, example = "none: a candidate counts once", f'"{shortened(again[0][1])}"'
    place = again[0][0].place
    return [Note("duplicate-candidates", "info", place, message, effect, "Keep one.", len(again), example)]


def _content(asked: Sequence[_Asked], notes: tuple[Note, ...]) -> Content:
    corpus = sorted({text for one in asked for text in one.grades})
    position = {text: i for i, text in enumerate(corpus)}
    documents = Texts(tuple(f"document-{i}" for i in range(1, len(corpus) + 1)), tuple(corpus))
    queries = Texts(tuple(f"query-{one.number}" for one in asked), tuple(one.query for one in asked))
    graded = [sorted((position[text], grade) for text, grade in one.grades.items()) for one in asked]
    query, document, grade = np.array(
        [(i, place, value) for i, pairs in enumerate(graded) for place, value in pairs], dtype=np.int32
    ).T.copy()
    candidates = _padded([[place for place, _ in pairs] for pairs in graded])
    return Content(documents, queries, {"candidates": candidates}, Qrels(query, document, grade), notes)


def _padded(rows: Sequence[Sequence[int]]) -> Ints:
    """int32 [q, c], -1 behind the shorter rows."""
    padded = np.full((len(rows), max(map(len, rows))), -1, dtype=np.int32)
    for filled, row in zip(padded, rows, strict=True):
        filled[: len(row)] = row
    return padded


def _candidates(evalset: EvalSet) -> list[tuple[list[int], set[int]]]:
    """Of each query the positions of its candidates, and of those that answer it."""
    query, document, grade = evalset.qrels
    right = grade > 0
    relevant: dict[int, set[int]] = {}
    for one, place in zip(query[right].tolist(), document[right].tolist(), strict=True):
        relevant.setdefault(one, set()).add(place)
    rows = evalset.targets["candidates"].tolist()
    return [([c for c in row if c >= 0], relevant.get(i, set())) for i, row in enumerate(rows)]


def _twins(evalset: EvalSet) -> list[Note]:
    texts, hit = evalset.documents.texts, list[int]()
    for i, (row, right) in enumerate(_candidates(evalset)):
        answers = {folded(texts[c]) for c in row if c in right}
        if any(folded(texts[c]) in answers for c in row if c not in right):
            hit.append(i)
    if not hit:
        return []
    message = f"{len(hit)} queries have a wrong candidate that is a right one but for case or white space: "
    message += named([evalset.queries.ids[i] for i in hit])
    effect = f"{len(hit) / len(evalset.queries):.1%} of the queries are decided by spelling"
    note = Note("candidate-twins", "warning", "", message, effect, "Judge both alike.", len(hit))
    return [at(note, evalset.queries, hit[0])]


def _unlike(evalset: EvalSet) -> list[Note]:
    """A note for equal queries of which one takes for right what another takes for wrong."""
    said: dict[tuple[str, int], tuple[int, bool]] = {}
    hit = set()
    for i, (row, right) in enumerate(_candidates(evalset)):
        for c in row:
            before, was = said.setdefault((evalset.queries.texts[i], c), (i, c in right))
            if was != (c in right):
                hit |= {before, i}
    if not hit:
        return []
    message = f"{len(hit)} queries share text and candidates with another but not the judgement: "
    message += named([evalset.queries.ids[i] for i in sorted(hit)])
    effect = f"{len(hit) / len(evalset.queries):.1%} of the queries cannot all be ordered right"
    note = Note("contradicting-queries", "warning", "", message, effect, "Judge them alike.", len(hit))
    return [at(note, evalset.queries, min(hit))]


def _chance(evalset: EvalSet) -> Note:
    sizes = [(len(row), len(right & set(row))) for row, right in _candidates(evalset) if right & set(row)]
    number = sum(n for n, _ in sizes) / len(sizes)
    message = f"{number:.1f} candidates a query, {sum(r for _, r in sizes) / len(sizes):.1f} of them right"
    expected = float(np.mean([_random_precision(n, r) for n, r in sizes]))
    return Note("chance", "info", "", message, f"a random order has MAP {expected:.3f}")


def _random_precision(n: int, right: int) -> float:
    """Expected average precision of a random order of n candidates, so many of them right."""
    harmonic = float((1 / np.arange(1, n + 1)).sum())
    others = (right - 1) / (n - 1) if n > 1 else 0.0
    return (harmonic + others * (n - harmonic)) / n
