"""Takes measurements: each group is made ready, measured by its scenario while the machine is watched, and recorded."""

from __future__ import annotations

import gc
import traceback
from collections.abc import Callable, Mapping
from multiprocessing import parent_process
from typing import Any

from harness.bench import Todo
from harness.forward import StoredVectors
from harness.meters import Watch, unclocked
from harness.staging import Models, Staged, staged
from harness.subjects import Scenario, Taken
from harness.types import EvalSet, HarnessError, Record, first_line

_NO_SPEED = (HarnessError, ArithmeticError, LookupError, MemoryError, OSError, RuntimeError, TypeError, ValueError)
_WHAT = {
    "encode": "encode of one query", "search": "search of one query", "index": "indexing", "start": "start",
    "serve": "serving",
}  # fmt: skip
_NOT_FRESH = "not in a fresh process, as with executor=inline: what was loaded before counts as no start"


def available_bytes() -> float:
    """Memory that processes may still take."""
    import psutil

    return float(psutil.virtual_memory().available)


class Timer:
    """Takes measurements with the vectors and models of a store."""

    def __init__(
        self,
        scenarios: Mapping[str, Scenario],
        source: StoredVectors,
        evalsets: Mapping[str, EvalSet],
        watch: Callable[[], Watch] = Watch,
        available: Callable[[], float] = available_bytes,
    ) -> None:
        self.scenarios, self.source, self.evalsets = scenarios, source, evalsets
        self.watch, self.available = watch, available

    def measured(self, group: Mapping[str, Todo]) -> dict[str, Record]:
        """A record for each key of the group, timed in turn as far as memory holds them at once.

        One that cannot be made ready or measured (a batch out of memory) has a record that says why, and the others
        are taken. A start cannot be tried again in the same process: where one of several fails, nothing is given.
        """
        waiting, found = dict(group), dict[str, Record]()
        while waiting:
            taken = self._together(waiting)
            if not taken and next(iter(waiting.values())).kind == "start":
                return {}
            for key in () if taken else waiting:
                taken |= self._together({key: waiting[key]})
            found |= taken
            waiting = {key: todo for key, todo in waiting.items() if key not in taken}
            gc.collect()  # models hold themselves in circles
        return found

    def _together(self, waiting: Mapping[str, Todo]) -> dict[str, Record]:
        """Of as many of them as can be ready at once, at least the first; empty where several fail together."""
        ready, lost = self._ready(waiting)
        if not ready:
            return lost
        todo = waiting[next(iter(ready))]
        try:
            with self.watch() as watch:
                taken = self.scenarios[todo.scenario].measure({key: one.subject for key, one in ready.items()})
            return {key: _record(waiting[key].kind, one, taken[key], watch, len(ready)) for key, one in ready.items()}
        except _NO_SPEED as error:
            return {} if len(ready) > 1 else {key: failed(todo.kind, error) for key in ready}

    def _ready(self, waiting: Mapping[str, Todo]) -> tuple[dict[str, Staged], dict[str, Record]]:
        """Stops where half of the memory is taken, and at one that fails: it has its own turn, first of those left."""
        models, least = Models(self.source), self.available() / 2
        ready: dict[str, Staged] = {}
        for key, todo in waiting.items():
            try:
                ready[key] = staged(todo, self.evalsets[todo.variant.task], models, self._documents(todo))
            except _NO_SPEED as error:
                return ready, {key: failed(todo.kind, error)}
            if self.available() < least:
                break
        return ready, {}

    def _documents(self, todo: Todo) -> int:
        """How many an index call takes, whatever shares its group: a large batch would never be filled by few."""
        return max(getattr(self.scenarios[todo.scenario], "documents", 0), 2 * int(todo.variant.batch_size or 1))


def _record(kind: str, one: Staged, taken: Taken, watch: Watch, together: int) -> Record:
    values: dict[str, Any] = watch.values() | {"together": together} | dict(taken.values) | one.values
    arrays = {"seconds": taken.seconds} | {f"stage {name}": seconds for name, seconds in taken.stages.items()}
    told = (*taken.warnings, *one.warnings())
    if kind == "start" and parent_process() is None:
        told += (_NOT_FRESH,)
    warnings = (*(f"{_WHAT[kind]}: {line}" for line in told), *watch.warnings(_WHAT[kind]))
    if wrong := unclocked(taken.seconds):  # no number at all rather than a plausible one
        return untimed(kind, wrong[0], {})
    return Record("", "timing", "ok", {"kind": kind}, values, arrays | dict(taken.arrays), "", warnings)


def failed(kind: str, error: Exception) -> Record:
    """The record of a measurement that an error prevented; its traceback is kept."""
    reason = f"{type(error).__name__}: {first_line(error)}"
    return untimed(kind, reason, {"traceback": "".join(traceback.format_exception(error))})


def untimed(kind: str, reason: str, trace: Mapping[str, str]) -> Record:
    """The record of a measurement that could not be taken."""
    return Record("", "timing", "failed", {"kind": kind}, reason=reason, provenance=trace)
