"""Speeds of a row from made-up timings: what adds up, what is the worst of several, what stays unknown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.speeds import in_steps, knee, speeds
from harness.table import Sweep, rows
from harness.types import Record
from tests.small_sweep import candidate, small_sweep


def taken(seconds: Any = ((0.002, 0.004),), stages: dict[str, float] | None = None, **values: Any) -> Record:
    """A timing; stages: typical milliseconds of each, the same in every call."""
    raw = np.asarray(seconds, dtype=np.float64)
    arrays = {"seconds": raw} | {f"stage {k}": np.full(raw.shape, ms / 1000) for k, ms in (stages or {}).items()}
    return Record("k", "timing", "ok", {}, values, arrays)


def failed() -> Record:
    return Record("k", "timing", "failed", {}, reason="out of memory")


def test_nothing_measured_says_nothing() -> None:
    assert speeds({}) == {}
    assert speeds({"encode": None, "search": None, "index": None, "start": None, "serve": None}) == {}
    assert speeds({"start": failed(), "serve": failed(), "index": failed(), "search": failed()}) == {}


def test_a_query_is_told_by_its_stages_from_tokenising_to_rescoring() -> None:
    encode = taken(stages={"tokenise": 0.31, "forward": 6.2, "pool": 0.1}, first_ms=50.0, tokens_per_query=9.0)
    search = taken(stages={"search": 0.4, "rescore": 0.2}, first_ms=1.0)
    found = speeds({"encode": encode, "search": search})
    assert found["stages_p50_ms"] == "tokenise 0.31 + forward 6.2 + pool 0.1 + search 0.4 + rescore 0.2"
    assert (found["query_p50_ms"], found["encode_p50_ms"], found["search_p50_ms"]) == pytest.approx((6.0, 3.0, 3.0))
    assert (found["tokens_per_query"], found["first_query_ms"]) == (9.0, 51.0)
    two = {"encode": encode, "encode-2": taken(first_ms=2.0, tokens_per_query=4.0), "search": search}
    assert speeds(two)["stages_p50_ms"].startswith("tokenise 0.31 + forward 6.2 + pool 0.1 + encode 3 + search")
    assert speeds(two)["tokens_per_query"] == 13.0


def test_splitting_the_encoding_is_no_step_of_a_search() -> None:
    assert not in_steps("tokenise 0.31 + forward 6.2 + pool 0.1 + search 0.4")
    assert not in_steps("encode 3 + search 0.4") and not in_steps("") and not in_steps(None)
    assert in_steps("tokenise 0.31 + forward 6.2 + pool 0.1 + search 0.4 + rescore 0.2")


def test_the_first_query_is_that_of_a_fresh_process_and_its_search() -> None:
    start, encode, search = taken(first_ms=300.0), taken(first_ms=50.0), taken(first_ms=1.0)
    assert speeds({"encode": encode, "search": search, "start": start})["first_query_ms"] == 301.0
    assert speeds({"encode": encode, "search": search})["first_query_ms"] == 51.0
    assert speeds({"search": search, "start": start})["first_query_ms"] == 300.0, "words: the process searched itself"
    assert "first_query_ms" not in speeds({"encode": encode, "search": search, "start": failed()})


def test_a_pipelines_models_share_one_service() -> None:
    """The larger peak is the first's, 900; the second, once loaded, holds 300 more."""
    one = taken(load_s=2.0, loaded_mb=400.0, model_mb=90.0, peak_rss_mb=900.0, peak_vram_mb=None)
    two = taken(load_s=1.0, loaded_mb=300.0, model_mb=60.0, peak_rss_mb=700.0, peak_vram_mb=None)
    found = speeds({"start": one, "start-2": two})
    assert (found["load_s"], found["model_mb"], found["peak_rss_mb"]) == (3.0, 150.0, 1200.0)
    assert found["peak_vram_mb"] is None
    late = taken(loaded_mb=100.0, model_mb=60.0, peak_rss_mb=850.0, peak_vram_mb=500.0)
    first = taken(loaded_mb=400.0, model_mb=90.0, peak_rss_mb=900.0, peak_vram_mb=480.0)
    both = speeds({"start": first, "start-2": late})
    assert both["peak_rss_mb"] == 1250.0, "850 beside 400 is more than 900 beside 100"
    assert both["peak_vram_mb"] == 590.0, "500 beside weights of 90"


