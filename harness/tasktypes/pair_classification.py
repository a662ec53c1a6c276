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


@dataclass(frozen=True)
class PairClassification:
    """mteb's PairClassificationEvaluator, whose main score is the best of five similarities'.

    Cosine, dot product, Euclidean, Manhattan and the candidate's own: `max_ap` is the highest average precision, and a
    pair's value its jackknife pseudo-value, the maximum taken anew without each pair; `max_accuracy` is that of the
    best threshold, and a pair's value whether it lies on its side of that. `task`: the task of mteb's registry whose
    columns and main score hold.
    """

    main: Literal["max_ap", "max_accuracy"] = "max_ap"
    task: str = ""

    def evaluate(self, evalset: EvalSet, space: Space) -> Evaluation:
        """Score the pairs; HarnessError where all are labelled, or all are found, alike."""
        label = evalset.targets["label"]
        if len(np.unique(label)) < 2:
            raise HarnessError(f"{evalset.name}: every pair has the label {label[0]}; expected some of 0 and some of 1")
        task = task_of(self.task, ("AbsTaskPairClassification", "PairClassification"), self.main, {})
        first, second, third = task.input1_column_name, task.input2_column_name, task.label_column_name
        pairs = zip(evalset.queries.texts, evalset.documents.texts, label.tolist(), strict=True)
        rows = [{first: a, second: b, third: one} for a, b, one in pairs]
        outcome = evaluated(task, {SPLIT: rows}, SpaceModel(space))
        values = _values(outcome, _orders(evalset, outcome.predictions, label))
        return evaluation(evalset, space, outcome, (evalset.queries.ids, {outcome.main: values}))


class _Order(NamedTuple):
    """Pairs from the most to the least similar.

    alike: int32 [n], the labels; place: int [n], position of each pair among the distinct similarities; seen, hits:
    float64 [g], how many pairs, and how many that are alike, have this similarity or a higher one.
    """

    alike: Ints
    place: NDArray[np.intp]
    seen: Doubles
    hits: Doubles


def _orders(evalset: EvalSet, found: Mapping[str, Sequence[float]], label: Ints) -> list[_Order]:
    made = []
    for name, column in found.items():
        similar = -np.asarray(column) if name.endswith("distances") else np.asarray(column)
        _, place = np.unique(-similar, return_inverse=True)
        seen = np.cumsum(np.bincount(place), dtype=np.float64)
        hits = np.cumsum(np.bincount(place, weights=label), dtype=np.float64)
        made.append(_Order(label, place, seen, hits))
    if all(len(order.seen) == 1 for order in made):
        raise HarnessError(f"{evalset.name}: this candidate finds every pair equally similar, so there is no order")
    return made


def _values(outcome: Outcome, orders: Sequence[_Order]) -> Doubles:
    if outcome.main == "max_ap":
        return jackknifed(outcome.scores["max_ap"], np.max([_precision_without_each(one) for one in orders], axis=0))
    sides = [_right(one) for one in orders if len(one.seen) > 1]
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
