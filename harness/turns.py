"""The turns of one subject: its timed calls round after round, with the energy that they took."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from harness.energy import Counter, spent
from harness.subjects import Clock
from harness.timing import timed
from harness.types import Doubles

Meter = Callable[[], Mapping[str, Counter]]


class Turns:
    """Calls of one subject, a turn a round; `call` gets its number in the turn."""

    def __init__(self, call: Callable[[int], object], calls: int, clock: Clock, meter: Meter) -> None:
        self._call, self._calls, self._clock, self._meter = call, calls, clock, meter
        self._seconds: list[list[float]] = []
        self._joules: list[float | None] = []
        self._of = ""

    def take(self) -> None:
        """One turn; the counters of energy are read before and after it."""
        before = self._meter()
        self._of = ", ".join(before)
        self._seconds.append([timed(self._call, i, self._clock) for i in range(self._calls)])
        self._joules.append(spent(before, self._meter(), sum(self._seconds[-1])))

    @property
    def seconds(self) -> Doubles:
        """Float64 [repeats, calls]."""
        return np.asarray(self._seconds, dtype=np.float64)

    @property
    def values(self) -> dict[str, Any]:
        """`joules` of all calls, `joules_of` which counters, `joules_per_call`; empty where a turn's are not known."""
        known = [joules for joules in self._joules if joules is not None]
        if not known or len(known) < len(self._joules):
            return {}
        return {"joules": sum(known), "joules_of": self._of, "joules_per_call": sum(known) / self.seconds.size}
