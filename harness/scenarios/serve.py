"""Requests that come when they come, whether or not the one before has been served."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.subjects import Clock, Subject, Taken, Wait
from harness.timing import P99_SAMPLES, WarmUp, check_least, quietly, warm_up
from harness.types import Doubles, HarnessError

_WARMUP = 20
_CLOSE = 0.05  # of the highest rate that was too much
_LOWEST = 1 / 32  # of what the server can do at all


def _pause(seconds: float) -> None:
    """Sleep, and watch the clock for the last two milliseconds: waking takes a while."""
    end = time.perf_counter() + seconds
    time.sleep(max(0.0, seconds - 0.002))
    while time.perf_counter() < end:
        pass


@dataclass(frozen=True)
class Serve:
    """An open loop: the highest rate of Poisson arrivals that one server takes with a p99 of at most `limit_ms`.

    A request is late from the moment it was to be sent, so what waits behind a slow one counts in full (Tene's
    "coordinated omission"). The rate is searched for by halving between nothing and what a closed loop does, until the
    bounds lie within 5 %; the gaps between arrivals are the same at every rate, but for their length. Every rate gets
    `requests` requests, or fewer once so many were late that the p99 cannot be met.
    """

    limit_ms: float = 100.0
    requests: int = 500
    seed: int = 0

    def __post_init__(self) -> None:
        check_least("timing.serve", self, {"limit_ms": 0, "requests": P99_SAMPLES, "seed": 0})
        if not self.limit_ms > 0:
            raise HarnessError(f"timing.serve.limit_ms={self.limit_ms:g}: expected a number above 0")

    def measure(
        self, subjects: Mapping[str, Subject], clock: Clock = time.perf_counter, wait: Wait = _pause
    ) -> dict[str, Taken]:
        """float64 [1, requests], latencies at the highest rate that holds, else at the lowest that was tried.

        values: rate_per_s and p99_ms (None where no rate holds), limit_ms, requests. arrays, float64 [r] in the order
        tried: rates (a second) and their p99_ms (nan where the rate was given up early).
        """
        return {name: _Server(self, subject, clock, wait).taken() for name, subject in subjects.items()}


class _Server:
    def __init__(self, part: Serve, subject: Subject, clock: Clock, wait: Wait) -> None:
        self.part, self.subject, self.clock, self.wait = part, subject, clock, wait
        self.gaps: Doubles = np.random.default_rng(part.seed).exponential(size=part.requests)
        self.tried: dict[float, Doubles] = {}

    def taken(self) -> Taken:
        warmth = warm_up(self._serve, _WARMUP, self.clock)
        held = self._highest(warmth)
        rates = np.asarray(list(self.tried))
        tails = np.asarray([self._p99(seconds) for seconds in self.tried.values()])
        seconds = self.tried[min(self.tried) if held is None else held]
        values: dict[str, Any] = warmth.values | {
            "rate_per_s": held,
            "p99_ms": None if held is None else self._p99(seconds),
            "limit_ms": self.part.limit_ms,
            "requests": len(seconds),
        }
        return Taken(seconds[None, :], {}, {"rates": rates, "p99_ms": tails}, values, warmth.warnings)

    def _highest(self, warmth: WarmUp) -> float | None:
        """The rate, in requests a second; None where even a thirty-second of what a closed loop does is too much."""
        most = 1 / max(float(np.median(warmth.durations[-_WARMUP:])), 1e-9)
        held, over = 0.0, 1.0
        while over - held > _CLOSE * over and over > _LOWEST:
            share = (held + over) / 2
            self.tried[share * most] = seconds = self._offered(share * most)
            if self._p99(seconds) <= self.part.limit_ms:
                held = share
            else:
                over = share
        return held * most or None

    def _offered(self, rate: float) -> Doubles:
        """Latencies, in seconds from the intended time, of requests at this rate."""
        due = self.clock() + np.cumsum(self.gaps) / rate
        found: list[float] = []
        late = 0
        for number, moment in enumerate(due.tolist()):
            if (ahead := moment - self.clock()) > 0:
                self.wait(ahead)
            self._serve(number)
            found.append(self.clock() - moment)
            late += found[-1] * 1000 > self.part.limit_ms
            if late > self.part.requests - 1 - int(0.99 * (self.part.requests - 1)):  # the p99 of all is late then
                break
        return np.asarray(found)

    def _p99(self, seconds: Doubles) -> float:
        return float(np.percentile(seconds, 99) * 1000) if len(seconds) == self.part.requests else float("nan")

    def _serve(self, number: int) -> None:
        self.subject.call(number % self.subject.requests, quietly)
