"""Intervals that hold, against examples, a plain loop, scipy and simulation."""

from __future__ import annotations

import numpy as np
import pytest

from harness.stats.bootstrap import Resampled, differences, draw, hierarchical, minus, resample, simultaneous
from harness.stats.scores import means
from harness.types import HarnessError, Inapplicable

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


def _differences(scores, reference, draws=500, seed=0):
    return differences([scores], [1.0], reference, draw([scores.shape[1]], draws, seed))


def test_a_draw_gives_each_set_shares_of_its_own_items() -> None:
    one, other = draw([7, 3], 50, 4)
    assert one.shape == (50, 7)
    assert other.shape == (50, 3)
    np.testing.assert_allclose(other.sum(axis=1), 1)
    np.testing.assert_allclose(one * 7, np.round(one * 7), atol=1e-12)


def test_difference_error_and_studentised_draw_by_hand() -> None:
    """Differences 0.3, 0.1, -0.1: sum of squares 0.08, one more of 0.1 squared, over n (n - 1) = 6."""
    scores = np.asarray([[0.8, 0.5, 0.2], [0.5, 0.4, 0.3]])
    found = differences([scores], [1.0], 1, (np.asarray([[2 / 3, 1 / 3, 0.0]]),))
    assert found.observed[0] == pytest.approx(0.1)
    assert found.error[0] == pytest.approx(np.sqrt((0.08 + 0.01) / 6))
    drawn = np.asarray([0.3, 0.3, 0.1])
    squares = ((drawn - drawn.mean()) ** 2).sum()
    assert found.t[0, 0] == pytest.approx((drawn.mean() - 0.1) / np.sqrt((squares + 0.01) / 6))
    assert found.error[1] == found.observed[1] == found.t[0, 1] == 0


def test_errors_of_several_sets_add_by_their_squared_shares() -> None:
    sets = [SCORES, SCORES[:, :10]]
    one, other = (_differences(s, 0).error for s in sets)
    both = differences(sets, [1, 3], 0, draw([40, 10], 20, 0))
    np.testing.assert_allclose(both.error, np.sqrt((one / 4) ** 2 + (3 * other / 4) ** 2))
    np.testing.assert_allclose(both.observed, means(sets, [1, 3]) - means(sets, [1, 3])[0])


def test_one_comparison_of_many_items_has_the_bounds_of_the_normal_distribution() -> None:
    found = _differences(np.stack([GENERATOR.normal(0, 1, 2000), np.zeros(2000)]), 1, 5000)
    bounds = simultaneous(found, 0.95)
    assert (found.observed - bounds.one_sided)[0] == pytest.approx(1.645 * found.error[0], rel=0.05)
    assert (bounds.high - found.observed)[0] == pytest.approx(1.96 * found.error[0], rel=0.05)
    assert (bounds.high - found.observed)[0] == pytest.approx((found.observed - bounds.low)[0])


def test_one_comparison_of_few_normal_items_has_the_bounds_of_students_t() -> None:
    from scipy.stats import t

    reach = []
    for seed in range(20):
        gap = np.random.default_rng(seed).normal(0, 1, 20)
        found = _differences(np.stack([gap, np.zeros(20)]), 1, 1000, seed)
        reach.append((found.observed - simultaneous(found, 0.95).low)[0] / found.error[0])
    assert np.mean(reach) == pytest.approx(t.ppf(0.975, 19), rel=0.08)


def test_rare_large_losses_push_the_lower_bound_further_than_the_normal_distribution_would() -> None:
    gap = np.where(np.arange(100) < 4, -0.5, 0.0)
    found = _differences(np.stack([gap, np.zeros(100)]), 1, 4000)
    assert simultaneous(found, 0.95).one_sided[0] < found.observed[0] - 2.2 * found.error[0]


def test_more_comparisons_give_wider_bounds() -> None:
    scores = GENERATOR.normal(0, 1, (20, 100))
    wide, narrow = (simultaneous(_differences(s, 0), 0.95).one_sided[1] for s in (scores, scores[:2]))
    assert wide < narrow


def test_the_order_of_candidates_changes_no_bound() -> None:
    order = np.asarray([2, 0, 1])
    plain, turned = (simultaneous(_differences(s, r), 0.95) for s, r in ((SCORES, 0), (SCORES[order], 1)))
    for ends, others in zip(plain, turned, strict=True):
        np.testing.assert_allclose(ends[order], others, atol=1e-12)


def test_the_same_seed_gives_the_same_bounds_to_the_byte() -> None:
    first, same, other = (simultaneous(_differences(SCORES, 0, seed=s), 0.95).low.tobytes() for s in (1, 1, 2))
    assert first == same != other


def test_a_candidate_that_equals_the_reference_on_every_item_seen_is_not_proven_equal_for_ever() -> None:
    """Each draw's difference is 0, so the bound comes of the others' t; the error is 0.1 / sqrt(40 x 39)."""
    scores = np.stack([SCORES[0], SCORES[0], SCORES[1]])
    found = _differences(scores, 0)
    assert found.error[1] == pytest.approx(0.1 / np.sqrt(40 * 39))
    bounds = simultaneous(found, 0.95)
    assert -0.02 < bounds.one_sided[1] < found.observed[1] == 0.0
    assert bounds.one_sided[0] == bounds.low[0] == bounds.high[0] == 0.0


