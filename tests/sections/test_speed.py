"""What the page says of speed and memory: knees, misfits, cold starts, served rates, parity, and how all were taken."""

import re
from dataclasses import replace

import numpy as np
import pytest

from harness.decide import decide
from harness.policy import Policy
from harness.report import Report, read_report
from harness.sections.cold_start import ColdStart
from harness.sections.configurations import Configurations
from harness.sections.memory import Memory
from harness.sections.serving import Serving
from harness.sections.stages import Stages
from harness.sections.throughput import Throughput
from harness.sections.timing_health import TimingHealth
from harness.table import Sweep
from tests.sections.test_sections import cells
from tests.small_sweep import FOUR, POLICY, small_sweep
from tests.timed_sweep import TIMING, changed, timed_sweep, unfit


def reported(sweep: Sweep, policy: Policy = POLICY) -> Report:
    return read_report(sweep, decide(sweep, policy))


@pytest.fixture(scope="module")
def report() -> Report:
    return reported(timed_sweep())


def table(html: str) -> list[dict[str, str]]:
    """The rows of a section's last table, by heading."""
    found = html[html.rindex("<table") :]
    heads = re.findall(r'<th scope="col"[^>]*>([^<]*)</th>', found)
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in found.split("<tr")[2:]]
    return [dict(zip(heads, row, strict=True)) for row in rows]


# Indexing speed --------------------------------------------------------------------------------------------------


def test_the_knee_is_told_in_words_marked_in_the_plot_and_in_the_table(report: Report) -> None:
    html = Throughput().render(report)
    said = "<b>large</b>: batch 32 is the knee: 95 % of the best rate (200 documents/s at batch 128)"
    assert f"{said}; 512 did not fit, 128 used." in html
    assert "large, batch 32: 190 documents/s; the knee</title>" in html
    assert [(row["Model"], row["Batch"]) for row in table(html) if row["Note"] == "the knee"] == [
        ("large", "32"),
        ("small", "32"),
    ]


def test_a_batch_that_did_not_fit_is_hollow_labelled_and_noted_with_what_was_used(report: Report) -> None:
    html = Throughput().render(report)
    assert "512 did not fit, 128 used</text>" in html
    assert "large, batch 512: 198 documents/s; did not fit, 128 used</title>" in html
    mark = html[html.index("large, batch 512: 198") :]
    assert "fill-opacity: 0" in mark[: mark.index("<use") + 200]
    assert [row["Note"] for row in table(html) if row["Batch"] == "512"] == ["did not fit, 128 used"] * 2


def test_a_batch_that_was_not_timed_is_a_cross_and_a_line_with_its_reason() -> None:
    html = Throughput().render(reported(unfit(timed_sweep(), "small", 512, "MemoryError: 9 GB")))
    assert "small, batch 512: not timed: MemoryError: 9 GB</title>" in html
    assert "512 was not timed (MemoryError: 9 GB)" in html
    (lost,) = (row for row in table(html) if row["Note"].startswith("not timed"))
    assert (lost["Model"], lost["Documents/s"], lost["Tokens/s"]) == ("small", "–", "–")


def test_rate_tokens_and_memory_stand_side_by_side_in_the_table(report: Report) -> None:
    row = next(row for row in table(Throughput().render(report)) if row["Batch"] == "32")
    assert (row["Documents/s"], row["Of its best"], row["Tokens/s"]) == ("190", "95 %", "19\u202f000")
    assert row["Peak memory (MB)"] == "464"
    assert "Joules per document" not in row and "Peak GPU memory (MB)" not in row, "nobody measured them"


def test_a_single_batch_size_is_a_short_table_and_no_plot() -> None:
    html = Throughput().render(reported(timed_sweep({32: 190.0}, {})))
    assert "<svg" not in html and "knee" not in html
    assert [(row["Model"], row["Documents/s"]) for row in table(html)] == [("large", "190"), ("small", "950")]
    assert not {"Of its best", "Note"} & set(table(html)[0])


def test_without_a_rate_there_is_no_section() -> None:
    assert Throughput().render(reported(small_sweep([]), POLICY)) == ""


def test_the_largest_batch_as_knee_says_that_no_larger_was_tried() -> None:
    html = Throughput().render(reported(timed_sweep({8: 100.0, 32: 300.0}, {})))
    assert "batch 32 is the knee, with the best rate (300 documents/s); larger batches were not tried" in html


def test_a_rate_that_did_not_fit_is_not_the_best() -> None:
    html = Throughput().render(reported(timed_sweep({8: 100.0, 32: 190.0, 512: 400.0}, {512: 32})))
    assert "batch 32 is the knee, with the best rate (190 documents/s); 512 did not fit, 32 used" in html


