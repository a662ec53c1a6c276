"""The pick of 70 % of the items, measured on the other 30 %."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.decide import decide
from harness.policy import read_policy
from harness.stats.holdout import split
from tests.sweeping import invented

COSTS = {"large": 1000.0, "small": 100.0, "weak": 10.0}


def scores(queries: int, seed: int = 4) -> dict[str, Any]:
    generator = np.random.default_rng(seed)
    good = np.clip(generator.normal(0.7, 0.2, queries), 0, 1)
    near = np.clip(good + generator.normal(-0.002, 0.02, queries), 0, 1)
    return {"large": {"a": good}, "small": {"a": near}, "weak": {"a": np.clip(good - 0.1, 0, 1)}}


def decided(queries: int, policy: dict[str, Any] | None = None, found: Any = None) -> dict[str, Any]:
    return decide(invented(found or scores(queries), COSTS), read_policy({"draws": 400} | (policy or {})))


@pytest.mark.parametrize(("queries", "there"), [(400, False), (401, True)])
def test_with_more_than_400_items_a_part_is_held_back(queries: int, there: bool) -> None:
    assert bool(decided(queries)["held_out"]) is there


def test_the_held_out_difference_is_that_of_the_items_the_choice_never_saw() -> None:
    held = decided(500)["held_out"]
    assert (held["pick"], held["same"], held["share"], held["items"]) == ("id-small", True, 0.3, 150)
    assert held["against"].startswith("large")
    values = np.stack([one["a"] for one in scores(500).values()])
    _, (back,) = split((values,), 0.3, 20260101)
    assert held["difference"] == pytest.approx((back[1] - back[0]).mean())
    assert held["interval"][0] < held["difference"] < held["interval"][1]
    assert not any("held back" in caveat for caveat in decided(500)["caveats"])


def test_the_decision_itself_rests_on_all_items() -> None:
    values = scores(500)
    (small,) = [c for c in decided(500)["candidates"] if c["id"] == "id-small"]
    assert small["difference"] == pytest.approx((values["small"]["a"] - values["large"]["a"]).mean())


def test_a_reference_that_is_picked_is_held_against_the_next_best() -> None:
    held = decided(500, {"margin": 0.0005})["held_out"]
    assert held["pick"] == "id-large" and held["against"].startswith("small")


def test_another_pick_on_a_part_of_the_items_is_a_caveat() -> None:
    """small's bound lies so near the margin that 70 % of the items do not show it."""
    margin = -next(c["lower"] for c in decided(500)["candidates"] if c["id"] == "id-small") + 1e-5
    found = decided(500, {"margin": margin})
    assert found["pick"] == "id-small" and found["held_out"]["pick"] == "id-large" and not found["held_out"]["same"]
    (told,) = [caveat for caveat in found["caveats"] if "70 % of the items picks large" in caveat]
    assert "for want of evidence of anything cheaper; on the 150 queries held back" in told


def test_a_set_too_small_to_be_parted_leaves_it_out_and_one_candidate_too() -> None:
    two = {name: by | {"b": by["a"][:35]} for name, by in scores(500).items()}
    assert decided(0, found=two)["held_out"] == {}, "70 % of 35 items are too few for an interval"
    assert decided(0, found={"small": scores(500)["small"]})["held_out"] == {}
