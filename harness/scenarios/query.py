"""One query at a time, the next when the answer is there."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.energy import counters
from harness.subjects import Clock, Subject, Taken
from harness.timing import Laps, calls_in, check_least, noise, quietly, warm_up
from harness.turns import Meter, Turns


@dataclass(frozen=True)
class Query:
    """A closed loop, batch 1: `repeats` rounds of at least `calls` calls and at least `seconds`, after a warm-up.

    Each subject warms up first: at least `warmup` calls, and until the last five differ by under 10 %. What these took
    decides how many calls its rounds have, the same number each: ten at least where all of them together would take
    over a minute, 5,000 at most. All subjects have their turn in every round; an untimed call comes before each turn,
    for the one before has filled the caches.
    """

    repeats: int = 3
    calls: int = 50
    seconds: float = 0.2
    warmup: int = 10

    def __post_init__(self) -> None:
        check_least("timing.query", self, {"repeats": 3, "calls": 1, "seconds": 0, "warmup": 0})

    def measure(
        self, subjects: Mapping[str, Subject], clock: Clock = time.perf_counter, meter: Meter = counters
    ) -> dict[str, Taken]:
        """float64 [repeats, calls] of each subject, with its stages; `joules` where every turn was long enough."""
        loops = {name: _Loop(self, subject, clock, meter) for name, subject in subjects.items()}
        for _ in range(self.repeats):
            for loop in loops.values():
                loop.turn()
        return {name: loop.taken() for name, loop in loops.items()}


class _Loop:
    """One subject, warmed up, and the turns it has had."""

    def __init__(self, part: Query, subject: Subject, clock: Clock, meter: Meter) -> None:
        self.subject = subject
        self.warmth = warm_up(self._untimed, part.warmup, clock)
        self.laps = Laps(clock)
        calls = calls_in(self.warmth.durations, part.repeats, part.calls, part.seconds)
        self.turns = Turns(self._lapped, calls, clock, meter)

    def turn(self) -> None:
        self._untimed(0)
        self.turns.take()

    def taken(self) -> Taken:
        seconds = self.turns.seconds
        warnings = (*noise(np.median(seconds, axis=1)), *self.warmth.warnings)
        return Taken(
            seconds, self.laps.stages(*seconds.shape), values=self.warmth.values | self.turns.values, warnings=warnings
        )

    def _untimed(self, number: int) -> None:
        self.subject.call(number % self.subject.requests, quietly)

    def _lapped(self, number: int) -> None:
        self.laps.start()
        self.subject.call(number % self.subject.requests, self.laps)