def test_of_several_eval_sets_the_slowest_ones_curve_is_shown() -> None:
    sweep = timed_sweep(tasks=("helpdesk", "scifact"))
    for key, record in list(sweep.records.items()):
        if key.startswith("index large") and key.endswith("scifact"):
            values = {**record.values, "docs_per_s": record.values["docs_per_s"] / 2}
            sweep.records[key] = replace(record, values=values)  # type: ignore[index]
    rows = table(Throughput().render(reported(sweep)))
    assert [row["Documents/s"] for row in rows if row["Model"] == "large"] == ["10.0", "50.0", "95.0", "100", "99.0"]


# A query's time, start, memory, service ---------------------------------------------------------------------------


def test_a_querys_time_is_split_into_tokenise_forward_pool_search_and_rescore(report: Report) -> None:
    html = Stages().render(report)
    text = "tokenise 0.55 + forward 9.9 + pool 0.55 + search 0.55 + rescore 0.55"
    assert html.count(text) == 3, "a line a candidate, whatever its batch sizes"
    widths = [float(w) for w in re.findall(r"--w: ([\d.]+)%", html)][:5]
    assert widths[1] == pytest.approx(100 * 9.9 / 12.1, abs=0.01) and sum(widths) == pytest.approx(100, abs=0.05)
    assert all(f"</i>{name}</span>" in html for name in ("tokenise", "forward", "pool", "search", "rescore"))


def test_a_cold_start_is_one_line_a_model(report: Report) -> None:
    rows = table(ColdStart().render(report))
    assert [row["Model"] for row in rows] == ["large · mean", "small · mean"]
    assert (rows[0]["Loading (s)"], rows[0]["First query, model alone (ms)"], rows[0]["First over later"]) == (
        "2.50",
        "80.0",
        "7.27×",
    )


def test_memory_stands_beside_its_limits_and_names_what_is_over() -> None:
    policy = Policy(draws=300, limits={"memory_mb": 400, "index_bytes": 400_000})
    rows = table(Memory().render(reported(timed_sweep(), policy)))
    assert [row["Peak memory (MB), limit 400"] for row in rows] == ["402"] * 3, "that of the batch size nearest to it"
    over = {row["Configuration"]: row["Over its limit"] for row in rows}
    assert over["large · mean · 768 · float32"] == "peak memory and index size"
    assert over["large · mean · 768 · int8"] == "peak memory"
    assert Memory().render(reported(small_sweep())) == ""


def test_memory_within_its_limits_has_no_column_of_what_is_over(report: Report) -> None:
    rows = table(Memory().render(report))
    assert "Over its limit" not in rows[0] and rows[1]["Configuration"].startswith("▶ large")


def test_the_served_rate_and_every_tried_one_are_told(report: Report) -> None:
    html = Serving().render(report)
    row = table(html)[0]
    assert (row["Queries/s"], row["p99 there (ms)"], row["Limit (ms)"], row["Requests"]) == (
        "40.0",
        "62.0",
        "100",
        "500",
    )
    assert row["Tried"] == "10.0/s: 21.0 ms, 40.0/s: 62.0 ms, 80.0/s: 180 ms, 95.0/s: given up"
    assert html.count("80.0 queries/s, p99 180 ms</title>") == 3 and "95.0 queries/s" not in html
    assert "over the limit" in html


def test_a_candidate_that_sustains_no_rate_has_0_and_comes_last() -> None:
    sweep = timed_sweep({32: 190.0}, {})
    key = "serve large int8 helpdesk"
    record = sweep.records[key]
    nothing = {**record.values, "rate_per_s": None, "p99_ms": None}
    tried = {**record.arrays, "rates": np.array([2.0]), "p99_ms": np.array([np.nan])}
    sweep.records[key] = replace(record, values=nothing, arrays=tried)  # type: ignore[index]
    rows = table(Serving().render(reported(sweep)))
    assert (rows[-1]["Configuration"], rows[-1]["Queries/s"], rows[-1]["p99 there (ms)"]) == (
        "large · mean · 768 · int8", "0.000", "–",
    )  # fmt: skip


@pytest.mark.parametrize("section", [ColdStart(), Serving(), Stages(), Memory()])
def test_what_an_old_sweep_did_not_measure_has_no_section(section: object) -> None:
    assert section.render(reported(small_sweep())) == ""  # type: ignore[attr-defined]


# Configurations and parity ----------------------------------------------------------------------------------------


def test_configurations_have_columns_of_what_was_measured_alone(report: Report) -> None:
    found = cells(Configurations().render(report), "large · mean · 768 · int8")
    assert (found["Served queries/s"], found["p99 when served (ms)"]) == ("40.0", "62.0")
    assert found["Peak memory (MB)"] and found["Model (MB)"] == "90"
    assert "Joules per query" not in found and "Against float32" not in found
    old = cells(Configurations().render(reported(small_sweep())), "large · mean · 768 · int8")
    assert "Served queries/s" not in old and "Peak memory (MB)" not in old


