"""How often the nearest text of another language is the translation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.adapter import SPLIT, Outcome, SpaceModel, evaluated, evaluation, task_of
from harness.ranking import blocks
from harness.spaces import Space
from harness.types import Doubles, EvalSet, Evaluation, HarnessError, Ints

_SAME = 1e-6  # of the largest similarity: float32 rounds those of equal texts by less


@dataclass(frozen=True)
class Bitext:
    """mteb's BitextMiningEvaluator: each first text's nearest second text by the candidate's own similarity.

    `f1`, `precision` and `recall` are means over texts of the score of their translation as a class, weighted as mteb
    does; a text's value is that of its translation. `accuracy` beside it is the share found. Where several are as near
    as the nearest, the one that torch's topk gives counts, as in mteb, and another order of the texts may give another;
    such texts are counted as `tied_queries`. `tie_lowest` and `tie_highest` hold the main score of every choice; they
    may be wider: for the lowest a tied text is wrong where it can be and counts against each translation that it may
    find, for the highest it is right where it can be and counts against none. `task`: the task of mteb's registry this
    is.
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
        outcome = evaluated(task, {SPLIT: sides | {"gold": list(enumerate(gold.tolist()))}}, model, evalset.name)
        nearest = np.array([one["corpus_id"] for one in outcome.predictions[f"{first}-{second}"]], dtype=np.int32)
        scores = _by_text(gold, nearest)
        values = {name: scores[name] for name in (outcome.main, "accuracy")}
        ties = _ties(evalset, model, outcome.main, float(values[outcome.main].mean()))
        found = evaluation(evalset, space, outcome, (evalset.queries.ids, values), _warned(ties, len(gold), outcome))
        return found._replace(facts={**found.facts, **ties})


def _by_text(gold: Ints, nearest: Ints) -> dict[str, Doubles]:
    from sklearn.metrics import precision_recall_fscore_support

    classes, place = np.unique(gold, return_inverse=True)
    found = precision_recall_fscore_support(gold, nearest, labels=classes, average=None, zero_division=0)
    by_class = zip(("precision", "recall", "f1"), found[:3], strict=True)
    return {name: column[place] for name, column in by_class} | {"accuracy": (gold == nearest).astype(np.float64)}


class _Finders(NamedTuple):
    """float64 [d]: how many texts find each document, rightly and in all."""

    right: Doubles
    all: Doubles


def _ties(evalset: EvalSet, model: SpaceModel, main: str, actual: float) -> dict[str, float]:
    """`tied_queries` and the bounds: every score grows with right finders and falls with wrong ones."""
    gold, tied = evalset.targets["gold"], 0
    surely, maybe = (_Finders(*np.zeros((2, len(evalset.documents)))) for _ in range(2))
    for block, near in _near(evalset, model):
        alone = near.sum(axis=1) == 1
        tied += int((~alone).sum())
        own = gold[block]
        right = near[np.arange(len(near)), own]
        for finders, some in ((surely, alone), (maybe, np.ones_like(alone))):
            finders.all[:] += near.sum(axis=0, where=some[:, None])
            finders.right[:] += np.bincount(own, right & some, near.shape[1])
    lowest = _score(main, surely.right, maybe.all - maybe.right, gold)
    highest = _score(main, maybe.right, surely.all - surely.right, gold)
    return {"tied_queries": float(tied), "tie_lowest": min(lowest, actual), "tie_highest": max(highest, actual)}


def _near(evalset: EvalSet, model: SpaceModel) -> Iterator[tuple[slice, NDArray[np.bool_]]]:
    """Some texts at a time: bool [b, d], which documents are as near as the nearest."""
    queries = model.space.vectors(evalset.queries.texts, "text")
    documents = model.space.vectors(evalset.documents.texts, "text")
    for block in blocks(len(queries)):
        alike = np.asarray(model.similarity(queries[block], documents))
        best = alike.max(axis=1, keepdims=True)
        yield block, alike >= best - _SAME * np.maximum(1, np.abs(best))


def _score(main: str, right: Doubles, wrong: Doubles, gold: Ints) -> float:
    """The mean over texts of the score of their translation, from float64 [d] right and wrong finders of each."""
    asked = np.bincount(gold, minlength=len(right))
    whole = {"precision": right + wrong, "f1": (asked + right + wrong) / 2}.get(main, asked)
    return float((right / np.maximum(whole, 1e-9))[gold].mean())


def _warned(ties: Mapping[str, float], texts: int, outcome: Outcome) -> tuple[str, ...]:
    if not ties["tied_queries"]:
        return ()
    tied, between = int(ties["tied_queries"]), f"{ties['tie_lowest']:.4f} and {ties['tie_highest']:.4f}"
    return (
        f"{tied} of {texts} texts have several others as near as the nearest: the place that torch's topk gives "
        f"decides which is found; {outcome.main} lies between {between}, whichever are",
    )
