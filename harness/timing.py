"""Measurement of speed: raw samples with an injected clock, and what is derived from them."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

import numpy as np

from harness.types import Doubles, HarnessError

Clock = Callable[[], float]
_SETTLED = 0.10
_LAST = 5
_WARMUP_LIMIT = 200
_WARMUP_S, _ROUNDS_S = 20.0, 60.0  # a pipeline with a cross-encoder takes seconds a call: fewer calls then
_FEWEST, _MOST = 10, 5000
_TICK_S = 1e-9
_T_95 = {2: 6.314, 3: 2.920, 4: 2.353, 5: 2.132, 6: 2.015, 7: 1.943, 8: 1.895, 9: 1.860, 10: 1.833}
P99_SAMPLES = 500
_VECTORS = (
    "torch", "sentence-transformers", "transformers", "tokenizers", "numpy", "wordllama", "model2vec", "onnxruntime",
    "openvino",
)  # fmt: skip
_SEARCHES = ("bm25s", "PyStemmer", "faiss-cpu")
_RANKINGS = ("bm25s", "PyStemmer", "faiss-cpu", "mteb", "scikit-learn", "scipy")


class WarmUp(NamedTuple):
    """What the calls before the samples took, in seconds; `settled`: the last five lay within 10 % of each other."""

    durations: list[float]
    settled: bool

    @property
    def values(self) -> dict[str, Any]:
        """For the record: the first call, which stands apart (a cold start), and how many there were."""
        return {"first_ms": self.durations[0] * 1000, "warmup_calls": len(self.durations)}

    @property
    def warnings(self) -> tuple[str, ...]:
        """A line where the calls never became alike."""
        made = len(self.durations)
        return () if self.settled else (f"calls still differed by over 10% after {made} warm-up calls",)


def warm_up(call: Callable[[int], object], least: int, clock: Clock = time.perf_counter) -> WarmUp:
    """Call until the last five durations lie within 10% of each other, at least `least` times.

    At most 200 times, or `least` where that is more, or for 20 s. `call` gets a running number.
    """
    durations: list[float] = []
    while len(durations) < max(_WARMUP_LIMIT, least) and (len(durations) < 2 or sum(durations) < _WARMUP_S):
        durations.append(timed(call, len(durations), clock))
        last = durations[-_LAST:]
        if len(durations) >= max(least, _LAST) and max(last) - min(last) < _SETTLED * min(last):
            return WarmUp(durations, True)
    return WarmUp(durations, False)


def calls_in(durations: Sequence[float], repeats: int, calls: int, seconds: float) -> int:
    """How many calls a round has, from what the last five took: at least `calls`, and as many as fill `seconds`.

    All rounds together take about a minute, or have ten calls each where that takes longer; 5,000 a round at most.
    """
    last = sorted(durations[-_LAST:])
    quickest, typical = max(last[0], _TICK_S), max(last[len(last) // 2], _TICK_S)
    wanted = max(calls, math.ceil(min(seconds / quickest, _MOST)))
    fitting = max(min(_FEWEST, calls), int(_ROUNDS_S / repeats / typical))
    return min(wanted, fitting, max(calls, _MOST))


class Laps:
    """A stopwatch for the stages of one call after another: `start`, then a call of it at the end of each stage."""

    def __init__(self, clock: Clock = time.perf_counter) -> None:
        self.clock = clock
        self.calls: list[dict[str, float]] = []

    def start(self) -> None:
        """A new call begins."""
        self.calls.append({})
        self._last = self.clock()

    def __call__(self, stage: str) -> None:
        """The stage of this name has ended; one that comes twice in a call is added up."""
        now = self.clock()
        own = self.calls[-1]
        own[stage] = own.get(stage, 0.0) + now - self._last
        self._last = now

    def stages(self, repeats: int, calls: int) -> dict[str, Doubles]:
        """Seconds, float64 [repeats, calls], of each stage in the last calls; 0 where one left it out."""
        last = self.calls[len(self.calls) - repeats * calls :]
        names = dict.fromkeys(name for one in last for name in one)
        return {n: np.asarray([one.get(n, 0.0) for one in last]).reshape(repeats, calls) for n in names}


def interleaved(
    calls: Mapping[str, Callable[[], object]], repeats: int, clock: Clock = time.perf_counter
) -> dict[str, Doubles]:
    """Seconds, float64 [repeats], of each call; all in turn each round, so drift of the machine meets them alike."""
    for call in calls.values():
        call()
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            taken[name].append(timed(lambda _, c=call: c(), 0, clock))  # type: ignore[misc]
    return {name: np.asarray(values, dtype=np.float64) for name, values in taken.items()}


def timed(call: Callable[[int], object], number: int, clock: Clock) -> float:
    """Seconds that one call takes."""
    start = clock()
    call(number)
    return clock() - start


def latency(seconds: Doubles) -> dict[str, float | None]:
    """Percentiles over all rounds in milliseconds, and the spread and upper 95% bound of the rounds' own p95.

    float64 [repeats, calls]. p99 is withheld (None) under 500 samples; the bound needs two rounds (Student's t).
    """
    ms = seconds * 1000
    rounds = np.percentile(ms, 95, axis=1)
    upper = upper_bound(rounds)
    return {
        "query_p50_ms": float(np.percentile(ms, 50)),
        "query_p95_ms": float(np.percentile(ms, 95)),
        "query_p99_ms": float(np.percentile(ms, 99)) if ms.size >= P99_SAMPLES else None,
        "query_p95_ms_upper": upper,
        "query_p95_ms_spread": float(rounds.max() - rounds.min()),
        "samples": float(ms.size),
    }


def upper_bound(repeats: Doubles) -> float | None:
    """One-sided upper 95% bound of the mean of the repeats; None with fewer than two."""
    n = len(repeats)
    if n < min(_T_95):
        return None
    factor = _T_95.get(n, 1.812 if n <= 20 else 1.73)
    return float(repeats.mean() + factor * repeats.std(ddof=1) / np.sqrt(n))


def quietly(_: str) -> None:
    """A lap that is not kept: of calls that are no samples."""


def check_least(where: str, part: object, least: Mapping[str, float]) -> None:
    """HarnessError, with the option's dotted name, where a setting is below what makes sense or no finite number."""
    for name, low in least.items():
        value = getattr(part, name)
        if not low <= value < math.inf:
            kind = "whole number" if isinstance(low, int) and isinstance(value, int) else "number"
            finite = "finite " if value == math.inf else ""
            raise HarnessError(f"{where}.{name}={value}: expected a {finite}{kind} of at least {low:g}")


def noise(rounds: Sequence[float] | Doubles) -> tuple[str, ...]:
    """A warning where the rounds of one measurement lie more than 15% apart."""
    values = np.asarray(rounds, dtype=np.float64)
    spread = float((values.max() - values.min()) / np.median(values)) if len(values) else 0.0
    if not spread > 0.15:
        return ()
    return (f"repeats lie {spread:.0%} apart; close other programs and run again with timing=full",)


def versions() -> dict[str, str]:
    """Versions of the libraries that decide vectors; part of the identity of every stored vector."""
    return {name: _version(name) for name in _VECTORS}


def all_versions() -> dict[str, str]:
    """Those, and the libraries that decide rankings of given vectors; part of every record's identity."""
    return versions() | {name: _version(name) for name in _RANKINGS}


def speed_versions() -> dict[str, str]:
    """Versions of the libraries that decide how long something takes; mteb and scikit-learn take no part in it."""
    return versions() | {name: _version(name) for name in _SEARCHES}


def load() -> float:
    """Load average of the last minute."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else float("nan")


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
