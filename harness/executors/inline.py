"""Jobs in this process, for debugging."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.execution import Batch, Desk, Done, Start


@dataclass(frozen=True)
class Inline:
    """One job after another in the calling process: a debugger stops in them, and a crash takes everything along."""

    def run(self, batches: Sequence[Batch], start: Start, desk: Desk) -> Iterator[Done]:
        """Outcomes in the order of the jobs; `work` turns a failure into an outcome itself."""
        if not batches:
            return
        work = start(desk.tell, 0)
        for batch in batches:
            for job in batch.jobs:
                yield Done(job, work(job))
                desk.tick()
