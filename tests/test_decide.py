"""The decision rule, step by step, on tables small enough to follow."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.candidates import candidates
from harness.decide import BIASED, DECIDED, INSUFFICIENT, NOTHING, decide
from harness.narrative import consequences
from harness.policy import Policy, named_by, read_policy
from harness.stats.randomisation import holm, randomised
from harness.store import Records, write_json
from harness.table import read_sweep
from harness.types import HarnessError
from tests.small_sweep import FOUR, POLICY, candidate, failed, small_sweep
from tests.sweeping import invented

GENERATOR = np.random.default_rng(4)


GOOD = np.clip(GENERATOR.normal(0.7, 0.2, 300), 0, 1)
NEAR = np.clip(GOOD + GENERATOR.normal(-0.002, 0.02, 300), 0, 1)  # proven within 0.02
WORSE = np.clip(GOOD - 0.1 + GENERATOR.normal(0, 0.05, 300), 0, 1)
COSTS = {"large": 1000, "small": 100, "weak": 10}
SCORES = {"large": {"a": GOOD}, "small": {"a": NEAR}, "weak": {"a": WORSE}}


def decided(
    scores: Any = SCORES, costs: Any = COSTS, policy: dict[str, Any] | None = None, **about: Any
) -> dict[str, Any]:
    decision = decide(invented(scores, costs, **about), read_policy({"draws": 400} | (policy or {})))
    json.dumps(decision, allow_nan=False)
    assert decision["sentence"] and len(decision["caveats"]) <= 3
    return decision


def entry(decision: dict[str, Any], name: str) -> dict[str, Any]:
    return next(c for c in decision["candidates"] if c["id"] == f"id-{name}")


def test_the_cheapest_proven_within_the_margin_of_the_best_is_picked() -> None:
    found = decided()
    assert (found["status"], found["pick"], found["reference"]) == (DECIDED, "id-small", "id-large")
    assert [c["proven"] for c in (entry(found, n) for n in ("large", "small", "weak"))] == [True, True, False]
    assert "could be" in entry(found, "weak")["why_not"] and entry(found, "small")["why_not"] == ""
    counts = {
        "variants": 3,
        "candidates": 3,
        "with_result": 3,
        "within_limits": 3,
        "proven": 2,
        "unfinished": 0,
        "failed": 0,
        "inapplicable": 0,
    }
    assert found["funnel"] == counts
    assert sum(s["share"] for s in found["same_pick"]) == pytest.approx(1)


def test_p_values_are_those_of_the_randomisation_test_adjusted_for_their_number() -> None:
    found = decided()
    values = [np.stack([GOOD, NEAR, WORSE])]
    plain = randomised(values, [1.0], 0, 400, Policy().seed)  # 200 flips for each of the two that are compared
    assert entry(found, "large")["p_value"] is None
    adjusted = dict(zip(("small", "weak"), holm(plain[1:]), strict=True))
    assert {n: entry(found, n)["p_value"] for n in adjusted} == pytest.approx(adjusted)
    assert adjusted["weak"] < 2 / 401, "no draw of 400 is as far away, and two were compared"


def test_the_same_records_give_the_same_decision() -> None:
    assert json.dumps(decided()) == json.dumps(decided())


def test_the_difference_is_the_mean_of_paired_differences() -> None:
    assert entry(decided(), "small")["difference"] == pytest.approx((NEAR - GOOD).mean())
    low, high = entry(decided(), "small")["interval"]
    assert low <= entry(decided(), "small")["lower"] <= entry(decided(), "small")["difference"] <= high


def test_a_margin_too_narrow_to_prove_keeps_the_reference_or_asks_for_queries() -> None:
    found = decided(policy={"margin": 0.0035})
    assert found["status"] == INSUFFICIENT and found["pick"] is None
    assert found["queries_needed"] > 300, "300 queries did not settle it"


def test_the_number_of_queries_is_that_of_the_candidate_it_is_said_of() -> None:
    noise = np.random.default_rng(7).normal(0, 1, (2, 300))
    close, far = (row - row.mean() for row in noise)
    scores = {"large": {"a": GOOD}, "small": {"a": GOOD - 0.01 + 0.2 * close}, "weak": {"a": GOOD - 0.04 + 0.2 * far}}
    found = decided(scores)
    needed = {name: entry(found, name)["queries_to_settle"] for name in scores}
    assert needed["large"] == 0, "nothing is open of the reference"
    assert needed["small"] > 3 * needed["weak"] > 900, "half the distance to the margin takes four times the queries"
    assert found["queries_needed"] == needed["weak"]
    assert f"{needed['weak']} queries or more would settle it for weak" in found["sentence"]


def test_queries_are_reckoned_from_the_interval_of_all_comparisons_at_once() -> None:
    scores = {"large": {"a": GOOD[:70]}, "small": {"a": GOOD[:70] - 0.01 + 0.087 * np.tile([1, -1], 35)}}
    found = decided(scores)
    one = entry(found, "small")
    error = np.std(scores["large"]["a"] - scores["small"]["a"], ddof=1) / np.sqrt(70)
    expected = 70 * ((one["difference"] - one["lower"] + 0.842 * error) / (one["difference"] + 0.02)) ** 2
    assert one["queries_to_settle"] == found["queries_needed"] == np.ceil(expected)
    assert 300 < one["queries_to_settle"] < 900, "not 71"


def test_a_dearer_candidate_is_not_asked_for_more_queries() -> None:
    noisy = {"a": GOOD - 0.01 + 0.2 * np.random.default_rng(7).normal(0, 1, 300)}
    found = decided({"large": {"a": GOOD}, "dear": noisy}, {"large": 100, "dear": 1000})
    assert (found["pick"], found["queries_needed"]) == ("id-large", 0)


def test_why_not_names_the_cost_that_decided_or_says_that_none_did() -> None:
    twin = {"a": NEAR.copy()}
    lower = {"a": NEAR - 0.001}
    scores = {"large": {"a": GOOD}, "small": {"a": NEAR}, "twin": twin, "lower": lower, "mid": {"a": NEAR}}
    found = decided(scores, {"large": 1000, "small": 100, "twin": 100, "lower": 100, "mid": 500})
    assert found["pick"] == "id-small"
    told = {name: entry(found, name)["why_not"] for name in scores}
    assert told["twin"].endswith("but costs as much as the pick and scores the same; the pick comes first by name")
    assert told["lower"].endswith("but costs as much as the pick and scores lower")
    assert told["mid"].endswith("but dearer than the pick by bytes per document")
    seconds = {name: np.full((3, 20), 0.005 + 0.001 * n) for n, name in enumerate(("small", "twin", "lower"))}
    timed = decided(scores, {"large": 1000, "small": 100, "twin": 100, "lower": 100, "mid": 500}, seconds=seconds)
    assert entry(timed, "twin")["why_not"].endswith("but dearer than the pick by query p95")


# Limits (trap 16) ----------------------------------------------------------------------------------------------


def test_a_limit_that_nothing_meets_is_never_relaxed() -> None:
    found = decided(policy={"limits": {"bytes_per_doc": 5}})
    assert (found["status"], found["pick"], found["reference"]) == (NOTHING, None, None)
    assert all("bytes per doc" in c["why_not"] for c in found["candidates"])
    assert "No limit was relaxed" in found["sentence"]


def test_a_candidate_over_a_limit_is_neither_pick_nor_reference() -> None:
    found = decided(policy={"limits": {"bytes_per_doc": 500}})
    assert (found["reference"], found["pick"]) == ("id-small", "id-small")
    assert entry(found, "large")["difference"] is None and "limit 500" in entry(found, "large")["why_not"]


def test_a_borderline_speed_is_not_within_the_limit_and_an_unmeasured_one_neither() -> None:
    seconds = {"large": np.full((3, 20), 0.005), "small": np.asarray([[0.009] * 20, [0.0099] * 20, [0.0095] * 20])}
    found = decided(policy={"limits": {"query_p95_ms": 10}}, seconds=seconds)
    assert found["pick"] == "id-large"
    assert "borderline" in entry(found, "small")["why_not"]
    assert [(b["id"], b["text"]) for b in found["borderline"]] == [("id-small", entry(found, "small")["why_not"])]
    assert "not known" in entry(found, "weak")["why_not"]


# Reference -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["id-small", "small", "small/native/full/float32", "small · native · full · float32"])
def test_the_incumbent_is_the_reference_by_label_or_id(name: str) -> None:
    found = decided(policy={"reference": name})
    assert found["reference"] == "id-small"
    assert entry(found, "large")["verdict"] in ("equivalent", "better", "inconclusive")


@pytest.mark.parametrize("name", ["smal", "id-none", "small/cls"])
def test_an_unknown_incumbent_is_one_line_with_the_labels(name: str) -> None:
    with pytest.raises(HarnessError, match=r"name one of: .*small · native"):
        decided(policy={"reference": name})


def test_better_than_the_incumbent_is_said_in_the_methods_words() -> None:
    found = decided(policy={"reference": "weak"})
    assert entry(found, "large")["verdict"] == "better" and entry(found, "weak")["verdict"] == "equivalent"
    assert entry(decided(), "weak")["verdict"] == "the reference is better"


def test_a_limit_moved_in_thought_keeps_the_named_incumbent() -> None:
    scores = {"pick": {"a": NEAR}, "now": {"a": NEAR}, "big": {"a": NEAR + 0.2}}
    seconds = {"pick": np.full((3, 20), 0.010), "now": np.full((3, 20), 0.005), "big": np.full((3, 20), 0.005)}
    found = decided(scores, {"pick": 50, "now": 100, "big": 200}, {"reference": "now"}, seconds=seconds)
    assert found["pick"] == "id-pick"
    (limit,) = [c for c in found["changes"] if "p95" in c["if"]]
    assert limit["then"] == "now · native · full · float32"


# Too little data -----------------------------------------------------------------------------------------------


def test_few_noisy_queries_are_insufficient_evidence_with_a_number_of_queries() -> None:
    noisy = {"large": {"a": GOOD[:20]}, "small": {"a": np.clip(GOOD[:20] + GENERATOR.normal(0, 0.2, 20), 0, 1) - 0.01}}
    found = decided(noisy)
    assert (found["status"], found["pick"]) == (INSUFFICIENT, None)
    assert found["queries_needed"] > 20 and str(found["queries_needed"]) in found["sentence"]


@pytest.mark.parametrize("cheap", [0.4999, 0.495, 0.4])
def test_one_query_proves_nothing(cheap: float) -> None:
    found = decided({"large": {"a": [0.5]}, "small": {"a": [cheap]}})
    assert (found["status"], found["pick"]) == (INSUFFICIENT, None)
    assert not entry(found, "small")["proven"]
    assert "About 0 queries" not in found["sentence"]


def test_one_candidate_is_its_own_reference_and_pick() -> None:
    found = decided({"small": {"a": NEAR}})
    assert (found["status"], found["pick"], found["reference"]) == (DECIDED, "id-small", "id-small")
    assert found["same_pick"] == [{"id": "id-small", "label": "small · native · full · float32", "share": 1.0}]


def test_equal_scores_everywhere_make_the_cheapest_the_pick() -> None:
    found = decided({n: {"a": GOOD} for n in COSTS})
    assert (found["pick"], found["reference"], found["status"]) == ("id-weak", "id-weak", DECIDED)
    assert all(c["difference"] == 0 and c["effect"] == 0 for c in found["candidates"])


def test_eight_equal_systems_are_hardly_ever_told_apart() -> None:
    """Trap 17, on the words a reader sees."""
    generator, alarms = np.random.default_rng(9), 0
    costs = {f"m{i}": 100 + i for i in range(8)}
    for number in range(40):
        scores = {name: {"a": generator.normal(0.5, 0.2, 100)} for name in costs}
        sweep = invented(scores, costs)
        policy = read_policy({"draws": 300, "reference": "m0", "seed": number})
        words = {c["verdict"] for c in decide(sweep, policy)["candidates"]}
        alarms += bool(words & {"better", "the reference is better"})
    assert alarms <= 6


# Several eval sets ---------------------------------------------------------------------------------------------


def test_weights_decide_the_average_and_so_the_reference() -> None:
    scores = {"x": {"a": GOOD, "b": WORSE}, "y": {"a": WORSE, "b": GOOD}}
    costs = {"x": 10, "y": 10}
    for weights, best in (((3, 1), "x"), ((1, 3), "y")):
        about = {t: {"weight": w} for t, w in zip("ab", weights, strict=True)}
        found = decided(scores, costs, about=about)
        assert found["reference"] == f"id-{best}"
        expected = (3 * GOOD.mean() + WORSE.mean()) / 4
        assert entry(found, best)["score"] == pytest.approx(expected)
    assert any("left out" in change["if"] for change in found["changes"])


def test_a_guarded_set_may_not_lose_much_however_good_the_average() -> None:
    guarded = {"large": {"a": GOOD, "b": GOOD}, "small": {"a": GOOD + 0.1, "b": GOOD - 0.08 + 0 * NEAR}}
    scores = {"large": guarded["large"], "small": {"a": guarded["small"]["a"] - 0.03, "b": GOOD - 0.06}}
    free = decided(scores, policy={"reference": "large"})
    assert free["pick"] == "id-small"
    held = decided(scores, policy={"reference": "large"}, about={"b": {"guard": True}})
    assert held["pick"] == "id-large"
    assert "guard" in entry(held, "small")["why_not"]


def test_a_candidate_without_a_result_on_every_set_takes_no_part() -> None:
    found = decided({"large": {"a": GOOD, "b": GOOD}, "small": {"a": NEAR}})
    assert found["pick"] == "id-large"
    assert entry(found, "small")["why_not"] == "no result on b"
    assert entry(found, "small")["score"] is None


def test_a_failed_candidate_is_listed_with_its_reason_and_so_is_a_model_out_of_reach() -> None:
    sweep = invented(SCORES, COSTS)
    broken = sweep.records["weak-a"]
    records = dict(sweep.records) | {"weak-a": type(broken)("weak-a", "quality", "failed", {}, reason="out of memory")}
    lost = {"model": "far", "retriever": "dense", "pooling": "native", "dim": "full", "quantization": "float32",
            "index": "flat", "task": "a", "status": "failed", "reason": "no hub"}  # fmt: skip
    sweep = sweep._replace(records=records, manifest=sweep.manifest | {"unplanned": [lost, lost | {"dim": 64}]})
    found = decide(sweep, read_policy({"draws": 300}))
    reasons = {c["label"]: c["why_not"] for c in found["candidates"] if c["score"] is None}
    assert reasons == {
        "weak · native · full · float32": "failed on a: out of memory",
        "far · native · full · float32": "failed on a: no hub",
        "far · native · 64 · float32": "failed on a: no hub",
    }
    assert found["pick"] == "id-small" and found["funnel"]["with_result"] == 2


def test_where_everything_failed_nothing_can_be_decided() -> None:
    sweep = invented(SCORES, COSTS)
    lost = {k: type(r)(k, "quality", "failed", {}, reason="out of memory") for k, r in sweep.records.items()}
    found = decide(sweep._replace(records=lost), read_policy({}))
    assert (found["status"], found["pick"], found["reference"], found["metric"]) == (NOTHING, None, None, "none")
    assert found["sentence"] == "Nothing can be decided: no candidate has a result on every eval set."
    assert found["caveats"][0] == "3 of 3 candidates failed and take no part."


def test_one_failure_of_several_is_said_in_the_singular() -> None:
    assert "1 of 4 candidates failed and takes no part." in decide(failed(small_sweep(), 3, "gone"), POLICY)["caveats"]


def test_a_record_without_its_main_metric_is_one_line() -> None:
    sweep = invented(SCORES, COSTS)
    sweep.records["small-a"].arrays.clear()  # type: ignore[attr-defined]
    with pytest.raises(HarnessError, match="a: record small-a holds no scores by its main metric, ndcg_at_10; run it"):
        decide(sweep, Policy())


def test_records_of_another_sweep_in_the_folder_are_not_looked_at(tmp_path: Path) -> None:
    sweep = small_sweep()
    store = Records(tmp_path / "records")
    for record in [*sweep.records.values(), replace(sweep.records["q0-helpdesk"], key="stranger")]:
        store.put(record)
    write_json(tmp_path / "sweep.json", sweep.manifest)
    assert decide(read_sweep(tmp_path), POLICY) == decide(sweep, POLICY)


def test_weights_of_the_policy_are_shown_as_shares_and_decide() -> None:
    scores = {"x": {"a": GOOD, "b": WORSE}, "y": {"a": WORSE, "b": GOOD}}
    found = decided(scores, {"x": 10, "y": 10}, {"weights": {"a": 30, "b": 10}})
    assert found["reference"] == "id-x"
    assert {t: about["share"] for t, about in found["evalsets"].items()} == {"a": 0.75, "b": 0.25}
    assert found["policy"]["weights"] == {"a": 30.0, "b": 10.0}
    with pytest.raises(HarnessError, match="no eval set 'c' in this sweep"):
        decided(scores, {"x": 10, "y": 10}, {"weights": {"c": 1}})


def test_different_queries_are_refused() -> None:
    with pytest.raises(HarnessError, match="different items"):
        decided({"large": {"a": GOOD}, "small": {"a": NEAR[:-1]}})


# Several categories ----------------------------------------------------------------------------------------------

TWO = {"b": {"type": "sts"}, "c": {"type": "sts"}}


def test_categories_weigh_as_the_policy_says_and_their_sets_inside_them() -> None:
    scores = {"x": {"a": GOOD, "b": WORSE, "c": WORSE}, "y": {"a": WORSE, "b": GOOD, "c": NEAR}}
    costs = {"x": 10, "y": 10}
    assert decided(scores, costs, about=TWO)["reference"] == "id-y", "two sets against one"
    found = decided(scores, costs, {"category_weights": {"retrieval": 2, "sts": 1}}, about=TWO)
    assert found["reference"] == "id-x"
    expected = (2 * WORSE.mean() + (GOOD.mean() + NEAR.mean()) / 2) / 3
    assert entry(found, "y")["score"] == pytest.approx(expected)
    assert entry(found, "y")["difference"] == pytest.approx(expected - entry(found, "x")["score"])
    assert {t: about["share"] for t, about in found["evalsets"].items()} == pytest.approx(
        {"a": 2 / 3, "b": 1 / 6, "c": 1 / 6}
    )
    assert found["policy"]["category_weights"] == {"retrieval": 2.0, "sts": 1.0}


def test_interval_and_detectable_difference_follow_the_weights_of_categories() -> None:
    gap = np.tile([0.2, -0.2], 150)
    scores = {"x": {"a": GOOD, "b": GOOD}, "y": {"a": GOOD + gap, "b": GOOD}}
    light, heavy = (
        entry(
            decided(
                scores, {"x": 1, "y": 1}, {"reference": "x", "category_weights": {"retrieval": w, "sts": 1}}, about=TWO
            ),
            "y",
        )
        for w in (1, 9)
    )
    wide = [one["interval"][1] - one["interval"][0] for one in (light, heavy)]
    assert wide[1] / wide[0] == pytest.approx(0.9 / 0.5, rel=1e-4)
    assert heavy["detectable"] / light["detectable"] == pytest.approx(0.9 / 0.5)


def test_a_set_left_out_leaves_its_weight_to_its_category() -> None:
    """Without b, c alone stands for half the score; with b's weight gone, a would stand for two thirds."""
    scores = {"x": {"a": GOOD, "b": GOOD, "c": GOOD}, "y": {"a": GOOD - 0.03, "b": GOOD + 0.05, "c": GOOD - 0.008}}
    found = decided(
        scores, {"x": 100, "y": 10}, {"reference": "x", "category_weights": {"retrieval": 1, "sts": 1}}, about=TWO
    )
    rows = {c["if"]: c for c in found["changes"]}
    assert found["pick"] == "id-y"
    assert not rows["eval set b left out"]["changes"], "(-0.03 - 0.008) / 2 lies within the margin"
    assert not rows["eval set a left out"]["changes"]
    plain = decided(scores, {"x": 100, "y": 10}, {"reference": "x"}, about=TWO | {"a": {"weight": 2.0}})
    assert {c["if"]: c["changes"] for c in plain["changes"]}["eval set b left out"], "-0.068 / 3 does not"


