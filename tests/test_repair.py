"""`--fix`: what is unambiguous is changed in a copy, listed, and gone; everything else stays."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.commands import validate as command
from harness.evalsets import load
from harness.mending import mended
from harness.repair import repair
from harness.types import EvalSet, HarnessError, Texts
from harness.validate import opened, validate
from tests.test_validate import made

LONG = "one two three four five six"


def write(
    folder: Path, corpus: Sequence[str], queries: Sequence[str], qrels: Sequence[str], manifest: str = ""
) -> Path:
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text("\n".join(corpus) + "\n", encoding="utf-8")
    (folder / "queries.jsonl").write_text("\n".join(queries) + "\n", encoding="utf-8")
    (folder / "qrels" / "test.tsv").write_text("\n".join(qrels) + "\n", encoding="utf-8")
    if manifest:
        (folder / "task.yaml").write_text(manifest)
    return folder


def text(name: str, value: str) -> str:
    return json.dumps({"_id": name, "text": value})


def dirty(folder: Path) -> Path:
    corpus = [text("a", " Printer\u0000 "), text("a", " Printer\u0000 "), text("b", "Same"), text("c", "Same"),
              text("d", ""), text("e", ""), text("f", "Twin"), text("g", "Twin")]  # fmt: skip
    queries = [text("q1", "printer?"), text("q2", "same?"), text("q3", "nothing?"), text("q4", "lost?")]
    qrels = ["q1\ta\t2", "q1\ta\t2", "q2\tb\t1", "q2\tc\t1", "q1\tgone\t1", "q4\tgone\t1", "q9\ta\t1", "q1\td\t1",
             "q2\tf\t1"]  # fmt: skip
    manifest = (
        "type: retrieval\npath: .\nname: tickets\nweight: 2\nguard: true\nlanguages: [en]\nlabel_source: clicks\n"
    )
    return write(folder, corpus, queries, qrels, manifest)


FIXED = {
    "nul-bytes", "unknown-query", "duplicate-ids", "duplicate-judgements", "outer-space", "empty-documents",
    "identical-documents", "dangling-judgements", "queries-without-relevant",
}  # fmt: skip


def listed(out: Path) -> dict[str, Mapping[str, Any]]:
    with (out / "changes.csv").open(encoding="utf-8", newline="") as file:
        return {row["what"]: row for row in csv.DictReader(file)}


def test_every_unambiguous_flaw_is_mended_listed_and_gone_and_the_rest_stays(tmp_path: Path) -> None:
    source, out = dirty(tmp_path / "set"), tmp_path / "clean"
    before = {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}
    said = repair(str(source), "", [], out)
    assert listed(out).keys() == FIXED
    assert {path: path.read_bytes() for path in source.rglob("*") if path.is_file()} == before
    copy = opened(str(out), "", [])
    # d is empty but judged, f and g are judged unlike: both stay. c is b again.
    assert copy.documents == Texts(("a", "b", "d", "f", "g"), ("Printer", "Same", "", "Twin", "Twin"))
    assert copy.queries.ids == ("q1", "q2")
    assert [column.tolist() for column in copy.qrels] == [[0, 1, 0, 1], [0, 1, 2, 3], [2, 1, 1, 1]]
    left = {note.code for note in validate(copy)}
    assert left & FIXED == {"empty-documents", "identical-documents"}
    assert "stays: empty-documents (1)" in said and "stays: identical-documents (1)" in said


def test_the_copy_keeps_what_the_manifest_says_and_has_another_hash(tmp_path: Path) -> None:
    (clean := tmp_path / "set").mkdir()
    source = write(clean / "x", [text("a", "A "), text("b", "B")], [text("q", "Q")], ["q\ta\t1"], (
        "path: .\nname: tickets\nweight: 2\nguard: true\nlanguages: [en, de]\nlabel_source: clicks\ninstruction: Find\n"
    ))  # fmt: skip
    repair(str(source), "", [], tmp_path / "clean")
    was, now = opened(str(source), "", []), opened(str(tmp_path / "clean"), "", [])
    assert was.sha256 != now.sha256
    for key in ("name", "type", "weight", "guard", "languages", "label_source", "instruction", "exclude_self"):
        assert getattr(now, key) == getattr(was, key), key


def test_changes_are_written_for_people_too_and_formulas_are_harmless(tmp_path: Path) -> None:
    source = write(tmp_path / "set", [text("=1+1|", "x "), text("b", "y")], [text("q", "Q")], ["q\tb\t1"])
    repair(str(source), "", [], tmp_path / "clean")
    assert listed(tmp_path / "clean")["outer-space"]["where"] == "documents =1+1|"
    page = (tmp_path / "clean" / "changes.md").read_text()
    assert page.startswith("# Changes to set\n\n| what | where | why | count |\n")
    assert "outer-space | documents =1+1\\|" in page


@pytest.mark.parametrize("out", ["set", "set/clean", "taken", "file"])
def test_no_copy_is_written_in_place_or_over_anything(tmp_path: Path, out: str) -> None:
    source = dirty(tmp_path / "set")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "x").touch()
    (tmp_path / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(HarnessError, match=r"Name a folder that is new or empty|lies in the set itself"):
        repair(str(source), "", [], tmp_path / out)
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_ambiguous_is_left_to_people_with_every_place(tmp_path: Path) -> None:
    source = write(tmp_path / "set", [text("a", "A"), text("a", "B"), "{"], [text("q", "Q")], ["q\ta\t1", "q\ta\t2"])
    with pytest.raises(HarnessError, match="mend by hand first") as caught:
        repair(str(source), "", [], tmp_path / "clean")
    for part in (
        "same-id (1) at",
        "corpus.jsonl:2",
        "not-json (1) at",
        "corpus.jsonl:3",
        "two-grades (1)",
        "test.tsv:2",
    ):
        assert part in str(caught.value)
    assert not (tmp_path / "clean").exists()


@pytest.mark.parametrize(("corpus", "qrels", "said"), [
    ([text("a", "A")], ["q,a,1"], r"column-count \(1\) at .*test.tsv:1\. The first: .*has 1 columns, expected 3"),
    ([text("a", "A")], ["q a 1"], r"has 3 columns by spaces, expected 3 .* separated by TAB"),
    ([text("a", "A")], ["q\ta\tyes"], r"bad-grade \(1\).*the grade 'yes'"),
    (['{"_id": 1.0, "text": "A"}'], ["q\t1.0\t1"], r"bad-id \(1\).*the id 1\.0"),
    (["[" + text("a", "A") + "]"], ["q\ta\t1"], r"not-json \(1\).*JSON list"),
])  # fmt: skip
def test_where_every_row_is_broken_that_is_the_reason_and_not_an_empty_file(
    tmp_path: Path, corpus: list[str], qrels: list[str], said: str
) -> None:
    source = write(tmp_path / "set", corpus, [text("q", "Q")], qrels)
    with pytest.raises(HarnessError, match=f"mend by hand first, nothing was written: .*{said}") as caught:
        repair(str(source), "", [], tmp_path / "clean")
    assert "is empty" not in str(caught.value) and not (tmp_path / "clean").exists()


def test_half_a_surrogate_pair_is_called_by_its_name(tmp_path: Path) -> None:
    corpus = [text("a", "A\ud800"), text("b", "B")]
    source = write(tmp_path / "set", corpus, [text("q", "Q")], ["q\ta\t1"])
    assert "halves of surrogate pairs" in repair(str(source), "", [], tmp_path / "clean")


def test_a_clean_set_is_not_copied(tmp_path: Path) -> None:
    source = write(tmp_path / "set", [text("a", "A"), text("b", "B")], [text("q", "Q")], ["q\ta\t1"])
    assert "nothing was written" in repair(str(source), "", [], tmp_path / "clean")
    assert not (tmp_path / "clean").exists()


def test_a_document_that_a_query_excludes_is_no_copy_of_another() -> None:
    evalset = made(["same", "same", "other"], ["same"], [(0, 2, 1)], exclude_self=True)
    evalset = EvalSet(**{**vars(evalset), "queries": Texts(("d1",), ("same",))})
    assert mended(evalset)[0].documents.ids == ("d0", "d1", "d2")


def test_a_set_of_which_nothing_would_be_left_is_refused() -> None:
    with pytest.raises(HarnessError, match="no query would be left"):
        mended(made(["a"], ["x"], [(0, -1, 1)]))


def test_an_id_that_a_table_cannot_hold_is_refused(tmp_path: Path) -> None:
    rows = [{"query": "q", "document": "d ", "id": "a\tb"}, {"query": "p", "document": "e", "id": "c"}]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(HarnessError, match=r"the id 'a\\tb' has white space"):
        repair(str(tmp_path / "pairs.jsonl"), "", [], tmp_path / "clean")


@pytest.mark.parametrize(("kind", "rows", "kept"), [
    ("sts", [("a", "b", 1), ("b", "a", 1), ("a", "b", 2), ("", "x", 3), ("c", "d", 4)], [0, 2, 4]),
    ("pair_classification", [("a", "b", 1), ("a", "b", 1), ("c", "d", 0), (" ", "x", 0)], [0, 2]),
    ("bitext", [("a", "b", 0), ("a", "b", 0), ("a", "c", 0), ("b", "a", 0), ("", "z", 0)], [0, 2, 3]),
])  # fmt: skip
def test_rows_of_pairs_that_say_nothing_go_and_columns_stay(
    tmp_path: Path, kind: str, rows: list[tuple[str, str, int]], kept: list[int]
) -> None:
    value = {"sts": "score", "pair_classification": "label", "bitext": "note"}[kind]
    table = [{"one": one, "two": two, value: number, "by": "me"} for one, two, number in rows]
    source = tmp_path / "set"
    source.mkdir()
    (source / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in table))
    (source / "task.yaml").write_text(f"type: {kind}\npath: .\nweight: 3\ncolumns: {{first: one, second: two}}\n")
    repair(str(source), "", [], tmp_path / "clean")
    copied = [json.loads(line) for line in (tmp_path / "clean" / "test.jsonl").read_text().splitlines()]
    assert copied == [table[i] for i in kept]
    copy = opened(str(tmp_path / "clean"), "", [])
    assert (copy.type, copy.weight, copy.name) == (kind, 3.0, "set")
    assert not {note.code for note in validate(copy)} & {"empty-pairs", "duplicate-pairs"}


def test_labelled_texts_lose_repeats_in_each_split(tmp_path: Path) -> None:
    test = [("a", "x"), ("b", "y"), ("a", "x"), ("a", "y"), ("", "x")]
    train = [("c", "x"), ("c", "x"), ("d", "y"), ("e", "y"), ("f", "x")]
    (source := tmp_path / "set").mkdir()
    for name, rows in (("test", test), ("train", train)):
        (source / f"{name}.csv").write_text("text,label\n" + "".join(f"{one},{label}\n" for one, label in rows))
    repair(str(source), "classification", [], tmp_path / "clean")
    copy = opened(str(tmp_path / "clean"), "", [])
    assert copy.queries.texts == ("a", "b", "a")
    assert copy.documents.texts == ("c", "d", "e", "f")


def test_types_of_which_nothing_is_certain_are_refused_in_one_line() -> None:
    with pytest.raises(HarnessError, match="of reranking nothing is unambiguous"):
        repair("helpdesk-rerank", "", [Path(__file__).parents[1] / "tasks"], Path("never-written"))
    assert not Path("never-written").exists()


def test_the_command_says_what_it_changed(tmp_path: Path) -> None:
    answer = command([str(dirty(tmp_path / "set")), "--fix", str(tmp_path / "clean")])
    assert answer.code == 0
    assert "1 x identical-documents: an earlier document has its text" in answer.text
    assert load({"path": str(tmp_path / "clean")}, Path("m.yaml")).queries.ids == ("q1", "q2")
