"""An eval set with what several checks need."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log2
from typing import NamedTuple

from harness.cases import at
from harness.duplicates import folded
from harness.types import EvalSet, Note, Texts

K = 10
RECALL_K = 100
MOST_DOCUMENTS = 200_000  # beyond it only checks that read each text once
MOST_RANKED = 50_000  # documents that the engines index: half a minute's work, once for a set


class Unchecked(NamedTuple):
    """What a check could not look at, and why, in words for the end of the output."""

    what: str


Findings = Iterator[Note | Unchecked]


@dataclass(frozen=True)
class Study:
    """An eval set whose documents are ranked; everything is computed once."""

    evalset: EvalSet

    @cached_property
    def graded(self) -> dict[int, list[tuple[int, int]]]:
        """Query position -> (document position or -1, positive grade), for queries with a relevant document."""
        found: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for query, document, grade in zip(*(column.tolist() for column in self.evalset.qrels), strict=True):
            if grade > 0:
                found[query].append((document, grade))
        return dict(found)

    @cached_property
    def judged(self) -> set[int]:
        """Positions of queries with a judgement of any grade."""
        return set(self.evalset.qrels.query.tolist())

    @cached_property
    def documents(self) -> list[str]:
        """Texts of the documents as they are compared."""
        return [folded(text) for text in self.evalset.documents.texts]

    @cached_property
    def queries(self) -> list[str]:
        """Texts of the queries as they are compared."""
        return [folded(text) for text in self.evalset.queries.texts]

    @cached_property
    def _own(self) -> dict[int, int]:
        if not self.evalset.exclude_self:
            return {}
        at = {name: position for position, name in enumerate(self.evalset.documents.ids)}
        return {q: at[name] for q, name in enumerate(self.evalset.queries.ids) if name in at}

    def own_document(self, query: int) -> int:
        """Position of the document that the query never retrieves, since it is the query itself; -1 for none."""
        return self._own.get(query, -1)

    def on_document(self, note: Note, position: int) -> Note:
        """The note with this document as its case."""
        return at(note, self.evalset.documents, position, "document")

    def on_query(self, note: Note, position: int) -> Note:
        """The note with this query as its case."""
        return at(note, self.evalset.queries, position, "query")


def named(parts: Texts, positions: Sequence[int]) -> str:
    """The first three ids, in quotes."""
    more = " ..." if len(positions) > 3 else ""
    return ", ".join(f'"{parts.ids[i]}"' for i in positions[:3]) + more


def dcg(gains: Sequence[float]) -> float:
    """Linear gains over log2(rank + 1), as trec_eval."""
    return sum(gain / log2(rank + 2) for rank, gain in enumerate(gains))


def ndcg(gains: Sequence[int], ideal: Iterable[int], k: int = K) -> float:
    """nDCG@k of the grades of a ranking against all positive grades of its query."""
    return dcg(gains[:k]) / dcg(sorted(ideal, reverse=True)[:k])
