"""How well a threshold on the similarity tells pairs that are alike from pairs that are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.adapter import SPLIT, Outcome, SpaceModel, evaluated, evaluation, task_of
from harness.influence import jackknifed
from harness.spaces import Space
from harness.types import Doubles, EvalSet, Evaluation, HarnessError, Ints

_SAME = 1e-6  # of the largest similarity: float32 rounds those of equal texts by less
_TOLD = 0.001  # of max_ap: what rounding may decide is said from here on


@dataclass(frozen=True)
class PairClassification:
    """mteb's PairClassificationEvaluator, whose main score is the best of five similarities'.

    Cosine, dot product, Euclidean, Manhattan and the candidate's own: `max_ap` is the highest average precision, and a
    pair's value its jackknife pseudo-value, the maximum taken anew without each pair; `max_accuracy` is that of the
    best threshold, and a pair's value whether it lies on its side of that. Pairs whose similarities differ by no more
    than float32 rounds have an order that tells nothing: `tie_lowest` and `tie_highest` are `max_ap` with the wrong
    ones first and with the right ones first among them. `task`: the task of mteb's registry whose columns and main
    score hold.
    """

    main: Literal["max_ap", "max_accuracy"] = "max_ap"
    task: str = ""

    def evaluate(self, evalset: EvalSet, space: Space) -> Evaluation:
        """Score the pairs; HarnessError where all are labelled alike, or the score rests on rounding alone."""
        label = evalset.targets["label"]
        if len(np.unique(label)) < 2:
            raise HarnessError(f"{evalset.name}: every pair has the label {label[0]}; expected some of 0 and some of 1")
        task = task_of(self.task, ("AbsTaskPairClassification", "PairClassification"), self.main, {})
        first, second, third = task.input1_column_name, task.input2_column_name, task.label_column_name
        pairs = zip(evalset.queries.texts, evalset.documents.texts, label.tolist(), strict=True)
        rows = [{first: a, second: b, third: one} for a, b, one in pairs]
        outcome = evaluated(task, {SPLIT: rows}, SpaceModel(space), evalset.name)
        rounding = _rounding(evalset, space)
        found = _told_apart(evalset, outcome, rounding)
        values = _values(outcome, [_order(column, label) for column in found.values()])
        ties = _ties(found, label, rounding) if outcome.main == "max_ap" else {}
        result = evaluation(evalset, space, outcome, (evalset.queries.ids, {outcome.main: values}), _warned(ties))
        return result._replace(facts={**result.facts, **ties})


def _rounding(evalset: EvalSet, space: Space) -> dict[str, float]:
    """By mteb's name of each similarity, how much float32 may move it: a part of what these vectors can reach."""
    both = np.concatenate([space.vectors(side.texts, "text") for side in (evalset.queries, evalset.documents)])
    length = float(np.linalg.norm(both, axis=1).max())
    reached = {
        "cosine": 1.0, "dot": length**2, "euclidean": length, "manhattan": float(np.abs(both).sum(axis=1).max()),
    }  # fmt: skip
    return {kind: _SAME * most for kind, most in {**reached, "similarity": reached[space.similarity]}.items()}


def _told_apart(evalset: EvalSet, outcome: Outcome, rounding: Mapping[str, float]) -> dict[str, Doubles]:
    """float64 [n] of each similarity that differs by more than rounding, higher where pairs are more alike.

    HarnessError where there is none, or where one that does not differ has the highest score.
    """
    signs = {"scores": 1.0, "distances": -1.0}
    named = {name.partition("_")[::2]: column for name, column in outcome.predictions.items()}
    columns = {kind: signs[what] * np.asarray(column, dtype=np.float64) for (kind, what), column in named.items()}
    found = {kind: column for kind, column in columns.items() if np.ptp(column) > rounding[kind]}
    short = outcome.main.removeprefix("max_")
    best = max((outcome.scores[f"{kind}_{short}"] for kind in found), default=-1.0)
    if best < outcome.scores[outcome.main]:
        raise HarnessError(
            f"{evalset.name}: {outcome.main} is not defined here: this candidate finds every pair equally similar, "
            "but for rounding"
        )
    return found


class _Order(NamedTuple):
    """Pairs from the most to the least similar.

    alike: int32 [n], the labels; place: int [n], position of each pair among the distinct similarities; seen, hits:
    float64 [g], how many pairs, and how many that are alike, have this similarity or a higher one.
    """

    alike: Ints
    place: NDArray[np.intp]
    seen: Doubles
    hits: Doubles


def _order(similar: Doubles, label: Ints) -> _Order:
    _, place = np.unique(-similar, return_inverse=True)
    seen = np.cumsum(np.bincount(place), dtype=np.float64)
    hits = np.cumsum(np.bincount(place, weights=label), dtype=np.float64)
    return _Order(label, place, seen, hits)


def _ties(found: Mapping[str, Doubles], label: Ints, rounding: Mapping[str, float]) -> dict[str, float]:
    """Bounds of `max_ap`: right pairs moved down, and up, by what rounding may decide, and last, or first, in ties."""
    bounds = {}
    for name, way in (("tie_lowest", -1), ("tie_highest", 1)):
        moved = (
            np.lexsort((-way * label, -(similar + way * rounding[kind] * label))) for kind, similar in found.items()
        )
        bounds[name] = max(_precision(label[order]) for order in moved)
    return bounds


def _precision(ordered: Ints) -> float:
    """Average precision of labels in strict order, the first the most similar."""
    places = np.flatnonzero(ordered) + 1
    return float(np.mean(np.arange(1, len(places) + 1) / places))


def _warned(ties: Mapping[str, float]) -> tuple[str, ...]:
    low, high = ties.get("tie_lowest", 0.0), ties.get("tie_highest", 0.0)
    if high - low < _TOLD:
        return ()
    between = f"max_ap lies between {low:.4f} and {high:.4f}, whatever their order"
    return (f"some pairs are as similar as others but for rounding: {between}",)


def _values(outcome: Outcome, orders: Sequence[_Order]) -> Doubles:
    if outcome.main == "max_ap":
        return jackknifed(outcome.scores["max_ap"], np.max([_precision_without_each(one) for one in orders], axis=0))
    sides = [_right(one) for one in orders]
    return max(sides, key=lambda side: float(side.mean()))


def _precision_without_each(order: _Order) -> Doubles:
    """float64 [n] average precision of all pairs but one.

    Average precision is the sum over distinct similarities of (share of the alike that have it) x (precision down to
    it). Without a pair, the terms before its own stay; in later ones it is neither seen nor, if alike, hit.
    """
    seen, hits = order.seen, order.hits
    gained = np.diff(hits, prepend=0.0)
    before = np.cumsum(gained * hits / seen) - gained * hits / seen
    fewer = np.maximum(seen - 1, 1)  # where nothing is left, nothing is gained either
    result = np.empty(len(order.place))
    for one in (0, 1):
        terms = gained * (hits - one) / fewer
        own = (gained - one) * (hits - one) / fewer
        without = before + own + terms.sum() - np.cumsum(terms)
        here, left = order.alike == one, hits[-1] - one
        result[here] = without[order.place[here]] / left if left else np.nan
    return result


def _right(order: _Order) -> Doubles:
    """float64 [n]: 1 where a pair lies on its side of the best threshold between two distinct similarities."""
    last = int(np.argmax(2 * order.hits[:-1] - order.seen[:-1]))
    return np.asarray((order.place <= last) == (order.alike == 1), dtype=np.float64)
