"""How often the nearest text of another language is the translation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.adapter import SPLIT, SpaceModel, evaluated, evaluation, task_of
from harness.ranking import blocks
from harness.spaces import Space
from harness.types import Doubles, EvalSet, Evaluation, HarnessError, Ints

_SAME = 1e-6  # of the largest similarity: float32 rounds those of equal texts by less


@dataclass(frozen=True)
class Bitext:
    """mteb's BitextMiningEvaluator: each first text's nearest second text by the candidate's own similarity.

    `f1`, `precision` and `recall` are means over texts of the score of their translation as a class, weighted as mteb
    does; a text's value is that of its translation. `accuracy` beside it is the share found. Where the right text is as
    near as another, its place decides, as in mteb; such texts are counted as `tied_queries`. `task`: the task of mteb's
    registry this is.
    """

    main: Literal["f1", "accuracy", "precision", "recall"] = "f1"
    task: str = ""

    def evaluate(self, evalset: EvalSet, space: Space) -> Evaluation:
        """Score the texts; HarnessError for fewer than two to choose from."""
        if len(evalset.documents) < 2:
            raise HarnessError(f"{evalset.name}: one translation cannot be missed; expected at least two")
        task = task_of(self.task, ("AbsTaskBitextMining", "BitextMining"), self.main, {})
        task.parallel_subsets = False  # one pair of languages at a time, whatever the form it was published in
        first, second = task._DEFAULT_PAIR[0]
        gold, model = evalset.targets["gold"], SpaceModel(space)
        sides = {first: list(evalset.queries.texts), second: list(evalset.documents.texts)}
        outcome = evaluated(task, {SPLIT: sides | {"gold": list(enumerate(gold.tolist()))}}, model)
        nearest = np.array([one["corpus_id"] for one in outcome.predictions[f"{first}-{second}"]], dtype=np.int32)
        scores = _by_text(gold, nearest)
        values = {name: scores[name] for name in (outcome.main, "accuracy")}
        tied = _tied(evalset, model)
        found = evaluation(evalset, space, outcome, (evalset.queries.ids, values), _warned(tied, len(gold)))
        return found._replace(facts={**found.facts, "tied_queries": float(tied)})


def _by_text(gold: Ints, nearest: Ints) -> dict[str, Doubles]:
    from sklearn.metrics import precision_recall_fscore_support

    classes, place = np.unique(gold, return_inverse=True)
    found = precision_recall_fscore_support(gold, nearest, labels=classes, average=None, zero_division=0)
    by_class = zip(("precision", "recall", "f1"), found[:3], strict=True)
    return {name: column[place] for name, column in by_class} | {"accuracy": (gold == nearest).astype(np.float64)}


def _tied(evalset: EvalSet, model: SpaceModel) -> int:
    """How many texts find their translation nearest, and another as near."""
    queries = model.space.vectors(evalset.queries.texts, "text")
    documents = model.space.vectors(evalset.documents.texts, "text")
    gold, count = evalset.targets["gold"], 0
    for block in blocks(len(queries)):
        alike = np.asarray(model.similarity(queries[block], documents))
        best = alike.max(axis=1, keepdims=True)
        near = alike >= best - _SAME * np.maximum(1, np.abs(best))
        count += int((near[np.arange(len(alike)), gold[block]] & (near.sum(axis=1) > 1)).sum())
    return count


def _warned(tied: int, texts: int) -> tuple[str, ...]:
    if not tied:
        return ()
    return (
        f"{tied} of {texts} texts have another text as near as their translation: its place decides which is found",
    )
