"""Manifests, resolved judgements, exclude_self, and the real sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.evalsets import find_manifest, load, load_task
from harness.parts import available
from harness.types import EvalSet, HarnessError, Note

SETS = Path(__file__).resolve().parents[2] / "shared" / "data" / "retrieval"


def beir(folder: Path, documents: dict[str, str], queries: dict[str, str], qrels: str) -> Path:
    (folder / "qrels").mkdir(parents=True)
    for name, texts in (("corpus", documents), ("queries", queries)):
        rows = [json.dumps({"_id": key, "text": text}) for key, text in texts.items()]
        (folder / f"{name}.jsonl").write_text("\n".join(rows))
    (folder / "qrels" / "test.tsv").write_text(qrels)
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return beir(tmp_path / "data", {"d1": "a", "d2": "b"}, {"q1": "x", "q2": "y"}, "q1\td1\t1\nq2\td2\t2\n")


def at(folder: Path, **manifest: Any) -> EvalSet:
    return load({"path": "data", **manifest}, folder / "m.yaml")


def note(evalset: EvalSet, code: str) -> Note:
    return next(n for n in evalset.notes if n.code == code)


def refused(folder: Path, **manifest: Any) -> str:
    with pytest.raises(HarnessError) as caught:
        at(folder, **manifest)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Finding manifests ---------------------------------------------------------------------------------------------


def test_a_task_is_a_yaml_file_or_a_folder_with_task_yaml(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").touch()
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "task.yaml").touch()
    assert find_manifest("one", [tmp_path]) == tmp_path / "one.yaml"
    assert find_manifest("two", [tmp_path]) == tmp_path / "two" / "task.yaml"


def test_a_later_folder_extends_and_wins(tmp_path: Path) -> None:
    built_in, own = tmp_path / "built_in", tmp_path / "own"
    for folder, names in ((built_in, ("a", "b")), (own, ("b", "c"))):
        folder.mkdir()
        for name in names:
            (folder / f"{name}.yaml").touch()
    found = [find_manifest(name, [built_in, own, tmp_path / "absent"]).parent for name in "abc"]
    assert found == [built_in, own, own]


def test_an_unknown_task_gets_the_nearest_name_of_all_folders(tmp_path: Path) -> None:
    (tmp_path / "helpdesk.yaml").touch()
    with pytest.raises(HarnessError, match=r"no task named 'helpdsk' in .*Did you mean helpdesk\?"):
        find_manifest("helpdsk", [tmp_path])


def test_two_manifests_of_one_name_in_a_folder_are_ambiguous(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").touch()
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "task.yaml").touch()
    with pytest.raises(HarnessError, match=r"both define a; keep one"):
        find_manifest("a", [tmp_path])


def test_an_in_house_set_outside_the_tree_works_with_one_manifest(tmp_path: Path) -> None:
    (tmp_path / "evals").mkdir()
    (tmp_path / "evals" / "tickets.csv").write_text("question,body,kb_id,rank\nwho,Ann,k1,3\nwhat,Bob,k2,1\n")
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "support-tickets.yaml").write_text(
        "type: retrieval\nformat: auto\npath: ../evals/tickets.csv\n"
        "columns: {query: question, document: body, id: kb_id, score: rank}\nlanguages: [en, de]\nweight: 2\n"
        "guard: true\nlabel_source: bm25-top10\nexclude_self: auto\n"
    )
    evalset = load_task("support-tickets", [tmp_path / "tasks"])
    assert (evalset.name, evalset.languages, evalset.weight) == ("support-tickets", ("en", "de"), 2.0)
    assert (evalset.guard, evalset.label_source, evalset.exclude_self) == (True, "bm25-top10", False)
    assert evalset.documents.ids == ("k1", "k2")
    assert evalset.qrels.grade.tolist() == [3, 1]
    assert note(evalset, "format").message == "read as pairs (format: auto)"
    assert evalset.source.endswith("tickets.csv")


@pytest.mark.usefixtures("small")
def test_a_path_that_is_not_beside_the_manifest_is_looked_up_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(load({"path": "data"}, tmp_path / "elsewhere" / "m.yaml").queries) == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [("path: [a\n", r"t\.yaml:2 is not YAML"), ("- a\n", r"t\.yaml must hold keys and values")],
)
def test_a_broken_manifest_is_named_with_its_line(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "t.yaml").write_text(text)
    with pytest.raises(HarnessError, match=expected):
        load_task("t", [tmp_path])


# Manifest keys -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        ({"langauges": ["en"]}, "unknown key 'langauges'. Did you mean languages?"),
        ({"format": "bier"}, "format: 'bier' is not known. Did you mean beir?"),
        ({"type": "retreival"}, "type: 'retreival' is not known. Did you mean retrieval?"),
        ({"settings": {"max_score": 9}}, "settings: {'max_score': 9}: expected parameters of the type"),
        ({"weight": 0}, "weight: 0: expected a number above 0"),
        ({"weight": True}, "weight: True: expected a number above 0"),
        ({"guard": "yes please"}, "guard: 'yes please' is not known. Known: false, true."),
        ({"guard": 1}, "guard: 1 is not known. Known: false, true."),
        ({"label_source": "click"}, "label_source: 'click' is not known. Did you mean clicks?"),
        ({"exclude_self": "no"}, "exclude_self: 'no' is not known. Known: auto, false, true."),
        ({"languages": "en"}, "languages: 'en': expected a list such as [en, de]"),
        ({"languages": ["english!"]}, "languages: 'english!' is no language code"),
        ({"languages": [False]}, 'write "no" in quotes'),
        ({"columns": ["a"]}, "columns: ['a']: expected names such as"),
        ({"split": 1}, "split: 1: expected text"),
        ({"path": "dta"}, "does not exist, nor does dta from here. In"),
        ({"public": 5}, "public: 5: expected text"),
        ({"instruction": ""}, "instruction: '': expected text"),
        ({"prompts": "query: "}, "prompts: 'query: ': expected texts such as"),
        ({"prompts": {"query": 1}}, "prompts: {'query': 1}: expected texts such as"),
        ({"prompts": {"qurey": "q: "}}, "prompts: 'qurey' is not known. Did you mean query?"),
    ],
)
@pytest.mark.usefixtures("small")
def test_each_wrong_key_or_value_is_named(tmp_path: Path, manifest: dict[str, Any], expected: str) -> None:
    message = refused(tmp_path, **manifest)
    assert message.startswith(str(tmp_path / "m.yaml"))
    assert expected in message


@pytest.mark.usefixtures("small")
def test_the_public_name_the_instruction_and_the_prompts_reach_the_eval_set(tmp_path: Path) -> None:
    given = {"public": "SciFact", "instruction": "find it", "prompts": {"query": "q: ", "document": ""}}
    evalset = at(tmp_path, **given)
    assert {name: getattr(evalset, name) for name in given} == given
    plain = at(tmp_path)
    assert (plain.public, plain.instruction, dict(plain.prompts)) == ("", "", {})
    assert plain.sha256 == evalset.sha256


def test_a_manifest_without_a_path_says_how_to_give_one(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"m\.yaml has no path; say where"):
        load({}, tmp_path / "m.yaml")


# Detection -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (("corpus.jsonl", "queries.jsonl", "qrels/test.tsv"), "beir"),
        (("corpus.jsonl", "queries.jsonl"), "beir"),
        (("corpus.jsonl", "queries.jsonl", "qrels.tsv"), "tables"),
        (("corpus.parquet", "queries.parquet", "qrels.parquet"), "tables"),
        (("corpus.csv", "queries.csv", "qrels/test.csv"), "tables"),
        (("topics.txt", "qrels.txt", "docs/a.sgml"), "trec"),
        (("topics.tsv", "qrels.tsv", "corpus.jsonl"), "trec"),
        (("test.csv",), "pairs"),
        (("dataset_dict.json",), "huggingface"),
        (("corpus/dataset_dict.json", "queries/dataset_dict.json"), "huggingface"),
    ],
)
def test_exactly_one_format_claims_each_layout(tmp_path: Path, files: tuple[str, ...], expected: str) -> None:
    for file in files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    claimed = [name for name, part in available("formats").items() if part.claims(str(tmp_path))]  # type: ignore[attr-defined]
    assert claimed == [expected]


def test_a_folder_of_no_format_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "notes.txt").touch()
    assert "is no format known here; it has notes.txt. Set format to one of beir" in refused(tmp_path)


# Judgements ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small")
def test_ids_become_positions(tmp_path: Path) -> None:
    evalset = at(tmp_path, name="n", format="beir")
    assert [column.tolist() for column in evalset.qrels] == [[0, 1], [0, 1], [1, 2]]
    assert all(column.dtype == np.int32 and column.flags.c_contiguous for column in evalset.qrels)
    assert [note.code for note in evalset.notes] == ["header-missing"]
    assert (evalset.name, evalset.type, evalset.weight, evalset.label_source) == ("n", "retrieval", 1.0, "unknown")


def test_a_judged_document_that_the_corpus_lacks_stays_and_is_counted(tmp_path: Path) -> None:
    beir(tmp_path / "data", {"d1": "a"}, {"q1": "x"}, "q1\td1\t1\nq1\tgone\t2\nq1\tlost\t0\n")
    evalset = at(tmp_path)
    assert evalset.qrels.document.tolist() == [0, -1, -1]
    found = note(evalset, "dangling-judgements")
    assert (found.count, found.level) == (2, "warning")
    assert found.place.endswith("test.tsv:2")
    assert '"gone", "lost"' in found.message


def test_a_judgement_for_an_unknown_query_is_an_error_with_its_line(tmp_path: Path) -> None:
    beir(tmp_path / "data", {"d1": "a"}, {"q1": "x"}, "q1\td1\t1\nQ1\td1\t1\n")
    message = refused(tmp_path)
    assert 'test.tsv:2 judges a document for query "Q1"' in message
    assert "Did you mean q1?" in message


def test_queries_without_a_relevant_document_are_counted(tmp_path: Path) -> None:
    beir(tmp_path / "data", {"d1": "a"}, {"q1": "x", "q2": "y", "q3": "z"}, "q1\td1\t1\nq2\td1\t0\n")
    found = note(at(tmp_path), "queries-without-relevant")
    assert found.count == 2
    assert '"q2", "q3"' in found.message


def test_a_set_where_no_query_has_a_relevant_document_is_an_error(tmp_path: Path) -> None:
    beir(tmp_path / "data", {"d1": "a"}, {"q1": "x"}, "q1\td1\t0\n")
    assert "no query has a relevant document" in refused(tmp_path)


def test_a_single_query_is_an_eval_set(tmp_path: Path) -> None:
    beir(tmp_path / "data", {"d1": "a"}, {"q1": "x"}, "q1\td1\t1\n")
    assert len(at(tmp_path).queries) == 1


# Queries that are documents ------------------------------------------------------------------------------------


def test_shared_ids_with_shared_text_exclude_the_query_itself(tmp_path: Path) -> None:
    documents = {"1": "Is the  sky blue? I wonder", "2": "other", "3": "b"}
    beir(tmp_path / "data", documents, {"1": "is the sky blue?", "2": "unlike"}, "1\t3\t1\n2\t3\t1\n")
    evalset = at(tmp_path)
    assert evalset.exclude_self is True
    assert "2 queries have the id of a document" in note(evalset, "exclude-self").message
    assert "exclude_self is true (decided from this)" in note(evalset, "exclude-self").message


def test_ids_that_are_shared_by_accident_exclude_nothing_and_it_is_said(tmp_path: Path) -> None:
    beir(tmp_path / "data", {"1": "a", "2": "", "3": "c"}, {"1": "x", "2": "", "3": ""}, "1\t1\t1\n2\t1\t1\n")
    assert at(tmp_path).exclude_self is False
    assert note(at(tmp_path), "exclude-self").count == 3


@pytest.mark.parametrize("wanted", [True, False])
def test_the_manifest_has_the_last_word_on_exclude_self(tmp_path: Path, wanted: bool) -> None:
    beir(tmp_path / "data", {"1": "a"}, {"1": "a"}, "1\t1\t1\n")
    evalset = at(tmp_path, exclude_self=wanted)
    assert evalset.exclude_self is wanted
    assert "set in the manifest" in note(evalset, "exclude-self").message


# Identity ------------------------------------------------------------------------------------------------------


def test_the_hash_follows_texts_judgements_and_exclude_self_but_not_names_or_format(
    small: Path, tmp_path: Path
) -> None:
    first = at(tmp_path).sha256
    assert at(tmp_path, name="other", weight=3, format="beir").sha256 == first
    assert at(tmp_path, exclude_self=True).sha256 != first
    (small / "qrels" / "test.tsv").write_text("q1\td1\t1\nq2\td2\t1\n")
    assert at(tmp_path).sha256 != first


# The real sets -------------------------------------------------------------------------------------------------


@pytest.mark.real
@pytest.mark.skipif(not SETS.is_dir(), reason="shared/data/retrieval does not lie beside the repository")
@pytest.mark.parametrize(
    ("name", "documents", "queries", "judgements", "scored"),
    [
        ("scifact", 5183, 300, 339, 300),
        ("xquad-en", 240, 1185, 1185, 1185),
        ("xquad-de", 240, 1181, 1181, 1181),
        ("xquad-de-to-en", 240, 1190, 1190, 1190),
        ("cranfield", 1400, 225, 1837, 225),
        ("cacm", 3204, 64, 796, 52),
        ("vaswani", 11429, 93, 2083, 93),
    ],
)
def test_the_real_sets_have_the_published_counts(
    name: str, documents: int, queries: int, judgements: int, scored: int
) -> None:
    evalset = load({"path": str(SETS / name)}, Path("m.yaml"))
    assert len(evalset.documents) == documents
    assert len(evalset.queries) == queries
    assert len(evalset.qrels.query) == judgements
    assert len(set(evalset.qrels.query[evalset.qrels.grade > 0].tolist())) == scored
    assert evalset.exclude_self is False
    assert (evalset.qrels.document >= 0).all()
    assert "duplicate-ids" not in {n.code for n in evalset.notes}
