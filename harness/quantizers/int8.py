"""Eight-bit scalar quantization."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.types import Floats, Inapplicable


@dataclass(frozen=True)
class Int8:
    """One signed byte a component, with a range per dimension taken from the documents.

    `clip` is the share of documents inside the range, split over both tails; 1.0 takes minimum and maximum.
    Queries stay float32 and the score is their product with the dequantised documents (asymmetric), as vector
    stores do. sentence-transformers' `quantize_embeddings` without `ranges` calibrates on each call and leaves the
    dequantising to the caller; scored on its integers the ranking is another one.
    """

    clip: float = 1.0

    def fit(self, documents: Floats) -> FittedInt8:
        """Ranges from float32 [n, d] documents; Inapplicable with no documents or a clip outside (0, 1]."""
        if not 0 < self.clip <= 1:
            raise Inapplicable(f"int8: clip={self.clip} must lie above 0 and not above 1")
        if not len(documents):
            raise Inapplicable("int8 needs documents to calibrate on")
        tail = (1 - self.clip) / 2
        if tail == 0:
            low, high = documents.min(axis=0), documents.max(axis=0)
        else:
            columns = np.array_split(documents, documents.shape[1], axis=1)  # one at a time: a quantile copies
            low, high = np.hstack([np.quantile(column, [tail, 1 - tail], axis=0) for column in columns])
        step = (high - low).astype(np.float32) / np.float32(255)
        return FittedInt8(low.astype(np.float32), np.where(step == 0, np.float32(1), step))


class FittedInt8:
    """low, step: float32 [d]; code c stands for low + step * (c + 128)."""

    def __init__(self, low: Floats, step: Floats) -> None:
        self.low = low
        self.step = step

    @property
    def overhead_bytes(self) -> int:
        """Bytes of the ranges, stored once."""
        return int(self.low.nbytes + self.step.nbytes)

    def encode(self, documents: Floats) -> NDArray[np.int8]:
        """float32 [n, d] -> int8 [n, d]; values outside the range are clipped."""
        levels = np.rint((documents - self.low) / self.step)
        return np.asarray(np.clip(levels, 0, 255) - 128, dtype=np.int8)

    def decode(self, codes: NDArray[np.int8]) -> Floats:
        """int8 [n, d] -> float32 [n, d], off by half a step at most where nothing was clipped."""
        result: Floats = (codes.astype(np.float32) + np.float32(128)) * self.step + self.low
        return result

    def query(self, queries: Floats) -> Floats:
        """Queries as they are."""
        return queries
