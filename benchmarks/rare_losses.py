"""Where few queries show none of the losses there are: bounds of candidates that lose much on a small share of queries.

python benchmarks/rare_losses.py --runs 2000
"""

from __future__ import annotations

import argparse

import numpy as np
from decision_rule import CONFIDENCE, DRAWS, MARGIN, SHARED, printed

from harness.stats.bootstrap import differences, draw, simultaneous

CASES = ((1.0, 0.01), (1.0, 0.0215), (1.0, 0.03), (0.5, 0.043))  # loss, on this share of queries
SIZES = (30, 100, 150, 200, 400)


def rare(loss: float, share: float, n: int, runs: int) -> list[float]:
    """Of five such candidates and a reference without losses, shares of runs.

    The lower bound of the first alone holds; those of all five at once hold; the first is proven within the margin.
    """
    generator, held = np.random.default_rng(n), []
    for number in range(runs):
        if number % SHARED == 0:
            drawn = draw([n], DRAWS, number)
        scores = np.vstack([np.ones(n), 1 - loss * (generator.random((5, n)) < share)])
        one, five = (
            simultaneous(differences([s], [1.0], 0, drawn), CONFIDENCE).one_sided for s in (scores[:2], scores)
        )
        held.append([one[1] <= -loss * share, (five[1:] <= -loss * share).all(), one[1] > -MARGIN])
    return list(np.mean(held, axis=0))


def main() -> None:
    """Print the table."""
    wanted = argparse.ArgumentParser(description=__doc__)
    wanted.add_argument("--runs", type=int, default=2000)
    runs = wanted.parse_args().runs
    titles = (
        "loss | on a share of | queries | lower bound of one holds % | of five at once % | one proven within 0.02 %"
    )
    printed(titles, {(*case, n): rare(*case, n, runs) for case in CASES for n in SIZES})


if __name__ == "__main__":
    main()
