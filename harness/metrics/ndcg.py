"""Normalised discounted cumulative gain."""

from dataclasses import dataclass

import numpy as np

from harness.types import Doubles, Judged


@dataclass(frozen=True)
class Ndcg:
    """nDCG@k with linear gains and log2(rank + 1) discount, as trec_eval's ndcg_cut (Jarvelin and Kekalainen 2002).

    Exponential gains (2^rel - 1) are another metric.
    """

    k: int = 10

    @property
    def key(self) -> str:
        """Name in tables, in mteb's spelling."""
        return f"ndcg_at_{self.k}"

    def score(self, judged: Judged) -> Doubles:
        """float64 [n] in 0..1; `judged` holds only queries with a relevant document, so the ideal is above 0."""
        gained = _dcg(np.maximum(judged.grades[:, : self.k], 0))
        result: Doubles = gained / _dcg(judged.ideal[:, : self.k])
        return result


def _dcg(gains: np.ndarray) -> Doubles:
    discount = 1 / np.log2(np.arange(2, gains.shape[1] + 2, dtype=np.float64))
    # Added from the top down, so a score depends on no other query and a perfect ranking is exactly 1.
    result: Doubles = (gains * discount).cumsum(axis=1)[:, -1]
    return result