def test_a_category_of_the_sweep_without_a_weight_is_refused() -> None:
    with pytest.raises(HarnessError, match="the sweep also has sts"):
        decided({"x": {"a": GOOD, "b": GOOD}}, {"x": 1}, {"category_weights": {"retrieval": 1}}, about=TWO)


def test_a_candidate_asked_on_the_sets_in_another_order_has_the_same_score() -> None:
    about = {"a": {"weight": 3.0}}
    found = decided({"x": {"a": GOOD, "b": WORSE}, "y": {"b": WORSE, "a": GOOD}}, {"x": 1, "y": 1}, about=about)
    assert (
        entry(found, "x")["score"] == entry(found, "y")["score"] == pytest.approx((3 * GOOD.mean() + WORSE.mean()) / 4)
    )


def test_unlike_metrics_are_averaged_as_main_scores_and_the_first_caveat_says_so() -> None:
    found = decide(small_sweep(tasks=("helpdesk", "alike"), types={"alike": "sts"}), POLICY)
    assert (found["status"], found["metric"], found["pick"]) == (DECIDED, "main_score", "id01")
    assert {t: about["main"] for t, about in found["evalsets"].items()} == {
        "helpdesk": "ndcg_at_10",
        "alike": "cosine_spearman",
    }
    assert found["caveats"][0] == (
        "The score is the weighted mean of nDCG@10 (helpdesk) and Spearman (cosine) (alike): the margin of 0.02 is read "
        "in each metric's own units."
    )
    assert "proven within 0.02 of large" in found["sentence"]
    one = decide(small_sweep(tasks=("alike", "more"), types={"alike": "sts", "more": "sts"}), POLICY)
    assert one["metric"] == "cosine_spearman" and not any("own units" in caveat for caveat in one["caveats"])


