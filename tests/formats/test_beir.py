"""The BEIR folder, read strictly."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import pytest

from harness.evalsets import load, open_evalset
from harness.formats.beir import Beir
from harness.types import HarnessError, RawSet

CORPUS = '{"_id": "d1", "title": "Printer", "text": "is offline"}\n{"_id": "d2", "text": "Reset it"}\n'
QUERIES = '{"_id": "q1", "text": "printer"}\n{"_id": "q2", "text": "password"}\n'
QRELS = "query-id\tcorpus-id\tscore\nq1\td1\t2\nq2\td2\t1\n"


def folder(tmp_path: Path, corpus: str = CORPUS, queries: str = QUERIES, qrels: str = QRELS) -> Path:
    (tmp_path / "qrels").mkdir()
    (tmp_path / "corpus.jsonl").write_text(corpus, encoding="utf-8")
    (tmp_path / "queries.jsonl").write_text(queries, encoding="utf-8")
    (tmp_path / "qrels" / "test.tsv").write_text(qrels, encoding="utf-8")
    return tmp_path


def read(tmp_path: Path, **files: str) -> RawSet:
    return Beir(path=str(folder(tmp_path, **files))).read()


def judged(raw: RawSet) -> list[tuple[str, str, int]]:
    return [(j.query_id, j.document_id, j.grade) for j in raw.judgements]


def error(tmp_path: Path, **files: str) -> str:
    with pytest.raises(HarnessError) as caught:
        read(tmp_path, **files)
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(str(tmp_path) + "/", "")


def test_title_and_text_are_joined_by_a_space_and_an_absent_title_adds_nothing(tmp_path: Path) -> None:
    raw = read(tmp_path)
    assert raw.documents.ids == ("d1", "d2")
    assert raw.documents.texts == ("Printer is offline", "Reset it")
    assert raw.queries.texts == ("printer", "password")
    assert judged(raw) == [("q1", "d1", 2), ("q2", "d2", 1)]
    assert raw.judgements[0].place.endswith("qrels/test.tsv:2")
    assert raw.notes == ()


@pytest.mark.parametrize("title", ["null", '""'])
def test_a_null_or_empty_title_leaves_the_text_untouched(tmp_path: Path, title: str) -> None:
    raw = read(tmp_path, corpus=f'{{"_id": "d1", "title": {title}, "text": " a "}}\n{{"_id": "d2", "text": "b"}}\n')
    assert raw.documents.texts == (" a ", "b")


@pytest.mark.parametrize(
    "qrels",
    [
        "q1\td1\t2\nq2\td2\t1\n",
        "q1\t0\td1\t2\nq2\t0\td2\t1\n",
        "q1 0 d1 2\nq2 0 d2 1\n",
        "\ufeffq1\td1\t2\r\nq2\td2\t1",
    ],
)
def test_a_headerless_qrels_file_keeps_its_first_judgement(tmp_path: Path, qrels: str) -> None:
    assert judged(read(tmp_path, qrels=qrels)) == [("q1", "d1", 2), ("q2", "d2", 1)]


def test_the_header_decides_which_column_is_which(tmp_path: Path) -> None:
    raw = read(tmp_path, qrels="corpus-id\tscore\tquery-id\nd1\t2\tq1\n")
    assert judged(raw) == [("q1", "d1", 2)]


def test_integer_ids_become_text_and_whole_float_grades_integers(tmp_path: Path) -> None:
    raw = read(
        tmp_path, corpus='{"_id": 7, "text": "a"}\n', queries='{"_id": 7, "text": "a"}\n', qrels="7\t7\t1.0\n"
    )  # fmt: skip
    assert raw.documents.ids == raw.queries.ids == ("7",)
    assert judged(raw) == [("7", "7", 1)]


def test_gzipped_files_are_read(tmp_path: Path) -> None:
    where = folder(tmp_path)
    plain = (where / "corpus.jsonl").read_bytes()
    (where / "corpus.jsonl").unlink()
    (where / "corpus.jsonl.gz").write_bytes(gzip.compress(plain))
    assert Beir.claims(str(where))
    assert len(Beir(path=str(where)).read().documents) == 2


def test_line_separators_inside_a_text_do_not_split_it(tmp_path: Path) -> None:
    raw = read(tmp_path, corpus=json.dumps({"_id": "d1", "text": "a\u2028b\x85c"}, ensure_ascii=False) + "\n")
    assert raw.documents.texts == ("a\u2028b\x85c",)


def test_a_missing_field_is_named_with_its_line_and_remedy(tmp_path: Path) -> None:
    message = error(tmp_path, queries='{"_id": "q1", "text": "a"}\n\n{"_id": "q2", "query": "b"}\n')
    assert message == (
        'queries.jsonl:3 has no field "text"; it has "query". Rename it or set columns.text: query.'
    )  # fmt: skip


def test_the_remedy_that_the_error_names_works(tmp_path: Path) -> None:
    where = folder(tmp_path, queries='{"_id": "q1", "query": "a"}\n{"_id": "q2", "query": "b"}\n')
    assert Beir(path=str(where), columns={"text": "query"}).read().queries.texts == ("a", "b")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"corpus": '{"_id": "d1", "text": "a"}\n{"_id": \n'}, "corpus.jsonl:2 is not JSON"),
        ({"corpus": '["d1"]\n'}, "corpus.jsonl:1 is a JSON list, expected an object"),
        ({"corpus": '{"_id": "d1", "text": "a\0"}\n'}, "corpus.jsonl:1 has a NUL byte"),
        (
            {"corpus": '{"_id": "d1", "text": "a\\u0000"}\n'},
            'corpus.jsonl:1 has a NUL or half a surrogate pair in "text"',
        ),
        ({"corpus": '{"_id": "d1", "text": "\\ud83d"}\n'}, "corpus.jsonl:1 has a NUL or half a surrogate pair"),
        ({"corpus": '{"_id": "d1", "text": null}\n'}, 'corpus.jsonl:1 has no value in the field "text"'),
        ({"corpus": '{"_id": "d1", "text": 5}\n'}, 'corpus.jsonl:1 has 5 in "text"; expected text'),
        ({"corpus": '{"_id": "", "text": "a"}\n'}, "corpus.jsonl:1 has the id ''"),
        ({"corpus": '{"_id": 1.5, "text": "a"}\n'}, "corpus.jsonl:1 has the id 1.5"),
        ({"corpus": '{"_id": true, "text": "a"}\n'}, "corpus.jsonl:1 has the id True"),
        ({"corpus": ""}, "corpus.jsonl is empty: expected at least one document"),
        ({"queries": "\n"}, "queries.jsonl is empty: expected at least one query"),
        ({"qrels": ""}, "qrels/test.tsv is empty: expected at least one judgement"),
        ({"qrels": "query-id\tcorpus-id\tscore\n"}, "qrels/test.tsv is empty"),
        ({"qrels": "q1\td1\t1\nq2\td2\n"}, "qrels/test.tsv:2 has 2 columns, expected 3"),
        ({"qrels": "q1\td1\t1\nq2\t0\td2\t1\n"}, "qrels/test.tsv:2 has 4 columns, expected 3 as in the first line"),
        (
            {"qrels": "q1 d1 1\n"},
            "qrels/test.tsv:1 has 3 columns by spaces, expected 3 (query-id, corpus-id, score), separated by TAB",
        ),
        ({"qrels": "q1\td1\t0.5\n"}, "qrels/test.tsv:1 has the grade '0.5'; expected an integer"),
        ({"qrels": "q1\td1\tyes\n"}, "qrels/test.tsv:1 has the grade 'yes'"),
        ({"qrels": "q1\td1\tnan\n"}, "qrels/test.tsv:1 has the grade 'nan'"),
        (
            {"qrels": "q1\td1\t1\nq1\td1\t2\n"},
            'qrels/test.tsv:2 grades document "d1" for query "q1" 2, but qrels/test.tsv:1',
        ),
    ],
)
def test_each_mistake_is_named_with_file_and_line(tmp_path: Path, files: dict[str, str], expected: str) -> None:
    assert expected in error(tmp_path, **files)


def test_a_file_that_is_not_utf8_is_refused_with_the_line(tmp_path: Path) -> None:
    where = folder(tmp_path)
    (where / "corpus.jsonl").write_bytes(b'{"_id": "d1", "text": "a"}\n{"_id": "d2", "text": "caf\xe9"}\n')
    with pytest.raises(HarnessError, match=r"corpus\.jsonl:2 is not UTF-8: byte 0xe9 at position 27"):
        Beir(path=str(where)).read()


def test_a_second_document_with_the_same_id_and_another_text_is_an_error_naming_both_lines(tmp_path: Path) -> None:
    message = error(tmp_path, corpus=CORPUS + '{"_id": "d1", "text": "other"}\n')
    assert message.startswith('corpus.jsonl:3 repeats the id "d1" of corpus.jsonl:1 with another text.')


def test_identical_repeats_are_merged_and_counted(tmp_path: Path) -> None:
    raw = read(tmp_path, corpus=CORPUS + CORPUS, qrels=QRELS + "q1\td1\t2\n")
    assert len(raw.documents) == 2
    assert len(raw.judgements) == 2
    assert [(n.code, n.count) for n in raw.notes] == [("duplicate-ids", 2), ("duplicate-judgements", 1)]
    assert raw.notes[0].place.endswith("corpus.jsonl:3")


def test_a_missing_file_is_named_with_what_the_folder_holds(tmp_path: Path) -> None:
    where = folder(tmp_path)
    (where / "queries.jsonl").rename(where / "questions.jsonl")
    with pytest.raises(HarnessError) as caught:
        Beir(path=str(where)).read()
    assert "has no queries.jsonl or queries.jsonl.gz; it has corpus.jsonl, qrels/, questions.jsonl." in str(
        caught.value
    )


def test_a_missing_split_names_the_splits_there_are(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"qrels/dev\.tsv does not exist: in qrels, it has test\.tsv"):
        Beir(path=str(folder(tmp_path)), split="dev").read()


def test_unknown_columns_are_named_with_the_nearest(tmp_path: Path) -> None:
    where = str(folder(tmp_path))
    with pytest.raises(HarnessError, match=r"columns\.texts: no such column\. Did you mean text"):
        Beir(path=where, columns={"texts": "text"}).read()
    with pytest.raises(HarnessError, match=r"columns\.text: txet: .* has no such field\. Did you mean text"):
        Beir(path=where, columns={"text": "txet"}).read()


# Zips ----------------------------------------------------------------------------------------------------------


def packed(where: Path, archive: Path, under: str) -> Path:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as opened:
        for file in sorted(p for p in where.rglob("*") if p.is_file()):
            opened.write(file, under + file.relative_to(where).as_posix())
    return archive


@pytest.mark.parametrize("under", ["", "scifact/"])
def test_a_zip_is_the_same_eval_set_as_its_folder(shared: Path, tmp_path: Path, under: str) -> None:
    where = shared / "retrieval" / "scifact"
    archive = packed(where, tmp_path / "scifact.zip", under)
    zipped = open_evalset(str(archive), [], tmp_path / "cache")
    plain = open_evalset(str(where), [])
    assert zipped.name == plain.name == "scifact"
    assert zipped.sha256 == plain.sha256
    assert zipped.source == str(archive)


def test_a_manifest_may_name_a_zip_or_a_folder_in_it(tmp_path: Path) -> None:
    where = folder(tmp_path)
    (tmp_path / "tasks").mkdir()
    packed(where, tmp_path / "sets.zip", "a/one/")
    for path in ("sets.zip", "sets.zip/a/one", "sets.zip/one"):
        manifest = {"name": "mine", "path": f"../{path}"}
        found = load(manifest, tmp_path / "tasks" / "mine.yaml", tmp_path / "cache")
        assert found.documents.ids == ("d1", "d2")
        assert [note.code for note in found.notes] == ["format"]


def test_a_mistake_in_a_zip_is_named_with_file_and_line(tmp_path: Path) -> None:
    where = folder(tmp_path, qrels="q1\td1\tyes\n")
    archive = packed(where, tmp_path / "a.zip", "")
    with pytest.raises(HarnessError, match=r"qrels/test\.tsv:1 has the grade 'yes'"):
        open_evalset(str(archive), [], tmp_path / "cache")


def test_a_zip_without_a_set_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    archive = packed(tmp_path, tmp_path / "a.zip", "")
    with pytest.raises(HarnessError, match="a.zip holds no BEIR folder"):
        open_evalset(str(archive), [], tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
