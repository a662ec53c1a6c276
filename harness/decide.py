"""The outcome of a policy over records: limits, reference, proof of closeness, guard, cheapest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, NamedTuple

from harness.candidates import Candidate, candidates, check_comparable
from harness.caveats import caveats
from harness.confirmation import held_out
from harness.doubts import doubts
from harness.entries import entry_of, outcome_of
from harness.evidence import BIASED, DECIDED, INCOMPLETE, INSUFFICIENT, NOTHING, SAMPLED, Evidence, Holes
from harness.flips import Case, changes
from harness.limits import Breach, breaches, unmeasured
from harness.machines import machines
from harness.narrative import not_measured, sentence
from harness.policy import Policy, check_sets, read_policy
from harness.ruling import LEAST_QUERIES, Field, Verdict, allowing, drawn_for, field_of, ruled, usable, worst
from harness.sensitivity import other_sets, stability, weights_drawn
from harness.summary import Summary, summarise
from harness.table import Sweep, rows
from harness.types import HarnessError
from harness.wording import called

__all__ = ["BIASED", "DECIDED", "INCOMPLETE", "INSUFFICIENT", "NOTHING", "SAMPLED", "decide"]

SCHEMA = 2
_REFUSED = (INSUFFICIENT, SAMPLED, BIASED)


class _Ruling(NamedTuple):
    """The rule's result over the candidates at hand: `field` meets the limits, `case` is None where none does."""

    found: Sequence[Candidate]
    over: Mapping[str, Sequence[Breach]]
    field: Field
    case: Case | None
    named: Policy
    policy: Policy
    status: str
    holes: Holes

    @property
    def verdict(self) -> Verdict | None:
        return self.case.verdict if self.case else None


def decide(sweep: Sweep, policy: Policy) -> dict[str, Any]:
    """The decision as plain values, the source of decision.json, decision.md and the page; pure in the records.

    It rests on all items; `held_out` says what the rule on 70 % of them would have picked, and how that fared.
    """
    table, evalsets, mains = rows(sweep), sweep.manifest["evalsets"], _mains(sweep)
    check_sets(policy, evalsets)
    ruling = _ruling(sweep, policy, candidates(sweep, policy, table))
    found, field, verdict, status = ruling.found, ruling.field, ruling.verdict, ruling.status
    outcome = outcome_of(field, verdict, ruling.policy)
    entries = [entry_of(c, outcome, ruling.over[c.id]) for c in found]
    if status == SAMPLED:
        entries = [e | {"why_not": "nothing is picked from a smoke test"} if e["proven"] else e for e in entries]
    entries.sort(key=lambda e: (e["difference"] is None, -(e["score"] if e["score"] is not None else -1), e["label"]))
    pick = None if verdict is None or status in _REFUSED else field.members[verdict.pick].id
    values = {
        "schema": SCHEMA,
        "sweep": sweep.manifest["sweep"],
        "created": sweep.manifest["created"],
        "policy_changed": _policy_changed(sweep, policy),
        "reference_lost": "" if policy == ruling.policy else policy.reference,
        "state": "proposed",
        "status": status,
        "metric": _metric(mains),
        "policy": asdict(policy) | {"order": list(policy.order)},
        "pick": pick,
        "reference": field.members[verdict.reference].id if verdict else None,
        "candidates": entries,
        "funnel": _funnel(sweep, ruling),
        "shortfall": _shortfall(ruling) if pick else {},
        "queries_needed": _needed(entries) if status != SAMPLED else 0,
        **(_sensitivity(ruling) if pick else _UNVARIED),
        "holes": ruling.holes,
        "borderline": _borderline(ruling),
        "machines": machines(sweep),
        "too_small": _too_small(sweep, field),
        "evalsets": {
            name: {k: about[k] for k in _ABOUT} | {"main": mains.get(name), "share": share}
            for (name, about), share in zip(evalsets.items(), field.weights, strict=True)
        },
        "summary": _plain(summarise(table, evalsets)),
    }  # fmt: skip
    finalists = [c for c in found if c.id in (values["pick"], values["reference"])]
    lacking = unmeasured([ruling.over[c.id] for c in found if not c.lost]) if len(values["machines"]) < 2 else []
    told = [*lacking, *caveats(values, doubts(sweep, finalists))]
    return values | {"sentence": sentence(values), "caveats": told, "not_measured": not_measured(values)}


_ABOUT = (
    "type", "documents", "queries", "scored_queries", "weight", "guard", "label_source", "languages", "sha256",
    "sample",
)  # fmt: skip
_UNVARIED: dict[str, Any] = {"same_pick": [], "weights_drawn": [], "other_sets": [], "changes": [], "held_out": {}}


