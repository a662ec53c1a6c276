"""Three tables in one folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.formats.tables import Tables
from harness.types import HarnessError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "corpus.csv").write_text("id,title,text\n1,A,b\n2,,c\n")
    (tmp_path / "queries.jsonl").write_text('{"id": 1, "question": "what"}\n')
    (tmp_path / "qrels.tsv").write_text("1\t2\t3\n1\t1\t0\n")
    return tmp_path


def test_three_tables_of_unlike_kinds_are_one_set(folder: Path) -> None:
    raw = Tables(path=str(folder), columns={"query": "question"}).read()
    assert raw.documents.ids == ("1", "2")
    assert raw.documents.texts == ("A b", "c")
    assert raw.queries.texts == ("what",)
    assert [j.grade for j in raw.judgements] == [3, 0]


def test_parquet_tables_are_read(folder: Path) -> None:
    pandas = pytest.importorskip("pandas")
    (folder / "corpus.csv").unlink()
    pandas.DataFrame({"kb": [1, 2], "text": ["b", "c"]}).to_parquet(folder / "corpus.parquet")
    raw = Tables(path=str(folder), columns={"query": "question", "id": "kb"}).read()
    assert raw.documents.ids == ("1", "2")
    assert raw.queries.ids == ("1",)


def test_a_renaming_holds_in_the_tables_that_have_such_a_column(folder: Path) -> None:
    (folder / "qrels.tsv").unlink()
    (folder / "qrels.csv").write_text("qid,docid,label\n1,2,1\n")
    raw = Tables(path=str(folder), columns={"query": "question", "score": "label"}).read()
    assert [(j.query_id, j.document_id, j.grade) for j in raw.judgements] == [("1", "2", 1)]


def test_two_tables_of_one_name_are_ambiguous(folder: Path) -> None:
    (folder / "corpus.tsv").write_text("id\ttext\n1\tb\n")
    with pytest.raises(HarnessError, match=r"has both corpus\.csv and corpus\.tsv"):
        Tables(path=str(folder)).read()


def test_a_missing_table_is_named_with_what_the_folder_holds(folder: Path) -> None:
    (folder / "corpus.csv").unlink()
    with pytest.raises(HarnessError, match=r"has no corpus\.jsonl or .*; it has qrels\.tsv, queries\.jsonl\."):
        Tables(path=str(folder)).read()


def test_a_missing_column_is_named_with_its_line(folder: Path) -> None:
    with pytest.raises(HarnessError, match=r'queries\.jsonl:1 has no field "text"; it has "question"\.'):
        Tables(path=str(folder)).read()