@pytest.mark.parametrize("candidates", [2, 3])
def test_where_every_score_is_equal_the_bounds_are_those_of_a_normal_error(candidates: int) -> None:
    """No draw moves; the error is 0.1 / sqrt(50 x 49), times z(95 %) and z(97.5 %)."""
    bounds = simultaneous(_differences(np.full((candidates, 50), 0.5), 0), 0.95)
    assert bounds.one_sided[1] == pytest.approx(-1.645 * 0.1 / np.sqrt(50 * 49), rel=1e-3)
    assert bounds.high[1] == -bounds.low[1] == pytest.approx(1.96 * 0.1 / np.sqrt(50 * 49), rel=1e-3)
    assert bounds.one_sided[0] == bounds.low[0] == bounds.high[0] == 0.0


def test_no_bound_is_nearer_than_that_of_a_normal_error() -> None:
    """A rare large gain leans t to the left: its upper quantile alone would be 1.2."""
    gap = np.where(np.arange(100) < 3, 1.0, 0.0)
    found = _differences(np.stack([gap, np.zeros(100)]), 1, 4000)
    assert np.quantile(found.t.max(axis=1), 0.95) < 1.5
    assert found.observed[0] - simultaneous(found, 0.95).one_sided[0] == pytest.approx(1.645 * found.error[0], rel=1e-3)


def test_a_set_of_one_item_has_no_spread_and_is_refused() -> None:
    with pytest.raises(HarnessError, match="one item"):
        _differences(SCORES[:, :1], 0)


def test_two_items_have_very_wide_bounds() -> None:
    scores = np.asarray([[0.5, 0.9], [0.5, 0.5]])
    bounds = simultaneous(_differences(scores, 1), 0.95)
    assert bounds.high[0] - bounds.low[0] > 0.5


@pytest.mark.parametrize(("n", "share"), [(30, 0.06), (100, 0.06)])
def test_bounds_hold_at_their_confidence_with_few_items_and_rare_losses(n: int, share: float) -> None:
    """Nine candidates, 94 % of differences exactly 0: with the sample's errors alone, bounds hold in 9 and in 51 %."""
    generator, held = np.random.default_rng(5), 0
    for seed in range(200):
        hit = generator.random((8, n)) < share
        gap = np.where(hit, generator.laplace(-0.05, 0.1, (8, n)), 0.0)
        base = generator.random(n)
        bounds = simultaneous(_differences(np.stack([base, *(base + gap)]), 0, 300, seed), 0.95)
        held += bool((bounds.one_sided[1:] <= -0.05 * share).all())
    assert held / 200 >= 0.93


def test_eight_equal_systems_are_hardly_ever_called_better() -> None:
    """Trap 17: tests of all pairs without correction raise a false alarm in 55 % of such tables."""
    generator, alarms, uncorrected = np.random.default_rng(6), 0, 0
    for seed in range(200):
        found = _differences(generator.normal(0.5, 0.2, (8, 100)), 0, 400, seed)
        bounds = simultaneous(found, 0.95)
        alarms += bool((bounds.low > 0).any() or (bounds.high < 0).any())
        uncorrected += bool((np.abs(found.observed)[1:] > 1.96 * found.error[1:]).any())
    assert alarms / 200 <= 0.10 < uncorrected / 200


def test_sets_that_disagree_spread_only_where_sets_are_drawn_too() -> None:
    """Within each set every item is alike, so drawing items moves nothing; drawing sets moves the mean by 0.5 x 0.7."""
    sets = [np.asarray([[0.0] * 5, [0.0] * 5]), np.asarray([[0.0] * 8, [1.0] * 8])]
    items, over = (how(sets, [1, 1], 4000, 0) for how in (resample, hierarchical))
    assert items.draws[:, 1].std() == 0
    assert sorted(set(over.draws[:, 1].tolist())) == [0.0, 0.5, 1.0]
    assert over.draws[:, 1].mean() == pytest.approx(0.5, abs=0.03)
    np.testing.assert_allclose(over.observed, [0.0, 0.5])


def test_weights_of_drawn_sets_are_normalised_in_each_draw() -> None:
    sets = [np.zeros((1, 4)), np.ones((1, 4))]
    assert sorted(set(hierarchical(sets, [1, 3], 500, 0).draws[:, 0].tolist())) == [0.0, 0.75, 1.0]


def test_drawing_sets_too_equals_a_plain_loop() -> None:
    sets, generator = [SCORES, SCORES[:, :10] + 0.2, SCORES[:, 5:12]], np.random.default_rng(3)
    loop = []
    for _ in range(3000):
        picked = [sets[i] for i in generator.integers(0, 3, 3)]
        loop.append(np.mean([s[:, generator.integers(0, s.shape[1], s.shape[1])].mean(axis=1) for s in picked], axis=0))
    draws = hierarchical(sets, [1, 1, 1], 6000, 0).draws
    np.testing.assert_allclose(draws.mean(axis=0), np.mean(loop, axis=0), atol=0.01)
    np.testing.assert_allclose(draws.std(axis=0), np.std(loop, axis=0), rtol=0.07)


def test_one_eval_set_says_nothing_of_others() -> None:
    with pytest.raises(Inapplicable, match="there is one set"):
        hierarchical([SCORES], [1], 10, 0)


def test_every_candidate_less_the_reference_draw_by_draw() -> None:
    less = minus(Resampled(np.asarray([0.5, 0.2]), np.asarray([[0.6, 0.1], [0.4, 0.4]])), 1)
    np.testing.assert_allclose(less.observed, [0.3, 0.0])
    np.testing.assert_allclose(less.draws, [[0.5, 0.0], [0.0, 0.0]])
