"""Jobs in processes of their own on this machine."""

from __future__ import annotations

import faulthandler
import os
import re
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from harness.protocols import Batch, Desk, Done, Start
from harness.types import Event, HarnessError, Lost, Said

_POLL_S = 0.5
_GRACE_S = 60
_LAST_LINES = 20
_MEMORY = {signal.SIGKILL: ", most likely for lack of memory"}


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
        """Outcomes as they finish. Closed early, it lets each process store what it has in hand, then ends it."""
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
        number = desk.lanes if self.workers is None else self.workers
        if number < 1 or self.timeout_s <= 0 or (self.memory_gb is not None and self.memory_gb <= 0):
            raise HarnessError(f"executor={self}: workers, timeout_s and memory_gb must be above 0")
        number = min(number, batches)
        threads = max(1, _cores() // number) if number > desk.lanes else 0
        return [_Lane(self, start, desk, (i, threads)) for i in range(number)]


class _Lane:
    """One process at a time, the batch it works on, and the job in its hands."""

    def __init__(self, part: Local, start: Start, desk: Desk, place: tuple[int, int]) -> None:
        self.part, self.start, self.desk, self.place = part, start, desk, place
        self.batch: Batch | None = None
        self.process: Any = None
        self.pipe: Connection | None = None
        self.idle = True

    @property
    def sources(self) -> list[Any]:
        return [self.pipe, self.process.sentinel]

    def take(self, batch: Batch) -> bool:
        """Begin a batch in a process of its own; whether it has a job."""
        self.batch, self.jobs = batch, iter(batch.jobs)
        name = re.sub(r"[^\w.-]+", "-", batch.name).strip("-")
        self.log = self.desk.logs / f"{name}.log"
        self.log.unlink(missing_ok=True)
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
        with suppress(EOFError, ConnectionError):
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
                yield Done(self.job, Lost(reason, _tail(self.log), str(self.log)))
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
        if self.process is None:
            self._launch()
        self.tries += 1
        self.seen = time.monotonic()
        with suppress(ConnectionError):  # the process is gone; `collect` finds out how
            self.pipe.send(self.job)  # type: ignore[union-attr]

    def _launch(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        args = (theirs, self.start, self.place, self.log)
        self.process = context.Process(target=_serve, args=args, name=str(self.log.stem))
        # An interrupt between start and `_serve` would print a traceback: the process inherits the block.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()

    def _fate(self) -> str:
        """Why the process is at an end, empty while it works."""
        if not self.process.is_alive():
            code = self.process.exitcode
            if code is not None and code < 0:
                return f"killed ({signal.Signals(-code).name}){_MEMORY.get(signal.Signals(-code), '')}"
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
    """Ask every process to end after the store batch in hand; a second interrupt ends them at once."""
    working = [lane.process for lane in lanes if lane.process is not None and not lane.idle]
    if working:
        desk.tell(Said("stopping: what is in hand is still stored, for a minute at most; Ctrl-C again ends at once"))
    try:
        for process in working:
            process.terminate()
        for process in working:
            process.join(_GRACE_S)
    finally:
        for lane in lanes:
            lane.stop(grace_s=0)


def _serve(pipe: Connection, start: Start, place: tuple[int, int], log: Path) -> None:
    """What runs in the process: jobs in, events and outcomes out, until the pipe closes."""
    _redirect(log)
    ending = threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    lane, threads = place
    if threads:
        import torch

        torch.set_num_threads(threads)

    def tell(event: Event) -> None:
        pipe.send(("event", event))
        if ending.is_set():
            raise SystemExit(0)

    work: Callable[[Any], Any] = start(tell, lane)
    while not ending.is_set():
        try:
            job = pipe.recv()
        except EOFError:
            return
        pipe.send(("done", work(job)))


def _redirect(log: Path) -> None:
    """Everything the process writes goes to its log, also what C code writes."""
    file = log.open("a", encoding="utf-8", errors="backslashreplace")
    os.dup2(file.fileno(), 1)
    os.dup2(file.fileno(), 2)
    sys.stdout = sys.stderr = file
    faulthandler.enable(file)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    return "\n".join(lines[-_LAST_LINES:])


def _memory_gb(pid: int) -> float:
    import psutil

    try:
        return float(psutil.Process(pid).memory_info().rss / 1e9)
    except psutil.Error:
        return 0.0


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