def test_what_does_not_apply_to_a_category_takes_no_part_and_says_so() -> None:
    words = candidate("bm25", "-", 0.9, 10) | {"words": True}
    found = decide(small_sweep([*FOUR, words], tasks=("helpdesk", "alike"), types={"alike": "sts"}), POLICY)
    (bm25,) = [c for c in found["candidates"] if c["model"] == "bm25"]
    assert bm25["why_not"] == "takes no part: does not apply to alike (STS): words have no vectors"
    assert (bm25["score"], found["pick"], found["funnel"]["inapplicable"]) == (None, "id01", 1)
    assert set(bm25["scores"]) == {"helpdesk"} and bm25["scores"]["helpdesk"] > 0.6


def test_one_eval_set_scored_by_two_metrics_is_refused() -> None:
    sweep = small_sweep()
    odd = sweep.records["q1-helpdesk"]
    odd.values["main"] = "map_at_100"  # type: ignore[index]
    odd.arrays["map_at_100"] = odd.arrays["ndcg_at_10"]  # type: ignore[index]
    with pytest.raises(HarnessError, match="helpdesk: scored by ndcg_at_10 and by map_at_100"):
        decide(sweep, POLICY)


def test_labels_favour_no_engine_where_nothing_is_judged() -> None:
    found = decide(small_sweep(tasks=("alike",), types={"alike": "sts"}), POLICY)
    assert found["status"] == DECIDED and all(c["judged_at_10"] == {} for c in found["candidates"])


