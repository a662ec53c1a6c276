"""The data doctor: each code, its count and its computed effect, on sets small enough to check by hand."""

from __future__ import annotations

import json
import zipfile
from itertools import combinations
from math import log2
from pathlib import Path

import numpy as np
import pytest

from harness.duplicates import near_duplicates
from harness.evalsets import load
from harness.types import NO_QRELS, EvalSet, HarnessError, Note, Qrels, Texts
from harness.validate import examined, opened, validate

SETS = Path(__file__).resolve().parents[2] / "shared" / "data" / "retrieval"
SECOND = 1 / log2(3)
THIRD = 1 / log2(4)


def made(
    documents: list[str], queries: list[str], judged: list[tuple[int, int, int]], exclude_self: bool = False
) -> EvalSet:
    """An eval set with ids d0 ... and q0 ...; judgements are (query, document, grade) by position."""
    query, document, grade = np.array(judged, dtype=np.int32).reshape(-1, 3).T.copy()
    return EvalSet(
        name="made", type="retrieval", qrels=Qrels(query, document, grade), exclude_self=exclude_self,
        documents=Texts(tuple(f"d{i}" for i in range(len(documents))), tuple(documents)),
        queries=Texts(tuple(f"q{i}" for i in range(len(queries))), tuple(queries)),
    )  # fmt: skip


def found(evalset: EvalSet) -> dict[str, Note]:
    return {note.code: note for note in validate(evalset)}


def test_a_clean_set_has_only_the_power_and_size_notes() -> None:
    words = ["alpha beta gamma", "delta epsilon zeta", "eta theta iota"]
    notes = validate(made(words, ["one", "two"], [(0, 0, 2), (0, 1, 1), (1, 2, 1)]))
    assert [n.code for n in notes if n.code != "holes"] == ["reachable", "judgements", "power", "small-corpus"]
    assert {n.level for n in notes[:-1]} == {"info"}


def test_dangling_judgements_cap_recall_and_ndcg() -> None:
    # q0 loses its grade-2 document: 1/log2(2) over 2/log2(2) + 1/log2(3); q1 loses nothing.
    note = found(made(["a", "b"], ["x", "y"], [(0, -1, 2), (0, 0, 1), (1, 1, 1)]))["dangling-judgements"]
    best = (1 / (2 + SECOND) + 1) / 2
    assert (note.count, note.level) == (1, "warning")
    assert note.effect == f"best reachable nDCG@10 {best:.4f}, recall at most 0.7500"


def test_a_note_of_the_reader_keeps_its_place_and_appears_once_with_the_effect() -> None:
    evalset = made(["a"], ["x"], [(0, -1, 1), (0, 0, 1)])
    read = (Note("format", "info", "f", "read as beir"), Note("dangling-judgements", "warning", "t.tsv:1", "seen"))
    notes = validate(EvalSet(**{**vars(evalset), "notes": read}))
    assert notes[0] == read[0]._replace(effect="none: it says how the set was read")
    (dangling,) = [n for n in notes if n.code == "dangling-judgements"]
    assert (dangling.place, dangling.message) == ("t.tsv:1", "seen")
    assert "recall at most 0.5000" in dangling.effect


def test_identical_documents_may_push_the_relevant_one_down() -> None:
    note = found(made(["The cat", "the  cat", "dog", "the cat"], ["x", "y"], [(0, 0, 1), (1, 2, 1)]))
    identical = note["identical-documents"]
    assert identical.count == 2
    assert '"d1" that of "d0"' in identical.message
    assert identical.effect.startswith("1 of 2 scored queries")
    assert identical.effect.endswith(f"nDCG@10 {(THIRD + 1) / 2:.4f}")


def test_identical_documents_that_are_judged_alike_cost_nothing() -> None:
    note = found(made(["cat", "cat"], ["x"], [(0, 0, 1), (0, 1, 1)]))["identical-documents"]
    assert note.effect == "none: the twins of relevant documents are relevant too"


