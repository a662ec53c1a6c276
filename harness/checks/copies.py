"""Texts that come twice: documents, documents as queries, queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np

from harness.checks.study import MOST_DOCUMENTS, Findings, K, Study, Unchecked, dcg, named, ndcg
from harness.duplicates import near_duplicates
from harness.types import Note

_COPY_WORDS = 4


def identical_documents(study: Study) -> Findings:
    """Documents with the text of another, and what the worst order of the copies costs."""
    groups: dict[str, list[int]] = defaultdict(list)
    for position, text in enumerate(study.documents):
        groups[text].append(position)
    copies = [group for text, group in groups.items() if text and len(group) > 1]
    if copies:
        count, ids = sum(len(group) - 1 for group in copies), study.evalset.documents.ids
        pair = f'"{ids[copies[0][1]]}" that of "{ids[copies[0][0]]}"'
        message = f"{count} of {len(ids)} documents repeat the text of another, such as {pair}"
        effect = _copy_effect(study, {member: set(group) for group in copies for member in group})
        fix = "Remove the copies, or judge every copy alike."
        yield study.on_document(Note("identical-documents", "warning", "", message, effect, fix, count), copies[0][1])


def _copy_effect(study: Study, twins: Mapping[int, set[int]]) -> str:
    """What twins that are not judged relevant cost a perfect ranking, when each comes before its relevant twin."""
    worst, hit = [], 0
    for judged in study.graded.values():
        relevant, seen, gains = {document for document, _ in judged}, set[int](), list[int]()
        for document, grade in sorted(judged, key=lambda pair: -pair[1]):
            ahead = twins.get(document, set()) - relevant - seen
            seen |= ahead
            gains += [0] * len(ahead) + [grade]
        hit += bool(seen)
        worst.append(ndcg(gains, [grade for _, grade in judged]))
    if not hit:
        return "none: the twins of relevant documents are relevant too"
    lowest = f"a perfect ranking may get nDCG@{K} {np.mean(worst):.4f}"
    return f"{hit} of {len(worst)} scored queries have a relevant document whose twin is not: {lowest}"


def near_documents(study: Study) -> Findings:
    """Pairs of documents that share 80% of their word triples."""
    if len(study.documents) > MOST_DOCUMENTS:
        yield Unchecked(f"near-duplicates: more than {MOST_DOCUMENTS:,} documents")
        return
    pairs, compared = near_duplicates(study.documents)
    total, ids = len(study.documents), study.evalset.documents.ids
    if not pairs:
        return
    twins: dict[int, set[int]] = defaultdict(set)
    for one, other in pairs:
        twins[one].add(other)
        twins[other].add(one)
    pair = f'"{ids[pairs[0][0]]}" and "{ids[pairs[0][1]]}"'
    sampled = f" (a sample of {compared} of {total} documents was compared)" if compared < total else ""
    message = f"{len(pairs)} pairs of documents share 80% of their word triples, such as {pair}{sampled}"
    fix = "Merge them, or judge both alike."
    note = Note("near-duplicates", "warning", "", message, _copy_effect(study, twins), fix, len(pairs))
    yield study.on_document(note, pairs[0][1])


def copied_queries(study: Study) -> Findings:
    """Queries that are documents, and queries that stand word for word in a document that answers them."""
    queries, documents, own = study.evalset.queries, study.evalset.documents, study.evalset.exclude_self
    at = {text: position for position, text in enumerate(study.documents) if text}
    equal = [(q, at[text]) for q, text in enumerate(study.queries) if text in at]
    equal = [(q, d) for q, d in equal if not (own and queries.ids[q] == documents.ids[d])]
    if equal:
        hits = sum(d in dict(study.graded.get(q, ())) for q, d in equal)
        wrong = sum(q in study.graded for q, _ in equal) - hits
        message = f"{len(equal)} of {len(queries)} queries have the text of a document: "
        message += named(queries, [q for q, _ in equal])
        effect = f"{hits} are answered by their own copy; for {wrong} a copy that is not relevant ranks first"
        fix = "Remove the copies, or set exclude_self: true where the ids agree."
        yield study.on_query(
            Note("query-equals-document", "warning", "", message, effect, fix, len(equal)), equal[0][0]
        )
    inside = [q for q, judged in study.graded.items() if _stands_in(study, q, [d for d, _ in judged if d >= 0])]
    if inside:
        share = len(inside) / len(study.graded)
        message = f"{len(inside)} of {len(queries)} queries stand word for word in a relevant document: "
        message += named(queries, inside)
        effect = f"{share:.1%} of the scored queries are found by matching words; the score favours BM25"
        fix = "Rewrite them in words of your users."
        yield study.on_query(Note("query-copied", "warning", "", message, effect, fix, len(inside)), inside[0])


def _stands_in(study: Study, query: int, documents: Iterable[int]) -> bool:
    text = study.queries[query]
    return text.count(" ") >= _COPY_WORDS - 1 and any(
        text != study.documents[d] and f" {text} " in f" {study.documents[d]} " for d in documents
    )


def repeated_queries(study: Study) -> Findings:
    """Queries with the text of another and other labels."""
    groups: dict[str, list[int]] = defaultdict(list)
    for query in sorted(study.graded):
        groups[study.queries[query]].append(query)
    unlike = [g for g in groups.values() if len({tuple(sorted(study.graded[q])) for q in g}) > 1]
    if not unlike:
        return
    lost = sum(len(group) - _best_together(study, group) for group in unlike)
    count, queries = sum(map(len, unlike)), study.evalset.queries
    message = f"{count} of {len(queries)} queries share their text with another but not its labels: "
    message += named(queries, [query for group in unlike for query in group])
    effect = f"one ranking cannot please both: best reachable nDCG@{K} {1 - lost / len(study.graded):.4f}"
    fix = "Give equal queries the same judgements, or keep one of them."
    yield study.on_query(Note("duplicate-queries", "warning", "", message, effect, fix, count), unlike[0][1])


def _best_together(study: Study, group: Iterable[int]) -> float:
    """The highest sum of nDCG@10 that one ranking gives these queries: documents by their summed normalised gain."""
    gains: dict[int, float] = defaultdict(float)
    for query in group:
        ideal = dcg(sorted((grade for _, grade in study.graded[query]), reverse=True)[:K])
        for document, grade in study.graded[query]:
            gains[document] += grade / ideal if document >= 0 else 0.0
    return dcg(sorted(gains.values(), reverse=True)[:K])
