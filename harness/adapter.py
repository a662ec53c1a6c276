"""The one door to mteb's evaluators: our candidates as its models, our data in its tasks, its predictions as items.

mteb's result cache, embedding cache, compression wrapper and FAISS index are never used; a task object is used once.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.spaces import Space
from harness.types import Doubles, EvalSet, Evaluation, Floats, HarnessError, Role, Similarity, first_line

SUBSET, SPLIT = "default", "test"
_ROUNDING = 1e-6
_BARRED = ("bitext_mining_evaluator", "summarization_evaluator")  # draw progress bars whatever the log level
_ROLES: Mapping[str, Role] = {"query": "query", "document": "document"}


class Outcome(NamedTuple):
    """What mteb makes of a model on one subset.

    main: name of the deciding score, a finite one; scores: all of them, lists among them; predictions: what they were
    computed from; unconverged: how many fits of scikit-learn stopped early.
    """

    main: str
    scores: Mapping[str, Any]
    predictions: Any
    unconverged: int


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


def evaluated(task: Any, data: Mapping[str, Any], model: Any, name: str = "this eval set") -> Outcome:
    """A fresh mteb task's scores for a model on our data.

    data: by split, rows or a mapping of columns (which stays one, for evaluators that read lists) under the names that
    the task gives its columns; those of `SPLIT` are scored. name: the eval set's, for errors. What mteb raises is a
    HarnessError with its first line, as is a main score that is no number. Warnings on the way are dropped, those of
    convergence counted.
    """
    from datasets import Dataset
    from sklearn.exceptions import ConvergenceWarning

    kept: list[Any] = []
    tables = {part: rows if isinstance(rows, Mapping) else Dataset.from_list(list(rows)) for part, rows in data.items()}
    task.dataset, task.data_loaded, task.hf_subsets = {SUBSET: tables}, True, [SUBSET]
    task._save_task_predictions = lambda predictions, *_, **__: kept.append(predictions)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            found = task.evaluate(
                model, SPLIT, subsets_to_run=[SUBSET], encode_kwargs={}, prediction_folder=Path(), num_proc=None
            )
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise HarnessError(f"mteb cannot score {name}: {first_line(error)}") from error
    main, scores = task.metadata.main_score, found[SUBSET]
    if not np.isfinite(scores[main]):
        raise HarnessError(f"{main} is not defined here: every item, or every prediction, is the same")
    return Outcome(main, scores, kept[-1], sum(issubclass(one.category, ConvergenceWarning) for one in heard))


def task_of(public: str, own: tuple[str, str], main: str, settings: Mapping[str, Any]) -> Any:
    """A new object of the public task, or where none is named of mteb's class for such data.

    own: the class and mteb's name of the task type; main and settings hold for a set of one's own alone. HarnessError
    for a public task of another type.
    """
    if not public:
        return own_task(*own, main, settings)
    task = public_task(public)
    if task.metadata.type != own[1]:
        raise HarnessError(f"task: {public} is of mteb's type {task.metadata.type}; name one of type {own[1]}")
    return task


def own_task(base: str, kind: str, main: str, settings: Mapping[str, Any]) -> Any:
    """A new task object of one of mteb's classes, for data that mteb does not know.

    base: the class, such as AbsTaskSTS; kind: mteb's name of the task type; settings: attributes of the class, and
    `seed`.
    """
    quiet()
    import mteb.abstasks as classes
    from mteb.abstasks.task_metadata import TaskMetadata

    about = TaskMetadata(
        name="OwnEvalSet", description="an eval set of the user's", type=kind, main_score=main,
        eval_langs=["eng-Latn"], eval_splits=[SPLIT], dataset={"path": "local/none", "revision": "none"},
    )  # fmt: skip
    parent = getattr(classes, base, None) or getattr(import_module("mteb.abstasks.text"), base, None)
    parent = parent or getattr(import_module("mteb.abstasks.clustering_legacy"), base)
    made = type("OwnEvalSet", (parent,), {"metadata": about, **settings})
    return made(seed=settings["seed"]) if "seed" in settings else made()


def public_task(name: str) -> Any:
    """A new object of a task in mteb's registry, without its data; HarnessError for an unknown name."""
    quiet()
    from mteb import get_task

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a newer version of the task exists
        try:
            return get_task(name)
        except KeyError as error:
            raise HarnessError(f"mteb has no task {name}: {error.args[0]}") from error


def quiet() -> None:
    """Keep the progress bars and the log lines of mteb and datasets out of ours."""
    from datasets import disable_progress_bars

    disable_progress_bars()
    for name in ("mteb", "datasets"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for name in _BARRED:
        import_module(f"mteb._evaluators.text.{name}").tqdm = _plain  # type: ignore[attr-defined]


def _plain(items: Any, **_: Any) -> Any:
    return items


def evaluation(
    evalset: EvalSet, space: Space, outcome: Outcome, items: tuple[Sequence[str], Mapping[str, Doubles]],
    said: tuple[str, ...] = (),
) -> Evaluation:  # fmt: skip
    """mteb's scores with values for each item.

    items: their ids, and by the name of a score, the main one among them, values whose mean must be that score; said:
    warnings beside the candidate's own.
    """
    ids, values = items
    for name, column in values.items():
        if len(column) != len(ids):
            raise ValueError(f"{len(column)} values of {name} for {len(ids)} items")
        if abs(float(column.mean()) - outcome.scores[name]) > _ROUNDING:
            ours, theirs = float(column.mean()), outcome.scores[name]
            raise HarnessError(f"{evalset.name}: the items' {name} is {ours:.6f}, mteb says {theirs:.6f}")
    numbers = {name: float(v) for name, v in outcome.scores.items() if isinstance(v, float | int | np.number)}
    others = {k: v for k, v in numbers.items() if k not in (*values, "main_score") and np.isfinite(v)}
    counts = {"queries": float(len(ids)), "documents": float(len(evalset.documents))}
    found = (*space.warnings, *said)
    if space.similarity != "cosine" and outcome.main.startswith("cosine"):
        mteb_way = f"{outcome.main} compares by cosine, as the leaderboard does"
        found += (f"{mteb_way}; this candidate compares by {space.similarity}",)
    top = np.empty((len(ids), 0), dtype=np.int32)
    return Evaluation(outcome.main, tuple(ids), values, top, {**space.facts, **others, **counts}, found)


def per_text(task: Any, predictions: Mapping[str, Sequence[Any]], name: str) -> Doubles:
    """float64 [n] scores of mteb's summarization evaluator for each text by itself, in the order of its predictions."""
    columns = list(zip(*predictions.values(), strict=True))
    alone = [dict(zip(predictions, ([one] for one in row), strict=True)) for row in columns]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # constant similarities of another kind than the named one
        return np.array([task.evaluator._calculate_metrics(None, one)[name] for one in alone], dtype=np.float64)
