"""Sections are parts: found by their file, rebuilt from their description, pure, and empty where there is nothing."""

import re

import pytest

from harness.decide import decide
from harness.parts import available, build, describe
from harness.plots import shorten
from harness.policy import Policy
from harness.report import Report, anchor, read_report, standard_sections
from harness.sections.change import Change
from harness.sections.configurations import Configurations
from harness.sections.decision import Decision
from harness.sections.quantization import Quantization
from harness.sections.stages import Stages
from harness.sections.timing_health import TimingHealth
from harness.sections.why import Why
from tests.small_sweep import FOUR, POLICY, candidate, failed, small_sweep

NAMES = sorted(available("sections"))


@pytest.fixture(scope="module")
def report() -> Report:
    sweep = small_sweep()
    return read_report(sweep, decide(sweep, POLICY))


@pytest.mark.parametrize("name", NAMES)
def test_a_section_is_rebuilt_from_its_description(name: str) -> None:
    part = available("sections")[name]()
    assert build(describe(part)) == part


@pytest.mark.parametrize("name", NAMES)
def test_a_section_is_one_element_named_by_its_file_and_the_same_each_time(name: str, report: Report) -> None:
    part = available("sections")[name]()
    html = part.render(report)
    assert html == part.render(report)
    assert html == "" or re.match(rf'<section id="{anchor(part)}"', html)


def test_sections_stand_in_the_order_of_the_page() -> None:
    assert [anchor(section) for section in standard_sections()] == [
        "decision", "caveats", "why", "change", "tradeoffs", "throughput", "summary", "quantization", "indexes",
        "stages", "memory", "configurations", "models", "queries", "data-health", "timing-health", "cold-start",
        "serving", "space", "reproduce",
    ]  # fmt: skip


def test_the_forest_plot_writes_every_difference_and_marks_the_pick(report: Report) -> None:
    html = Why().render(report)
    for entry in report.entries:
        assert f"{entry['label']}" in html
    assert "▶ large · mean · 768 · int8" in html
    assert "large · mean · 768 · float32 (reference)" in html
    assert html.count('data-c="c') == 4
    assert "How 4 became 1" in html


def test_a_long_forest_keeps_reference_and_pick_and_counts_what_it_leaves_out() -> None:
    many = [*FOUR, *(candidate(f"m{i}", "float32", 0.3, 500) for i in range(6))]
    sweep = small_sweep(many)
    html = Why(most=1).render(read_report(sweep, decide(sweep, POLICY)))
    assert "8 lower-scoring candidates are left out" in html
    assert html.count('data-c="c') == 2


def test_what_would_change_is_a_row_for_each_assumption(report: Report) -> None:
    changes = [
        {"if": "margin 0.5", "then": "small", "changes": True, "difference": -0.01},
        {"if": "set x left out", "then": "(same)", "changes": False, "difference": None},
    ]
    html = Change().render(report._replace(decision={**report.decision, "changes": changes}))
    assert html.count("<tr>") == 3
    assert "<strong>yes</strong>" in html and "small (−0.010)" in html
    assert Change().render(report._replace(decision={**report.decision, "changes": []})) == ""


def test_a_label_cut_for_a_plot_keeps_what_tells_candidates_apart() -> None:
    label = "large · native · 128 · {} · hybrid-rerank(hybrid(bm25, dense), word_overlap) · hnsw (reference)"
    assert shorten(label.format("pq"), 70) == "large · native · 128 · pq · hybrid-rerank(…) · hnsw (reference)"
    assert shorten("short(a, b)", 70) == "short(a, b)"
    assert len(shorten("x" * 90, 70)) == 70


def test_where_a_querys_time_goes_is_told_of_candidates_that_search_in_steps(report: Report) -> None:
    assert Stages().render(report) == ""
    plain, piped = (dict(row) for row in report.rows[:2])
    plain["stages_p50_ms"] = "encode 8.3 + search 0.4"
    piped["stages_p50_ms"] = "encode 8.3 + bm25: search 0.2 + dense: search 0.4 + fuse 0.1"
    html = Stages().render(report._replace(rows=[plain, piped]))
    assert html.count("<tr") == 2 and piped["stages_p50_ms"] in html and plain["stages_p50_ms"] not in html


