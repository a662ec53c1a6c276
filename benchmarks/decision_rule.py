"""How often the decision rule and its intervals are right where the truth is known, beside rules it replaced.

    python benchmarks/decision_rule.py --runs 2000

A truth is a superpopulation of queries with twelve candidates: three models, each as float32, int8, half dimensions and
binary. Every run draws queries from it, as an eval set is drawn from what people ask, and each rule picks.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from truths import BYTES, SPREAD, TRUTHS, WEIGHTS, population

from harness.candidates import Candidate
from harness.policy import Policy
from harness.ruling import Field, rule
from harness.stats.bootstrap import (
    Bounds,
    Differences,
    Resampled,
    differences,
    draw,
    hierarchical,
    minus,
    resample,
    simultaneous,
)
from harness.stats.contenders import against_best, shortfall
from harness.stats.randomisation import holm, randomised
from harness.stats.scores import means
from harness.types import Doubles

POPULATION, SIZES = 100_000, (30, 100, 200, 400, 800)
MARGIN, CONFIDENCE, DRAWS = 0.02, 0.95, 600
SHARED = 50  # runs with the same draws: these do not look at scores, so only the bootstrap's own noise is shared
SAME = 3  # runs of each cell that go through harness.ruling.rule as well
OLD = "named, errors of the sample"


@dataclass(frozen=True)
class Run:
    """One eval, as drawn: sets float64 [12, n] with weights, their draws, and each candidate's true mean."""

    sets: Sequence[Doubles]
    weights: Sequence[float]
    drawn: Sequence[Doubles]
    truth: Doubles

    @cached_property
    def best(self) -> int:
        """The best observed, the cheaper of equals."""
        seen = means(self.sets, self.weights)
        return int(min(np.flatnonzero(seen >= seen.max() - 1e-12), key=lambda i: BYTES[i]))

    @cached_property
    def named(self) -> Bounds:
        """Against the first candidate, named before anything was seen."""
        return simultaneous(differences(self.sets, self.weights, 0, self.drawn), CONFIDENCE)

    @cached_property
    def fixed(self) -> Bounds:
        """As `named` with the standard error of the draws in place of each draw's own: what the harness had before."""
        found = minus(Resampled(means(self.sets, self.weights), self.resampled), 0)
        error = found.draws.std(axis=0, ddof=1)
        t = (found.draws - found.observed) / np.where(error > 0, error, 1.0)
        return simultaneous(Differences(found.observed, error, t), CONFIDENCE)

    @property
    def resampled(self) -> Doubles:
        """float64 [draws, 12]: the weighted mean of each draw."""
        whole = sum(self.weights)
        return np.sum(
            [w / whole * d @ s.T for w, d, s in zip(self.weights, self.drawn, self.sets, strict=True)], axis=0
        )

    @cached_property
    def observed(self) -> Bounds:
        """Against the best observed."""
        plain = differences(self.sets, self.weights, self.best, self.drawn)
        return against_best(plain, self.sets, self.weights, self.drawn, CONFIDENCE)

    @cached_property
    def p_values(self) -> Doubles:
        """Two-sided p of each candidate against the best observed; the same signs are drawn in every run."""
        return randomised(self.sets, self.weights, self.best, DRAWS, 0)


def runs_of(populations: Sequence[Doubles], n: int, runs: int) -> Iterator[Run]:
    """Runs of n queries a set; `SHARED` of them share their draws."""
    weights = WEIGHTS[: len(populations)] if len(populations) > 1 else (1.0,)
    truth = means(populations, weights)
    generator = np.random.default_rng(n)
    for number in range(runs):
        if number % SHARED == 0:
            drawn = draw([n] * len(populations), DRAWS, number)
        sets = [p[:, generator.integers(0, p.shape[1], n)] for p in populations]
        yield Run(sets, weights, drawn, truth)


def default(run: Run) -> int | None:
    """The rule of harness.ruling; None where it says that the evidence is insufficient."""
    bounds = run.observed
    proven = bounds.one_sided > -MARGIN
    open_ = (bounds.high > -MARGIN) & ~proven & (BYTES[run.best] > BYTES)
    if proven.sum() == 1 and open_.any():
        return None
    return cheapest(proven)


