"""Each timing once, named by what it was taken on."""

from harness.measurements import measurements, series
from tests.small_sweep import small_sweep
from tests.timed_sweep import timed_sweep, unfit


def test_a_timing_that_rows_share_comes_once_and_names_no_more_than_it_depends_on() -> None:
    sweep = timed_sweep({8: 100.0, 32: 190.0})
    found = [(one.kind, one.label) for one in measurements(sweep.manifest, sweep.records)]
    assert found == [
        ("encode", "large · mean"),
        ("encode", "small · mean"),
        *(("index", f"{model} · mean · batch {size}") for model in ("large", "small") for size in (32, 8)),
        *(("search", f"{label} · 768 · {kind}") for label, kind in _CANDIDATES),
        *(("serve", f"{label} · 768 · {kind}") for label, kind in _CANDIDATES),
        *(("start", f"{model} · mean") for model in ("large", "large", "small", "small")),
    ]


_CANDIDATES = (("large · mean", "float32"), ("large · mean", "int8"), ("small · mean", "float32"))


def test_a_timing_that_failed_is_none_and_kinds_can_be_asked_for() -> None:
    sweep = unfit(timed_sweep({8: 100.0, 32: 190.0}), "large", 32)
    found = measurements(sweep.manifest, sweep.records, "index")
    assert [one.label for one in found] == [
        "large · mean · batch 8",
        "small · mean · batch 32",
        "small · mean · batch 8",
    ]


def test_the_second_model_of_a_pipeline_and_a_text_instead_of_a_query_are_told() -> None:
    sweep = small_sweep(types={"helpdesk": "sts"})
    first = sweep.manifest["variants"][0]
    first["retriever"], first["timings"] = "hybrid(a, b)", {"encode-2": first["timings"]["encode"]}
    one = next(m for m in measurements(sweep.manifest, sweep.records) if "model 2" in m.label)
    assert (one.kind, one.label, one.text) == ("encode", "large · mean · model 2 of hybrid(a, b)", True)


def test_a_series_leaves_out_what_the_rate_does_not_depend_on() -> None:
    labels = {"model": "m", "pooling": "cls", "dim": 8, "quantization": "int8", "index": "hnsw", "prompt": "none"}
    assert series(labels) == "m · cls · prompt none"