def test_quantization_is_compared_with_its_own_float32_and_nothing_else(report: Report) -> None:
    html = Quantization().render(report)
    assert html.count("<tr") == 3
    assert "4.00×" in html
    assert "−0.0020" in html
    alone = small_sweep([FOUR[1], FOUR[3]])
    assert Quantization().render(read_report(alone, decide(alone, Policy(draws=300)))) == ""


def test_the_loss_of_a_quantization_lies_inside_its_interval(report: Report) -> None:
    html = Quantization().render(report)
    found = re.findall(r'data-v="(-?[\d.]+(?:e-\d+)?)">[+−\d.]+</td><td class="n">\[([+−\d.]+), ([+−\d.]+)\]', html)
    assert len(found) == 2
    for loss, low, high in found:
        assert float(low.replace("−", "-")) <= float(loss) <= float(high.replace("−", "-"))


def cells(html: str, containing: str) -> dict[str, str]:
    """One row of the table of all configurations, by heading."""
    table = html[html.index('id="all"') :]
    heads = re.findall(r'<th scope="col"[^>]*>([^<]*)</th>', table)
    row = next(r for r in table.split("<tr")[2:] if containing in r)
    found = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)
    return dict(zip(heads, found, strict=True))


def test_a_configuration_that_did_not_finish_has_empty_cells_and_its_reason() -> None:
    sweep = failed(small_sweep(), 3, "boom")
    html = Configurations().render(read_report(sweep, decide(sweep, POLICY)))
    found = cells(html, "boom")
    assert found["Why not"] == "failed: boom"
    assert {found[head] for head in ("nDCG@10", "Difference", "At worst", "p95 (ms)", "B/doc", "Recall@100")} == {""}
    assert "<b>1 failed</b>: boom" in html
    row = next(r for r in html.split("<tr") if "boom" in r)
    assert 'data-in="1"' not in row and 'class="lost"' in row


def test_a_configuration_is_one_row_over_all_eval_sets() -> None:
    sweep = small_sweep(tasks=("helpdesk", "scifact"))
    sweep.records["q1-scifact"].values.update(judged_at_10=0.5, recall_at_100=0.7)  # type: ignore[attr-defined]
    sweep.records["i1-scifact"].values.update(docs_per_s=40.0)  # type: ignore[attr-defined]
    report = read_report(sweep, decide(sweep, POLICY))
    html = Configurations().render(report)
    assert html.count("<tr data-c=") == 4
    found = cells(html, "large · mean · 768 · int8")
    assert found["Judged@10"] == "50 %", "where it is lowest"
    assert found["docs/s"] == "40.0", "where it is slowest"
    assert found["Recall@100"] == "0.800", "the mean of 0.9 and 0.7"
    assert (found["helpdesk"], found["scifact"]) == ("0.598", "0.598")
    assert (found["Batch"], found["Candidate id"], found["Device"]) == ("32", "id01", "cpu")


def test_what_failed_on_one_of_two_sets_keeps_its_score_on_the_other_and_says_where_it_failed() -> None:
    sweep = failed(small_sweep(tasks=("helpdesk", "scifact")), 3, "timeout after 3600 s")
    found = cells(Configurations().render(read_report(sweep, decide(sweep, POLICY))), "timeout")
    assert found["Why not"] == "failed on scifact: timeout after 3600 s"
    assert (found["helpdesk"], found["scifact"], found["Weighted mean nDCG@10"]) == ("0.598", "", "")


def test_batch_sizes_are_rows_of_their_own_and_devices_are_named_where_there_are_several() -> None:
    sweep = small_sweep(FOUR[:1])
    first = sweep.manifest["variants"][0]
    sweep.manifest["variants"] += [first | {"batch_size": 64}, first | {"device": "cuda"}]
    html = Configurations().render(read_report(sweep, decide(sweep, Policy(draws=300))))
    names = re.findall(r'<th scope="row">(?:▶ )?([^<]*)</th>', html)
    label = "large · mean · 768 · float32"
    assert sorted(names) == [f"{label} · cpu", f"{label} · cpu", f"{label} · cuda"]
    assert re.findall(r'<tr data-c="(c0)"', html) == ["c0"] * 3, "all light up with the candidate's points"


def test_numbers_are_exact_behind_what_is_shown_and_not_written_twice(report: Report) -> None:
    html = Configurations().render(report)
    assert "<td data-v=3000>3\u202f000</td>" in html
    assert "<td>750</td>" in html