def test_near_duplicates_are_paired_with_their_effect() -> None:
    text = " ".join(f"w{i}" for i in range(30))
    note = found(made([text, text + " more", "other words entirely"], ["x"], [(0, 1, 1)]))["near-duplicates"]
    assert note.count == 1
    assert '"d0" and "d1"' in note.message
    assert note.effect.endswith(f"{SECOND:.4f}")


def test_near_duplicate_search_finds_what_comparing_all_pairs_finds() -> None:
    dice = np.random.default_rng(7)
    texts = []
    for _ in range(40):
        words = [f"w{dice.integers(400)}" for _ in range(dice.integers(1, 40))]
        texts.append(" ".join(words))
        for _ in range(2):
            changed = list(words)
            changed[dice.integers(len(words))] = "new"
            texts.append(" ".join(changed if dice.random() < 0.5 else [*words, "tail"]))

    def triples(text: str) -> set[tuple[str, ...]]:
        words = text.split()
        return set(zip(words, words[1:], words[2:], strict=False))

    expected = [
        (i, j)
        for i, j in combinations(range(len(texts)), 2)
        if texts[i] != texts[j]
        and (union := triples(texts[i]) | triples(texts[j]))
        and 10 * len(triples(texts[i]) & triples(texts[j])) >= 8 * len(union)
    ]
    assert len(expected) > 20
    assert near_duplicates(texts) == (expected, len(texts))


def test_a_corpus_over_the_bound_is_sampled_and_says_how_many_were_compared() -> None:
    assert near_duplicates(["a b c d"] * 10, most_words=20)[1] == 5


def test_empty_texts_are_counted_with_the_queries_that_need_them() -> None:
    notes = found(made(["", "a", " \n"], ["x", "", "z"], [(0, 0, 1), (1, 1, 1), (2, 1, 1)]))
    assert notes["empty-documents"].count == 2
    assert '"d0", "d2"' in notes["empty-documents"].message
    assert notes["empty-documents"].effect.startswith("1 of 3 scored queries")
    assert notes["empty-queries"].count == 1
    assert notes["empty-queries"].effect.startswith("1 of 3 scored queries")
    assert "identical-documents" not in notes
    assert "query-equals-document" not in notes


def test_queries_without_judgements_and_without_relevant_documents_are_told_apart() -> None:
    notes = found(made(["a"], ["x", "y", "z"], [(0, 0, 1), (1, 0, 0)]))
    assert notes["queries-without-judgements"].count == 1
    assert notes["queries-without-relevant"].count == 2
    assert notes["queries-without-relevant"].effect == "left out: scores are means over 1 of 3 queries"


def test_a_set_without_any_relevant_document_has_an_error_and_no_scores() -> None:
    notes = validate(made(["a"], ["x"], [(0, 0, 0)]))
    assert [(n.code, n.level) for n in notes] == [("no-relevant", "error")]


def test_a_query_that_equals_a_document_is_counted() -> None:
    note = found(made(["Same Text", "other"], ["same  text", "other"], [(0, 0, 1), (1, 0, 1)]))["query-equals-document"]
    assert note.count == 2
    assert note.effect.startswith("1 are answered by their own copy; for 1 ")


def test_with_exclude_self_the_query_itself_is_no_finding() -> None:
    evalset = made(["same", "other"], ["same"], [(0, 1, 1)], exclude_self=True)
    assert "query-equals-document" in found(evalset)
    own = EvalSet(**{**vars(evalset), "queries": Texts(("d0",), ("same",))})
    assert "query-equals-document" not in found(own)


def test_a_query_copied_from_its_relevant_document_is_counted_only_there() -> None:
    documents = ["To start, press the red button twice. Done", "press the red button twicefold"]
    notes = found(made(documents, ["press the red button", "red button"], [(0, 0, 1), (1, 0, 1)]))
    assert notes["query-copied"].count == 1
    assert "50.0% of the scored queries" in notes["query-copied"].effect
    assert "query-copied" not in found(made(documents, ["button twice. done now ok"], [(0, 0, 1)]))


