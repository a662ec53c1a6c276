"""The decision rule over arrays: reference, proof of closeness, guard, cheapest (steps 2 to 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.candidates import Candidate
from harness.policy import UNNAMED, Policy, named_by, set_weights
from harness.stats.bootstrap import Bounds, Differences, differences, draw, simultaneous
from harness.stats.contenders import Worst, against_any, against_best, pair_errors
from harness.stats.scores import means
from harness.table import Sweep
from harness.types import Doubles, HarnessError

LEAST_QUERIES = 30
_ROUGH = 500
_CELLS = 1e9  # members x items x draws that a comparison with one rival of the best may look at; half a second
_SPAN = {"sts": 2.0, "summarization": 2.0}  # of correlations; other scores lie between 0 and 1


class Verdict(NamedTuple):
    """The rule's result over candidates that pass: positions of reference and pick, bounds, who is proven close.

    pick: the reference where nothing is proven, not even that (`policy.reference: any`). bounds: against the reference;
    with `any` the one-sided ones are against whichever may be the best.
    guards: as bounds, of each guarded set alone. proven: within the margin and the guard; fair: within the guard alone;
    lost: proven to break the guard, so no more queries would help; bool [candidates].
    """

    reference: int
    pick: int
    bounds: Bounds
    guards: tuple[Bounds, ...]
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
        """The field of these members alone; cost ranks keep their order and start at 0."""
        rows = list(kept)
        return self._replace(
            members=tuple(self.members[i] for i in rows),
            sets=tuple(s[rows] for s in self.sets),
            costs=np.argsort(np.argsort(self.costs[rows])),
        )

    @property
    def span(self) -> float:
        """How far two scores over all sets can lie apart."""
        return float(np.average(self.spans, weights=self.weights))

    @property
    def enough(self) -> bool:
        """Whether every set has items enough for an interval: fewer may show none of the rare losses there are."""
        return all(scores.shape[1] >= LEAST_QUERIES for scores in self.sets)


class Draws:
    """The resamples that every comparison of a field is made with: drawn once, one share of each item a draw.

    Differences are kept by reference, for all members, so that the rule over some of them (another limit) is no new
    bootstrap.
    """

    def __init__(self, field: Field, drawn: Sequence[Doubles]) -> None:
        self.field = field
        self.drawn = drawn
        self._known: dict[tuple[int, int], Differences] = {}

    def rough(self, field: Field, sets: Sequence[int] | None = None) -> Draws:
        """The first 500 resamples for a field over the same items, of these eval sets or all.

        The critical value of the bounds is all that rests on them, and these give it within some percent.
        """
        kept = range(len(self.drawn)) if sets is None else sets
        return Draws(field, [self.drawn[i][:_ROUGH] for i in kept])

    def against(self, reference: int, alone: int = -1) -> Differences:
        """All members less this one; over all sets, or over the set of this number alone."""
        key = (reference, alone)
        if key not in self._known:
            field, drawn = self.field, self.drawn
            sets, weights = (field.sets, field.weights) if alone < 0 else ([field.sets[alone]], [1.0])
            self._known[key] = differences(sets, weights, reference, drawn if alone < 0 else [drawn[alone]])
        return self._known[key]

    def among(self, rows: NDArray[Any], reference: int, alone: int = -1) -> Differences:
        """As `against`, of the members in these rows; reference: its place among them."""
        observed, error, t = self.against(int(rows[reference]), alone)
        return Differences(observed[rows], error[rows], t[:, rows])

    @cached_property
    def fewer(self) -> Draws:
        """The first of the resamples, 500 at least, as many as a look at every rival of the best can afford."""
        number = max(_ROUGH, int(_CELLS * len(self.drawn[0]) // self.cells))
        return self if number >= len(self.drawn[0]) else Draws(self.field, [each[:number] for each in self.drawn])

    @property
    def cells(self) -> int:
        """Members x items x draws: what one comparison of all members with one of them looks at."""
        return len(self.drawn[0]) * sum(scores.size for scores in self.field.sets)

    @cached_property
    def errors(self) -> Doubles:
        """float64 [members, members]: standard error of the difference of every two, over all sets."""
        return pair_errors(self.field.sets, self.field.weights)


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
    """Reference, simultaneous lower bounds, guard, cheapest: steps 2 to 5 of the decision rule, on all items."""
    every, drawn = range(len(field.members)), drawn_for(field, draws, seed)
    return allowing(drawn, every, ruled(drawn, every, policy), policy)


def drawn_for(field: Field, draws: int, seed: int) -> Draws:
    """So many resamples of a field's items; the same for the same sizes of its sets."""
    return Draws(field, draw([scores.shape[1] for scores in field.sets], draws, seed))