def _ruling(sweep: Sweep, policy: Policy, found: Sequence[Candidate]) -> _Ruling:
    """Limits, then the rule; every candidate with a result is drawn, so that limits can be eased later."""
    evalsets = sweep.manifest["evalsets"]
    whole = [c for c in found if not c.lost]
    check_comparable(whole)
    over = {c.id: breaches(c, policy) for c in found}
    everyone = field_of(whole, sweep, policy)
    kept = [i for i, c in enumerate(whole) if not over[c.id]]
    field = everyone.only(kept)
    used = usable(field, policy, found)
    sampled = not policy.allow_sample and any(about["sample"] for about in evalsets.values())
    if not kept:
        return _Ruling(found, over, field, None, policy, used, SAMPLED if sampled else NOTHING, {})
    draws = drawn_for(everyone, used.draws, used.seed)
    verdict = allowing(draws, kept, ruled(draws, kept, used), used)
    evidence = Evidence(draws, evalsets)
    status, holes = evidence.status(kept, verdict, used)
    if status == DECIDED and any(c.unfinished for c in found):
        status = INCOMPLETE
    case = Case(evidence, kept, verdict, used, over)
    return _Ruling(found, over, field, case, policy, used, SAMPLED if sampled else status, {} if sampled else holes)


def _sensitivity(ruling: _Ruling) -> dict[str, Any]:
    """Everything that says how firm the pick is."""
    field, policy, case = ruling.field, ruling.policy, ruling.case
    assert case is not None
    rough = Evidence(case.draws.rough(field), case.evidence.evalsets)
    return {
        "same_pick": stability(rough, policy),
        "weights_drawn": weights_drawn(rough, policy),
        "other_sets": other_sets(rough, policy),
        "changes": changes(case),
        "held_out": held_out(field, case.verdict, policy),
    }


def _shortfall(ruling: _Ruling) -> dict[str, Any]:
    """How much better than the pick the truly best of those within the limits may be, at most, and which that is.

    Empty where too few items or a single candidate leave nothing to say; 0 without a label where none may be better.
    """
    case, field = ruling.case, ruling.field
    assert case is not None
    if not field.enough or len(field.members) == 1:
        return {}
    found, pick = worst(case.draws, case.kept, ruling.policy), case.verdict.pick
    short = max(0.0, -float(found.lower[pick]))
    return {"value": short, "label": field.members[found.rival[pick]].label if short else None}


def _borderline(ruling: _Ruling) -> list[dict[str, Any]]:
    """Candidates with a measured limit between their value and its upper bound, in the order of the sweep."""
    near = [(c, [b.text for b in ruling.over[c.id] if b.state == "borderline"]) for c in ruling.found if not c.lost]
    return [{"id": c.id, "label": c.label, "text": "; ".join(texts)} for c, texts in near if texts]


def _needed(entries: Sequence[Mapping[str, Any]]) -> int:
    return min((n for e in entries if (n := e["queries_to_settle"])), default=0)


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


def _too_small(sweep: Sweep, field: Field) -> list[str]:
    """The eval sets with too few items for an interval; none where nothing passes the limits."""
    sets = zip(sweep.manifest["evalsets"], field.sets if field.members else (), strict=False)
    return [name for name, scores in sets if scores.shape[1] < LEAST_QUERIES]


def _funnel(sweep: Sweep, ruling: _Ruling) -> dict[str, int]:
    found, verdict = ruling.found, ruling.verdict
    return {
        "variants": len({(v["candidate_id"], v["batch_size"], v["device"]) for v in sweep.manifest["variants"]})
        + len({(called(lost), lost.get("batch_size")) for lost in sweep.manifest["unplanned"]}),
        "candidates": len(found),
        "with_result": sum(not c.lost for c in found),
        "unfinished": sum(c.unfinished for c in found),
        "failed": sum(c.lost.startswith("failed") for c in found),
        "inapplicable": sum(c.inapplicable for c in found),
        "within_limits": len(ruling.field.members),
        "proven": int(verdict.proven.sum()) if verdict else 0,
    }


def _mains(sweep: Sweep) -> dict[str, str]:
    """The main metric of each eval set with a result; HarnessError where candidates have different ones on one set."""
    mains: dict[str, str] = {}
    for variant in sweep.manifest["variants"]:
        record = sweep.records.get(variant["quality"])
        if record is None or record.status != "ok":
            continue
        main, task = str(record.values.get("main")), variant["task"]
        if mains.setdefault(task, main) != main:
            raise HarnessError(f"{task}: scored by {mains[task]} and by {main}, which cannot be compared; run it again")
    return mains


def _metric(mains: Mapping[str, str]) -> str:
    """The metric of all sets, `main_score` where they differ, `none` where nothing was scored."""
    names = set(mains.values())
    return "main_score" if len(names) > 1 else names.pop() if names else "none"
