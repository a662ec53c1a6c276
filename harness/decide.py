"""The outcome of a policy over records: limits, reference, proof of closeness, guard, cheapest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from harness.candidates import Candidate, breaches, candidates, check_comparable
from harness.policy import Policy
from harness.stats import Bounds, Paired, minus, paired, queries_needed, resample, simultaneous
from harness.table import Sweep
from harness.types import Doubles, HarnessError

DECIDED, INSUFFICIENT, NOTHING, BIASED = (
    "decided", "insufficient evidence", "nothing meets the limits", "labels favour one engine",
)  # fmt: skip
_JUDGED_GAP = 0.10
_RESAMPLES = 200
_INNER_DRAWS = 300


class Verdict(NamedTuple):
    """The rule's result over candidates that pass: positions of reference and pick, bounds, who is proven close."""

    reference: int
    pick: int | None
    bounds: Bounds
    difference: Doubles
    proven: np.ndarray


class Field(NamedTuple):
    """The candidates that meet every limit and have a result on every set, with their scores set by set.

    sets: for each eval set float64 [candidates, queries]; costs: rank of each by the policy's order, 0 is cheapest.
    """

    members: tuple[Candidate, ...]
    sets: tuple[Doubles, ...]
    weights: tuple[float, ...]
    guarded: tuple[bool, ...]
    costs: np.ndarray


def decide(sweep: Sweep, policy: Policy) -> dict[str, Any]:
    """The decision as plain values, the source of decision.json, decision.md and the page; same records, same values."""
    found = candidates(sweep)
    check_comparable([c for c in found if not c.lost])
    over = {c.id: breaches(c, policy) for c in found}
    entrants = [c for c in found if not c.lost and not over[c.id]]
    field = field_of(entrants, sweep, policy)
    verdict = rule(field, policy, policy.draws, policy.seed) if entrants else None
    status = _status(field, verdict, policy) if verdict else NOTHING
    entries = [_entry(c, field, verdict, over[c.id], policy) for c in found]
    entries.sort(key=lambda e: (e["difference"] is None, -(e["score"] if e["score"] is not None else -1), e["label"]))
    pick = None if verdict is None or status == INSUFFICIENT or verdict.pick is None else field.members[verdict.pick].id
    return {
        "schema": 1,
        "sweep": sweep.manifest["sweep"],
        "created": sweep.manifest["created"],
        "state": "proposed",
        "status": status,
        "metric": _main(sweep),
        "policy": {**policy.__dict__, "order": list(policy.order), "limits": dict(policy.limits)},
        "pick": pick,
        "reference": field.members[verdict.reference].id if verdict else None,
        "candidates": entries,
        "funnel": _funnel(sweep, found, over, verdict),
        "queries_needed": _needed(field, verdict, policy),
        "same_pick": _stability(field, verdict, policy) if pick else [],
        "evalsets": {k: {n: v[n] for n in _ABOUT} for k, v in sweep.manifest["evalsets"].items()},
    }


_ABOUT = ("documents", "queries", "scored_queries", "weight", "guard", "label_source", "languages", "sha256")


def field_of(members: Sequence[Candidate], sweep: Sweep, policy: Policy) -> Field:
    """The entrants as arrays; cost ranks follow the policy's order, then quality, then the label."""
    about = sweep.manifest["evalsets"]
    sets = tuple(np.stack([c.scores[t] for c in members]) for t in about) if members else ()
    weights = tuple(float(about[t]["weight"]) for t in about)
    means = sum(w * s.mean(axis=1) for w, s in zip(weights, sets, strict=True)) if members else np.zeros(0)

    def cost(i: int) -> tuple[Any, ...]:
        known = [members[i].costs[k] for k in policy.order]
        return (*(float("inf") if v is None else v for v in known), -means[i], members[i].label)

    order = sorted(range(len(members)), key=cost)
    ranks = np.empty(len(members), dtype=int)
    ranks[order] = np.arange(len(members))
    return Field(tuple(members), sets, weights, tuple(bool(about[t]["guard"]) for t in about), ranks)


def rule(field: Field, policy: Policy, draws: int, seed: int) -> Verdict:
    """Reference, simultaneous lower bounds, guard, cheapest: steps 2 to 5 of the decision rule."""
    resampled = resample(field.sets, field.weights, draws, seed)
    reference = _reference(field, policy, resampled.observed)
    difference = minus(resampled, reference)
    bounds = simultaneous(difference, policy.confidence)
    proven = bounds.one_sided > -policy.margin
    for scores, guarded in zip(field.sets, field.guarded, strict=True):
        if guarded:
            alone = simultaneous(minus(resample([scores], [1.0], draws, seed), reference), policy.confidence)
            proven &= alone.one_sided >= -2 * policy.margin
    proven[reference] = True
    pick = min(np.flatnonzero(proven), key=lambda i: field.costs[i])
    return Verdict(reference, int(pick), bounds, difference.observed, proven)


def _reference(field: Field, policy: Policy, observed: Doubles) -> int:
    if policy.reference == "best":
        top = np.flatnonzero(observed >= observed.max() - 1e-12)
        return int(min(top, key=lambda i: field.costs[i]))
    wanted = [w.strip() for w in policy.reference.replace("·", "/").split("/")]
    fits = [i for i, c in enumerate(field.members) if c.id == wanted[0] or _is(c, wanted)]
    if len(fits) != 1:
        labels = "; ".join(c.label for c in field.members)
        raise HarnessError(f"policy.reference={policy.reference!r} fits {len(fits)} passing candidates, expected one of: {labels}")
    return fits[0]


