"""p-values, against every flip there is, scipy and statsmodels."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from harness.stats.randomisation import holm, randomised
from harness.types import HarnessError

GENERATOR = np.random.default_rng(2)


def test_p_of_few_items_is_the_share_of_all_flips_at_least_as_far() -> None:
    gap = np.asarray([0.4, 0.3, 0.2, -0.1, 0.5])
    sums = [abs(sum(s * g for s, g in zip(signs, gap, strict=True))) for signs in product((1, -1), repeat=5)]
    exact = np.mean([total >= gap.sum() - 1e-12 for total in sums])
    found = randomised([np.stack([gap, np.zeros(5)])], [1], 1, 20_000, 0)
    assert found[0] == pytest.approx(exact, abs=0.01)
    assert found[1] == 1.0


def test_p_equals_scipys_permutation_test_of_pairs() -> None:
    from scipy.stats import permutation_test

    one, other = GENERATOR.random(40), GENERATOR.random(40) + 0.08
    theirs = permutation_test(
        (one, other), lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=9999, rng=1
    ).pvalue
    assert randomised([np.stack([one, other])], [1], 0, 20_000, 0)[1] == pytest.approx(theirs, abs=0.015)


def test_p_is_never_0_and_below_what_draws_can_show_it_is_hoeffdings_bound() -> None:
    """12 alike differences: all flips but two are nearer, p is 2 / 2 ** 12; the bound is 2 exp(-12 / 2)."""
    scores = np.stack([np.zeros(12), np.ones(12)])
    assert randomised([scores], [1], 0, 99, 0) == pytest.approx([1.0, 2 * np.exp(-6)])
    assert 1 / 4000 < randomised([scores], [1], 0, 2500, 0)[1] < 1 / 500, "so many draws know better"
    assert 0 < randomised([np.stack([np.zeros(5000), np.ones(5000)])], [1], 0, 99, 0)[1] < 1e-300


def test_the_bound_is_never_below_the_share_of_all_flips() -> None:
    for spread in (0.1, 0.5, 2.0):
        gap = 0.5 + spread * GENERATOR.normal(size=12)
        sums = np.asarray(list(product((1, -1), repeat=12))) @ gap
        exact = np.mean(np.abs(sums) >= abs(gap.sum()) - 1e-12)
        weights = [2.0, 1.0]  # of half the items each: what is tested is the sum of all, each counted by its set
        halves = [np.stack([gap[:6] / 2, np.zeros(6)]), np.stack([gap[6:], np.zeros(6)])]
        assert randomised(halves, weights, 1, 1, 0)[0] >= exact


def test_many_candidates_that_are_clearly_worse_keep_small_p_values_after_holm() -> None:
    """With one in draws plus one as the least p, none of 150 would be under 0.15."""
    base = GENERATOR.uniform(0.3, 0.9, 300)
    scores = np.stack([base, *(base - 0.15 + GENERATOR.normal(0, 0.1, (150, 300)))])
    assert holm(randomised([scores], [1], 0, 999, 0)[1:]).max() < 1e-6


def test_more_draws_than_are_made_at_a_time_are_counted_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = np.stack([np.zeros(30), GENERATOR.normal(0.02, 0.1, 30)])
    whole = randomised([scores], [1], 0, 6000, 0)[1]
    monkeypatch.setattr("harness.stats.randomisation._AT_ONCE", 7)
    assert randomised([scores], [1], 0, 6000, 0)[1] == pytest.approx(whole, abs=0.03)


def test_equal_scores_and_one_item_show_nothing() -> None:
    assert randomised([np.full((3, 20), 0.5)], [1], 0, 50, 0).tolist() == [1.0, 1.0, 1.0]
    assert randomised([np.asarray([[0.9], [0.1]])], [1], 0, 50, 0).tolist() == [1.0, 1.0]


def test_order_of_candidates_and_company_change_no_p() -> None:
    scores = GENERATOR.random((4, 30))
    plain = randomised([scores], [1], 0, 500, 3)
    turned = randomised([scores[[3, 0, 2]]], [1], 1, 500, 3)
    np.testing.assert_array_equal(turned, plain[[3, 0, 2]])


def test_sets_count_by_their_weights() -> None:
    """The one set shows a clear gain, the other none: which of them counts decides."""
    gain, noise = np.stack([np.zeros(30), np.full(30, 0.1)]), np.stack([np.zeros(30), GENERATOR.normal(0, 1, 30)])
    counted, drowned = (randomised([gain, noise], w, 0, 999, 0)[1] for w in ([1000, 1], [1, 1000]))
    assert counted < 0.01 < 0.05 < drowned


def test_p_is_below_5_per_cent_in_5_per_cent_of_equal_pairs() -> None:
    p = [randomised([GENERATOR.random((2, 25))], [1], 0, 199, seed)[1] for seed in range(300)]
    assert 0.02 <= np.mean(np.asarray(p) <= 0.05) <= 0.08


def test_equal_seeds_give_equal_bytes() -> None:
    scores = GENERATOR.random((3, 30))
    first, same, other = (randomised([scores], [1], 0, 200, seed).tobytes() for seed in (1, 1, 2))
    assert first == same != other


def test_holm_by_hand() -> None:
    """Sorted 0.01, 0.02, 0.03, 0.4 times 4, 3, 2, 1, none below the one before."""
    np.testing.assert_allclose(holm(np.asarray([0.03, 0.01, 0.4, 0.02])), [0.06, 0.04, 0.4, 0.06])


def test_holm_equals_statsmodels() -> None:
    from statsmodels.stats.multitest import multipletests

    for _ in range(20):
        p = GENERATOR.random(GENERATOR.integers(1, 30)) ** 3
        np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1])


def test_holm_of_nothing_is_nothing_and_of_no_p_value_an_error() -> None:
    assert holm(np.zeros(0)).tolist() == []
    for bad in (1.2, -0.1, float("nan")):
        with pytest.raises(HarnessError, match="between 0 and 1"):
            holm(np.asarray([0.5, bad]))
