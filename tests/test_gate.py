"""The gate: a new model against the one in use, over two sweeps. Quality with a margin, limits, speed, and refusals."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from harness import acceptance, cli
from harness.gate import gate_answer
from harness.noninferiority import PairedSet, checks
from harness.policy import Policy
from harness.table import Sweep
from harness.types import HarnessError
from tests.on_disk import keep, timed_on, with_ids
from tests.small_sweep import MACHINE, candidate, small_sweep

NODE = {"draws": 300}
OLD, NEW = candidate("old", "float32", 0.60, 3000), candidate("new", "float32", 0.60, 3000)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def swept(name: str, *found: Any, policy: Any = NODE, noise: float = 0.02, **about: Any) -> Sweep:
    sweep = with_ids(small_sweep(found or [OLD], noise=noise, **about))
    return keep(sweep, Path("results") / name, policy=policy)


def gated(*names: str, words: tuple[str, ...] = (), as_json: bool = True) -> tuple[Any, int]:
    text, code = gate_answer((names[0], names[1]), Path("results"), words, None, as_json)
    return (json.loads(text) if as_json else text), code


# The statistics ------------------------------------------------------------------------------------------------


def paired(difference: float, spread: float, items: int = 100, **about: Any) -> PairedSet:
    """A set whose paired differences have exactly this mean and standard deviation."""
    gaps = np.random.default_rng(5).normal(size=items)
    gaps = difference + spread * (gaps - gaps.mean()) / gaps.std(ddof=1)
    before = np.linspace(0.2, 0.8, items)
    return PairedSet(
        "a", before, before + gaps, **{"share": 1.0, "guard": False, "span": 1.0, "scored": items, **about}
    )


def test_the_bounds_are_those_of_one_paired_comparison() -> None:
    check = checks([paired(-0.01, 0.1)], Policy())[0]
    t = stats.t(99)
    assert check.difference == pytest.approx(-0.01)
    assert check.lower == pytest.approx(-0.01 - t.ppf(0.95) * 0.01, abs=0.0015)
    assert check.interval == pytest.approx((-0.01 - t.ppf(0.975) * 0.01, -0.01 + t.ppf(0.975) * 0.01), abs=0.0015)


@pytest.mark.parametrize(
    ("difference", "outcome"), [(0.0, "shown"), (-0.01, "open"), (-0.03, "open"), (-0.05, "worse"), (0.1, "shown")]
)
def test_shown_open_or_worse_by_where_the_interval_lies_about_the_margin(difference: float, outcome: str) -> None:
    check = checks([paired(difference, 0.1)], Policy())[0]  # standard error 0.01, margin 0.02
    assert check.outcome == outcome
    assert (check.needed > check.items) == (outcome == "open")


def test_the_items_needed_are_those_of_the_power_formula() -> None:
    check = checks([paired(-0.01, 0.1)], Policy())[0]
    assert check.needed == pytest.approx((2.4865 * 0.1 / 0.01) ** 2, rel=0.15), "the gap to the margin is 0.01"


@pytest.mark.parametrize("off", [0.0, 1e-18, -1e-12, 1e-5])
def test_a_difference_at_the_margin_is_settled_by_no_number_of_items(off: float) -> None:
    """Of 100 items, 1e-5 is a thousandth of a standard error."""
    check = checks([paired(-0.02 + off, 0.1)], Policy())[0]
    assert (check.outcome, check.needed, check.at_margin) == ("open", 0, True)
    assert checks([paired(-0.019, 0.1)], Policy())[0].needed == pytest.approx((2.4865 * 0.1 / 0.001) ** 2, rel=0.02)


def test_equal_scores_are_bounded_by_the_item_that_was_not_seen() -> None:
    check = checks([PairedSet("a", np.full(50, 0.5), np.full(50, 0.5), 1.0, False, 1.0, 50)], Policy())[0]
    assert check.lower == pytest.approx(-1.645 * 0.1 / np.sqrt(50 * 49), rel=1e-3)
    assert check.shown


def test_fewer_than_thirty_items_show_nothing_however_good_they_look() -> None:
    check = checks([paired(0.2, 0.001, items=29)], Policy())[0]
    assert (check.outcome, check.needed, check.interval) == ("open", 0, (-1.0, 1.0))
    assert not check.at_margin
    one = checks([PairedSet("a", np.ones(1), np.ones(1), 1.0, False, 1.0, 1)], Policy())[0]
    assert one.outcome == "open"


def test_a_guarded_set_is_held_alone_against_twice_the_margin() -> None:
    good, bad = paired(0.05, 0.05), paired(-0.07, 0.05, guard=True)._replace(name="guarded")
    whole, alone = checks([good._replace(share=0.9), bad._replace(share=0.1)], Policy())
    assert whole.shown
    assert (alone.where, alone.margin, alone.outcome) == ("guarded", 0.04, "worse")


# Verdicts ------------------------------------------------------------------------------------------------------


def test_the_same_model_again_passes_with_exit_0() -> None:
    swept("base"), swept("next")
    found, code = gated("base", "next")
    assert (found["verdict"], code, found["code"]) == ("passes", 0, 0)
    assert found["checks"][0]["difference"] == 0.0
    assert found["baseline"]["sweep"] == "base" and found["candidate"]["label"] == "old · mean · 768 · float32"


def test_a_model_that_is_worse_by_more_than_the_margin_is_a_regression_with_exit_3() -> None:
    swept("base"), swept("next", NEW | {"mean": 0.5})
    text, code = gated("base", "next", as_json=False)
    assert code == 3
    assert text.startswith(
        "**Regression.** new · mean · 768 · float32 (next) against old · mean · 768 · float32 (base)"
    )
    assert "on helpdesk, 60 queries: nDCG@10 0.500 (baseline 0.600), difference −0.1000" in text
    assert "shown to lose more than 0.02" in text and "\n" not in text
    assert "bounds are for these two alone" in text


def test_what_is_shown_neither_way_is_exit_4_with_the_queries_it_takes() -> None:
    swept("base", noise=0.1), swept("next", OLD, NEW | {"mean": 0.59}, noise=0.1)
    found, code = gated("base", "next:new")
    assert (found["verdict"], code) == ("not shown", 4)
    assert found["queries_needed"] > 60
    text, _ = gated("base", "next:new", as_json=False)
    assert "Not shown either way." in text and "queries would settle it" in text


def test_a_broken_limit_is_a_regression_and_an_unknown_one_shows_nothing() -> None:
    swept("base"), swept("next")
    found, code = gated("base", "next", words=("policy.limits.bytes_per_doc=1000",))
    assert (code, found["limits_not_met"][0]["limit"]) == (3, "bytes_per_doc")
    swept("untimed", NEW | {"p95": None})
    text, code = gated("base", "untimed", words=("policy.limits.query_p95_ms=50",), as_json=False)
    assert code == 4 and "query p95: not known, limit 50" in text


def test_the_margin_and_the_guard_of_the_policy_decide() -> None:
    base, worse = swept("base"), swept("next", NEW | {"mean": 0.57})
    assert gated("base", "next")[1] == 3
    assert gated("base", "next", words=("policy.margin=0.1",))[1] == 0
    for sweep in (base, worse):
        sweep.manifest["evalsets"]["helpdesk"]["guard"] = True
        keep(sweep, sweep.folder, policy=NODE)
    found, code = gated("base", "next", words=("policy.margin=0.012",))
    assert (code, [c["where"] for c in found["checks"]]) == (3, ["", "helpdesk"])


def test_a_smoke_test_shows_nothing_unless_the_policy_takes_it() -> None:
    for name in ("base", "next"):
        sweep = swept(name)
        sweep.manifest["evalsets"]["helpdesk"]["sample"] = "60 of 900 queries"
        keep(sweep, sweep.folder, policy=NODE)
    found, code = gated("base", "next")
    assert (code, found["samples"]) == (4, ["helpdesk"])
    assert gated("base", "next", words=("policy.allow_sample=true",))[1] == 0


# Speed ---------------------------------------------------------------------------------------------------------


def test_speeds_are_compared_on_like_machines_alone() -> None:
    for name, p95, machine in (
        ("base", 10.0, MACHINE),
        ("next", 12.0, MACHINE),
        ("far", 12.0, MACHINE | {"cores": 64}),
    ):
        found = timed_on(with_ids(small_sweep([OLD | {"p95": p95}])), machine)
        keep(found, Path("results") / name, policy=NODE)
    text, code = gated("base", "next", as_json=False)
    assert code == 0 and "query p95 is 1.2 times the baseline's (12.0 ms, baseline 10.0 ms; rounds lie" in text
    assert "indexing rate is 1 times the baseline's (100 documents/s, baseline 100 documents/s" in text
    text, code = gated("base", "far", as_json=False)
    assert code == 0 and "Speed was not compared: the machines differ (Test CPU, 4 cores" in text
    keep(with_ids(small_sweep()), Path("results/mute"), policy=NODE)
    assert "says on which machine" in gated("base", "mute:large/mean/768/float32")[0]["speeds_not_compared"]
    keep(found, Path("results/otherwise"), policy=NODE, timing={"scenario": "full"})
    assert "other settings" in gated("far", "otherwise")[0]["speeds_not_compared"]


# Which sets and items ------------------------------------------------------------------------------------------


def test_eval_sets_are_matched_by_content_and_the_rest_is_said() -> None:
    base, new = (swept(name, tasks=("same", "changed", name)) for name in ("base", "next"))
    for sweep in (base, new):
        for task, about in sweep.manifest["evalsets"].items():
            about["sha256"] = task if task != "changed" else sweep.folder.name + task
        keep(sweep, sweep.folder, policy=NODE)
    found, code = gated("base", "next")
    assert (code, found["evalsets"]) == (0, ["same"])
    assert found["not_compared"] == [
        "changed has other content in the two", "next is in next alone", "base is in base alone",
    ]  # fmt: skip
    new.manifest["evalsets"]["same"]["sha256"] = "other"
    keep(new, new.folder, policy=NODE)
    with pytest.raises(HarnessError, match="no eval set with the same content"):
        gated("base", "next")


def test_where_one_side_has_the_judged_copy_the_other_is_to_run_on_it_too() -> None:
    swept("base", tasks=("faq",))
    sweep = swept("next", tasks=("faq-judged",))
    sweep.manifest["evalsets"]["faq-judged"]["sha256"] = "other"
    keep(sweep, sweep.folder, policy=NODE)
    for names in (("base", "next"), ("next", "base")):
        with pytest.raises(HarnessError, match=r"run base on it too \(harness run \.\.\. task=faq-judged"):
            gated(*names)


def test_a_set_that_was_renamed_is_still_the_same_set() -> None:
    swept("base", tasks=("old-name",)), swept("next", tasks=("new-name",))
    assert gated("base", "next")[0]["evalsets"] == ["new-name"]


def test_items_are_paired_by_their_id_not_by_their_place() -> None:
    base = with_ids(small_sweep([OLD]))
    keep(base, Path("results/base"), policy=NODE)
    order = np.random.default_rng(1).permutation(60)
    shuffled = {
        key: replace(r, arrays={k: v[order] for k, v in r.arrays.items()}) if r.kind == "quality" else r
        for key, r in base.records.items()
    }
    keep(base._replace(records=shuffled), Path("results/next"), policy=NODE)
    found, _ = gated("base", "next")
    assert found["checks"][0]["interval"][0] == pytest.approx(found["checks"][0]["interval"][1], abs=0.01)
    keep(with_ids(small_sweep([OLD]), drop=20), Path("results/fewer"), policy=NODE)
    found, _ = gated("base", "fewer")
    assert found["checks"][0]["items"] == 40
    assert found["not_compared"] == ["20 items of helpdesk, in one alone"]
    assert found["checks"][0]["difference"] == pytest.approx(0.0)


def test_records_without_ids_other_metrics_and_absent_results_are_refused() -> None:
    swept("base")
    keep(small_sweep([OLD]), Path("results/nameless"), policy=NODE)
    with pytest.raises(HarnessError, match="do not name their items"):
        gated("base", "nameless")
    swept("sts", types={"helpdesk": "reranking"})
    with pytest.raises(HarnessError, match="no eval set with the same content"):
        gated("base", "sts")
    other = with_ids(small_sweep([OLD]))
    made = {
        key: replace(
            r, values=dict(r.values) | {"main": "mrr"}, arrays=dict(r.arrays) | {"mrr": r.arrays["ndcg_at_10"]}
        )
        for key, r in other.records.items()
        if r.kind == "quality"
    }
    keep(other._replace(records=made), Path("results/mrr"), policy=NODE)
    with pytest.raises(HarnessError, match="scored by ndcg_at_10 in base and by mrr in mrr"):
        gated("base", "mrr")
    keep(small_sweep([OLD])._replace(records={}), Path("results/empty"), policy=NODE)
    with pytest.raises(HarnessError, match="has no result on helpdesk: missing"):
        gated("base", "empty")


# Which candidate -----------------------------------------------------------------------------------------------


def test_the_accepted_pick_comes_before_the_decided_one_and_a_name_before_both() -> None:
    several = swept("several", OLD, candidate("old", "int8", 0.598, 750))
    swept("next")
    assert gated("several", "next")[0]["baseline"]["label"] == "old · mean · 768 · int8", "decided"
    entry = acceptance.Acceptance("x", "Ada", "2026-04-01", "decided", "id00", "old float", "p", "")
    (several.folder / "accepted.json").write_text(json.dumps({"schema": 1, "accepted": [entry._asdict()]}))
    assert gated("several", "next")[0]["baseline"]["label"] == "old · mean · 768 · float32", "accepted"
    for name in ("id01", "old · mean · 768 · int8", "old/mean/768/int8"):
        assert gated(f"several:{name}", "next")[0]["baseline"]["id"] == "id01"
    gone = entry._replace(pick="gone", label="the old one")
    (several.folder / "accepted.json").write_text(json.dumps({"schema": 1, "accepted": [gone._asdict()]}))
    with pytest.raises(HarnessError, match="accepted pick of several, the old one, is no longer in the sweep"):
        gated("several", "next")


def test_a_side_that_is_not_clear_is_refused_with_what_there_is() -> None:
    swept("next")
    swept("open", OLD, candidate("old", "int8", 0.59, 750), queries=12, noise=0.1)
    for name, line in (
        ("open", "say which candidate is meant: open:CANDIDATE, one of: old"),
        ("open:old", "fits 2 candidates"),
        ("open:olt/mean", "has no candidate 'olt/mean'"),
        ("nowhere", "no sweep nowhere"),
        ("", "a side is empty"),
    ):
        with pytest.raises(HarnessError, match=line):
            gated(name, "next")


def test_sweeps_and_candidates_may_hold_colons() -> None:
    swept("a:b", OLD | {"model": "ollama:old"}), swept("next")
    assert gated("a:b:ollama:old", "next")[0]["baseline"] == {
        "sweep": "a:b", "id": "id00", "label": "ollama:old · mean · 768 · float32",
    }  # fmt: skip
    assert gated(str(Path("results/a:b").absolute()), "next")[1] == 0


def test_the_command_prints_the_paragraph_writes_it_and_exits_with_the_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    swept("base"), swept("next", NEW | {"mean": 0.5})
    monkeypatch.setattr(sys, "argv", ["harness", "gate", "base", "next", "-o", "verdict.md"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 3
    out = capsys.readouterr().out
    assert Path("verdict.md").read_text() == out and out.startswith("**Regression.**")


def test_hostile_names_are_text_in_the_paragraph() -> None:
    evil = "x\x1b[31m<script>alert(1)</script>|[a](javascript:alert(1))\n# y" + "z" * 10_000
    swept("base"), swept("next", NEW | {"model": evil})
    text, code = gated("base", "next", as_json=False)
    assert code == 0 and len(text) < 2000
    assert not set(text) & {"\x1b", "\n"} and "\\<script" in text and "\\[a\\]" in text


def test_a_weight_of_a_set_that_the_sweep_has_not_is_refused() -> None:
    swept("a", OLD)
    swept("b", NEW)
    with pytest.raises(HarnessError, match="policy.weights has no eval set 'helpdsk' in this sweep. Did you mean"):
        gated("a", "b", words=("policy.weights={helpdsk: 2}",))
