"""Published results: read strictly, kept whole or not at all, shown beside measured rows, never decided on."""

from __future__ import annotations

import json
import os
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.decide import decide
from harness.export import export_text
from harness.importing import import_text
from harness.published import FILE, METRICS, Published, keep, published_rows, with_published
from harness.report import write_report
from harness.table import KEYS, MORE, Sweep, read_sweep, rows
from harness.taskresult import known, read_results
from harness.terminal import summary, write_table
from harness.types import HarnessError
from tests import sweeping
from tests.small_sweep import POLICY, small_sweep
from tests.sweeping import invented, write_task

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
SCORES = {"main_score": 0.645, "ndcg_at_10": 0.645, "recall_at_10": 0.783, "nauc_ndcg_at_10_max": -3.5}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def listed(scores: Any = SCORES, model: str = MINILM, task: str = "SciFact", place: str = "test/default") -> Path:
    path = Path("published.json")
    path.write_text(json.dumps({model: {task: {place: scores}}}))
    return path


def result(scores: Any = SCORES, task: str = "SciFact", **more: Any) -> dict[str, Any]:
    """A TaskResult as the leaderboard's repository has it."""
    entry = {"hf_subset": "default", "languages": ["eng-Latn"], **scores}
    return {
        "task_name": task, "dataset_revision": "abc", "mteb_version": "2.1.0", "scores": {"test": [entry]},
        "evaluation_time": 12.5, "kg_co2_emissions": None, **more,
    }  # fmt: skip


def filed(value: Any, model: str = MINILM, revision: str = "8b3219a92973c328", name: str = "SciFact") -> Path:
    folder = Path("repo/results") / model.replace("/", "__") / revision
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(value if isinstance(value, str) else json.dumps(value))
    return folder


def imported(*paths: Path | str) -> str:
    return import_text([Path(path) for path in paths], Path("results"))


def public(name: str = "SciFact", sample: str = "", main: str = "ndcg_at_10", **more: Any) -> Sweep:
    """A sweep of two plain models on a set that is public, and on another that is not, scored by a metric."""
    scores = {"minilm": {"set": [0.6, 0.7], "SciFact": [0.5, 0.5]}, "other": {"set": [0.5, 0.6], "SciFact": [0.5, 0.5]}}
    about = {"set": {"public": name, "sample": sample}, "SciFact": {"public": ""}}
    found = invented(
        scores, {"minilm": 1.0, "other": 2.0}, about=about, card={"minilm": {"id": MINILM.upper()}}, **more
    )
    records = {
        key: replace(record, values={**record.values, "main": main, main: record.values["main_score"]})
        for key, record in found.records.items()
    }
    return found._replace(folder=Path("results/invented"), records=records)


def on_a_page() -> Sweep:
    """A sweep with all that a page asks for."""
    found = small_sweep()
    found.manifest["evalsets"]["helpdesk"]["public"] = "SciFact"
    return found._replace(folder=Path("results/unit"))


# What is read --------------------------------------------------------------------------------------------------


def test_the_shared_file_is_read_whole(shared: Path) -> None:
    data = json.loads((shared / "published.json").read_text())
    expected = sum(len(places) for tasks in data.values() for places in tasks.values())
    assert f"{expected} results of {len(data)} models" in imported(shared / "published.json").replace("\u202f", "")
    german = public("STSBenchmarkMultilingualSTS/de", main="cosine_spearman")
    (row,) = [row for row in published_rows(german) if row["model"] == MINILM]
    assert (row["main_score"], row["main"]) == (
        data[MINILM]["STSBenchmarkMultilingualSTS"]["test/de"]["main_score"], "cosine_spearman",
    )  # fmt: skip


def test_a_results_repository_names_model_and_revision_by_its_folders_or_its_meta() -> None:
    filed(result())
    meta = filed(result(task="STS16", scores={"main_score": 0.79}), model="x__y/z", name="STS16") / "model_meta.json"
    meta.write_text(json.dumps({"name": "Real/Name", "revision": "r2", "experiment_kwargs": {"embed_dim": 64}}))
    imported("repo")
    found = {(p.model, p.revision, p.experiment, p.task): p for p in map(_only, sorted(Path("repo").rglob("S*.json")))}
    assert set(found) == {(MINILM, "8b3219a92973c328", "", "SciFact"), ("Real/Name", "r2", "embed_dim=64", "STS16")}
    assert [row["model"] for row in published_rows(public("STS16", main="cosine_spearman"))] == [
        "Real/Name (embed_dim=64)"
    ]