def test_items_in_groups_count_as_items_in_what_would_settle_it() -> None:
    """Pseudo-values of groups of items: three times the items in as many values need three times as many."""
    noise = np.random.default_rng(7).normal(0, 1, 300)
    scores = {"large": {"a": GOOD}, "small": {"a": GOOD - 0.01 + 0.2 * (noise - noise.mean())}}
    needed = [decided(scores, about={"a": {"scored_queries": n}})["queries_needed"] for n in (300, 900)]
    assert needed[1] == pytest.approx(3 * needed[0], rel=0.01)


def test_where_nothing_is_searched_no_index_and_no_documents_are_spoken_of() -> None:
    found = decide(small_sweep(tasks=("alike",), types={"alike": "sts"}), POLICY)
    told = " ".join([found["sentence"], *found["caveats"], *consequences(found)])
    assert "A million texts take 750 MB as vectors." in told and "Re-embedding a million texts takes about" in told
    assert "of index" not in told and "documents" not in told
    searched = consequences(decide(small_sweep(), POLICY))
    assert searched[0] == "A million documents take 750 MB of index."
    assert "500 documents of the largest eval set takes about 5.00 seconds" in searched[1]


# Evidence ------------------------------------------------------------------------------------------------------


def test_labels_that_favour_one_engine_are_the_status_and_the_first_caveat() -> None:
    found = decided(judged={"large": 0.95, "small": 0.80})
    assert found["status"] == BIASED and "favour one engine" in found["caveats"][0]
    assert found["pick"] is None and found["holes"]["low_label"].startswith("small")
    assert found["holes"]["condensed"] is None, "no scores over judged documents alone"
    assert decided(judged={"large": 0.95, "small": 0.90})["status"] == DECIDED
    assert decided(judged={"large": 0.95, "weak": 0.20})["status"] == DECIDED, "weak is no finalist"


