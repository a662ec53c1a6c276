"""What would change a decision: the value at which each limit and the margin flips it, sets left out, holes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from harness.candidates import Candidate
from harness.evidence import DECIDED, NOTHING, Evidence
from harness.limits import Breach, misses_alone, scaled
from harness.policy import AT_LEAST, AT_MOST, UNNAMED, Policy, set_weights
from harness.ruling import Draws, Verdict, allowing, at_margin, ruled
from harness.stated import NAMES, limit_stated, stated
from harness.types import Doubles
from harness.wording import limit

Change = dict[str, Any]
SAME = "(same)"
_NONE = -1  # nothing is picked
_TRIED = 40  # values of one kind, nearest first
_NOISE = 0.01  # two measurements closer than this part of each other are the same
_MEASURED = ("query_p95_ms", "memory_mb", "vram_mb", "cost_per_million_docs", "cost_per_million_queries", *AT_LEAST)


class Case(NamedTuple):
    """A decision to vary. evidence: of every candidate with a result; kept: those within the limits, as places there.

    verdict: over `kept`; over: the limits that each candidate does not meet, by id.
    """

    evidence: Evidence
    kept: Sequence[int]
    verdict: Verdict
    policy: Policy
    over: Mapping[str, Sequence[Breach]]

    @property
    def draws(self) -> Draws:
        """The resamples of everyone."""
        return self.evidence.draws

    @property
    def everyone(self) -> tuple[Candidate, ...]:
        """All candidates with a result."""
        return self.draws.field.members

    @property
    def pick(self) -> int:
        """The pick's place among everyone."""
        return self.kept[self.verdict.pick]


class Outcome(NamedTuple):
    """What a decision comes to: the place among everyone of what is picked, or -1; and the status word."""

    place: int
    status: str


def changes(case: Case) -> list[Change]:
    """One row for each assumption, everything else as decided: `if`, `then` and whether that changes the outcome.

    then: the label of what is picked, or the status where nothing is; difference: its score less the pick's, over all
    eval sets, None where no other is picked.
    """
    return [*_wider(case), *_narrower(case), *_tightened(case), *_relaxed(case), *_left_out(case), *_holes(case)]


def _holes(case: Case) -> list[Change]:
    """The rule over judged documents alone, where that is another score for some candidate that takes part."""
    condensed = case.evidence.condensed(case.kept)
    if condensed is None:
        return []
    then = _again(Evidence(condensed, {}), case.kept, case.policy)  # without the holes nothing is asked of labels
    return [_row(case, "documents without a judgement left out (condensed)", then)]


def _wider(case: Case) -> list[Change]:
    """The nearest margin above that changes the outcome, and the nearest that picks another where that refuses.

    Bounds do not depend on the margin: a candidate is proven, or can no longer be ruled out, from its own bounds on.
    """
    verdict, costs = case.verdict, case.draws.field.costs[list(case.kept)]
    need, opened = _margin_of(verdict, "one_sided"), _margin_of(verdict, "high")
    cheaper = np.flatnonzero(costs < costs[verdict.pick])
    below = np.flatnonzero(costs < costs[verdict.reference])
    values = sorted({v for v in (*need[cheaper], *opened[below]) if case.policy.margin <= v < 1})[:_TRIED]
    values += [least for least in need[cheaper].min(initial=1, keepdims=True) if values and values[-1] < least < 1]
    found: list[Change] = []
    for value in values:
        then = _at_margin(case, float(np.nextafter(value, 1)))
        if then.place == case.pick or (found and then.place == _NONE):
            continue
        text = stated(float(value), True, 3, _flips_so(case, then))
        found.append(_row(case, f"margin above {text} instead of {case.policy.margin:g}", then))
        if then.place != _NONE:
            break
    return found


def _narrower(case: Case) -> list[Change]:
    """The margin at which the pick is no longer proven."""
    least = float(_margin_of(case.verdict, "one_sided")[case.verdict.pick])
    if least <= 0:
        return []
    then = _at_margin(case, float(np.nextafter(least, 0)))
    return [_row(case, f"margin {stated(least, False, 3, _flips_so(case, then))} or less", then)]


