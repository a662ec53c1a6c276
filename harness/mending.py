"""What can be changed in a retrieval set without a doubt; everything else is left as it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from harness.sampling import only
from harness.types import EvalSet, HarnessError, Ints, Note, Qrels, Texts

_MERGED = ("duplicate-ids", "duplicate-judgements")  # the readers merge them
_NAMED = 20


class Change(NamedTuple):
    """One kind of change: a finding's code or what it is, where, why, and in how many cases."""

    what: str
    where: str
    why: str
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody calls on a change


def mended(evalset: EvalSet) -> tuple[EvalSet, list[Change]]:
    """The set after every change that loses nothing anybody judged or asked, and the changes in their order.

    Repeated lines are merged, white space around texts is removed, documents without text go unless they are judged,
    so do documents with the text of an earlier one that every query judges alike, judgements of absent documents, and
    queries without a relevant document. HarnessError where nothing would be left.
    """
    changes = merged_lines(evalset.notes)
    for step in (_stripped, _without_empty, _without_copies, _without_dangling, _without_barren):
        evalset, found = step(evalset)
        changes += found
    return evalset, changes


def merged_lines(notes: Sequence[Note]) -> list[Change]:
    """What the reader merged already."""
    why = "the line says again what another says"
    return [Change(note.code, f"{note.place} and on", why, note.count) for note in notes if note.code in _MERGED]


def listed(names: Sequence[str]) -> str:
    """The first of many names."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _stripped(evalset: EvalSet) -> tuple[EvalSet, list[Change]]:
    changes, found = [], {"documents": evalset.documents, "queries": evalset.queries}
    for what, side in (("documents", evalset.documents), ("queries", evalset.queries)):
        wide = [i for i, text in enumerate(side.texts) if text != text.strip()]
        if wide:
            found[what] = Texts(side.ids, tuple(text.strip() for text in side.texts))
            why = "white space at the ends says nothing"
            changes.append(Change("outer-space", f"{what} {listed([side.ids[i] for i in wide])}", why, len(wide)))
    return replace(evalset, documents=found["documents"], queries=found["queries"]), changes


def _without_empty(evalset: EvalSet) -> tuple[EvalSet, list[Change]]:
    judged = set(evalset.qrels.document.tolist())
    empty = [i for i, text in enumerate(evalset.documents.texts) if not text and i not in judged]
    why = "it has no text, and nobody judged it"
    return _dropped(evalset, empty, "empty-documents", why)


def _without_copies(evalset: EvalSet) -> tuple[EvalSet, list[Change]]:
    """Of documents with one text that every query judges alike, the first stays."""
    query, document, grade = evalset.qrels
    said: dict[int, set[tuple[int, int]]] = defaultdict(set)
    for one, place, value in zip(query.tolist(), document.tolist(), grade.tolist(), strict=True):
        said[place].add((one, value))
    groups: dict[str, list[int]] = defaultdict(list)
    for place, text in enumerate(evalset.documents.texts):
        groups[" ".join(text.split())].append(place)
    alike = [group for text, group in groups.items() if text and all(said[i] == said[group[0]] for i in group)]
    asked = set(evalset.queries.ids) if evalset.exclude_self else set()
    copies = sorted(i for group in alike for i in group[1:] if evalset.documents.ids[i] not in asked)
    return _dropped(evalset, copies, "identical-documents", "an earlier document has its text and its judgements")


def _dropped(evalset: EvalSet, gone: Sequence[int], code: str, why: str) -> tuple[EvalSet, list[Change]]:
    """The set without some documents and their judgements."""
    if not gone:
        return evalset, []
    where = f"documents {listed([evalset.documents.ids[i] for i in gone])}"
    kept = np.setdiff1d(np.arange(len(evalset.documents)), gone)
    at = _positions(kept, len(evalset.documents))
    query, document, grade = evalset.qrels
    stays = ~np.isin(document, gone)
    moved = np.where(document < 0, -1, at[document]).astype(np.int32)
    qrels = Qrels(query[stays], moved[stays], grade[stays])
    return replace(evalset, documents=only(evalset.documents, kept), qrels=qrels), [Change(code, where, why, len(gone))]


def _without_dangling(evalset: EvalSet) -> tuple[EvalSet, list[Change]]:
    query, document, grade = evalset.qrels
    lost = document < 0
    if not lost.any():
        return evalset, []
    where = f"judgements of queries {listed(sorted({evalset.queries.ids[i] for i in query[lost].tolist()}))}"
    left = Qrels(query[~lost], document[~lost], grade[~lost])
    change = Change("dangling-judgements", where, "the corpus lacks the document", int(lost.sum()))
    return replace(evalset, qrels=left), [change]


def _without_barren(evalset: EvalSet) -> tuple[EvalSet, list[Change]]:
    query, document, grade = evalset.qrels
    kept = np.unique(query[grade > 0]).astype(np.int64)
    if not kept.size:
        raise HarnessError(f"{evalset.name}: no query would be left with a relevant document; nothing was written.")
    if kept.size == len(evalset.queries):
        return evalset, []
    gone = np.setdiff1d(np.arange(len(evalset.queries)), kept)
    where = f"queries {listed([evalset.queries.ids[i] for i in gone])}"
    at, stays = _positions(kept, len(evalset.queries)), np.isin(query, kept)
    qrels = Qrels(at[query[stays]], document[stays], grade[stays])
    change = Change("queries-without-relevant", where, "no relevant document: it is never scored", int(gone.size))
    return replace(evalset, queries=only(evalset.queries, kept), qrels=qrels), [change]


def _positions(kept: np.ndarray, total: int) -> Ints:
    at = np.full(total, -1, dtype=np.int32)
    at[kept] = np.arange(len(kept), dtype=np.int32)
    return at