def test_equal_queries_with_unlike_labels_cap_the_score() -> None:
    # One ranking for both: each document counts once, so one query gets 1.0 and the other 1/log2(3).
    notes = found(made(["a", "b"], ["Same", "same", "c"], [(0, 0, 1), (1, 1, 1), (2, 0, 1)]))
    assert notes["duplicate-queries"].count == 2
    assert notes["duplicate-queries"].effect.endswith(f"nDCG@10 {(1 + SECOND + 1) / 3:.4f}")
    assert "duplicate-queries" not in found(made(["a"], ["x", "x"], [(0, 0, 1), (1, 0, 1)]))


def test_unused_grades_are_named() -> None:
    one = found(made(["a", "b"], ["x"], [(0, 0, 1), (0, 1, 1)]))["unused-grades"]
    assert one.message == "all 2 relevant documents have grade 1; no document is judged irrelevant"
    gap = found(made(["a", "b"], ["x"], [(0, 0, 1), (0, 1, 4)]))["unused-grades"]
    assert gap.message == "grades 1, 4 are used, 2, 3 never"
    assert gap.count == 2
    assert "4 times" in gap.effect
    assert "unused-grades" not in found(made(["a", "b"], ["x"], [(0, 0, 1), (0, 1, 2)]))


def test_power_states_the_detectable_difference() -> None:
    queries = [f"query {i}" for i in range(100)]
    note = found(made(["a", "b"], queries, [(i, i % 2, 1) for i in range(100)] + [(0, 1, 0)]))["power"]
    assert note.count == 100
    assert "difference in nDCG@10: 0.056 " in note.effect
    assert note.message == "100 scored queries"
    assert "784 queries" in note.fix


def test_judgements_and_relevant_documents_of_each_query_are_counted() -> None:
    note = found(made(["a", "b", "c"], ["x", "y"], [(0, 0, 1), (0, 1, 1), (0, 2, 0), (1, 2, 1)]))["judgements"]
    assert note.message == (
        "2.0 judgements for each judged query (1 to 3), 1.5 relevant documents for each scored query (1 to 2)"
    )
    assert note.effect.startswith("1 of 2 scored queries have one relevant document: nDCG@10 takes 11 values")


def test_every_finding_has_a_place_and_an_effect_and_each_of_a_text_an_example() -> None:
    evalset = made(
        ["", "same", "Same", " ".join(["long"] * 300)], ["same", "same", ""], [(0, 1, 3), (1, 3, 1), (0, -1, 1)]
    )
    notes = validate(EvalSet(**{**vars(evalset), "source": "somewhere"}))
    assert len(notes) > 10
    assert [n.code for n in notes if not (n.place and n.effect)] == []
    of_texts = {"identical-documents", "empty-documents", "empty-queries", "query-equals-document", "duplicate-queries",
                "long-texts", "queries-without-relevant", "dangling-judgements"}  # fmt: skip
    assert {n.code for n in notes if n.example} >= of_texts


def test_a_finding_names_the_line_of_its_text(tmp_path: Path) -> None:
    corpus = ["a", "one"], ["b", ""], ["c", "one"]
    rows = "\n\n".join(json.dumps({"_id": name, "text": text}) for name, text in corpus)
    (tmp_path / "corpus.jsonl").write_text(rows)
    (tmp_path / "queries.jsonl").write_text('{"_id": "a", "text": "two"}\n{"_id": "b", "text": "what"}\n')
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv").write_text("a\ta\t1\nb\tgone\t1\nb\ta\t2\n")
    notes = found(opened(str(tmp_path), "", []))
    assert notes["empty-documents"].place == f"{tmp_path}/corpus.jsonl:3"
    assert notes["identical-documents"].place == f"{tmp_path}/corpus.jsonl:5"
    assert notes["dangling-judgements"].place == f"{tmp_path}/qrels/test.tsv:2"
    assert notes["dangling-judgements"].example == '"what"'


