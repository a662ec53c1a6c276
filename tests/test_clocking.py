"""Which speeds a sweep measures, and what becomes of one that cannot be had."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.encoders.hashing import OpenHashing
from harness.table import read_sweep
from harness.types import HarnessError
from tests.sweeping import QUERIES, sweep, table_of, write_task


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    write_task()


QUICK = ("timing=quick", "timing.query.calls=3", "timing.query.seconds=0", "timing.index.documents=4")


def test_every_distinct_speed_is_measured_once_and_shared() -> None:
    words = ("model=hashing,bm25", "dim=8,16", "batch_size=1,8", *QUICK)
    said: list[str] = []
    outcome = sweep(*words, said=said)
    # quality: 2 dims + bm25; encode 1, index and start 2 batch sizes each, search 2 dims; bm25 search, build and start
    assert outcome.computed == 3 + 1 + 2 + 2 + 2 + 3
    assert "timing 10 measurements, 2 fresh starts among them, one at a time (load " in "\n".join(said)
    assert sum(line.startswith("measuring a fresh start: ") for line in said) == 2
    assert sum(line.startswith("timed the start and its memory: hashing") for line in said) == 2, "at two batch sizes"
    assert any(
        line.startswith("measuring documents per second: hashing") and line.endswith(", batch 1, 8") for line in said
    )
    assert sum(line.startswith("timed ") for line in said) == 10
    assert sweep(*words).computed == 0
    for row in table_of(outcome):
        assert row["query_p50_ms"] > 0 and row["docs_per_s"] > 0
        assert row["query_p99_ms"] is None
        assert (row["tokens_per_s"] is None) is (row["model"] == "bm25")


def timings_of(outcome: Any) -> set[str]:
    (variant,) = read_sweep(outcome.folder).manifest["variants"]
    return set(variant["timings"])


def test_a_pipelines_latency_holds_each_model_once_and_its_stages() -> None:
    Path("configs/model").mkdir(parents=True)
    Path("configs/model/wider.yaml").write_text("_target_: harness.encoders.hashing.Hashing\ndim: 96\n")
    quick = (*QUICK, "timing.start=null")
    outcome = sweep("model=hashing", "retriever=hybrid", "retriever.of=[model,{chunking:words},bm25]", *quick)
    assert timings_of(outcome) == {"search", "encode", "index", "index-2"}, "one query vector, two sets of documents"
    (row,) = table_of(outcome)
    stages = dict(part.rsplit(" ", 1) for part in row["stages_p50_ms"].split(" + "))
    assert next(iter(stages)) == "encode" and list(stages)[-1] == "fuse" and len(stages) >= 5
    assert float(stages["encode"]) == pytest.approx(row["encode_p50_ms"], rel=0.01)
    two = sweep("model=hashing", "retriever=hybrid", "retriever.of=[model,{dim: 8},wider]", *quick)
    assert timings_of(two) == {"search", "encode", "encode-2", "index", "index-2"}


def test_a_measurement_that_fails_is_recorded_and_the_others_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = OpenHashing.encode

    def encode(self: Any, texts: Any, role: Any, poolings: Any, batch_size: int) -> Any:
        if batch_size == 512:
            raise RuntimeError("out of memory")
        return sound(self, texts, role, poolings, batch_size)

    monkeypatch.setattr(OpenHashing, "encode", encode)
    words = ("model=hashing", "batch_size=1,512", *QUICK)
    outcome = sweep(*words)
    small, large = sorted(table_of(outcome), key=lambda row: row["batch_size"])
    assert small["docs_per_s"] > 0 and small["query_p50_ms"] > 0 and small["peak_rss_mb"] > 0
    assert large["docs_per_s"] is None and large["query_p50_ms"] == small["query_p50_ms"]
    assert any("out of memory" in w for w in large["warnings"])
    assert outcome.failed == 2, "index and start"
    assert sweep(*words).computed == 0


@pytest.mark.parametrize(
    "word",
    ["timing.query.repeats=0", "timing.query.calls=many", "timing.index.documents=-1", "timing.query.warmup=1.5"],
)
def test_a_wrong_timing_setting_stops_before_anything_runs(word: str) -> None:
    with pytest.raises(HarnessError, match=word.partition("=")[0]):
        sweep("model=hashing", "timing=quick", word)
    assert not Path("results").exists()


def test_every_round_is_kept_and_every_query_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    encode = OpenHashing.encode

    def spy(self: Any, texts: Any, role: Any, poolings: Any, batch_size: Any) -> Any:
        if role == "query" and len(texts) == 1:
            asked.append(texts[0])
        return encode(self, texts, role, poolings, batch_size)

    monkeypatch.setattr(OpenHashing, "encode", spy)
    words = (
        "model=hashing",
        "timing=quick",
        "timing.query.repeats=4",
        "timing.query.calls=20",
        "timing.query.seconds=0",
    )
    monkeypatch.setattr("harness.clocking.load", lambda: 1000.5)
    said: list[str] = []
    found = read_sweep(sweep(*words, said=said).folder)
    assert any("(load 1000.5 of " in line and line.endswith(": other programs may disturb them)") for line in said)
    taken = [r for r in found.records.values() if r.labels.get("kind") in ("encode", "search")]
    assert {r.arrays["seconds"].shape for r in taken} == {(4, 20)}
    assert set(asked) == set(QUERIES.values())


def test_serving_is_measured_where_it_is_asked_for() -> None:
    quick = ("timing=serve", "timing.query=null", "timing.index=null", "timing.start=null")
    outcome = sweep("model=hashing", *quick, "timing.serve.limit_ms=20", "timing.serve.seconds=0.4")
    assert timings_of(outcome) == {"serve"}
    (record,) = [r for r in read_sweep(outcome.folder).records.values() if r.kind == "timing"]
    assert record.values["rate_per_s"] > 0 and record.values["p99_ms"] <= 20
    assert record.arrays["seconds"].shape[1] >= max(500, 0.4 * record.values["rate_per_s"])
    assert len(record.arrays["rates"]) == len(record.arrays["busy"]) >= 4
    assert record.provenance["settings"]["serve"]["limit_ms"] == 20


def test_an_experiment_with_the_old_settings_is_one_line_that_names_the_new_ones() -> None:
    Path("configs/experiment").mkdir(parents=True)
    Path("configs/experiment/old.yaml").write_text("# @package _global_\ntiming: {scenario: none}\n")
    with pytest.raises(HarnessError, match="timing.scenario is no more; use timing=none"):
        sweep("experiment=old", "model=hashing", "timing=quick")
