"""Random directions as a baseline."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.random_projection import GaussianRandomProjection

from harness.reductions.pca import Pca
from harness.reductions.random_projection import RandomProjection
from harness.types import Inapplicable
from tests.material import clustered

DOCUMENTS = clustered(900, 64, 1)


def test_vectors_equal_those_of_scikit_learn_used_directly() -> None:
    theirs = GaussianRandomProjection(16, random_state=5).fit(DOCUMENTS)
    ours = RandomProjection(16, seed=5).fit(DOCUMENTS).apply(DOCUMENTS)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs.transform(DOCUMENTS.astype(float)), atol=1e-7)


def test_another_seed_gives_other_directions_and_other_documents_the_same() -> None:
    first = RandomProjection(16).fit(DOCUMENTS).apply(DOCUMENTS)
    assert np.array_equal(RandomProjection(16).fit(clustered(40, 64, 9)).apply(DOCUMENTS), first)
    assert not np.allclose(RandomProjection(16, seed=1).fit(DOCUMENTS).apply(DOCUMENTS), first)


def test_the_variance_kept_is_what_the_directions_span_and_not_what_their_length_makes_of_it() -> None:
    random = [RandomProjection(dim).fit(DOCUMENTS) for dim in (4, 16, 48, 64)]
    kept = [fitted.variance_kept for fitted in random]
    assert kept == sorted(kept)
    assert kept[-1] == pytest.approx(1.0)
    assert 0.1 < kept[1] < 0.45  # 16 of 64 dimensions
    assert kept[1] < Pca(16).fit(DOCUMENTS).variance_kept
    basis = np.linalg.svd(random[0].transformer.components_, full_matrices=False)[2]
    centred = DOCUMENTS - DOCUMENTS.mean(axis=0, dtype=float)
    assert kept[0] == pytest.approx(((centred @ basis.T) ** 2).sum() / (centred**2).sum(), rel=1e-6)


@pytest.mark.parametrize("dim", [0, -1, 65])
def test_a_width_that_the_model_lacks_does_not_apply(dim: int) -> None:
    with pytest.raises(Inapplicable, match=f"dim={dim} .* 64 dimensions"):
        RandomProjection(dim).fit(DOCUMENTS)


def test_zero_vectors_stay_zero() -> None:
    assert not RandomProjection(8).fit(DOCUMENTS).apply(np.zeros((2, 64), np.float32)).any()