def _margin_of(verdict: Verdict, end: str) -> Doubles:
    """float64 [kept]: the margin above which this end of a candidate's bounds lies within it, and within the guard."""
    alone = [-getattr(guard, end) / 2 for guard in verdict.guards]
    found: Doubles = np.max([-getattr(verdict.bounds, end), *alone], axis=0)
    return found


def _flips_so(case: Case, then: Outcome) -> Callable[[float], bool]:
    return lambda margin: 0 < margin < 1 and _at_margin(case, margin) == then


def _at_margin(case: Case, margin: float) -> Outcome:
    policy = replace(case.policy, margin=margin)
    verdict = at_margin(case.verdict, case.draws.field.costs[list(case.kept)], policy)
    return _outcome(case.evidence, case.kept, verdict, policy)


def _tightened(case: Case) -> list[Change]:
    """Each limit set just beyond what the pick meets; then beyond what all meet that measured the same."""
    found: list[Change] = []
    for key in (*AT_MOST, *AT_LEAST):
        pick, limits = case.everyone[case.pick], case.policy.limits
        end = scaled(pick, key, limits)[1]
        if not end or _is_told(case, pick, key):
            continue
        both = {i: scaled(case.everyone[i], key, limits) for i in case.kept}
        known = {i: mine for i, (_, mine) in both.items() if mine is not None}
        least = _least_alike(pick, key, limits)
        top = min(known[i] for i in known if (both[i][0] or 0.0) >= least)
        own, alike = _tighter(case, key, end, known), _tighter(case, key, top, known)
        same = abs(end - top) <= _NOISE * abs(end)
        found += [alike] if same else [own] if own["then"] == alike["then"] else [own, alike]
    return found


def _tighter(case: Case, key: str, end: float, known: Mapping[int, float]) -> Change:
    """The outcome among those that lie within this level of a limit; known: their bounds."""
    kept = [i for i, mine in known.items() if mine < end]
    lost = case.policy.reference not in UNNAMED and case.kept[case.verdict.reference] not in kept
    then = _again(case.evidence, kept, replace(case.policy, reference="best") if lost else case.policy)
    text = limit_stated(key, end, False, _under(known, kept))
    return _row(case, NAMES[key].format("above" if key in AT_LEAST else "under", text), then)


def _is_told(case: Case, pick: Candidate, key: str) -> bool:
    """Whether another limit's row says the same: bytes that grow with those of a document, weights within memory."""
    if key == "index_bytes":
        return "bytes_per_doc" in case.policy.order
    return key == "model_mb" and pick.costs["memory_mb"] is not None


def _under(known: Mapping[int, float], kept: Sequence[int]) -> Callable[[float], bool]:
    return lambda level: level != 0 and [i for i, mine in known.items() if mine < level] == list(kept)


def _least_alike(candidate: Candidate, key: str, limits: Mapping[str, Any]) -> float:
    """The lowest level that measuring again may give this candidate: as far under its value as its bound is above."""
    value, end = (level or 0.0 for level in scaled(candidate, key, limits))
    return min(value * value / end, value - abs(value) * _NOISE) if key in _MEASURED else value


def _relaxed(case: Case) -> list[Change]:
    """Each limit eased to where what misses it alone changes the outcome; eased altogether where nothing does."""
    found = []
    for key, value in case.policy.limits.items():
        if value is None or (key == "remote_code" and value is not False) or value == []:
            continue
        name, limits = _BREACH.get(key, key), case.policy.limits
        near = [i for i, c in enumerate(case.everyone) if misses_alone(c, case.over[c.id], name, limits)]
        found += _eased(case, key, near)
    return found


_BREACH = {"licences": "licence"}


def _eased(case: Case, key: str, near: Sequence[int]) -> list[Change]:
    """near: places of the candidates that miss this limit alone and whose value is known; nothing without any."""
    found: list[Change] = []
    levels = {i: _level(case.everyone[i], key, case.policy.limits) for i in near}
    reached = -math.inf
    for value in sorted({levels[i] for i in near if _in_question(case, i)})[:_TRIED]:
        if value <= reached or _with(case, [i for i in near if levels[i] <= value]).place == case.pick:
            continue
        reached = _reach(case, key, levels, value)
        more = [i for i in near if levels[i] <= reached]
        then = _with(case, more)
        if then.place == case.pick or (found and then.place == _NONE):
            continue
        found.append(_row(case, _eased_to(key, levels, reached, more), then))
        if then.place != _NONE:
            break
    return found or ([_row(case, f"no limit on {limit(key)}", _with(case, near))] if near else [])