def ruled(draws: Draws, kept: Sequence[int], policy: Policy) -> Verdict:
    """The rule over some members of the field that was drawn; the verdict's positions are places in `kept`.

    The two-sided ends are those against a reference that was named before: see `allowing`.
    """
    rows = np.asarray(kept)
    field = draws.field.only(kept)
    observed = means(field.sets, field.weights)
    reference = reference_of(field, policy, observed)
    bounds = _bounds(draws, (rows, reference), policy, -1)
    guards = tuple(_bounds(draws, (rows, reference), policy, i) for i, held in enumerate(field.guarded) if held)
    if policy.reference == "any":
        bounds = bounds._replace(one_sided=worst(draws, kept, policy).lower)
    nobody = np.zeros(len(field.members), dtype=bool)
    found = Verdict(reference, reference, bounds, guards, observed - observed[reference], nobody, nobody, nobody)
    return at_margin(found, field.costs, policy)


def at_margin(verdict: Verdict, costs: NDArray[np.int64], policy: Policy) -> Verdict:
    """The verdict with the margin of this policy, on which no bound depends; costs: ranks of its candidates."""
    reference, fair = verdict.reference, np.ones(len(costs), dtype=bool)
    lost = ~fair
    for alone in verdict.guards:
        fair &= alone.one_sided >= -2 * policy.margin
        lost |= alone.high < -2 * policy.margin
    fair[reference] = True
    proven = fair & (verdict.bounds.one_sided > -policy.margin)
    proven[reference] |= policy.reference != "any"
    pick = min(np.flatnonzero(proven), key=lambda i: costs[i], default=reference)
    return verdict._replace(pick=int(pick), proven=proven, fair=fair, lost=lost)


def _bounds(draws: Draws, at: tuple[NDArray[Any], int], policy: Policy, alone: int) -> Bounds:
    """Of all sets, or of the set of this number; of too few items all that is known is the metric's range.

    at: the members that take part, and the reference's place among them.
    """
    (rows, reference), field = at, draws.field
    if not (field.enough if alone < 0 else field.sets[alone].shape[1] >= LEAST_QUERIES):
        widest = np.full(len(rows), field.span if alone < 0 else field.spans[alone])
        widest[reference] = 0.0
        return Bounds(0.0 - widest, 0.0 - widest, widest)
    return simultaneous(draws.among(rows, reference, alone), policy.confidence)


def allowing(draws: Draws, kept: Sequence[int], verdict: Verdict, policy: Policy) -> Verdict:
    """The verdict with two-sided ends that allow for the data having chosen the reference; only these change.

    The margin is proven by the one-sided bounds, so whoever asks for the pick alone (what would change it, how stable
    it is) does without.
    """
    if policy.reference not in UNNAMED or not draws.field.enough or len(kept) == 1:
        return verdict
    plain, field = draws.among(np.asarray(kept), verdict.reference), draws.field.only(kept)
    ends = against_best(plain, field.sets, field.weights, draws.fewer.drawn, policy.confidence)
    return verdict._replace(bounds=verdict.bounds._replace(low=ends.low, high=ends.high))


def worst(draws: Draws, kept: Sequence[int], policy: Policy) -> Worst:
    """Lower bounds of these members against whichever of them is truly best; places are those in `kept`.

    Of too few items all that is known is the metric's range.
    """
    rows, field = np.asarray(kept), draws.field.only(kept)
    if len(rows) == 1 or not field.enough:
        return Worst(np.full(len(rows), -field.span if len(rows) > 1 else 0.0), np.zeros(len(rows), dtype=np.int64))
    best = reference_of(field, replace(policy, reference="best"), means(field.sets, field.weights))
    plain = draws.among(rows, best)

    def against(place: int) -> Differences:
        return plain if place == best else draws.fewer.among(rows, place)

    most = max(2, int(5 * _CELLS // draws.fewer.cells))
    return against_any(plain, draws.errors[np.ix_(rows, rows)], against, policy.confidence, most)


def usable(field: Field, policy: Policy, asked: Sequence[Candidate]) -> Policy:
    """The policy, or with `reference: best` where the named reference was asked for and does not pass.

    HarnessError where it fits no candidate of the sweep, or several that pass: the decision would be a guess.
    """
    if policy.reference in UNNAMED:
        return policy
    fits = [field.members[i].label for i in _named(field, policy)]
    if len(fits) == 1:
        return policy
    if fits or not any(_fits(c, policy) for c in asked):
        labels = "; ".join(fits or [c.label for c in asked])
        raise HarnessError(f"policy.reference={policy.reference!r} fits {len(fits)} candidates; name one of: {labels}")
    return replace(policy, reference="best")


def reference_of(field: Field, policy: Policy, observed: Doubles) -> int:
    """Place of the reference: the named one, else the best by these means; of equals the cheapest."""
    if policy.reference not in UNNAMED:
        return _named(field, policy)[0]
    top = np.flatnonzero(observed >= observed.max() - 1e-12)
    return int(min(top, key=lambda i: field.costs[i]))


def _named(field: Field, policy: Policy) -> list[int]:
    return [i for i, c in enumerate(field.members) if _fits(c, policy)]


def _fits(candidate: Candidate, policy: Policy) -> bool:
    """Whether the reference is the candidate's id, or its label's first parts (model/pooling/dim/quantization)."""
    return candidate.id == policy.reference or named_by(policy.reference, candidate.label)
