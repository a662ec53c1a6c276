"""The summary on the page and in the terminal, and every section over sweeps of several task types."""

import re
from pathlib import Path

import pytest

from harness.decide import decide
from harness.narrative import not_measured
from harness.policy import Policy
from harness.record import render_record
from harness.report import Report, read_report, render_page
from harness.runner import Outcome
from harness.sections.data_health import DataHealth
from harness.sections.summary import Summary
from harness.sections.timing_health import TimingHealth
from harness.sections.tradeoffs import Tradeoffs
from harness.sections.why import Why
from harness.table import Sweep, rows
from harness.terminal import decision_text, summary
from tests.small_sweep import FOUR, MAINS, POLICY, candidate, small_sweep

TYPES = {"alike": "sts", "same": "pair_classification", "intents": "classification", "topics": "clustering",
         "twins": "bitext", "sums": "summarization", "order": "reranking"}  # fmt: skip
WORDS = candidate("bm25", "-", 0.55, 10) | {"words": True}


def mixed(*tasks: str, **more: object) -> Sweep:
    return small_sweep([*FOUR, WORDS], tasks=tasks, types=TYPES, **more)  # type: ignore[arg-type]


def reported(sweep: Sweep, policy: Policy = POLICY) -> Report:
    return read_report(sweep, decide(sweep, policy))


def text_of(html: str) -> str:
    """What a reader sees."""
    bare = re.sub(r"<(script|style).*?</\1>", "", html, flags=re.S)
    return " ".join(re.sub(r"<[^>]+>", " ", bare).split())


def test_the_summary_is_shown_where_there_are_several_eval_sets() -> None:
    assert Summary().render(reported(mixed("helpdesk"))) == ""
    html = Summary().render(reported(mixed("helpdesk", "alike", "topics")))
    heads = re.findall(r'<th scope="col"[^>]*>([^<]*)</th>', html)
    assert heads == ["Candidate", "Borda rank", "Mean by task", "Mean by type", "retrieval (1)", "STS (1)", "clustering (1)"]  # fmt: skip
    lines = re.findall(r"<tr[^>]*><th.*?</tr>", html[html.index("<tbody>") :])
    assert "▶ large · mean · 768 · int8" in lines[1]
    cells = [re.findall(r"<td[^>]*>([^<]*)</td>", line) for line in lines]
    assert cells[0] == ["1", "0.600", "0.600", "0.600", "0.600", "0.600"]
    assert cells[-1] == ["4", "–", "–", "0.550", "–", "–"], "4th of 5 in retrieval beats last in all three"
    assert "<li>Means over tasks mix unlike metrics (Spearman (cosine), V-measure and nDCG@10)</li>" in html


def test_a_long_summary_keeps_the_pick_and_the_reference_and_counts_the_rest() -> None:
    report = reported(mixed("helpdesk", "alike"))
    html = Summary(most=0).render(report)
    assert html.count("<tr") == 3 and "3 lower-ranked candidates are left out here" in html


def test_the_end_of_a_run_says_who_leads_and_what_to_mind(tmp_path: Path) -> None:
    decision = decide(mixed("helpdesk", "alike"), POLICY)
    text = summary(Outcome(tmp_path, 9, 0, 1, 1, 1), decision, [tmp_path] * 3, "x")
    line = next(line for line in text.splitlines() if line.startswith("Summary"))
    counts = "mean by task 0.6000, mean by type 0.6000, Borda rank 1"
    assert f"2 tasks of 2 types: large · mean · 768 · float32 ({counts})" in line
    assert line.endswith("Read what to mind about these on the page")
    one = summary(Outcome(tmp_path, 5, 0, 0, 1, 1), decide(mixed("helpdesk"), POLICY), [tmp_path] * 3, "x")
    assert "Summary" not in one


