"""Two candidates over the same items: who wins which, by how much, and what both rank first. Pure in the records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from harness.excerpts import Excerpt
from harness.items import Item, Labels, item_of
from harness.policy import Policy, read_policy, set_weights
from harness.ruling import LEAST_QUERIES
from harness.stats.bootstrap import differences, draw, simultaneous
from harness.stats.effects import paired, verdict_of
from harness.table import Sweep
from harness.types import Doubles, HarnessError, Record
from harness.wording import called, enumerated, set_name

MOST = 20
_TIE = 1e-9
_NOTHING = Excerpt({}, {}, {}, "")


class Outcome(NamedTuple):
    """Counts for the first candidate, its mean difference and what that shows.

    interval: with the policy's confidence, None under 30 items. verdict: better (whichever is), equivalent (within the
    margin), or inconclusive.
    """

    wins: int
    ties: int
    losses: int
    difference: float
    interval: tuple[float, float] | None
    verdict: str


class Versus(NamedTuple):
    """Two candidates on one eval set; `worst` and `best` are the largest losses and wins of the first, at most 20.

    means: of both; differences: float64 [items], first less second, in the order of `ids`. how: `report.query_text`
    of the texts, empty where none were kept; left_out: items whose texts were not kept.
    """

    name: str
    kind: str
    metric: str
    means: tuple[float, float]
    outcome: Outcome
    ids: tuple[str, ...]
    differences: Doubles
    worst: tuple[Item, ...]
    best: tuple[Item, ...]
    how: str
    left_out: int


class Comparison(NamedTuple):
    """Two candidates, as (id, label), on every eval set where both have a result; `absent` are the other sets.

    overall: over all of these sets with their weights; None of one set.
    """

    first: tuple[str, str]
    second: tuple[str, str]
    sets: tuple[Versus, ...]
    overall: Outcome | None
    absent: tuple[str, ...]
    margin: float
    confidence: float


def compare(sweep: Sweep, excerpts: Mapping[str, Excerpt], first_id: str, second_id: str) -> Comparison:
    """The first candidate against the second, by id.

    HarnessError where they are the same, one was never planned, they share no eval set, or were scored on different
    items of one.
    """
    if first_id == second_id:
        raise HarnessError(f"{first_id}: a candidate cannot be compared with itself; name two")
    policy, about = read_policy(sweep.manifest["policy"]), sweep.manifest["evalsets"]
    labels = {one: _label(sweep, one) for one in (first_id, second_id)}
    both = _both(sweep, first_id, second_id)
    if not both:
        raise HarnessError(f"{labels[first_id]} and {labels[second_id]} have no eval set on which both have a result")
    scores = [_scores(pair) for pair in both.values()]
    drawn = draw([own.shape[1] for own in scores], policy.draws, policy.seed)
    shown = {task: set_name(task, about[task]["sample"]) for task in about}
    sets = []
    for (task, pair), own, each in zip(both.items(), scores, drawn, strict=True):
        outcome = _outcome([own], [1.0], [each], policy)
        kept = excerpts.get(task, _NOTHING)
        sets.append(_versus((shown[task], about[task]["type"]), pair, own, outcome, kept))
    shares = set_weights(policy, about)
    overall = _outcome(scores, [shares[task] for task in both], drawn, policy) if len(both) > 1 else None
    absent = tuple(shown[task] for task in about if task not in both)
    first, second = (first_id, labels[first_id]), (second_id, labels[second_id])
    return Comparison(first, second, tuple(sets), overall, absent, policy.margin, policy.confidence)


def _label(sweep: Sweep, candidate: str) -> str:
    """As tables have it: with the dimensions that its vectors have, where a result says it."""
    mine = [v for v in sweep.manifest["variants"] if v["candidate_id"] == candidate]
    if not mine:
        raise HarnessError(_unplanned(sweep, candidate))
    records = [sweep.records.get(v["quality"]) for v in mine]
    wide = [int(r.values["dimensions"]) for r in records if r is not None and "dimensions" in r.values]
    return called(mine[0] | ({"dim": wide[0]} if wide else {}))


def _unplanned(sweep: Sweep, candidate: str) -> str:
    """Why there is nothing to compare of a candidate that could not be planned; its id ends in its label."""
    label = candidate.removeprefix("unplanned ")
    said = [f"{lost['status']}: {lost['reason']}" for lost in sweep.manifest["unplanned"] if called(lost) == label]
    return f"{label}: {said[0] if said else 'the sweep has no such candidate'}; it has no result to compare"


def _both(sweep: Sweep, first_id: str, second_id: str) -> dict[str, tuple[Record, Record]]:
    """The records of both on every eval set where both have a result."""
    found: dict[str, dict[str, Record]] = {task: {} for task in sweep.manifest["evalsets"]}
    for variant in sweep.manifest["variants"]:
        record = sweep.records.get(variant["quality"])
        if record is not None and record.status == "ok":
            found[variant["task"]][variant["candidate_id"]] = record
    return {t: (own[first_id], own[second_id]) for t, own in found.items() if {first_id, second_id} <= own.keys()}


def _scores(pair: tuple[Record, Record]) -> Doubles:
    """float64 [2, items] of the main metric."""
    main = {str(record.values["main"]) for record in pair}
    ids = [_ids(record) for record in pair]
    if len(main) > 1 or ids[0] != ids[1]:
        what = f"by {enumerated(sorted(main))}" if len(main) > 1 else "on different items"
        raise HarnessError(f"{pair[0].labels.get('task', 'an eval set')}: both were scored {what}; run the sweep again")
    both = np.stack([np.asarray(record.arrays[record.values["main"]], dtype=np.float64) for record in pair])
    if np.isnan(both).any():
        raise HarnessError(f"{main.pop()} has no value for some items; name another metric first in metrics")
    return both


def _ids(record: Record) -> tuple[str, ...]:
    numbers = range(1, len(record.arrays[record.values["main"]]) + 1)
    return tuple(str(i) for i in record.arrays.get("query_ids", [f"item {n}" for n in numbers]))


def _outcome(sets: Sequence[Doubles], weights: Sequence[float], drawn: Sequence[Doubles], policy: Policy) -> Outcome:
    counts = [paired(*both) for both in sets]
    wins, ties, losses = (sum(getattr(one, key) for one in counts) for key in ("wins", "ties", "losses"))
    difference = float(np.average([one[0].mean() - one[1].mean() for one in sets], weights=weights))
    interval = None
    if min(both.shape[1] for both in sets) >= LEAST_QUERIES:
        bounds = simultaneous(differences(sets, weights, 1, drawn), policy.confidence)
        interval = (float(bounds.low[0]), float(bounds.high[0]))
    return Outcome(wins, ties, losses, difference, interval, _verdict(interval, policy.margin))


def _verdict(interval: tuple[float, float] | None, margin: float) -> str:
    if interval is None:
        return "inconclusive"
    return verdict_of(*interval, margin).replace("worse", "better")  # of which one, the difference says


def _versus(
    about: tuple[str, str], pair: tuple[Record, Record], both: Doubles, outcome: Outcome, kept: Excerpt
) -> Versus:
    """about: name and type of the eval set."""
    ids, gaps = _ids(pair[0]), both[0] - both[1]
    worst = sorted(np.flatnonzero(gaps < -_TIE).tolist(), key=lambda i: (gaps[i], ids[i]))[:MOST]
    best = sorted(np.flatnonzero(gaps > _TIE).tolist(), key=lambda i: (-gaps[i], ids[i]))[:MOST]
    items = [tuple(item_of(i, both, pair, Labels(about[1], kept, ids[i])) for i in rows) for rows in (worst, best)]
    means = (float(both[0].mean()), float(both[1].mean()))
    main = str(pair[0].values["main"])
    return Versus(*about, main, means, outcome, ids, gaps, items[0], items[1], kept.how, kept.left_out)


def verdict(outcome: Outcome, margin: float, names: tuple[str, str]) -> str:
    """`A is better`, `equivalent within 0.02`, `inconclusive`."""
    if outcome.verdict == "better":
        return f"{names[outcome.difference < 0]} is better"
    return f"equivalent within {margin:g}" if outcome.verdict == "equivalent" else outcome.verdict


def losses(comparison: Comparison) -> int:
    """Items on which the first candidate is behind."""
    return sum(one.outcome.losses for one in comparison.sets)


def worst_of(comparison: Comparison, most: int) -> list[tuple[Versus, Item]]:
    """The first candidate's largest losses over all sets, worst first; see `_ordered`."""
    return _ordered([(one, item) for one in comparison.sets for item in one.worst])[:most]


def best_of(comparison: Comparison, most: int) -> list[tuple[Versus, Item]]:
    """Its largest wins over all sets, best first."""
    return _ordered([(one, item) for one in comparison.sets for item in one.best])[:most]


def _ordered(found: Sequence[tuple[Versus, Item]]) -> list[tuple[Versus, Item]]:
    """By the size of the difference; where values of a set's items differ by more than 1, by its share of the most."""
    reach = {one.name: max(1.0, float(np.abs(one.differences).max())) for one, _ in found}
    return sorted(found, key=lambda pair: (-abs(pair[1].difference) / reach[pair[0].name], pair[0].name, pair[1].id))


def plain(value: Any) -> Any:
    """A comparison, or any part of one, as JSON has it."""
    if hasattr(value, "_asdict"):
        return {key: plain(part) for key, part in value._asdict().items()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    return [plain(part) for part in value] if isinstance(value, tuple) else value