def faster(cosine: float | None = None, loss: float = 0.0) -> Sweep:
    """The sweep with the model `small` as a path in bfloat16, and a record of it in float32 that scores so much more."""
    sweep = timed_sweep()
    for variant in sweep.manifest["variants"]:
        if variant["model"] == "small":
            variant["model"] = "small bfloat16"
    own = sweep.records["q2-helpdesk"]
    plain = replace(own, key="plain", values={**own.values, "main_score": own.values["main_score"] + loss})
    told = {"parity_cosine": cosine, "parity_record": "plain"} if cosine is not None else {}
    return sweep._replace(
        records={**sweep.records, own.key: replace(own, values={**own.values, **told}), "plain": plain}
    )


def test_a_faster_path_shows_cosine_and_difference_beside_its_speed() -> None:
    told = reported(faster(0.999817, 0.0004))
    html = Configurations().render(told)
    text = "lowest cosine 0.99981, nDCG@10 −0.0004"
    assert cells(html, "small bfloat16")["Against float32"] == text
    assert cells(html, "large · mean · 768 · int8")["Against float32"] == ""
    assert '<table class="sortable faster" id="all">' in html, "the style sheet shows the column at once"
    rows = table(Throughput().render(told))
    assert {row["Against float32"] for row in rows if row["Model"] == "small bfloat16"} == {text}


def test_a_faster_path_without_parity_says_so() -> None:
    html = Configurations().render(reported(faster()))
    assert cells(html, "small bfloat16")["Against float32"] == "parity not measured"


# Timing health ----------------------------------------------------------------------------------------------------


def facts(report: Report) -> dict[str, str]:
    return dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", TimingHealth().render(report)))


def test_timing_health_says_how_the_numbers_came_about(report: Report) -> None:
    found = facts(report)
    settings = "query (repeats 3, calls 200, seconds 0.2, warmup 10); index (repeats 3, documents 64); start"
    assert found["Settings"] == f"{settings}; serve (limit ms 100, requests 500)"
    assert found["99th percentile"] == "from 600 samples of a query; withheld under 500"
    assert found["Order"] == "rounds of up to 3 measurements in turn, so that drift meets them alike"
    assert found["Used by other programs"] == "at most 2 % of the cores&#39; time"
    assert (found["Taken by a hypervisor"], found["Clocks"]) == ("nothing", "two clocks agreed within 1.00 ms")
    assert found["Energy"] == "not reported by this machine"
    assert (found["Instructions"], found["Threads"]) == ("avx2, avx512_bf16", "4 used, OMP_NUM_THREADS=2")


def test_energy_that_was_read_names_its_counters_and_stands_beside_each_measurement() -> None:
    report = reported(changed(timed_sweep(), "search", joules=3.0, joules_per_call=0.005, joules_of="0 package-0"))
    assert facts(report)["Energy"] == "read from 0 package-0"
    joules = {row["What"]: row["Joules per call"] for row in table(TimingHealth().render(report))}
    assert (joules["search one query"], joules["encode one query"]) == ("0.005", "–")


def test_what_a_sweep_of_before_did_not_look_at_is_not_said_of_the_machine() -> None:
    found = facts(reported(small_sweep()))
    assert {found[name] for name in ("Energy", "Used by other programs", "Taken by a hypervisor")} == {"not recorded"}
    assert "Order" not in found and "Instructions" not in found


def test_p99_is_withheld_with_the_number_of_samples() -> None:
    report = reported(small_sweep())
    assert facts(report)["99th percentile"] == "withheld: 60 samples of a query, 500 are needed (timing=full)"
    rows = table(TimingHealth().render(report))
    assert {row["p99 (ms)"] for row in rows if row["What"] != "index"} == {"withheld, 60 samples"}
    assert {row["p99 (ms)"] for row in rows if row["What"] == "index"} == {"–"}, "a rate has no percentile"


def test_p99_of_enough_samples_is_said_in_milliseconds(report: Report) -> None:
    row = next(row for row in table(TimingHealth().render(report)) if row["What"] == "encode one query")
    assert (row["p99 (ms)"], row["Repeats × calls"], row["Taken in turn"]) == ("12.0", "3 × 200", "3")


def test_a_sweep_that_asked_for_no_timing_says_so() -> None:
    sweep = small_sweep([c | {"p95": None} for c in FOUR])
    for timing in ({"scenario": "none", "repeats": 0}, dict.fromkeys(TIMING)):
        sweep.manifest["timing"] = timing
        html = TimingHealth().render(reported(sweep, Policy(draws=300)))
        assert "No speed was measured in this sweep</strong> (it ran with timing=none)" in html


def test_warnings_of_every_kind_of_timing_are_told_in_full() -> None:
    sweep = timed_sweep({32: 190.0}, {})
    for kind in ("start", "serve"):
        key = f"{kind} small {'32' if kind == 'start' else 'float32'} helpdesk"
        sweep.records[key] = replace(sweep.records[key], warnings=(f"{kind} was disturbed",))  # type: ignore[index]
    html = TimingHealth().render(reported(sweep))
    assert "small · mean (cold start, helpdesk): start was disturbed" in html
    assert "small · mean · 768 · float32 (under load, helpdesk): serve was disturbed" in html
