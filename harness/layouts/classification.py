"""Texts with a label, and labelled texts to learn it from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from harness.cases import at, shortened
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
from harness.complaints import Broken, complain
from harness.duplicates import folded
from harness.sampling import drawn, only
from harness.splits import Content, Splits
from harness.types import EvalSet, HarnessError, Note, Texts

TRAIN = "train"
_SHOTS = 8  # examples of each label that mteb trains on, where the settings do not say


@dataclass(frozen=True)
class Classification:
    """Two tables, the split and `train`, with the columns text and label (text or integer); `columns` renames them."""

    split: str = "test"
    columns: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def read(self, splits: Splits) -> Content:
        """Classes are numbered by the sorted text of their labels; a side with one class is a HarnessError."""
        _check_both(splits, self.split)
        tables = splits.table(self.split), splits.table(TRAIN)
        check_columns(self.columns, [(table, TEXTS) for table in tables])
        test, train = (_plain(labelled(table, self.columns), table.where) for table in tables)
        asked, learnt = [row.labels[0] for row in test], [row.labels[0] for row in train]
        everything = {*asked, *learnt}
        if not set(asked) & set(learnt):
            raise Broken(
                f"{splits.where}: no label of {self.split} comes in {TRAIN}: {named(sorted(set(asked)))} there, "
                f"{named(sorted(set(learnt)))} in {TRAIN}. Spell them alike.",
                "labels-differ",
            )
        targets = {"label": numbers(asked, everything), "document_label": numbers(learnt, everything)}
        notes = (*lookalikes(everything), *_unlearnt(test, learnt), *_few(asked, learnt, self.settings))
        return Content(_texts(train, TRAIN), _texts(test, self.split), targets, notes=notes)

    @staticmethod
    def findings(evalset: EvalSet) -> Sequence[Note]:
        """Empty texts, texts that come again with the same or another label, and test texts that stand in training."""
        labels, learnt = evalset.targets["label"].tolist(), evalset.targets["document_label"].tolist()
        unlike, alike = repeated(evalset.queries, labels)
        mixed, again = repeated(evalset.documents, learnt)
        return [
            *empty_texts(evalset.queries, "test texts"), *empty_texts(evalset.documents, "training texts"),
            *_contradicting(evalset.queries, labels, unlike), *duplicates(evalset.queries, alike, "test texts"),
            *_confusing(evalset.documents, mixed), *duplicates(evalset.documents, again, "training texts"),
            *_leaked(evalset),
        ]  # fmt: skip

    @staticmethod
    def kept(evalset: EvalSet, items: int) -> EvalSet:
        """So many test texts; all training texts stay."""
        everything = np.arange(len(evalset.queries), dtype=np.int64)
        chosen = np.sort(drawn(evalset.queries.ids, everything, "text")[:items])
        targets = {**evalset.targets, "label": evalset.targets["label"][chosen]}
        return replace(evalset, queries=only(evalset.queries, chosen), targets=targets)


def _check_both(splits: Splits, split: str) -> None:
    if splits.only is not None:
        raise HarnessError(
            f"{splits.where} is one table; classification needs two, {split} and {TRAIN}: "
            "give the folder that holds both as path."
        )
    if split == TRAIN:
        raise HarnessError(f"split: {TRAIN} is what classification learns from; score another split.")
    for needed in (split, TRAIN):
        if needed not in splits.named:
            has = ", ".join(splits.named) or "no table"
            raise HarnessError(f"{splits.where} has no {needed}; it has {has}. Both {split} and {TRAIN} are needed.")


def _plain(rows: list[Labelled], where: str) -> list[Labelled]:
    for row in rows:
        if len(row.labels) > 1:
            line = f"{row.place} has {len(row.labels)} labels; classification takes one for each text."
            complain(Broken(line, "bad-label"))
    check_several((row.labels[0] for row in rows), where)
    return rows


def _texts(rows: Sequence[Labelled], split: str) -> Texts:
    return Texts(tuple(f"{split}-{i}" for i in range(1, len(rows) + 1)), tuple(row.text for row in rows))


def _unlearnt(test: Sequence[Labelled], learnt: Sequence[str]) -> list[Note]:
    known = set(learnt)
    new = [row for row in test if row.labels[0] not in known]
    if not new:
        return []
    labels = sorted({row.labels[0] for row in new})
    message = f"{len(new)} of {len(test)} test texts have a label that training never shows: {named(labels)}"
    effect = f"accuracy at most {1 - len(new) / len(test):.4f}"
    note = Note("unknown-labels", "warning", new[0].place, message, effect, "Add training texts.", len(new))
    return [note._replace(example=f'"{shortened(new[0].text)}"')]


def _few(asked: Sequence[str], learnt: Sequence[str], settings: Mapping[str, Any]) -> list[Note]:
    """Notes for labels with one training text, with fewer than are drawn, and with one test text."""
    shots = int(settings.get("samples_per_label", _SHOTS))
    single, few, tested = singles(learnt), singles(learnt, shots), singles(asked)
    hit, total, times = Counter(asked), len(asked), len(set(asked))
    notes = []
    if single:
        message = f"{len(single)} labels have one training text: {named(single)}"
        effect = f"{sum(hit[label] for label in single) / total:.1%} of the test texts rest on one example"
        fix = "Add texts, or merge labels."
        notes.append(Note("single-example-labels", "warning", "", message, effect, fix, len(single), single[0]))
    if len(few) > len(single):
        message = f"{len(few)} of {len(set(learnt))} labels have fewer than {shots} training texts: {named(few)}"
        share = sum(hit[label] for label in few) / total
        effect = f"{share:.1%} of the test texts have a label with fewer examples, the same ones in every experiment"
        notes.append(Note("few-example-labels", "info", "", message, effect, "Add texts.", len(few), few[0]))
    if tested:
        message = f"{len(tested)} labels have one test text: {named(tested)}"
        effect = f"each of these texts alone decides 1/{times} of macro-F1"
        notes.append(
            Note("single-test-labels", "warning", "", message, effect, "Add test texts.", len(tested), tested[0])
        )
    return notes


def _contradicting(texts: Texts, labels: Sequence[int], unlike: Sequence[Sequence[int]]) -> list[Note]:
    if not unlike:
        return []
    lost = sum(len(group) - max(Counter(labels[i] for i in group).values()) for group in unlike)
    message = f"{len(unlike)} test texts come again with another label, such as {texts.ids[unlike[0][1]]}"
    effect = f"accuracy at most {1 - lost / len(texts):.4f}"
    note = Note("contradicting-texts", "warning", "", message, effect, "Keep one label for each.", lost)
    return [at(note, texts, unlike[0][1])]


def _confusing(texts: Texts, mixed: Sequence[Sequence[int]]) -> list[Note]:
    if not mixed:
        return []
    count = sum(map(len, mixed))
    message = f"{len(mixed)} training texts come again with another label, such as {texts.ids[mixed[0][1]]}"
    effect = f"{count / len(texts):.1%} of the training texts teach two answers to one text"
    note = Note("confusing-training", "warning", "", message, effect, "Keep one label for each.", len(mixed))
    return [at(note, texts, mixed[0][1])]


def _leaked(evalset: EvalSet) -> list[Note]:
    """Test texts that stand in training, compared without case and runs of white space."""
    learnt: dict[str, set[int]] = {}
    for text, label in zip(evalset.documents.texts, evalset.targets["document_label"].tolist(), strict=True):
        learnt.setdefault(folded(text), set()).add(label)
    asked = [folded(text) for text in evalset.queries.texts]
    seen = [i for i, text in enumerate(asked) if text and text in learnt]
    if not seen:
        return []
    right = sum(int(evalset.targets["label"][i]) in learnt[asked[i]] for i in seen)
    message = f"{len(seen)} of {len(asked)} test texts stand in training too, such as {evalset.queries.ids[seen[0]]}"
    effect = (
        f"{right / len(asked):.1%} of the answers may be learnt by heart; {len(seen) - right} differ in label there"
    )
    note = Note("train-test-overlap", "warning", "", message, effect, "Remove them from training.", len(seen))
    return [at(note, evalset.queries, seen[0])]
