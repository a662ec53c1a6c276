"""The BEIR folder: corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.parts import place
from harness.rawsets import three_tables
from harness.reading import listing, open_qrels, open_table, pick, shown
from harness.types import HarnessError, Note, RawSet

CORPUS_FILES = ("corpus.jsonl", "corpus.jsonl.gz")
QUERY_FILES = ("queries.jsonl", "queries.jsonl.gz")


@dataclass(frozen=True)
class Beir:
    """A BEIR folder. A document's text is its title, a space and its text; the qrels may lack their header.

    `columns` renames id, title, text, query, document, query_id, document_id, score. Layout: Thakur et al. 2021, BEIR.
    """

    path: str = place()
    split: str = "test"
    columns: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def claims(path: str) -> bool:
        """A folder with at least two of corpus.jsonl, queries.jsonl and qrels/, and no other kind of judgements."""
        folder = Path(path)
        if not folder.is_dir() or any(folder.glob("topics*")) or any(p.is_file() for p in folder.glob("qrels*")):
            return False
        kinds = (CORPUS_FILES, QUERY_FILES, ("qrels",))
        return sum(any((folder / name).exists() for name in names) for names in kinds) >= 2

    def read(self) -> RawSet:
        """The set as written; whatever is missing, broken or ambiguous is a HarnessError with its place."""
        folder = Path(self.path)
        corpus, queries = pick(folder, CORPUS_FILES), pick(folder, QUERY_FILES)
        judged = pick(folder, ("qrels",)) / f"{self.split}.tsv"
        if not judged.is_file():
            raise HarnessError(f"{shown(judged)} does not exist: in qrels, {listing(judged.parent)}. Set split.")
        qrels = open_qrels(judged, self.columns.values())
        raw = three_tables(open_table(corpus), open_table(queries), qrels, self.columns)
        return raw if qrels.header else raw._replace(notes=(*raw.notes, _headless(judged)))


def _headless(judged: Path) -> Note:
    message = "no header line: read as query, document, grade (of four columns the second is trec_eval's iteration)"
    fix = "Check that the first line is a judgement, or write the line query-id, corpus-id, score before it."
    return Note("header-missing", "info", f"{shown(judged)}:1", message, "none: every line is a judgement", fix, 1)
