"""The best observed was chosen by the data: what may be said against it and of it."""

from __future__ import annotations

import numpy as np
import pytest

from harness.stats.bootstrap import differences, draw, simultaneous
from harness.stats.contenders import against_best, shortfall


def _table(seed: int, truth: np.ndarray, n: int = 60) -> np.ndarray:
    return truth[:, None] + np.random.default_rng(seed).normal(0, 0.2, (len(truth), n))


def _bounds(scores: np.ndarray, seed: int = 0):
    drawn, best = draw([scores.shape[1]], 300, seed), int(scores.mean(axis=1).argmax())
    plain = differences([scores], [1.0], best, drawn)
    return best, simultaneous(plain, 0.95), against_best(plain, [scores], [1.0], drawn, 0.95)


def test_lower_bounds_stay_and_two_sided_ends_are_wider() -> None:
    best, plain, wider = _bounds(_table(0, np.zeros(8)))
    np.testing.assert_array_equal(plain.one_sided, wider.one_sided)
    others = np.arange(8) != best
    assert (wider.high[others] > plain.high[others]).all()
    assert wider.low[best] == wider.high[best] == 0


def test_a_best_without_rivals_has_the_plain_intervals() -> None:
    _, plain, wider = _bounds(_table(0, np.asarray([5.0, 1.0, 0.0])))
    for one, other in zip(plain, wider, strict=True):
        np.testing.assert_array_equal(one, other)


def test_equals_on_every_item_seen_are_not_proven_equal() -> None:
    """No draw moves: 1.96 and 1.645 errors of 0.1 / sqrt(60 x 59)."""
    scores, error = np.full((3, 60), 0.5), 0.1 / np.sqrt(60 * 59)
    best, _, wider = _bounds(scores)
    others = np.arange(3) != best
    np.testing.assert_allclose(wider.high[others], 1.96 * error, rtol=1e-3)
    assert shortfall([scores], [1.0], 0, draw([60], 300, 0), 0.95) == pytest.approx(1.645 * error, rel=1e-3)


def test_intervals_of_equals_hold_though_the_reference_was_chosen() -> None:
    """Plain intervals call one of ten equals worse than the best in a fifth of the tables."""
    plain_missed = missed = 0
    for seed in range(100):
        _, plain, wider = _bounds(_table(seed, np.zeros(10)), seed)
        plain_missed += bool((plain.high < 0).any())
        missed += bool((wider.high < 0).any())
    assert missed / 100 <= 0.10 < plain_missed / 100


def test_the_true_best_is_rarely_further_above_the_pick_than_said() -> None:
    truth, missed = np.asarray([0.0, -0.03, -0.03, -0.03, -0.03, -0.03]), 0
    for seed in range(100):
        scores = _table(seed, truth)
        pick = int(scores.mean(axis=1).argmax())
        missed += shortfall([scores], [1.0], pick, draw([60], 300, seed), 0.95) < truth.max() - truth[pick]
    assert missed / 100 <= 0.09


def test_a_clear_winner_has_nothing_above_it_and_a_clear_loser_all_of_it() -> None:
    scores = _table(0, np.asarray([5.0, 1.0]))
    drawn = draw([60], 300, 0)
    assert shortfall([scores], [1.0], 0, drawn, 0.95) == 0
    assert shortfall([scores], [1.0], 1, drawn, 0.95) == pytest.approx(4.0, abs=0.2)
