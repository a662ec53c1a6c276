"""Rows from records: complete, stable, and None where nothing was measured."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.candidates import candidates
from harness.table import KEYS, find_sweep, read_sweep, rows
from harness.types import HarnessError, Record
from tests.on_disk import keep
from tests.sweeping import invented, sweep, table_of, write_task

# The stable machine interface: more may be added, none renamed.
STABLE = [
    "sweep",
    "task",
    "task_type",
    "model",
    "retriever",
    "pooling",
    "dim",
    "quantization",
    "index",
    "batch_size",
    "status",
    "ndcg_at_10",
    "recall_at_10",
    "recall_at_100",
    "mrr_at_10",
    "map_at_100",
    "main_score",
    "judged_at_10",
    "queries",
    "bytes_per_doc",
    "index_bytes",
    "query_p50_ms",
    "query_p95_ms",
    "query_p99_ms",
    "docs_per_s",
    "tokens_per_s",
    "peak_rss_mb",
    "candidate_id",
    "data_sha256",
    "model_sha256",
]
SCORES = {"x": {"a": [0.5, 0.7]}, "y": {"a": [0.1, 0.2]}}
COSTS = {"x": 10, "y": 20}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")


def test_the_stable_keys_are_the_documented_ones() -> None:
    assert set(STABLE) <= set(KEYS)


def test_a_real_sweep_fills_every_row_with_every_key() -> None:
    write_task()
    found = table_of(sweep("model=hashing,bm25", "dim=8,65", "quantization=float32,int8"))
    assert {row["status"] for row in found} == {"ok", "skipped"}
    for row in found:
        assert set(STABLE) <= set(row)
        scored = row["status"] == "ok"
        for key in (
            "ndcg_at_10",
            "recall_at_10",
            "recall_at_100",
            "mrr_at_10",
            "map_at_100",
            "main_score",
            "queries",
            "bytes_per_doc",
        ):
            assert (row[key] is not None) is scored, key
        for key in ("query_p50_ms", "query_p95_ms", "query_p99_ms", "docs_per_s", "tokens_per_s", "peak_rss_mb"):
            assert row[key] is None, "nothing was timed"
        assert row["task"] == "tiny" and row["data_sha256"] and row["candidate_id"]
    assert {row["bytes_per_doc"] for row in found if row["quantization"] == "int8" and row["dim"] == 8} == {8.0}
    assert {row["overlap_at_10"] for row in found if row["quantization"] == "float32" and row["dim"] == 8} == {1.0}
    int8 = next(row for row in found if row["quantization"] == "int8" and row["dim"] == 8)
    assert 0 < int8["overlap_at_10"] <= 1


def test_a_record_that_is_not_there_yet_is_a_row_that_says_so() -> None:
    found = invented(SCORES, COSTS)
    del found.records["y-a"]  # type: ignore[attr-defined]
    assert [row["status"] for row in rows(found)] == ["ok", "missing"]
    assert rows(found)[1]["ndcg_at_10"] is None


def test_a_damaged_record_is_told_from_one_that_was_never_there(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "s"
    keep(invented(SCORES, COSTS, seconds={"x": [[0.001, 0.003]], "y": [[0.001, 0.003]]}), folder)
    (folder / "records" / "x-a.record").write_bytes(b"cut")
    (folder / "records" / "y-a-search.record").write_bytes(b"cut")
    one, other = rows(read_sweep(folder))
    assert (one["status"], one["reason"]) == ("missing", "its record is damaged; run the same command again")
    assert other["warnings"] == ["query latency: its record is damaged; run the same command again"]
    assert other["query_p95_ms"] is None
    (folder / "records" / "x-a.record").unlink()
    assert rows(read_sweep(folder))[0]["reason"] == "not run yet"
    assert candidates(read_sweep(folder))[0].lost == "missing on a: not run yet"


def test_a_failed_measurement_is_a_warning_and_no_number() -> None:
    found = invented(SCORES, COSTS, seconds={"x": [[0.001, 0.003]], "y": [[0.001, 0.003]]})
    found.records["x-a-search"] = Record("x-a-search", "timing", "failed", {}, reason="out of memory")  # type: ignore[index]
    one, other = rows(found)
    assert one["query_p50_ms"] is None and one["warnings"] == ["search was not timed: out of memory"]
    assert other["query_p50_ms"] == pytest.approx(2.0) and other["query_p99_ms"] is None


def test_latency_is_encode_and_search_of_the_same_query_together() -> None:
    found = invented({"x": {"a": [0.5]}}, COSTS, seconds={"x": [[0.001, 0.003]]})
    (variant,) = found.manifest["variants"]
    variant["timings"]["encode"] = "e"
    assert rows(found)[0]["query_p50_ms"] is None, "search alone is not a query's latency"
    found.records["e"] = Record("e", "timing", "ok", {}, {"first_ms": 5.0}, {"seconds": np.asarray([[0.010, 0.020]])})  # type: ignore[index]
    (row,) = rows(found)
    assert row["query_p50_ms"] == pytest.approx(17.0) and row["search_p50_ms"] == pytest.approx(2.0)
    assert row["first_query_ms"] == 6.0


def write(name: str, when: int, **manifest: Any) -> None:
    folder = Path("results") / name
    folder.mkdir(parents=True)
    import json

    about = {"schema": 1, "sweep": name, "variants": [], "unplanned": [], "evalsets": {}} | manifest
    (folder / "sweep.json").write_text(json.dumps(about))
    os.utime(folder / "sweep.json", (when, when))


def test_a_sweep_is_found_by_name_by_folder_or_as_the_newest() -> None:
    write("old", 1)
    write("new", 2)
    write("mid", 1)
    results = Path("results")
    assert find_sweep(None, results).name == "new"
    assert find_sweep("old", results) == results / "old"
    assert find_sweep("results/mid", results) == results / "mid"
    with pytest.raises(HarnessError, match=r"no sweep ol.*mid, old|no sweep ol.*old, mid"):
        find_sweep("ol", results)


def test_without_any_sweep_the_line_says_how_to_start_one() -> None:
    with pytest.raises(HarnessError, match="start one with: harness run"):
        find_sweep(None, Path("results"))


def test_a_manifest_of_another_version_is_refused() -> None:
    write("s", 1, schema=2)
    with pytest.raises(HarnessError, match="schema 2"):
        read_sweep(Path("results/s"))


def test_a_pooling_or_prompt_is_compared_with_native_of_the_same_model_whatever_width_it_gives() -> None:
    found = invented({"x": {"a": [0.5]}, "y": {"a": [0.25]}, "z": {"a": [0.125]}}, {"x": 10, "y": 20, "z": 10})
    changes = (
        {"pooling": "native", "prompt": "native"},
        {"pooling": "cls+mean"},
        {"pooling": "native", "prompt": "none"},
    )
    for variant, change in zip(found.manifest["variants"], changes, strict=True):
        variant |= {"model": "m", "prompt": "native"} | change
    for key, width in (("x-a", 384), ("y-a", 768), ("z-a", 384)):
        found.records[key].values["dimensions"] = width  # type: ignore[index]
    native, joined, bare = rows(found)
    assert native["warnings"] == [] and native["native_difference"] is None
    assert joined["warnings"] == ["m, pooling cls+mean: nDCG@10 -0.250 against pooling=native"]
    assert bare["warnings"] == ["m, prompt none: nDCG@10 -0.375 against prompt=native"]
    assert (joined["native_difference"], bare["native_difference"]) == (-0.25, -0.375)
