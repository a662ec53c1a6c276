"""Summaries that machines wrote, people's summaries of the same texts, and how good people found the machines'."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from harness.cases import at
from harness.columns import Want, check_columns, list_of, names_in, texts_of, within
from harness.complaints import Broken, complain
from harness.reading import Row
from harness.sampling import drawn, only
from harness.splits import Content, Splits
from harness.types import Doubles, EvalSet, Ints, Note, Texts

_FEWEST = 3
_WANTS = {
    "human": Want(("human",), ("human_summaries",)),
    "machine": Want(("machine",), ("machine_summaries",)),
    "score": Want(("score",), ("relevance",)),
}


class _Source(NamedTuple):
    """The summaries of one text."""

    human: tuple[str, ...]
    machine: tuple[str, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True)
class Summarization:
    """Columns human_summaries, machine_summaries and relevance, lists; `columns` renames human, machine and score.

    The text itself is not read. A score lies between `min_score` and `max_score` of the settings, 0 and 5 if they are
    not named.
    """

    split: str = "test"
    columns: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def read(self, splits: Splits) -> Content:
        """One text a row. HarnessError for lists of unequal length or too short, and for scores beyond the scale.

        Also where no text has two scores that differ, or none has three summaries to put in order.
        """
        table = splits.table(self.split)
        check_columns(self.columns, [(table, _WANTS)])
        names = names_in(table, _WANTS, self.columns)
        scale = float(self.settings.get("min_score", 0)), float(self.settings.get("max_score", 5))
        found = list(_sources(table.rows, names, scale))
        if not found:
            raise Broken(f"{table.where} is empty: expected at least one text with its summaries.", "empty")
        if all(len(set(one.scores)) == 1 for one in found):
            line = f"{table.where}: the scores of each text are all the same, so there is no order to follow."
            raise Broken(line, "one-score")
        if all(len(one.scores) < _FEWEST for one in found):
            line = f"{table.where}: no text has {_FEWEST} machine summaries; of two the correlation is 1 or -1."
            raise Broken(line, "too-few")
        score = np.array([score for one in found for score in one.scores], dtype=np.float64)
        targets = {
            "score": score, "text": _owners([len(one.machine) for one in found]),
            "document_text": _owners([len(one.human) for one in found]),
        }  # fmt: skip
        human, machine = (
            _texts([one.human for one in found], "human"),
            _texts([one.machine for one in found], "machine"),
        )
        return Content(human, machine, targets)

    @staticmethod
    def findings(evalset: EvalSet) -> Sequence[Note]:
        """Empty summaries, texts whose summaries are all alike or just two, equal summaries with unlike scores."""
        return [*_empty(evalset), *_level(evalset), *_short(evalset), *_contradicting(evalset)]

    @staticmethod
    def kept(evalset: EvalSet, items: int) -> EvalSet:
        """So many texts with all their summaries."""
        sources = np.unique(evalset.targets["text"]).astype(np.int64)
        chosen = np.sort(drawn([f"text-{i}" for i in range(int(sources.max()) + 1)], sources, "text")[:items])
        machine, human = (np.flatnonzero(np.isin(evalset.targets[name], chosen)) for name in ("text", "document_text"))
        targets = {
            "score": evalset.targets["score"][machine],
            "text": np.searchsorted(chosen, evalset.targets["text"][machine]).astype(np.int32),
            "document_text": np.searchsorted(chosen, evalset.targets["document_text"][human]).astype(np.int32),
        }
        return replace(
            evalset, documents=only(evalset.documents, human), queries=only(evalset.queries, machine), targets=targets
        )


def _sources(rows: Iterable[Row], names: Mapping[str, str], scale: tuple[float, float]) -> Iterator[_Source]:
    for row in rows:
        try:
            one = _source(row, names, scale)
        except Broken as error:
            complain(error)
        else:
            yield one


def _source(row: Row, names: Mapping[str, str], scale: tuple[float, float]) -> _Source:
    human, machine = texts_of(row, "human", names, _WANTS), texts_of(row, "machine", names, _WANTS)
    scores = _scores(row, names)
    if len(machine) != len(scores):
        lengths = f'{len(machine)} in "{names["machine"]}" and {len(scores)} in "{names["score"]}"'
        line = f"{row.place} has lists of unequal length: {lengths}. Give each summary its score."
        raise Broken(line, "unequal-lists")
    if not human or len(machine) < 2:
        counts = f"{len(human)} human and {len(machine)} machine summaries"
        raise Broken(f"{row.place} has {counts}; at least one and two are needed.", "too-few")
    return _Source(human, machine, tuple(within(score, scale, row) for score in scores))


def _scores(row: Row, names: Mapping[str, str]) -> tuple[float, ...]:
    value = list_of(row, "score", names, _WANTS)
    listed = value if isinstance(value, list | tuple) else (None,)
    numbers = tuple(map(_number, listed))
    if not np.isfinite(numbers).all():
        line = f'{row.place} has no list of numbers in "{names["score"]}"; expected such as [4.5, 2].'
        raise Broken(line, "not-a-list")
    return numbers


def _number(value: Any) -> float:
    """NaN for what is no number, or none that a float holds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan


