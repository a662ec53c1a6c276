"""Whole sweeps over a small eval set: what is computed, remembered, skipped and failed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness import runner
from harness.encoders.hashing import Hashing
from harness.execution import Done
from harness.executors.inline import Inline
from harness.poolings.cls import Cls
from harness.poolings.native import Native
from harness.protocols import Need
from harness.table import read_sweep
from harness.types import HarnessError, Unavailable
from tests.sweeping import DOCUMENTS, QRELS, records_of, sweep, table_of, write_task


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    write_task()


def test_a_second_identical_sweep_computes_nothing_and_changes_no_file() -> None:
    words = ("model=hashing,bm25", "dim=8,16", "quantization=float32,int8")
    first = sweep(*words)
    before = {p: p.read_bytes() for p in Path("results").rglob("*") if p.is_file()}
    second = sweep(*words)
    assert (first.done, first.failed, first.skipped, first.computed) == (5, 0, 0, 5)
    assert (second.done, second.computed) == (5, 0)
    assert (first.encoded, second.encoded) == (10, 0), "6 documents and 4 queries, once"
    assert {p: p.read_bytes() for p in Path("results").rglob("*") if p.is_file()} == before


def test_a_new_dimension_computes_one_record_and_encodes_nothing() -> None:
    sweep("model=hashing", "dim=8", "sweep=s")
    outcome = sweep("model=hashing", "dim=8,16", "sweep=s")
    assert (outcome.computed, outcome.encoded) == (1, 0)


def scores(*words: str) -> dict[str, float]:
    outcome = sweep(*words)
    return {row["candidate_id"]: row["ndcg_at_10"] for row in table_of(outcome)}


def test_a_changed_corpus_or_dimension_never_gives_a_stale_score() -> None:
    first = scores("model=hashing", "sweep=s")
    write_task(documents=DOCUMENTS | {"d1": "something else altogether", "d5": "and this too"})
    changed = sweep("model=hashing", "sweep=s")
    assert changed.encoded == 2
    assert {row["candidate_id"]: row["ndcg_at_10"] for row in table_of(changed)} != first
    assert set(scores("model=hashing", "sweep=s", "dim=2")) != set(first)
    write_task()
    assert scores("model=hashing", "sweep=s") == first


def test_changed_judgements_are_scored_anew() -> None:
    first = scores("model=bm25", "sweep=s")
    write_task(qrels=[*QRELS[:-1], ("q4", "d2", 1)])
    assert next(iter(scores("model=bm25", "sweep=s").values())) < next(iter(first.values()))


def test_changed_libraries_are_scored_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    sweep("model=bm25", "sweep=s")
    monkeypatch.setattr("harness.plan.all_versions", lambda: {"bm25s": "99"})
    assert sweep("model=bm25", "sweep=s").computed == 1


def test_another_family_under_the_same_name_is_never_mixed_with_the_first() -> None:
    sweep("model=hashing", "dim=8", "sweep=s")
    rows = table_of(sweep("model=bm25", "sweep=s"))
    assert [row["model"] for row in rows] == ["bm25"]
    assert [row["dim"] for row in table_of(sweep("model=hashing", "dim=8", "sweep=s"))] == [8]


def test_records_do_not_depend_on_the_order_of_the_jobs() -> None:
    one = sweep("model=hashing,bm25", "dim=8,16", "results_dir=a")
    other = sweep("model=bm25,hashing", "dim=16,8", "results_dir=b")
    assert {p.name: p.read_bytes() for p in (one.folder / "records").iterdir()} == {
        p.name: p.read_bytes() for p in (other.folder / "records").iterdir()
    }


# What does not apply -------------------------------------------------------------------------------------------


def test_alone_a_dimension_larger_than_the_model_is_an_error_and_leaves_no_sweep() -> None:
    with pytest.raises(HarnessError, match="the model has 64 dimensions"):
        sweep("model=hashing", "dim=65")
    assert not list(Path("results").glob("*/sweep.json"))
    assert [p.name for p in Path("results").iterdir()] in ([], ["store"])


def test_in_a_sweep_it_is_skipped_with_its_reason_and_the_others_finish() -> None:
    outcome = sweep("model=hashing", "dim=65,64,8")
    assert (outcome.done, outcome.skipped, outcome.failed) == (2, 1, 0)
    (row,) = [r for r in table_of(outcome) if r["status"] == "skipped"]
    assert row["dim"] == 65 and "64 dimensions" in row["reason"]
    assert row["ndcg_at_10"] is None and row["queries"] is None


def test_alone_it_is_an_error_also_when_a_sweep_of_that_name_remembers_it() -> None:
    sweep("model=hashing", "dim=65,8", "sweep=s")
    before = Path("results/s/sweep.json").read_bytes()
    with pytest.raises(HarnessError, match="64 dimensions"):
        sweep("model=hashing", "dim=65", "sweep=s")
    assert Path("results/s/sweep.json").read_bytes() == before


# What fails ----------------------------------------------------------------------------------------------------


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(self: Cls, states: Any, mask: Any) -> Any:
        raise ZeroDivisionError("first line\nsecond line")

    monkeypatch.setattr(Cls, "pool", explode)


@pytest.mark.usefixtures("broken")
def test_a_part_that_raises_becomes_a_failed_record_with_its_traceback_and_the_others_finish() -> None:
    said: list[str] = []
    outcome = sweep("model=hashing", "pooling=mean,cls,max", said=said)
    assert (outcome.done, outcome.failed) == (2, 1)
    (row,) = [r for r in table_of(outcome) if r["status"] == "failed"]
    assert row["pooling"] == "cls" and row["reason"] == "ZeroDivisionError: first line"
    assert row["main_score"] is None and row["query_p50_ms"] is None
    found = read_sweep(outcome.folder).records.values()
    (record,) = [r for r in found if r.status == "failed"]
    assert "in explode" in record.provenance["traceback"]
    assert any("FAILED ZeroDivisionError" in line for line in said)


def test_retry_failed_computes_the_failed_ones_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    fault = {"on": True}
    sound = Cls.pool

    def pool(self: Cls, states: Any, mask: Any) -> Any:
        if fault["on"]:
            raise RuntimeError("CUDA out of memory")
        return sound(self, states, mask)

    monkeypatch.setattr(Cls, "pool", pool)
    words = ("model=hashing", "pooling=mean,cls", "sweep=s")
    assert (sweep(*words).failed, sweep(*words).computed) == (1, 0)
    fault["on"] = False
    assert (sweep(*words).failed, sweep(*words).computed) == (1, 0), "not unless asked"
    again = sweep(*words, "retry=failed")
    assert (again.computed, again.failed, again.done) == (1, 0, 2)


def test_a_model_whose_hub_does_not_answer_is_a_failed_row_and_the_others_finish(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(hub_id: str, revision: str | None, package: str, instead: str) -> None:
        raise Unavailable(f"{hub_id}: the hub does not answer")

    monkeypatch.setattr("harness.weights.snapshot", away)
    outcome = sweep("model=hashing,bge-small-en-v1.5,bm25", "quantization=float32,int8")
    assert (outcome.done, outcome.failed) == (3, 2)
    lost = [row for row in table_of(outcome) if row["status"] == "failed"]
    assert {(r["model"], r["quantization"]) for r in lost} == {
        ("bge-small-en-v1.5", "float32"),
        ("bge-small-en-v1.5", "int8"),
    }
    assert all("hub does not answer" in r["reason"] and r["candidate_id"] is None for r in lost)


def test_a_skip_in_a_sweep_of_which_little_is_left_is_still_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(hub_id: str, revision: str | None, package: str, instead: str) -> None:
        raise Unavailable(f"{hub_id}: the hub does not answer")

    monkeypatch.setattr("harness.weights.snapshot", away)
    outcome = sweep("model=hashing,bge-small-en-v1.5", "dim=65")
    assert (outcome.done, outcome.skipped, outcome.failed) == (0, 1, 1)


# Killed --------------------------------------------------------------------------------------------------------


def test_a_killed_sweep_continues_where_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("model=hashing", "dim=8,16,32", "pooling=mean,max", "sweep=s")
    whole = Inline.run

    def dying(self: Inline, *given: Any) -> Iterator[Done]:
        for number, done in enumerate(whole(self, *given)):
            if number == 3:  # the forward pass and two variants
                raise KeyboardInterrupt
            yield done

    with monkeypatch.context() as patch:
        patch.setattr(Inline, "run", dying)
        with pytest.raises(KeyboardInterrupt):
            sweep(*words)
    found = table_of(runner.Outcome(Path("results/s"), 0, 0, 0, 0, 0))
    assert sorted(row["status"] for row in found) == ["missing"] * 4 + ["ok"] * 2
    outcome = sweep(*words)
    assert (outcome.done, outcome.computed, outcome.encoded) == (6, 4, 0)


def test_a_damaged_record_is_computed_again_and_comes_out_the_same() -> None:
    outcome = sweep("model=hashing", "dim=8,16", "sweep=s")
    path = sorted((outcome.folder / "records").iterdir())[0]
    whole = path.read_bytes()
    path.write_bytes(whole[:50])
    assert sweep("model=hashing", "dim=8,16", "sweep=s").computed == 1
    assert path.read_bytes() == whole


# Identity ------------------------------------------------------------------------------------------------------


def test_the_name_of_a_model_is_not_its_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = {"now": "1"}
    monkeypatch.setattr(Hashing, "content", lambda self: {"weights": weights["now"]})
    first = set(scores("model=hashing", "sweep=s"))
    weights["now"] = "2"
    second = sweep("model=hashing", "sweep=s")
    assert {row["candidate_id"] for row in table_of(second)}.isdisjoint(first)
    assert second.encoded == 10


# Manifest and plan ---------------------------------------------------------------------------------------------


def test_the_manifest_says_what_was_excluded_merged_and_out_of_reach() -> None:
    outcome = sweep("model=hashing,bm25", "dim=8,16,65", "grid.exclude=[{model: hashing, dim: 16}]")
    manifest = json.loads((outcome.folder / "sweep.json").read_text())
    assert (manifest["excluded"], manifest["merged"], manifest["unplanned"]) == (1, 2, [])
    assert manifest["evalsets"]["tiny"]["documents"] == 6 and manifest["evalsets"]["tiny"]["scored_queries"] == 4


def test_two_eval_sets_are_two_records_each_and_share_the_store() -> None:
    write_task("other", documents=dict(list(DOCUMENTS.items())[:3]), qrels=QRELS[:1])
    outcome = sweep("model=hashing", "task=tiny,other")
    assert outcome.done == 2
    assert outcome.encoded == 10, "the second set's texts are the first one's"
    by_task = {row["task"]: row for row in table_of(outcome)}
    assert by_task["other"]["queries"] == 1 and by_task["tiny"]["queries"] == 4
    record = records_of(outcome).get(read_sweep(outcome.folder).manifest["variants"][0]["quality"])
    assert record is not None
    assert record.values["main_score"] == pytest.approx(np.mean(record.arrays["ndcg_at_10"]))


def test_two_models_of_one_name_get_their_own_scores_labels_and_overlap() -> None:
    """Trap 1, without weights: the same name, another content."""
    write_task()
    outcome = sweep("model=hashing", "+model.seed=0,1", "dim=4", "quantization=float32,int8", "sweep=s")
    found = table_of(outcome)
    assert len({row["model"] for row in found}) == 2 and len({row["model_sha256"] for row in found}) >= 1
    assert all(row["overlap_at_10"] is not None for row in found)
    by_model = {row["model"]: row["ndcg_at_10"] for row in found if row["quantization"] == "float32"}
    assert len(set(by_model.values())) == 2


# Samples -------------------------------------------------------------------------------------------------------


def test_a_sample_is_marked_has_a_folder_of_its_own_and_leaves_the_full_run_alone() -> None:
    words = ("model=hashing,bm25",)
    full = sweep(*words)
    before = {p.name: p.read_bytes() for p in (full.folder / "records").iterdir()}
    said: list[str] = []
    sample = sweep(*words, "limit_queries=2", "limit_docs=4", said=said)
    assert sample.folder.name == f"{full.folder.name}-sample"
    assert "tiny [2 of 4 queries, 4 of 6 documents]" in said[0]
    assert {row["sample"] for row in table_of(sample)} == {"2 of 4 queries, 4 of 6 documents"}
    assert {row["queries"] for row in table_of(sample)} == {2}
    assert {row["sample"] for row in table_of(full)} == {""}
    assert {p.name: p.read_bytes() for p in (full.folder / "records").iterdir()} == before


@pytest.mark.parametrize("word", ["limit_queries=0", "limit_docs=many", "limit_queries=1.5"])
def test_a_limit_that_is_no_count_is_refused(word: str) -> None:
    with pytest.raises(HarnessError, match=word.partition("=")[0]):
        sweep("model=bm25", word)


# What is refused before work is lost ---------------------------------------------------------------------------


def test_a_disk_that_is_too_small_is_said_before_anything_is_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.store.shutil.disk_usage", lambda folder: SimpleNamespace(free=100))
    with pytest.raises(HarnessError, match="MB free"):
        sweep("model=hashing")
    assert not list(Path("results").rglob("*.shard"))


def test_a_store_of_an_older_version_is_set_aside_with_one_line() -> None:
    old = Path("results/store/vectors/0123/4567")
    old.mkdir(parents=True)
    (old / "a.shard").write_bytes(b"x" * 1000)
    said: list[str] = []
    assert sweep("model=hashing", said=said).done == 1
    assert sum("older version" in line for line in said) == 1
    assert Path("results/store/vectors.schema-1/0123/4567/a.shard").exists()


def test_files_of_a_model_that_change_while_the_sweep_runs_are_refused(tmp_path: Path) -> None:
    from harness.encoders.sentence_transformer import SentenceTransformer
    from tests.encoders.folders import static

    part = SentenceTransformer(path=str(static(tmp_path / "model")))
    part.content()
    (tmp_path / "model" / "modules.json").write_text((tmp_path / "model" / "modules.json").read_text() + " ")
    with pytest.raises(HarnessError, match="changed while the sweep ran"):
        part.open("cpu")


def test_a_disk_that_fills_up_stops_the_sweep_in_one_line_and_is_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.shelf import Shelf
    from harness.types import Unwritable

    passes: list[int] = []

    def full(self: Shelf, *given: Any) -> None:
        passes.append(1)
        raise Unwritable("results/store cannot be written (No space left on device)")

    words = ("model=hashing", "dim=8,16,32", "sweep=s")
    with monkeypatch.context() as patch:
        patch.setattr(Shelf, "append", full)
        with pytest.raises(HarnessError, match="No space left"):
            sweep(*words)
    assert len(passes) == 1
    assert sweep(*words).done == 3, "and nothing of it is remembered as failed"


def test_a_damaged_parity_is_measured_again(tmp_path: Path) -> None:
    from harness.precision import Parities
    from tests.encoders.halving import Halving
    from tests.test_precision import evalset

    parities = Parities(tmp_path / "store", "cpu")
    found = parities.measured(Need(Halving(0.0), Native()), evalset())
    (path,) = (tmp_path / "store").rglob("*.json")
    for text in ("{", "{}"):
        path.write_text(text)
        assert parities.known(Halving(0.0), evalset()) is None
        assert parities.measured(Need(Halving(0.0), Native()), evalset()) == found
