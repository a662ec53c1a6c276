"""What would change a decision: the value at which each limit and the margin flips the pick, sets left out, holes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from harness.candidates import Breach, Candidate
from harness.policy import AT_MOST, UNNAMED, Policy, set_weights
from harness.ruling import Draws, Field, Verdict, ruled
from harness.wording import limit

Change = dict[str, Any]
SAME = "(same)"
_NONE = -1  # nothing is proven
_HAIR = 1e-6
_TRIED = 40  # candidates that a relaxed limit lets in, nearest first
_NAMES = {
    "query_p95_ms": "query p95 limit {} {:.4g} ms",
    "bytes_per_doc": "limit {} {:.0f} bytes per document",
    "index_bytes": "index limit {} {:.0f} bytes",
    "price_per_million_tokens": "price limit {} {:.4g} per million tokens",
    "cost_per_million_docs": "cost limit {} {:.4g} per million documents",
    "cost_per_million_queries": "cost limit {} {:.4g} per million queries",
    "max_tokens": "limit of {} {:.0f} tokens",
}


class Case(NamedTuple):
    """A decision to vary. draws: of every candidate with a result; kept: those that meet the limits, as places there.

    verdict: over `kept`; over: the limits that each candidate does not meet, by id; evalsets: those of the manifest.
    """

    draws: Draws
    kept: Sequence[int]
    verdict: Verdict
    policy: Policy
    over: Mapping[str, Sequence[Breach]]
    evalsets: Mapping[str, Any]

    @property
    def everyone(self) -> tuple[Candidate, ...]:
        """All candidates with a result."""
        return self.draws.field.members

    @property
    def pick(self) -> int:
        """The pick's place among everyone."""
        return self.kept[self.verdict.pick]


def changes(case: Case) -> list[Change]:
    """One row for each assumption, everything else as decided: `if`, `then` (a label) and whether the pick changes."""
    return [*_margins(case), *_tightened(case), *_relaxed(case), *_left_out(case), *holes(case)]


def holes(case: Case) -> list[Change]:
    """The rule over judged documents alone, where that is another score for some candidate that takes part."""
    field = case.draws.field.only(case.kept)
    condensed = condensed_field(field, case.evalsets)
    if condensed is None:
        return []
    again = ruled(case.draws.rough(condensed), range(len(case.kept)), case.policy)
    return [_change(case, "documents without a judgement left out (condensed)", _place(case.kept, again))]


def condensed_field(field: Field, evalsets: Mapping[str, Any]) -> Field | None:
    """The field with nDCG@10 of condensed lists where all members have it; None where that changes no score."""
    sets = list(field.sets)
    for number, task in enumerate(evalsets):
        if all(task in member.condensed for member in field.members):
            sets[number] = np.stack([member.condensed[task] for member in field.members])
    same = all(np.array_equal(a, b) for a, b in zip(sets, field.sets, strict=True))
    return None if same else field._replace(sets=tuple(sets))


def _margins(case: Case) -> list[Change]:
    """Bounds do not depend on the margin, so the flip points are the candidates' own lower bounds."""
    verdict, costs = case.verdict, case.draws.field.costs[list(case.kept)]
    need = -verdict.bounds.one_sided
    cheaper = [i for i in range(len(costs)) if costs[i] < costs[verdict.pick] and verdict.fair[i]]
    found = []
    if cheaper:
        first = float(min(need[i] for i in cheaper))
        found.append(_at_margin(case, f"margin above {first:.3f} instead of {case.policy.margin:g}", first + _HAIR))
    if (least := float(need[verdict.pick])) > 0:
        found.append(_at_margin(case, f"margin {least:.3f} or less", max(least - _HAIR, _HAIR)))
    return found


def _at_margin(case: Case, text: str, margin: float) -> Change:
    again = ruled(case.draws, case.kept, replace(case.policy, margin=margin))
    return _change(case, text, _place(case.kept, again))


