"""Requests that come when they come, whether or not the one before has been served."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from harness.subjects import Clock, Subject, Taken, Wait
from harness.timing import P99_SAMPLES, WarmUp, check_least, quietly, timed, warm_up
from harness.types import Doubles, HarnessError

_WARMUP = 20
_CLOSED_S, _CLOSED = 0.5, 5000  # seconds, and calls at most, of the closed loop that bounds the search
_MOST = 20_000  # requests a rate, more only where `requests` says so: what is offered faster is not tried
_LIMITS = 20  # times `limit_ms`, for which a rate is offered at least: a queue needs time to grow
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
    bounds lie within 5 %. One that fails is tried once more, so that a single stall of another program does not count.
    A rate is offered for `requests` requests, `seconds` and 20 times the limit, whichever is
    longest, and given up once so many were late that the p99 cannot be met. It does not hold either where the server
    worked for longer than the traffic lasted: its queue would grow as long as that went on. The gaps between arrivals
    are scaled to the rate exactly. More than 20,000 requests (or `requests`) in that time are not tried.
    """

    limit_ms: float = 100.0
    requests: int = 500
    seed: int = 0
    seconds: float = 2.0

    def __post_init__(self) -> None:
        check_least("timing.serve", self, {"limit_ms": 0, "requests": P99_SAMPLES, "seed": 0, "seconds": 0})
        if not self.limit_ms > 0:
            raise HarnessError(f"timing.serve.limit_ms={self.limit_ms:g}: expected a number above 0")

    def measure(
        self, subjects: Mapping[str, Subject], clock: Clock = time.perf_counter, wait: Wait = _pause
    ) -> dict[str, Taken]:
        """float64 [1, requests], latencies at the highest rate that holds, else at the lowest that was tried.

        values: rate_per_s and p99_ms (None where no rate holds), limit_ms, requests, ceiling: True where no rate that
        was tried failed, so that the server may take more. arrays, float64 [r] in the order tried, a rate that failed
        at first twice: rates (a second), busy (seconds of work a second of traffic) and p99_ms (both nan where the rate
        was given up; no p99 where busy is 1 or more).
        """
        return {name: _Server(self, subject, clock, wait).taken() for name, subject in subjects.items()}


class _Offered(NamedTuple):
    """A rate that was tried; `p99_ms` is nan where it has none: too few samples, or a queue without an end."""

    rate: float
    seconds: Doubles
    busy: float
    p99_ms: float


class _Server:
    def __init__(self, part: Serve, subject: Subject, clock: Clock, wait: Wait) -> None:
        self.part, self.subject, self.clock, self.wait = part, subject, clock, wait
        self.lasting = max(part.seconds, _LIMITS * part.limit_ms / 1000)
        self.tried: list[_Offered] = []

    def taken(self) -> Taken:
        warmth = warm_up(self._serve, _WARMUP, self.clock)
        held, ceiling = self._highest(self._most(warmth))
        lowest = min(one.rate for one in self.tried) if held is None else held
        shown = [one for one in self.tried if one.rate == lowest][-1]
        values: dict[str, Any] = warmth.values | {
            "rate_per_s": held,
            "p99_ms": None if held is None else shown.p99_ms,
            "limit_ms": self.part.limit_ms,
            "requests": len(shown.seconds),
            "ceiling": ceiling,
        }
        found = {"rates": "rate", "p99_ms": "p99_ms", "busy": "busy"}
        arrays = {name: np.asarray([getattr(one, of) for one in self.tried]) for name, of in found.items()}
        told = (f"at least {held:,.0f} a second: no rate that was tried failed",) if ceiling else ()
        return Taken(shown.seconds[None, :], {}, arrays, values, warmth.warnings + told)

    def _most(self, warmth: WarmUp) -> float:
        """Requests a second of a closed loop, or what a rate's number of requests allows, if that is less."""
        durations, again = warmth.durations[-_WARMUP:], list[float]()
        while sum(again) < _CLOSED_S and len(again) < _CLOSED:
            again.append(timed(self._serve, len(again), self.clock))
        closed = 1 / max(float(np.median(durations + again)), 1e-9)
        return min(closed, max(_MOST, self.part.requests) / self.lasting)

    def _highest(self, most: float) -> tuple[float | None, bool]:
        """The rate, in requests a second, and whether none failed; None where even the least is too much."""
        held, over = 0.0, 1.0
        while over - held > _CLOSE * over and over > _LOWEST:
            share = (held + over) / 2
            if self._holds(share * most) or self._holds(share * most):
                held = share
            else:
                over = share
        return held * most or None, over == 1.0

    def _holds(self, rate: float) -> bool:
        self.tried.append(self._offered(rate))
        return self.tried[-1].p99_ms <= self.part.limit_ms

    def _offered(self, rate: float) -> _Offered:
        """Latencies, in seconds from the intended time, of requests at this rate."""
        requests = max(self.part.requests, min(math.ceil(rate * self.lasting), _MOST))
        gaps = np.random.default_rng(self.part.seed).exponential(size=requests)
        begun, idle, late, found = self.clock(), 0.0, 0, list[float]()
        for number, moment in enumerate((begun + np.cumsum(gaps) * (requests / rate / gaps.sum())).tolist()):
            now = self.clock()
            if moment > now:
                self.wait(moment - now)
                idle += self.clock() - now
            self._serve(number)
            found.append(self.clock() - moment)
            late += found[-1] * 1000 > self.part.limit_ms
            if late > requests - 1 - int(0.99 * (requests - 1)):  # the p99 of all is late then
                break
        busy = (self.clock() - begun - idle) * rate / requests if len(found) == requests else math.nan
        tail = float(np.percentile(found, 99) * 1000) if busy < 1 else math.nan
        return _Offered(rate, np.asarray(found), busy, tail)

    def _serve(self, number: int) -> None:
        self.subject.call(number % self.subject.requests, quietly)
