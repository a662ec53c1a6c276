"""Maps, angles and shares of a few vectors, against numpy and by hand."""

import numpy as np
import pytest

from harness.geometry import EDGES, FEWEST, kept, laid_out, separation, shares, sound, unit
from harness.types import Inapplicable


def clusters(count: int = 3, each: int = 10, dims: int = 6) -> np.ndarray:
    rng = np.random.default_rng(3)
    centres = np.repeat(np.eye(count, dims), each, axis=0)
    return (centres + rng.normal(0, 0.02, centres.shape)).astype(np.float32)


def test_the_same_vectors_give_the_same_bytes() -> None:
    directions = unit(clusters())
    assert laid_out(directions).tobytes() == laid_out(directions.copy()).tobytes()


def test_a_map_keeps_neighbours_together_and_stays_between_0_and_1() -> None:
    places = laid_out(unit(clusters()))
    assert places.shape == (30, 2)
    assert places.dtype == np.float32
    assert 0 <= places.min() < places.max() <= 1
    gaps = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(gaps, np.inf)
    assert (gaps.argmin(axis=1) // 10 == np.arange(30) // 10).mean() > 0.9


@pytest.mark.parametrize("count", [1, 2, 3, FEWEST - 1])
def test_too_few_texts_have_no_map(count: int) -> None:
    with pytest.raises(Inapplicable, match=f"here are {count} of 6"):
        laid_out(unit(clusters()[:count]))


def test_equal_vectors_have_no_map() -> None:
    with pytest.raises(Inapplicable, match="here are 1 of 4"):
        laid_out(unit(np.full((50, 4), 0.5, dtype=np.float32)))


def test_a_vector_without_a_direction_is_not_sound() -> None:
    vectors = np.array([[1, 0], [0, 0], [np.nan, 1], [np.inf, 1], [1e-30, 1e-30]], dtype=np.float32)
    assert sound(vectors).tolist() == [True, False, False, False, True]
    np.testing.assert_allclose(np.linalg.norm(unit(vectors[[0, 4]]), axis=1), 1)


def test_separation_is_what_counting_pairs_gives() -> None:
    rng = np.random.default_rng(0)
    related, random = rng.normal(0.5, 0.2, 40).round(2), rng.normal(0.2, 0.2, 70).round(2)
    found = separation(related, random)
    assert found is not None
    wins = (related[:, None] > random).mean() + (related[:, None] == random).mean() / 2
    assert found.auc == pytest.approx(wins)
    assert (found.related, found.random) == (pytest.approx(related.mean()), pytest.approx(random.mean()))
    assert found.overlap == (random > related.mean()).sum() / 70


def test_nothing_is_said_of_pairs_that_are_not_there() -> None:
    none, some = np.empty(0), np.array([0.5])
    assert separation(none, some) is None
    assert separation(some, none) is None
    assert shares(none).sum() == 0


def test_every_cosine_falls_into_one_bin() -> None:
    found = shares(np.array([-1.0, -1.0000001, 0.001, 1.0, 1.0000001]))
    assert found[0] == pytest.approx(0.4)
    assert found[-1] == pytest.approx(0.4)
    assert found[np.searchsorted(EDGES, 0.001) - 1] == pytest.approx(0.2)
    assert found.sum() == pytest.approx(1)


def test_shares_kept_are_numpys() -> None:
    vectors = np.random.default_rng(1).normal(size=(60, 40)).astype(np.float32) * np.linspace(2, 0.1, 40, dtype="f4")
    found = kept(vectors)
    assert found.dims.tolist() == [16, 32, 40]
    squares = vectors.astype(np.float64) ** 2
    np.testing.assert_allclose(found.prefix, [(squares[:, :k].sum(1) / squares.sum(1)).mean() for k in (16, 32, 40)])
    spread = np.sort(np.linalg.eigvalsh(np.cov(vectors.T.astype(np.float64))))[::-1]
    np.testing.assert_allclose(found.pca, [spread[:k].sum() / spread.sum() for k in (16, 32, 40)])
    assert found.prefix[-1] == pytest.approx(1)


def test_components_that_a_sample_cannot_tell_are_not_told() -> None:
    vectors = np.random.default_rng(1).normal(size=(20, 64)).astype(np.float32)
    assert np.isfinite(kept(vectors).pca).tolist() == [True, False, False]  # 20 vectors have 19 components
    assert np.isnan(kept(np.ones((30, 20), dtype=np.float32)).pca).all()
    assert np.isnan(kept(np.empty((0, 20), dtype=np.float32)).prefix).all()
