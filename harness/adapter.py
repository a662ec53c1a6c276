"""The one door to mteb's evaluators: our candidates as its models, our data in its tasks, its predictions as items.

mteb's result cache, embedding cache, compression wrapper and FAISS index are never used; a task object is used once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.spaces import Space
from harness.types import Doubles, EvalSet, Evaluation, Floats, HarnessError, Role, Similarity, first_line

SUBSET, SPLIT = "default", "test"
_ROUNDING = 1e-6
_ROLES: Mapping[str, Role] = {"query": "query", "document": "document"}


class Outcome(NamedTuple):
    """What mteb makes of a model on one subset: its scores by name, and the predictions they were computed from."""

    scores: Mapping[str, Any]
    predictions: Any


class SpaceModel:
    """A `Space` as mteb's EncoderProtocol: vectors come from our store, and no prompt of mteb's is added."""

    def __init__(self, space: Space, name: str = "harness/candidate", revision: str = "") -> None:
        self.space = space
        self.name, self.revision = name, revision

    @property
    def mteb_model_meta(self) -> Any:
        """The name under which mteb files it."""
        from mteb.models.model_meta import ModelMeta

        return ModelMeta.create_empty({"name": self.name, "revision": self.revision or None, "modalities": ["text"]})

    def encode(self, inputs: Any, *, prompt_type: Any = None, **_: Any) -> Floats:
        """float32 [n, d] vectors of the texts of a data loader, in its order."""
        texts = [str(text) for batch in inputs for text in batch["text"]]
        return self.space.vectors(texts, _ROLES.get(getattr(prompt_type, "value", prompt_type) or "", "text"))

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Torch float [n, m] similarities of all pairs, by the candidate's own similarity."""
        return _compared(self.space.similarity, "similarity")(embeddings1, embeddings2)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Torch float [n] similarities of corresponding rows."""
        return _compared(self.space.similarity, "similarity_pairwise")(embeddings1, embeddings2)


def _compared(similarity: Similarity, kind: str) -> Callable[[Any, Any], Any]:
    from sentence_transformers.util import similarity as functions

    maker = {"similarity": "to_similarity_fn", "similarity_pairwise": "to_similarity_pairwise_fn"}[kind]
    found: Callable[[Any, Any], Any] = getattr(functions.SimilarityFunction, maker)(similarity)
    return found


def evaluated(task: Any, data: Mapping[str, Sequence[Mapping[str, Any]]], model: Any) -> Outcome:
    """A fresh mteb task's scores for a model on our data.

    data: rows by split, under the names that the task gives its columns; those of `SPLIT` are scored. What mteb raises
    is a HarnessError with its first line.
    """
    from datasets import Dataset, DatasetDict

    kept: list[Any] = []
    task.dataset = {SUBSET: DatasetDict({name: Dataset.from_list(list(rows)) for name, rows in data.items()})}
    task.data_loaded, task.hf_subsets = True, [SUBSET]
    task._save_task_predictions = lambda predictions, *_, **__: kept.append(predictions)
    try:
        found = task.evaluate(
            model, SPLIT, subsets_to_run=[SUBSET], encode_kwargs={}, prediction_folder=Path(), num_proc=None
        )
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise HarnessError(f"mteb cannot score {task.metadata.name}: {first_line(error)}") from error
    return Outcome(found[SUBSET], kept[-1] if kept else None)


def own_task(base: str, kind: str, main: str, settings: Mapping[str, Any]) -> Any:
    """A new task object of one of mteb's classes, for data that mteb does not know.

    base: the class, such as AbsTaskSTS; kind: mteb's name of the task type; settings: attributes of the class.
    """
    quiet()
    import mteb.abstasks as classes
    from mteb.abstasks.task_metadata import TaskMetadata

    about = TaskMetadata(
        name="OwnEvalSet", description="an eval set of the user's", type=kind, main_score=main,
        eval_langs=["eng-Latn"], eval_splits=[SPLIT], dataset={"path": "local/none", "revision": "none"},
    )  # fmt: skip
    parent = getattr(classes, base, None) or getattr(__import__("mteb.abstasks.text", fromlist=[base]), base)
    return type("OwnEvalSet", (parent,), {"metadata": about, **settings})()


def public_task(name: str) -> Any:
    """A new object of a task in mteb's registry, without its data."""
    quiet()
    from mteb import get_task

    return get_task(name)


def quiet() -> None:
    """Keep the progress bars and the log lines of mteb and datasets out of ours."""
    from datasets import disable_progress_bars

    disable_progress_bars()
    for name in ("mteb", "datasets"):
        logging.getLogger(name).setLevel(logging.ERROR)


def evaluation(
    evalset: EvalSet, space: Space, scores: Mapping[str, Any], main: str, items: tuple[Sequence[str], Doubles]
) -> Evaluation:
    """mteb's scores with a value for each item; items: their ids, and values whose mean must be the main score.

    HarnessError where the score is not a number.
    """
    ids, values = items
    numbers = {name: float(v) for name, v in scores.items() if isinstance(v, float | int | np.number)}
    if not np.isfinite(numbers[main]):
        raise HarnessError(f"{evalset.name}: {main} is not defined here: every item, or every prediction, is the same")
    if abs(float(values.mean()) - numbers[main]) > _ROUNDING:
        raise HarnessError(f"{evalset.name}: the items' {main} is {values.mean():.6f}, mteb says {numbers[main]:.6f}")
    counts = {"queries": float(len(values)), "documents": float(len(evalset.documents))}
    others = {k: v for k, v in numbers.items() if k not in (main, "main_score") and np.isfinite(v)}
    top = np.empty((len(values), 0), dtype=np.int32)
    warnings = space.warnings
    if space.similarity != "cosine" and main.startswith("cosine"):
        warnings += (
            f"{main} compares by cosine, as the leaderboard does; this candidate compares by {space.similarity}",
        )
    return Evaluation(main, tuple(ids), {main: values}, top, {**space.facts, **others, **counts}, warnings)
