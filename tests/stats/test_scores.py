"""What no statistic is computed of."""

from __future__ import annotations

import numpy as np
import pytest

from harness.stats.bootstrap import differences, draw, hierarchical, resample
from harness.stats.randomisation import randomised
from harness.stats.scores import means, shares
from harness.types import HarnessError

GOOD = np.asarray([[0.1, 0.2, 0.3], [0.3, 0.2, 0.1]])
BAD = {
    "no set": ([], []),
    "a weight too few": ([GOOD, GOOD], [1]),
    "a set without items": ([GOOD, GOOD[:, :0]], [1, 1]),
    "another number of candidates": ([GOOD, GOOD[:1]], [1, 1]),
    "one list of scores": ([GOOD[0]], [1]),
    "not a number": ([np.where(GOOD > 0.2, np.nan, GOOD)], [1]),
    "infinite": ([np.where(GOOD > 0.2, np.inf, GOOD)], [1]),
    "weight 0": ([GOOD, GOOD], [1, 0]),
    "negative weight": ([GOOD, GOOD], [3, -1]),
    "weight that is no number": ([GOOD], [float("nan")]),
}


@pytest.mark.parametrize("case", BAD)
def test_every_statistic_refuses(case: str) -> None:
    sets, weights = BAD[case]
    drawn = draw([3] * max(len(sets), 1), 5, 0)
    for compute in (
        lambda: means(sets, weights),
        lambda: resample(sets, weights, 5, 0),
        lambda: hierarchical(sets, weights, 5, 0),
        lambda: differences(sets, weights, 0, drawn),
        lambda: randomised(sets, weights, 0, 5, 0),
    ):
        with pytest.raises(HarnessError):
            compute()


def test_shares_sum_to_one_and_weigh_the_means() -> None:
    assert shares([GOOD, GOOD], [1, 3]).tolist() == [0.25, 0.75]
    np.testing.assert_allclose(means([GOOD, np.asarray([[1.0], [0.0]])], [1, 3]), [0.05 + 0.75, 0.05])
