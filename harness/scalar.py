"""Scalar quantization: every component is rounded by itself, to evenly spaced values or to a shorter float."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.protocols import Deployed
from harness.types import Comparison, Floats, Inapplicable

Ends = NDArray[np.floating[Any]]


class Grid(NamedTuple):
    """The whole numbers from `least` to `most` as codes of a numpy type; `origin` is the code of the value `low`."""

    dtype: type[np.integer[Any]]
    least: int
    most: int
    origin: int


SIGNED, BALANCED, UNSIGNED = Grid(np.int8, -128, 127, -128), Grid(np.int8, -127, 127, 0), Grid(np.uint8, 0, 255, 0)
NIBBLE = Grid(np.uint8, 0, 15, 0)


class FittedScalar:
    """step, low: float32 [d]; code c stands for low + step * (c - grid.origin). Without `low`, that is 0."""

    def __init__(self, grid: Grid, step: Floats, low: Floats | None = None) -> None:
        self.grid = grid
        self.step: Floats = np.where(step == 0, np.float32(1), step)  # a dimension that never changes stays exact
        self.low: Floats = np.zeros_like(step) if low is None else low
        self.overhead_bytes = step.nbytes + (0 if low is None else low.nbytes)  # ranges, stored once

    def encode(self, documents: Floats) -> NDArray[Any]:
        """float32 [n, d] -> codes [n, d]; values outside the range are clipped."""
        levels = np.rint((documents - self.low) / self.step) + self.grid.origin
        return np.asarray(np.clip(levels, self.grid.least, self.grid.most), dtype=self.grid.dtype)

    def decode(self, codes: NDArray[Any]) -> Floats:
        """Codes [n, d] -> float32 [n, d], off by half a step at most where nothing was clipped."""
        result: Floats = (codes.astype(np.float32) - np.float32(self.grid.origin)) * self.step + self.low
        return result

    def query(self, queries: Floats) -> Floats:
        """Queries as they are."""
        return queries

    def deployed(self, documents: Floats, comparison: Comparison) -> Deployed | None:
        """faiss IndexScalarQuantizer (QT_8bit, QT_4bit) with our ranges; None for manhattan.

        faiss rounds down and decodes to the middle of a step: half a step lower, its codes mean what ours mean.
        """
        kind, steps = ("QT_4bit", 15) if self.grid is NIBBLE else ("QT_8bit", 255)
        lowest = self.low + self.step * (self.grid.least - self.grid.origin)
        trained = np.concatenate([lowest - self.step / 2, self.step * steps])
        return scalar_index(kind, documents, comparison, trained.astype(np.float32))


def even(grid: Grid, low: Ends, high: Ends) -> FittedScalar:
    """The codes of a grid spread evenly from low to high, float [d] each."""
    step = (high - low).astype(np.float32) / np.float32(grid.most - grid.least)
    return FittedScalar(grid, step, low.astype(np.float32))


def ranges(documents: Floats, name: str, clip: float = 1.0) -> tuple[Ends, Ends]:
    """Float [d] each: lowest and highest value of each dimension, of the share `clip` in the middle where under 1.

    Inapplicable with no documents.
    """
    _check(documents, name)
    if clip == 1:
        return documents.min(axis=0), documents.max(axis=0)
    tail = (1 - clip) / 2
    columns = np.array_split(documents, documents.shape[1], axis=1)  # one at a time: a quantile copies
    low, high = np.hstack([np.quantile(column, [tail, 1 - tail], axis=0) for column in columns])
    return low, high


def largest(documents: Floats, name: str, clip: float = 1.0) -> Floats:
    """float32 [d]: the largest magnitude of each dimension, of the share `clip` of the smallest where under 1.

    Inapplicable with no documents.
    """
    _check(documents, name)
    if clip == 1:
        found: Floats = np.maximum(documents.max(axis=0), -documents.min(axis=0)).astype(np.float32)
        return found
    return np.array([np.quantile(np.abs(column), clip) for column in documents.T], dtype=np.float32)


def _check(documents: Floats, name: str) -> None:
    if not len(documents):
        raise Inapplicable(f"{name} needs documents to calibrate on")


def scalar_index(
    kind: str, documents: Floats, comparison: Comparison, trained: Floats | None = None
) -> Deployed | None:
    """faiss IndexScalarQuantizer of a kind such as QT_fp16 over float32 [n, d] documents; None for manhattan.

    trained: float32 [2 d], the lowest value of each dimension and its extent, where the kind has ranges.
    """
    if comparison == "manhattan":
        return None
    import faiss

    metric = faiss.METRIC_L2 if comparison == "euclidean" else faiss.METRIC_INNER_PRODUCT
    index = faiss.IndexScalarQuantizer(documents.shape[1], getattr(faiss.ScalarQuantizer, kind), metric)
    if trained is not None:
        faiss.copy_array_to_vector(trained, index.sq.trained)
        index.is_trained = True
    index.add(documents)
    return index
