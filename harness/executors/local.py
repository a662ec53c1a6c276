"""Jobs in processes of their own on this machine."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from harness.execution import Batch, Desk, Done, Lost, Start
from harness.process import pickled, serve, uninterrupted
from harness.types import HarnessError, Said

_POLL_S = 0.5
_GRACE_S = 60
_LAST_LINES = 20


@dataclass(frozen=True)
class Local:
    """Each batch in a fresh process, which loads its model once; what kills the process fails one job.

    `workers` processes at once (null: one a device; more share the cores of the CPU). A job that neither finishes
    nor stores anything for `timeout_s` seconds is stopped, as is a process that holds more than `memory_gb`. A
    process that is killed is started once more for the same job, since what it had stored is not lost.
    """

    workers: int | None = None
    timeout_s: float = 3600.0
    memory_gb: float | None = None

    def run(self, batches: Sequence[Batch], start: Start, desk: Desk) -> Iterator[Done]:
        """Outcomes as they finish. Closed early, it ends each process, where a job `keeps` after what is in hand."""
        lanes, waiting = self._lanes(len(batches), start, desk), deque(batches)
        try:
            while True:
                for lane in lanes:
                    while lane.idle and (lane.next_job() or (waiting and lane.take(waiting.popleft()))):
                        pass
                busy = [lane for lane in lanes if not lane.idle]
                if not busy:
                    return
                wait([source for lane in busy for source in lane.sources], timeout=_POLL_S)
                desk.tick()
                yield from [done for lane in busy for done in lane.collect()]
        finally:
            _close(lanes, desk)

    def _lanes(self, batches: int, start: Start, desk: Desk) -> list[_Lane]:
        for name in ("workers", "timeout_s", "memory_gb"):
            if (value := getattr(self, name)) is not None and value <= 0:
                raise HarnessError(f"executor.{name}={value}: expected a number above 0")
        number = min(desk.lanes if self.workers is None else self.workers, batches)
        threads = max(1, _cores() // number) if number > desk.lanes else 0
        message = pickled(start)
        return [_Lane(self, message, desk, (i, threads)) for i in range(number)]


class _Lane:
    """One process at a time, the batch it works on, and the job in its hands."""

    def __init__(self, part: Local, start: bytes, desk: Desk, place: tuple[int, int]) -> None:
        self.part, self.start, self.desk, self.place = part, start, desk, place
        self.batch: Batch | None = None
        self.process: Any = None
        self.pipe: Connection | None = None
        self.idle = True
        self.unsent = ""
        self.written = 0

    @property
    def sources(self) -> list[Any]:
        return [] if self.process is None else [self.pipe, self.process.sentinel]

    def take(self, batch: Batch) -> bool:
        """Begin a batch in a process of its own; whether it has a job."""
        self.batch, self.jobs = batch, iter(batch.jobs)
        name = re.sub(r"[^\w.-]+", "-", batch.name).strip("-")
        self.log = self.desk.logs / f"{name}.log"
        return self.next_job() or True

    def next_job(self) -> bool:
        """Hand the next job of the batch to the process; whether there was one."""
        if self.batch is None:
            return False
        for job in self.jobs:
            self.job, self.tries, self.idle = job, 0, False
            self._send()
            return True
        self.batch = None
        self.stop()
        return False

    def collect(self) -> Iterator[Done]:
        """What the process has sent, or what became of it."""
        if self.unsent:
            self.idle = True
            yield Done(self.job, Lost(self.unsent, "", str(self.log)))
            return
        with suppress(EOFError, OSError):  # it died, maybe in the middle of a message
            while self.pipe and self.pipe.poll():
                kind, value = self.pipe.recv()
                self.seen = time.monotonic()
                if kind == "done":
                    self.idle = True
                    yield Done(self.job, value)
                    return
                self.desk.tell(value)
        if reason := self._fate():
            self.stop()
            if not reason.startswith("killed") or self.tries == 2:
                self.idle = True
                yield Done(self.job, Lost(reason, _tail(self.log, self.written), str(self.log)))
            else:
                self._send()

    def stop(self, grace_s: float = 5) -> None:
        """End the process: kindly, then not."""
        if self.process is None:
            return
        if self.pipe:
            self.pipe.close()
        self.process.join(grace_s)
        self.process.kill()
        self.process.join()
        self.process = self.pipe = None

    def _send(self) -> None:
        """Hand over the job, in a process that may have to be started; `collect` finds out where that fails."""
        self.unsent = ""
        try:
            messages = [pickled(self.job)]
        except HarnessError as error:
            self.unsent = str(error)
            return
        if self.process is None:
            self._launch()
            messages.insert(0, self.start)
        self.tries += 1
        self.seen, self.written = time.monotonic(), self.log.stat().st_size if self.log.exists() else 0
        # In a thread: a process that hangs or dies before it reads must not hold up the others.
        threading.Thread(target=_feed, args=(self.pipe, messages), daemon=True).start()

    def _launch(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs, self.place, self.log), name=str(self.log.stem))
        with uninterrupted():
            process.start()
            self.process, self.pipe = process, ours
        theirs.close()

    def _fate(self) -> str:
        """Why the process is at an end, empty while it works."""
        if not self.process.is_alive():
            code = self.process.exitcode
            if code is not None and code < 0:
                why = ", most likely for lack of memory" if -code == signal.SIGKILL else ""
                return f"killed ({_signal_name(-code)}){why}"
            return f"its process ended with exit code {code}"
        quiet = time.monotonic() - self.seen
        if quiet > self.part.timeout_s:
            return self._halt(f"timeout: nothing finished or stored for {self.part.timeout_s:g} s (executor.timeout_s)")
        limit = self.part.memory_gb
        if limit is not None and _memory_gb(self.process.pid) > limit:
            return self._halt(f"out of memory: its process held over {limit:g} GB (executor.memory_gb)")
        return ""

    def _halt(self, reason: str) -> str:
        os.kill(self.process.pid, signal.SIGABRT)  # faulthandler then writes into the log where it hung
        self.process.join(2)
        self.process.kill()
        return reason


def _close(lanes: Sequence[_Lane], desk: Desk) -> None:
    """End every process; those whose job keeps what it does get time to. A second interrupt ends them at once."""
    busy = [lane for lane in lanes if lane.process is not None and not lane.idle and getattr(lane.job, "keeps", False)]
    try:
        if busy:
            desk.tell(Said("stopping: what is in hand is still stored, a minute at most; Ctrl-C again ends at once"))
        for lane in busy:
            lane.process.terminate()
        deadline = time.monotonic() + _GRACE_S
        while time.monotonic() < deadline and any(lane.process.is_alive() for lane in busy):
            wait([lane.process.sentinel for lane in busy], timeout=_POLL_S)
            for lane in busy:
                _drain(lane.pipe)
    finally:
        for lane in lanes:
            lane.stop(grace_s=0)


def _drain(pipe: Connection | None) -> None:
    """Read what a process still says: it would wait for its reader."""
    with suppress(EOFError, OSError):
        while pipe is not None and pipe.poll():
            pipe.recv()


def _feed(pipe: Connection, messages: Sequence[bytes]) -> None:
    with suppress(OSError):
        for message in messages:
            pipe.send_bytes(message)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _tail(log: Path, start: int) -> str:
    """The last lines that were written after the first `start` bytes."""
    text = log.read_bytes()[start:].decode("utf-8", errors="replace") if log.exists() else ""
    return "\n".join(text.splitlines()[-_LAST_LINES:])


def _memory_gb(pid: int) -> float:
    import psutil

    try:
        return float(psutil.Process(pid).memory_info().rss / 1e9)
    except psutil.Error:
        return 0.0


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