def test_what_would_change_the_pick_is_where_it_really_flips() -> None:
    found = decided()
    rows = {c["if"]: c for c in found["changes"]}
    needed = -entry(found, "small")["lower"]
    below, above = decided(policy={"margin": needed - 1e-4}), decided(policy={"margin": needed + 1e-4})
    assert below["pick"] != "id-small" and above["pick"] == "id-small"
    (said,) = [float(c.split(" ")[1]) for c in rows if c.startswith("margin") and c.endswith("or less")]
    assert needed - 0.001 < said <= needed and decided(policy={"margin": said})["pick"] != "id-small"
    (limit,) = [c for name, c in rows.items() if "bytes per document" in name]
    assert limit["changes"] and limit["then"] == "weak · native · full · float32"


def test_speed_breaks_a_tie_of_bytes_and_the_slower_one_loses() -> None:
    seconds = {"x": np.full((3, 20), 0.002), "y": np.full((3, 20), 0.001)}
    found = decided({"x": {"a": GOOD}, "y": {"a": NEAR}}, {"x": 100, "y": 100}, seconds=seconds)
    assert found["pick"] == "id-y"


def test_costs_are_the_largest_over_the_sets_and_unknown_if_one_is() -> None:
    sweep = invented({"x": {"a": GOOD, "b": GOOD}}, {"x": 100})
    sweep.records["x-b"].values["bytes_per_doc"] = 300  # type: ignore[index]
    assert candidates(sweep)[0].costs["bytes_per_doc"] == 300
    sweep.records["x-b"].values["bytes_per_doc"] = None  # type: ignore[index]
    assert candidates(sweep)[0].costs["bytes_per_doc"] is None


