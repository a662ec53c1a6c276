"""Three tables in a folder: corpus, queries and qrels, each CSV, TSV, JSON Lines or Parquet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.parts import place
from harness.rawsets import three_tables
from harness.reading import EXTENSIONS, Table, open_qrels, open_table, pick, stem
from harness.types import RawSet


@dataclass(frozen=True)
class Tables:
    """corpus.*, queries.* and qrels.* with header lines; a qrels.tsv may lack its header.

    `columns` renames id, title, text, query, document, query_id, document_id, score. A folder qrels/ with one table
    for each split may stand for qrels.*.
    """

    path: str = place()
    split: str = "test"
    columns: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def claims(path: str) -> bool:
        """A folder with a corpus table and a queries table that is not a BEIR or a TREC folder."""
        folder = Path(path)
        if not folder.is_dir() or any(folder.glob("topics*")):
            return False
        tables = [p for p in folder.iterdir() if p.is_file() and p.name.lower().endswith(EXTENSIONS)]
        files = {p.name: stem(p) for p in tables if stem(p) in ("corpus", "queries", "qrels")}
        judged = "qrels" in files.values()
        beir = all(name.endswith((".jsonl", ".jsonl.gz")) for name in files) and not judged
        return not beir and len(set(files.values())) >= 2

    def read(self) -> RawSet:
        """The set as written; whatever is missing, broken or ambiguous is a HarnessError with its place."""
        folder = Path(self.path)
        corpus, queries = open_table(_table(folder, "corpus")), open_table(_table(folder, "queries"))
        return three_tables(corpus, queries, self._qrels(folder), self.columns)

    def _qrels(self, folder: Path) -> Table:
        inside = (folder / "qrels").is_dir()
        path = _table(folder / "qrels", self.split) if inside else _table(folder, "qrels")
        return open_qrels(path, self.columns.values()) if ".tsv" in path.suffixes else open_table(path)


def _table(folder: Path, name: str) -> Path:
    return pick(folder, [name + extension for extension in EXTENSIONS])
