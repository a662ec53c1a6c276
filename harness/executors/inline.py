"""Jobs in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Inline:
    """One job after another in the calling process."""

    def run(self, jobs: Iterable[Any], work: Callable[[Any], Any]) -> Iterator[Any]:
        """Outcomes in the order of the jobs; `work` turns a failure into an outcome itself."""
        for job in jobs:
            yield work(job)
