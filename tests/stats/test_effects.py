"""Counts, spread and size of an effect, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from harness.stats.effects import effect, paired
from harness.types import HarnessError


def test_win_tie_loss_spread_and_detectable_difference_by_hand() -> None:
    found = paired(np.asarray([0.5, 0.5, 1.0, 0.0]), np.asarray([0.5, 0.0, 0.5, 0.5]))
    assert (found.wins, found.ties, found.losses) == (2, 1, 1)
    gaps = np.asarray([0.0, 0.5, 0.5, -0.5])
    assert found.sd == pytest.approx(gaps.std(ddof=1))
    assert found.detectable == pytest.approx(2.80 * found.sd / 2)


def test_rounding_noise_is_a_tie() -> None:
    assert paired(np.asarray([0.1 + 0.2]), np.asarray([0.3])).ties == 1


def test_an_effect_is_the_difference_in_standard_deviations() -> None:
    assert effect(-0.05, 0.2) == pytest.approx(-0.25)
    assert effect(0.0, 0.2) == 0


def test_equal_scores_have_no_effect_and_a_loss_without_spread_has_none_that_is_a_number() -> None:
    assert effect(0.0, 0.0) == 0
    assert effect(-0.25, 0.0) is None
    assert effect(-0.25, 1e-17) is None, "rounding noise is no spread"
    assert effect(0.4, float("nan")) is None, "one item"


def test_one_item_has_no_spread_and_shows_nothing() -> None:
    found = paired(np.asarray([0.9]), np.asarray([0.5]))
    assert found.wins == 1
    assert np.isnan([found.sd, found.detectable]).all()


@pytest.mark.parametrize("other", [np.ones(3), np.ones((2, 2)), np.asarray([0.5, np.nan])])
def test_scores_of_other_items_or_not_finite_are_refused(other: np.ndarray) -> None:
    with pytest.raises(HarnessError):
        paired(np.asarray([0.5, 0.6]), other)


def test_no_items_are_refused() -> None:
    with pytest.raises(HarnessError):
        paired(np.zeros(0), np.zeros(0))
