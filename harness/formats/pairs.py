"""One table whose rows are a query and a document that answers it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.parts import place
from harness.rawsets import pairs
from harness.reading import EXTENSIONS, extension, open_table, pick
from harness.types import RawSet

SPLITS = ("test", "dev", "validation", "train")


@dataclass(frozen=True)
class Pairs:
    """A CSV, TSV, JSON Lines or Parquet file, or a folder with one of them named after the split.

    Columns: query, document, and where there are any: title, id (of the document), query_id, score.
    """

    path: str = place()
    split: str = "test"
    columns: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def claims(path: str) -> bool:
        """A table, or a folder with a table named test, dev, validation or train."""
        where = Path(path)
        if where.is_file():
            return bool(extension(where))
        return any((where / (split + kind)).is_file() for split in SPLITS for kind in EXTENSIONS)

    def read(self) -> RawSet:
        """The set as written; whatever is missing, broken or ambiguous is a HarnessError with its place."""
        where = Path(self.path)
        file = pick(where, [self.split + kind for kind in EXTENSIONS]) if where.is_dir() else where
        return pairs(open_table(file), self.columns)
