"""Whether the evidence carries a decision: the status words, and labels that favour one engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.candidates import Candidate
from harness.flips import condensed_field
from harness.policy import Policy
from harness.ruling import Draws, Field, Verdict, ruled

DECIDED, INSUFFICIENT, NOTHING, BIASED, INCOMPLETE, SAMPLED = (
    "decided", "insufficient evidence", "nothing meets the limits", "labels favour one engine", "incomplete",
    "sub-sampled",
)  # fmt: skip
WITHIN = "labels-within-one-engine"  # as harness.checks.engines names it
_GAP = 0.10
_IRRELEVANT = 0.05  # of ten documents, judged and not relevant; labels with fewer hold what is relevant alone
_OF_ONE = 0.05  # the same as a part of the larger share, where labels are known to come from one engine
_ONE_ENGINE = ("bm25-top10",)

Holes = dict[str, Any]


def status_of(draws: Draws, verdict: Verdict, policy: Policy, evalsets: Mapping[str, Any]) -> tuple[str, Holes]:
    """Decided, insufficient evidence or labels that favour one engine; and of the last what the labels do.

    draws: of the candidates that meet the limits. In question are those proven close, those of which nothing is proven
    either way that are cheaper than the reference, and those whose holes alone may have put them out (`_hidden`).
    """
    field = draws.field
    open_ = (
        (verdict.bounds.high > -policy.margin)
        & ~verdict.proven
        & ~verdict.lost
        & (field.costs < field.costs[verdict.reference])
    )
    fewer = condensed_field(field, evalsets)
    condensed = draws.rough(fewer) if fewer else None
    rivals = verdict.proven | open_
    if condensed is not None:
        rivals |= _hidden(condensed, field, verdict, policy, evalsets)
    if pair := _uneven([field.members[i] for i in np.flatnonzero(rivals)], evalsets):
        again = ruled(condensed, range(len(field.members)), policy) if condensed else None
        then = field.members[again.pick].label if again else None
        return BIASED, {"as_scored": field.members[verdict.pick].label, "condensed": then, **pair}
    saving = np.delete(verdict.proven, verdict.reference).any()
    nothing = not verdict.proven.any()
    return (INSUFFICIENT if nothing or (open_.any() and not saving) else DECIDED), {}


def _hidden(
    condensed: Draws, field: Field, verdict: Verdict, policy: Policy, evalsets: Mapping[str, Any]
) -> NDArray[np.bool_]:
    """Those that score worse as labelled, but not when documents without a judgement are left out; bool [candidates].

    With holes a score is a lower bound. In question is who has more holes than the reference, and, over judged
    documents alone, may be better than it, or close enough and cheaper than the pick.
    """
    found = np.zeros(len(field.members), dtype=bool)
    reference = field.members[verdict.reference]
    high = ruled(condensed, range(len(found)), replace(policy, reference=reference.id)).bounds.high
    cheaper = field.costs < field.costs[verdict.pick]
    for i in np.flatnonzero((high > 0) | (cheaper & (high > -policy.margin))):
        pair = _uneven([reference, field.members[i]], evalsets, strict=True)
        found[i] = bool(pair) and pair["high_label"] == reference.label
    return found


def _uneven(members: Iterable[Candidate], evalsets: Mapping[str, Any], strict: bool = False) -> Holes:
    """The two whose share of judged documents in the first ten differs most on one eval set; empty if it does little.

    It does by more than 0.10; and of labels from one engine, which name what it found, by more than 0.05 of the
    larger. strict: labels that name relevant documents alone say nothing of holes, since a
    worse candidate always has fewer of those judged.
    """
    widest: tuple[float, Holes] = (0.0, {})
    members = list(members)
    for task, about in evalsets.items():
        known = [(share, c) for c in members if (share := c.facts["judged_at_10"].get(task)) is not None]
        if not known:
            continue
        (low, least), (high, most) = (end(known, key=lambda pair: pair[0]) for end in (min, max))
        one = _of_one_engine(about) and high - low > _OF_ONE * high
        wide = high - low > _GAP and not (strict and _relevant_alone(most, task))
        if (one or wide) and high - low > widest[0]:
            ends = {"low": low, "high": high, "low_label": least.label, "high_label": most.label}
            widest = (high - low, ends)
    return widest[1]


def _of_one_engine(about: Mapping[str, Any]) -> bool:
    """Whether the manifest says so, or the data doctor found all that is judged in the first ten of one engine."""
    return about["label_source"] in _ONE_ENGINE or any(n["code"] == WITHIN for n in about.get("notes", ()))


def _relevant_alone(candidate: Candidate, task: str) -> bool:
    relevant = candidate.facts["relevant_at_10"].get(task)
    return relevant is None or candidate.facts["judged_at_10"][task] - relevant < _IRRELEVANT
