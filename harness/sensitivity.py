"""How often the whole rule picks the same: other items, other eval sets, other weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.evidence import Evidence, unproven
from harness.policy import UNNAMED, Policy
from harness.ruling import LEAST_QUERIES, Draws, Field, allowing, reference_of, ruled
from harness.stats.bootstrap import UNSEEN, draw, simultaneous
from harness.stats.contenders import pair_squares
from harness.types import Doubles

_TIMES = 200

Share = dict[str, Any]


class Worlds(NamedTuple):
    """Data as it might have been, in r versions.

    chosen: int64 [r, slots], the eval set in each slot; weights: float64 [r, slots], rows sum to 1; items: for each
    eval set float64 [its slots, items], the share of each item, slots in the order of np.nonzero(chosen == set).
    """

    chosen: NDArray[np.int64]
    weights: Doubles
    items: tuple[Doubles, ...]


def stability(evidence: Evidence, policy: Policy, times: int = _TIMES) -> list[Share]:
    """Share of resamples of the items in which the rule picks each candidate, most frequent first.

    Every resample has its own means, reference, errors, guard and pick; the critical value of the simultaneous bounds
    is that of all items against the same reference: it rests on how the differences hang together, which a resample
    hardly changes. A bootstrap inside each resample gives the same shares within a few points, for hundreds of times
    the work. Where the rule refuses (insufficient evidence, labels that favour one engine) the share is that of no
    candidate (id None); for the labels, whom holes alone may have put out is not asked again.

    evidence: of the candidates within the limits alone.
    """
    field = evidence.draws.field
    chosen = np.tile(np.arange(len(field.sets)), (times, 1))
    return _counted(evidence, policy, _resampled(field, chosen, policy.seed + 1))


def other_sets(evidence: Evidence, policy: Policy, times: int = _TIMES) -> list[Share]:
    """As `stability`, with the eval sets drawn with replacement first, then the items of each; [] under three sets."""
    field = evidence.draws.field
    number = len(field.sets)
    if number < 3:
        return []
    chosen = np.random.default_rng(policy.seed + 2).integers(0, number, (times, number))
    return _counted(evidence, policy, _resampled(field, chosen, policy.seed + 3))


def weights_drawn(evidence: Evidence, policy: Policy, times: int = _TIMES) -> list[Share]:
    """Share of the picks under weights of eval sets drawn at random around the declared ones; [] with one set.

    Dirichlet with the declared shares times the number of sets: flat over all weightings where the shares are equal.
    The items are those of the data.
    """
    field = evidence.draws.field
    number = len(field.sets)
    if number < 2:
        return []
    weights = np.random.default_rng(policy.seed + 4).dirichlet(number * np.asarray(field.weights), times)
    chosen = np.tile(np.arange(number), (times, 1))
    items = tuple(np.full((times, s.shape[1]), 1 / s.shape[1]) for s in field.sets)
    return _counted(evidence, policy, Worlds(chosen, np.maximum(weights, 1e-12), items))


def _resampled(field: Field, chosen: NDArray[np.int64], seed: int) -> Worlds:
    weights = np.asarray(field.weights)[chosen]
    times = [int((chosen == k).sum()) for k in range(len(field.sets))]
    items = tuple(
        draw([scores.shape[1]], m, seed + 1000 * k)[0]
        for k, (scores, m) in enumerate(zip(field.sets, times, strict=True))
    )
    return Worlds(chosen, weights / weights.sum(axis=1, keepdims=True), items)


def _counted(evidence: Evidence, policy: Policy, worlds: Worlds) -> list[Share]:
    found, members = picks(evidence, policy, worlds), evidence.draws.field.members
    counts = np.bincount(found + 1, minlength=len(members) + 1)  # the first: no pick
    names = [(None, None), *((member.id, member.label) for member in members)]
    order = [int(i) for i in np.argsort(-counts, kind="stable") if counts[i]]
    return [{"id": names[i][0], "label": names[i][1], "share": float(counts[i] / len(found))} for i in order]


def picks(evidence: Evidence, policy: Policy, worlds: Worlds) -> NDArray[np.int64]:
    """int64 [r]: what the rule picks in each world, as places in the field that was drawn; -1 where it refuses."""
    rough = evidence.draws
    observed = _observed(rough.field.sets, worlds)
    references = np.array([reference_of(rough.field, policy, row) for row in observed])
    found = np.full(len(references), -1, dtype=np.int64)
    if len(rough.field.members) > 1 and not rough.field.enough:
        return found
    least = _allowing(rough, policy)
    for reference in np.unique(references):
        here = np.flatnonzero(references == reference)
        found[here] = _picked(evidence, policy, _part(worlds, here), int(reference), least)
    return found


def _observed(sets: Sequence[Doubles], worlds: Worlds) -> Doubles:
    """float64 [r, c]: the weighted mean in each world."""
    total = np.zeros((len(worlds.chosen), len(sets[0])))
    for number, scores in enumerate(sets):
        at = np.nonzero(worlds.chosen == number)
        np.add.at(total, at[0], worlds.weights[at][:, None] * (worlds.items[number] @ scores.T))
    return total


def _part(worlds: Worlds, kept: NDArray[Any]) -> Worlds:
    """Some of the worlds."""
    inside = np.zeros(len(worlds.chosen), dtype=bool)
    inside[kept] = True
    rows = [inside[np.nonzero(worlds.chosen == k)[0]] for k in range(len(worlds.items))]
    return Worlds(
        worlds.chosen[kept], worlds.weights[kept], tuple(i[r] for i, r in zip(worlds.items, rows, strict=True))
    )


def _picked(evidence: Evidence, policy: Policy, worlds: Worlds, reference: int, least: float) -> NDArray[np.int64]:
    """The picks of worlds that share a reference: int64 [r]. least: standard errors up to the upper ends, or more."""
    rough, field = evidence.draws, evidence.draws.field
    shape = (len(worlds.chosen), len(field.members))
    mean, spread, fair, lost = np.zeros(shape), np.zeros(shape), np.ones(shape, dtype=bool), np.zeros(shape, dtype=bool)
    for number, scores in enumerate(field.sets):
        at = np.nonzero(worlds.chosen == number)
        gap, items, n = scores - scores[reference], worlds.items[number], scores.shape[1]
        seen = items @ gap.T
        error = (np.maximum(items @ (gap**2).T - seen**2, 0.0) + UNSEEN**2 / n) / max(n - 1, 1)
        weight = worlds.weights[at][:, None]
        np.add.at(mean, at[0], weight * seen)
        np.add.at(spread, at[0], weight**2 * error)
        if field.guarded[number]:
            one, two = _critical(rough, policy, reference, number)
            np.logical_and.at(fair, at[0], seen - one * np.sqrt(error) >= -2 * policy.margin)
            np.logical_or.at(lost, at[0], seen + two * np.sqrt(error) < -2 * policy.margin)
    one, two = _critical(rough, policy, reference, -1)
    fair[:, reference] = True
    if policy.reference == "any":
        proven = fair & (_worst(rough, policy, worlds, mean, reference) > -policy.margin)
    else:
        proven = fair & (mean - one * np.sqrt(spread) > -policy.margin)
        proven[:, reference] = True
    high = mean + np.maximum(two, least) * np.sqrt(spread)
    unsettled = (high > -policy.margin) & ~proven & ~lost & (field.costs < field.costs[reference])
    uneven = evidence.uneven(proven | unsettled, range(shape[1])).any(axis=-1)
    found = np.where(proven, field.costs, shape[1]).argmin(axis=1)
    return np.where(uneven | unproven(proven, unsettled, reference), -1, found)


def _worst(rough: Draws, policy: Policy, worlds: Worlds, mean: Doubles, reference: int) -> Doubles:
    """float64 [r, c]: lower bounds against any that may be the best, as in `stats.contenders.against_any`.

    mean: float64 [r, c], less the reference. Errors are those of all items, and every rival takes the critical value
    of the reference.
    """
    if mean.shape[1] == 1:
        return np.zeros(mean.shape)
    squares = np.stack(pair_squares(rough.field.sets))
    shares = np.stack([((worlds.chosen == k) * worlds.weights**2).sum(axis=1) for k in range(len(squares))], axis=1)
    one, two = (float(each.max()) for each in _critical(rough, policy, reference, -1))
    found = np.empty(mean.shape)
    for world, (share, seen) in enumerate(zip(shares, mean, strict=True)):
        reach = np.sqrt(share @ squares[:, reference])
        rivals = np.flatnonzero(seen + two * reach >= 0)
        errors = np.sqrt(np.tensordot(share, squares[:, :, rivals], 1))
        found[world] = (seen[:, None] - seen[rivals] - one * errors).min(axis=1)
    return found


def _critical(rough: Draws, policy: Policy, reference: int, alone: int) -> tuple[Doubles, Doubles]:
    """float64 [c] each: standard errors from a difference to its lower bound, and to its upper end.

    Infinite with too few items.
    """
    field = rough.field
    sizes = [scores.shape[1] for scores in (field.sets if alone < 0 else [field.sets[alone]])]
    if min(sizes) < LEAST_QUERIES:
        return (np.full(len(field.members), np.inf),) * 2
    difference = rough.against(reference, alone)
    bounds = simultaneous(difference, policy.confidence)
    error = np.where(difference.error > 0, difference.error, 1.0)  # the reference has none
    return (difference.observed - bounds.one_sided) / error, (bounds.high - difference.observed) / error


def _allowing(rough: Draws, policy: Policy) -> float:
    """Standard errors up to the upper ends that allow for the data having chosen the reference; 0 where they did not.

    They are those of all items, whichever is the reference of a world.
    """
    if policy.reference not in UNNAMED or len(rough.field.members) == 1:
        return 0.0
    every = range(len(rough.field.members))
    verdict = allowing(rough, every, ruled(rough, every, replace(policy, reference="best")), policy)
    error = rough.against(verdict.reference).error
    others = error > 0
    return float(((verdict.bounds.high - verdict.difference)[others] / error[others]).max())
