"""Tables by the name of their split, for the task types whose rows are plain columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from harness.reading import EXTENSIONS, Table, extension, listing, open_table, pick, shown, stem
from harness.saved import is_saved, saved_parts, saved_table
from harness.types import NO_QRELS, EvalSet, HarnessError, Note, Qrels, Texts


class Content(NamedTuple):
    """The two sides of an eval set and what they are scored against, as `harness/layouts` lists them."""

    documents: Texts
    queries: Texts
    targets: Mapping[str, Any]
    qrels: Qrels = NO_QRELS
    notes: tuple[Note, ...] = ()


class Splits(NamedTuple):
    """Tables that are opened when they are asked for; `only` is one without a name, which stands for any split."""

    where: str
    named: Mapping[str, Callable[[], Table]]
    only: Callable[[], Table] | None = None

    def table(self, split: str) -> Table:
        """The rows of a split; a HarnessError names those that there are."""
        if self.only is not None:
            return self.only()
        if split not in self.named:
            raise HarnessError(f"{self.where} has no {split}; it has {', '.join(self.named) or 'no table'}. Set split.")
        return self.named[split]()


class Layout(Protocol):
    """Rows of one task type. `columns` renames its columns, `settings` are those of the task type."""

    split: str
    columns: Mapping[str, str]
    settings: Mapping[str, Any]

    def read(self, splits: Splits) -> Content:
        """Whatever is missing, broken or ambiguous is a HarnessError with its place."""
        ...

    @staticmethod
    def findings(evalset: EvalSet) -> Sequence[Note]:
        """What the data doctor says of a set of this type, each with its effect on the score."""
        ...

    @staticmethod
    def kept(evalset: EvalSet, items: int) -> EvalSet:
        """The set with so many of its items (see `EvalSet.scored`), drawn as `sampling` draws queries."""
        ...


def splits_of(path: Path) -> Splits:
    """A table, a folder of tables named after their split, or a dataset that `datasets.save_to_disk` wrote."""
    if path.is_file():
        return Splits(shown(path), {}, lambda: open_table(path))
    if is_saved(path):
        return _saved(path)
    names = sorted({stem(p) for p in path.iterdir() if p.is_file() and extension(p)}) if path.is_dir() else []
    if not names:
        raise HarnessError(f"{shown(path)} has no table such as test.jsonl; {listing(path)}.")
    return Splits(shown(path), {name: _opener(path, name) for name in names})


def _opener(folder: Path, name: str) -> Callable[[], Table]:
    return lambda: open_table(pick(folder, [name + kind for kind in EXTENSIONS]))


def _saved(folder: Path) -> Splits:
    parts = saved_parts(folder)
    opened = {name: _saved_opener(folder, name, rows) for name, rows in parts.items()}
    return Splits(shown(folder), {}, opened[""]) if "" in opened else Splits(shown(folder), opened)


def _saved_opener(folder: Path, name: str, rows: Any) -> Callable[[], Table]:
    return lambda: saved_table(folder, name, rows)
