"""Mean of the precision at each relevant document."""

from dataclasses import dataclass

import numpy as np

from harness.types import Doubles, Judged


@dataclass(frozen=True)
class Map:
    """Average precision over the first k, divided by all relevant documents (trec_eval's map_cut)."""

    k: int = 100

    @property
    def key(self) -> str:
        """Name in tables, in mteb's spelling."""
        return f"map_at_{self.k}"

    def score(self, judged: Judged) -> Doubles:
        """float64 [n] in 0..1."""
        hits = judged.grades[:, : self.k] > 0
        precision = hits.cumsum(axis=1) / np.arange(1, hits.shape[1] + 1)
        return np.asarray((precision * hits).sum(axis=1) / (judged.ideal > 0).sum(axis=1), dtype=np.float64)
