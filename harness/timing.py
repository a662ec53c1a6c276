"""Measurement of speed: raw samples with an injected clock, and the machine they were taken on."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.types import Doubles

Clock = Callable[[], float]
_SETTLED = 0.10
_LAST = 5
_WARMUP_LIMIT = 200
_T_95 = {2: 6.314, 3: 2.920, 4: 2.353, 5: 2.132, 6: 2.015, 7: 1.943, 8: 1.895, 9: 1.860, 10: 1.833}
_P99_SAMPLES = 500


class Samples(NamedTuple):
    """Raw durations of one call each, seconds: float64 [repeats, calls]; the first call ever; warm-up calls made."""

    seconds: Doubles
    first_s: float
    warmup: int
    settled: bool


def warm_up(call: Callable[[int], None], least: int, clock: Clock = time.perf_counter) -> tuple[float, int, bool]:
    """Call until the last five durations lie within 10% of each other, at least `least` and at most 200 times.

    Gives the first call's seconds, the number of calls and whether it settled. `call` gets a running number.
    """
    durations: list[float] = []
    while len(durations) < _WARMUP_LIMIT:
        durations.append(_timed(call, len(durations), clock))
        last = durations[-_LAST:]
        if len(durations) >= max(least, _LAST) and max(last) - min(last) < _SETTLED * min(last):
            return durations[0], len(durations), True
    return durations[0], len(durations), False


def sample(
    call: Callable[[int], None], repeats: int, calls: int, warmup: int, clock: Clock = time.perf_counter
) -> Samples:
    """Warm up, then time `repeats` rounds of `calls` single calls; call i of every round gets number i."""
    first, made, settled = warm_up(call, warmup, clock)
    seconds = [[_timed(call, i, clock) for i in range(calls)] for _ in range(repeats)]
    return Samples(np.asarray(seconds, dtype=np.float64), first, made, settled)


def interleaved(
    calls: Mapping[str, Callable[[], object]], repeats: int, clock: Clock = time.perf_counter
) -> dict[str, Doubles]:
    """Seconds, float64 [repeats], of each call; all in turn each round, so drift of the machine meets them alike."""
    for call in calls.values():
        call()
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            taken[name].append(_timed(lambda _, c=call: c(), 0, clock))  # type: ignore[misc]
    return {name: np.asarray(values, dtype=np.float64) for name, values in taken.items()}


def _timed(call: Callable[[int], None], number: int, clock: Clock) -> float:
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
        "query_p99_ms": float(np.percentile(ms, 99)) if ms.size >= _P99_SAMPLES else None,
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


def noise(rounds: Sequence[float] | Doubles, what: str) -> tuple[str, ...]:
    """A warning where the rounds of one measurement lie more than 15% apart."""
    values = np.asarray(rounds, dtype=np.float64)
    spread = float((values.max() - values.min()) / np.median(values)) if len(values) else 0.0
    if spread <= 0.15:
        return ()
    return (f"{what}: repeats lie {spread:.0%} apart; close other programs and run again with timing=full",)


def machine() -> dict[str, Any]:
    """What decides speed here: processor, cores, memory, threads, accelerator, versions. Load is in `load`."""
    import psutil
    import torch

    accelerator = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none"
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "threads": torch.get_num_threads(),
        "accelerator": accelerator,
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Versions of the libraries that decide vectors and rankings; part of every record's identity."""
    names = (
        "torch",
        "sentence-transformers",
        "transformers",
        "tokenizers",
        "numpy",
        "bm25s",
        "PyStemmer",
        "wordllama",
        "model2vec",
    )
    return {name: _version(name) for name in names}


def load() -> float:
    """Load average of the last minute."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else float("nan")


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        if names:
            return names[0]
    return platform.processor() or "unknown"


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
