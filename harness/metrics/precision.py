"""Share of the first k that is relevant."""

from dataclasses import dataclass

import numpy as np

from harness.types import Doubles, Judged


@dataclass(frozen=True)
class Precision:
    """Relevant documents in the first k over k, also where fewer than k were found (trec_eval's P_k)."""

    k: int = 10

    @property
    def key(self) -> str:
        """Name in tables, in mteb's spelling."""
        return f"precision_at_{self.k}"

    def score(self, judged: Judged) -> Doubles:
        """float64 [n] in 0..1."""
        return np.asarray((judged.grades[:, : self.k] > 0).sum(axis=1) / self.k, dtype=np.float64)
