"""How often the whole rule picks the same: other items, other eval sets, other weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.policy import Policy
from harness.ruling import LEAST_QUERIES, Draws, Field, reference_of
from harness.stats.bootstrap import UNSEEN, draw
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


def stability(rough: Draws, policy: Policy, times: int = _TIMES) -> list[Share]:
    """Share of resamples of the items in which the rule picks each candidate, most frequent first.

    Every resample has its own means, reference, errors, guard and pick; the critical value of the simultaneous bounds
    is that of `rough`, from all items against the same reference: it rests on how the differences hang together, which
    a resample hardly changes. A bootstrap inside each resample gives the same shares within a few points, for hundreds
    of times the work. Where nothing is proven (`policy.reference: any`) the share is that of no candidate (id None).
    """
    field = rough.field
    chosen = np.tile(np.arange(len(field.sets)), (times, 1))
    return _counted(rough, policy, _resampled(field, chosen, policy.seed + 1))


def other_sets(rough: Draws, policy: Policy, times: int = _TIMES) -> list[Share]:
    """As `stability`, with the eval sets drawn with replacement first, then the items of each; [] under three sets."""
    number = len(rough.field.sets)
    if number < 3:
        return []
    chosen = np.random.default_rng(policy.seed + 2).integers(0, number, (times, number))
    return _counted(rough, policy, _resampled(rough.field, chosen, policy.seed + 3))


def weights_drawn(rough: Draws, policy: Policy, times: int = _TIMES) -> list[Share]:
    """Share of the picks under weights of eval sets drawn at random around the declared ones; [] with one set.

    Dirichlet with the declared shares times the number of sets: flat over all weightings where the shares are equal.
    The items are those of the data.
    """
    number = len(rough.field.sets)
    if number < 2:
        return []
    weights = np.random.default_rng(policy.seed + 4).dirichlet(number * np.asarray(rough.field.weights), times)
    chosen = np.tile(np.arange(number), (times, 1))
    items = tuple(np.full((times, s.shape[1]), 1 / s.shape[1]) for s in rough.field.sets)
    return _counted(rough, policy, Worlds(chosen, np.maximum(weights, 1e-12), items))


def _resampled(field: Field, chosen: NDArray[np.int64], seed: int) -> Worlds:
    weights = np.asarray(field.weights)[chosen]
    times = [int((chosen == k).sum()) for k in range(len(field.sets))]
    items = tuple(
        draw([scores.shape[1]], m, seed + 1000 * k)[0]
        for k, (scores, m) in enumerate(zip(field.sets, times, strict=True))
    )
    return Worlds(chosen, weights / weights.sum(axis=1, keepdims=True), items)


def _counted(rough: Draws, policy: Policy, worlds: Worlds) -> list[Share]:
    found, members = picks(rough, policy, worlds), rough.field.members
    counts = np.bincount(found + 1, minlength=len(members) + 1)  # the first: nothing is proven
    names = [(None, None), *((member.id, member.label) for member in members)]
    order = [int(i) for i in np.argsort(-counts, kind="stable") if counts[i]]
    return [{"id": names[i][0], "label": names[i][1], "share": float(counts[i] / len(found))} for i in order]


def picks(rough: Draws, policy: Policy, worlds: Worlds) -> NDArray[np.int64]:
    """int64 [r]: what the rule picks in each world, as places in the field that was drawn; -1: nothing is proven."""
    observed = _observed(rough.field.sets, worlds)
    references = np.array([reference_of(rough.field, policy, row) for row in observed])
    found = np.empty(len(references), dtype=np.int64)
    for reference in np.unique(references):
        here = np.flatnonzero(references == reference)
        found[here] = _picked(rough, policy, _part(worlds, here), int(reference))
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


def _picked(rough: Draws, policy: Policy, worlds: Worlds, reference: int) -> NDArray[np.int64]:
    """The picks of worlds that share a reference: int64 [r]."""
    field = rough.field
    shape = (len(worlds.chosen), len(field.members))
    mean, spread, fair = np.zeros(shape), np.zeros(shape), np.ones(shape, dtype=bool)
    for number, scores in enumerate(field.sets):
        at = np.nonzero(worlds.chosen == number)
        gap, items, n = scores - scores[reference], worlds.items[number], scores.shape[1]
        seen = items @ gap.T
        error = (np.maximum(items @ (gap**2).T - seen**2, 0.0) + UNSEEN**2 / n) / max(n - 1, 1)
        weight = worlds.weights[at][:, None]
        np.add.at(mean, at[0], weight * seen)
        np.add.at(spread, at[0], weight**2 * error)
        if field.guarded[number]:
            lower = seen - _critical(rough, policy, reference, number) * np.sqrt(error)
            np.logical_and.at(fair, at[0], lower >= -2 * policy.margin)
    if policy.reference == "any":
        fair[:, reference] = True
        proven = fair & (_worst(rough, policy, worlds, mean, reference) > -policy.margin)
    else:
        proven = fair & (mean - _critical(rough, policy, reference, -1) * np.sqrt(spread) > -policy.margin)
        proven[:, reference] = True
    found = np.where(proven, field.costs, len(field.members)).argmin(axis=1)
    return np.where(proven.any(axis=1), found, -1)


def _worst(rough: Draws, policy: Policy, worlds: Worlds, mean: Doubles, reference: int) -> Doubles:
    """float64 [r, c]: lower bounds against any that may be the best, as in `stats.contenders.against_any`.

    mean: float64 [r, c], less the reference. Errors are those of all items, and every rival takes the critical value
    of the reference.
    """
    if not rough.field.enough:
        return np.full(mean.shape, -rough.field.span if mean.shape[1] > 1 else 0.0)
    squares = np.stack(pair_squares(rough.field.sets))
    shares = np.stack([((worlds.chosen == k) * worlds.weights**2).sum(axis=1) for k in range(len(squares))], axis=1)
    one, two = (_quantile(t, policy) for t in (rough.against(reference).t, np.abs(rough.against(reference).t)))
    found = np.empty(mean.shape)
    for world, (share, seen) in enumerate(zip(shares, mean, strict=True)):
        reach = np.sqrt(share @ squares[:, reference])
        rivals = np.flatnonzero(seen + two * reach >= 0)
        errors = np.sqrt(np.tensordot(share, squares[:, :, rivals], 1))
        found[world] = (seen[:, None] - seen[rivals] - one * errors).min(axis=1)
    return found


def _critical(rough: Draws, policy: Policy, reference: int, alone: int) -> float:
    """Standard errors between a difference and its simultaneous lower bound; infinite with too few items."""
    field = rough.field
    sizes = [scores.shape[1] for scores in (field.sets if alone < 0 else [field.sets[alone]])]
    if min(sizes) < LEAST_QUERIES:
        return float("inf")
    return _quantile(rough.against(reference, alone).t, policy)


def _quantile(t: Doubles, policy: Policy) -> float:
    return float(np.quantile(t.max(axis=1), policy.confidence))
