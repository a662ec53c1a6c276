"""How noise in the timings shows on the page: marks, no knee, no ratio, a verdict, one warning a cause; served rates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.sections.cold_start import ColdStart
from harness.sections.decision import Decision
from harness.sections.serving import Serving
from harness.sections.stages import Stages
from harness.sections.throughput import Throughput
from harness.sections.timing_health import TimingHealth
from harness.table import Sweep
from tests.sections.test_speed import reported, table
from tests.small_sweep import small_sweep
from tests.timed_sweep import changed, timed_sweep


def loud(sweep: Sweep, prefix: str) -> Sweep:
    """The sweep with other programs at work during the timings whose keys begin so."""
    found = {
        key: replace(
            r, values={**r.values, "busy_elsewhere": 0.74},
            warnings=("indexing: other programs used 74% of the cores meanwhile; close them and run again",),
        )
        for key, r in sweep.records.items()
        if key.startswith(prefix)
    }  # fmt: skip
    assert found
    return sweep._replace(records={**sweep.records, **found})


def test_noise_leaves_no_knee_in_words_plot_and_table() -> None:
    html = Throughput().render(reported(loud(timed_sweep(), "index large 8 ")))
    assert "no knee can be told" in html and "<b>large</b>: batch 32 is the knee" not in html
    assert "large, batch 32: 190 documents/s</title>" in html and "large, batch 8: 100 documents/s (noisy)" in html
    notes = {(row["Model"], row["Batch"]): row["Note"] for row in table(html)}
    assert (notes["large", "8"], notes["large", "32"], notes["small", "32"]) == ("noisy", "–", "the knee")


def test_rounds_that_reach_those_of_the_next_smaller_batch_leave_no_knee() -> None:
    sweep = timed_sweep({8: 180.0, 32: 190.0, 128: 199.0}, {})
    for size, rate in ((8, 180.0), (32, 190.0)):
        key = f"index large {size} helpdesk"
        seconds = 64 / rate * np.array([0.95, 1.0, 1.05])
        sweep.records[key] = replace(sweep.records[key], arrays={"seconds": seconds})  # type: ignore[index]
    assert "<b>large</b>: fastest with 199 documents/s at batch 128; no knee" in Throughput().render(reported(sweep))


def test_a_disturbed_start_service_and_query_are_marked_and_give_no_ratio() -> None:
    sweep = loud(loud(loud(timed_sweep({32: 190.0}, {}), "start large"), "serve large int8"), "encode large")
    told = reported(sweep)
    large, small = table(ColdStart().render(told))
    assert (large["First over later"], large["Timing"]) == ("–", "(noisy)")
    assert (small["First over later"], small["Timing"]) == ("7.27×", "–")
    assert [row["Timing"] for row in table(Serving().render(told)) if "int8" in row["Configuration"]] == ["(noisy)"]
    marked = {row["Configuration"]: "(noisy)" in row["p50 (ms)"] for row in table(Stages().render(told))}
    assert sum(marked.values()) == 2 and not marked["small · mean · 768 · float32"]


def test_a_first_query_faster_than_later_ones_is_noisy() -> None:
    rows = table(ColdStart().render(reported(changed(timed_sweep(), "start", first_ms=1.0))))
    assert "First over later" not in rows[0] and {row["Timing"] for row in rows} == {"(noisy)"}


def test_warnings_of_one_cause_are_one_line_with_the_worst_and_a_fold() -> None:
    html = TimingHealth().render(reported(loud(timed_sweep(), "index")))
    assert "10 measurements, the worst of them large · mean · batch 1 (index, helpdesk): other programs used 74" in html
    assert html.count("<summary>All 10</summary>") == 1 and "indexing: other" not in html


def test_the_verdict_on_the_timings_comes_first() -> None:
    assert "<strong>These timings are steady.</strong>" in TimingHealth().render(reported(watched()))
    bad = TimingHealth().render(reported(loud(watched(), "")))
    assert "! These timings are not fit to decide by" in bad and "used up to 74 % of the cores" in bad
    assert bad.index("not fit to decide by") < bad.index("<li>")


def watched() -> Sweep:
    return changed(timed_sweep(), "start", busy_elsewhere=0.0)


def test_the_served_rate_is_a_card_and_a_sentence_of_the_pick() -> None:
    report = reported(timed_sweep())
    html = Decision().render(report)
    assert "<b>40.0</b><span>queries per second under load, p99 62.0 ms</span><small>no limit set</small>" in html
    assert "Under load it serves 40.0 queries a second" in report.decision["sentence"]
    assert "under load" not in Decision().render(reported(small_sweep()))