@pytest.mark.parametrize("tasks", [("helpdesk", *TYPES), *([task] for task in TYPES), ("alike", "topics")], ids=str)
@pytest.mark.parametrize("timed", [True, False])
def test_every_section_and_the_record_render_for_every_task_type(tasks: tuple[str, ...], timed: bool) -> None:
    found = [one if timed else one | {"p95": None} for one in (*FOUR, WORDS)]
    sweep = small_sweep(found, tasks=tasks, types=TYPES)
    report = reported(sweep, Policy(draws=300))
    text = text_of(render_page(report))
    record = render_record(report.decision, sweep.manifest)
    for shown in (text, record, decision_text(report.decision)):
        assert not re.search(r"\bNone\b|\bnan\b|main_score|cosine_spearman|v_measure", shown)
    if {"helpdesk", "order"}.isdisjoint(tasks):
        assert not re.search(
            r"quer(y|ies) (were |was )?scored|documents shown first, \d|query p95 \d", f"{text}{record}"
        )


def test_what_was_scored_is_called_what_it_is() -> None:
    sweep = mixed("helpdesk", "alike", "sums")
    report = reported(sweep)
    text = render_record(report.decision, sweep.manifest)
    assert "60 queries, 60 pairs and 60 source texts were scored" in text
    assert "60 queries, 60 pairs and 60 source texts" in text_of(render_page(report))
    assert "* alike: 60 scored pairs, STS by Spearman (cosine), weight 1 (33.3 % of the score)" in text
    assert "paired bootstrap over items" in text_of(Why().render(report))
    assert "paired bootstrap over pairs" in text_of(Why().render(reported(mixed("alike"))))


def test_each_eval_sets_metric_stands_beside_its_score() -> None:
    sweep = mixed("helpdesk", "alike")
    report = reported(sweep)
    assert "mean main score 0.598 (helpdesk: nDCG@10 0.598; alike: Spearman (cosine) 0.598)" in render_record(
        report.decision, sweep.manifest
    )
    assert "alike: Spearman (cosine)" in text_of(Tradeoffs().render(report))
    health = text_of(DataHealth().render(report))
    assert "alike STS Spearman (cosine) 60 scored pairs – human-pool 1.0 50 % no" in health
    assert "helpdesk retrieval nDCG@10 500 documents, 60 scored queries 3.00" in health


def test_the_latency_of_a_set_that_is_not_searched_is_that_of_encoding() -> None:
    (row, *_) = rows(mixed("alike"))
    assert row["query_p95_ms"] == row["encode_p50_ms"] == pytest.approx(10) and row["search_p50_ms"] is None
    assert (row["stages_p50_ms"], row["index_build_s"]) == ("encode 10", None)
    alone = reported(mixed("alike"))
    assert "encoding p95 10.0 ms" in render_record(alone.decision, mixed("alike").manifest)
    assert "encode one text" in TimingHealth().render(alone) and "encode one query" not in TimingHealth().render(alone)
    assert any(line.startswith("Any search") for line in not_measured(alone.decision))


def test_costs_are_those_of_searched_sets_where_there_are_any() -> None:
    sweep = mixed("alike", "helpdesk")
    sweep.records["q0-alike"].values["index_bytes"] = 10**9  # type: ignore[index]
    entry = next(c for c in decide(sweep, POLICY)["candidates"] if c["id"] == "id00")
    assert (entry["costs"]["query_p95_ms"], entry["costs"]["index_bytes"]) == (pytest.approx(20), 1_500_000)
    limited = Policy(draws=300, limits={"query_p95_ms": 15})
    assert decide(sweep, limited)["pick"] == "id03", "encode and search take 20 ms"
    assert decide(mixed("alike"), limited)["pick"] == "id01", "encoding alone takes 10 ms"


def test_every_main_metric_of_a_type_reads_as_the_field_writes_it() -> None:
    from harness.wording import metric

    assert {metric(main) for main in MAINS.values()} == {
        "nDCG@10", "MAP@1000", "Spearman (cosine)", "average precision", "accuracy", "V-measure", "F1",
    }  # fmt: skip
    assert metric("main_score") == "main score" and metric("dot_accuracy") == "accuracy (dot)"
