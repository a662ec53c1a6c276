"""Reciprocal rank of the first relevant document."""

from dataclasses import dataclass

import numpy as np

from harness.types import Doubles, Judged


@dataclass(frozen=True)
class Mrr:
    """1 / rank of the first relevant document within the first k, else 0 (Voorhees 1999; recip_rank of a cut run)."""

    k: int = 10

    @property
    def key(self) -> str:
        """Name in tables, in mteb's spelling."""
        return f"mrr_at_{self.k}"

    def score(self, judged: Judged) -> Doubles:
        """float64 [n] in 0..1."""
        hits = judged.grades[:, : self.k] > 0
        return np.where(hits.any(axis=1), 1 / (hits.argmax(axis=1) + 1), 0.0)
