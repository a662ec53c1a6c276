"""Share of the ranking that somebody judged."""

from dataclasses import dataclass

import numpy as np

from harness.types import Doubles, Judged


@dataclass(frozen=True)
class JudgedShare:
    """Judged documents in the first k over the documents found there; ir_measures' Judged@k.

    Low values mean that the labels were made for another engine and the other scores are floors.
    """

    k: int = 10

    @property
    def key(self) -> str:
        """Name in tables."""
        return f"judged_at_{self.k}"

    def score(self, judged: Judged) -> Doubles:
        """float64 [n] in 0..1; NaN for a query with nothing found, which the mean leaves out."""
        known = (judged.grades[:, : self.k] >= 0).sum(axis=1)
        found = judged.found[:, : self.k].sum(axis=1)
        return np.where(found > 0, known / np.maximum(found, 1), np.nan)
