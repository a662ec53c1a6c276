"""Random directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.projection import Projection, share_kept, width_of
from harness.types import Floats


@dataclass(frozen=True)
class RandomProjection:
    """Products with `dim` random Gaussian directions (scikit-learn's GaussianRandomProjection): a baseline.

    Whatever is fitted should beat it. Nothing but the width is taken from the documents; `variance_kept` is their
    variance inside the space that the directions span, about dim / d, and not that of the products, which the
    scaling keeps near 1 for any `dim`. Vectors are not normalised.
    """

    dim: int | Literal["full"] = "full"
    seed: int = 0

    def fit(self, documents: Floats) -> Projection:
        """Draws the directions for float32 [n, d] documents; Inapplicable when `dim` is not between 1 and d."""
        from sklearn.random_projection import GaussianRandomProjection

        width = width_of(self.dim, documents)
        fitted = GaussianRandomProjection(width, random_state=self.seed).fit(documents[:1].astype(np.float64))
        spanned = np.linalg.qr(fitted.components_.T).Q
        return Projection(fitted, share_kept(documents, lambda rows: rows @ spanned))
