"""How well similarities of pairs follow people's scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.adapter import SPLIT, SpaceModel, evaluated, evaluation, task_of
from harness.influence import item_ids, pseudo_values
from harness.spaces import Space
from harness.types import EvalSet, Evaluation, HarnessError

_FEWEST = 3
_PREDICTED = {"cosine_spearman": "cosine_scores", "spearman": "similarity_scores"}


@dataclass(frozen=True)
class Sts:
    """mteb's AnySTSEvaluator: Spearman's correlation of cosine similarities with the scores, whatever the similarity.

    `spearman`, beside it or as `main`, takes the candidate's own similarity. A pair's value is its jackknife
    pseudo-value. `task`: the task of mteb's registry whose settings and main score hold; empty for a set of one's own,
    whose scores lie between `min_score` and `max_score`.
    """

    main: Literal["cosine_spearman", "spearman"] = "cosine_spearman"
    task: str = ""
    min_score: float = 0.0
    max_score: float = 5.0

    def evaluate(self, evalset: EvalSet, space: Space) -> Evaluation:
        """Score the pairs; HarnessError where a correlation is not defined."""
        from scipy.stats import spearmanr

        if len(evalset.queries) < _FEWEST:
            few = f"expected at least {_FEWEST} pairs, of two the correlation is 1 or -1; given {len(evalset.queries)}"
            raise HarnessError(f"{evalset.name}: {few}")
        own = {"min_score": self.min_score, "max_score": self.max_score}
        task = task_of(self.task, ("AbsTaskSTS", "STS"), self.main, own)
        first, second = task.column_names
        gold = evalset.targets["score"]
        pairs = zip(evalset.queries.texts, evalset.documents.texts, gold.tolist(), strict=True)
        rows = [{first: a, second: b, "score": score} for a, b, score in pairs]
        outcome = evaluated(task, {SPLIT: rows}, SpaceModel(space), evalset.name)
        if outcome.main not in _PREDICTED:
            raise HarnessError(f"{self.task}: its main score {outcome.main} has no value for a pair")
        alike = np.asarray(outcome.predictions[_PREDICTED[outcome.main]])

        def correlation(kept: NDArray[np.intp]) -> float:
            return float(spearmanr(gold[kept], alike[kept]).statistic)

        values = pseudo_values(correlation, len(gold))
        return evaluation(evalset, space, outcome, (item_ids(evalset.queries.ids, len(values)), {outcome.main: values}))