def _only(path: Path) -> Published:
    (found,) = read_results(path)
    return found


def test_only_metrics_that_tables_have_are_kept() -> None:
    (found,) = read_results(listed())
    assert found.scores == {"main_score": 0.645, "ndcg_at_10": 0.645, "recall_at_10": 0.783}
    assert found.main == "ndcg_at_10"
    assert set(METRICS) <= {*KEYS, *MORE}


def test_a_file_from_before_mteb_1_11_is_read_as_mteb_reads_it() -> None:
    old = {
        "mteb_dataset_name": "SciFact", "mteb_version": "1.1.0", "dataset_revision": "abc",
        "test": {"ndcg_at_10": 0.6, "recall_at_10": 0.7, "evaluation_time": 3.0},
    }  # fmt: skip
    (found,) = read_results(filed(old) / "SciFact.json")
    assert (found.split, found.subset, dict(found.scores)) == (
        "test", "default", {"main_score": 0.6, "ndcg_at_10": 0.6, "recall_at_10": 0.7},
    )  # fmt: skip


def test_what_is_exported_here_can_be_imported() -> None:
    write_task(public="SciFact")
    outcome = sweeping.sweep("model=hashing", "dim=32,full")
    export_text(outcome.folder, "mteb", Path("out"))
    imported("out")
    measured = {row["dim"]: row["main_score"] for row in sweeping.table_of(outcome)}
    found = {row["model"]: row for row in published_rows(read_sweep(outcome.folder))}
    assert found["in-house/hashing"]["main_score"] == round(measured[64], 6)
    assert found["in-house/hashing (embed_dim=32)"]["main_score"] == round(measured[32], 6)
    assert found["in-house/hashing"]["reason"] == f"measured here {measured[64]:.4f}, 0.0000"


BIG = "9" * 400
DEEP = "[" * 100_000
TWICE = [{"hf_subset": "default", "languages": ["eng-Latn"], "main_score": score} for score in (0.5, 0.9)]
BAD = {
    "truncated": ('{"a": {"b"', "is no JSON, or not all of it"),
    "a list": ("[1, 2]", "holds no scores that are known here"),
    "empty": ("{}", "holds no scores; expected a TaskResult"),
    "another JSON": ('{"name": "x", "version": 3}', "holds no scores that are known here"),
    "no scores": (json.dumps({"task_name": "SciFact"}), "is no TaskResult that mteb reads"),
    "scores of the wrong kind": (json.dumps(result() | {"scores": [1]}), "is no TaskResult that mteb reads"),
    "deep": (DEEP, "is no JSON, or not all of it"),
    "a number that no float holds": (
        f'{{"m": {{"SciFact": {{"test/default": {{"main_score": 0.5, "x": {BIG}}}}}}}}}',
        "a number of 400 digits",
    ),
    "two scores of a subset": (json.dumps(result(scores={"main_score": 0.5}) | {"scores": {"test": TWICE}}), "several"),
    "scores that are empty": (json.dumps(result() | {"scores": {}}), "holds no scores"),
    "an old file that is empty": (json.dumps({"mteb_dataset_name": "SciFact"}), "holds no scores"),
    "an entry without a subset": (json.dumps(result() | {"scores": {"test": [{"main_score": 0.5}]}}), "'scores': "),
}


@pytest.mark.parametrize(("text", "said"), BAD.values(), ids=list(BAD))
def test_a_file_that_is_no_result_is_one_line_and_nothing_is_kept(text: str, said: str) -> None:
    path = filed(text, name="bad") / "bad.json"
    with pytest.raises(HarnessError, match=said) as error:
        imported(path)
    assert "bad.json" in str(error.value) and "\n" not in str(error.value)
    assert not Path("results").exists()


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ({"main_score": float("nan")}, "main_score is nan"),
        ({"main_score": 64.5, "ndcg_at_10": 64.5}, "main_score is 64.5: percent"),
        ({"main_score": 0.6, "ndcg_at_10": 0.6, "recall_at_10": 78.3}, "recall_at_10 is 78.3: percent"),
        ({"main_score": -0.2, "ndcg_at_10": -0.2}, "expected 0 to 1"),
        ({"main_score": 1e300}, "expected"),
        ({"ndcg_at_10": 0.6}, "no main_score that is a number"),
        ({"main_score": 0.95, "ndcg_at_10": 0.3}, "0.95, but ndcg_at_10, the main metric, is 0.3"),
        ({"main_score": True}, "no main_score that is a number"),
        ({"main_score": "0.6"}, "no main_score that is a number"),
        (0.6, "holds no scores that are known here"),
    ],
)
def test_a_score_that_is_none_is_refused_with_its_place(scores: Any, said: str) -> None:
    with pytest.raises(HarnessError, match=said):
        imported(listed(scores))
    assert not Path("results").exists()


