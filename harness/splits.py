"""Tables by the name of their split, for the task types whose rows are plain columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from harness.reading import Table, extension, listing, open_table, shown, stem
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
    tables = {stem(p): p for p in sorted(path.iterdir()) if p.is_file() and extension(p)} if path.is_dir() else {}
    if not tables:
        raise HarnessError(f"{shown(path)} has no table such as test.jsonl; {listing(path)}.")
    return Splits(shown(path), {name: _opener(file) for name, file in tables.items()})


def _opener(file: Path) -> Callable[[], Table]:
    return lambda: open_table(file)
