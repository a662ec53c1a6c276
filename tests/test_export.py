"""Results for others: mteb loads its files, trec_eval gives back our ranking, tables say what the records say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import pytrec_eval

from harness.export import Place as Placed
from harness.export import Result, _folders, _revision, export_text
from harness.leaderboard import distinct, entry_of, public_name, safe
from harness.runner import Outcome
from harness.table import read_sweep, rows
from harness.taskresult import known
from harness.types import HarnessError, Record
from tests.sweeping import QRELS, QUERIES, records_of, sweep, write_task
from tests.test_public import Place, at, hub_with  # noqa: F401  # `at` is a fixture

Exported = Callable[..., Path]
VARIANT = {
    "model": "minilm", "retriever": "dense", "pooling": "native", "dim": "full", "quantization": "float32",
    "index": "flat", "reduction": "truncate", "prompt": "native", "chunking": "none", "model_sha256": "53aa",
    "card": {"id": "org/minilm"},
}  # fmt: skip


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def exported(outcome: Outcome, form: str = "mteb", out: str = "out") -> str:
    return export_text(outcome.folder, form, Path(out))


def results(out: str = "out") -> dict[str, Any]:
    """TaskResults as mteb reads them, by experiment (empty for the plain model) and task."""
    from mteb import TaskResult

    found = [path for path in sorted(Path(out).rglob("*.json")) if path.name != "model_meta.json"]
    return {f"{p.parent.name if 'experiments' in p.parts else ''}:{p.stem}": TaskResult.from_disk(p) for p in found}


# mteb's files --------------------------------------------------------------------------------------------------


def test_mteb_loads_a_file_and_writes_the_same_bytes_again() -> None:
    write_task(public="SciFact")
    exported(sweep("model=hashing"))
    (path,) = Path("out/results").glob("*/*/SciFact.json")
    (found,) = results().values()
    found.to_disk(Path("again.json"))
    assert Path("again.json").read_bytes() == path.read_bytes()


def test_every_metric_and_the_main_score_are_those_of_the_table() -> None:
    write_task(public="SciFact")
    outcome = sweep("model=hashing")
    exported(outcome)
    (row,) = rows(read_sweep(outcome.folder))
    (entry,) = results()[":SciFact"].scores["test"]
    for key in ("ndcg_at_10", "recall_at_10", "recall_at_100", "mrr_at_10", "map_at_100", "main_score"):
        assert entry[key] == round(row[key], 6)
    assert not {"bytes_per_doc", "queries", "dimensions", "tie_lowest"} & set(entry)


def test_a_set_read_from_files_has_the_languages_of_the_registry_and_the_revision_of_its_own_data() -> None:
    from mteb import __version__, get_task

    write_task(public="XQuADRetrieval/de@validation")
    outcome = sweep("model=hashing")
    said = exported(outcome)
    found = results()[":XQuADRetrieval"]
    about = read_sweep(outcome.folder).manifest["evalsets"]["tiny"]
    assert found.dataset_revision == about["sha256"] != get_task("XQuADRetrieval").metadata.revision
    assert "tiny: not loaded as mteb/XQuADRetrieval; its file's dataset_revision is the hash of our data" in said
    assert (found.mteb_version, found.evaluation_time) == (__version__, None)
    assert (found.scores["validation"][0]["hf_subset"], found.languages) == ("de", ["deu"])


def test_what_mteb_loaded_has_the_registrys_revision_but_with_other_prompts_is_not_the_plain_model(
    at: Place,  # noqa: F811
) -> None:
    from mteb import get_task

    write_task()  # for its folder
    manifest = {"path": "mteb/Tatoeba/deu-eng"}
    Path("tasks/plain.yaml").write_text(json.dumps(manifest))
    Path("tasks/other.yaml").write_text(json.dumps(manifest | {"prompts": {"text": "x "}}))
    with hub_with(at, "Tatoeba/deu-eng"):
        said = exported(sweep("model=hashing", "task=plain,other"))
    found = results()
    assert {one.dataset_revision for one in found.values()} == {get_task("Tatoeba").metadata.revision}
    assert [key.partition("_")[0] for key in found] == [":Tatoeba", "set"]
    assert "other: scored with the set's own prompts" in said and "dataset_revision" not in said


def test_data_of_mteb_and_data_of_ones_own_are_not_mixed_in_a_file() -> None:
    parts = [
        (
            Placed("Tatoeba", subset, "test", revision, [], own),
            Result(subset, {}, VARIANT, Record("k", "quality", "ok", {})),
        )
        for subset, revision, own in (("deu-eng", "abc", False), ("fra-eng", "53aa", True))
    ]
    with pytest.raises(HarnessError, match="deu-eng is mteb's own data and fra-eng is not; a file of Tatoeba holds"):
        _revision(parts)


def test_subsets_and_splits_of_one_public_task_share_a_file() -> None:
    names = {"a": "XQuADRetrieval/de@validation", "b": "XQuADRetrieval/en@validation", "c": "XQuADRetrieval/en@train"}
    for number, (name, public) in enumerate(names.items()):
        write_task(name, queries=dict(list(QUERIES.items())[: 4 - number]), qrels=QRELS[: 5 - number], public=public)
    outcome = sweep("model=hashing", "task=a,b,c")
    exported(outcome)
    measured = {row["task"]: row["main_score"] for row in rows(read_sweep(outcome.folder))}
    (found,) = results().values()
    scores = {(s, e["hf_subset"]): e["main_score"] for s, entries in found.scores.items() for e in entries}
    where = {"a": ("validation", "de"), "b": ("validation", "en"), "c": ("train", "en")}
    assert scores == {where[task]: round(score, 6) for task, score in measured.items()}
    hashes = {about["sha256"] for about in read_sweep(outcome.folder).manifest["evalsets"].values()}
    assert len(hashes) == 3 and found.dataset_revision not in hashes, "one revision, of all three"


def test_what_is_not_the_plain_model_is_an_experiment_that_mteb_finds_by_its_parameters() -> None:
    import mteb

    write_task(public="SciFact")
    exported(sweep("model=hashing", "dim=32,full", "quantization=float32,int8"))
    assert set(results()) == {
        ":SciFact", "embed_dim_32:SciFact", "quantization_int8:SciFact", "embed_dim_32__quantization_int8:SciFact",
    }  # fmt: skip
    loaded = mteb.ResultCache("out").load_results(load_experiments="match_name", validate_and_filter=False)
    kept = {found.experiment_name: found.task_results[0].main_score for found in loaded.model_results}
    assert kept[None] == results()[":SciFact"].main_score
    assert kept["embed_dim_32__quantization_int8"] == results()["embed_dim_32__quantization_int8:SciFact"].main_score
    (half,) = mteb.ResultCache("out").load_results(experiment_kwargs={"embed_dim": "32"}).model_results
    assert (half.model_name, half.experiment_name) == ("in-house/hashing", "embed_dim_32")


@pytest.mark.parametrize("prompts", [{"query": "banana banana: "}, {"query": "", "document": "x "}])
def test_prompts_of_the_set_make_an_experiment_even_where_another_set_has_none(prompts: dict[str, str]) -> None:
    write_task("own", public="SciFact", prompts=prompts)
    write_task("plain", public="NFCorpus")
    said = exported(sweep("model=hashing", "task=own,plain"))
    keys = {key.partition(":")[2]: key.partition(":")[0] for key in results()}
    assert keys["NFCorpus"] == "" and keys["SciFact"].startswith("set_prompts_")
    assert "own: scored with the set's own prompts, so filed as an experiment" in said
    metas = {path.parent.name: json.loads(path.read_text()) for path in Path("out").rglob("model_meta.json")}
    assert list(metas[keys["SciFact"]]["experiment_kwargs"]) == ["set_prompts"]
    assert sorted(str(meta["experiment_kwargs"]) for meta in metas.values())[0] == "None"
    assert "1 candidate" in said


def test_prompts_that_nothing_reads_leave_the_plain_model() -> None:
    write_task(public="SciFact", prompts={"query": "banana: ", "text": "banana: "})
    said = exported(sweep("model=bm25"))
    assert set(results()) == {":SciFact"} and "experiment" not in said
    write_task(public="SciFact", prompts={"text": "banana: "})  # a search reads no plain texts
    exported(sweep("model=hashing"), out="other")
    assert set(results("other")) == {":SciFact"}


def test_an_instruction_makes_an_experiment_where_a_model_takes_it_and_it_is_not_the_tasks_own() -> None:
    usual = "Given a scientific claim, retrieve documents that support or refute the claim"
    assert (about := known("SciFact")) is not None and about.instruction == usual
    template = "+model.prompts={query: 'Instruct: {instruction} Query: '}"
    said = {}
    for name, instruction in {"usual": usual, "other": "banana"}.items():
        write_task(public="SciFact", instruction=instruction)
        said[name] = exported(sweep("model=hashing", template), out=name)
        said[f"{name}, no template"] = exported(sweep("model=hashing"), out=f"{name}-none")
    assert set(results("usual")) == set(results("usual-none")) == set(results("other-none")) == {":SciFact"}
    (key,) = results("other")
    assert key.startswith("set_instruction_") and [n for n in said if "experiment" in said[n]] == ["other"]


def test_the_model_meta_is_one_that_mteb_accepts() -> None:
    from mteb.models.model_meta import ModelMeta

    write_task()
    exported(sweep("model=hashing", "dim=32"))
    (path,) = Path("out").rglob("model_meta.json")
    with pytest.warns(DeprecationWarning, match="is_cross_encoder"):  # which mteb itself writes
        meta = ModelMeta.model_validate_json_resolved(path.read_text("utf-8"))
    assert (meta.name, meta.embed_dim, dict(meta.experiment_kwargs or {})) == (
        "in-house/hashing", 32, {"embed_dim": "32"},
    )  # fmt: skip
    assert path.parent.parent.parent.name == meta.revision
    assert meta.max_tokens is None, "hashing has no limit"


def test_a_set_of_ones_own_stands_under_a_name_that_no_public_task_begins_with() -> None:
    from mteb.get_tasks import _TASKS_REGISTRY

    write_task("SciFact", languages=["de"])  # by its name alone it is nothing public
    outcome = sweep("model=hashing", "task=SciFact")
    exported(outcome)
    (found,) = results().values()
    assert found.task_name == "in-house.SciFact"
    assert found.dataset_revision == read_sweep(outcome.folder).manifest["evalsets"]["SciFact"]["sha256"]
    assert (found.languages, found.get_score()) == (["deu"], found.scores["test"][0]["main_score"])
    assert not [name for name in _TASKS_REGISTRY if name.lower().startswith("in-house")]


@pytest.mark.parametrize(
    ("public", "said"), [("SciFactt", "mteb has no SciFactt"), ("XQuADRetrieval/xx", "mteb has no XQuADRetrieval/xx")]
)
def test_a_public_name_that_mteb_lacks_is_said_and_exported_as_ones_own(public: str, said: str) -> None:
    write_task(public=public)
    assert said in exported(sweep("model=hashing"))
    assert set(results()) == {":in-house.tiny"}


def test_a_public_set_without_its_main_metric_is_not_filed_under_the_public_name() -> None:
    write_task(public="SciFact")
    said = exported(sweep("model=hashing", "metrics=[{_target_: harness.metrics.mrr.Mrr, k: 10}]"))
    assert "ndcg_at_10, the main metric of SciFact, was not computed" in said
    assert set(results()) == {":in-house.tiny"}


def test_two_sets_that_say_they_are_the_same_are_refused_and_nothing_is_written() -> None:
    write_task("one", public="SciFact")
    write_task("two", queries={"q1": QUERIES["q1"]}, qrels=QRELS[:2], public="SciFact")
    outcome = sweep("model=hashing", "task=one,two")
    with pytest.raises(HarnessError, match="one and two both say public: SciFact"):
        exported(outcome)
    assert not Path("out").exists()


def test_samples_and_rows_without_a_score_stay_here_and_are_said() -> None:
    write_task()
    sampled = sweep("model=hashing", "limit_queries=2")
    with pytest.raises(HarnessError, match=r"nothing to export.*tiny, which is sub-sampled"):
        exported(sampled)
    lossy = sweep("model=hashing", "dim=full,512")
    assert "left out: 1 row without a score" in exported(lossy)
    assert len(results()) == 1


def test_exporting_again_changes_nothing_and_another_sweep_adds_its_subset(at: Place) -> None:  # noqa: F811
    with hub_with(at, "Tatoeba/deu-eng"):
        first = sweep("model=hashing", "task=mteb/Tatoeba/deu-eng")
        exported(first)
        before = {path: path.read_bytes() for path in Path("out").rglob("*.json")}
        exported(first)
        assert before == {path: path.read_bytes() for path in Path("out").rglob("*.json")}
        exported(sweep("model=hashing", "task=mteb/Tatoeba/fra-eng"))
    (found,) = results().values()
    assert sorted(found.hf_subsets) == ["deu-eng", "fra-eng"]


@pytest.mark.parametrize("more", [{}, {"public": "SciFact"}])
def test_results_on_other_data_under_the_same_name_are_not_mixed(more: dict[str, Any]) -> None:
    write_task(**more)
    exported(sweep("model=hashing"))
    write_task(queries={"q1": QUERIES["q1"]}, qrels=QRELS[:2], **more)
    with pytest.raises(HarnessError, match="choose another -o"):
        exported(sweep("model=hashing"))


@pytest.mark.parametrize("there", ["[1]", "[" * 100_000, "", None])
def test_what_lies_where_a_result_belongs_and_is_none_is_one_line(there: str | None) -> None:
    write_task(public="SciFact")
    outcome = sweep("model=hashing")
    exported(outcome)
    (path,) = Path("out/results").glob("*/*/SciFact.json")
    path.unlink()
    path.mkdir() if there is None else path.write_text(there)
    with pytest.raises(
        HarnessError, match=r"SciFact\.json cannot take further results \((?!\[Errno).*choose another -o"
    ):
        exported(outcome)


def test_no_text_of_the_data_leaves() -> None:
    write_task(public="SciFact")
    outcome = sweep("model=hashing,bm25")
    forms = ("mteb", "trec", "csv", "jsonl")
    for form in forms:
        exported(outcome, form, form)
    written = "".join(p.read_text("utf-8") for form in forms for p in Path(form).rglob("*") if p.is_file())
    assert "q1" in written
    assert not [text for text in QUERIES.values() if text in written]


# Names ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["../../etc", "a/b\\c", "a\0b", "x" * 300, "..", "", "né", "a:b", "a b", ".hidden"])
def test_a_name_in_a_path_cannot_leave_its_folder_and_stays_distinct(text: str) -> None:
    found = safe(text)
    assert 0 < len(found) <= 80
    assert not set(found) & set("/\\\0: ") and not found.startswith(".")
    assert found != safe(text + "!")


def test_names_that_differ_in_case_alone_become_distinct_on_every_file_system() -> None:
    found = distinct(["Support", "support", "sales"])
    assert len({name.casefold() for name in found.values()}) == 3
    assert found["sales"] == "sales"


def test_candidates_that_would_share_a_folder_get_their_ids_into_it() -> None:
    record = Record("k", "quality", "ok", {})
    labels = {"a": VARIANT, "b": VARIANT, "c": VARIANT | {"card": {"id": "ORG/MINILM"}}, "d": VARIANT | {"dim": 64}}
    found = _folders([Result("t", {}, about | {"candidate_id": name}, record) for name, about in labels.items()])
    folders = {name: str(folder).casefold() for name, (folder, _) in zip(labels, found, strict=True)}
    assert len(set(folders.values())) == 4
    assert folders["d"] == "org__minilm/53aa/experiments/embed_dim_64"


def test_the_revision_is_the_one_asked_for_and_of_local_files_the_hash_of_their_content() -> None:
    def revision(**encoder: Any) -> str:
        node = {"_target_": "harness.encoders.sentence_transformer.SentenceTransformer", **encoder}
        return entry_of(VARIANT, {"encoder": node}, {}).revision

    assert revision(revision="8b3219a") == "8b3219a"
    assert revision(revision="8b3219a", path="models/minilm") == "53aa"
    assert revision() == "53aa"
    assert entry_of(VARIANT | {"model_sha256": ""}, {}, {}).revision == "no_revision_available"


@pytest.mark.parametrize(
    ("change", "experiment"),
    [
        ({}, {}),
        ({"dim": 64, "quantization": "int8"}, {"embed_dim": "64", "quantization": "int8"}),
        ({"pooling": "cls", "prompt": "none"}, {"pooling": "cls", "prompt": "none"}),
        ({"retriever": "bm25", "dim": "-", "pooling": "-"}, {}),
        ({"model": "minilm pool_prompt=false bfloat16"}, {"pool_prompt": "false"}),
    ],
)
def test_an_experiment_is_what_is_not_the_plain_model(change: dict[str, Any], experiment: dict[str, str]) -> None:
    assert entry_of(VARIANT | change, {}, {}).experiment == experiment


def test_what_a_yaml_sets_of_a_model_makes_an_experiment_too() -> None:
    node = {"_target_": "harness.encoders.sentence_transformer.SentenceTransformer", "max_tokens": 128}
    found = entry_of(VARIANT, {"similarity": "dot", "encoder": node}, {}).experiment
    assert found == {"similarity": "dot", "max_tokens": "128"}


def test_a_model_without_a_hub_id_is_filed_as_in_house() -> None:
    for hub_id in ("", "a/b + c/d", "../x", "no-slash"):
        found = entry_of(VARIANT | {"card": {"id": hub_id}, "model": "models/mine"}, {}, {})
        assert found.model.startswith("in-house/models_mine-")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("SciFact", ("SciFact", "default", "test")),
        ("SciFact@train", ("SciFact", "default", "train")),
        ("Tatoeba/deu-eng", ("Tatoeba", "deu-eng", "test")),
        ("XQuADRetrieval/de@validation", ("XQuADRetrieval", "de", "validation")),
    ],
)
def test_a_public_name_says_task_subset_and_split(text: str, name: tuple[str, str, str]) -> None:
    assert public_name(text) == name


def test_the_registry_knows_a_task_by_name() -> None:
    found = known("STSBenchmark")
    assert found is not None
    assert (found.main, list(found.languages)) == ("cosine_spearman", ["default"])
    assert known("No such task") is None


# TREC runs -----------------------------------------------------------------------------------------------------


def runs(out: str = "out") -> dict[str, list[list[str]]]:
    return {path.stem: [line.split() for line in path.read_text().splitlines()] for path in Path(out).rglob("*.run")}


def test_trec_eval_gives_back_our_scores_and_our_order_of_ties() -> None:
    write_task()
    outcome = sweep("model=hashing,bm25", "quantization=float32,binary")
    said = exported(outcome, "trec")
    assert "first 10 documents" in said
    judged = {q: {d: g for query, d, g in QRELS if query == q} for q in QUERIES}
    manifest = read_sweep(outcome.folder).manifest
    found = runs()
    assert len(found) == len({v["candidate_id"] for v in manifest["variants"]}) == 3
    for variant in manifest["variants"]:
        record = records_of(outcome).get(variant["quality"])
        assert record is not None
        lines = found[f"{variant['model']}-{variant['candidate_id']}"]
        run = {q: {d: float(score) for query, _, d, _, score, _ in lines if query == q} for q in QUERIES}
        scored = pytrec_eval.RelevanceEvaluator(judged, {"ndcg_cut.10"}).evaluate(run)
        expected = dict(zip(record.arrays["query_ids"], record.arrays["ndcg_at_10"], strict=True))
        assert {q: s["ndcg_cut_10"] for q, s in scored.items()} == pytest.approx(expected, abs=1e-9)
        assert [int(line[3]) for line in lines if line[0] == "q1"] == list(
            range(1, 1 + sum(x[0] == "q1" for x in lines))
        )
        assert len({np.float32(line[4]) for line in lines if line[0] == "q1"}) == sum(x[0] == "q1" for x in lines)


def test_a_run_of_changed_data_or_of_ids_with_white_space_is_refused_in_a_line() -> None:
    write_task()
    outcome = sweep("model=hashing")
    write_task(documents={"d1": "other"}, qrels=QRELS[:1])
    with pytest.raises(HarnessError, match="tiny, whose data changed since"):
        exported(outcome, "trec")
    write_task(documents={"d 1": "reset", "d2": "printer"}, qrels=[("q1", "d 1", 1)])
    with pytest.raises(HarnessError, match="tiny, whose id 'd 1' has white space"):
        exported(sweep("model=hashing"), "trec")


# Tables --------------------------------------------------------------------------------------------------------


def test_items_average_to_the_rows_in_every_form() -> None:
    write_task()
    outcome = sweep("model=hashing,bm25")
    readers = {
        "csv": pd.read_csv, "parquet": pd.read_parquet, "jsonl": lambda path: pd.read_json(path, lines=True),
    }  # fmt: skip
    for form, read in readers.items():
        exported(outcome, form)
        items, table = read(f"out/items.{form}"), read(f"out/table.{form}")
        assert list(items.columns) == ["task", "candidate_id", "configuration", "item", "metric", "value"]
        means = items[items.metric == "ndcg_at_10"].groupby("candidate_id").value.mean()
        assert means.to_dict() == pytest.approx(table.set_index("candidate_id").ndcg_at_10.to_dict(), abs=1e-12)
        assert set(items.item) == set(QUERIES)


def test_an_item_that_a_spreadsheet_would_run_is_quoted() -> None:
    write_task(queries={"=1+1": "forgot my password"}, qrels=[("=1+1", "d1", 1)])
    exported(sweep("model=hashing"), "csv")
    assert set(pd.read_csv("out/items.csv").item) == {"'=1+1"}


def test_a_folder_that_cannot_be_made_is_one_line() -> None:
    write_task()
    outcome = sweep("model=hashing")
    Path("file").write_text("")
    for form in ("mteb", "trec", "csv"):
        with pytest.raises(HarnessError, match=r"^file cannot be written \(.*choose another -o"):
            exported(outcome, form, "file")


def test_the_files_are_json_that_holds_no_nan() -> None:
    write_task()
    exported(sweep("model=hashing"))
    for path in Path("out").rglob("*.json"):
        json.loads(path.read_text("utf-8"), parse_constant=pytest.fail)
