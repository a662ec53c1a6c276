"""A model that has just been started: loading, the first query, memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.memory import Peak, rss_mb
from harness.subjects import Clock, Subject, Taken
from harness.timing import quietly, timed

_LATER = 10


@dataclass(frozen=True)
class Start:
    """The cold start of a process: loading, the first query, ten later ones, and what memory serving takes at most.

    It says nothing unless the process is a fresh one. The subjects are one model at several batch sizes, ascending:
    what a large batch took is not always given back. Without a largest batch the memory is that of loading (building
    an index) and the queries.
    """

    def measure(
        self,
        subjects: Mapping[str, Subject],
        clock: Clock = time.perf_counter,
        rss: Callable[[], float] = rss_mb,
        peak: Callable[[], Any] = Peak,
    ) -> dict[str, Taken]:
        """float64 [1, 10], the later queries.

        values: load_s, first_ms, settled_ms (the later ones' median), loaded_mb and peak_rss_mb (10^6 bytes).
        """
        first = next(iter(subjects.values()))
        before = rss()
        with peak() as loading:
            load_s = timed(lambda _: first.load(), 0, clock)
        shared: dict[str, Any] = {"load_s": load_s, "loaded_mb": rss() - before}
        found: dict[str, Taken] = {}
        for name, subject in subjects.items():
            subject.load()
            with peak() as serving:
                asked = [timed(_asking(subject), i, clock) for i in range(_LATER + 1 - bool(found))]
                if subject.fill is not None:
                    subject.fill()
            if not found:
                later = np.asarray([asked[1:]])
                shared |= {"first_ms": asked[0] * 1000, "settled_ms": float(np.median(later) * 1000)}
            most = serving.mb if subject.fill is not None else max(loading.mb, serving.mb)
            found[name] = Taken(later, values=shared | {"peak_rss_mb": most})
        return found


def _asking(subject: Subject) -> Callable[[int], object]:
    return lambda number: subject.call(number % subject.requests, quietly)
