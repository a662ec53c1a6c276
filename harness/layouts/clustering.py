"""Texts and the group that each belongs to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import log
from typing import Any

import numpy as np

from harness.cases import at
from harness.classes import (
    TEXTS,
    Labelled,
    check_several,
    duplicates,
    empty_texts,
    labelled,
    lookalikes,
    named,
    numbers,
    repeated,
    singles,
)
from harness.columns import check_columns
from harness.complaints import Broken
from harness.sampling import drawn, only
from harness.splits import Content, Splits
from harness.types import EvalSet, Ints, Note, Texts

_NONE = Texts((), ())


@dataclass(frozen=True)
class Clustering:
    """Columns text and label; or labels, a list from the coarsest level on. `columns` renames text and label."""

    split: str = "test"
    columns: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def read(self, splits: Splits) -> Content:
        """Labels are numbered on each level by their sorted text; a level with one label for all is a HarnessError.

        So is a level on which every text has a label of its own: any clustering into that many would be right.
        """
        table = splits.table(self.split)
        check_columns(self.columns, [(table, TEXTS)])
        rows = labelled(table, self.columns)
        levels = [_level(rows, level) for level in range(max(len(row.labels) for row in rows))]
        notes = [note for i, labels in enumerate(levels) for note in _checked(labels, i, len(levels), table.where)]
        label = np.stack([numbers(labels, filter(None, labels)) for labels in levels], axis=1)
        texts = Texts(tuple(f"text-{i}" for i in range(1, len(rows) + 1)), tuple(row.text for row in rows))
        targets = {"label": label, "group": np.zeros(len(rows), dtype=np.int32)}
        return Content(texts, _NONE, targets, notes=tuple(notes))

    @staticmethod
    def findings(evalset: EvalSet) -> Sequence[Note]:
        """Empty texts, and texts that come again with the same or other labels."""
        label = evalset.targets["label"]
        keys = list(zip(evalset.targets["group"].tolist(), map(tuple, label.tolist()), strict=True))
        unlike, alike = repeated(evalset.documents, keys)
        return [
            *empty_texts(evalset.documents, "texts"), *_contradicting(evalset, unlike),
            *duplicates(evalset.documents, alike, "texts"),
        ]  # fmt: skip

    @staticmethod
    def kept(evalset: EvalSet, items: int) -> EvalSet:
        """So many texts."""
        everything = np.arange(len(evalset.documents), dtype=np.int64)
        chosen = np.sort(drawn(evalset.documents.ids, everything, "text")[:items])
        targets = {name: values[chosen] for name, values in evalset.targets.items()}
        return replace(evalset, documents=only(evalset.documents, chosen), targets=targets)


def _level(rows: Sequence[Labelled], level: int) -> list[str | None]:
    return [row.labels[level] if level < len(row.labels) else None for row in rows]


def _checked(labels: Sequence[str | None], level: int, levels: int, where: str) -> list[Note]:
    """Notes on the labels of one level."""
    there = [label for label in labels if label is not None]
    on = f" on level {level + 1}" if levels > 1 else ""
    check_several(there, where + on)
    alone = singles(there)
    if len(alone) == len(there):
        line = f"{where}{on}: each text has a label of its own; expected labels that several texts share."
        raise Broken(line, "all-alone")
    return [*lookalikes(there), *_alone(there, alone, on)]


def _alone(labels: Sequence[str], alone: Sequence[str], on: str) -> list[Note]:
    if not alone:
        return []
    n = len(labels)
    share = len(alone) / n * log(n) / _entropy(Counter(labels).values())
    message = f"{len(alone)} of {len(set(labels))} labels have one text{on}: {named(alone)}"
    effect = f"each asks for a cluster of its own; they hold {share:.1%} of what the clusters should tell (entropy)"
    fix = "Merge them, or add texts."
    return [Note("single-example-labels", "warning", "", message, effect, fix, len(alone), alone[0])]


def _entropy(counts: Iterable[int]) -> float:
    """In nats, of a distribution given as counts."""
    found = np.fromiter(counts, dtype=np.float64)
    share = found[found > 0] / found.sum()
    return float(-(share * np.log(share)).sum())


def _contradicting(evalset: EvalSet, unlike: Sequence[Sequence[int]]) -> list[Note]:
    if not unlike:
        return []
    texts, levels = evalset.documents, evalset.targets["label"].T
    best = float(np.mean([_reachable(texts.texts, labels) for labels in levels]))
    message = f"{len(unlike)} texts come again with another label, such as {texts.ids[unlike[0][1]]}"
    effect = f"equal texts fall into one cluster: V-measure at most {best:.4f}"
    note = Note("contradicting-texts", "warning", "", message, effect, "Keep one label for each.", len(unlike))
    return [at(note, texts, unlike[0][1])]


def _reachable(texts: Sequence[str], labels: Ints) -> float:
    """The highest V-measure where equal texts are together: homogeneity 1 - H(label | text) / H(label), complete."""
    there = [(text, label) for text, label in zip(texts, labels.tolist(), strict=True) if label != -1]
    whole = _entropy(Counter(label for _, label in there).values())
    left = _entropy(Counter(there).values()) - _entropy(Counter(text for text, _ in there).values())
    homogeneity = 1 - left / whole if whole > 0 else 1.0
    return 2 * homogeneity / (1 + homogeneity)
