"""The first components of a vector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.projection import share_kept, width_of
from harness.types import Floats


@dataclass(frozen=True)
class Truncate:
    """Keeps the first `dim` components, as Matryoshka models are used (arXiv:2205.13147), and renormalises.

    A truncated unit vector has a norm of 0.26 to 0.71, so a dot product without renormalising ranks by length as
    well as by angle. `dim="full"` leaves vectors as they are.
    """

    dim: int | Literal["full"] = "full"

    def fit(self, documents: Floats) -> FittedTruncate:
        """Checks the width of float32 [n, d] documents; Inapplicable when `dim` is not between 1 and d."""
        width = width_of(self.dim, documents)
        if width == documents.shape[1]:
            return FittedTruncate(None, 1.0)
        return FittedTruncate(width, share_kept(documents, lambda rows: rows[:, :width]))


class FittedTruncate:
    """Applies the cut that was fitted; None keeps everything. `variance_kept` is taken before renormalising."""

    def __init__(self, dim: int | None, variance_kept: float) -> None:
        self.dim = dim
        self.variance_kept = variance_kept

    def apply(self, vectors: Floats) -> Floats:
        """float32 [n, d] -> float32 [n, dim] with unit rows; a zero row stays zero."""
        if self.dim is None:
            return vectors
        cut = vectors[:, : self.dim].astype(np.float32)
        norms = np.linalg.norm(cut, axis=1, keepdims=True)
        return np.asarray(cut / np.where(norms == 0, 1, norms), dtype=np.float32)
