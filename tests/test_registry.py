"""What mteb's registry lists, as it is kept on disk, and why a task cannot run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.registry import Registry, names, registry, slug
from harness.types import HarnessError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("registry")


@pytest.fixture(scope="module")
def known(folder: Path) -> Registry:
    return registry(folder)


def test_a_task_says_what_mteb_says_of_it(known: Registry) -> None:
    found = known.task("scifact")
    assert found is not None
    assert (found.name, found.type, found.main_score, list(found.splits)) == (
        "SciFact",
        "retrieval",
        "ndcg_at_10",
        ["test"],
    )
    assert (found.path, len(found.revision), dict(found.subsets)) == ("mteb/scifact", 40, {"default": ["eng-Latn"]})
    tatoeba = known.tasks["Tatoeba"]
    assert tatoeba.type == "bitext" and list(tatoeba.subsets["deu-eng"]) == ["deu-Latn", "eng-Latn"]
    assert "deu" in tatoeba.languages and known.tasks["BUCC"].superseded_by == "BUCC.v2"
    assert len(known.tasks["CQADupstackRetrieval"].members) == 12


def test_a_benchmark_is_found_by_name_alias_and_slug_with_its_own_splits_and_subsets(known: Registry) -> None:
    found = known.benchmark("MTEB(eng, v2)")
    assert found is not None and found is known.benchmark("mteb-eng-v2") is known.benchmark("mteb(ENG)")
    portions = {portion.task: portion for portion in found.portions}
    assert len(portions) == 41 and list(portions["STS17"].subsets) == ["en-en"]
    assert list(portions["MTOPDomainClassification"].splits) == ["test"]
    assert list(portions["SCIDOCS"].subsets) == [], "all"
    assert len({slug(name) for name in known.benchmarks}) == len(known.benchmarks)


@pytest.mark.parametrize(
    ("task", "why"),
    [
        ("Caltech101", "image"),
        ("Core17InstructionRetrieval", "its type, InstructionReranking"),
        ("RuToxicOKMLCUPMultilabelClassification", "several labels"),
        ("MindSmallReranking", "its main score, max_over_subqueries_map_at_1000, is of its own making"),
        ("NevIR", "paired_accuracy"),
        ("SciFact", ""),
        ("GermanQuAD-Retrieval", ""),
    ],
)
def test_what_cannot_run_says_why(known: Registry, task: str, why: str) -> None:
    refusal = known.tasks[task].refusal
    assert why in refusal and bool(why) == bool(refusal)


def test_every_runnable_task_has_a_type_and_a_main_score_that_we_have(known: Registry) -> None:
    runnable = [entry for entry in known.tasks.values() if not entry.refusal]
    assert len(runnable) > 1200 and all(entry.type and list(entry.modalities) == ["text"] for entry in runnable)
    assert {entry.type for entry in runnable} == {
        "retrieval", "reranking", "sts", "classification", "clustering", "pair_classification", "bitext", "summarization",
    }  # fmt: skip


def test_languages_have_two_letters_where_there_are_any(known: Registry) -> None:
    assert names(["deu-Latn", "eng-Latn", "deu-Latn", "ace-Arab", "python-Code"], known) == ["de", "en", "ace"]
    assert known.code("de") == known.code("DEU") == "deu"
    with pytest.raises(HarnessError, match="language 'deutsch' is in no task of mteb"):
        known.code("deutsch")


def test_an_unknown_name_gets_the_nearest_tasks_and_benchmarks(known: Registry) -> None:
    assert "Did you mean SciFact" in str(known.unknown("scifct"))
    assert "NanoBEIR" in str(known.unknown("NanoBIER"))
    assert "See harness list tasks" in str(known.unknown("zzzzzz")) and "See harness list" in str(known.unknown(""))


def test_what_is_kept_is_read_again_without_mteb(folder: Path, known: Registry) -> None:
    (kept,) = folder.iterdir()
    assert known == registry(folder)
    code = (
        "import sys, pathlib\nfrom harness.registry import registry\n"
        "found = registry(pathlib.Path(sys.argv[1]))\nassert 'mteb' not in sys.modules\nprint(len(found.tasks))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == (str(len(known.tasks)), "")
    assert kept.name.startswith("mteb-2.")


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "[]",
        "{",
        "[" * 100_000,
        '{"tasks": {"a": {}}}',
        '{"tasks": {}, "benchmarks": {}}',
        '{"tasks": {}, "benchmarks": {}, "longer": {}}',
    ],
    ids=["empty", "list", "open", "deep", "entry", "half", "bare"],
)
def test_a_damaged_file_is_made_anew(tmp_path: Path, known: Registry, broken: str) -> None:
    registry(tmp_path)
    (kept,) = tmp_path.iterdir()
    whole = kept.read_bytes()
    kept.write_text(broken)
    assert registry(tmp_path) == known and kept.read_bytes() == whole


def test_a_folder_that_cannot_be_made_does_no_harm(tmp_path: Path, known: Registry) -> None:
    (tmp_path / "file").write_text("")
    assert registry(tmp_path / "file" / "registry") == known


def test_an_eval_set_cannot_be_a_public_set_of_another_type_and_an_unknown_name_is_said(tmp_path: Path) -> None:
    from harness.evalsets import load

    (tmp_path / "data.csv").write_text("sentence1,sentence2,score\na b,a c,1\nd e,d f,2\nx,y,5\n")
    manifest = {"type": "sts", "path": "data.csv"}
    cache, where = tmp_path / "evalsets", tmp_path / "m.yaml"
    assert load(manifest | {"public": "SciFact"}, where, cache).public == "SciFact", "nothing is known yet"
    registry(tmp_path / "registry")
    assert not load(manifest | {"public": "STSBenchmark"}, where, cache).notes
    (note,) = load(manifest | {"public": "STSBenchmrk/de"}, where, cache).notes
    assert note.code == "public-unknown" and "Did you mean STSBenchmark" in note.message
    with pytest.raises(HarnessError, match="m.yaml: public: SciFact is retrieval at mteb; this set is sts"):
        load(manifest | {"public": "SciFact"}, where, cache)