def strict(run: Run) -> int | None:
    """The default rule, which ships only what is shown to be within the margin of any that may be the best."""
    pick = default(run)
    short = pick is not None and shortfall(run.sets, run.weights, pick, run.drawn, CONFIDENCE) < MARGIN
    return pick if short else None


def cheapest(allowed: NDArray[np.bool_]) -> int:
    """The one with the fewest bytes a document."""
    return int(min(np.flatnonzero(allowed), key=lambda i: BYTES[i]))


def not_significant(run: Run) -> int:
    """Whatever is not significantly different from the best may be shipped."""
    return cheapest(run.p_values >= 0.05)


def not_significant_holm(run: Run) -> int:
    """The same with Holm's correction."""
    others = np.arange(len(BYTES)) != run.best
    p = run.p_values.copy()
    p[others] = holm(p[others])
    return cheapest(p >= 0.05)


def best_mean(run: Run) -> int:
    """No statistics."""
    return run.best


def weighted_sum(run: Run) -> int:
    """Quality and size (its logarithm), each from 0 to 1 over the candidates, half and half."""
    seen, small = means(run.sets, run.weights), -np.log(BYTES)
    return int(np.argmax(sum((v - v.min()) / (v.max() - v.min()) for v in (seen, small))))


RULES: Mapping[str, Callable[[Run], int | None]] = {
    "default": default,
    "default, any may be best": strict,
    "p >= 0.05, cheapest": not_significant,
    "Holm p >= 0.05, cheapest": not_significant_holm,
    "best mean": best_mean,
    "weighted sum": weighted_sum,
}


def covers(run: Run, reference: int, bounds: Bounds) -> list[bool]:
    """Whether all one-sided bounds hold, and all two-sided ones."""
    true = run.truth - run.truth[reference]
    fits = (bounds.low <= true + 1e-12) & (bounds.high >= true - 1e-12)
    return [bool((bounds.one_sided <= true + 1e-12).all()), bool(fits.all())]


def shipped(run: Run, pick: int | None) -> list[float]:
    """Worse than the reference, than the truly best, nothing shipped, bytes saved against the best observed."""
    if pick is None:
        return [0.0, 0.0, 1.0, 0.0]
    lost = [float(run.truth[pick] < run.truth[other] - MARGIN) for other in (run.best, int(run.truth.argmax()))]
    return [*lost, 0.0, 1 - BYTES[pick] / BYTES[run.best]]


def field(run: Run) -> Field:
    """The run as what harness.ruling decides on."""
    empty = Candidate("", "", {}, {}, {}, {}, {}, "")
    k, n = len(run.sets), run.sets[0].shape[1]
    ranks = np.argsort(np.argsort(BYTES))
    shares = tuple(w / sum(run.weights) for w in run.weights)
    return Field((empty,) * len(BYTES), tuple(run.sets), shares, (False,) * k, (n,) * k, (1.0,) * k, ranks)


class Cell(NamedTuple):
    """Shares of runs: coverage by kind of bounds, what came of each rule; and picks unlike those of `rule`."""

    coverage: Mapping[str, Doubles]
    rules: Mapping[str, Doubles]
    unlike: int


def cell(asked: tuple[str, int, int]) -> Cell:
    """One truth (by name) at a number of queries a set, over so many runs."""
    name, n, runs = asked
    populations = [population(gaps, POPULATION, seed) for seed, gaps in enumerate(TRUTHS[name])]
    coverage: dict[str, list[list[bool]]] = {}
    rules: dict[str, list[list[float]]] = {}
    unlike = 0
    for number, run in enumerate(runs_of(populations, n, runs)):
        kinds = {"named": (0, run.named), "best observed": (run.best, run.observed), OLD: (0, run.fixed)}
        for kind, (reference, bounds) in kinds.items():
            coverage.setdefault(kind, []).append(covers(run, reference, bounds))
        for label, choose in RULES.items():
            rules.setdefault(label, []).append(shipped(run, choose(run)))
        if number < SAME:  # the first runs have the draws of seed 0
            theirs = rule(field(run), Policy(margin=MARGIN, confidence=CONFIDENCE), DRAWS, 0).pick
            unlike += default(run) not in (None, theirs)
    held = {kind: np.mean(v, axis=0) for kind, v in coverage.items()}
    return Cell(held, {label: np.mean(v, axis=0) for label, v in rules.items()}, unlike)


