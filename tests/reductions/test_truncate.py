"""The first components of a vector."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.reductions.truncate import Truncate
from harness.types import Inapplicable
from tests.material import clustered, overlap, top


def test_the_cut_vector_has_length_one_again() -> None:
    vectors = np.array([[0.6, 0.0, 0.8], [0.0, 0.0, 1.0], [3.0, 4.0, 12.0]], np.float32)
    cut = Truncate(2).fit(vectors).apply(vectors)
    np.testing.assert_allclose(cut, [[1, 0], [0, 0], [0.6, 0.8]], atol=1e-7)
    assert cut.dtype == np.float32


@pytest.mark.parametrize("dim", ["full", 3])
def test_the_full_width_is_left_as_it_is(dim: Any) -> None:
    vectors = np.array([[3.0, 4.0, 12.0]], np.float32)
    assert Truncate(dim).fit(vectors).apply(vectors).tobytes() == vectors.tobytes()


@pytest.mark.parametrize("dim", [0, -1, 4])
def test_a_width_that_the_model_lacks_does_not_apply(dim: int) -> None:
    with pytest.raises(Inapplicable, match=f"dim={dim} .* 3 dimensions"):
        Truncate(dim).fit(np.zeros((2, 3), np.float32))


def test_cutting_without_renormalising_would_rank_otherwise_and_ours_ranks_by_cosine() -> None:
    documents, queries = clustered(800, 64, 1), clustered(60, 64, 2)
    fitted = Truncate(8).fit(documents)
    ours = top(fitted.apply(documents), fitted.apply(queries))
    cut, asked = documents[:, :8].astype(np.float64), queries[:, :8].astype(np.float64)
    cosine = (asked @ cut.T) / np.linalg.norm(cut, axis=1)
    by_cosine = [set(row) for row in np.argsort(-cosine, axis=1, kind="stable")[:, :10].tolist()]
    assert overlap(ours, by_cosine) > 0.999
    assert overlap(top(documents[:, :8], queries[:, :8]), by_cosine) < 0.9


def test_the_variance_kept_is_that_of_the_components_that_stay_around_the_mean_of_the_documents() -> None:
    vectors = np.array([[3, 0, 7], [3, 2, 1]], np.float32)  # variances 0, 1, 9
    kept = [Truncate(dim).fit(vectors).variance_kept for dim in (1, 2, 3)]
    np.testing.assert_allclose(kept, [0, 0.1, 1], rtol=1e-12)
    documents = clustered(20_000, 12, 1)  # several blocks
    variances = documents.astype(np.float64).var(axis=0)
    assert Truncate(5).fit(documents).variance_kept == pytest.approx(variances[:5].sum() / variances.sum(), rel=1e-9)
    assert Truncate().fit(documents).variance_kept == 1.0
