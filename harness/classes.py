"""What the task types of labelled texts share: a text and its label a row, numbers for labels, findings about them."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from harness.cases import at
from harness.columns import Want, Wants, names_in, text_of, value_of
from harness.complaints import Broken, complain
from harness.duplicates import folded
from harness.reading import Row, Table
from harness.types import Ints, Note, Texts

TEXTS: Wants = {"text": Want(("text",), ("text",)), "label": Want(("label",), ("label", "labels"))}


class Labelled(NamedTuple):
    """A text with its label, or with one on each level from the coarsest on, and where it stands."""

    text: str
    labels: tuple[str, ...]
    place: str


def labelled(table: Table, columns: Mapping[str, str]) -> list[Labelled]:
    """The rows of a table; a list of labels (in a CSV file its JSON) gives levels. HarnessError for an empty table."""
    names = names_in(table, TEXTS, columns)
    found = []
    for row in table.rows:
        try:
            labels = _labels(value_of(row, "label", names, TEXTS), row)
            found.append(Labelled(text_of(row, "text", names, TEXTS), labels, row.place))
        except Broken as error:
            complain(error)
    if not found:
        raise Broken(f"{table.where} is empty: expected at least one text with its label.", "empty")
    return found


def _labels(value: Any, row: Row) -> tuple[str, ...]:
    levels = _listed(value) if isinstance(value, str) else value
    found = tuple(levels) if isinstance(levels, list | tuple) else (levels,)
    if not found or any(isinstance(one, bool) or not isinstance(one, str | int) or one == "" for one in found):
        line = f"{row.place} has the label {value!r:.60}; expected text, an integer or a list of them."
        raise Broken(line, "bad-label")
    return tuple(map(str, found))


def _listed(value: str) -> Any:
    if not value.startswith("["):
        return value
    try:
        return json.loads(value)
    except RecursionError:
        return None
    except ValueError:
        return value  # a label that begins with a bracket


def numbers(labels: Sequence[str | None], known: Iterable[str]) -> Ints:
    """int32 [n] positions of labels among the known ones sorted as text; -1 for None."""
    order: dict[str | None, int] = {label: i for i, label in enumerate(sorted(set(known)))}
    return np.array([-1 if label is None else order[label] for label in labels], dtype=np.int32)


def check_several(labels: Iterable[str], where: str) -> None:
    """HarnessError where there is one label only."""
    names = set(labels)
    if len(names) < 2:
        only = next(iter(names), "")
        raise Broken(f'{where}: every text has the label "{only:.40}"; expected at least two labels.', "one-label")


def named(names: Sequence[str]) -> str:
    """The first three of many, in quotes and cut to 40 characters, for a message."""
    return ", ".join(f'"{name:.40}"' for name in names[:3]) + (" ..." if len(names) > 3 else "")


def lookalikes(labels: Iterable[str]) -> list[Note]:
    """A note for labels that differ in case or white space alone."""
    spellings: dict[str, set[str]] = defaultdict(set)
    for label in labels:
        spellings[folded(label)].add(label)
    twins = [sorted(names) for _, names in sorted(spellings.items()) if len(names) > 1]
    if not twins:
        return []
    message = f"{len(twins)} labels are spelt in more than one way, such as {named(twins[0])}"
    fix = "Spell them alike, if they are the same."
    effect = f"{len(twins)} of {len(spellings)} labels are split, each spelling a class of its own"
    return [Note("label-spelling", "warning", "", message, effect, fix, len(twins), named(twins[0]))]


def empty_texts(texts: Texts, what: str) -> list[Note]:
    """A note for texts without a character."""
    empty = [i for i, text in enumerate(texts.texts) if not text.strip()]
    if not empty:
        return []
    message = f"{len(empty)} of {len(texts)} {what} are empty, such as {texts.ids[empty[0]]}"
    effect = f"{len(empty) / len(texts):.1%} of them have one vector, which says nothing of their labels"
    note = Note("empty-texts", "warning", "", message, effect, "Fill in the text, or remove them.", len(empty))
    return [at(note, texts, empty[0])]


def repeated(texts: Texts, labels: Sequence[Any]) -> tuple[list[list[int]], list[list[int]]]:
    """Positions of equal texts in groups: those with unlike labels, and those labelled alike."""
    groups: dict[str, list[int]] = defaultdict(list)
    for position, text in enumerate(texts.texts):
        groups[text].append(position)
    several = [group for group in groups.values() if len(group) > 1]
    unlike = [group for group in several if len({labels[i] for i in group}) > 1]
    return unlike, [group for group in several if len({labels[i] for i in group}) == 1]


def duplicates(texts: Texts, alike: Sequence[Sequence[int]], what: str) -> list[Note]:
    """A note for texts that come again with the label they had before."""
    count = sum(len(group) - 1 for group in alike)
    if not count:
        return []
    message = f"{count} of {len(texts)} {what} repeat another with the same label, such as {texts.ids[alike[0][1]]}"
    effect = f"{count / len(texts):.1%} count again, so intervals come out too narrow"
    return [at(Note("duplicate-texts", "warning", "", message, effect, "Keep one of each.", count), texts, alike[0][1])]


def singles(labels: Iterable[str], fewer: int = 2) -> list[str]:
    """Labels that fewer texts than that have, sorted."""
    return sorted(label for label, count in Counter(labels).items() if count < fewer)
