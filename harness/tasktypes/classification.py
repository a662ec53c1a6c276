"""How well a linear classifier learns classes from a few texts of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.adapter import SPLIT, Outcome, SpaceModel, evaluated, evaluation, task_of
from harness.influence import item_ids, pseudo_values
from harness.spaces import Space
from harness.types import Doubles, EvalSet, Evaluation, HarnessError, Ints, Texts

_Experiment = tuple[NDArray[np.intp], Ints]  # positions of the test texts, and their predicted classes


@dataclass(frozen=True)
class Classification:
    """mteb's SklearnEvaluator: logistic regression on drawn training texts, several draws, scored on all test texts.

    `accuracy`: a text's value is the share of the experiments that were right about it. `f1`, the mean over experiments
    of the mean over classes: its jackknife pseudo-value. `task`: the task of mteb's registry whose settings and main
    score hold; empty for a set of one's own, with the settings below (mteb's defaults).
    """

    main: Literal["accuracy", "f1"] = "accuracy"
    task: str = ""
    samples_per_label: int = 8
    n_experiments: int = 10
    seed: int = 42

    def evaluate(self, evalset: EvalSet, space: Space) -> Evaluation:
        """Train and score; HarnessError where texts for training or testing are of one class."""
        from sklearn.base import clone

        own = {k: getattr(self, k) for k in ("samples_per_label", "n_experiments", "seed")}
        task = task_of(self.task, ("AbsTaskClassification", "Classification"), self.main, own)
        task.evaluator_model = clone(task.evaluator_model)  # the class has one for all its tasks
        label = evalset.targets["label"]
        data = {SPLIT: _table(evalset, "test", task)}
        if task.is_cross_validation:
            task.train_split = SPLIT
        else:
            data[task.train_split] = _table(evalset, "training", task)
            _check_learnt(evalset)
        task._calculate_scores = _without_order(task._calculate_scores)
        outcome = evaluated(task, data, SpaceModel(space), evalset.name)
        values = _values(outcome, _experiments(task, outcome, len(label)), label)
        ids = item_ids(evalset.queries.ids, len(values))
        return evaluation(evalset, space, outcome, (ids, {outcome.main: values}), _warned(outcome))


def _check_learnt(evalset: EvalSet) -> None:
    if not np.isin(evalset.targets["label"], evalset.targets["document_label"]).any():
        raise HarnessError(f"{evalset.name}: no test text here has a label that training shows")


def _without_order(scores: Callable[[Any, Any], dict[str, Any]]) -> Callable[[Any, Any], dict[str, Any]]:
    """mteb's scores of an experiment, also where its average precision has none.

    mteb takes two classes among the test texts, whatever their numbers, for 0 and 1, and scikit-learn has no average
    precision of others. One of the two is then called 1, which changes no other score, and `ap` left out.
    """

    def found(label: Any, predicted: Any) -> dict[str, Any]:
        there = np.unique(label)
        if len(there) != 2 or 1 in there:
            return scores(label, predicted)
        renamed = np.arange(1 + max(1, int(np.max(label)), int(np.max(predicted))))
        renamed[[1, there[1]]] = there[1], 1
        return scores(renamed[label], renamed[predicted]) | {"ap": None, "ap_weighted": None}

    return found


class _Table(dict[str, list[Any]]):
    """Columns with what mteb asks of a data set here; one of `datasets` reads labels one by one, some seconds for each
    candidate.
    """

    def __len__(self) -> int:
        return len(next(iter(self.values())))

    def select(self, rows: Sequence[int]) -> _Table:
        return _Table({name: [column[i] for i in rows] for name, column in self.items()})


def _table(evalset: EvalSet, side: str, task: Any) -> _Table:
    texts: Texts = evalset.queries if side == "test" else evalset.documents
    labels = evalset.targets["label" if side == "test" else "document_label"]
    if len(np.unique(labels)) < 2:
        raise HarnessError(f"{evalset.name}: all {len(labels)} {side} texts are of one class; expected at least two")
    return _Table({task.input_column_name: list(texts.texts), task.label_column_name: labels.tolist()})


def _experiments(task: Any, outcome: Outcome, n: int) -> list[_Experiment]:
    """What each classifier was asked and answered; in cross-validation each has a part of the texts."""
    from sklearn.model_selection import KFold

    parts: Sequence[NDArray[np.intp]] = [np.arange(n)] * len(outcome.predictions)
    if task.is_cross_validation:
        parts = [part for _, part in KFold(task.n_splits, shuffle=True, random_state=task.seed).split(range(n))]
    predicted = (np.asarray(one, dtype=np.int32) for one in outcome.predictions)
    return list(zip(parts, predicted, strict=True))


def _values(outcome: Outcome, experiments: Sequence[_Experiment], label: Ints) -> Doubles:
    if outcome.main == "accuracy":
        values = np.zeros(len(label))
        for part, predicted in experiments:
            values[part] += (label[part] == predicted) * len(label) / len(part) / len(experiments)
        return values
    classes = 1 + max(int(label.max()), *(int(predicted.max()) for _, predicted in experiments))

    def f1(kept: NDArray[np.intp]) -> float:
        stays = np.zeros(len(label), dtype=bool)
        stays[kept] = True
        found = [_f1(label[part][stays[part]], predicted[stays[part]], classes) for part, predicted in experiments]
        return float(np.mean(found))

    return pseudo_values(f1, len(label))


def _f1(label: Ints, predicted: Ints, classes: int) -> float:
    """Mean F1 of the classes that are there or predicted; scikit-learn's takes too long for each text left out."""
    right = np.bincount(label[label == predicted], minlength=classes)
    named = np.bincount(label, minlength=classes) + np.bincount(predicted, minlength=classes)
    return float(np.mean(2 * right[named > 0] / named[named > 0]))


def _warned(outcome: Outcome) -> tuple[str, ...]:
    if not outcome.unconverged:
        return ()
    fits = f"{outcome.unconverged} of {len(outcome.predictions)} classifiers"
    return (f"{fits} stopped before they converged, as mteb's limit of iterations has it",)