def _eased_to(key: str, levels: Mapping[int, float], value: float, more: Sequence[int]) -> str:
    """What the limit has to be for these to pass, and no others."""
    if key not in NAMES or not value:
        return f"no limit on {limit(key)}"
    if key == "max_tokens":
        return NAMES[key].format("at least", f"{-value:.0f}")
    text = limit_stated(key, value, True, lambda x: [i for i in levels if levels[i] <= x] == list(more))
    return NAMES[key].format("of at least" if key in AT_LEAST else "of", text)


def _level(candidate: Candidate, key: str, limits: Mapping[str, Any]) -> float:
    """What a limit has to be for a candidate to pass, in its own units and growing; what has no units gives at once."""
    if key == "max_tokens":
        return -float(candidate.card["max_tokens"])
    return scaled(candidate, key, limits)[1] or 0.0 if key in (*AT_MOST, *AT_LEAST) else 0.0


def _reach(case: Case, key: str, levels: Mapping[int, float], value: float) -> float:
    """The level at which all pass that measured the same as those that pass at this one only."""
    if key not in _MEASURED:
        return value
    values = {i: scaled(case.everyone[i], key, case.policy.limits)[0] or 0.0 for i in levels}
    alike = max(value, *(values[i] + abs(values[i]) * _NOISE for i in levels if levels[i] == value))
    return max(level for i, level in levels.items() if values[i] <= alike)


def _in_question(case: Case, i: int) -> bool:
    """Whether this one could be picked at all: it is cheaper than the pick, or may be the best."""
    costs, scores = case.draws.field.costs, case.evidence.scores
    return bool(costs[i] < costs[case.pick]) or bool(scores[i] >= scores[case.kept[case.verdict.reference]])


def _with(case: Case, more: Sequence[int]) -> Outcome:
    return _again(case.evidence, sorted({*case.kept, *more}), case.policy)


def _left_out(case: Case) -> list[Change]:
    """What remains is weighed anew: the other sets of a category take over its weight."""
    found = []
    field, evalsets = case.draws.field, case.evidence.evalsets
    names = list(evalsets)
    for left, task in enumerate(names if len(names) > 1 else []):
        rest = [i for i in range(len(names)) if i != left]
        about = {names[i]: evalsets[names[i]] for i in rest}
        fewer = field._replace(
            sets=tuple(field.sets[i] for i in rest),
            weights=tuple(set_weights(case.policy, about).values()),
            guarded=tuple(field.guarded[i] for i in rest),
            scored=tuple(field.scored[i] for i in rest),
            spans=tuple(field.spans[i] for i in rest),
        )
        then = _again(Evidence(case.draws.rough(fewer, rest), about), case.kept, case.policy)
        found.append(_row(case, f"eval set {task} left out", then))
    return found


def _again(evidence: Evidence, kept: Sequence[int], policy: Policy) -> Outcome:
    """The rule over these.

    Two-sided ends that allow for the data having chosen the reference (dear, see `allowing`) are taken where they
    decide: nothing but the reference is proven, and a candidate that is not ruled out makes evidence insufficient.
    """
    if not kept:
        return Outcome(_NONE, NOTHING)
    verdict = ruled(evidence.draws, kept, policy)
    if not np.delete(verdict.proven, verdict.reference).any():
        verdict = allowing(evidence.draws, kept, verdict, policy)
    return _outcome(evidence, kept, verdict, policy)


def _outcome(evidence: Evidence, kept: Sequence[int], verdict: Verdict, policy: Policy) -> Outcome:
    status, _ = evidence.status(kept, verdict, policy)
    return Outcome(kept[verdict.pick] if status == DECIDED else _NONE, status)


def _row(case: Case, condition: str, then: Outcome) -> Change:
    same = then.place == case.pick
    label = then.status if then.place == _NONE else SAME if same else case.everyone[then.place].label
    other = not same and then.place != _NONE
    scores = case.evidence.scores
    difference = float(scores[then.place] - scores[case.pick]) if other else None
    return {"if": condition, "then": label, "changes": not same, "difference": difference}
