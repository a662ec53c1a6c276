"""How well likeness to people's summaries follows the scores that people gave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from harness.adapter import SPLIT, SpaceModel, evaluated, evaluation, per_text, task_of
from harness.spaces import Space
from harness.types import EvalSet, Evaluation, Floats, HarnessError

_SAME = 1e-5  # float32 rounds similarities by less
_FEWEST = 3


@dataclass(frozen=True)
class Summarization:
    """mteb's SummarizationEvaluator: Spearman's correlation of machine summaries' scores with their similarities.

    A machine summary's similarity is the highest cosine to a human summary of the same text; the score is the mean over
    texts. mteb skips a text whose scores, or whose similarities, are all equal: the former are counted as
    `texts_left_out`, the latter have the mean as their value, so that all candidates have values for the same texts.
    `spearman`, beside it or as `main`, takes the candidate's own similarity. `task`: the task of mteb's registry whose
    settings and evaluator hold (that of `SummEval` averages p-values in, see mteb's issue 1156); empty for a set of
    one's own, whose scores lie between `min_score` and `max_score`.
    """

    main: Literal["cosine_spearman", "spearman"] = "cosine_spearman"
    task: str = ""
    min_score: float = 0.0
    max_score: float = 5.0

    def evaluate(self, evalset: EvalSet, space: Space) -> Evaluation:
        """Score the summaries; HarnessError where no text has a correlation."""
        own = {"min_score": self.min_score, "max_score": self.max_score}
        task = task_of(self.task, ("AbsTaskSummarization", "Summarization"), self.main, own)
        rows = _rows(evalset, task)
        if all(len(row[task.relevancy_column_name]) < _FEWEST for row in rows.values()):
            few = f"{evalset.name}: none of {len(rows)} texts here has {_FEWEST} machine summaries"
            raise HarnessError(f"{few}; of two the correlation is 1 or -1")
        outcome = evaluated(task, {SPLIT: [rows[text] for text in rows]}, SpaceModel(space), evalset.name)
        texts = [text for text in rows if len(set(rows[text][task.relevancy_column_name])) > 1]
        found = _positions(evalset, space, texts, outcome.predictions["cosine_scores"])
        values = np.full(len(texts), outcome.scores[outcome.main], dtype=np.float64)
        values[found] = per_text(task, outcome.predictions, outcome.main)
        ids = [f"text-{text}" for text in texts]
        said = _warned(len(rows), len(texts), len(found))
        result = evaluation(evalset, space, outcome, (ids, {outcome.main: values}), said)
        return result._replace(facts={**result.facts, "texts_left_out": float(len(rows) - len(texts))})


def _rows(evalset: EvalSet, task: Any) -> dict[int, dict[str, Any]]:
    """A row for each text by its number; the text itself has no part in the score."""
    targets = evalset.targets
    rows = {}
    for text in np.unique(targets["text"]).tolist():
        machine, human = np.flatnonzero(targets["text"] == text), np.flatnonzero(targets["document_text"] == text)
        rows[text] = {
            task.text_column_name: "",
            task.machine_summaries_column_name: [evalset.queries.texts[i] for i in machine],
            task.human_summaries_column_name: [evalset.documents.texts[i] for i in human],
            task.relevancy_column_name: targets["score"][machine].tolist(),
        }
    return rows


def _positions(
    evalset: EvalSet, space: Space, texts: Sequence[int], predictions: Sequence[Sequence[float]]
) -> list[int]:
    """Where among the texts mteb's predictions belong: it drops some, keeps the order and gives no names."""
    machine, human = (_unit(space.vectors(side.texts, "text")) for side in (evalset.queries, evalset.documents))
    found: list[int] = []
    for position, text in enumerate(texts):
        owned, by_people = evalset.targets["text"] == text, evalset.targets["document_text"] == text
        nearest = (machine[owned] @ human[by_people].T).max(axis=1)
        due = predictions[len(found)] if len(found) < len(predictions) else ()
        if len(due) == len(nearest) and np.allclose(due, nearest, rtol=0, atol=_SAME):
            found.append(position)
    return found


def _unit(rows: Floats) -> Floats:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths == 0, 1, lengths), dtype=np.float32)


def _warned(texts: int, scored: int, told_apart: int) -> tuple[str, ...]:
    said = []
    if scored < texts:
        said.append(f"{texts - scored} of {texts} texts are left out: the scores of their summaries are all equal")
    if told_apart < scored:
        said.append(
            f"{scored - told_apart} of {scored} texts are skipped, as mteb does: their summaries are all as near"
        )
    return tuple(said)