def test_what_one_model_does_not_say_the_pipeline_does_not() -> None:
    known, silent = taken(load_s=1.0, loaded_mb=1.0, peak_rss_mb=5.0), taken(load_s=None, loaded_mb=None)
    found = speeds({"start": known, "start-2": silent})
    assert found["load_s"] is None and found["peak_rss_mb"] is None and found["model_mb"] is None
    assert "load_s" not in speeds({"start": known, "start-2": None})


def test_the_rate_has_a_lower_bound_where_rounds_bound_it() -> None:
    rounds = [1.0, 1.0, 1.0]
    slow = taken(rounds, docs_per_s=100.0, documents=100, seconds_upper=1.25, batch_used=32, joules_per_doc=0.5)
    fast = taken(rounds, docs_per_s=400.0, documents=100, seconds_upper=0.25, batch_used=16, joules_per_doc=0.25)
    one, both = speeds({"index": slow}), speeds({"index": slow, "index-2": fast})
    assert (one["docs_per_s"], one["docs_per_s_lower"], one["batch_used"]) == pytest.approx((100.0, 80.0, 32))
    assert both["docs_per_s"] == pytest.approx(80.0)
    assert both["docs_per_s_lower"] == pytest.approx(100 / 1.5)
    assert (both["batch_used"], both["joules_per_doc"]) == (16, 0.75)
    single = speeds({"index": taken([1.0], docs_per_s=100.0, documents=100, seconds_upper=None)})
    assert single["docs_per_s_lower"] is None and single["batch_used"] is None and single["joules_per_doc"] is None


def test_energy_of_a_query_needs_that_of_every_part() -> None:
    measured, silent = taken(first_ms=1.0, joules_per_call=0.5), taken(first_ms=1.0)
    assert speeds({"encode": measured, "search": measured})["joules_per_query"] == 1.0
    assert speeds({"encode": measured, "search": silent})["joules_per_query"] is None


def test_no_rate_that_was_sustained_is_a_rate_of_nothing() -> None:
    assert speeds({"serve": taken(rate_per_s=40.0, p99_ms=90.0)}) == {"serve_rate_per_s": 40.0, "serve_p99_ms": 90.0}
    assert speeds({"serve": taken(rate_per_s=None, p99_ms=None)}) == {"serve_rate_per_s": 0.0, "serve_p99_ms": None}


@pytest.mark.parametrize(("rates", "size"), [
    ({1: 20.0, 8: 90.0, 32: 96.0, 128: 100.0}, 32), ({1: 20.0, 8: 95.0, 32: 100.0}, 8), ({1: 20.0, 8: 94.9, 32: 100.0}, 32),
    ({8: 100.0, 32: 60.0}, 8), ({32: 100.0}, None), ({}, None),
])  # fmt: skip
def test_the_knee_is_the_smallest_size_within_a_twentieth_of_the_best(
    rates: dict[int, float], size: int | None
) -> None:
    assert knee(rates) == size


def curve(rates: dict[int, float], used: dict[int, int] | None = None) -> Sweep:
    """One candidate at several batch sizes; used: the size of those that did not fit."""
    sweep = small_sweep([candidate("m", "float32", 0.6, 100)])
    (only,) = sweep.manifest["variants"]
    variants, records = [], dict(sweep.records)
    for size, rate in rates.items():
        key = f"index-{size}"
        records[key] = taken([1.0, 1.0], docs_per_s=rate, documents=1, batch_used=(used or {}).get(size, size))
        variants.append(only | {"batch_size": size, "timings": only["timings"] | {"index": key}})
    return sweep._replace(manifest=sweep.manifest | {"variants": variants}, records=records)


def test_rows_mark_the_knee_of_their_own_curve() -> None:
    assert [row["knee"] for row in rows(curve({1: 20.0, 32: 96.0, 128: 100.0}))] == [False, True, False]
    assert [row["knee"] for row in rows(curve({32: 96.0}))] == [None]


def test_a_batch_that_did_not_fit_is_no_point_of_the_curve() -> None:
    found = rows(curve({8: 50.0, 32: 90.0, 512: 100.0}, {512: 64}))
    assert [(row["batch_used"], row["knee"]) for row in found] == [(8, False), (32, True), (64, False)]
    assert [row["knee"] for row in rows(curve({32: 90.0, 512: 100.0}, {512: 64}))] == [None, None]


def test_a_sweep_of_before_there_were_starts_has_no_memory() -> None:
    (row,) = rows(small_sweep([candidate("m", "float32", 0.6, 100)]))
    assert row["peak_rss_mb"] is None and row["load_s"] is None and row["first_query_ms"] == 2.0