def other_sets(sets: int, runs: int) -> list[float]:
    """Coverage of one difference's percentile interval (95 %) for eval sets not seen: over sets too, and items only."""
    generator = np.random.default_rng(sets)
    pool = []
    for number in range(40):
        mood = generator.normal(0, 0.02, (3, 4))
        mood[0, 0] = 0.0
        pool.append(population((np.asarray(SPREAD) + mood).tolist(), 4000, number))
    true = float(np.mean([p[4].mean() - p[0].mean() for p in pool]))
    held = []
    for number in range(runs):
        chosen = [pool[i] for i in generator.integers(0, 40, sets)]
        drawn = [p[:, generator.integers(0, 4000, 200)][[0, 4]] for p in chosen]
        for how in (hierarchical, resample):
            ends = np.quantile(minus(how(drawn, [1.0] * sets, 300, number), 0).draws[:, 1], [0.025, 0.975])
            held.append(ends[0] <= true <= ends[1])
    return list(np.mean(np.reshape(held, (runs, 2)), axis=0))


def speed() -> str:
    """Seconds for 5,000 draws, 100 candidates and 1,000 queries."""
    scores = [np.random.default_rng(0).random((100, 1000))]
    marks = [time.perf_counter()]
    drawn = draw([1000], 5000, 0)
    marks.append(time.perf_counter())
    plain = differences(scores, [1.0], 0, drawn)
    simultaneous(plain, CONFIDENCE)
    marks.append(time.perf_counter())
    against_best(
        differences(scores, [1.0], int(scores[0].mean(axis=1).argmax()), drawn), scores, [1.0], drawn, CONFIDENCE
    )
    marks.append(time.perf_counter())
    randomised(scores, [1.0], 0, 5000, 0)
    marks.append(time.perf_counter())
    names = ("drawing", "bounds to a named reference", "bounds to the best observed", "randomisation test")
    return ", ".join(f"{name} {b - a:.2f}" for name, a, b in zip(names, marks, marks[1:], strict=False))


def printed(titles: str, rows: Mapping[tuple[object, ...], Sequence[float] | Doubles]) -> None:
    """A Markdown table of shares in per cent."""
    print(f"| {titles} |\n|" + "---|" * (titles.count("|") + 1))
    for names, values in rows.items():
        print("| " + " | ".join([*map(str, names), *(f"{100 * value:.1f}" for value in values)]) + " |")
    print()


def main() -> None:
    """Print the tables."""
    wanted = argparse.ArgumentParser(description=__doc__)
    wanted.add_argument("--runs", type=int, default=2000)
    runs, started = wanted.parse_args().runs, time.perf_counter()
    asked = [(name, n, runs) for name in TRUTHS for n in SIZES]
    with ProcessPoolExecutor() as pool:
        cells = list(pool.map(cell, asked))
    both = list(zip(asked, cells, strict=True))
    printed(
        "truth | queries | reference | one-sided bounds hold % | two-sided %",
        {(name, n, kind): v for (name, n, _), found in both for kind, v in found.coverage.items()},
    )
    printed(
        "truth | queries | rule | ships worse than reference % | than truly best % | abstains % | bytes saved %",
        {(name, n, label): v for (name, n, _), found in both for label, v in found.rules.items()},
    )
    printed("eval sets | over sets too % | items only %", {(k,): other_sets(k, min(runs, 500)) for k in (3, 8, 20)})
    print(f"Seconds for 5,000 draws, 100 candidates, 1,000 queries: {speed()}.")
    unlike, took = sum(found.unlike for found in cells), time.perf_counter() - started
    print(f"Picks unlike harness.ruling.rule: {unlike} of {SAME * len(cells)}. {runs} runs a cell, {took:.0f} s.")


if __name__ == "__main__":
    main()
