"""What the task types of pairs share: reading two texts a row, what is wrong with pairs, and fewer of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from harness.cases import at
from harness.columns import Want, Wants, check_columns, names_in, text_of
from harness.complaints import Broken, complain
from harness.reading import Row, Table
from harness.sampling import drawn, only
from harness.splits import Content
from harness.types import EvalSet, Note, Texts

FIRST: Wants = {"first": Want(("first",), ("sentence1",)), "second": Want(("second",), ("sentence2",))}


class Pair(NamedTuple):
    """Two texts and the row they came from."""

    first: str
    second: str
    row: Row


def pairs_of(table: Table, columns: Mapping[str, str], more: Wants) -> Iterator[tuple[Pair, Mapping[str, str], Wants]]:
    """The pairs of a table, each with the names of its columns, among them those of `more`."""
    wants = {**FIRST, **more}
    check_columns(columns, [(table, wants)])
    names = names_in(table, wants, columns)
    for row in table.rows:
        try:
            pair = Pair(text_of(row, "first", names, wants), text_of(row, "second", names, wants), row)
        except Broken as error:
            complain(error)
        else:
            yield pair, names, wants


def sides(pairs: Sequence[Pair], targets: Mapping[str, Any], where: str) -> Content:
    """First texts as queries, second ones as documents, named by the number of their row; HarnessError for none."""
    if not pairs:
        raise Broken(f"{where} is empty: expected at least one pair.", "empty")
    ids = tuple(f"pair-{i}" for i in range(1, len(pairs) + 1))
    queries, documents = Texts(ids, tuple(p.first for p in pairs)), Texts(ids, tuple(p.second for p in pairs))
    return Content(documents, queries, targets)


def pairs_kept(evalset: EvalSet, items: int) -> EvalSet:
    """So many of the pairs, drawn by their names, in file order."""
    everything = np.arange(len(evalset.queries), dtype=np.int64)
    kept = np.sort(drawn(evalset.queries.ids, everything, "pair")[:items])
    return replace(
        evalset,
        documents=only(evalset.documents, kept),
        queries=only(evalset.queries, kept),
        targets={name: values[kept] for name, values in evalset.targets.items()},
    )


def pair_findings(evalset: EvalSet, target: str) -> list[Note]:
    """Empty texts, pairs of one text with itself, and pairs that come again, either way round, with any `target`."""
    pairs = list(zip(evalset.queries.texts, evalset.documents.texts, strict=True))
    values = evalset.targets[target].tolist()
    empty = [i for i, pair in enumerate(pairs) if not all(text.strip() for text in pair)]
    found = []
    if empty:
        message = f"{len(empty)} pairs have an empty text, such as {evalset.queries.ids[empty[0]]}"
        effect = f"{len(empty) / len(pairs):.1%} of the pairs have a similarity that means nothing"
        note = Note("empty-pairs", "warning", "", message, effect, "Remove these pairs.", len(empty))
        found.append(at(note, evalset.queries, empty[0]))
    first: dict[tuple[str, ...], int] = {}
    seen = [first.setdefault(tuple(sorted(pair)), i) for i, pair in enumerate(pairs)]
    again = [(i, values[before]) for i, before in enumerate(seen) if before != i]
    return found + _same(evalset, values) + _repeats(evalset, again, values)


def _same(evalset: EvalSet, values: Sequence[float]) -> list[Note]:
    """A note for pairs of a text with itself."""
    pairs = zip(evalset.queries.texts, evalset.documents.texts, strict=True)
    same = [i for i, (one, other) in enumerate(pairs) if one == other]
    if not same:
        return []
    lower = sum(values[i] < max(values) for i in same)
    message = f"{len(same)} pairs have the same text twice, such as {evalset.queries.ids[same[0]]}"
    effect = f"every model finds them most alike; {lower} of them are not labelled so, which no model can get right"
    fix = "Remove them: they tell no two models apart."
    note = Note("equal-texts", "warning" if lower else "info", "", message, effect, fix, len(same))
    return [at(note, evalset.queries, same[0])]


def _repeats(evalset: EvalSet, again: Sequence[tuple[int, float]], values: Sequence[float]) -> list[Note]:
    """Notes for pairs whose texts came before, by whether their value is the same as then."""
    unlike = [i for i, before in again if values[i] != before]
    alike = [i for i, before in again if values[i] == before]
    found = []
    if unlike:
        message = f"{len(unlike)} pairs repeat another with a different label, such as {evalset.queries.ids[unlike[0]]}"
        effect = f"no similarity can satisfy both: {len(unlike) / len(values):.1%} of the pairs cannot all be right"
        note = Note("contradicting-pairs", "warning", "", message, effect, "Keep one of each.", len(unlike))
        found.append(at(note, evalset.queries, unlike[0]))
    if alike:
        message = f"{len(alike)} pairs repeat another word for word, such as {evalset.queries.ids[alike[0]]}"
        effect = f"{len(alike) / len(values):.1%} of the pairs count again, so intervals come out too narrow"
        note = Note("duplicate-pairs", "warning", "", message, effect, "Keep one of each.", len(alike))
        found.append(at(note, evalset.queries, alike[0]))
    return found
