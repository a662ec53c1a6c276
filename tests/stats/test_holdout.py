"""What is held back stays out of the choice, and measures it fairly."""

from __future__ import annotations

import numpy as np
import pytest

from harness.stats.holdout import held_difference, split
from harness.types import HarnessError

GENERATOR = np.random.default_rng(4)


def test_each_item_is_on_one_side_in_its_order_and_whole() -> None:
    scores = np.stack([np.arange(10.0), np.arange(10.0) + 100])
    (kept,), (held,) = split([scores], 0.3, 0)
    assert (kept.shape, held.shape) == ((2, 7), (2, 3))
    assert sorted([*kept[0], *held[0]]) == list(range(10))
    assert list(kept[0]) == sorted(kept[0])
    np.testing.assert_array_equal(held[1] - held[0], 100)


def test_the_split_depends_on_seed_and_size_and_not_on_scores_or_candidates() -> None:
    places = np.arange(50.0)
    same = [split([np.stack([places, noise])], 0.3, 7)[1][0][0] for noise in GENERATOR.random((2, 50))]
    np.testing.assert_array_equal(*same)
    assert not np.array_equal(same[0], split([places[None]], 0.3, 8)[1][0][0])


def test_sets_of_one_size_are_split_differently() -> None:
    places = np.arange(50.0)[None]
    one, other = split([places, places], 0.3, 7)[1]
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(("n", "share"), [(1, 0.3), (2, 0.1), (10, 0.0), (10, 1.0)])
def test_an_empty_side_is_refused(n: int, share: float) -> None:
    with pytest.raises(HarnessError, match="leaves one side"):
        split([np.zeros((2, n))], share, 0)


def test_the_held_out_difference_is_that_of_the_two_alone() -> None:
    scores = GENERATOR.random((6, 80))
    found = held_difference([scores], [1], (4, 2), 0.95, 500, 0)
    alone = held_difference([scores[[4, 2]]], [1], (0, 1), 0.95, 500, 0)
    assert found == alone
    assert found.observed == pytest.approx(float((scores[4] - scores[2]).mean()))
    assert found.low < found.observed < found.high
    back = held_difference([scores], [1], (2, 4), 0.95, 500, 0)
    assert (back.low, back.high) == pytest.approx((-found.high, -found.low))


def test_the_best_of_many_equals_is_flattered_where_it_was_chosen_and_not_where_it_was_held_out() -> None:
    chosen, held_out = [], []
    for seed in range(60):
        scores = np.random.default_rng(seed).normal(0.5, 0.2, (10, 100))
        (kept,), (held,) = split([scores], 0.3, seed)
        best = int(kept.mean(axis=1).argmax())
        chosen.append(kept[best].mean() - 0.5)
        held_out.append(held[best].mean() - 0.5)
    assert np.mean(chosen) > 0.02
    assert abs(np.mean(held_out)) < 0.015
