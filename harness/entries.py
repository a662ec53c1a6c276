"""What the decision says of each candidate: costs, comparison with the reference, why it is not the pick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from harness.candidates import Candidate
from harness.limits import Breach
from harness.policy import Policy
from harness.ruling import LEAST_QUERIES, Field, Verdict
from harness.stats.effects import Paired, effect, paired, verdict_of
from harness.stats.power import HOPELESS, detectable, queries_needed
from harness.stats.randomisation import holm, randomised
from harness.types import Doubles
from harness.wording import limit

Entry = dict[str, Any]
_ONE_SIDED, _POWER = 1.645, 0.842  # z(95 %), z(80 %)
_FLIPS, _CELLS = 200, 1e10  # sign flips for each comparison; flips x candidates x items at most, about a second
_HAIR = 1e-9  # means of equal numbers differ by this much at most


class Outcome(NamedTuple):
    """What entries are made from; places: candidate id -> place in the field; p: adjusted, float64 [field]."""

    field: Field
    verdict: Verdict | None
    policy: Policy
    places: Mapping[str, int]
    p: Doubles


def outcome_of(field: Field, verdict: Verdict | None, policy: Policy) -> Outcome:
    """The outcome with the paired randomisation test of each candidate against the reference, Holm-adjusted.

    Signs are flipped 200 times for each comparison, as far as time allows, so that p of many can be small.
    """
    places = {member.id: i for i, member in enumerate(field.members)}
    p = np.ones(len(places))
    if verdict is not None and len(places) > 1:
        others = np.arange(len(places)) != verdict.reference
        flips = max(policy.draws, min(_FLIPS * int(others.sum()), int(_CELLS / sum(s.size for s in field.sets))))
        tested = randomised(field.sets, field.weights, verdict.reference, flips, policy.seed)
        p[others] = holm(tested[others])
    return Outcome(field, verdict, policy, places, p)


def entry_of(c: Candidate, outcome: Outcome, over: Sequence[Breach]) -> Entry:
    """One candidate's entry; what was not compared has None for `difference` and lacks what follows from one."""
    entry: Entry = {
        "id": c.id, "label": c.label, **c.labels, "costs": dict(c.costs), "docs_per_s": c.facts["docs_per_s"],
        "batch_size": c.facts.get("batch_size"), "batch_used": c.facts.get("batch_used"),
        "score": _mean(c, outcome.field), "scores": {t: float(s.mean()) for t, s in c.scores.items()},
        "judged_at_10": c.facts["judged_at_10"], "condensed": c.facts["condensed"], "warnings": c.facts["warnings"],
        "stages": c.facts["stages"], "parity_cosine": c.facts["parity_cosine"],
        "parity_difference": c.facts["parity_difference"],
        "card": dict(c.card), "breaches": [b.text for b in over], "difference": None, "proven": False,
        "why_not": c.lost, "queries_to_settle": 0, "p_value": None,
    }  # fmt: skip
    i, verdict = outcome.places.get(c.id), outcome.verdict
    if i is None or verdict is None:
        return entry | {"why_not": c.lost or "; ".join(entry["breaches"])}
    pairs = [paired(s[i], s[verdict.reference]) for s in outcome.field.sets]
    entry |= _compared(outcome, verdict, i, pairs)
    entry["queries_to_settle"] = _to_settle(outcome, verdict, i, pairs)
    return entry | {"why_not": _why_not(entry, outcome, verdict, i)}


def _mean(c: Candidate, field: Field) -> float | None:
    if c.lost:
        return None
    return float(np.average([s.mean() for s in c.scores.values()], weights=field.weights))


def _compared(outcome: Outcome, verdict: Verdict, i: int, pairs: Sequence[Paired]) -> Entry:
    """sd and effect weigh the sets as the difference does; detectable and queries_needed follow from its error.

    Queries needed are in the proportions at hand. One item has no error and detects nothing short of the whole range.
    """
    field, margin = outcome.field, outcome.policy.margin
    low, high = float(verdict.bounds.low[i]), float(verdict.bounds.high[i])
    spread, values = _pooled(pairs, field), sum(s.shape[1] for s in field.sets)
    alone = _error(pairs, field) * float(np.sqrt(values))  # spread of one set of as many items with the same error
    return {
        "difference": float(verdict.difference[i]), "lower": float(verdict.bounds.one_sided[i]),
        "interval": [low, high], "p_value": None if i == verdict.reference else float(outcome.p[i]),
        "wins": sum(p.wins for p in pairs), "ties": sum(p.ties for p in pairs), "losses": sum(p.losses for p in pairs),
        "sd": spread if np.isfinite(spread) else None, "effect": effect(float(verdict.difference[i]), spread),
        "proven": bool(verdict.proven[i]), "detectable": detectable(alone, values) if alone >= 0 else 1.0,
        "queries_needed": int(np.ceil(queries_needed(alone, margin) * sum(field.scored) / values)),
        "cost_rank": int(field.costs[i]),
        "verdict": _verdict(low, high, margin),
    }  # fmt: skip