def test_a_correlation_may_be_negative() -> None:
    (found,) = read_results(listed({"main_score": -0.1, "cosine_spearman": -0.1}, task="STSBenchmark"))
    assert found.scores["main_score"] == -0.1


@pytest.mark.parametrize("name", ["a\x1b[31m/b", "a\nb", "a\u202eb", "x" * 201, "\ud800", ""])
def test_a_name_that_cannot_be_shown_is_refused(name: str) -> None:
    for path in (listed(model=name), listed(task=name)):
        with pytest.raises(HarnessError, match="is no name|an empty name"):
            read_results(path)


def test_a_key_without_split_and_subset_and_a_file_without_a_model_are_refused() -> None:
    with pytest.raises(HarnessError, match="expected a key such as test/default"):
        imported(listed(place="test"))
    Path("SciFact.json").write_text(json.dumps(result()))
    with pytest.raises(HarnessError, match="does not say of which model it is"):
        imported("SciFact.json")
    for text in ("{}", '{"name": null}', '{"name": ["x"]}', f'{{"name": "a/b", "n_parameters": {BIG}}}', DEEP):
        Path("model_meta.json").write_text(text)
        with pytest.raises(HarnessError, match=r"model_meta\.json names no model"):
            imported("SciFact.json")


def test_a_path_that_is_not_there_and_a_folder_without_results_are_one_line() -> None:
    with pytest.raises(HarnessError, match=r"gone\.json cannot be read"):
        imported("gone.json")
    Path("empty").mkdir()
    with pytest.raises(HarnessError, match="has no results such as"):
        imported("empty")


def test_in_a_folder_what_is_no_result_is_passed_over_counted_and_named() -> None:
    filed(result())
    filed("{", name="Broken")
    Path("repo/paths.json").write_text("{}")
    Path("repo/.git").mkdir()
    Path("repo/.git/x.json").write_text("{")
    os.mkfifo("repo/pipe.json")  # which would wait for a writer
    filed(f"[{BIG}]", name="Zbig")
    said = imported("repo")
    assert "1 result of 1 model on 1 task: 1 new" in said
    assert "4 files passed over: " in said and "Broken.json is no JSON" in said and ".git" not in said


def test_a_shell_pattern_may_name_the_meta_beside_the_results() -> None:
    folder = filed(result())
    (folder / "model_meta.json").write_text('{"name": "a/b"}')
    assert "1 result of 1 model" in imported(*sorted(folder.glob("*.json")))
    with pytest.raises(HarnessError, match="describes a model and holds no scores"):
        imported(folder / "model_meta.json")


def test_a_task_that_the_registry_lacks_is_kept_and_said() -> None:
    assert "not in mteb's registry: SciFactt" in imported(listed(task="SciFactt"))
    assert published_rows(public()) == []
    assert len(published_rows(public("SciFactt"))) == 1


# What is kept --------------------------------------------------------------------------------------------------


def test_a_later_import_of_the_same_replaces_it_and_says_so() -> None:
    path = listed()
    assert "1 new, 0 replaced, 0 as before" in imported(path, path, "./published.json")
    assert "0 new, 0 replaced, 1 as before" in imported(path)
    assert "0 new, 1 replaced, 0 as before" in imported(listed({"main_score": 0.7}))
    (row,) = published_rows(public())
    assert (row["main_score"], row["ndcg_at_10"]) == (0.7, None)


def test_revisions_of_one_model_stand_apart() -> None:
    filed(result({"main_score": 0.6}), revision="1111111111")
    filed(result({"main_score": 0.5}), revision="2222222222")
    imported("repo")
    assert [row["model"] for row in published_rows(public())] == [f"{MINILM} @1111111", f"{MINILM} @2222222"]


def test_an_import_says_what_took_anothers_place_and_what_stands_there_in_several_revisions() -> None:
    filed(result({"main_score": 0.6}), revision="1111111111")
    filed(result({"main_score": 0.7}, dataset_revision="9" * 40), revision="1111111111", name="SciFact-again")
    said = imported("repo")
    assert "1 new, 1 replaced" in said
    assert f"given several times with other scores, of which the last stays: {MINILM} on scifact" in said
    assert "in several revisions" not in said
    filed(result({"main_score": 0.5}), revision="2222222222")
    filed(result({"main_score": 0.5}, task="STS16"), model="x/y", revision="3", name="STS16")
    filed(result({"main_score": 0.5}, task="STS17"), model="x/y", revision="4", name="STS17")
    assert f"in several revisions, which tables show as MODEL @REVISION: {MINILM}\n" in imported("repo")