def _is(candidate: Candidate, wanted: Sequence[str]) -> bool:
    parts = [p.strip() for p in candidate.label.split(" · ")]
    return parts[: len(wanted)] == list(wanted)


def _status(field: Field, verdict: Verdict, policy: Policy) -> str:
    finalists = [field.members[i] for i in np.flatnonzero(verdict.proven)]
    # Candidates whose interval still reaches over the margin are open: nothing is proven of them either way.
    open_ = (verdict.bounds.high > -policy.margin) & ~verdict.proven & (field.costs < field.costs[verdict.reference])
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


def _entry(
    c: Candidate, field: Field, verdict: Verdict | None, over: Sequence[Any], policy: Policy
) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "id": c.id, "label": c.label, **c.labels, "costs": dict(c.costs), "docs_per_s": c.facts["docs_per_s"],
        "score": _mean(c, field), "scores": {t: float(s.mean()) for t, s in c.scores.items()},
        "judged_at_10": c.facts["judged_at_10"], "condensed": c.facts["condensed"], "warnings": c.facts["warnings"],
        "card": dict(c.card), "breaches": [b.text for b in over], "difference": None, "proven": False, "why_not": c.lost,
    }  # fmt: skip
    position = next((i for i, m in enumerate(field.members) if m.id == c.id), None)
    if position is None or verdict is None:
        return entry | {"why_not": c.lost or "; ".join(entry["breaches"])}
    entry |= _compared(field, verdict, position, policy)
    return entry | {"why_not": _why_not(entry, field, verdict, position, policy)}


def _mean(c: Candidate, field: Field) -> float | None:
    if c.lost:
        return None
    weights = field.weights or (1.0,) * len(c.scores)
    return float(np.average([s.mean() for s in c.scores.values()], weights=weights))


def _compared(field: Field, verdict: Verdict, i: int, policy: Policy) -> dict[str, Any]:
    pairs = [paired(s[i], s[verdict.reference]) for s in field.sets]
    low, high = float(verdict.bounds.low[i]), float(verdict.bounds.high[i])
    spread = _pooled(pairs, field)
    return {
        "difference": float(verdict.difference[i]), "lower": float(verdict.bounds.one_sided[i]), "interval": [low, high],
        "wins": sum(p.wins for p in pairs), "ties": sum(p.ties for p in pairs), "losses": sum(p.losses for p in pairs),
        "sd": spread, "effect": float(verdict.difference[i]) / spread if spread else 0.0, "proven": bool(verdict.proven[i]),
        "detectable": float(np.sqrt(sum((w / sum(field.weights) * p.detectable) ** 2 for w, p in zip(field.weights, pairs, strict=True)))),
        "queries_needed": queries_needed(spread, policy.margin), "cost_rank": int(field.costs[i]),
        "verdict": _verdict(low, high, policy.margin),
    }  # fmt: skip


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
    return f"proven within the margin, but dearer than the pick by {policy.order[0].replace('_', ' ')} or what follows it"


def _funnel(sweep: Sweep, found: Sequence[Candidate], over: Mapping[str, Any], verdict: Verdict | None) -> dict[str, int]:
    return {
        "variants": len(sweep.manifest["variants"]) + len(sweep.manifest["unplanned"]),
        "candidates": len(found),
        "with_result": sum(not c.lost for c in found),
        "within_limits": sum(not c.lost and not over[c.id] for c in found),
        "proven": int(verdict.proven.sum()) if verdict else 0,
    }


def _needed(field: Field, verdict: Verdict | None, policy: Policy) -> int:
    """Queries at which the narrowest open question would be settled; 0 where nothing is open."""
    if verdict is None:
        return 0
    open_ = [i for i in range(len(field.members)) if not verdict.proven[i] and verdict.bounds.high[i] > -policy.margin]
    spreads = [_pooled([paired(s[i], s[verdict.reference]) for s in field.sets], field) for i in open_]
    return min((queries_needed(s, policy.margin) for s in spreads), default=0)


def _stability(field: Field, verdict: Verdict, policy: Policy) -> list[dict[str, Any]]:
    """Share of query resamples in which the whole rule picks each candidate, most frequent first."""
    generator = np.random.default_rng(policy.seed + 1)
    counts = np.zeros(len(field.members), dtype=int)
    for number in range(_RESAMPLES):
        drawn = tuple(s[:, generator.integers(0, s.shape[1], s.shape[1])] for s in field.sets)
        again = rule(field._replace(sets=drawn), policy, _INNER_DRAWS, policy.seed + number)
        counts[again.pick] += 1
    order = [i for i in np.argsort(-counts, kind="stable") if counts[i]]
    return [{"id": field.members[i].id, "label": field.members[i].label, "share": counts[i] / _RESAMPLES} for i in order]


def _main(sweep: Sweep) -> str:
    names = {str(r.values["main"]) for r in sweep.records.values() if r.kind == "quality" and r.status == "ok"}
    if len(names) > 1:
        raise HarnessError(f"eval sets with different main metrics ({', '.join(sorted(names))}) cannot be averaged")
    return names.pop() if names else "none"
