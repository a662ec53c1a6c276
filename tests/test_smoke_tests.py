"""A sweep over a sub-sampled eval set is marked in every table and page, and decides nothing unless allowed."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import cli
from harness.decide import DECIDED, SAMPLED, decide
from harness.policy import read_policy
from harness.record import render_record
from harness.report import read_report, render_page
from harness.sections.data_health import DataHealth
from harness.sections.timing_health import TimingHealth
from harness.sections.tradeoffs import Tradeoffs
from harness.store import Records, write_json
from harness.table import MORE, Sweep, read_sweep, rows
from harness.terminal import decision_text, write_table
from harness.types import HarnessError
from harness.wording import set_name
from tests.small_sweep import POLICY, small_sweep

SAMPLE = "50 of 300 queries, 1000 of 5183 documents"
ALLOWED = replace(POLICY, allow_sample=True)


def sub_sampled(tasks: tuple[str, ...] = ("helpdesk",), **more: Any) -> Sweep:
    """The four candidates, on eval sets of which the first is a sample."""
    sweep = small_sweep(tasks=tasks, **more)
    sweep.manifest["evalsets"][tasks[0]]["sample"] = SAMPLE
    return sweep


def section(html: str, name: str) -> str:
    start = html.index(f'<section id="{name}"')
    return html[start : html.index("</section>", start)]


# The decision --------------------------------------------------------------------------------------------------


def test_nothing_is_picked_from_a_sample_and_the_sentence_says_which_set_and_both_ways_on() -> None:
    found = decide(sub_sampled(("scifact", "helpdesk")), POLICY)
    assert (found["status"], found["pick"], found["queries_needed"]) == (SAMPLED, None, 0)
    assert (found["same_pick"], found["changes"]) == ([], [])
    assert f"scifact [{SAMPLE}]" in found["sentence"] and "helpdesk" not in found["sentence"]
    assert "limit_queries" in found["sentence"] and "limit_docs" in found["sentence"]
    assert "policy.allow_sample=true" in found["sentence"]
    json.dumps(found, allow_nan=False)


def test_the_scores_of_a_sample_are_those_it_has_and_nobody_is_said_to_lose_to_a_pick() -> None:
    sample, full = decide(sub_sampled(), POLICY), decide(small_sweep(), POLICY)
    assert [c["score"] for c in sample["candidates"]] == [c["score"] for c in full["candidates"]]
    assert sample["reference"] == full["reference"] and full["pick"] is not None
    assert not any("the pick" in c["why_not"] for c in sample["candidates"])
    assert all(c["why_not"] for c in sample["candidates"])


def test_the_first_caveat_is_that_it_is_a_smoke_test_before_any_other() -> None:
    sweep = sub_sampled()
    sweep.manifest["evalsets"]["helpdesk"]["label_source"] = "synthetic"
    sweep.manifest["policy_changed"] = "2026-04-01"
    for policy in (POLICY, ALLOWED):
        first, *rest = decide(sweep, policy)["caveats"]
        assert first.startswith("A smoke test, not an evaluation") and SAMPLE in first and "too high" in first
        assert rest, "the others stay"


def test_a_policy_that_allows_samples_decides_as_usual() -> None:
    found, full = decide(sub_sampled(), ALLOWED), decide(small_sweep(), POLICY)
    for key in ("status", "pick", "sentence", "queries_needed", "same_pick", "changes"):
        assert found[key] == full[key], key
    assert found["status"] == DECIDED


def test_a_whole_sweep_is_decided_the_same_whether_samples_are_allowed_or_not() -> None:
    one, other = decide(small_sweep(), POLICY), decide(small_sweep(), ALLOWED)
    assert one["policy"] | {"allow_sample": True} == other["policy"]
    assert {**one, "policy": None} == {**other, "policy": None}


def test_to_allow_samples_is_no_change_of_the_rule_but_a_margin_is() -> None:
    sweep = sub_sampled()
    sweep.manifest["policy"] = {"draws": 300}
    assert decide(sweep, read_policy({"draws": 300, "allow_sample": True}))["policy_changed"] == ""
    changed = {"draws": 300, "allow_sample": True, "margin": 0.1}
    assert decide(sweep, read_policy(changed))["policy_changed"] == "now"


def test_a_sample_on_which_nothing_meets_the_limits_is_a_smoke_test_first() -> None:
    policy = replace(POLICY, limits={"bytes_per_doc": 1})
    found = decide(sub_sampled(), policy)
    assert found["status"] == SAMPLED and found["sentence"].startswith("No decision is made")
    assert all("limit 1" in c["why_not"] for c in found["candidates"])
    render_page(read_report(sub_sampled(), found))


@pytest.mark.parametrize("value", [1, "yes", None])
def test_a_permission_that_is_neither_true_nor_false_is_refused(value: Any) -> None:
    with pytest.raises(HarnessError, match="policy.allow_sample=.*true or false"):
        read_policy({"allow_sample": value})
    assert read_policy({}).allow_sample is False


# Tables --------------------------------------------------------------------------------------------------------


def test_a_row_keeps_the_clean_name_and_has_the_sample_as_a_key() -> None:
    assert "sample" in MORE
    found = rows(sub_sampled(("a", "b")))
    assert {(row["task"], row["sample"]) for row in found} == {("a", SAMPLE), ("b", "")}


def test_configurations_that_could_not_be_planned_are_marked_too() -> None:
    lost = {"model": "ghost", "retriever": "dense", "pooling": "-", "dim": "-", "quantization": "-", "index": "-"}
    sweep = sub_sampled(unplanned=[lost | {"task": "helpdesk", "status": "failed", "reason": "no hub"}])
    assert {row["sample"] for row in rows(sweep)} == {SAMPLE}


@pytest.mark.parametrize("form", ["text", "md"])
def test_a_table_to_read_names_the_sample_beside_the_set(form: str) -> None:
    lines = write_table(rows(sub_sampled(("a", "b"))), form, None).replace("\\", "").splitlines()
    assert [f"a [{SAMPLE}]" in line for line in lines if " large " in line] == [True, False] * 3


def test_a_table_for_machines_has_a_clean_name_and_a_column(tmp_path: Path) -> None:
    import pandas as pd

    found = rows(sub_sampled())
    write_table(found, "parquet", tmp_path / "out")
    lines = [json.loads(line) for line in write_table(found, "jsonl", None).splitlines()]
    cells = list(csv.DictReader(io.StringIO(write_table(found, "csv", None))))
    for table in (lines, cells, pd.read_parquet(tmp_path / "out").to_dict("records")):
        assert [(row["task"], row["sample"]) for row in table] == [("helpdesk", SAMPLE)] * 4
        assert "sample" in table[0]


# Page and record -----------------------------------------------------------------------------------------------


def test_the_first_screen_and_the_first_caveat_of_the_page_say_it() -> None:
    html = render_page(read_report(sub_sampled(), decide(sub_sampled(), POLICY)))
    shown = section(html, "decision")
    assert 'class="box warn"' in shown and "No pick: a smoke test is not an evaluation" in shown and SAMPLE in shown
    assert "Best measured so far: large" in shown and "Use large" not in shown
    (first, *_) = re.findall("<li>(.*)</li>", section(html, "caveats"))
    assert "A smoke test, not an evaluation" in first and SAMPLE in first


def test_a_pick_that_the_policy_allows_never_looks_settled() -> None:
    shown = section(render_page(read_report(sub_sampled(), decide(sub_sampled(), ALLOWED))), "decision")
    assert "Use large" in shown and "Decided by the policy, on a smoke test" in shown
    assert 'class="box warn"' in shown and "✓" not in shown
    settled = section(render_page(read_report(small_sweep(), decide(small_sweep(), ALLOWED))), "decision")
    assert 'class="box good"' in settled and "smoke" not in settled


@pytest.mark.parametrize("part", [DataHealth, Tradeoffs, TimingHealth])
def test_every_table_of_the_page_that_names_the_set_names_the_sample(part: Any) -> None:
    html = part().render(read_report(sub_sampled(), decide(sub_sampled(), POLICY)))
    named = re.findall(r">(helpdesk[^<]*)<", html)
    assert named and set(named) == {f"helpdesk [{SAMPLE}]"}
    assert "[50 of" not in part().render(read_report(small_sweep(), decide(small_sweep(), POLICY)))


def test_the_record_says_it_in_outcome_caveats_context_and_consequences() -> None:
    sweep = sub_sampled()
    text = render_record(decide(sweep, POLICY), sweep.manifest).replace("\\", "")
    parts = dict(re.findall(r"^## (.*)\n\n([\s\S]*?)(?=^## |\Z)", text, re.M))
    assert "No decision is made" in parts["Decision"] and "Status: sub-sampled" in parts["Decision"]
    assert parts["Read before you sign"].startswith("* A smoke test, not an evaluation")
    assert f"helpdesk [{SAMPLE}]: 500 documents" in parts["Context"]
    assert "whole eval sets" in parts["Consequences"] and "How 4 became 0" in parts
    allowed = render_record(decide(sweep, ALLOWED), sweep.manifest)
    assert "Decided on a smoke test" in allowed and "Decided on a smoke test" not in render_record(
        decide(small_sweep(), ALLOWED), small_sweep().manifest
    )


def test_the_terminal_shows_the_scores_and_that_no_decision_is_made() -> None:
    text = decision_text(decide(sub_sampled(), POLICY))
    assert "0.598" in text and "No decision is made" in text and "\u25b6" not in text
    assert "! A smoke test, not an evaluation" in text


def test_a_name_without_a_sample_stays_as_it_is() -> None:
    assert (set_name("a", ""), set_name("a", "1 of 2 queries")) == ("a", "a [1 of 2 queries]")


# On disk -------------------------------------------------------------------------------------------------------


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    """The sub-sampled sweep under `results/unit` of an empty working directory."""
    monkeypatch.chdir(tmp_path)
    sweep = sub_sampled()
    sweep.manifest["policy"] = {"draws": 300}
    _write(sweep)
    return sweep


def _write(sweep: Sweep) -> None:
    write_json(sweep.folder / "sweep.json", sweep.manifest)
    for record in sweep.records.values():
        Records(sweep.folder / "records").put(record)


def test_decide_exits_with_4_until_samples_are_allowed(written: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.dispatch(["decide"]) == cli.NO_DECISION
    assert "No decision is made" in capsys.readouterr().out
    assert cli.dispatch(["decide", "policy.allow_sample=true"]) == 0
    out = capsys.readouterr().out
    assert "Use large" in out and "! A smoke test, not an evaluation" in out and "policy was changed" not in out


def test_a_sweep_from_before_there_were_samples_reads_as_a_whole_one(written: Sweep) -> None:
    del written.manifest["evalsets"]["helpdesk"]["sample"]
    _write(written)
    old = read_sweep(written.folder)
    assert {row["sample"] for row in rows(old)} == {""}
    assert decide(old, POLICY)["status"] == DECIDED
