"""What a sample of vectors looks like: a map in two dimensions, angles between pairs, what fewer dimensions keep."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.types import Doubles, Floats, Inapplicable

EDGES = np.round(np.linspace(-1, 1, 101), 2)  # of the bins that cosines are counted in
FEWEST = 10  # places that a map needs
_PERPLEXITY = 30
_SEED = 20260101
_DIGITS = 6  # vectors that agree so far lie in one place


class Separation(NamedTuple):
    """How related pairs stand out of random ones, by cosine.

    related, random: mean cosines. overlap: share of random pairs above the mean of the related. auc: probability that a
    related pair has the higher cosine of the two, a tie counting half; 0.5 is chance.
    """

    related: float
    random: float
    overlap: float
    auc: float


class Kept(NamedTuple):
    """What the first k dimensions keep, float64 [m] for int64 [m] values of k.

    prefix: mean share of a vector's squared length in its first k dimensions as stored. pca: share of the variance in
    the first k principal components; nan where the sample has too few vectors to tell (k of n - 1 or more).
    """

    dims: NDArray[np.int64]
    prefix: Doubles
    pca: Doubles


def sound(vectors: Floats) -> NDArray[np.bool_]:
    """bool [n]: which rows of [n, d] have a direction, being finite and not zero."""
    found: NDArray[np.bool_] = np.isfinite(vectors).all(axis=1) & (vectors != 0).any(axis=1)
    return found


def unit(vectors: Floats) -> Doubles:
    """float64 [n, d], the rows at length 1; each must be `sound`."""
    wide = vectors.astype(np.float64)
    wide /= np.abs(wide).max(axis=1, keepdims=True, initial=0)  # squares of tiny or huge numbers stay in range
    found: Doubles = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    return found


def laid_out(directions: Doubles) -> Floats:
    """float32 [n, 2] between 0 and 1: t-SNE of float64 [n, d] unit rows (van der Maaten and Hinton 2008).

    scikit-learn's, begun at the first two principal components, with a fixed seed and one thread, so that one machine
    gives the same bytes again. Another processor or library rounds otherwise, and t-SNE turns that into other places:
    the neighbourhoods agree, the picture may not. Perplexity is 30, or a third of the rows where that is less.
    Inapplicable where the rows take fewer than ten different places.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    places = len(np.unique(directions.round(_DIGITS), axis=0))
    if places < FEWEST or directions.shape[1] < 2:
        raise Inapplicable(
            f"a map needs {FEWEST} texts with different vectors of 2 or more dimensions; here are {places} of "
            f"{directions.shape[1]}"
        )
    perplexity = min(_PERPLEXITY, (len(directions) - 1) / 3)
    with threadpool_limits(1):
        found = TSNE(perplexity=perplexity, init="pca", random_state=_SEED).fit_transform(directions)
    low, high = found.min(axis=0), found.max(axis=0)
    span = float((high - low).max())
    return np.asarray((found - (low + high) / 2) / span + 0.5, dtype=np.float32).round(4)


def separation(related: Doubles, random: Doubles) -> Separation | None:
    """Of the cosines of related and of random pairs; None where there are none of either."""
    from sklearn.metrics import roc_auc_score

    if not len(related) or not len(random):
        return None
    truth = np.repeat([1, 0], [len(related), len(random)])
    cosines = np.concatenate([related, random]).round(_DIGITS)
    level = float(related.mean())
    return Separation(level, float(random.mean()), float((random > level).mean()), float(roc_auc_score(truth, cosines)))


def shares(cosines: Doubles) -> Doubles:
    """float64 [100]: the share of the cosines in each bin of `EDGES`; zeros where there are none."""
    counts = np.histogram(np.clip(cosines, -1, 1), EDGES)[0]
    found: Doubles = counts / max(1, len(cosines))
    return found


def kept(vectors: Floats) -> Kept:
    """What fewer dimensions keep of [n, d] vectors, each of which must be `sound`; k doubles from 16 up to d."""
    count, width = vectors.shape
    dims = np.array([k for k in 2 ** np.arange(4, 32) if k < width] + [width], dtype=np.int64)
    squares = np.cumsum(unit(vectors) ** 2, axis=1)
    prefix: Doubles = squares.mean(axis=0)[dims - 1] if count else np.full(len(dims), np.nan)
    return Kept(dims, prefix, _principal(vectors.astype(np.float64), dims))


def _principal(vectors: Doubles, dims: NDArray[np.int64]) -> Doubles:
    found = np.full(len(dims), np.nan)
    centred = vectors - vectors.mean(axis=0) if len(vectors) else vectors
    spread = np.linalg.svd(centred, compute_uv=False) ** 2 if len(vectors) else np.empty(0)
    told = dims < len(vectors) - 1
    if spread.sum() > 1e-12 * (vectors**2).sum():  # else they are all equal but for rounding
        found[told] = (np.cumsum(spread) / spread.sum())[dims[told] - 1]
    return found
