"""Many documents at once, in batches."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.energy import counters
from harness.subjects import Clock, Subject, Taken
from harness.timing import check_least, noise, quietly, upper_bound
from harness.turns import Meter, Turns


@dataclass(frozen=True)
class Index:
    """Documents and tokens per second: each subject takes all its documents once a round, after one warm-up call.

    `documents` of the corpus go through it, more where a batch is so large that it would never be filled twice.
    """

    repeats: int = 3
    documents: int = 64

    def __post_init__(self) -> None:
        check_least("timing.index", self, {"repeats": 3, "documents": 1})

    def measure(
        self, subjects: Mapping[str, Subject], clock: Clock = time.perf_counter, meter: Meter = counters
    ) -> dict[str, Taken]:
        """float64 [repeats] of each subject and its rates at the median; `joules` where every turn was long enough."""
        turns = {name: Turns(_whole(subject), 1, clock, meter) for name, subject in subjects.items()}
        for subject in subjects.values():
            subject.call(0, quietly)
        for _ in range(self.repeats):
            for turn in turns.values():
                turn.take()
        return {name: _taken(subject, turns[name]) for name, subject in subjects.items()}


def _whole(subject: Subject) -> Any:
    return lambda _: subject.call(0, quietly)


def _taken(subject: Subject, turns: Turns) -> Taken:
    seconds = turns.seconds[:, 0]
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
