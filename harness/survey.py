"""Which texts of an eval set stand for it on a map, and which of their pairs belong together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.ranking import own_documents
from harness.sampling import drawn
from harness.types import EvalSet

Positions = NDArray[np.int64]
SHOWN = 8  # groups that get a colour of their own
_SIDES = {"summarization": ("human summaries", "machine summaries")}
_LABELLED = ("classification", "clustering")


class Sample(NamedTuple):
    """Positions of the drawn documents and queries, ascending.

    blind: bool [d], the documents that were drawn blindly, the only ones that random pairs are made of; the others
    are there because they belong to a drawn query.
    """

    documents: Positions
    queries: Positions
    blind: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.documents) + len(self.queries)


class Pairs(NamedTuple):
    """Pairs of a sample's rows (documents first, then queries): those that belong together, those met by chance.

    Each is int64 [m, 2]. documents: pairs of blindly drawn documents.
    """

    related: Positions
    random: Positions
    documents: Positions


def surveyed(evalset: EvalSet, documents: int, queries: int) -> Sample:
    """At most so many texts: queries, then documents that belong to them up to half, then documents drawn blindly.

    The draw follows a hash of each id, as `sampling.drawn` has it, so the order of the files has no part in it.
    """
    asked = drawn(evalset.queries.ids, _eligible(evalset), "query")[:queries]
    partners = _partners(evalset, asked)[: documents // 2]
    everything = np.arange(len(evalset.documents), dtype=np.int64)
    room = documents - (len(partners) if len(everything) > documents else 0)
    blind = drawn(evalset.documents.ids, everything, "document")[:room]
    chosen = np.union1d(partners, blind)
    return Sample(chosen, np.sort(asked), np.isin(chosen, blind))


def pairs_of(evalset: EvalSet, sample: Sample) -> Pairs:
    """The pairs that are compared.

    Where documents are searched: a query with a relevant document against a query with any other. Where texts come in
    pairs: those that belong together (an STS score in the upper half of the scale, label 1, a translation, summaries
    of one text) against first texts with second texts of other pairs. Where texts have labels: pairs with one label
    against pairs with two.
    """
    blind = np.flatnonzero(sample.blind)
    among = np.column_stack(np.triu_indices(len(blind), 1))
    if evalset.type in _LABELLED:
        related, random = _by_label(_classes(evalset, sample))
    else:
        related, random = _across(evalset, sample)
    return Pairs(related, random, blind[among])


def grouped(evalset: EvalSet, sample: Sample) -> tuple[list[str], NDArray[np.int64]]:
    """Names of the groups that colours tell apart, and each row's group, int64 [n].

    By class, by score in thirds of the scale, or else by side; beyond eight classes the rarer are `other`.
    """
    if evalset.type in _LABELLED:
        return fewer([_class_name(c) for c in _classes(evalset, sample)])
    if evalset.type == "sts":
        low, high = _scale(evalset)
        scores = evalset.targets["score"][np.concatenate([sample.documents, sample.queries])]
        cuts = np.linspace(low, high, 4)
        names = [f"score {a:.3g} to {b:.3g}" for a, b in pairwise(cuts)]
        return names, np.searchsorted(cuts[1:-1], scores, side="right").astype(np.int64)
    searched = ("documents", "queries") if evalset.searched else ("second texts", "first texts")
    sides = _SIDES.get(evalset.type, searched)
    return list(sides), np.repeat([0, 1], [len(sample.documents), len(sample.queries)]).astype(np.int64)


def fewer(names: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    """Distinct names, the commonest first, at most eight and then `other`; and the place of each in that list."""
    counts = Counter(names)
    ordered = sorted(counts, key=lambda name: (-counts[name], len(name), name))
    shown = ordered[:SHOWN] + (["other"] if len(ordered) > SHOWN else [])
    at = {name: min(place, SHOWN) for place, name in enumerate(ordered)}
    return shown, np.array([at[name] for name in names], dtype=np.int64)


def _eligible(evalset: EvalSet) -> Positions:
    """Queries that have a relevant document where documents are searched, else all."""
    if evalset.searched:
        return np.unique(_relevant(evalset)[:, 0])
    return np.arange(len(evalset.queries), dtype=np.int64)


def _relevant(evalset: EvalSet) -> Positions:
    query, document, grade = evalset.qrels
    there = (grade > 0) & (document >= 0)
    return np.column_stack([query[there], document[there]]).astype(np.int64)


def _belonging(evalset: EvalSet, queries: Positions) -> Positions:
    """Positions of a query and a document that belong together, int64 [m, 2], of these queries."""
    match evalset.type:
        case "classification" | "clustering":
            return np.empty((0, 2), dtype=np.int64)
        case "sts":
            together = queries[evalset.targets["score"][queries] > np.mean(_scale(evalset))]
            return np.column_stack([together, together])
        case "pair_classification":
            together = queries[evalset.targets["label"][queries] == 1]
            return np.column_stack([together, together])
        case "bitext":
            return np.column_stack([queries, evalset.targets["gold"][queries]]).astype(np.int64)
        case "summarization":
            alike = evalset.targets["text"][queries][:, None] == evalset.targets["document_text"]
            at = np.argwhere(alike)
            return np.column_stack([queries[at[:, 0]], at[:, 1]])
    found = _relevant(evalset)
    return found[np.isin(found[:, 0], queries)]


def _partners(evalset: EvalSet, queries: Positions) -> Positions:
    """Documents that belong to these queries: one of each query in turn, then the second ones."""
    pairs = _belonging(evalset, queries)
    order = np.argsort(queries)
    turn = order[np.searchsorted(queries[order], pairs[:, 0])]
    pairs = pairs[np.lexsort((pairs[:, 1], turn))]
    turn = np.sort(turn)
    rank = np.arange(len(turn)) - np.searchsorted(turn, turn)
    documents: Positions = pairs[np.lexsort((turn, rank)), 1]
    first = np.sort(np.unique(documents, return_index=True)[1])
    return documents[first]


def _across(evalset: EvalSet, sample: Sample) -> tuple[Positions, Positions]:
    together, barred = (np.zeros((len(sample.queries), len(sample.documents)), dtype=bool) for _ in range(2))
    _mark(together, sample, _belonging(evalset, sample.queries))
    own = own_documents(evalset) if evalset.searched else np.arange(len(evalset.queries))  # a pair is no chance
    if evalset.type in ("retrieval", "reranking", "sts", "pair_classification"):
        _mark(barred, sample, np.column_stack([sample.queries, own[sample.queries]]))
    return _rows(together, sample), _rows(~together & ~barred & sample.blind, sample)


def _mark(matrix: NDArray[np.bool_], sample: Sample, pairs: Positions) -> None:
    """Set the cells of the pairs whose document was drawn."""
    pairs = pairs[np.isin(pairs[:, 1], sample.documents)]
    matrix[np.searchsorted(sample.queries, pairs[:, 0]), np.searchsorted(sample.documents, pairs[:, 1])] = True


def _rows(matrix: NDArray[np.bool_], sample: Sample) -> Positions:
    query, document = np.nonzero(matrix)
    return np.column_stack([query + len(sample.documents), document])


def _classes(evalset: EvalSet, sample: Sample) -> NDArray[np.int64]:
    """int64 [n]: each row's class, of several levels the first; -1 where it has none."""
    if evalset.type == "clustering":
        found = evalset.targets["label"][sample.documents, 0]
    else:
        learnt, asked = evalset.targets["document_label"][sample.documents], evalset.targets["label"][sample.queries]
        found = np.concatenate([learnt, asked])
    return np.asarray(found, dtype=np.int64)


def _class_name(number: int) -> str:
    return f"class {number}" if number >= 0 else "no class"


def _by_label(classes: NDArray[np.int64]) -> tuple[Positions, Positions]:
    pairs = np.column_stack(np.triu_indices(len(classes), 1))
    pairs = pairs[(classes[pairs] != -1).all(axis=1)]
    alike = classes[pairs[:, 0]] == classes[pairs[:, 1]]
    return pairs[alike], pairs[~alike]


def _scale(evalset: EvalSet) -> tuple[float, float]:
    """The lowest and highest score of the set's pairs: a public set does not say what scores there can be."""
    scores = evalset.targets["score"]
    return (float(scores.min()), float(scores.max())) if len(scores) else (0.0, 0.0)
