"""Judgements as positions of queries and documents, with notes on those that count for less."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

import numpy as np

from harness.complaints import Broken, complain
from harness.parts import did_you_mean
from harness.types import Judgement, Note, Qrels, RawSet, Texts


def resolved(raw: RawSet) -> tuple[Qrels, list[Note]]:
    """Judgements as positions; -1 where the corpus lacks the document. An unknown query is a HarnessError."""
    queries, documents = positions(raw.queries), positions(raw.documents)
    known = [one for one in raw.judgements if one.query_id in queries or _unknown(one, queries)]
    table = [(queries[j.query_id], documents.get(j.document_id, -1), j.grade) for j in known]
    query, document, grade = np.array(table, dtype=np.int32).reshape(-1, 3).T.copy()
    dangling = [j for j in known if j.document_id not in documents]
    notes = []
    if dangling:
        named = ", ".join(dict.fromkeys(f'"{j.document_id}"' for j in dangling[:3]))
        message = f"{len(dangling)} judgements name documents that the corpus lacks, such as {named}"
        fix = "Add the documents to the corpus, or remove the judgements."
        first = f'query "{dangling[0].query_id}", document "{dangling[0].document_id}", grade {dangling[0].grade}'
        place = dangling[0].place
        notes.append(Note("dangling-judgements", "warning", place, message, "", fix, len(dangling), first))
    if (grade > 0).any() and not ((grade > 0) & (document >= 0)).any():
        line = f"{raw.judgements[0].place}: no relevant document is in the corpus (first judged: "
        line += f'"{raw.judgements[0].document_id}", first in the corpus: "{raw.documents.ids[0]}"). '
        raise Broken(f"{line}The ids do not match.", "ids-differ")
    return Qrels(query, document, grade), notes + _without_relevant(raw.queries, query[grade > 0])


def _unknown(one: Judgement, queries: Collection[str]) -> bool:
    """A complaint about a judgement of no query; False where it is left out."""
    near = _near(one.query_id, queries) if len(queries) < 1000 else ""
    line = f'{one.place} judges a document for query "{one.query_id}", which is not among the {len(queries)} queries.'
    complain(Broken(f"{line}{near} Add the query or remove the line.", "unknown-query"))
    return False


def _near(query: str, queries: Collection[str]) -> str:
    """A suggestion with a space before it; ids that differ in their digits alone are no misspelling of each other."""
    said = did_you_mean(query, {one for one in queries if _DIGITS.sub("", one) != _DIGITS.sub("", query)})
    return f" {said}" if said.startswith("Did") else ""


_DIGITS = re.compile(r"\d+")


def positions(texts: Texts) -> dict[str, int]:
    """Where each id stands."""
    return {name: position for position, name in enumerate(texts.ids)}


def _without_relevant(queries: Texts, answered: Iterable[int]) -> list[Note]:
    left = np.setdiff1d(np.arange(len(queries)), np.asarray(answered))
    if left.size == len(queries):
        line = "no query has a relevant document: no judgement has a grade above 0. Check the grades."
        raise Broken(line, "no-relevant")
    if not left.size:
        return []
    named = ", ".join(f'"{queries.ids[i]}"' for i in left[:3])
    message = f"{left.size} of {len(queries)} queries have no relevant document and are left out, such as {named}"
    fix = "Judge documents for them, or remove them."
    return [Note("queries-without-relevant", "warning", "", message, fix=fix, count=int(left.size))]
