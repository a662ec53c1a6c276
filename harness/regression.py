"""A new candidate against the one in use, across two sweeps: quality, limits, speed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.acceptance import read_accepted
from harness.candidates import Candidate, candidates, check_comparable, chosen_by
from harness.decide import DECIDED, decide
from harness.limits import Breach, breaches
from harness.noninferiority import Check, PairedSet, checks
from harness.policy import Policy, read_policy
from harness.ratios import Ratios, ratios
from harness.ruling import field_of
from harness.table import Sweep, find_sweep
from harness.types import Doubles, HarnessError, Record
from harness.wording import enumerated

PASSES, REGRESSION, UNSHOWN = "passes", "regression", "not shown"


class Side(NamedTuple):
    """One candidate of one sweep."""

    sweep: Sweep
    candidate: Candidate

    @property
    def name(self) -> str:
        """What the sweep's folder is called."""
        return self.sweep.folder.name

    def record(self, task: str) -> Record:
        """Its result on an eval set; HarnessError where it has none."""
        for variant in self.sweep.manifest["variants"]:
            if (variant["candidate_id"], variant["task"]) == (self.candidate.id, task):
                found = self.sweep.records.get(variant["quality"])
                if found is not None and found.status == "ok":
                    return found
        raise HarnessError(
            f"gate: {self.candidate.label} of {self.name} has no result on {task}: {self.candidate.lost}"
        )


class Gate(NamedTuple):
    """The verdict and what it rests on.

    outcome: passes, regression (a check shows it, or a limit is broken), or not shown either way. breaches: limits that
    the new candidate does not meet, or is not known to meet. apart: what of the two was not compared. sampled: eval
    sets that are samples, where the policy allows none.
    """

    baseline: Side
    candidate: Side
    policy: Policy
    evalsets: tuple[str, ...]
    checks: tuple[Check, ...]
    breaches: tuple[Breach, ...]
    speeds: Ratios
    apart: tuple[str, ...]
    sampled: tuple[str, ...]

    @property
    def outcome(self) -> str:
        """One of three words."""
        if any(c.lost for c in self.checks) or any(b.state == "over" for b in self.breaches):
            return UNSHOWN if self.sampled else REGRESSION
        return UNSHOWN if self.breaches or self.sampled or not all(c.shown for c in self.checks) else PASSES

    @property
    def needed(self) -> int:
        """Items in all at which the last open check would be settled; 0 where none is open, or it cannot be said."""
        found = [c.needed for c in self.checks if not c.shown and not c.lost]
        return max(found) if found and all(found) else 0


def gate(baseline: Side, candidate: Side, policy: Policy) -> Gate:
    """Quality over the eval sets that both sweeps have with the same content, limits and speed; pure in the records."""
    tasks, apart = _common(baseline, candidate)
    values = {task: _values(baseline, candidate, task, there) for task, there in tasks.items()}
    apart += [
        f"{most - len(v.after)} items of {task}, in one alone"
        for task, v in values.items()
        if (most := max(v.of)) > len(v.after)
    ]
    about = candidate.sweep.manifest["evalsets"]
    sampled = () if policy.allow_sample else tuple(task for task in tasks if about[task]["sample"])
    return Gate(
        baseline,
        candidate,
        policy,
        tuple(tasks),
        checks(_paired(baseline, candidate, values, policy), policy),
        tuple(breaches(candidate.candidate, policy)),
        ratios((baseline.sweep, baseline.candidate.id), (candidate.sweep, candidate.candidate.id), tasks),
        tuple(apart),
        sampled,
    )


def parted(name: str, results: Path) -> tuple[Path, str]:
    """Folder and candidate, empty where none is named, of SWEEP or SWEEP:CANDIDATE.

    Either may hold colons: the longest name of a sweep that exists counts. HarnessError where there is none.
    """
    cuts = [len(name), *(at for at in reversed(range(1, len(name))) if name[at] == ":")]
    for at in cuts:
        for folder in (Path(name[:at]), results / name[:at]):
            if name and (folder / "sweep.json").exists():
                return folder, name[at + 1 :]
    if not name.strip():
        raise HarnessError("gate: a side is empty; name a sweep, or SWEEP:CANDIDATE")
    return find_sweep(name.partition(":")[0] or name, results), name.partition(":")[2]


def side(sweep: Sweep, name: str, policy: Policy) -> Side:
    """The candidate that is named, or the one that a person accepted, that is the only one, or that the rule picks.

    HarnessError where none, or several, are meant.
    """
    found = candidates(sweep, policy)
    if name:
        return Side(sweep, chosen_by(found, name, sweep.folder.name))
    chosen = _chosen(sweep, found)
    if chosen is None:
        labels = "; ".join(c.label for c in found[:5]) + (f"; and {len(found) - 5} more" if len(found) > 5 else "")
        raise HarnessError(
            f"gate: nothing is accepted or decided in {sweep.folder.name}, so say which candidate is meant: "
            f"{sweep.folder.name}:CANDIDATE, one of: {labels}"
        )
    return Side(sweep, chosen)


