"""The decision rule over arrays: reference, proof of closeness, guard, cheapest (steps 2 to 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.candidates import Candidate
from harness.policy import Policy, named_by, set_weights
from harness.stats.bootstrap import Bounds, Resampled, minus, resample, simultaneous
from harness.table import Sweep
from harness.types import Doubles, HarnessError

LEAST_QUERIES = 30
_SPAN = {"sts": 2.0, "summarization": 2.0}  # of correlations; other scores lie between 0 and 1


class Verdict(NamedTuple):
    """The rule's result over candidates that pass: positions of reference and pick, bounds, who is proven close.

    proven: within the margin and the guard; fair: within the guard alone; lost: proven to break the guard, so no more
    queries would help; bool [candidates].
    """

    reference: int
    pick: int
    bounds: Bounds
    difference: Doubles
    proven: NDArray[np.bool_]
    fair: NDArray[np.bool_]
    lost: NDArray[np.bool_]


class Field(NamedTuple):
    """The candidates that meet every limit and have a result on every set, with their scores.

    sets: for each eval set float64 [candidates, items]; weights: its share in the score; scored: how many items its
    scores are of, which may be more than there are values (see `influence`); spans: how far two scores on it can lie
    apart; costs: int64, rank by the policy's order, 0 is cheapest.
    """

    members: tuple[Candidate, ...]
    sets: tuple[Doubles, ...]
    weights: tuple[float, ...]
    guarded: tuple[bool, ...]
    scored: tuple[int, ...]
    spans: tuple[float, ...]
    costs: NDArray[np.int64]

    def only(self, kept: Sequence[int]) -> Field:
        """The field of these members alone; cost ranks keep their order."""
        rows = list(kept)
        return self._replace(
            members=tuple(self.members[i] for i in rows), sets=tuple(s[rows] for s in self.sets), costs=self.costs[rows]
        )


def field_of(members: Sequence[Candidate], sweep: Sweep, policy: Policy) -> Field:
    """The entrants as arrays; cost ranks follow the policy's order, then quality, then the label."""
    about = sweep.manifest["evalsets"]
    sets = tuple(np.stack([c.scores[t] for c in members]) for t in about) if members else ()
    shares = set_weights(policy, about)
    weights = tuple(shares[t] for t in about)
    means = sum(w * s.mean(axis=1) for w, s in zip(weights, sets, strict=True)) if members else np.zeros(0)

    def cost(i: int) -> tuple[Any, ...]:
        known = [members[i].costs[k] for k in policy.order]
        return (*(float("inf") if v is None else v for v in known), -means[i], members[i].label)

    order = sorted(range(len(members)), key=cost)
    ranks = np.empty(len(members), dtype=np.int64)
    ranks[order] = np.arange(len(members))
    scored = tuple(int(about[t]["scored_queries"]) for t in about)
    spans = tuple(_SPAN.get(about[t]["type"], 1.0) for t in about)
    return Field(tuple(members), sets, weights, tuple(bool(about[t]["guard"]) for t in about), scored, spans, ranks)


def rule(field: Field, policy: Policy, draws: int, seed: int) -> Verdict:
    """Reference, simultaneous lower bounds, guard, cheapest: steps 2 to 5 of the decision rule."""
    resampled = resample(field.sets, field.weights, draws, seed)
    reference = _reference(field, policy, resampled.observed)
    difference = minus(resampled, reference)
    span = float(np.average(field.spans, weights=field.weights))
    bounds = _bounds(difference, field.sets, policy, (reference, span))
    fair = np.ones(len(field.members), dtype=bool)
    lost = ~fair
    for scores, guarded, span in zip(field.sets, field.guarded, field.spans, strict=True):
        if guarded:
            alone = _bounds(
                minus(resample([scores], [1.0], draws, seed), reference), [scores], policy, (reference, span)
            )
            fair &= alone.one_sided >= -2 * policy.margin
            lost |= alone.high < -2 * policy.margin
    proven = fair & (bounds.one_sided > -policy.margin)
    fair[reference] = proven[reference] = True
    pick = min(np.flatnonzero(proven), key=lambda i: field.costs[i])
    return Verdict(reference, int(pick), bounds, difference.observed, proven, fair, lost)


def _bounds(difference: Resampled, sets: Sequence[Doubles], policy: Policy, at: tuple[int, float]) -> Bounds:
    """Under 30 items a set may show none of the rare losses there are; all that is known is the metric's range.

    at: the reference, and how far scores can lie apart.
    """
    if min(scores.shape[1] for scores in sets) < LEAST_QUERIES:
        reference, span = at
        widest = np.full_like(difference.observed, span)
        widest[reference] = 0.0
        return Bounds(-widest, -widest, widest)
    return simultaneous(difference, policy.confidence)


def usable(field: Field, policy: Policy, asked: Sequence[Candidate]) -> Policy:
    """The policy, or with `reference: best` where the named reference was asked for and does not pass.

    HarnessError where it fits no candidate of the sweep, or several that pass: the decision would be a guess.
    """
    if policy.reference == "best":
        return policy
    fits = [field.members[i].label for i in _named(field, policy)]
    if len(fits) == 1:
        return policy
    if fits or not any(_fits(c, policy) for c in asked):
        labels = "; ".join(fits or [c.label for c in asked])
        raise HarnessError(f"policy.reference={policy.reference!r} fits {len(fits)} candidates; name one of: {labels}")
    return replace(policy, reference="best")


def _reference(field: Field, policy: Policy, observed: Doubles) -> int:
    if policy.reference != "best":
        return _named(field, policy)[0]
    top = np.flatnonzero(observed >= observed.max() - 1e-12)
    return int(min(top, key=lambda i: field.costs[i]))


def _named(field: Field, policy: Policy) -> list[int]:
    return [i for i, c in enumerate(field.members) if _fits(c, policy)]


def _fits(candidate: Candidate, policy: Policy) -> bool:
    """Whether the reference is the candidate's id, or its label's first parts (model/pooling/dim/quantization)."""
    return candidate.id == policy.reference or named_by(policy.reference, candidate.label)
