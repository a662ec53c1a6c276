"""What is wrong with documents, queries and judgements, and what it does to the score."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil, log2, sqrt

import numpy as np

from harness.duplicates import folded, near_duplicates
from harness.types import EvalSet, Note, Texts

K = 10
RECALL_K = 100
# Spread of per-query nDCG@10 differences between two models, measured on Cranfield (method.md, Statistics).
ASSUMED_SD = 0.20
_COPY_WORDS = 4


def search_findings(evalset: EvalSet) -> list[Note]:
    """What the checks find in a set whose documents are ranked; of a reranking set, those that know no whole corpus.

    A set without a relevant document has that error alone.
    """
    study = _Study(evalset)
    if not study.graded:
        message = "no query has a relevant document: no judgement has a grade above 0"
        return [Note("no-relevant", "error", "", message, "no score exists", "Check the grades.")]
    checks = _CHECKS if evalset.type == "retrieval" else _LISTED
    return [note for check in checks for note in check(study)]


@dataclass(frozen=True)
class _Study:
    """An eval set with what several checks need; computed once."""

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
        return set(self.evalset.qrels.query.tolist())

    @cached_property
    def documents(self) -> list[str]:
        return [folded(text) for text in self.evalset.documents.texts]

    @cached_property
    def queries(self) -> list[str]:
        return [folded(text) for text in self.evalset.queries.texts]


def ndcg(gains: Sequence[int], ideal: Iterable[int], k: int = K) -> float:
    """nDCG@k of the grades of a ranking against all positive grades of its query; linear gains, as trec_eval."""
    return _dcg(gains[:k]) / _dcg(sorted(ideal, reverse=True)[:k])


def _dcg(gains: Sequence[float]) -> float:
    return sum(gain / log2(rank + 2) for rank, gain in enumerate(gains))


def _dangling(study: _Study) -> Iterator[Note]:
    documents, qrels = study.evalset.documents, study.evalset.qrels
    count = int(np.count_nonzero(qrels.document < 0))
    if not count:
        return
    best, recall = [], []
    for judged in study.graded.values():
        there = sorted((grade for document, grade in judged if document >= 0), reverse=True)
        best.append(ndcg(there, [grade for _, grade in judged]))
        recall.append(len(there) / len(judged))
    known = next((n.message for n in study.evalset.notes if n.code == "dangling-judgements"), "")
    message = known or f"{count} judgements name documents that the corpus of {len(documents)} lacks"
    effect = f"best reachable nDCG@{K} {np.mean(best):.4f}, recall at most {np.mean(recall):.4f}"
    fix = "Add the documents to the corpus, or remove the judgements."
    yield Note("dangling-judgements", "warning", "", message, effect, fix, count)


def _identical(study: _Study) -> Iterator[Note]:
    groups: dict[str, list[int]] = defaultdict(list)
    for position, text in enumerate(study.documents):
        groups[text].append(position)
    copies = [group for text, group in groups.items() if text and len(group) > 1]
    if copies:
        count, ids = sum(len(group) - 1 for group in copies), study.evalset.documents.ids
        named = f'"{ids[copies[0][1]]}" that of "{ids[copies[0][0]]}"'
        message = f"{count} of {len(ids)} documents repeat the text of another, such as {named}"
        effect = _copy_effect(study, {member: set(group) for group in copies for member in group})
        fix = "Remove the copies, or judge every copy alike."
        yield Note("identical-documents", "warning", "", message, effect, fix, count)


def _copy_effect(study: _Study, twins: Mapping[int, set[int]]) -> str:
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


def _near(study: _Study) -> Iterator[Note]:
    pairs, compared = near_duplicates(study.documents)
    total, ids = len(study.documents), study.evalset.documents.ids
    if not pairs:
        return
    twins: dict[int, set[int]] = defaultdict(set)
    for one, other in pairs:
        twins[one].add(other)
        twins[other].add(one)
    named = f'"{ids[pairs[0][0]]}" and "{ids[pairs[0][1]]}"'
    sampled = f" (a sample of {compared} of {total} documents was compared)" if compared < total else ""
    message = f"{len(pairs)} pairs of documents share 80% of their word triples, such as {named}{sampled}"
    fix = "Merge them, or judge both alike."
    yield Note("near-duplicates", "warning", "", message, _copy_effect(study, twins), fix, len(pairs))


def _empty(study: _Study) -> Iterator[Note]:
    blank = {position for position, text in enumerate(study.documents) if not text}
    if blank:
        hit = sum(any(document in blank for document, _ in judged) for judged in study.graded.values())
        effect = f"{hit} of {len(study.graded)} scored queries have an empty document among their relevant ones"
        yield _no_text(study, "documents", sorted(blank), effect)
    silent = [position for position, text in enumerate(study.queries) if not text]
    if silent:
        hit = sum(position in study.graded for position in silent)
        effect = f"{hit} of {len(study.graded)} scored queries ask nothing; their scores are chance"
        yield _no_text(study, "queries", silent, effect)


def _no_text(study: _Study, what: str, empty: Sequence[int], effect: str) -> Note:
    parts = study.evalset.documents if what == "documents" else study.evalset.queries
    message = f"{len(empty)} of {len(parts)} {what} have no text: {_named(parts, empty)}"
    return Note(f"empty-{what}", "warning", "", message, effect, "Fill in the text, or remove them.", len(empty))


def _named(parts: Texts, positions: Sequence[int]) -> str:
    more = " ..." if len(positions) > 3 else ""
    return ", ".join(f'"{parts.ids[i]}"' for i in positions[:3]) + more


def _unanswered(study: _Study) -> Iterator[Note]:
    queries, scored = study.evalset.queries, len(study.graded)
    unjudged = [i for i in range(len(queries)) if i not in study.judged]
    barren = [i for i in range(len(queries)) if i not in study.graded]
    effect = f"left out: scores are means over {scored} of {len(queries)} queries"
    if unjudged:
        message = f"{len(unjudged)} queries have no judgement: {_named(queries, unjudged)}"
        fix = "Judge documents for them, or remove them."
        yield Note("queries-without-judgements", "warning", "", message, effect, fix, len(unjudged))
    if barren:
        message = f"{len(barren)} queries have no relevant document: {_named(queries, barren)}"
        fix = "Judge a relevant document for them, or remove them."
        yield Note("queries-without-relevant", "warning", "", message, effect, fix, len(barren))


def _copied(study: _Study) -> Iterator[Note]:
    """Queries that are documents, and queries that stand word for word in a document that answers them."""
    queries, documents, own = study.evalset.queries, study.evalset.documents, study.evalset.exclude_self
    at = {text: position for position, text in enumerate(study.documents) if text}
    equal = [(q, at[text]) for q, text in enumerate(study.queries) if text in at]
    equal = [(q, d) for q, d in equal if not (own and queries.ids[q] == documents.ids[d])]
    if equal:
        hits = sum(d in dict(study.graded.get(q, ())) for q, d in equal)
        wrong = sum(q in study.graded for q, _ in equal) - hits
        message = f"{len(equal)} of {len(queries)} queries have the text of a document: "
        message += _named(queries, [q for q, _ in equal])
        effect = f"{hits} are answered by their own copy; for {wrong} a copy that is not relevant ranks first"
        fix = "Remove the copies, or set exclude_self: true where the ids agree."
        yield Note("query-equals-document", "warning", "", message, effect, fix, len(equal))
    inside = [q for q, judged in study.graded.items() if _stands_in(study, q, [d for d, _ in judged if d >= 0])]
    if inside:
        share = len(inside) / len(study.graded)
        message = f"{len(inside)} of {len(queries)} queries stand word for word in a relevant document: "
        message += _named(queries, inside)
        effect = f"{share:.1%} of the scored queries are found by matching words; the score favours BM25"
        fix = "Rewrite them in words of your users."
        yield Note("query-copied", "warning", "", message, effect, fix, len(inside))


def _stands_in(study: _Study, query: int, documents: Iterable[int]) -> bool:
    text = study.queries[query]
    return text.count(" ") >= _COPY_WORDS - 1 and any(
        text != study.documents[d] and f" {text} " in f" {study.documents[d]} " for d in documents
    )


def _repeated(study: _Study) -> Iterator[Note]:
    groups: dict[str, list[int]] = defaultdict(list)
    for query in sorted(study.graded):
        groups[study.queries[query]].append(query)
    unlike = [g for g in groups.values() if len({tuple(sorted(study.graded[q])) for q in g}) > 1]
    if not unlike:
        return
    lost = sum(len(group) - _best_together(study, group) for group in unlike)
    count, queries = sum(map(len, unlike)), study.evalset.queries
    message = f"{count} of {len(queries)} queries share their text with another but not its labels: "
    message += _named(queries, [query for group in unlike for query in group])
    effect = f"one ranking cannot please both: best reachable nDCG@{K} {1 - lost / len(study.graded):.4f}"
    fix = "Give equal queries the same judgements, or keep one of them."
    yield Note("duplicate-queries", "warning", "", message, effect, fix, count)


def _best_together(study: _Study, group: Iterable[int]) -> float:
    """The highest sum of nDCG@10 that one ranking gives these queries: documents by their summed normalised gain."""
    gains: dict[int, float] = defaultdict(float)
    for query in group:
        ideal = _dcg(sorted((grade for _, grade in study.graded[query]), reverse=True)[:K])
        for document, grade in study.graded[query]:
            gains[document] += grade / ideal if document >= 0 else 0.0
    return _dcg(sorted(gains.values(), reverse=True)[:K])


def _grades(study: _Study) -> Iterator[Note]:
    found = Counter(study.evalset.qrels.grade.tolist())
    positive = sorted(grade for grade in found if grade > 0)
    if len(positive) == 1:
        message = f"all {found[positive[0]]} relevant documents have grade {positive[0]}" + (
            "" if len(found) > 1 else "; no document is judged irrelevant"
        )
        effect = "nDCG cannot tell a good answer from a passable one"
        yield Note("unused-grades", "info", "", message, effect, "Grade answers 1 to 3 where they differ.", 1)
    unused = sorted(set(range(1, positive[-1])) - set(positive))
    if unused:
        message = f"grades {', '.join(map(str, positive))} are used, {', '.join(map(str, unused))} never"
        effect = f"a document of grade {positive[-1]} weighs {positive[-1] / positive[0]:g} times one of {positive[0]}"
        yield Note("unused-grades", "info", "", message, effect, "Check the scale; gains are linear.", len(unused))


def _power(study: _Study) -> Iterator[Note]:
    scored, total = len(study.graded), len(study.evalset.qrels.query)
    positives = sum(map(len, study.graded.values()))
    message = (
        f"{scored} scored queries, {total / max(1, len(study.judged)):.1f} judgements for each judged query, "
        f"{positives / scored:.1f} relevant documents for each scored query"
    )
    detectable = 2.80 * ASSUMED_SD / sqrt(scored)
    effect = f"detectable difference in nDCG@{K}: {detectable:.3f} (80% power, 5% two-sided, assumed sd {ASSUMED_SD})"
    needed = ceil((2.80 * ASSUMED_SD / 0.02) ** 2)
    yield Note("power", "info", "", message, effect, f"To see 0.02, {needed} queries are needed.", scored)


def _small(study: _Study) -> Iterator[Note]:
    size = len(study.documents)
    by_chance = min(1.0, RECALL_K / size)
    if by_chance >= 0.1:
        level = "warning" if size <= RECALL_K else "info"
        message = f"the corpus has {size} documents"
        effect = f"a random ranking has Recall@{RECALL_K} {by_chance:.3f} and Recall@{K} {min(1.0, K / size):.3f}"
        fix = "Add documents that answer no query, as your real corpus has them."
        yield Note("small-corpus", level, "", message, effect, fix, size)


_Check = Callable[[_Study], Iterator[Note]]
_CHECKS: tuple[_Check, ...] = (
    _dangling, _identical, _near, _empty, _unanswered, _copied, _repeated, _grades, _power, _small,
)  # fmt: skip
_LISTED: tuple[_Check, ...] = (_empty, _unanswered)
