"""Four-bit scalar quantization."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.protocols import Deployed
from harness.scalar import NIBBLE, FittedScalar, even, ranges
from harness.types import Comparison, Floats


@dataclass(frozen=True)
class Int4:
    """16 levels from each dimension's minimum to its maximum, two components to a byte as faiss packs QT_4bit.

    Queries stay float32.
    """

    def fit(self, documents: Floats) -> FittedInt4:
        """Ranges from float32 [n, d] documents; Inapplicable with no documents."""
        return FittedInt4(even(NIBBLE, *ranges(documents, "int4")))


class FittedInt4:
    """Packs and unpacks levels of 0 to 15: the first of two in the low half; an odd last one is paired with 0."""

    def __init__(self, levels: FittedScalar) -> None:
        self.levels = levels

    @property
    def overhead_bytes(self) -> int:
        """Bytes of the ranges, stored once."""
        return self.levels.overhead_bytes

    def encode(self, documents: Floats) -> NDArray[np.uint8]:
        """float32 [n, d] -> uint8 [n, ceil(d / 2)]."""
        levels = self.levels.encode(documents)
        codes = levels[:, ::2].copy()
        codes[:, : levels.shape[1] // 2] |= levels[:, 1::2] << 4
        return codes

    def decode(self, codes: NDArray[np.uint8]) -> Floats:
        """uint8 [n, ceil(d / 2)] -> float32 [n, d], off by half a step at most."""
        levels = np.stack([codes & 15, codes >> 4], axis=2).reshape(len(codes), -1)
        return self.levels.decode(levels[:, : len(self.levels.step)])

    def query(self, queries: Floats) -> Floats:
        """Queries as they are."""
        return queries

    def deployed(self, documents: Floats, comparison: Comparison) -> Deployed | None:
        """faiss IndexScalarQuantizer QT_4bit with our ranges; None for manhattan."""
        return self.levels.deployed(documents, comparison)