def test_a_row_names_its_file_and_data_that_are_not_of_the_registrys_revision() -> None:
    about = known("SciFact")
    assert about is not None
    sources = {}
    for revision in (about.revision, "f" * 64, "no\nrevision"):
        imported(filed(result(dataset_revision=revision)) / "SciFact.json")
        (row,) = published_rows(public())
        (sources[revision],) = row["warnings"]
        Path("results", FILE).unlink()
    assert sources[about.revision].startswith("from repo/results/") and "registry" not in sources[about.revision]
    assert f"(of data revision fffffff, not the registry's {about.revision[:7]}), imported 2" in sources["f" * 64]
    assert "(of data revision unknown, not the registry's" in sources["no\nrevision"]


def test_an_import_that_fails_half_way_leaves_what_was_there() -> None:
    imported(listed())
    good, bad = (
        Published(m, "", "", "STS16", "test", "default", "", {"main_score": 1.0}, "x") for m in ("a", "\ud800")
    )
    with pytest.raises(UnicodeEncodeError):
        keep([good, bad], Path("results"))
    with sqlite3.connect(Path("results") / FILE) as db:
        assert db.execute("select model from scores").fetchall() == [(MINILM,)]


def test_a_damaged_or_unwritable_store_is_one_line() -> None:
    path = Path("results") / FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(HarnessError, match="is damaged"):
        imported(listed())
    assert "is damaged" in _note(public())
    path.write_bytes(b"")  # a first import that was killed
    assert published_rows(public()) == []
    Path("file").write_text("")
    with pytest.raises(HarnessError, match="cannot be written"):
        import_text([listed()], Path("file"))


def _note(sweep: Sweep) -> str:
    """The one line that is said in place of published rows."""
    measured, (note,) = with_published(sweep)
    assert measured == rows(sweep) and published_rows(sweep) == []
    return note


@pytest.mark.parametrize(
    "change",
    [
        *(f"scores = '{text}'" for text in ("{", "[1]", "{}", '{"main_score": "x"}', f'{{"main_score": {BIG}}}', DEEP)),
        "date = null", "main = null", "source = x'ff'",
    ],
    ids=lambda change: change[:30],
)  # fmt: skip
def test_a_store_with_damaged_values_leaves_tables_and_pages_their_own_rows(change: str, tmp_path: Path) -> None:
    imported(listed())
    with sqlite3.connect(Path("results") / FILE) as db:
        db.execute(f"update scores set {change}")
    assert "is damaged (a row holds no scores); delete it and import again" in _note(public())
    sweep = on_a_page()
    assert MINILM not in write_report(sweep, decide(sweep, POLICY), tmp_path / "page").read_text("utf-8")


@pytest.mark.parametrize("schema", ["create table scores (a)", "create table other (a)"])
def test_a_store_of_another_schema_is_called_that(schema: str) -> None:
    path = Path("results") / FILE
    path.parent.mkdir(parents=True)
    with sqlite3.connect(path) as db:
        db.execute(schema)
    assert "is no store of published results, or a damaged one (no such " in _note(public())


# What is shown -------------------------------------------------------------------------------------------------


def test_rows_stand_on_sets_that_say_they_are_public_and_never_on_a_name_alone() -> None:
    imported(listed())
    (row,) = published_rows(public("scifact"))  # in any case of letters
    assert (row["task"], row["status"], row["model"]) == ("set", "published", MINILM)
    for other in (public("SciFact@train"), public("SciFact/de"), public(sample="2 queries"), public("")):
        assert published_rows(other) == []
    assert published_rows(small_sweep()) == []


def test_a_row_has_scores_and_names_and_nothing_that_was_measured_here() -> None:
    imported(listed())
    (row,) = published_rows(public())
    filled = {key for key, value in row.items() if value not in (None, "", [])}
    assert list(row) == list(rows(public())[0])
    assert filled == {
        "sweep", "task", "task_type", "model", "status", "main", "main_score", "ndcg_at_10", "recall_at_10", "reason",
        "warnings",
    }  # fmt: skip
    assert row["warnings"][0].startswith("from published.json, imported 2")


def test_a_model_measured_here_shows_the_difference() -> None:
    imported(listed())
    (row,) = published_rows(public())
    assert row["reason"] == "measured here 0.6500, +0.0050"


