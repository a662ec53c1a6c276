"""Judgements: those of absent documents, queries without any, unused grades, how many, what they can tell."""

from __future__ import annotations

from collections import Counter
from math import ceil, sqrt

import numpy as np

from harness.checks.study import RECALL_K, Findings, K, Study, named, ndcg
from harness.types import Note

# Spread of per-query nDCG@10 differences between two models, measured on Cranfield (method.md, Statistics).
ASSUMED_SD = 0.20
_SIGMAS = 2.80  # 80% power at 5% two-sided
_WANTED = 0.02


def dangling_judgements(study: Study) -> Findings:
    """Judgements of documents that the corpus lacks, and what they take from recall and nDCG."""
    documents, qrels = study.evalset.documents, study.evalset.qrels
    lacking = np.flatnonzero(qrels.document < 0)
    if not lacking.size:
        return
    best, recall = [], []
    for judged in study.graded.values():
        there = sorted((grade for document, grade in judged if document >= 0), reverse=True)
        best.append(ndcg(there, [grade for _, grade in judged]))
        recall.append(len(there) / len(judged))
    known = next((n.message for n in study.evalset.notes if n.code == "dangling-judgements"), "")
    message = known or f"{lacking.size} judgements name documents that the corpus of {len(documents)} lacks"
    effect = f"best reachable nDCG@{K} {np.mean(best):.4f}, recall at most {np.mean(recall):.4f}"
    fix = "Add the documents to the corpus, or remove the judgements."
    note = Note("dangling-judgements", "warning", "", message, effect, fix, int(lacking.size))
    yield study.on_query(note, int(qrels.query[lacking[0]]))


def unanswered_queries(study: Study) -> Findings:
    """Queries that nobody judged a document for, and those without a relevant one."""
    queries, scored = study.evalset.queries, len(study.graded)
    unjudged = [i for i in range(len(queries)) if i not in study.judged]
    barren = [i for i in range(len(queries)) if i not in study.graded]
    effect = f"left out: scores are means over {scored} of {len(queries)} queries"
    if unjudged:
        message = f"{len(unjudged)} queries have no judgement: {named(queries, unjudged)}"
        fix = "Judge documents for them, or remove them."
        note = Note("queries-without-judgements", "warning", "", message, effect, fix, len(unjudged))
        yield study.on_query(note, unjudged[0])
    if barren:
        message = f"{len(barren)} queries have no relevant document: {named(queries, barren)}"
        fix = "Judge a relevant document for them, or remove them."
        note = Note("queries-without-relevant", "warning", "", message, effect, fix, len(barren))
        yield study.on_query(note, barren[0])


def grades(study: Study) -> Findings:
    """One grade for everything relevant, and grades that are left out."""
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
        message = f"grades {', '.join(map(str, positive))} are used, {_runs(unused)} never"
        effect = f"a document of grade {positive[-1]} weighs {positive[-1] / positive[0]:g} times one of {positive[0]}"
        yield Note("unused-grades", "info", "", message, effect, "Check the scale; gains are linear.", len(unused))


def _runs(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:5])) + (f" ... {numbers[-1]}" if len(numbers) > 5 else "")


def how_many(study: Study) -> Findings:
    """Judgements of each judged and relevant documents of each scored query."""
    qrels, scored = study.evalset.qrels, len(study.graded)
    judged = np.unique(qrels.query, return_counts=True)[1]
    right = np.array([len(pairs) for pairs in study.graded.values()])
    message = (
        f"{judged.mean():.1f} judgements for each judged query ({judged.min()} to {judged.max()}), "
        f"{right.mean():.1f} relevant documents for each scored query ({right.min()} to {right.max()})"
    )
    single = int((right == 1).sum())
    effect = f"{single} of {scored} scored queries have one relevant document: nDCG@{K} takes {K + 1} values there"
    yield Note("judgements", "info", "", message, effect, "More judged answers tell more.", len(qrels.grade))


def power(study: Study) -> Findings:
    """The difference that so many queries can show."""
    scored = len(study.graded)
    detectable, needed = _SIGMAS * ASSUMED_SD / sqrt(scored), ceil((_SIGMAS * ASSUMED_SD / _WANTED) ** 2)
    effect = f"detectable difference in nDCG@{K}: {detectable:.3f} (80% power, 5% two-sided, assumed sd {ASSUMED_SD})"
    fix = f"To see {_WANTED}, {needed} queries are needed."
    yield Note("power", "info", "", f"{scored} scored queries", effect, fix, scored)


def corpus_size(study: Study) -> Findings:
    """A corpus in which chance finds much."""
    size = len(study.documents)
    by_chance = min(1.0, RECALL_K / size)
    if by_chance >= 0.1:
        level = "warning" if size <= RECALL_K else "info"
        message = f"the corpus has {size} documents"
        effect = f"a random ranking has Recall@{RECALL_K} {by_chance:.3f} and Recall@{K} {min(1.0, K / size):.3f}"
        fix = "Add documents that answer no query, as your real corpus has them."
        yield Note("small-corpus", level, "", message, effect, fix, size)
