"""Smoke-test samples of an eval set: fewer queries, fewer documents, every judgement of a kept query."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.parts import find
from harness.ranking import own_documents
from harness.splits import Layout
from harness.types import EvalSet, HarnessError, Ints, Note, Qrels, Texts

Positions = NDArray[np.int64]
_SEED = "20260101"
_EFFECT = "fewer documents make search easier, so scores come out too high; fewer queries prove less"
_FEWER = "fewer items prove less, and the score of some may lie far from that of all"
_QUERIES = "fewer queries prove less, and the score of some may lie far from that of all"


def sampled(evalset: EvalSet, queries: int | None, documents: int | None) -> EvalSet:
    """The eval set cut to so many queries and documents, marked as a sample; file order stays, None means all.

    Where nothing is searched, `queries` counts items (`EvalSet.scored`), the layout of the type says which stay, and
    `documents` has no meaning. Queries are drawn among those that have a relevant document. Every document that a kept
    query's judgements or candidates name stays, and its own document where the set excludes it; others fill up to the
    number asked for. The draw follows a hash of each id: the same ids give the same sample in any file order, and a
    larger number keeps a smaller one's queries. The same object where nothing is to be cut; HarnessError for a number
    below 1.
    """
    _check("limit_queries", queries)
    _check("limit_docs", documents)
    if not evalset.searched:
        return _fewer(evalset, queries)
    kept = _queries(evalset, queries)
    needed = _needed(evalset, kept)
    corpus = _documents(evalset, needed, documents)
    over = _over(len(needed), documents) if documents is not None and documents < len(corpus) else ()
    if len(kept) == len(evalset.queries) and len(corpus) == len(evalset.documents):
        return dataclasses.replace(evalset, notes=(*evalset.notes, *over)) if over else evalset
    sample = _described(evalset, len(kept), len(corpus))
    return dataclasses.replace(
        evalset,
        documents=only(evalset.documents, corpus),
        queries=only(evalset.queries, kept),
        qrels=_reindexed(evalset.qrels, kept, corpus),
        targets={name: _moved(rows[kept], corpus) for name, rows in evalset.targets.items()},
        notes=(_mark(sample, _EFFECT if len(corpus) < len(evalset.documents) else _QUERIES), *over, *evalset.notes),
        sample=sample,
    )


def check_limits(evalsets: Collection[EvalSet], documents: int | None) -> None:
    """HarnessError for a limit on documents where no set is searched: nothing would be cut."""
    if documents is not None and not any(evalset.searched for evalset in evalsets):
        raise HarnessError(f"limit_docs={documents}: no eval set here is searched, so set limit_queries in its place")


def _fewer(evalset: EvalSet, items: int | None) -> EvalSet:
    if items is None or items >= evalset.scored:
        return evalset
    layout: Layout = find("layouts", evalset.type)()
    sample = f"{items} of {evalset.scored} items"
    notes = (_mark(sample, _FEWER), *evalset.notes)
    return dataclasses.replace(layout.kept(evalset, items), sample=sample, notes=notes)


def _check(option: str, value: Any) -> None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise HarnessError(f"{option}={value!r}: expected a whole number of at least 1, or null for all")


def _scored(evalset: EvalSet) -> Positions:
    return np.unique(evalset.qrels.query[evalset.qrels.grade > 0]).astype(np.int64)


def _queries(evalset: EvalSet, wanted: int | None) -> Positions:
    """All of them, or as many as wanted of those that are scored; the others would be left out anyway."""
    scored = _scored(evalset)
    if wanted is None or wanted >= len(scored):
        return np.arange(len(evalset.queries))
    return np.sort(drawn(evalset.queries.ids, scored, "query")[:wanted])


def _needed(evalset: EvalSet, queries: Positions) -> Positions:
    """Documents that the queries' scores depend on by name: judged, candidates, left out of a query's own ranking."""
    judged = evalset.qrels.document[np.isin(evalset.qrels.query, queries)]
    candidates = [rows[queries].ravel() for rows in evalset.targets.values()]
    named = np.unique(np.concatenate([judged, own_documents(evalset)[queries], *candidates]))
    return named[named >= 0].astype(np.int64)


def _documents(evalset: EvalSet, needed: Positions, wanted: int | None) -> Positions:
    everything = np.arange(len(evalset.documents))
    if wanted is None or wanted >= len(everything):
        return everything
    free = np.setdiff1d(everything, needed)
    others = drawn(evalset.documents.ids, free, "document")[: max(0, wanted - len(needed))]
    return np.sort(np.concatenate([needed, others]))


def drawn(ids: Sequence[str], positions: Positions, kind: str) -> Positions:
    """The positions in the order of a hash of their ids; `kind` keeps equal ids of the two sides independent."""

    def place(position: int) -> bytes:
        return hashlib.sha256(f"{_SEED}|{kind}|{ids[position]}".encode("utf-8", "surrogatepass")).digest()

    return np.asarray(sorted(positions.tolist(), key=place), dtype=np.int64)


def only(texts: Texts, positions: Positions) -> Texts:
    """The texts at these positions."""
    kept = positions.tolist()
    return Texts(tuple(texts.ids[i] for i in kept), tuple(texts.texts[i] for i in kept))


def _reindexed(qrels: Qrels, queries: Positions, documents: Positions) -> Qrels:
    """The judgements of the kept queries by their new positions (ascending old ones); a dangling -1 stays."""
    rows = np.isin(qrels.query, queries)
    query, document, grade = (column[rows] for column in qrels)
    return Qrels(np.searchsorted(queries, query).astype(np.int32), _moved(document, documents), grade)


def _moved(positions: Ints, documents: Positions) -> Ints:
    """Positions among the kept documents; -1 stays."""
    moved: Ints = np.where(positions < 0, -1, np.searchsorted(documents, positions)).astype(np.int32)
    return moved


def _described(evalset: EvalSet, queries: int, documents: int) -> str:
    parts = []
    if queries < len(evalset.queries):
        parts.append(f"{queries} of {len(_scored(evalset))} queries")
    if documents < len(evalset.documents):
        parts.append(f"{documents} of {len(evalset.documents)} documents")
    return ", ".join(parts)


def _mark(sample: str, effect: str) -> Note:
    message = f"only {sample} were used; what else was found in this set is said of all of it"
    return Note("sub-sampled", "warning", "", message, effect, "Run again without limit_queries and limit_docs.")


def _over(needed: int, wanted: int) -> tuple[Note, ...]:
    message = f"limit_docs={wanted} keeps {needed} documents: the judgements of the kept queries name that many"
    return (Note("limit-docs", "info", "", message, fix="Set limit_queries lower to keep fewer."),)
