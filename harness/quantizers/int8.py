"""Eight-bit scalar quantization."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.scalar import BALANCED, SIGNED, FittedScalar, even, largest, ranges
from harness.types import Floats, Inapplicable


@dataclass(frozen=True)
class Int8:
    """One signed byte a component, with a range per dimension taken from the documents.

    `clip` is the share of documents inside the range, split over both tails; 1.0 takes minimum and maximum.
    `symmetric` puts the range evenly around zero: 0 stays 0, and code c is c x max|x| / 127. Queries stay float32 and
    the score is their product with the dequantised documents (asymmetric), as vector stores do.
    sentence-transformers' `quantize_embeddings` without `ranges` calibrates on each call, rounds down and leaves the
    dequantising to the caller; scored on its integers the ranking is another one.
    """

    clip: float = 1.0
    symmetric: bool = False

    def fit(self, documents: Floats) -> FittedScalar:
        """Ranges from float32 [n, d] documents; Inapplicable with no documents or a clip outside (0, 1]."""
        if not 0 < self.clip <= 1:
            raise Inapplicable(f"int8: clip={self.clip} must lie above 0 and not above 1")
        if self.symmetric:
            return FittedScalar(BALANCED, largest(documents, "int8", self.clip) / np.float32(127))
        return even(SIGNED, *ranges(documents, "int8", self.clip))