def test_timing_health_says_how_latency_is_made_and_repeats_every_warning(report: Report) -> None:
    html = TimingHealth().render(report)
    assert "measured apart" in html
    assert "in the index that faiss has" in html
    assert "Peak memory was not measured in this sweep" in html
    assert "quick (repeats 3, calls 20, warmup 10, documents 8)" in html, "settings of sweeps from before"
    noisy = next(k for k, r in report.records.items() if r.kind == "timing")
    record = report.records[noisy]
    loud = type(record)(**{**record.__dict__, "warnings": ("repeats lie 40% apart",)})
    assert "repeats lie 40% apart" in TimingHealth().render(report._replace(records={**report.records, noisy: loud}))


def test_rows_of_one_candidate_are_a_group_and_the_reason_is_short() -> None:
    sweep = small_sweep()
    sweep.manifest["variants"] += [v | {"batch_size": 64} for v in sweep.manifest["variants"]]
    html = Configurations().render(read_report(sweep, decide(sweep, POLICY)))
    looks = re.findall(r'<tr data-c="(c\d)"(?: data-in="1")?(?: class="([\w ]+)")?>', html)
    assert [look.endswith("again") for _, look in looks] == [False, True] * 4
    assert [key for key, _ in looks[::2]] == [key for key, _ in looks[1::2]]
    assert [look for _, look in looks if "chosen" in look] == ["chosen", "chosen again"]
    assert html.count("not within the margin") == 4 and "could be" not in html
    assert "8 rows, best first. What" in html


def test_a_changed_policy_is_not_said_to_be_a_changed_margin(report: Report) -> None:
    def told(changed: str) -> str:
        return Why().render(report._replace(decision={**report.decision, "policy_changed": changed}))

    margin = f"the margin of {POLICY.margin}"
    assert f"{margin} (the policy was changed after results existed)" in told("2026-05-01")
    assert f"{margin} that was fixed beforehand" in told("")


def test_every_timing_warning_is_on_the_page() -> None:
    sweep = small_sweep([candidate(f"m{n}", "float32", 0.5, 100 + n) for n in range(6)])
    report = read_report(sweep, decide(sweep, POLICY))
    loud = {
        key: type(r)(**{**r.__dict__, "warnings": (f"{key} lies apart",)})
        for key, r in report.records.items()
        if r.kind == "timing"
    }
    html = TimingHealth().render(report._replace(records={**report.records, **loud}))
    assert len(loud) > 9 and all(f"{key} lies apart" in html for key in loud) and "harness table" not in html


def test_what_was_held_out_borderline_and_drawn_anew_is_told(report: Report) -> None:
    pick = report.pick
    assert pick is not None
    told = {
        "held_out": {"share": 0.3, "items": 200, "pick": pick["id"], "label": pick["label"], "same": True,
                     "against": "small · int4", "difference": -0.0042, "interval": [-0.011, 0.003]},
        "borderline": [{"id": "x", "label": "small · int8", "text": "query p95 29.8 at its upper 95 % bound"}],
        "weights_drawn": [{"id": pick["id"], "label": pick["label"], "share": 0.875}],
        "other_sets": [],
    }  # fmt: skip
    full = report._replace(decision={**report.decision, **told})
    why = Why().render(full)
    assert "on 70 % of the queries and picked the same; on the 200 that it never saw" in why
    assert "its difference from small · int4 is <b>−0.004</b> [−0.011, +0.003]" in why
    assert "small · int8: query p95 29.8 at its upper" in why
    change = Change().render(full)
    assert f"<dt>Weights of the eval sets drawn at random</dt><dd>{pick['label']} 88 %</dd>" in change
    assert "Eval sets drawn anew" not in change
    assert "<h3>Held out</h3>" not in Why().render(report._replace(decision={**report.decision, "held_out": {}}))


def test_the_box_says_who_accepted(report: Report) -> None:
    assert '<span class="signed">proposed</span>' in Decision().render(report)
    signed = {"state": "accepted", "decision_makers": ["Ada", "Bob"], "accepted": "2026-11-21"}
    html = Decision().render(report._replace(decision={**report.decision, **signed}))
    assert "accepted by Ada, Bob on 2026-11-21" in html
    open_ = {"status": "insufficient evidence", "pick": None}
    assert "proposed" not in Decision().render(report._replace(decision={**report.decision, **open_}))
