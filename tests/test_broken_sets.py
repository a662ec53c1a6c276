"""Broken folders: each ends in findings with a code, a place and a fix, or in one line; never in a traceback."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.commands import validate as command
from harness.types import HarnessError

CORPUS = '{"_id": "d1", "text": "alpha"}\n{"_id": "d2", "text": "beta"}\n'
QUERIES = '{"_id": "q1", "text": "one"}\n{"_id": "q2", "text": "two"}\n'
QRELS = "q1\td1\t1\nq2\td2\t1\n"
GOOD = {"corpus.jsonl": CORPUS, "queries.jsonl": QUERIES, "qrels/test.tsv": QRELS}
TABLES = {"corpus.csv": "_id,text\nd1,alpha\nd2,beta\n", "queries.csv": "_id,text\nq1,one\nq2,two\n",
          "qrels.csv": "query_id,document_id,score\nq1,d1,1\nq2,d2,1\n"}  # fmt: skip
Files = Mapping[str, str | bytes]


def write(folder: Path, files: Files) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def validated(path: Path, kind: str = "") -> tuple[int, list[dict[str, object]]]:
    answer = command([str(path), "--json", *(["--type", kind] if kind else [])])
    return answer.code, json.loads(answer.text)["findings"]


# type, files, code, the end of its place, a piece of what it says
BROKEN: list[tuple[str, Files, str, str, str]] = [
    ("", GOOD | {"corpus.jsonl": CORPUS + "{\n"}, "not-json", "corpus.jsonl:3", "is not JSON"),
    ("", GOOD | {"queries.jsonl": QUERIES + "[1]\n"}, "not-json", "queries.jsonl:3", "is a JSON list"),
    ("", GOOD | {"corpus.jsonl": CORPUS.encode() + b'{"_id": "d3", "text": "caf\xe9"}\n'}, "not-utf8", ":3", "0xe9"),
    ("", GOOD | {"corpus.jsonl": CORPUS.encode("utf-16")}, "nul-bytes", "corpus.jsonl:1", "has a NUL byte"),
    ("", GOOD | {"corpus.jsonl": CORPUS + '{"_id": "d3", "text": "a\\u0000"}\n'}, "nul-bytes", ":3", "NUL or half a"),
    ("", GOOD | {"corpus.jsonl": CORPUS + '{"_id": "d3", "text": "\\ud800"}\n'}, "nul-bytes", ":3", "surrogate"),
    ("", GOOD | {"corpus.jsonl": '{"_id": "d1", "txt": "alpha"}\n'}, "unknown-columns", ":1", 'no field "text"'),
    ("", GOOD | {"corpus.jsonl": CORPUS + '{"_id": "d3", "text": null}\n'}, "missing-value", ":3", "no value"),
    ("", GOOD | {"corpus.jsonl": CORPUS + '{"_id": "d3", "text": 3}\n'}, "not-text", ":3", 'has 3 in "text"'),
    ("", GOOD | {"corpus.jsonl": CORPUS + '{"_id": 1.5, "text": ""}\n'}, "bad-id", ":3", "has the id 1.5"),
    ("", GOOD | {"corpus.jsonl": CORPUS + '{"_id": "d1", "text": "b"}\n'}, "same-id", ":3", "repeats the id"),
    ("", GOOD | {"corpus.jsonl": "\n"}, "empty", "", "is empty"),
    ("", GOOD | {"qrels/test.tsv": QRELS + "q9\td1\t1\n"}, "unknown-query", "test.tsv:3", 'query "q9"'),
    ("", GOOD | {"qrels/test.tsv": QRELS + "q1\td2\tyes\n"}, "bad-grade", "test.tsv:3", "has the grade 'yes'"),
    ("", GOOD | {"qrels/test.tsv": QRELS + "q1\td1\t2\n"}, "two-grades", "test.tsv:3", "grades document"),
    ("", GOOD | {"qrels/test.tsv": QRELS + "q1 d2 1\n"}, "column-count", "test.tsv:3", "has 3 columns"),
    ("", GOOD | {"qrels/test.tsv": "q1\td1\t0\n"}, "no-relevant", "", "no query has a relevant document"),
    ("", GOOD | {"qrels/test.tsv": "q1\tx\t1\nq2\ty\t1\n"}, "ids-differ", "test.tsv:1", "no relevant document is in"),
    ("", TABLES | {"corpus.csv": "d1,alpha\nd2,beta\n"}, "header-missing", "corpus.csv:1", 'it has "d1", "alpha"'),
    ("", TABLES | {"queries.csv": "_id,txet\nq1,one\n"}, "unknown-columns", "queries.csv:1", 'has no field "text"'),
    ("", TABLES | {"queries.csv": "_id,_id\nq1,one\n"}, "unknown-columns", "queries.csv:1", "twice"),
    ("", TABLES | {"corpus.csv": "_id,text\nd1,a,b\nd2,c\n"}, "column-count", "corpus.csv:2", "has 3 columns"),
    ("", TABLES | {"corpus.csv": '_id,text\nd1,"a\nd2,c\n'}, "not-csv", "corpus.csv", "is not CSV"),
    ("", GOOD | {"task.yaml": "path: .\ncolumns: {document: body}\n"}, "unknown-columns", "", "no such field"),
    ("sts", {"test.csv": "sentence1,sentence2,score\na,b,x\nc,d,1\ne,f,2\ng,h,3\n"}, "not-a-number", ":2", "'x'"),
    ("sts", {"test.csv": "sentence1,sentence2,score\na,b,9\nc,d,1\ne,f,2\ng,h,3\n"}, "beyond-scale", ":2", "score 9"),
    ("sts", {"test.csv": "sentence1,sentence2,score\na,b,1\nc,d,1\ne,f,1\n"}, "one-score", "", "same score"),
    ("pair_classification", {"test.csv": "sentence1,sentence2,label\na,b,2\nc,d,1\n"}, "bad-label", ":2", "'2'"),
    ("bitext", {"test.csv": "sentence1,sentence2\na,b\n"}, "too-few", "", "has one pair"),
    ("clustering", {"test.jsonl": '{"text": "a", "label": 1}\n' * 2}, "one-label", "", 'the label "1"'),
    ("clustering", {"test.jsonl": '{"text": "a", "label": 1.5}\n'}, "bad-label", ":1", "has the label 1.5"),
    ("classification", {"test.csv": "text,label\na,x\nb,y\n", "train.csv": "text,label\na,v\nb,w\n"},
     "labels-differ", "", "Spell them alike"),
    ("reranking", {"test.jsonl": '{"query": "q", "positive": "a", "negative": ["b"]}\n'}, "not-a-list", ":1", "list"),
    ("reranking", {"test.jsonl": '{"query": "q", "positive": ["a"], "negative": ["a"]}\n'}, "two-grades", ":1", "both"),
    ("summarization", {"test.jsonl": '{"human_summaries": ["a"], "machine_summaries": ["b"], "relevance": [1, 2]}\n'},
     "unequal-lists", ":1", "unequal length"),
    ("", {"topics.txt": "<top><num>1</top>", "qrels.txt": "1 0 d 1\n", "docs.trec": "<DOC><DOCNO>d</DOCNO>x</DOC>"},
     "bad-block", "topics.txt:1", "has no <title>"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "files", "code", "place", "said"), BROKEN, ids=[f"{b[2]}-{i}" for i, b in enumerate(BROKEN)]
)
def test_what_is_broken_is_a_finding_with_its_place_effect_and_fix(
    tmp_path: Path, kind: str, files: Files, code: str, place: str, said: str
) -> None:
    exit_code, found = validated(write(tmp_path / "set", files), kind)
    assert exit_code == 1
    (note,) = [one for one in found if one["code"] == code]
    assert note["level"] == "error"
    assert str(note["place"]).endswith(place) or place in str(note["place"])
    assert said in str(note["message"]) + str(note["fix"])
    assert str(note["effect"]).startswith("no score") and note["fix"]
    assert "\n" not in str(note["message"])


# What is no data at all is one line.
NOTHING: list[tuple[str, Files, str]] = [
    ("", {}, "does not exist"),
    ("", {"notes.txt": "x"}, "is no format known here"),
    ("", {"corpus.jsonl": CORPUS, "queries.jsonl": QUERIES}, "has no qrels"),
    ("", GOOD | {"qrels/test.tsv": b"", "qrels/dev.tsv": b"", "task.yaml": "path: .\nsplit: train\n"}, "Set split"),
    ("", GOOD | {"task.yaml": "pth: .\n"}, "unknown key 'pth'"),
    ("", GOOD | {"task.yaml": "a: [\n"}, "is not YAML"),
    ("", {"test.parquet": b"no"}, "is not a Parquet file"),
    ("", {"corpus.jsonl.gz": b"no", "queries.jsonl": QUERIES, "qrels/test.tsv": QRELS}, "cannot be read"),
    ("", {"corpus.jsonl.gz": gzip.compress(CORPUS.encode())[:-9], "queries.jsonl": QUERIES, "qrels/test.tsv": QRELS},
     "cannot be read"),
    ("classification", {"test.csv": "text,label\na,x\nb,y\n"}, "has no train"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "files", "said"), NOTHING)
def test_where_no_set_lies_one_line_says_so(tmp_path: Path, kind: str, files: Files, said: str) -> None:
    path = write(tmp_path / "set", files)
    with pytest.raises(HarnessError) as caught:
        validated(path, kind)
    line = str(caught.value)
    assert said in line or (not files and "no task named" in line)
    assert "\n" not in line


def test_all_broken_rows_are_found_at_once_five_shown_and_all_counted(tmp_path: Path) -> None:
    corpus = CORPUS.encode() + b"{\n" * 7 + b'{"_id": "d9", "text": "\xff"}\n'
    qrels = QRELS + "q1\td2\tmany\nq7\td1\t1\n"
    code, found = validated(write(tmp_path / "set", GOOD | {"corpus.jsonl": corpus, "qrels/test.tsv": qrels}))
    by_code = {str(note["code"]): note for note in found}
    assert code == 1
    assert by_code["not-json"]["count"] == 7
    message = str(by_code["not-json"]["message"])
    assert "(7 such rows: " in message and message.endswith("corpus.jsonl:7 ...)")
    assert message.count("corpus.jsonl:") == 6  # the first line once more in front
    assert by_code["not-json"]["example"] == "{"
    assert by_code["not-utf8"]["place"] == f"{tmp_path}/set/corpus.jsonl:10"
    assert by_code["bad-grade"]["count"] == 1


def test_a_query_whose_row_was_left_out_is_said_to_be_perhaps_that(tmp_path: Path) -> None:
    queries = QUERIES.replace('{"_id": "q2"', '{"_id": q2')
    _, found = validated(write(tmp_path / "set", GOOD | {"queries.jsonl": queries}))
    assert {str(note["code"]): "left out" in str(note["message"]) for note in found} == {
        "not-json": False, "unknown-query": True,
    }  # fmt: skip


def test_judgements_of_unknown_queries_are_named_beside_broken_documents(tmp_path: Path) -> None:
    files = GOOD | {"corpus.jsonl": CORPUS + "{\n", "qrels/test.tsv": QRELS + "q9\td1\t1\n"}
    _, found = validated(write(tmp_path / "set", files))
    (unknown,) = [note for note in found if note["code"] == "unknown-query"]
    assert "left out" not in str(unknown["message"]) and len(found) == 2


def test_an_id_that_differs_in_its_digits_alone_is_no_misspelling(tmp_path: Path) -> None:
    for query, suggested in (("q3", False), ("Q2", True)):
        files = GOOD | {"qrels/test.tsv": QRELS + f"{query}\td1\t1\n"}
        _, (note,) = validated(write(tmp_path / query, files))
        assert ("Did you mean q2?" in str(note["message"]) + str(note["fix"])) == suggested


def test_judgements_without_a_header_are_read_and_it_is_said(tmp_path: Path) -> None:
    for name, header, expected in (("without", "", 1), ("with", "query-id\tcorpus-id\tscore\n", 0)):
        _, found = validated(write(tmp_path / name, GOOD | {"qrels/test.tsv": header + QRELS}))
        told = [note for note in found if note["code"] == "header-missing"]
        assert len(told) == expected and all(note["level"] == "info" for note in told)


def test_broken_rows_in_a_zip_name_the_zip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile("bad.zip", "w") as archive:
        for name, content in (GOOD | {"corpus.jsonl": CORPUS + "{\n{\n"}).items():
            archive.writestr(f"s/{name}", content)
    _, (note,) = validated(Path("bad.zip"))
    assert note["place"] == "bad.zip/s/corpus.jsonl:3"
    assert "bad.zip/s/corpus.jsonl:4" in str(note["message"])


def test_the_json_has_these_keys(tmp_path: Path) -> None:
    told = json.loads(command([str(write(tmp_path / "set", GOOD)), "--json"]).text)
    assert list(told) == ["evalset", "level", "findings", "unchecked"]
    assert (told["evalset"], told["level"]) == ("set", "warning")
    keys = ["code", "level", "place", "message", "effect", "fix", "count", "example"]
    assert [list(note) for note in told["findings"]] == [keys] * len(told["findings"])
    assert all(isinstance(line, str) for line in told["unchecked"])
    broken = json.loads(command([str(write(tmp_path / "bad", GOOD | {"corpus.jsonl": "{"})), "--json"]).text)
    assert list(broken) == list(told)
    assert (broken["evalset"], broken["level"]) == ("bad", "error")


def test_the_terminal_shows_code_place_example_effect_and_fix_and_no_escapes(tmp_path: Path) -> None:
    corpus = CORPUS + json.dumps({"_id": "d3", "text": "\x1b[31mred " * 300}) + "\n"
    answer = command(
        [str(write(tmp_path / "set", GOOD | {"corpus.jsonl": corpus, "qrels/test.tsv": QRELS + "q1\tx\t1\n"}))]
    )
    assert answer.code == 0
    lines = answer.text.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("warning  dangling-judgements at "))
    assert [line.split(":")[0].strip() for line in lines[at + 1 : at + 4]] == ["example", "effect", "fix"]
    assert "\x1b" not in answer.text
    assert "not checked:" in lines
