"""One table of pairs, in every file kind."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from harness.formats.pairs import Pairs
from harness.types import HarnessError, RawSet

ROWS = [
    {"question": "reset, my password?", "body": 'Press "Reset".\nThen wait.', "kb_id": "kb-1"},
    {"question": "reset, my password?", "body": "Call IT", "kb_id": "kb-2"},
    {"question": "who helps", "body": "Call IT", "kb_id": "kb-2"},
]
COLUMNS = {"query": "question", "document": "body", "id": "kb_id"}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        pandas = pytest.importorskip("pandas")
        pandas.DataFrame(rows).to_parquet(path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0], delimiter="," if path.suffix == ".csv" else "\t")
            writer.writeheader()
            writer.writerows(rows)
    return path


def judged(raw: RawSet) -> list[tuple[str, str, int]]:
    return [(j.query_id, j.document_id, j.grade) for j in raw.judgements]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_every_file_kind_gives_the_same_set(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / f"pairs.{kind}", ROWS)
    assert Pairs.claims(str(path))
    raw = Pairs(path=str(path), columns=COLUMNS).read()
    assert raw.documents.ids == ("kb-1", "kb-2")
    assert raw.documents.texts == ('Press "Reset".\nThen wait.', "Call IT")
    assert raw.queries.texts == ("reset, my password?", "who helps")
    assert judged(raw) == [("q1", "kb-1", 1), ("q1", "kb-2", 1), ("q2", "kb-2", 1)]
    assert [(n.code, n.count) for n in raw.notes] == [("merged-rows", 2)]


def test_a_tsv_keeps_quotes_as_written(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text('query\tdocument\n"wing"\tflow "at" speed\n')
    raw = Pairs(path=str(path)).read()
    assert (raw.queries.texts, raw.documents.texts) == (('"wing"',), ('flow "at" speed',))


def test_the_line_of_a_judgement_counts_line_breaks_inside_fields(tmp_path: Path) -> None:
    raw = Pairs(path=str(write(tmp_path / "pairs.csv", ROWS)), columns=COLUMNS).read()
    assert [j.place.rpartition(":")[2] for j in raw.judgements] == ["2", "4", "5"]


def test_without_ids_equal_texts_are_one_document_and_one_query(tmp_path: Path) -> None:
    rows = [{k: v for k, v in row.items() if k != "kb_id"} for row in ROWS]
    raw = Pairs(path=str(write(tmp_path / "p.jsonl", rows)), columns={"query": "question", "document": "body"}).read()
    assert (raw.documents.ids, raw.queries.ids) == (("d1", "d2"), ("q1", "q2"))
    assert judged(raw) == [("q1", "d1", 1), ("q1", "d2", 1), ("q2", "d2", 1)]


def test_query_ids_and_grades_are_used_where_there_are_any(tmp_path: Path) -> None:
    rows = [
        {"query_id": 5, "query": "a", "document": "x", "score": 2, "title": None},
        {"query_id": 6, "query": "a", "document": "y", "score": 0.0, "title": "T"},
    ]
    raw = Pairs(path=str(write(tmp_path / "p.jsonl", rows))).read()
    assert raw.queries.ids == ("5", "6")
    assert raw.documents.texts == ("x", "T y")
    assert [j.grade for j in raw.judgements] == [2, 0]


def test_a_folder_is_read_by_its_split(tmp_path: Path) -> None:
    write(tmp_path / "test.csv", [{"query": "a", "document": "b"}])
    assert Pairs.claims(str(tmp_path))
    assert len(Pairs(path=str(tmp_path)).read().queries) == 1
    with pytest.raises(HarnessError, match=r"has no dev\.jsonl or dev\.csv .* it has test\.csv"):
        Pairs(path=str(tmp_path), split="dev").read()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("query,document,id\na,b,1\nc,d,1\n", r'pairs\.csv:3 repeats the id "1" of pairs\.csv:2 with another text'),
        ("query,document\na,b,c\n", r"pairs\.csv:2 has 3 columns, expected 2 as the header"),
        ("query,query\na,b\n", r'pairs\.csv:1 names the column "query" twice'),
        (
            "question,document\na,b\n",
            r'pairs\.csv:1 has no field "query"; it has "question"\. .*columns\.query: question',
        ),
        (
            "who?,Ann\nwhat?,Bob\n",
            r'pairs\.csv:1 has no field "query"; it has "who\?", "Ann"\. Add the header line query,document, or',
        ),
        ("query,document,score\na,b,0.5\n", r"pairs\.csv:2 has the grade '0.5'; expected an integer"),
        ("query,document,score\na,b,1\na,b,2\n", r'pairs\.csv:3 grades document "d1" for query "q1" 2, but'),
        ('query,document\na,"b" c\n', r"pairs\.csv:2 is not CSV"),
        ("", r"pairs\.csv is empty"),
    ],
)
def test_each_mistake_is_named_with_file_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pairs.csv").write_text(text)
    with pytest.raises(HarnessError, match=expected):
        Pairs(path="pairs.csv").read()


def test_a_document_longer_than_the_csv_default_limit_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "p.csv", [{"query": "a", "document": "b" * 200_000}])
    assert len(Pairs(path=str(path)).read().documents.texts[0]) == 200_000


def test_a_broken_parquet_file_and_an_unknown_kind_are_refused(tmp_path: Path) -> None:
    (tmp_path / "p.parquet").write_text("no")
    with pytest.raises(HarnessError, match=r"p\.parquet is not a Parquet file"):
        Pairs(path=str(tmp_path / "p.parquet")).read()
    (tmp_path / "p.xlsx").write_text("no")
    with pytest.raises(HarnessError, match=r"p\.xlsx is not a table; expected one of \.jsonl"):
        Pairs(path=str(tmp_path / "p.xlsx")).read()