def _pooled(pairs: Sequence[Paired], field: Field) -> float:
    """Standard deviation of an item's difference within its set: each set's variance counts by the set's weight."""
    return float(np.sqrt(np.average([p.sd**2 for p in pairs], weights=field.weights)))


def _verdict(low: float, high: float, margin: float) -> str:
    """equivalent (within the margin), better (this one, or `the reference is better`), or inconclusive."""
    word = verdict_of(low, high, margin)
    return "the reference is better" if word == "worse" else word


def _why_not(entry: Entry, outcome: Outcome, verdict: Verdict, i: int) -> str:
    if i == verdict.pick and verdict.proven[i]:
        return ""
    low, margin = entry["lower"], outcome.policy.margin
    if not verdict.proven[i]:
        if low > -margin:
            return f"an eval set marked guard may lose more than {2 * margin:g}"
        what = "worse than one that may be the best" if outcome.policy.reference == "any" else "worse"
        return f"could be {-low:.3f} {what}; the margin is {margin:g}"
    return f"proven within the margin, but {_dearer(outcome, verdict, i)}"


def _dearer(outcome: Outcome, verdict: Verdict, i: int) -> str:
    """What put this candidate behind the pick: the first cost of the order that differs, the score, or the name."""
    members = outcome.field.members
    own, best = members[i].costs, members[verdict.pick].costs
    for key in outcome.policy.order:
        if own[key] != best[key]:
            return f"its {limit(key)} is not known" if own[key] is None else f"dearer than the pick by {limit(key)}"
    lower = verdict.difference[i] < verdict.difference[verdict.pick]
    return f"costs as much as the pick and scores {'lower' if lower else 'the same; the pick comes first by name'}"


def _to_settle(outcome: Outcome, verdict: Verdict, i: int, pairs: Sequence[Paired]) -> int:
    """Items at which it would be shown that this candidate lies within the margin, or that it does not.

    0 where that is not open, where the candidate is no cheaper than the pick, and where it cannot be said, as of a
    difference at the margin. The interval at hand, which holds for all candidates at once, narrows with the root of
    their number; 80 % power comes on top. With `any` the width holds the gap to the rival that binds as well,
    which does not narrow: that asks for too many rather than too few.
    """
    field, margin = outcome.field, outcome.policy.margin
    bounds, gap = verdict.bounds, float(verdict.difference[i]) + margin
    decided = verdict.proven[i] or verdict.lost[i] or bounds.high[i] <= -margin
    guard_alone = bounds.one_sided[i] > -margin
    error, dear = _error(pairs, field), verdict.proven.any() and field.costs[i] >= field.costs[verdict.pick]
    if decided or guard_alone or dear or abs(gap) <= _HAIR or not np.isfinite(error):
        return 0
    least = max(1.0, LEAST_QUERIES / min(s.shape[1] for s in field.sets))
    if least > 1 and len(field.sets) > 1:  # the small set needs more, not all of them: see the caveat
        return 0
    width = verdict.difference[i] - bounds.one_sided[i] if gap > 0 else bounds.high[i] - verdict.difference[i]
    if i == verdict.reference:  # open with `any` alone; it has no error against itself
        error = width / _ONE_SIDED
    wide = _ONE_SIDED * error if least > 1 else float(width)  # of fewer queries no interval is made
    times = max(least, ((wide + _POWER * error) / gap) ** 2)
    return int(np.ceil(sum(field.scored) * times)) if times <= HOPELESS else 0


def _error(pairs: Sequence[Paired], field: Field) -> float:
    """Standard error of the weighted mean difference: the sets are independent, so their variances add."""
    shares = np.asarray(field.weights) / sum(field.weights)
    parts = [w * p.sd / np.sqrt(s.shape[1]) for w, p, s in zip(shares, pairs, field.sets, strict=True)]
    return float(np.sqrt(np.sum(np.square(parts))))
