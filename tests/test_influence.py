"""What each item adds to a score that is no mean."""

from __future__ import annotations

import numpy as np
import pytest

from harness.influence import item_ids, jackknifed, pseudo_values, v_measure_terms


def test_pseudo_values_of_a_mean_are_the_items_themselves() -> None:
    items = np.array([0.0, 2.0, 7.0, 1.0])
    assert pseudo_values(lambda kept: float(items[kept].mean()), 4) == pytest.approx(items)


def test_pseudo_values_of_a_variance_are_those_of_the_textbook() -> None:
    """n v - (n - 1) v_i for the unbiased variance of 1, 2, 3, 6, shifted from its jackknife estimate, which is equal."""
    items = np.array([1.0, 2.0, 3.0, 6.0])
    found = pseudo_values(lambda kept: float(items[kept].var(ddof=1)), 4)
    whole = items.var(ddof=1)
    assert found == pytest.approx([4 * whole - 3 * np.delete(items, i).var(ddof=1) for i in range(4)])
    assert found.mean() == pytest.approx(whole)


def test_beyond_two_thousand_items_groups_of_them_are_left_out_and_named() -> None:
    items = np.random.default_rng(1).normal(size=5000)
    found = pseudo_values(lambda kept: float(items[kept].std()), 5000)
    assert found.shape == (2000,)
    assert found.mean() == pytest.approx(items.std())
    assert item_ids(tuple(map(str, range(5000))), 2000)[:2] == ("group-0", "group-1")
    assert item_ids(("a", "b"), 2) == ("a", "b")
    assert found.std() / 2000**0.5 == pytest.approx(1 / (2 * 5000) ** 0.5, rel=0.1)  # of normal items, in theory


def test_where_nothing_is_left_to_measure_the_value_is_the_mean() -> None:
    assert jackknifed(0.5, np.array([0.4, np.nan, 0.6])) == pytest.approx([0.7, 0.5, 0.3])
    assert jackknifed(0.5, np.array([np.nan, np.nan])) == pytest.approx([0.5, 0.5])
    assert pseudo_values(lambda kept: 0.25, 1).tolist() == [0.25]


@pytest.mark.parametrize("seed", range(4))
def test_terms_of_a_v_measure_average_to_it_and_spread_as_its_jackknife(seed: int) -> None:
    from sklearn.metrics import v_measure_score

    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 4, 300)
    clusters = np.where(draw.random(300) < 0.6, labels, draw.integers(0, 5, 300))
    terms = v_measure_terms(labels, clusters.tolist())
    assert terms.mean() == pytest.approx(v_measure_score(labels, clusters))
    left = pseudo_values(lambda kept: float(v_measure_score(labels[kept], clusters[kept])), 300)
    assert terms.std() == pytest.approx(left.std(), rel=0.1)
    assert np.corrcoef(terms, left)[0, 1] > 0.99


def test_terms_of_a_small_table_are_those_computed_by_hand() -> None:
    """Two items in each of two classes, the last in the other's cluster: I = 0.2158, H(C) = 0.6931, H(K) = 0.5623."""
    terms = v_measure_terms(np.array([0, 0, 1, 1]), [0, 0, 0, 1])
    v = 2 * 0.21576 / (0.69315 + 0.56234)
    first = v + (2 * np.log(0.5 / (0.5 * 0.75)) - v * (-np.log(0.5) - np.log(0.75))) / (0.69315 + 0.56234)
    assert terms[0] == pytest.approx(first, abs=1e-4)
    assert terms.mean() == pytest.approx(v, abs=1e-4)
    assert v_measure_terms(np.zeros(3, int), [1, 1, 1]).tolist() == [1.0, 1.0, 1.0]
    assert v_measure_terms(np.array([0, 1, 0, 1]), [0, 0, 1, 1]).mean() == pytest.approx(0.0)
