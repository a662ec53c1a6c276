"""Intervals that hold, against examples, a plain loop, scipy and simulation."""

from __future__ import annotations

import numpy as np
import pytest

from harness.stats.bootstrap import Resampled, minus, resample, simultaneous
from harness.stats.effects import paired
from harness.stats.power import queries_needed

GENERATOR = np.random.default_rng(7)
SCORES = GENERATOR.random((3, 40))


def test_the_observed_value_is_the_weighted_mean_over_sets() -> None:
    sets = [np.asarray([[0.0, 1.0], [1.0, 1.0]]), np.asarray([[0.2, 0.2, 0.2], [0.4, 0.4, 0.4]])]
    np.testing.assert_allclose(resample(sets, [1, 3], 10, 0).observed, [(0.5 + 3 * 0.2) / 4, (1 + 3 * 0.4) / 4])


def test_weights_count_only_against_one_another() -> None:
    one, other = (resample([SCORES, SCORES[:, :5]], w, 50, 0) for w in ([1, 2], [10, 20]))
    np.testing.assert_allclose(one.draws, other.draws)


def test_the_same_seed_gives_the_same_draws_and_another_seed_others() -> None:
    first, same, other = (resample([SCORES], [1], 100, seed).draws for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


def test_queries_are_drawn_alike_for_all_candidates() -> None:
    draws = resample([np.stack([SCORES[0], SCORES[0] + 0.25])], [1], 200, 0).draws
    np.testing.assert_allclose(draws[:, 1] - draws[:, 0], 0.25)


def test_mean_and_standard_error_equal_a_plain_loop() -> None:
    draws = resample([SCORES], [1], 20_000, 3).draws
    generator = np.random.default_rng(11)
    loop = np.asarray([SCORES[:, generator.integers(0, 40, 40)].mean(axis=1) for _ in range(20_000)])
    np.testing.assert_allclose(draws.mean(axis=0), loop.mean(axis=0), atol=0.002)
    np.testing.assert_allclose(draws.std(axis=0), loop.std(axis=0), rtol=0.03)


def test_standard_error_equals_scipys_bootstrap() -> None:
    from scipy.stats import bootstrap

    theirs = bootstrap((SCORES[0],), np.mean, n_resamples=5000, random_state=1, method="basic").standard_error
    assert resample([SCORES[:1]], [1], 5000, 2).draws.std(ddof=1) == pytest.approx(theirs, rel=0.05)


def test_one_comparison_has_the_bounds_of_the_normal_distribution() -> None:
    difference = resample([GENERATOR.normal(0, 1, (1, 400))], [1], 20_000, 0)
    error = difference.draws.std(ddof=1)
    bounds = simultaneous(difference, 0.95)
    assert (difference.observed - bounds.one_sided)[0] == pytest.approx(1.645 * error, rel=0.03)
    assert (bounds.high - difference.observed)[0] == pytest.approx(1.96 * error, rel=0.03)
    assert (bounds.high - difference.observed)[0] == pytest.approx((difference.observed - bounds.low)[0])


def test_more_comparisons_give_wider_bounds() -> None:
    scores = GENERATOR.normal(0, 1, (20, 100))
    wide, narrow = (simultaneous(resample([s], [1], 4000, 0), 0.95).one_sided[0] for s in (scores, scores[:1]))
    assert wide < narrow


def test_equal_scores_on_every_query_are_their_own_bound_beside_others_that_move() -> None:
    scores = np.stack([SCORES[0], SCORES[0], SCORES[1]])
    difference = minus(resample([scores], [1], 500, 0), 0)
    bounds = simultaneous(difference, 0.95)
    assert bounds.one_sided[:2].tolist() == bounds.high[:2].tolist() == [0.0, 0.0]
    assert bounds.low[2] < difference.observed[2] < bounds.high[2]
    still = simultaneous(Resampled(np.zeros(2), np.zeros((50, 2))), 0.95)
    assert still.one_sided.tolist() == [0.0, 0.0]


def test_simultaneous_lower_bounds_cover_at_their_confidence() -> None:
    """Eight candidates whose true differences are known: all bounds hold at once in about 95 % of tables."""
    generator, truth, held = np.random.default_rng(5), np.linspace(-0.1, 0.1, 8), 0
    for seed in range(300):
        scores = truth[:, None] + generator.normal(0, 0.2, (8, 100)) + generator.normal(0, 0.3, 100)
        difference = minus(resample([scores], [1], 400, seed), 0)
        held += bool((simultaneous(difference, 0.95).one_sided <= truth - truth[0] + 1e-12).all())
    assert 0.90 <= held / 300 <= 0.99


def test_eight_equal_systems_are_hardly_ever_called_better() -> None:
    """Trap 17: tests of all pairs without correction raise a false alarm in 55 % of such tables."""
    generator, alarms, uncorrected = np.random.default_rng(6), 0, 0
    for seed in range(200):
        scores = generator.normal(0.5, 0.2, (8, 100))
        difference = minus(resample([scores], [1], 400, seed), 0)
        bounds = simultaneous(difference, 0.95)
        alarms += bool((bounds.low > 0).any() or (bounds.high < 0).any())
        error = difference.draws.std(axis=0)
        uncorrected += bool((np.abs(difference.observed)[1:] > 1.96 * error[1:]).any())
    assert alarms / 200 <= 0.10 < uncorrected / 200


def test_win_tie_loss_spread_and_detectable_difference_by_hand() -> None:
    found = paired(np.asarray([0.5, 0.5, 1.0, 0.0]), np.asarray([0.5, 0.0, 0.5, 0.5]))
    assert (found.wins, found.ties, found.losses) == (2, 1, 1)
    gaps = np.asarray([0.0, 0.5, 0.5, -0.5])
    assert found.sd == pytest.approx(gaps.std(ddof=1))
    assert found.effect == pytest.approx(gaps.mean() / gaps.std(ddof=1))
    assert found.detectable == pytest.approx(2.80 * found.sd / 2)


def test_rounding_noise_is_a_tie() -> None:
    assert paired(np.asarray([0.1 + 0.2]), np.asarray([0.3])).ties == 1


@pytest.mark.parametrize(("sd", "queries"), [(0.20, 619), (0.14, 303), (0.008, 1), (0.0, 0)])
def test_queries_to_show_within_a_margin_of_002(sd: float, queries: int) -> None:
    """The figures measured on Cranfield: one-sided 5 %, power 80 %."""
    assert queries_needed(sd, 0.02) == queries


def test_queries_without_a_known_spread_are_not_invented() -> None:
    assert queries_needed(float("nan"), 0.02) == 0
    assert queries_needed(0.2, 0.0) == 0
