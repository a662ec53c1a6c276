"""How many queries it takes, against method.md's figures and statsmodels."""

from __future__ import annotations

import pytest

from harness.stats.power import detectable, queries_needed


@pytest.mark.parametrize(("sd", "queries"), [(0.20, 619), (0.14, 303), (0.008, 1), (0.0, 0)])
def test_queries_to_show_within_a_margin_of_002(sd: float, queries: int) -> None:
    """The figures measured on Cranfield: one-sided 5 %, power 80 %."""
    assert queries_needed(sd, 0.02) == queries


@pytest.mark.parametrize("sd", [0.11, 0.2])
def test_queries_needed_are_those_of_statsmodels_paired_t_test(sd: float) -> None:
    """Student's t asks for one or two more than the normal distribution."""
    from statsmodels.stats.power import TTestPower

    theirs = TTestPower().solve_power(effect_size=0.02 / sd, alpha=0.05, power=0.8, alternative="larger")
    assert queries_needed(sd, 0.02) == pytest.approx(theirs, abs=2.5)


def test_detectable_difference_is_that_of_statsmodels_paired_t_test() -> None:
    from statsmodels.stats.power import TTestPower

    theirs = 0.2 * TTestPower().solve_power(nobs=300, alpha=0.05, power=0.8, alternative="two-sided")
    assert detectable(0.2, 300) == pytest.approx(theirs, rel=0.01)


def test_queries_without_a_known_spread_are_not_invented() -> None:
    assert queries_needed(float("nan"), 0.02) == 0
    assert queries_needed(0.2, 0.0) == 0