def test_a_finding_in_rows_names_the_row(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("sentence1,sentence2,score\na,b,1\nc,,2\nd,e,3\nb,a,1\n")
    notes = found(opened(str(tmp_path), "sts", []))
    assert notes["empty-pairs"].place == f"{tmp_path}/test.csv:3"
    assert notes["duplicate-pairs"].place == f"{tmp_path}/test.csv:5"


@pytest.mark.parametrize(
    ("size", "level", "recall"), [(50, "warning", "1.000"), (400, "info", "0.250"), (1001, None, "")]
)
def test_a_small_corpus_makes_recall_cheap(size: int, level: str | None, recall: str) -> None:
    note = found(made([f"word{i}" for i in range(size)], ["x"], [(0, 0, 1)])).get("small-corpus")
    assert (note.level if note else None) == level
    assert f"Recall@100 {recall}" in (note.effect if note else "Recall@100 ")


def test_what_is_not_checked_is_said() -> None:
    text = " ".join(examined(made(["a"], ["x"], [(0, 0, 1)])).unchecked)
    assert all(word in text for word in ("language", "labels", "training", "own limit"))
    targets = {"score": np.array([1.0, 2.0, 3.0])}
    three = Texts(("1", "2", "3"), ("a", "b", "c"))
    plain = " ".join(examined(EvalSet("x", "sts", three, three, NO_QRELS, targets=targets)).unchecked)
    assert "labels are right" in plain and "BM25" not in plain


def test_data_without_a_manifest_is_read_as_the_type_that_is_named(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(f'{{"sentence1": "a{i}", "sentence2": "b", "score": {i}}}\n' for i in range(3)))
    assert opened(str(file), "sts", []).type == "sts"
    with pytest.raises(HarnessError, match=r"\(read as retrieval; for another type say --type: reranking, sts,"):
        opened(str(file), "", [])
    with pytest.raises(HarnessError, match=r"--type st is no task type\. Did you mean sts"):
        opened(str(file), "st", [])


def test_data_that_no_other_type_could_be_read_from_gets_no_hint_at_types(tmp_path: Path) -> None:
    (tmp_path / "notes.bin").touch()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("../evil", "x")
    for path, said in ((tmp_path, "is no format known here"), (tmp_path / "a.zip", "would lie outside")):
        with pytest.raises(HarnessError, match=said) as caught:
            opened(str(path), "", [])
        assert "--type" not in str(caught.value)


def test_what_is_said_of_a_set_in_a_zip_names_the_zip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = {
        "corpus.jsonl": '{"_id": "d", "text": "a"}',
        "queries.jsonl": '{"_id": "q", "text": "b"}',
        "qrels/test.tsv": "",
    }
    for name, grade in (("good", "1"), ("bad", "yes")):
        with zipfile.ZipFile(f"{name}.zip", "w") as archive:
            for file, text in (files | {"qrels/test.tsv": f"q\td\t{grade}\n"}).items():
                archive.writestr(f"s/{file}", text)
    assert {note.place for note in opened("good.zip", "", []).notes} >= {"good.zip/s"}
    with pytest.raises(HarnessError, match=r"^bad\.zip/s/qrels/test\.tsv:1 has the grade 'yes'"):
        opened("bad.zip", "", [])


def test_a_folder_with_a_manifest_is_read_by_it_and_takes_no_other_type(tmp_path: Path) -> None:
    (tmp_path / "test.jsonl").write_text('{"text": "a", "label": 1}\n{"text": "b", "label": 2}\n' * 2)
    (tmp_path / "task.yaml").write_text("type: clustering\npath: .\n")
    for name in (tmp_path, tmp_path / "task.yaml"):
        assert opened(str(name), "", []).type == "clustering"
        with pytest.raises(HarnessError, match=r"--type is for data without a manifest"):
            opened(str(name), "sts", [])
    with pytest.raises(HarnessError, match=r"no task named 'clusters'"):
        opened("clusters", "", [tmp_path])


@pytest.mark.real
@pytest.mark.skipif(not SETS.is_dir(), reason="shared/data/retrieval does not lie beside the repository")
def test_known_flaws_of_real_sets_are_found() -> None:
    cranfield = found(load({"path": str(SETS / "cranfield")}, Path("m.yaml")))
    assert cranfield["empty-documents"].count == 2
    assert '"471", "995"' in cranfield["empty-documents"].message
    cacm = found(load({"path": str(SETS / "cacm")}, Path("m.yaml")))
    assert cacm["queries-without-judgements"].count == 12
