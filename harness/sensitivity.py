"""What would change a decision: the margin and each limit at the value where the pick flips, each eval set left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from harness.policy import AT_MOST, Policy, set_weights
from harness.ruling import Field, Verdict, rule

Change = dict[str, Any]
_SAME = "(same)"
_HAIR = 1e-6
_NAMES = {
    "query_p95_ms": "query p95 limit under {:.4g} ms",
    "bytes_per_doc": "limit under {:.0f} bytes per document",
    "index_bytes": "index limit under {:.0f} bytes",
    "price_per_million_tokens": "price limit under {:.4g} per million tokens",
}


def changes(field: Field, verdict: Verdict, policy: Policy, evalsets: Mapping[str, Any]) -> list[Change]:
    """One row for each assumption, everything else as decided: `if`, `then` (a label) and whether the pick changes.

    evalsets: type and weight of the field's sets, in their order.
    """
    return [
        *_margins(field, verdict, policy),
        *_limits(field, verdict, policy),
        *_left_out(field, verdict, policy, evalsets),
    ]


def _margins(field: Field, verdict: Verdict, policy: Policy) -> list[Change]:
    """Bounds do not depend on the margin, so the flip points are the candidates' own lower bounds."""
    need = -verdict.bounds.one_sided
    cheaper = [i for i in range(len(field.members)) if field.costs[i] < field.costs[verdict.pick] and verdict.fair[i]]
    found = []
    if cheaper:
        first = float(min(need[i] for i in cheaper))
        text = f"margin above {first:.3f} instead of {policy.margin:g}"
        found.append(_at_margin(field, verdict, policy, text, first + _HAIR))
    if verdict.pick != verdict.reference:
        least = float(need[verdict.pick])
        found.append(_at_margin(field, verdict, policy, f"margin {least:.3f} or less", max(least - _HAIR, _HAIR)))
    return found


def _at_margin(field: Field, verdict: Verdict, policy: Policy, text: str, margin: float) -> Change:
    again = rule(field, replace(policy, margin=margin), policy.draws, policy.seed)
    return _change(field, text, again.pick, verdict.pick)


def _limits(field: Field, verdict: Verdict, policy: Policy) -> list[Change]:
    """Each upper limit set just under what the pick needs."""
    found = []
    for key in AT_MOST:
        value = field.members[verdict.pick].costs.get(f"{key}_upper") or field.members[verdict.pick].costs[key]
        if not value or (key == "index_bytes" and "bytes_per_doc" in policy.order):
            continue
        kept = [i for i, c in enumerate(field.members) if _under(c.costs, key, float(value))]
        name = _NAMES[key].format(float(value))
        if not kept:
            found.append({"if": name, "then": "nothing meets the limits", "changes": True})
            continue
        same = policy if verdict.reference in kept else replace(policy, reference="best")
        again = rule(field.only(kept), same, policy.draws, policy.seed)
        found.append(_change(field, name, kept[again.pick], verdict.pick))
    return found


def _under(costs: Mapping[str, float | None], key: str, value: float) -> bool:
    mine = costs.get(f"{key}_upper") or costs[key]
    return mine is not None and mine < value


def _left_out(field: Field, verdict: Verdict, policy: Policy, evalsets: Mapping[str, Any]) -> list[Change]:
    """What remains is weighed anew: the other sets of a category take over its weight."""
    if len(evalsets) < 2:
        return []
    found = []
    for left, task in enumerate(evalsets):
        kept = [i for i in range(len(evalsets)) if i != left]
        fewer = field._replace(
            sets=tuple(field.sets[i] for i in kept),
            weights=tuple(set_weights(policy, {t: e for t, e in evalsets.items() if t != task}).values()),
            guarded=tuple(field.guarded[i] for i in kept),
            scored=tuple(field.scored[i] for i in kept),
            spans=tuple(field.spans[i] for i in kept),
        )
        again = rule(fewer, policy, policy.draws, policy.seed)
        found.append(_change(field, f"eval set {task} left out", again.pick, verdict.pick))
    return found


def _change(field: Field, condition: str, then: int, pick: int) -> Change:
    same = int(then) == int(pick)
    return {"if": condition, "then": _SAME if same else field.members[then].label, "changes": not same}


def stability(field: Field, policy: Policy, resamples: int = 200, draws: int = 300) -> list[dict[str, Any]]:
    """Share of query resamples in which the whole rule picks each candidate, most frequent first."""
    generator = np.random.default_rng(policy.seed + 1)
    counts = np.zeros(len(field.members), dtype=int)
    for number in range(resamples):
        drawn = tuple(s[:, generator.integers(0, s.shape[1], s.shape[1])] for s in field.sets)
        counts[rule(field._replace(sets=drawn), policy, draws, policy.seed + number).pick] += 1
    order = [int(i) for i in np.argsort(-counts, kind="stable") if counts[i]]
    members = field.members
    return [{"id": members[i].id, "label": members[i].label, "share": float(counts[i] / resamples)} for i in order]
