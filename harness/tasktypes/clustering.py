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


@dataclass(frozen=True)
class Clustering:
    """mteb's mini-batch k-means with as many clusters as classes, over draws with replacement, on each level of labels.

    All texts are embedded where `max_fraction_of_documents_to_embed` is None; mteb's own default is 4 % of them.
    `n_clusters` is mteb's name for the number of draws, `max_documents_per_cluster` for the size of each. A text's
    value is what it adds to the V-measure of each draw, given the clusters (`influence.v_measure_terms`), by how often
    it was drawn. Where texts are in several groups, or the public task has sets, each is clustered once, apart, and is
    the item. `task`: the task of mteb's registry whose settings, fraction and main score hold.
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
        label, group = evalset.targets["label"], evalset.targets["group"]
        if all(len(np.unique(column[column >= 0])) < 2 for column in label.T):
            raise HarnessError(f"{evalset.name}: every text is of one class; expected at least two")
        base = "AbsTaskClustering" if len(np.unique(group)) < 2 else "AbsTaskClusteringLegacy"
        own = {name: getattr(self, name) for name in _SETTINGS}
        task = task_of(self.task, (base, "Clustering"), self.main, own)
        whole = hasattr(task, "max_document_to_embed")
        return (_drawn if whole else _sets)(evalset, space, task)


def _sets(evalset: EvalSet, space: Space, task: Any) -> Evaluation:
    label, group = evalset.targets["label"][:, 0], evalset.targets["group"]
    names, rows = np.unique(group), []
    for name in names:
        texts = np.flatnonzero(group == name).tolist()
        sentences = [evalset.documents.texts[i] for i in texts]
        rows.append({task.input_column_name: sentences, task.label_column_name: label[texts].tolist()})
    outcome = evaluated(task, {SPLIT: rows}, SpaceModel(space))
    values = np.array(outcome.scores["v_measures"], dtype=np.float64)
    single = sum(len(set(row[task.label_column_name])) < 2 for row in rows)
    said = (f"{single} of {len(rows)} sets are of one class, which counts as 1.0, as in mteb",) if single else ()
    return evaluation(evalset, space, outcome, ([f"set-{name}" for name in names], {outcome.main: values}), said)


def _drawn(evalset: EvalSet, space: Space, task: Any) -> Evaluation:
    label, random = evalset.targets["label"], copy.deepcopy(task.rng_state)
    columns = task.input_column_name, task.label_column_name
    pairs = zip(evalset.documents.texts, label.tolist(), strict=True)
    outcome = evaluated(task, {SPLIT: [dict(zip(columns, pair, strict=True)) for pair in pairs]}, SpaceModel(space))
    embedded = _embedded(task, len(label), random)
    said = _warned(task, label, len(embedded), outcome.unconverged)
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


def _by_text(outcome: Outcome, label: Ints, random: Any, size: int) -> Doubles:
    """float64 [n]: the mean V-measure and what each text adds to it, drawing again as mteb drew.

    A draw of N texts out of n has V = mean of its terms. A text's value in it is V + (n / N) x the sum of (term - V)
    over its copies, so that the mean over texts is V, and texts that were not drawn have V.
    """
    draws = [(level, one) for level, found in enumerate(outcome.predictions.values()) for one in found]
    values = np.zeros(len(label))
    for level, clusters in draws:
        known = np.flatnonzero(label[:, level] >= 0)
        texts: NDArray[np.intp] = known[random.choices(range(len(known)), k=size)]
        terms = v_measure_terms(label[texts, level], clusters)
        v = float(terms.mean())
        values += v + np.bincount(texts, weights=terms - v, minlength=len(label)) * len(label) / size
    return values / len(draws)


def _warned(task: Any, label: Ints, embedded: int, unconverged: int) -> tuple[str, ...]:
    found = []
    if embedded < len(label):
        found.append(f"{embedded} of {len(label)} texts were embedded, as this task asks for; the others have no part")
    single = [str(i) for i, column in enumerate(label.T) if len(np.unique(column[column >= 0])) < 2]
    if single:
        found.append(f"level {', '.join(single)} of the labels has one class, which counts as 1.0, as in mteb")
    if unconverged:
        draws = task.n_clusters * label.shape[1]
        found.append(f"{unconverged} of {draws} draws have fewer different vectors than classes")
    return tuple(found)
