"""Principal components, plain and whitened."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import PCA

from harness.reductions.pca import Pca
from harness.reductions.truncate import Truncate
from harness.reductions.whiten import Whiten
from harness.types import Inapplicable
from tests.material import clustered

DOCUMENTS, QUERIES = clustered(900, 32, 1), clustered(50, 32, 2)
BOTH = pytest.mark.parametrize("part", [Pca, Whiten])


def test_points_on_a_line_keep_their_distances_in_one_dimension() -> None:
    line = np.array([[1, 1], [4, 5], [7, 9]], np.float32)  # 5 apart
    fitted = Pca(1).fit(line)
    np.testing.assert_allclose(np.abs(fitted.apply(line)).ravel(), [5, 0, 5], atol=1e-6)
    assert fitted.variance_kept == pytest.approx(1.0)


@BOTH
@pytest.mark.parametrize("dim", [1, 8, 31, 32, "full"])
def test_vectors_equal_those_of_scikit_learn_used_directly(part: Any, dim: Any) -> None:
    theirs = PCA(32 if dim == "full" else dim, whiten=part is Whiten, svd_solver="full").fit(DOCUMENTS.astype(float))
    fitted = part(dim).fit(DOCUMENTS)
    for rows in (DOCUMENTS, QUERIES):
        ours, expected = fitted.apply(rows), theirs.transform(rows.astype(float))
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, expected, atol=1e-6 * np.abs(expected).max())
    assert fitted.variance_kept == pytest.approx(theirs.explained_variance_ratio_.sum(), abs=1e-9)


def test_it_keeps_more_variance_than_the_first_components_and_the_more_the_longer() -> None:
    kept = [Pca(dim).fit(DOCUMENTS).variance_kept for dim in (2, 4, 8, 16, 32)]
    assert kept == sorted(kept)
    assert kept[-1] == pytest.approx(1.0)
    assert kept[2] > Truncate(8).fit(DOCUMENTS).variance_kept + 0.1


def test_whitened_components_have_variance_one_and_nothing_in_common() -> None:
    whitened = Whiten(16).fit(DOCUMENTS).apply(DOCUMENTS)
    np.testing.assert_allclose(np.cov(whitened.T), np.eye(16), atol=1e-4)


@BOTH
def test_more_documents_than_are_drawn_are_fitted_on_the_same_share_each_time(part: Any) -> None:
    documents = clustered(70_000, 6, 1)
    first = part(3).fit(documents)
    assert first.transformer.n_samples_ == 65_536
    assert part(3).fit(documents).apply(QUERIES[:, :6]).tobytes() == first.apply(QUERIES[:, :6]).tobytes()
    whole = PCA(3, svd_solver="full").fit(documents.astype(float))
    assert first.variance_kept == pytest.approx(whole.explained_variance_ratio_.sum(), abs=1e-3)


@BOTH
@pytest.mark.parametrize("dim", [0, -3, 33])
def test_a_width_that_the_model_lacks_does_not_apply(part: Any, dim: int) -> None:
    with pytest.raises(Inapplicable, match=f"dim={dim} .* 32 dimensions"):
        part(dim).fit(DOCUMENTS)


@BOTH
@pytest.mark.parametrize(("n", "dim"), [(7, 8), (7, "full"), (1, 1), (0, 1)])
def test_fewer_documents_than_dimensions_do_not_apply(part: Any, n: int, dim: Any) -> None:
    with pytest.raises(Inapplicable, match=f"{n} documents are too few for dim={dim}"):
        part(dim).fit(DOCUMENTS[:n])


@BOTH
def test_documents_that_are_all_equal_have_no_direction(part: Any) -> None:
    with pytest.raises(Inapplicable, match="equal"):
        part(2).fit(np.full((9, 4), 0.1, np.float32))


def test_whitening_does_not_blow_up_directions_in_which_nothing_varies() -> None:
    flat = DOCUMENTS.copy()
    flat[:, 20:] = 0.25
    assert np.isfinite(Whiten(20).fit(flat).apply(QUERIES)).all()
    with pytest.raises(Inapplicable, match="900 documents vary in 20 directions only. Use dim=20"):
        Whiten(21).fit(flat)
    with pytest.raises(Inapplicable, match="7 documents vary in 6 directions"):
        Whiten(7).fit(DOCUMENTS[:7])


@BOTH
def test_zero_vectors_stay_finite_and_equal(part: Any) -> None:
    documents = np.vstack([DOCUMENTS, np.zeros((2, 32), np.float32)])
    reduced = part(8).fit(documents).apply(documents)
    assert np.isfinite(reduced).all()
    assert reduced[-1].tobytes() == reduced[-2].tobytes()


@BOTH
def test_blocks_give_what_all_rows_give(part: Any) -> None:
    documents = clustered(20_000, 24, 3)
    fitted = part(10).fit(documents)
    pieces = np.concatenate([fitted.apply(documents[i : i + 999]) for i in range(0, 20_000, 999)])
    np.testing.assert_allclose(pieces, fitted.apply(documents), rtol=1e-6, atol=1e-12)
