"""Share of the relevant documents that were found."""

from dataclasses import dataclass

import numpy as np

from harness.types import Doubles, Judged


@dataclass(frozen=True)
class Recall:
    """Relevant documents in the first k over all relevant documents (trec_eval's recall_k)."""

    k: int = 100

    @property
    def key(self) -> str:
        """Name in tables, in mteb's spelling."""
        return f"recall_at_{self.k}"

    def score(self, judged: Judged) -> Doubles:
        """float64 [n] in 0..1."""
        found = (judged.grades[:, : self.k] > 0).sum(axis=1)
        return np.asarray(found / (judged.ideal > 0).sum(axis=1), dtype=np.float64)