def test_an_incumbent_over_a_limit_leaves_a_decision_that_says_so() -> None:
    found = decided(policy={"reference": "large", "limits": {"bytes_per_doc": 500}})
    assert found["pick"] == "id-small"
    assert "named reference large" in found["caveats"][0]


def test_under_thirty_queries_nothing_but_the_reference_is_proven() -> None:
    scores = {"large": {"a": [0.5] * 29}, "small": {"a": [0.5] * 29}}
    few = decided(scores, {"large": 1000.0, "small": 100.0})
    assert [c["proven"] for c in few["candidates"]].count(True) == 1
    scores = {"large": {"a": [0.5] * 30}, "small": {"a": [0.5] * 30}}
    assert [c["proven"] for c in decided(scores, {"large": 1000.0, "small": 100.0})["candidates"]] == [True, True]


@pytest.mark.parametrize(
    ("reference", "label", "fits"),
    [
        ("a/model", "a/model · native · 384 · int8", True),
        ("a/model/native/384", "a/model · native · 384 · int8", True),
        ("bge · cls", "bge · cls · 64 · int8", True),
        ("bg", "bge · cls · 64 · int8", False),
        ("b/model", "a/model · native · 384 · int8", False),
    ],
)
def test_a_reference_names_a_label_by_its_first_parts_slashes_included(reference: str, label: str, fits: bool) -> None:
    assert named_by(reference, label) is fits


def test_a_main_metric_without_a_value_for_every_query_is_refused() -> None:
    scores = {"large": {"a": [0.5] * 30}, "small": {"a": [0.5] * 29 + [float("nan")]}}
    with pytest.raises(HarnessError, match="no value for some items"):
        decided(scores, {"large": 1000.0, "small": 100.0})


@pytest.mark.parametrize(("kind", "span"), [("retrieval", 1.0), ("sts", 2.0), ("classification", 1.0)])
def test_of_too_few_items_the_range_of_a_score_is_all_that_is_known_and_the_set_is_named(
    kind: str, span: float
) -> None:
    types = {} if kind == "retrieval" else {"few": kind}
    found = decide(small_sweep(queries=12, tasks=("few",), types=types), POLICY)
    others = [c for c in found["candidates"] if c["id"] != found["reference"]]
    assert {c["lower"] for c in others} == {-span}
    (own,) = (c for c in found["candidates"] if c["id"] == found["reference"])
    assert own["interval"] == [0.0, 0.0]
    assert found["too_small"] == ["few"]
    assert any("No interval can be given" in line and "few has 12" in line for line in found["caveats"])
