"""Which checks an eval set gets, and what they find."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.checks.copies import copied_queries, identical_documents, near_documents, repeated_queries
from harness.checks.engines import engines
from harness.checks.judged import corpus_size, dangling_judgements, grades, how_many, power, unanswered_queries
from harness.checks.sides import long_texts, other_languages
from harness.checks.study import Findings, Study
from harness.checks.texts import empty_texts, one_template
from harness.types import EvalSet, Note

_Check = Callable[[Study], Findings]
_CHECKS: Sequence[_Check] = (
    dangling_judgements, identical_documents, near_documents, empty_texts, unanswered_queries, copied_queries,
    repeated_queries, one_template, engines, grades, how_many, power, corpus_size,
)  # fmt: skip
_LISTED: Sequence[_Check] = (empty_texts, unanswered_queries, how_many)


def search_findings(evalset: EvalSet) -> tuple[list[Note], list[str]]:
    """What the checks find in a set whose documents are ranked, and what they could not look at.

    Of a reranking set, those that know no whole corpus. A set without a relevant document has that error alone.
    """
    study = Study(evalset)
    if not study.graded:
        message = "no query has a relevant document: no judgement has a grade above 0"
        return [Note("no-relevant", "error", "", message, "no score exists", "Check the grades.")], []
    checks = _CHECKS if evalset.type == "retrieval" else _LISTED
    return _sorted(one for check in checks for one in check(study))


def text_findings(evalset: EvalSet) -> tuple[list[Note], list[str]]:
    """What can be found in the texts of any task type."""
    return _sorted(one for check in (other_languages, long_texts) for one in check(evalset))


def _sorted(found: Findings) -> tuple[list[Note], list[str]]:
    notes: list[Note] = []
    unchecked: list[str] = []
    for one in found:
        if isinstance(one, Note):
            notes.append(one)
        else:
            unchecked.append(one.what)
    return notes, unchecked
