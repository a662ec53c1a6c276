"""nDCG over judged documents only."""

from dataclasses import dataclass

import numpy as np

from harness.types import Doubles, Judged


@dataclass(frozen=True)
class CondensedNdcg:
    """nDCG@k of the ranking without its unjudged documents (Sakai 2007, condensed lists).

    Stands beside nDCG where labels may favour one engine. Documents move up only from within the first `depth`, so
    the score does not depend on the other metrics asked for.
    """

    k: int = 10
    depth: int = 100

    @property
    def key(self) -> str:
        """Name in tables."""
        return f"ndcg_condensed_at_{self.k}"

    def score(self, judged: Judged) -> Doubles:
        """float64 [n] in 0..1."""
        ranked = judged.grades[:, : self.depth]
        seen = ranked >= 0
        place = seen.cumsum(axis=1)  # of a judged document among the judged ones, from 1
        query, column = np.nonzero(seen & (place <= self.k))
        grades = np.zeros((len(ranked), self.k))
        grades[query, place[query, column] - 1] = ranked[query, column]
        ideal = judged.ideal[:, : self.k].astype(np.float64)
        discount = 1 / np.log2(np.arange(2, self.k + 2))
        gained, possible = ((g * discount[: g.shape[1]]).cumsum(axis=1)[:, -1] for g in (grades, ideal))
        result: Doubles = gained / possible
        return result
