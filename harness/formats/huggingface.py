"""A Hugging Face dataset on disk, as `datasets.save_to_disk` writes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.parts import place
from harness.rawsets import pairs, three_tables
from harness.reading import Table, shown
from harness.saved import is_saved, saved_parts, saved_table
from harness.types import HarnessError, RawSet


@dataclass(frozen=True)
class HuggingFace:
    """A saved Dataset of pairs, a saved DatasetDict, or a folder of saved configurations.

    Retrieval sets have the configurations, or the keys, corpus, queries and qrels (or default, or the split's name),
    each with one split, its own name, or `split`. Anything else is read as pairs (see the format `pairs`).
    """

    path: str = place()
    split: str = "test"
    columns: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def claims(path: str) -> bool:
        """A folder with the files of `save_to_disk`, in itself or in a subfolder corpus."""
        return is_saved(Path(path)) or is_saved(Path(path) / "corpus")

    def read(self) -> RawSet:
        """The set as written; whatever is missing, broken or ambiguous is a HarnessError with its place.

        Without the package `datasets`, Unavailable.
        """
        parts = saved_parts(Path(self.path))
        if "corpus" not in parts:
            return pairs(self._table(parts, (self.split, "")), self.columns)
        judged = self._table(parts, ("qrels", "default", self.split))
        return three_tables(
            self._table(parts, ("corpus",)), self._table(parts, ("queries",)), judged, self.columns
        )  # fmt: skip

    def _table(self, parts: Mapping[str, Any], names: tuple[str, ...]) -> Table:
        name = next((n for n in names if n in parts), None)
        if name is None:
            has = ", ".join(parts) or "nothing"
            raise HarnessError(f"{shown(Path(self.path))} has no {' or '.join(filter(None, names))}; it has {has}.")
        rows = parts[name]
        if isinstance(rows, dict):
            only = next(iter(rows)) if len(rows) == 1 else self.split
            return self._table({f"{name}[{k}]": v for k, v in rows.items()}, (f"{name}[{name}]", f"{name}[{only}]"))
        return saved_table(Path(self.path), name, rows)