def _chosen(sweep: Sweep, found: Sequence[Candidate]) -> Candidate | None:
    by_id = {c.id: c for c in found}
    if accepted := read_accepted(sweep.folder):
        last = accepted[-1]
        if last.pick not in by_id:
            raise HarnessError(
                f"gate: the accepted pick of {sweep.folder.name}, {last.label}, is no longer in the sweep; name one: "
                f"{sweep.folder.name}:CANDIDATE"
            )
        return by_id[last.pick]
    if len(found) == 1:
        return found[0]
    decision = decide(sweep, read_policy(sweep.manifest["policy"]))
    return by_id[decision["pick"]] if decision["status"] == DECIDED else None


def _common(baseline: Side, candidate: Side) -> tuple[dict[str, str], list[str]]:
    """Eval set of the new sweep -> the one of the baseline with the same content; and what only one side has.

    HarnessError where none is common.
    """
    old, new = baseline.sweep.manifest["evalsets"], candidate.sweep.manifest["evalsets"]
    same = {task: _twin(task, about, old) for task, about in new.items()}
    tasks = {task: twin for task, twin in same.items() if twin is not None}
    changed = [task for task in new if task not in tasks and task in old]
    apart = [f"{task} has other content in the two" for task in changed]
    apart += [f"{task} is in {candidate.name} alone" for task in new if task not in {*tasks, *changed}]
    apart += [f"{task} is in {baseline.name} alone" for task in old if task not in {*tasks.values(), *changed}]
    if not tasks:
        raise HarnessError(
            f"gate: {baseline.name} and {candidate.name} have no eval set with the same content: {enumerated(apart)}. "
            f"{_judged_too(baseline, candidate) or _judged_too(candidate, baseline) or _AGAIN}"
        )
    return tasks, apart


_AGAIN = "Run one of them again on the other's eval sets"


def _judged_too(plain: Side, judged: Side) -> str:
    """What to run where one side has the copy of the other's eval set that `harness labels` wrote."""
    copies = {f"{task}-judged" for task in plain.sweep.manifest["evalsets"]}
    found = next((task for task in judged.sweep.manifest["evalsets"] if task in copies), None)
    if found is None:
        return ""
    return (
        f"{found} is {found.removesuffix('-judged')} with more labels: run {plain.name} on it too (harness run ... "
        f"task={found}, as that sweep was run; its vectors are remembered)"
    )


def _twin(task: str, about: Mapping[str, Any], others: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The eval set of the same content and type, by preference of the same name."""
    fits = [t for t, o in others.items() if all(o[k] == about[k] for k in ("sha256", "type", "sample"))]
    return task if task in fits else next(iter(fits), None)


class _Values(NamedTuple):
    """float64 [items] of both on the items that both have, in the new one's order; of: how many each has."""

    before: Doubles
    after: Doubles
    of: tuple[int, int]


def _paired(baseline: Side, candidate: Side, values: Mapping[str, _Values], policy: Policy) -> list[PairedSet]:
    """The sets with the scores of both, weighted as the policy weighs them."""
    about = candidate.sweep.manifest["evalsets"]
    members = [
        replace(baseline.candidate, scores={task: both.before for task, both in values.items()}),
        replace(candidate.candidate, scores={task: both.after for task, both in values.items()}),
    ]
    check_comparable(members)
    scored = {t: round(about[t]["scored_queries"] * len(both.after) / max(both.of)) for t, both in values.items()}
    sets = {task: about[task] | {"scored_queries": scored[task]} for task in values}
    field = field_of(members, candidate.sweep._replace(manifest=candidate.sweep.manifest | {"evalsets": sets}), policy)
    return [
        PairedSet(task, scores[0], scores[1], *rest)
        for task, scores, *rest in zip(
            values, field.sets, field.weights, field.guarded, field.spans, field.scored, strict=True
        )
    ]


def _values(baseline: Side, candidate: Side, task: str, there: str) -> _Values:
    old, new = baseline.record(there), candidate.record(task)
    if old.values["main"] != new.values["main"]:
        raise HarnessError(
            f"gate: {task} was scored by {old.values['main']} in {baseline.name} and by {new.values['main']} in "
            f"{candidate.name}; run one again with the other's metrics"
        )
    before, after = _items(old, baseline), _items(new, candidate)
    places = {item: at for at, item in enumerate(before)}
    pairs = [(places[item], at) for at, item in enumerate(after) if item in places]
    if not pairs:
        raise HarnessError(f"gate: on {task} the two were scored on different items; run one of them again")
    at_old, at_new = np.asarray(pairs).T
    was, now = (np.asarray(r.arrays[new.values["main"]], dtype=np.float64) for r in (old, new))
    return _Values(was[at_old], now[at_new], (len(before), len(after)))


def _items(record: Record, side: Side) -> list[str]:
    if "query_ids" not in record.arrays:
        raise HarnessError(f"gate: records of {side.name} do not name their items; run that sweep again")
    return [str(item) for item in record.arrays["query_ids"].tolist()]
