"""The outcome of a policy over records: limits, reference, proof of closeness, guard, cheapest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from harness.candidates import Candidate, breaches, candidates, check_comparable
from harness.narrative import caveats, not_measured, sentence
from harness.policy import Policy, read_policy
from harness.ruling import LEAST_QUERIES, Field, Verdict, field_of, rule, usable
from harness.sensitivity import changes, stability
from harness.stats.effects import Paired, paired
from harness.stats.power import queries_needed
from harness.summary import Summary, summarise
from harness.table import Sweep, rows
from harness.types import HarnessError
from harness.wording import limit

DECIDED, INSUFFICIENT, NOTHING, BIASED, INCOMPLETE, SAMPLED = (
    "decided", "insufficient evidence", "nothing meets the limits", "labels favour one engine", "incomplete",
    "sub-sampled",
)  # fmt: skip
_JUDGED_GAP = 0.10
_ONE_SIDED, _POWER = 1.645, 0.842  # z(95 %), z(80 %)


def decide(sweep: Sweep, policy: Policy) -> dict[str, Any]:
    """The decision as plain values, the source of decision.json, decision.md and the page; pure in the records."""
    found, evalsets, mains = candidates(sweep), sweep.manifest["evalsets"], _mains(sweep)
    check_comparable([c for c in found if not c.lost])
    over = {c.id: breaches(c, policy) for c in found}
    entrants = [c for c in found if not c.lost and not over[c.id]]
    field = field_of(entrants, sweep, policy)
    named, policy = policy, usable(field, policy, found)
    verdict = rule(field, policy, policy.draws, policy.seed) if entrants else None
    status = _status(field, verdict, policy) if verdict else NOTHING
    if status == DECIDED and any(c.unfinished for c in found):
        status = INCOMPLETE
    if refused := not policy.allow_sample and any(e["sample"] for e in evalsets.values()):
        status = SAMPLED
    entries = [_entry(c, field, verdict, over[c.id], policy) for c in found]
    if refused:
        entries = [e | {"why_not": "nothing is picked from a smoke test"} if e["proven"] else e for e in entries]
    entries.sort(key=lambda e: (e["difference"] is None, -(e["score"] if e["score"] is not None else -1), e["label"]))
    pick = None if verdict is None or status in (INSUFFICIENT, SAMPLED) else field.members[verdict.pick].id
    values = {
        "schema": 1,
        "sweep": sweep.manifest["sweep"],
        "created": sweep.manifest["created"],
        "policy_changed": _policy_changed(sweep, named),
        "reference_lost": "" if named == policy else named.reference,
        "state": "proposed",
        "status": status,
        "metric": _metric(mains),
        "policy": {
            **named.__dict__, "order": list(named.order), "limits": dict(named.limits),
            "category_weights": dict(named.category_weights),
        },
        "pick": pick,
        "reference": field.members[verdict.reference].id if verdict else None,
        "candidates": entries,
        "funnel": _funnel(sweep, found, over, verdict),
        "queries_needed": min((n for e in entries if (n := e["queries_to_settle"]) and not refused), default=0),
        "same_pick": stability(field, policy) if pick else [],
        "changes": changes(field, verdict, policy, evalsets) if verdict and pick else [],
        "too_small": _too_small(sweep, field),
        "evalsets": {
            name: {k: about[k] for k in _ABOUT} | {"main": mains.get(name), "share": share}
            for (name, about), share in zip(evalsets.items(), field.weights, strict=True)
        },
        "summary": _plain(summarise(rows(sweep), evalsets)),
    }  # fmt: skip
    texts = {"sentence": sentence(values), "caveats": caveats(values), "not_measured": not_measured(values)}
    return values | texts


_ABOUT = (
    "type", "documents", "queries", "scored_queries", "weight", "guard", "label_source", "languages", "sha256",
    "sample",
)  # fmt: skip


def _plain(summary: Summary | None) -> dict[str, Any]:
    """A summary for JSON; empty where there is none."""
    return summary._asdict() | {"lines": [line._asdict() for line in summary.lines]} if summary else {}


def _policy_changed(sweep: Sweep, policy: Policy) -> str:
    """When the policy was changed after results existed: a date, `now` for this call, empty if it was not.

    To allow samples changes no rule.
    """
    if replace(policy, allow_sample=False) != replace(read_policy(sweep.manifest["policy"]), allow_sample=False):
        return "now"
    return str(sweep.manifest.get("policy_changed", ""))[:10]


def _status(field: Field, verdict: Verdict, policy: Policy) -> str:
    finalists = [field.members[i] for i in np.flatnonzero(verdict.proven)]
    # Candidates whose interval still reaches over the margin are open: nothing is proven of them either way.
    open_ = (
        (verdict.bounds.high > -policy.margin)
        & ~verdict.proven
        & ~verdict.lost
        & (field.costs < field.costs[verdict.reference])
    )
    rivals = finalists + [field.members[i] for i in np.flatnonzero(open_)]
    if judged_gap(rivals) > _JUDGED_GAP:
        return BIASED
    if len(finalists) == 1 and open_.any():
        return INSUFFICIENT
    return DECIDED


def judged_gap(members: Sequence[Candidate]) -> float:
    """Largest difference of judged@10 between candidates on any one eval set."""
    gaps = [0.0]
    for task in {t for c in members for t in c.facts["judged_at_10"]}:
        shares = [c.facts["judged_at_10"][task] for c in members if c.facts["judged_at_10"].get(task) is not None]
        gaps.append(max(shares) - min(shares) if shares else 0.0)
    return max(gaps)


def _entry(c: Candidate, field: Field, verdict: Verdict | None, over: Sequence[Any], policy: Policy) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "id": c.id, "label": c.label, **c.labels, "costs": dict(c.costs), "docs_per_s": c.facts["docs_per_s"],
        "score": _mean(c, field), "scores": {t: float(s.mean()) for t, s in c.scores.items()},
        "judged_at_10": c.facts["judged_at_10"], "condensed": c.facts["condensed"], "warnings": c.facts["warnings"],
        "stages": c.facts["stages"],
        "card": dict(c.card), "breaches": [b.text for b in over], "difference": None, "proven": False,
        "why_not": c.lost, "queries_to_settle": 0,
    }  # fmt: skip
    position = next((i for i, m in enumerate(field.members) if m.id == c.id), None)
    if position is None or verdict is None:
        return entry | {"why_not": c.lost or "; ".join(entry["breaches"])}
    entry |= _compared(field, verdict, position, policy)
    entry["queries_to_settle"] = _to_settle(field, verdict, position, policy)
    return entry | {"why_not": _why_not(entry, field, verdict, position, policy)}


def _mean(c: Candidate, field: Field) -> float | None:
    if c.lost:
        return None
    return float(np.average([s.mean() for s in c.scores.values()], weights=field.weights))


def _compared(field: Field, verdict: Verdict, i: int, policy: Policy) -> dict[str, Any]:
    pairs = [paired(s[i], s[verdict.reference]) for s in field.sets]
    low, high = float(verdict.bounds.low[i]), float(verdict.bounds.high[i])
    spread = _pooled(pairs, field)
    return {
        "difference": float(verdict.difference[i]), "lower": float(verdict.bounds.one_sided[i]),
        "interval": [low, high],
        "wins": sum(p.wins for p in pairs), "ties": sum(p.ties for p in pairs), "losses": sum(p.losses for p in pairs),
        "sd": spread if np.isfinite(spread) else None, "effect": _effect(float(verdict.difference[i]), spread),
        "proven": bool(verdict.proven[i]), "detectable": _detectable(pairs, field.weights),
        "queries_needed": int(np.ceil(queries_needed(spread, policy.margin) * _items_a_value(field))),
        "cost_rank": int(field.costs[i]),
        "verdict": _verdict(low, high, policy.margin),
    }  # fmt: skip


def _too_small(sweep: Sweep, field: Field) -> list[str]:
    """The eval sets with too few items for an interval; none where nothing passes the limits."""
    sets = zip(sweep.manifest["evalsets"], field.sets, strict=False)
    return [name for name, scores in sets if scores.shape[1] < LEAST_QUERIES]


def _items_a_value(field: Field) -> float:
    """Scored items to one value: more than 1 where values are those of groups of items."""
    return sum(field.scored) / float(sum(s.shape[1] for s in field.sets))


def _detectable(pairs: Sequence[Paired], weights: Sequence[float]) -> float:
    """Of the weighted mean over eval sets: the sets are independent, so their variances add."""
    shares = np.asarray(weights) / sum(weights)
    found = float(np.sqrt(sum((share * p.detectable) ** 2 for share, p in zip(shares, pairs, strict=True))))
    return found if np.isfinite(found) else 1.0  # one query detects nothing short of the whole range


def _effect(difference: float, spread: float) -> float | None:
    """Difference in standard deviations; None from a single query, which has none."""
    if not np.isfinite(spread):
        return None
    return difference / spread if spread else 0.0


def _pooled(pairs: Sequence[Paired], field: Field) -> float:
    sizes = [s.shape[1] for s in field.sets]
    return float(np.sqrt(np.average([p.sd**2 for p in pairs], weights=sizes)))


def _verdict(low: float, high: float, margin: float) -> str:
    """better (than the reference), reference better, equivalent within the margin, or inconclusive."""
    if low > -margin and high < margin:
        return "equivalent"
    if low > 0:
        return "better"
    return "reference better" if high < 0 else "inconclusive"


def _why_not(entry: Mapping[str, Any], field: Field, verdict: Verdict, i: int, policy: Policy) -> str:
    if i == verdict.pick:
        return ""
    if not verdict.proven[i]:
        low, margin = entry["lower"], policy.margin
        if low > -margin:
            return f"an eval set marked guard may lose more than {2 * margin:g}"
        return f"could be {-low:.3f} worse than the reference; the margin is {margin:g}"
    return f"proven within the margin, but {_dearer(field, verdict, i, policy)}"


def _dearer(field: Field, verdict: Verdict, i: int, policy: Policy) -> str:
    """What put this candidate behind the pick: the first cost of the order that differs, the score, or the name."""
    own, best = field.members[i].costs, field.members[verdict.pick].costs
    for key in policy.order:
        if own[key] != best[key]:
            return f"its {limit(key)} is not known" if own[key] is None else f"dearer than the pick by {limit(key)}"
    lower = verdict.difference[i] < verdict.difference[verdict.pick]
    return f"costs as much as the pick and scores {'lower' if lower else 'the same; the pick comes first by name'}"


def _funnel(
    sweep: Sweep, found: Sequence[Candidate], over: Mapping[str, Any], verdict: Verdict | None
) -> dict[str, int]:
    return {
        "variants": len(sweep.manifest["variants"]) + len(sweep.manifest["unplanned"]),
        "candidates": len(found),
        "with_result": sum(not c.lost for c in found),
        "unfinished": sum(c.unfinished for c in found),
        "failed": sum(c.lost.startswith("failed") for c in found),
        "inapplicable": sum(c.inapplicable for c in found),
        "within_limits": sum(not c.lost and not over[c.id] for c in found),
        "proven": int(verdict.proven.sum()) if verdict else 0,
    }


def _to_settle(field: Field, verdict: Verdict, i: int, policy: Policy) -> int:
    """Items at which it would be shown that this candidate lies within the margin, or that it does not.

    0 where that is not open, where the candidate is no cheaper than the pick, and where it cannot be said. The interval
    at hand, which holds for all candidates at once, narrows with the root of their number; 80 % power comes on top.
    """
    bounds, gap = verdict.bounds, float(verdict.difference[i]) + policy.margin
    decided = verdict.proven[i] or verdict.lost[i] or bounds.high[i] <= -policy.margin
    guard_alone = bounds.one_sided[i] > -policy.margin
    error = _error([paired(s[i], s[verdict.reference]) for s in field.sets], field)
    if decided or guard_alone or field.costs[i] >= field.costs[verdict.pick] or not gap or not np.isfinite(error):
        return 0
    least = max(1.0, LEAST_QUERIES / min(s.shape[1] for s in field.sets))
    if least > 1 and len(field.sets) > 1:  # the small set needs more, not all of them: see the caveat
        return 0
    width = verdict.difference[i] - bounds.one_sided[i] if gap > 0 else bounds.high[i] - verdict.difference[i]
    wide = _ONE_SIDED * error if least > 1 else float(width)  # of fewer queries no interval is made
    return int(np.ceil(sum(field.scored) * max(least, ((wide + _POWER * error) / gap) ** 2)))


def _error(pairs: Sequence[Paired], field: Field) -> float:
    """Standard error of the weighted mean difference: the sets are independent, so their variances add."""
    shares = np.asarray(field.weights) / sum(field.weights)
    parts = [w * p.sd / np.sqrt(s.shape[1]) for w, p, s in zip(shares, pairs, field.sets, strict=True)]
    return float(np.sqrt(np.sum(np.square(parts))))


def _mains(sweep: Sweep) -> dict[str, str]:
    """The main metric of each eval set with a result; HarnessError where candidates have different ones on one set."""
    mains: dict[str, str] = {}
    for variant in sweep.manifest["variants"]:
        record = sweep.records.get(variant["quality"])
        if record is None or record.status != "ok":
            continue
        main, task = str(record.values["main"]), variant["task"]
        if mains.setdefault(task, main) != main:
            raise HarnessError(f"{task}: scored by {mains[task]} and by {main}, which cannot be compared; run it again")
    return mains


def _metric(mains: Mapping[str, str]) -> str:
    """The metric of all sets, `main_score` where they differ, `none` where nothing was scored."""
    names = set(mains.values())
    return "main_score" if len(names) > 1 else names.pop() if names else "none"