def _tightened(case: Case) -> list[Change]:
    """Each upper limit set just under what the pick needs."""
    found = []
    reference = case.kept[case.verdict.reference]
    for key in AT_MOST:
        value = bound(case.everyone[case.pick], key)
        if not value or (key == "index_bytes" and "bytes_per_doc" in case.policy.order):
            continue
        kept = [i for i in case.kept if (mine := bound(case.everyone[i], key)) is not None and mine < value]
        name = _NAMES[key].format("under", value)
        if not kept:
            found.append({"if": name, "then": "nothing meets the limits", "changes": True})
            continue
        lost = case.policy.reference not in UNNAMED and reference not in kept
        same = replace(case.policy, reference="best") if lost else case.policy
        found.append(_change(case, name, _place(kept, ruled(case.draws, kept, same))))
    return found


def bound(candidate: Candidate, key: str) -> float | None:
    """What a limit is held against: the upper bound of a measured cost, else the cost."""
    return candidate.costs.get(f"{key}_upper") or candidate.costs[key]


def _relaxed(case: Case) -> list[Change]:
    """Each limit eased to where a candidate that misses it alone becomes the pick; eased altogether where none does."""
    found = []
    for key, value in case.policy.limits.items():
        if value is None or (key == "remote_code" and value is not False) or value == []:
            continue
        near = [i for i, c in enumerate(case.everyone) if [b.limit for b in case.over[c.id]] == [_BREACH.get(key, key)]]
        found.append(_eased(case, key, near))
    return [row for row in found if row]


_BREACH = {"licences": "licence"}


def _eased(case: Case, key: str, near: Sequence[int]) -> Change:
    """near: places of the candidates that miss this limit alone; empty where there is none whose value is known."""
    known = [i for i in near if case.over[case.everyone[i].id][0].state != "unknown"]
    if not known:
        return {}
    level, again = _levels(case, key), case.pick
    at = ""
    for value in sorted({level(i) for i in known if _in_question(case, i)})[:_TRIED]:
        again = _with(case, [i for i in known if level(i) <= value])
        if again in known:
            at = _NAMES[key].format("of" if key != "max_tokens" else "at least", abs(value)) if key in _NAMES else ""
            break
    else:
        again = _with(case, known)
    return _change(case, at or f"no limit on {limit(key)}", again)


def _levels(case: Case, key: str) -> Callable[[int], float]:
    """By how much a limit has to give for a candidate to pass, in its own units; what has no units gives at once."""
    if key in AT_MOST:
        return lambda i: float(bound(case.everyone[i], key) or 0.0)
    if key == "max_tokens":
        return lambda i: -float(case.everyone[i].card["max_tokens"])
    return lambda _: 0.0


def _in_question(case: Case, i: int) -> bool:
    """Whether this one could be picked at all: it is cheaper than the pick, or may be the best."""
    field, reference = case.draws.field, case.kept[case.verdict.reference]
    means = [float(np.average([s[j].mean() for s in field.sets], weights=field.weights)) for j in (i, reference)]
    return bool(field.costs[i] < field.costs[case.pick]) or means[0] >= means[1]


def _with(case: Case, more: Sequence[int]) -> int:
    kept = sorted({*case.kept, *more})
    return _place(kept, ruled(case.draws, kept, case.policy))


def _left_out(case: Case) -> list[Change]:
    """What remains is weighed anew: the other sets of a category take over its weight."""
    found = []
    field, names = case.draws.field, list(case.evalsets)
    for left, task in enumerate(names if len(names) > 1 else []):
        rest = [i for i in range(len(names)) if i != left]
        about = {names[i]: case.evalsets[names[i]] for i in rest}
        fewer = field._replace(
            sets=tuple(field.sets[i] for i in rest),
            weights=tuple(set_weights(case.policy, about).values()),
            guarded=tuple(field.guarded[i] for i in rest),
            scored=tuple(field.scored[i] for i in rest),
            spans=tuple(field.spans[i] for i in rest),
        )
        again = ruled(case.draws.rough(fewer, rest), case.kept, case.policy)
        found.append(_change(case, f"eval set {task} left out", _place(case.kept, again)))
    return found


def _place(kept: Sequence[int], verdict: Verdict) -> int:
    """The place among everyone of what would be picked; -1 where nothing is proven."""
    return kept[verdict.pick] if verdict.proven.any() else _NONE


def _change(case: Case, condition: str, then: int) -> Change:
    """then: as `_place` gives."""
    if then == _NONE:
        return {"if": condition, "then": "insufficient evidence", "changes": True}
    same = int(then) == case.pick
    return {"if": condition, "then": SAME if same else case.everyone[then].label, "changes": not same}