@pytest.mark.parametrize("scores", [SCORES, {"main_score": 0.645}])
def test_rows_of_another_metric_than_the_sweeps_are_a_line_instead(scores: Any) -> None:
    imported(listed(scores))
    found = public(main="cosine_spearman")
    found.manifest["evalsets"]["set"]["type"] = "sts"
    assert _note(found) == (
        "public: SciFact was published by nDCG@10; set (sts) was scored by Spearman (cosine) here, so these are not shown"
    )


def test_rows_of_a_metric_that_nobody_names_are_not_shown() -> None:
    imported(listed({"main_score": 0.645}, task="Unheard"))
    assert _note(public("Unheard")).startswith("public: Unheard was published by a metric unnamed; set (retrieval)")


def test_where_main_metrics_have_changed_the_rows_of_the_sweeps_metric_are_shown() -> None:
    imported(listed({"main_score": 0.5, "ndcg_at_10": 0.6, "map_at_10": 0.5}))
    imported(listed(model="x/y"))
    (*_, row), (note,) = with_published(public())
    assert (row["model"], row["main"]) == ("x/y", "ndcg_at_10")
    assert note.startswith("public: SciFact was published by MAP@10; set")


def test_a_candidate_that_is_not_the_plain_model_is_not_compared() -> None:
    imported(listed())
    found = public()
    for variant in found.manifest["variants"]:
        variant["quantization"] = "int8"
    assert published_rows(found)[0]["reason"] == ""


def test_a_score_with_prompts_of_the_sets_own_is_not_compared_with_the_plain_model() -> None:
    write_task(public="SciFact", prompts={"query": "banana banana: "})
    outcome = sweeping.sweep("model=hashing")
    imported(listed(model="in-house/hashing"))
    (row,) = published_rows(read_sweep(outcome.folder))
    assert (row["model"], row["reason"]) == ("in-house/hashing", "")
    write_task(public="SciFact")
    (row,) = published_rows(read_sweep(sweeping.sweep("model=hashing").folder))
    assert row["reason"].startswith("measured here")


def test_a_model_measured_here_in_two_revisions_shows_both() -> None:
    imported(listed())
    found = public()
    for variant in found.manifest["variants"]:
        variant["card"] = {"id": MINILM}
    assert published_rows(found)[0]["reason"] == "measured here 0.6500, +0.0050; 0.5500, −0.0950"


def test_the_decision_and_its_files_do_not_change_by_a_byte(tmp_path: Path) -> None:
    sweep = on_a_page()
    before = write_report(sweep, decide(sweep, POLICY), tmp_path / "before")
    imported(listed())
    after = write_report(sweep, decide(sweep, POLICY), tmp_path / "after")
    for name in ("decision.json", "decision.md"):
        assert before.with_name(name).read_bytes() == after.with_name(name).read_bytes()
    assert MINILM not in before.read_text("utf-8")
    assert f'<th scope="row" class="name">{MINILM}</th><td>helpdesk</td>' in after.read_text("utf-8")
    assert {row["status"] for row in rows(sweep)} == {"ok"}


def test_tables_show_published_rows_below_and_marked() -> None:
    imported(listed())
    text = write_table(with_published(public()).rows, "text", None)
    assert text.splitlines()[-1].split() == [
        "set", MINILM, "0.6450", "0.7830", "published:", "measured", "here", "0.6500,", "+0.0050",
    ]  # fmt: skip
    csv = write_table(with_published(public()).rows, "csv", None).splitlines()
    assert f"invented,set,retrieval,{MINILM},,,,,,,published,0.645,0.783" in csv[-1]


def test_the_end_of_a_run_names_the_best_published_models() -> None:
    data = {f"org/m{n}": {"SciFact": {"test/default": {"main_score": n / 10}}} for n in range(5)}
    Path("published.json").write_text(json.dumps(data))
    imported("published.json")
    sweep = public()

    class Outcome:
        folder, done, failed, skipped, computed, encoded, seconds = Path("x"), 2, 0, 0, 2, 4, 1.0

    paths = [Path("page"), Path("record"), Path("decision")]
    text = summary(Outcome, decide(sweep, POLICY), paths, "", published_rows(sweep))
    assert "Published  set: org/m4 0.4000, org/m3 0.3000, org/m2 0.2000 and 2 more: harness table invented" in text


def test_markup_in_a_name_stays_text_on_the_page(tmp_path: Path) -> None:
    imported(listed(model="<script>alert(1)</script>/x"))
    sweep = on_a_page()
    html = write_report(sweep, decide(sweep, POLICY), tmp_path / "page").read_text("utf-8")
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;/x" in html