def _owners(counts: Sequence[int]) -> Ints:
    return np.repeat(np.arange(len(counts), dtype=np.int32), counts)


def _texts(of: Sequence[Sequence[str]], kind: str) -> Texts:
    ids = [f"text-{i}-{kind}-{j}" for i, some in enumerate(of, 1) for j in range(1, len(some) + 1)]
    return Texts(tuple(ids), tuple(text for some in of for text in some))


def _scores_by_text(evalset: EvalSet) -> list[Doubles]:
    owner, score = evalset.targets["text"], evalset.targets["score"]
    return [score[owner == text] for text in np.unique(owner)]


def _empty(evalset: EvalSet) -> list[Note]:
    notes = []
    for texts, what in ((evalset.documents, "human"), (evalset.queries, "machine")):
        empty = [i for i, text in enumerate(texts.texts) if not text.strip()]
        if empty:
            message = f"{len(empty)} of {len(texts)} {what} summaries are empty, such as {texts.ids[empty[0]]}"
            effect = f"{len(empty) / len(texts):.1%} of the {what} summaries have a similarity that means nothing"
            note = Note("empty-summaries", "warning", "", message, effect, "Remove them.", len(empty))
            notes.append(at(note, texts, empty[0]))
    return notes


def _level(evalset: EvalSet) -> list[Note]:
    found = _scores_by_text(evalset)
    level = sum(len(np.unique(scores)) == 1 for scores in found)
    if not level:
        return []
    message = f"{level} of {len(found)} texts have summaries of one and the same score"
    effect = f"left out: scores are means over {len(found) - level} of {len(found)} texts"
    return [Note("level-scores", "warning", "", message, effect, "Score them apart, or remove the texts.", level)]


def _short(evalset: EvalSet) -> list[Note]:
    found = _scores_by_text(evalset)
    short = sum(len(scores) == 2 for scores in found)
    if not short:
        return []
    message = f"{short} of {len(found)} texts have two machine summaries"
    effect = "their correlation is 1 or -1 and nothing between"
    return [Note("two-summaries", "info", "", message, effect, "Score more summaries of each text.", short)]


def _contradicting(evalset: EvalSet) -> list[Note]:
    first: dict[tuple[int, str], float] = {}
    owner, score = evalset.targets["text"].tolist(), evalset.targets["score"].tolist()
    keys = zip(owner, evalset.queries.texts, strict=True)
    unlike = [i for i, key in enumerate(keys) if first.setdefault(key, score[i]) != score[i]]
    if not unlike:
        return []
    message = f"{len(unlike)} machine summaries repeat another of the same text with a different score, such as "
    message += evalset.queries.ids[unlike[0]]
    texts = len({owner[i] for i in unlike})
    effect = f"no similarity can satisfy both: the correlation of {texts} texts stays below 1"
    note = Note("contradicting-summaries", "warning", "", message, effect, "Keep one of each.", len(unlike))
    return [at(note, evalset.queries, unlike[0])]
