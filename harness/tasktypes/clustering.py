"""How well clusters of vectors follow the classes of texts."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.adapter import SPLIT, Outcome, SpaceModel, evaluated, evaluation, task_of
from harness.influence import v_measure_terms
from harness.spaces import Space
from harness.types import Doubles, EvalSet, Evaluation, HarnessError, Ints

_SETTINGS = (
    "max_fraction_of_documents_to_embed", "max_documents_per_cluster", "n_clusters", "k_mean_batch_size", "seed",
)  # fmt: skip
_NO_PART, _ONE_CLASS = -1, -2  # of a text without a label on a level


@dataclass(frozen=True)
class Clustering:
    """mteb's mini-batch k-means with as many clusters as classes, over draws with replacement, on each level of labels.

    All texts are embedded where `max_fraction_of_documents_to_embed` is None; mteb's own default is 4 % of them.
    `n_clusters` is mteb's name for the number of draws, `max_documents_per_cluster` for the size of each. A text's
    value is what it adds to the V-measure of each draw, given the clusters (`influence.v_measure_terms`), by how often
    it was drawn. Where texts are in several groups, or the public task has sets, each is clustered once, apart, and is
    the item. `task`: the task of mteb's registry whose settings, fraction, depth and main score hold.
    A text has no part in a level where its label is -1; -2 is a class of that level as any other.
    """

    main: Literal["v_measure", "ami"] = "v_measure"
    task: str = ""
    max_fraction_of_documents_to_embed: float | None = None
    max_documents_per_cluster: int = 16384
    n_clusters: int = 10
    k_mean_batch_size: int = 512
    seed: int = 42

    def evaluate(self, evalset: EvalSet, space: Space) -> Evaluation:
        """Cluster and score; HarnessError where no level has two classes."""
        groups = len(np.unique(evalset.targets["group"]))
        base = "AbsTaskClustering" if groups < 2 else "AbsTaskClusteringLegacy"
        own = {name: getattr(self, name) for name in _SETTINGS}
        task = task_of(self.task, (base, "Clustering"), self.main, own)
        whole = hasattr(task, "max_document_to_embed")
        return (_drawn if whole else _sets)(evalset, space, task)


def _check(evalset: EvalSet, label: Ints) -> None:
    """HarnessError where none of the int32 [n, levels] labels tells texts apart."""
    if not any(_classes(column) > 1 for column in label.T):
        raise HarnessError(f"{evalset.name}: all {len(label)} texts are of one class; expected at least two classes")


def _classes(column: Ints) -> int:
    return len(np.unique(column[column != _NO_PART]))


def _sets(evalset: EvalSet, space: Space, task: Any) -> Evaluation:
    _check(evalset, evalset.targets["label"][:, :1])
    label, group = evalset.targets["label"][:, 0], evalset.targets["group"]
    names, rows = np.unique(group), []
    for name in names:
        texts = np.flatnonzero(group == name).tolist()
        sentences = [evalset.documents.texts[i] for i in texts]
        rows.append({task.input_column_name: sentences, task.label_column_name: label[texts].tolist()})
    outcome = evaluated(task, {SPLIT: rows}, SpaceModel(space), evalset.name)
    values = np.array(outcome.scores["v_measures"], dtype=np.float64)
    single = sum(len(set(row[task.label_column_name])) < 2 for row in rows)
    said = (f"{single} of {len(rows)} sets are of one class, which counts as 1.0, as in mteb",) if single else ()
    return evaluation(evalset, space, outcome, ([f"set-{name}" for name in names], {outcome.main: values}), said)


def _drawn(evalset: EvalSet, space: Space, task: Any) -> Evaluation:
    label, random = evalset.targets["label"], copy.deepcopy(task.rng_state)
    embedded = _embedded(task, len(label), random)
    label = label[:, : _depth(task, label[embedded])]
    _check(evalset, label[embedded])
    columns = task.input_column_name, task.label_column_name
    pairs = zip(evalset.documents.texts, _as_given(label), strict=True)
    rows = [dict(zip(columns, pair, strict=True)) for pair in pairs]
    outcome = evaluated(task, {SPLIT: rows}, SpaceModel(space), evalset.name)
    said = _warned(task, label[embedded], len(label), outcome.unconverged)
    if outcome.main != "v_measure":
        values = np.concatenate(list(outcome.scores[f"{outcome.main}_scores"].values()))
        said += (f"a value of {outcome.main} is that of a draw: intervals tell of other draws, not of other texts",)
        return evaluation(
            evalset, space, outcome, ([f"draw-{i}" for i in range(len(values))], {outcome.main: values}), said
        )
    values = _by_text(outcome, label[embedded], random, task.max_documents_per_cluster)
    ids = [evalset.documents.ids[i] for i in embedded]
    return evaluation(evalset, space, outcome, (ids, {outcome.main: values}), said)


def _embedded(task: Any, n: int, random: Any) -> list[int]:
    """The texts that mteb drew to be embedded, drawn again."""
    most = task.max_document_to_embed
    if task.max_fraction_of_documents_to_embed is not None:
        most = int(task.max_fraction_of_documents_to_embed * n)
    return list(range(n)) if most is None else random.sample(range(n), k=min(n, most))


def _depth(task: Any, label: Ints) -> int:
    """How many levels mteb scores: those that an embedded text reaches, up to the task's `max_depth`."""
    reached = np.flatnonzero((label >= 0).any(axis=0))
    deepest = int(reached[-1]) + 1 if len(reached) else 0
    return min(deepest, task.max_depth or deepest)


def _as_given(label: Ints) -> Any:
    """Labels as mteb is to read them: it leaves out the number -1 and no text, and its -1 among texts is the text."""
    return (label.astype(str) if (label == _ONE_CLASS).any() else label).tolist()


def _by_text(outcome: Outcome, label: Ints, random: Any, size: int) -> Doubles:
    """float64 [n]: the mean V-measure and what each text adds to it, drawing again as mteb drew.

    A draw of N texts out of n has V = mean of its terms. A text's value in it is V + (n / N) x the sum of (term - V)
    over its copies, so that the mean over texts is V, and texts that were not drawn have V.
    """
    draws = [(level, one) for level, found in enumerate(outcome.predictions.values()) for one in found]
    values = np.zeros(len(label))
    for level, clusters in draws:
        known = np.flatnonzero(label[:, level] != _NO_PART)
        texts: NDArray[np.intp] = known[random.choices(range(len(known)), k=size)]
        terms = v_measure_terms(label[texts, level], clusters)
        v = float(terms.mean())
        values += v + np.bincount(texts, weights=terms - v, minlength=len(label)) * len(label) / size
    return values / len(draws)


def _warned(task: Any, label: Ints, texts: int, unconverged: int) -> tuple[str, ...]:
    """label: of the embedded texts, on the levels that are scored."""
    found = []
    if len(label) < texts:
        found.append(f"{len(label)} of {texts} texts were embedded, as this task asks for; the others have no part")
    single = [str(i) for i, column in enumerate(label.T, start=1) if _classes(column) < 2]
    if single:
        found.append(f"level {', '.join(single)} of the labels has one class, which counts as 1.0, as in mteb")
    without = [f"{n} on level {i}" for i, n in enumerate((label == _ONE_CLASS).sum(axis=0), start=1) if n]
    if without:
        found.append(f"texts without a label ({', '.join(without)}) are one more class there, as mteb has it")
    if unconverged:
        draws = task.n_clusters * label.shape[1]
        found.append(f"{unconverged} of {draws} draws have fewer different vectors than classes")
    return tuple(found)
