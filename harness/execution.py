"""Work that is handed to other processes: batches of jobs, their outcomes, and the executor that runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from harness.types import Event


class Batch(NamedTuple):
    """Jobs that share a process, one after another; each is asked for when the one before it has its outcome."""

    name: str
    jobs: Iterable[Any]


class Done(NamedTuple):
    """A job and what `work` made of it, or `Lost` where its process did not survive."""

    job: Any
    outcome: Any


class Lost(NamedTuple):
    """A job whose process did not survive it: why, the process's last lines, and the file that holds all of them."""

    reason: str
    last_lines: str
    log: str


class Start(Protocol):
    """What makes a process ready to work; it is sent there, so it and the jobs must survive pickling."""

    def __call__(self, tell: Callable[[Event], None], lane: int) -> Callable[[Any], Any]:
        """The work of one process; `lane` counts the processes that run at once, from 0."""
        ...


class Desk(NamedTuple):
    """The caller's side: `tell` takes events, `tick` is called about twice a second, `logs` is a folder, `lanes` is
    how many devices there are to work on.
    """

    tell: Callable[[Event], None]
    tick: Callable[[], None]
    logs: Path
    lanes: int = 1


class Executor(Protocol):
    """Where jobs run."""

    def run(self, batches: Sequence[Batch], start: Start, desk: Desk) -> Iterator[Done]:
        """Every job's outcome as they finish; one job's failure never stops another.

        Closing it stops the work; a job with a true `keeps` stores as it goes and gets time to store what is in hand.
        """
        ...
