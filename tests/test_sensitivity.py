"""How often the same pick: against the rule run in full in each resample, and on cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from harness.candidates import candidates
from harness.evidence import DECIDED, Evidence
from harness.policy import Policy
from harness.ruling import Draws, allowing, drawn_for, field_of, ruled
from harness.sensitivity import Worlds, other_sets, picks, stability, weights_drawn
from tests.sweeping import invented

GENERATOR = np.random.default_rng(11)
HARD = GENERATOR.uniform(-0.3, 0.3, (3, 120))


def scores(mean: float, sd: float, place: int = 0, seed: int = 0) -> list[float]:
    """Scores with exactly this mean, the same hard and easy queries for all candidates of a set."""
    noise = np.random.default_rng([seed, place]).normal(0, sd, 120)
    hard = HARD[place] - HARD[place].mean()
    return list(mean + hard + noise - noise.mean())


def rough_of(
    by_name: dict[str, list[list[float]]], policy: Policy | None = None, **about: dict[str, object]
) -> Evidence:
    """The named candidates in the order of their cost, dearest first, with scores on the sets a, b ..."""
    found = {name: dict(zip("abc", sets, strict=False)) for name, sets in by_name.items()}
    costs = {name: 1000.0 / (2**i) for i, name in enumerate(found)}
    judged = about.pop("judged", {})
    sweep = invented(found, costs, about=about, judged=judged)
    return Evidence(
        drawn_for(field_of(candidates(sweep), sweep, policy or Policy()), 500, 1), sweep.manifest["evalsets"]
    )


def shares(found: list[dict[str, object]]) -> dict[object, object]:
    return {s["id"]: s["share"] for s in found}


BORDERLINE = {"big": [scores(0.60, 0.05)], "half": [scores(0.598, 0.08, seed=1)], "tiny": [scores(0.57, 0.05, seed=2)]}


def test_a_resample_picks_what_the_whole_rule_picks_on_its_items() -> None:
    rough = rough_of(BORDERLINE)
    drawn = np.random.default_rng(5).multinomial(120, np.full(120, 1 / 120), size=60)
    quick = picks(rough, Policy(), Worlds(np.zeros((60, 1), dtype=np.int64), np.ones((60, 1)), (drawn / 120,)))
    whole = [_rule_on(rough, counts) for counts in drawn]
    assert len(set(whole)) > 1, "the case is borderline, or nothing is shown"
    assert np.mean(quick == whole) >= 0.9


def _rule_on(rough: Evidence, counts: np.ndarray) -> int:
    field, items = rough.draws.field, np.repeat(np.arange(len(counts)), counts)
    part = drawn_for(field._replace(sets=(field.sets[0][:, items],)), 500, 1)
    every = range(len(field.members))
    verdict = allowing(part, every, ruled(part, every, Policy()), Policy())
    status, _ = Evidence(part, rough.evalsets).status(every, verdict, Policy())
    return verdict.pick if status == DECIDED else -1


def test_a_clear_pick_comes_out_of_nearly_every_resample_and_shares_sum_to_one() -> None:
    found = stability(rough_of({"big": [scores(0.7, 0.02)], "half": [scores(0.699, 0.02, seed=1)]}), Policy())
    assert found[0]["id"] == "id-half" and found[0]["share"] == 1.0
    mixed = stability(rough_of(BORDERLINE), Policy())
    assert sum(s["share"] for s in mixed) == pytest.approx(1) and len(mixed) > 1
    assert [s["share"] for s in mixed] == sorted((s["share"] for s in mixed), reverse=True)


def test_the_order_of_candidates_changes_no_share_and_the_same_seed_gives_the_same() -> None:
    rough = rough_of(BORDERLINE)
    turned = rough.draws.field.only([2, 0, 1])
    again = stability(Evidence(Draws(turned, rough.draws.drawn), rough.evalsets), Policy())
    assert shares(again) == shares(stability(rough, Policy())) == shares(stability(rough, Policy()))


def test_under_thirty_items_nothing_is_ever_picked() -> None:
    short = [row[:20] for row in (scores(0.6, 0.01), scores(0.6, 0.01, seed=1))]
    rough = rough_of({"big": [list(np.asarray(short[0]) + 0.3)], "half": [short[1]]})
    assert shares(stability(rough, Policy())) == {None: 1.0}


def test_a_guarded_set_keeps_a_candidate_from_being_picked_in_resamples_too() -> None:
    sets = {
        "big": [scores(0.6, 0.01), scores(0.6, 0.01, 1)],
        "half": [scores(0.66, 0.01, seed=1), scores(0.55, 0.01, 1, 1)],
    }
    policy = Policy(reference="big")
    assert shares(stability(rough_of(sets, policy), policy)) == {"id-half": 1.0}
    assert shares(stability(rough_of(sets, policy, b={"guard": True}), policy)) == {"id-big": 1.0}


def test_resamples_in_which_the_rule_would_refuse_pick_nothing() -> None:
    """half is cheaper and as good as proven worse: in some resamples nothing shows that it is."""
    rough = rough_of({"big": [scores(0.6, 0.05)], "half": [scores(0.54, 0.10, seed=1)]})
    found = shares(stability(rough, Policy()))
    assert set(found) == {None, "id-big"} and found["id-big"] > 0.2


def test_resamples_in_which_the_labels_favour_one_engine_pick_nothing() -> None:
    """tiny has fewer judged documents, and is a finalist in some resamples."""
    plain = shares(stability(rough_of(BORDERLINE), Policy()))
    uneven = {"big": 0.9, "half": 0.9, "tiny": 0.7}
    found = shares(stability(rough_of(BORDERLINE, judged=uneven), Policy()))
    assert "id-tiny" not in found and found[None] > plain.get(None, 0.0)


ONE_AGAINST_ONE = {
    "x": [scores(0.7, 0.01), scores(0.5, 0.01, 1)],
    "y": [scores(0.5, 0.01, seed=1), scores(0.7, 0.01, 1, 1)],
}


def test_drawn_weights_share_the_pick_as_flat_weights_do() -> None:
    """x is better on one set by what y is on the other: each is the best in half of all weightings."""
    found = shares(weights_drawn(rough_of(ONE_AGAINST_ONE), Policy(), 2000))
    assert found["id-x"] == pytest.approx(0.5, abs=0.08)
    heavy = shares(weights_drawn(rough_of(ONE_AGAINST_ONE, a={"weight": 9.0}), Policy(), 2000))
    assert heavy["id-x"] > 0.9


def test_weights_are_drawn_of_several_sets_and_sets_of_three_or_more() -> None:
    one, two = rough_of({"x": [scores(0.5, 0.1)]}), rough_of(ONE_AGAINST_ONE)
    assert weights_drawn(one, Policy()) == other_sets(one, Policy()) == other_sets(two, Policy()) == []
    assert weights_drawn(two, Policy())


def test_other_sets_pick_another_where_one_set_alone_carries_the_decision() -> None:
    """y leads by 0.20 on c alone and x by 0.06 on the others: without c among the drawn, x is the best."""
    x = [scores(0.56, 0.01), scores(0.56, 0.01, 1), scores(0.50, 0.01, 2)]
    y = [scores(0.50, 0.01, seed=1), scores(0.50, 0.01, 1, 1), scores(0.70, 0.01, 2, 1)]
    rough = rough_of({"x": x, "y": y})
    assert shares(stability(rough, Policy())) == {"id-y": 1.0}
    assert shares(other_sets(rough, Policy(), 2000))["id-x"] == pytest.approx((2 / 3) ** 3, abs=0.03)
