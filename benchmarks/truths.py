"""Superpopulations of queries with known true means, for decision_rule.py: twelve candidates as a sweep has them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.types import Doubles

DIMS = (1024, 768, 384)
# of a code: share of queries it changes, size of a change (Laplace), bytes a dimension. They give paired spreads of
# about 0.008 (int8), 0.11 (half) and 0.14 (binary) to the own float32, and 0.20 between models, as Cranfield has.
CODES = {
    "float32": (0.0, 0.0, 4.0),
    "int8": (0.05, 0.032, 1.0),
    "half": (0.6, 0.125, 2.0),
    "binary": (0.7, 0.15, 0.125),
}
BYTES = np.asarray([int(d * per) for d in DIMS for _, _, per in CODES.values()])
Gaps = Sequence[Sequence[float]]

EQUAL: Gaps = [[0.0] * 4] * 3
HARD: Gaps = [[0.0, -0.0003, -0.021, -0.021], [-0.021] * 4, [-0.021] * 4]
SPREAD: Gaps = [[m + c for c in (0.0, -0.0005, -0.012, -0.04)] for m in (0.0, -0.01, -0.03)]
TRUTHS = {
    "all equal": [EQUAL],
    "just over the margin": [HARD],
    "spread": [SPREAD],
    "three sets, just over": [HARD] * 3,
    "three sets, unlike": [SPREAD, HARD, EQUAL],
}
WEIGHTS = (1.0, 1.0, 2.0)  # of the three sets


def population(gaps: Gaps, queries: int, seed: int) -> Doubles:
    """float64 [12, queries] in 0..1: how hard a query is, what a model adds to it, what a code changes.

    gaps: mean of each candidate less the first one's, by model and code; exact but for bisection.
    """
    generator = np.random.default_rng(seed)
    difficulty = generator.normal(0.55, 0.55, queries)
    top, rows = None, []
    for model in gaps:
        own = difficulty + generator.normal(0, 0.20, queries)
        top = float(np.clip(own, 0, 1).mean()) if top is None else top
        own = lifted(own, np.ones(queries, dtype=bool), top + model[0])
        for (share, size, _), gap in zip(CODES.values(), model, strict=True):
            hit = generator.random(queries) < share
            changed = np.where(hit, own + generator.laplace(0, size, queries), own)
            rows.append(lifted(changed, hit, top + gap) if share else own)
    return np.stack(rows)


def lifted(scores: Doubles, where: NDArray[np.bool_], mean: float) -> Doubles:
    """The scores within 0..1, moved alike at these places until their mean is this."""
    low, high = -2.0, 2.0
    for _ in range(50):
        shift = (low + high) / 2
        moved = np.clip(scores + shift * where, 0, 1)
        low, high = (shift, high) if moved.mean() < mean else (low, shift)
    return moved
