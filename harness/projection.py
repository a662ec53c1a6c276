"""Linear maps to fewer dimensions: fitted by scikit-learn, applied in float64, with the variance that they keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from harness.ranking import blocks
from harness.types import Doubles, Floats, Inapplicable

_DRAWN = 2**16  # rows: their copy in float64 takes 200 MB at 384 dimensions
_NOISE = 1e-12  # of the largest variance; what float32 vectors hold below it is rounding


class Projection:
    """A fitted transformer of scikit-learn.

    It works in float64, where the number of rows multiplied at once leaves no trace in the float32 that comes out.
    """

    def __init__(self, transformer: Any, variance_kept: float) -> None:
        self.transformer = transformer
        self.variance_kept = variance_kept

    def apply(self, vectors: Floats) -> Floats:
        """float32 [n, d] -> float32 [n, dim], not normalised."""
        result = np.empty((len(vectors), self.transformer.n_components_), dtype=np.float32)
        for block in blocks(len(vectors)):
            result[block] = self.transformer.transform(vectors[block].astype(np.float64))
        return result


def width_of(dim: int | Literal["full"], documents: Floats) -> int:
    """The number of dimensions that `dim` asks for; Inapplicable where float32 [n, d] documents have fewer."""
    width: int = documents.shape[1]
    if dim == "full":
        return width
    if not 1 <= dim <= width:
        raise Inapplicable(f"dim={dim} does not fit: the model has {width} dimensions. Use dim=1..{width} or full")
    return dim


def principal(documents: Floats, dim: int | Literal["full"], whiten: bool) -> Projection:
    """scikit-learn's PCA of float32 [n, d] documents, of 65,536 drawn with a fixed seed where there are more.

    The solver is exact, so nothing is random. Inapplicable where documents are too few, all equal or, to be whitened,
    vary in fewer than `dim` directions.
    """
    from sklearn.decomposition import PCA

    name = "whiten" if whiten else "pca"
    n, width = len(documents), width_of(dim, documents)
    if n < max(2, width):
        raise Inapplicable(f"{name}: {n} documents are too few for dim={dim}. Use as many as dimensions, or more")
    rows = drawn(documents).astype(np.float64)
    if (rows == rows[:1]).all():
        raise Inapplicable(f"{name}: all {n} documents are equal, so no direction is better than another")
    solver = "covariance_eigh" if len(rows) >= rows.shape[1] else "full"
    fitted = PCA(width, whiten=whiten, svd_solver=solver).fit(rows)
    useful = int((fitted.explained_variance_ > _NOISE * fitted.explained_variance_[0]).sum())
    if whiten and useful < width:
        raise Inapplicable(f"whiten: {n} documents vary in {useful} directions only. Use dim={useful} or fewer")
    return Projection(fitted, min(1.0, float(fitted.explained_variance_ratio_.sum())))


def drawn(documents: Floats) -> Floats:
    """At most 65,536 of float32 [n, d] documents, in their order: the same ones for the same n."""
    if len(documents) <= _DRAWN:
        return documents
    return documents[np.sort(np.random.default_rng(0).choice(len(documents), _DRAWN, replace=False))]


def share_kept(documents: Floats, into: Callable[[Doubles], Doubles]) -> float:
    """Share of the variance of float32 [n, d] documents, around their mean, that `into` leaves of the centred rows.

    Taken from at most 65,536 drawn with a fixed seed. 1.0 where they do not vary, since nothing is lost then.
    """
    documents = drawn(documents)
    mean = documents.mean(axis=0, dtype=np.float64)
    kept = total = 0.0
    for block in blocks(len(documents)):
        rows = documents[block] - mean
        total += float(np.linalg.norm(rows) ** 2)
        kept += float(np.linalg.norm(into(rows)) ** 2)
    return min(1.0, kept / total) if total else 1.0
