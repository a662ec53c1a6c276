"""Many documents at once, in batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.energy import counters
from harness.subjects import Clock, Subject, Taken
from harness.timing import calls_in, check_least, noise, quietly, timed, upper_bound
from harness.turns import Meter, Turns

_MOST = 1000  # calls a round
_LONG = 10  # times `seconds`: a first call that takes longer is not followed by another to warm up


@dataclass(frozen=True)
class Index:
    """Documents and tokens per second: each subject takes all its documents in every call, after a call to warm up.

    `documents` of the corpus go through it, more where a batch is so large that it would never be filled twice. A round
    has as many calls as fill `seconds` by what the warm-up took, 1,000 at most; a second call warms up where the first
    was short, for a first one is slow.
    """

    repeats: int = 3
    documents: int = 64
    seconds: float = 0.2

    def __post_init__(self) -> None:
        check_least("timing.index", self, {"repeats": 3, "documents": 1, "seconds": 0})

    def measure(
        self, subjects: Mapping[str, Subject], clock: Clock = time.perf_counter, meter: Meter = counters
    ) -> dict[str, Taken]:
        """float64 [repeats], mean seconds of a call in each round, and the rates at their median.

        values: `joules` too where every turn was long enough.
        """
        turns = {name: self._turns(_whole(subject), clock, meter) for name, subject in subjects.items()}
        for _ in range(self.repeats):
            for turn in turns.values():
                turn.take()
        return {name: _taken(subject, turns[name]) for name, subject in subjects.items()}

    def _turns(self, call: Callable[[int], object], clock: Clock, meter: Meter) -> Turns:
        durations = [timed(call, 0, clock)]
        if durations[0] < _LONG * self.seconds:
            durations.append(timed(call, 0, clock))
        return Turns(call, min(calls_in(durations, self.repeats, 1, self.seconds), _MOST), clock, meter)


def _whole(subject: Subject) -> Callable[[int], object]:
    return lambda _: subject.call(0, quietly)


def _taken(subject: Subject, turns: Turns) -> Taken:
    seconds = turns.seconds.mean(axis=1)
    typical = float(np.median(seconds))
    values: dict[str, Any] = {
        "docs_per_s": subject.documents / typical,
        "documents": subject.documents,
        "seconds_upper": upper_bound(seconds),
    } | turns.values
    if subject.tokens:
        values["tokens_per_s"] = subject.tokens / typical
    if "joules" in values:
        values["joules_per_doc"] = values["joules_per_call"] / subject.documents
    return Taken(seconds, values=values, warnings=noise(seconds))
