"""Whether anything relevant was found."""

from dataclasses import dataclass

import numpy as np

from harness.types import Doubles, Judged


@dataclass(frozen=True)
class HitRate:
    """1 where the first k hold a relevant document, else 0 (trec_eval's success_k)."""

    k: int = 10

    @property
    def key(self) -> str:
        """Name in tables, in mteb's spelling."""
        return f"hit_rate_at_{self.k}"

    def score(self, judged: Judged) -> Doubles:
        """float64 [n], 0 or 1."""
        return np.asarray((judged.grades[:, : self.k] > 0).any(axis=1), dtype=np.float64)
