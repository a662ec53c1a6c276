"""The truly best candidate, which no table names: how far the pick may be from it, and the rule that minds it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.candidates import candidates
from harness.decide import DECIDED, INSUFFICIENT, decide
from harness.evidence import Evidence
from harness.plan import Plan, check_reference
from harness.policy import Policy, read_policy
from harness.ruling import Draws, Field, drawn_for, field_of, rule, ruled, worst
from harness.sensitivity import Worlds, picks
from harness.stats.bootstrap import differences, simultaneous
from tests.sweeping import invented

TURNS = np.tile([1.0, -1.0], 50)
# small is within the margin of large for certain; odd scores as well and differs by 0.2 on every query
CLOSE = {"large": {"a": 0.5 + 0 * TURNS}, "odd": {"a": 0.499 + 0.2 * TURNS}, "small": {"a": 0.495 + 0 * TURNS}}
COSTS = {"large": 1000.0, "odd": 500.0, "small": 100.0}
CLEAR = {"large": {"a": 0.5 + 0.1 * TURNS}, "small": {"a": 0.495 + 0.1 * TURNS}, "odd": {"a": 0.2 + 0.1 * TURNS}}


def decided(scores: Any, reference: str, **policy: Any) -> dict[str, Any]:
    given = {"draws": 400, "reference": reference} | policy
    found = decide(invented(scores, COSTS), read_policy(given))
    json.dumps(found, allow_nan=False)
    return found


def entry(found: dict[str, Any], name: str) -> dict[str, Any]:
    return next(c for c in found["candidates"] if c["id"] == f"id-{name}")


def field(scores: np.ndarray) -> Field:
    """The first row is the dearest."""
    names = [f"c{i}" for i in range(len(scores))]
    sweep = invented(
        {name: {"a": row} for name, row in zip(names, scores, strict=True)},
        {name: 1000.0 - i for i, name in enumerate(names)},
    )
    return field_of(candidates(sweep), sweep, Policy())


def test_what_the_pick_may_lose_is_the_gap_to_the_rival_and_some_standard_errors() -> None:
    """odd is 0.004 above small; the error of that is the root of (0.2 ** 2 + 0.1 ** 2 / 100) / 99."""
    found, error = decided(CLOSE, "best"), np.sqrt((0.04 + 0.0001) / 99)
    assert (found["status"], found["pick"]) == (DECIDED, "id-small")
    short = found["shortfall"]
    assert short["label"].startswith("odd")
    assert 1.5 < (short["value"] - 0.004) / error < 2.6, "between one 95 % bound and several at once"
    told = f"which the data do not name for certain, it loses at most {short['value']:.3f} (95 %)."
    assert found["sentence"].endswith(told)


def test_any_refuses_what_best_picks_where_another_may_be_the_best() -> None:
    found = decided(CLOSE, "any")
    assert (found["status"], found["pick"], found["reference"]) == (INSUFFICIENT, None, "id-large")
    assert found["funnel"]["proven"] == 0 and found["shortfall"] == {} and found["same_pick"] == []
    assert entry(found, "small")["lower"] == pytest.approx(-decided(CLOSE, "best")["shortfall"]["value"])
    assert "no candidate is proven within 0.02 of each that may be the best" in found["sentence"]
    assert "worse than one that may be the best" in entry(found, "large")["why_not"]
    assert found["queries_needed"] > 100


def test_any_picks_as_best_does_where_no_other_may_be_the_best() -> None:
    strict, plain = decided(CLEAR, "any"), decided(CLEAR, "best")
    assert strict["pick"] == plain["pick"] == "id-small"
    assert strict["shortfall"] == plain["shortfall"] and strict["shortfall"]["value"] < 0.02
    assert strict["same_pick"] == plain["same_pick"]
    assert "within 0.02 nDCG@10 of each that may be the best; difference from large" in strict["sentence"]


def test_bounds_against_any_are_the_worst_of_those_against_each_rival() -> None:
    scores = np.clip(0.6 + np.random.default_rng(3).normal(0, 0.2, (6, 80)), 0, 1) - 0.3 * (np.arange(6) == 5)[:, None]
    draws = drawn_for(field(scores), 300, 1)
    each = [simultaneous(differences([scores], [1.0], i, draws.drawn), 0.95) for i in range(6)]
    rivals = [i for i in range(6) if each[int(scores.mean(axis=1).argmax())].high[i] >= 0]
    assert len(rivals) == 5, "the last is no rival"
    expected = np.min([each[i].one_sided for i in rivals], axis=0)
    np.testing.assert_allclose(worst(draws, range(6), Policy()).lower, expected, atol=1e-12)


def test_rivals_beyond_what_can_be_afforded_take_the_largest_critical_value(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = 0.6 + np.random.default_rng(3).normal(0, 0.1, (12, 60))
    exact = worst(drawn_for(field(scores), 600, 1), range(12), Policy()).lower
    monkeypatch.setattr("harness.ruling._CELLS", 1.0)
    draws = drawn_for(field(scores), 600, 1)
    near = worst(draws, range(12), Policy()).lower
    assert len(draws.fewer.drawn[0]) == 500 and len(draws.fewer._known) == 1, "the best has its own already"
    np.testing.assert_allclose(near, exact, rtol=0.1)


def test_any_rarely_ships_what_is_worse_than_the_truly_best() -> None:
    """Eight candidates, seven of them 0.03 worse: the best observed is one of these in most tables."""
    truth, shipped = np.asarray([0.53] + [0.5] * 7), {"best": 0, "any": 0}
    for seed in range(60):
        scores = truth[:, None] + np.random.default_rng(seed).normal(0, 0.2, (8, 100))
        for reference in shipped:
            verdict = rule(field(scores), Policy(reference=reference), 300, seed)
            shipped[reference] += bool(verdict.proven.any() and verdict.pick != 0)
    assert shipped["any"] <= 3 and shipped["best"] > 20


def test_two_sided_ends_allow_for_a_best_that_the_data_chose_and_not_for_a_named_one() -> None:
    noisy = {
        name: {"a": row}
        for name, row in zip(COSTS, 0.5 + np.random.default_rng(0).normal(0, 0.2, (3, 60)), strict=True)
    }
    best = decided(noisy, "best")
    named = decided(noisy, best["reference"].removeprefix("id-"))
    for c in best["candidates"]:
        other = next(e for e in named["candidates"] if e["id"] == c["id"])
        assert c["lower"] == other["lower"]
        assert (c["interval"][1] > other["interval"][1]) is (c["id"] != best["reference"])


def test_the_shortfall_does_not_depend_on_the_reference_and_is_a_caveat_beyond_twice_the_margin() -> None:
    small, named = decided(CLOSE, "best"), decided(CLOSE, "small")
    assert small["pick"] == named["pick"] == "id-small" and small["shortfall"] == named["shortfall"]
    tight = decided(CLOSE, "best", margin=0.015)
    assert any("may be better than the pick by up to" in line for line in tight["caveats"])
    wide = decided(CLOSE, "best", margin=0.03)
    assert not any("may be better than the pick by up to" in line for line in wide["caveats"])


def test_a_pick_that_beats_all_loses_nothing_and_one_alone_or_few_items_say_nothing() -> None:
    ahead = {"large": {"a": 0.5 + 0.01 * TURNS}, "small": {"a": 0.6 + 0.01 * TURNS}}
    found = decided(ahead, "best")
    assert found["shortfall"] == {"value": 0.0, "label": None}
    assert found["sentence"].endswith("No other candidate within the limits is better (95 %).")
    assert decided({"large": CLOSE["large"]}, "any")["shortfall"] == {}
    assert decided({"large": CLOSE["large"]}, "any")["status"] == DECIDED
    few = {name: {"a": row["a"][:20]} for name, row in CLOSE.items()}
    assert decided(few, "any")["status"] == INSUFFICIENT
    cheapest = {"large": {"a": few["large"]["a"] - 0.3}, "small": few["small"]}
    found = decided(cheapest, "best")
    assert (found["status"], found["shortfall"]) == (INSUFFICIENT, {}), "though the best observed is the cheapest too"


def test_under_any_bounds_say_at_which_margin_nothing_is_proven() -> None:
    found = decided(CLEAR, "any")
    row = next(c for c in found["changes"] if c["if"].startswith("margin"))
    least = -entry(found, "small")["lower"]
    said = float(row["if"].split(" ")[1])
    assert row["if"].endswith("or less") and least - 0.001 < said <= least
    assert row["then"] == decided(CLEAR, "any", margin=said)["status"] == INSUFFICIENT, (
        "small is cheaper and not settled"
    )
    noisy = CLEAR | {"odd": {"a": 0.496 + 0.04 * np.roll(TURNS, 1)}}
    again = decided(noisy, "any", margin=0.2)
    least = min(-c["lower"] for c in again["candidates"])
    assert decided(noisy, "any", margin=least - 1e-4)["funnel"]["proven"] == 0
    assert decided(noisy, "any", margin=least + 1e-4)["funnel"]["proven"] == 1


def test_resamples_under_any_pick_what_the_rule_picks_on_their_items() -> None:
    scores = 0.6 + np.random.default_rng(9).normal(0, 0.09, (4, 120)) + np.asarray([0.01, 0.006, 0.004, -0.05])[:, None]
    rough, policy = drawn_for(field(scores), 500, 1), Policy(reference="any")
    drawn = np.random.default_rng(5).multinomial(120, np.full(120, 1 / 120), size=60)
    worlds = Worlds(np.zeros((60, 1), dtype=np.int64), np.ones((60, 1)), (drawn / 120,))
    quick = picks(Evidence(rough, {}), policy, worlds)
    whole = [_on(rough.field, counts, policy) for counts in drawn]
    assert {-1} < set(whole), "some resamples prove nothing, some do"
    assert np.mean(quick == whole) >= 0.85


def _on(whole: Field, counts: np.ndarray, policy: Policy) -> int:
    items = np.repeat(np.arange(len(counts)), counts)
    part = whole._replace(sets=(whole.sets[0][:, items],))
    verdict, every = rule(part, policy, 500, 1), range(len(whole.members))
    return -1 if Evidence(drawn_for(part, 500, 1), {}).insufficient(every, verdict, policy) else verdict.pick


def test_under_any_the_order_of_candidates_changes_nothing() -> None:
    scores = 0.6 + np.random.default_rng(2).normal(0, 0.1, (5, 60))
    draws, policy, turned = drawn_for(field(scores), 300, 1), Policy(reference="any"), [3, 0, 4, 1, 2]
    one = ruled(draws, range(5), policy)
    other = ruled(Draws(draws.field.only(turned), draws.drawn), range(5), policy)
    np.testing.assert_allclose(other.bounds.one_sided, one.bounds.one_sided[turned], atol=1e-12)
    np.testing.assert_array_equal(other.proven, one.proven[turned])


def test_any_names_no_model_and_is_known_before_the_sweep() -> None:
    check_reference(Plan((), (), 0, 0), "any")
    assert read_policy({"reference": "any"}) == replace(Policy(), reference="any")


def test_what_sets_of_unlike_sizes_need_and_detect_follows_from_the_error_of_their_weighted_mean() -> None:
    """Half of the score rests on 50 of 1,050 queries: an error of 0.2 / 2 x sqrt(1 / 1000 + 1 / 50)."""
    turns = {"a": np.tile([0.2, -0.2], 500), "b": np.tile([0.2, -0.2], 25)}
    scores = {
        "large": {task: np.full(len(gap), 0.5) for task, gap in turns.items()},
        "small": {task: 0.5 + gap for task, gap in turns.items()},
    }
    found = entry(decided(scores, "large"), "small")
    error = 0.1 * np.sqrt(1 / 999 + 1 / 49)
    assert found["detectable"] == pytest.approx(2.80 * error)
    assert found["queries_needed"] == pytest.approx(1050 * (2.4865 * error / 0.02) ** 2, abs=1)
    assert found["queries_needed"] > 3000, "as one set of 1,050 they would need 620"


def test_spread_and_effect_weigh_the_sets_as_the_difference_does() -> None:
    scores = {
        "large": {"a": 0.5 + 0 * TURNS, "b": 0.5 + 0 * TURNS[:40]},
        "small": {"a": 0.5 + 0.1 * TURNS, "b": 0.6 + 0.2 * TURNS[:40]},
    }
    about = {"a": {"weight": 3.0}}
    sweep = invented(scores, COSTS, about=about)
    found = entry(decide(sweep, read_policy({"draws": 400, "reference": "large"})), "small")
    spread = np.sqrt((3 * 0.01 * 100 / 99 + 0.04 * 40 / 39) / 4)
    assert found["difference"] == pytest.approx(0.1 / 4)
    assert found["sd"] == pytest.approx(spread)
    assert found["effect"] == pytest.approx(0.025 / spread)


def test_a_loss_without_spread_has_no_effect_in_standard_deviations() -> None:
    flat = {"large": {"a": 0.75 + 0 * TURNS}, "small": {"a": 0.5 + 0 * TURNS}, "odd": {"a": 0.75 + 0 * TURNS}}
    found = decided(flat, "large")
    assert entry(found, "small")["effect"] is None
    assert entry(found, "odd")["effect"] == 0.0 and entry(found, "odd")["lower"] < 0


def test_a_difference_at_the_margin_is_settled_by_no_number_of_queries() -> None:
    scores = {"large": {"a": 0.5 + 0 * TURNS}, "small": {"a": 0.48 + 1e-6 + 0.2 * TURNS}}
    assert entry(decided(scores, "large"), "small")["queries_to_settle"] == 0
    nearer = {"large": scores["large"], "small": {"a": 0.485 + 0.2 * TURNS}}
    assert 100 < entry(decided(nearer, "large"), "small")["queries_to_settle"] <= 100 * 1000


def test_p_values_of_many_candidates_are_not_held_up_by_the_number_of_flips() -> None:
    generator = np.random.default_rng(1)
    base = generator.uniform(0.3, 0.9, 100)
    names = [f"c{i}" for i in range(60)]
    scores = {name: {"a": base - 0.05 * (i > 0) + generator.normal(0, 0.1, 100)} for i, name in enumerate(names)}
    found = decide(invented(scores, dict.fromkeys(names, 1.0)), read_policy({"draws": 200, "reference": "c0"}))
    p = [c["p_value"] for c in found["candidates"] if c["p_value"] is not None]
    assert max(p) < 59 / 201, "which is the least that 200 flips can show"
