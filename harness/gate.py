"""`harness gate`: is a new model as good and as fast as the one in use? One paragraph for continuous integration."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.markdown import plain, shortened
from harness.noninferiority import Check
from harness.overrides import asked_policy
from harness.policy import check_sets, read_policy
from harness.ratios import Ratio
from harness.regression import PASSES, REGRESSION, UNSHOWN, Gate, Side, gate, parted, side
from harness.store import write_atomically
from harness.table import read_sweep
from harness.wording import counted, enumerated, item, limit, metric, number, plural, score, signed, whole

_CODES = {PASSES: 0, REGRESSION: 3, UNSHOWN: 4}
_ALONE = "The bounds are for these two alone; a sweep's decision holds for all its candidates at once, with wider ones."
_HEADS = {PASSES: "Passes.", REGRESSION: "Regression.", UNSHOWN: "Not shown either way."}


def gate_answer(
    names: tuple[str, str], results: Path, overrides: Sequence[str], out: Path | None, as_json: bool
) -> tuple[str, int]:
    """The verdict on BASELINE and CANDIDATE, as Markdown or JSON, and the exit code: 0 passes, 3 regression, 4 neither.

    names: SWEEP or SWEEP:CANDIDATE each. The policy is that of the candidate's sweep, with the overrides. out: a file
    for the Markdown.
    """
    (before, old_name), (after, new_name) = (parted(name, results) for name in names)
    old, new = read_sweep(before), read_sweep(after)
    policy = read_policy(asked_policy(overrides, new.manifest["policy"], "gate"))
    check_sets(policy, new.manifest["evalsets"])
    found = gate(side(old, old_name, policy), side(new, new_name, policy), policy)
    text = verdict_text(found)
    if out is not None:
        write_atomically(out, f"{text}\n".encode("utf-8", "replace"))
    return (json.dumps(verdict_values(found), indent=1) if as_json else text), _CODES[found.outcome]


def verdict_text(found: Gate) -> str:
    """One paragraph: the verdict, who was compared on what, the difference and its bound, limits, speed, the rest."""
    sentences = [
        f"**{_HEADS[found.outcome]}**",
        *(_quality(found, check) for check in found.checks),
        _ALONE,
        _sampled(found),
        _limits(found),
        _speeds(found),
        _apart(found),
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def verdict_values(found: Gate) -> dict[str, Any]:
    """All of it for a program."""
    return {
        "schema": 1,
        "verdict": found.outcome,
        "code": _CODES[found.outcome],
        "baseline": _named(found.baseline),
        "candidate": _named(found.candidate),
        "policy": {"name": found.policy.name, "margin": found.policy.margin, "confidence": found.policy.confidence},
        "metric": _metric(found),
        "evalsets": list(found.evalsets),
        "checks": [check._asdict() for check in found.checks],
        "limits_not_met": [breach._asdict() for breach in found.breaches],
        "speeds": [ratio._asdict() | {"times": ratio.times} for ratio in found.speeds.found],
        "speeds_not_compared": found.speeds.why_not,
        "not_compared": list(found.apart),
        "samples": list(found.sampled),
        "queries_needed": found.needed,
        "text": verdict_text(found),
    }


def _named(side: Side) -> dict[str, str]:
    return {"sweep": side.name, "id": side.candidate.id, "label": side.candidate.label}


def _metric(found: Gate) -> str:
    """The metric of all eval sets, `main_score` where they differ."""
    names = {str(found.candidate.record(task).values["main"]) for task in found.evalsets}
    return names.pop() if len(names) == 1 else "main_score"


def _quality(found: Gate, check: Check) -> str:
    where = f"On the guarded {plain(check.where)} alone" if check.where else _between(found, check)
    sure = f"{100 * found.policy.confidence:.4g} %"
    bound = (
        f"difference {signed(check.difference, 4)}, at worst {signed(check.lower, 4)} ({sure}, one-sided), "
        f"interval {signed(check.interval[0], 4)} to {signed(check.interval[1], 4)}"
    )
    scores = f"{metric(_metric(found))} {score(check.after)} (baseline {score(check.before)})"
    return f"{where}: {scores}, {bound}; {_said(found, check)}."


def _between(found: Gate, check: Check) -> str:
    old, new = (
        f"{plain(shortened(one.candidate.label, [one.candidate.label]))} ({plain(one.name)})"
        for one in (found.baseline, found.candidate)
    )
    sets = enumerated([plain(name) for name in found.evalsets])
    return f"{new} against {old} on {sets}, {counted(check.items, _item(found))}"


def _item(found: Gate) -> str:
    about = found.candidate.sweep.manifest["evalsets"]
    return item({name: about[name] for name in found.evalsets})


def _said(found: Gate, check: Check) -> str:
    items = plural(_item(found))
    if check.shown:
        return f"shown to lose less than {check.margin:g}"
    if check.lost:
        return f"shown to lose more than {check.margin:g}"
    settled = f"from so few {items} it cannot be said how many would settle it"
    if check.needed:
        settled = f"about {whole(check.needed)} {items} would settle it"
    elif check.at_margin:
        settled = f"the difference lies at the margin itself, which no number of {items} would settle"
    return f"whether it loses more than {check.margin:g} is open; {settled}"


def _sampled(found: Gate) -> str:
    if not found.sampled:
        return ""
    names = enumerated([plain(name) for name in found.sampled])
    return f"A sample is a smoke test and shows nothing ({names}); policy.allow\\_sample=true takes it all the same."


def _limits(found: Gate) -> str:
    if found.breaches:
        return f"Not within the limits: {'; '.join(plain(breach.text) for breach in found.breaches)}."
    costs = found.candidate.candidate.costs
    kept = [
        plain(limit(key, value)) + (f" (it has {number(costs[key])})" if costs.get(key) is not None else "")
        for key, value in found.policy.limits.items()
        if value is not None
    ]
    return f"It meets every limit: {'; '.join(kept)}." if kept else "No limit was set."


def _speeds(found: Gate) -> str:
    if not found.speeds.found:
        return f"Speed was not compared: {plain(found.speeds.why_not)}."
    return f"On the same machine {enumerated([_ratio(one) for one in found.speeds.found])}."


def _ratio(ratio: Ratio) -> str:
    unit = " ms" if "p95" in ratio.what else " documents/s"
    both = f"{number(ratio.after)}{unit}, baseline {number(ratio.before)}{unit}"
    if ratio.apart_before is not None and ratio.apart_after is not None:
        both += f"; rounds lie {number(ratio.apart_after)} and {number(ratio.apart_before)}{unit} apart"
    return f"{ratio.what} is {ratio.times:.3g} times the baseline's ({both})"


def _apart(found: Gate) -> str:
    return f"Not compared: {'; '.join(plain(one) for one in found.apart)}." if found.apart else ""
