"""The inside of a worker process: jobs in, events and outcomes out; and what it takes to start one."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import parent_process, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from pickle import PicklingError
from typing import Any

from harness.execution import Start
from harness.types import Event, HarnessError, Working, first_line


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Half a process cannot be ended: an interrupt is kept until the block ends, and the new process blocks its own."""
    kept: list[int] = []
    resource_tracker.ensure_running()  # its start lifts the block
    ours = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, lambda number, _: kept.append(number)) if ours else None
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if ours:
            signal.signal(signal.SIGINT, before)
    if kept:
        raise KeyboardInterrupt


def serve(pipe: Connection, place: tuple[int, int], log: Path) -> None:
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
        if ending.is_set() and not isinstance(event, Working):  # work that is not stored yet goes on
            raise SystemExit(0)

    start: Start = pipe.recv()
    work = start(tell, lane)
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


def pickled(value: Any) -> bytes:
    """What `serve` can be sent; HarnessError where a part cannot be pickled."""
    try:
        return bytes(ForkingPickler.dumps(value))
    except (PicklingError, AttributeError, RecursionError, TypeError, ValueError) as error:
        raise HarnessError(f"cannot be sent to a process ({first_line(error)}). Try executor=inline") from error
