"""What disturbed a measurement: other programs, a hypervisor, a quota, heat, and clocks that do not agree."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from harness.timing import load
from harness.types import Doubles

BUSY, STOLEN = 0.10, 0.05  # shares of the cores' time from which a timing is doubtful
_HELD = 0.05
_GAP, _GAP_S = 0.01, 0.05
_LEAST_S = 0.5  # the system counts in hundredths of a second: shares of less time are chance
_GRAIN_S = 0.1
_BUSY = ("user", "nice", "system", "irq", "softirq")  # a guest's time is in `user`
_REST = ("idle", "iowait", "steal")
_CORES = Path("/sys/devices/system/cpu")
_QUOTA = Path("/sys/fs/cgroup/cpu.stat")


class Cores(NamedTuple):
    """Seconds since the start of the machine, summed over the cores that this process may use.

    busy: they worked, for whomever. stolen: a hypervisor had them work for another guest; None where it is not said.
    """

    busy: float
    stolen: float | None
    total: float


class Reading(NamedTuple):
    """The clocks and counters of the machine at one moment; None where one is not there.

    clock, wall, boot: seconds of the clock that times, of the time of day, and of one that goes on in a suspended
    machine. own: seconds of processor time of this process and its children. heat: times that a core slowed itself
    down. held: seconds for which a quota (cgroup) held this process' threads back. load: of the last minute.
    """

    clock: float
    wall: float
    boot: float | None
    cores: Cores | None
    own: float
    load: float
    heat: int | None = None
    held: float | None = None


def reading() -> Reading:
    """What the machine says now; takes milliseconds, so it belongs around measurements and not into them."""
    counted = (_cores(), _own(), load(), heat_count(), quota_held())
    boot = time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else None
    return Reading(time.perf_counter(), time.time(), boot, *counted)


class Watch:
    """Observes the machine while something is measured: `with Watch() as watch:`, then `values` and `warnings`."""

    def __init__(self, read: Callable[[], Reading] = reading, pause: Callable[[float], None] = time.sleep) -> None:
        self._read, self._pause = read, pause

    def __enter__(self) -> Self:
        self._before = self._read()
        return self

    def __exit__(self, *_: object) -> None:
        """Looks on for a moment after what was quick, since shares of less than half a second are chance."""
        self._after = self._read()
        if 0 < self._seconds() < _LEAST_S:
            self._pause(_LEAST_S - self._seconds() + _GRAIN_S)
            self._after = self._read()

    def values(self) -> dict[str, Any]:
        """For the record; None where it is not known, as under half a second, or where counters contradict each other.

        busy_elsewhere, stolen: shares of the cores' time (0..1) that others, or other guests of a hypervisor, used.
        clock_gap_s: the most by which two clocks disagree on watched_s, the time that passed. load_before, load_after.
        """
        seconds = self._seconds()
        return {
            "busy_elsewhere": self._elsewhere(),
            "stolen": self._stolen(),
            "clock_gap_s": max(self._gaps().values()),
            "watched_s": seconds if seconds > 0 else None,
            "load_before": self._before.load,
            "load_after": self._after.load,
        }

    def warnings(self, what: str = "") -> tuple[str, ...]:
        """One line for each thing that makes the numbers (of `what`) doubtful, with the remedy."""
        told = [*self._clocks(), *self._shares()]
        if (self._gone("heat") or 0) > 0:
            told.append("the processor slowed down against heat; let it cool and run again")
        held, cores = self._gone("held"), self._cores()
        if held and cores and held > _HELD * cores.total:
            told.append(f"a CPU quota held its threads back for {held:.1f} s; give it as many cores as threads")
        return tuple(_of(what, text) for text in told)

    def _seconds(self) -> float:
        return self._after.clock - self._before.clock

    def _gone(self, name: str) -> float | None:
        """How far a counter went on; None where there is none."""
        before, after = getattr(self._before, name), getattr(self._after, name)
        return None if before is None or after is None else after - before

    def _gaps(self) -> dict[str, float]:
        gone = {name: self._gone(name) for name in ("wall", "boot")}
        return {name: abs(passed - self._seconds()) for name, passed in gone.items() if passed is not None}

    def _cores(self) -> Cores | None:
        """Of the time that was watched; None where that is too short to say, or a counter ran backwards."""
        before, after = self._before.cores, self._after.cores
        if before is None or after is None or self._seconds() < _LEAST_S:
            return None
        stolen = None if before.stolen is None or after.stolen is None else after.stolen - before.stolen
        found = Cores(after.busy - before.busy, stolen, after.total - before.total)
        sound = found.busy >= 0 and 0 < found.total >= found.busy + max(0.0, stolen or 0.0) - _GRAIN_S
        return found if sound else None

    def _elsewhere(self) -> float | None:
        cores, own = self._cores(), self._after.own - self._before.own
        if cores is None or own < 0 or cores.busy - own < -_GRAIN_S:
            return None
        return max(0.0, cores.busy - own) / cores.total

    def _stolen(self) -> float | None:
        cores = self._cores()
        return cores.stolen / cores.total if cores and cores.stolen is not None and cores.stolen >= 0 else None

    def _shares(self) -> list[str]:
        busy, stolen = self._elsewhere() or 0.0, self._stolen() or 0.0
        told = []
        if busy > BUSY:
            told.append(f"other programs used {busy:.0%} of the cores meanwhile; close them and run again")
        if stolen > STOLEN:
            told.append(f"the hypervisor kept {stolen:.0%} of the cores' time; run again on a machine of its own")
        return told

    def _clocks(self) -> list[str]:
        seconds, gaps = self._seconds(), self._gaps()
        if seconds <= 0:
            how = "stood still" if seconds == 0 else "ran backwards"
            return [f"the clock {how} while it was timed, so no duration is right; mend the clock and run again"]
        wide = {name: gap for name, gap in gaps.items() if disagree(gap, seconds)}
        if "boot" in wide:
            return [f"the machine slept for {wide['boot']:.1f} s meanwhile; keep it awake and run again"]
        if wide:
            return [f"two clocks disagree by {wide['wall']:.2f} s over {seconds:.2f} s: one was set; run again"]
        return []


def disagree(gap_s: float, seconds: float | None) -> bool:
    """Whether two clocks are too far apart after so many seconds (None: not known): over 50 ms and over 1 %."""
    return gap_s > max(_GAP_S, _GAP * (seconds or 0.0))


def unclocked(seconds: Doubles, what: str = "") -> tuple[str, ...]:
    """A warning where raw samples, of any shape, are zero, negative or no number: a clock jumped between two calls."""
    wrong = int(np.sum(~((seconds > 0) & np.isfinite(seconds))))
    if not wrong:
        return ()
    told = f"{wrong} of {seconds.size} durations are no times above 0: the clock stood still or jumped; run again"
    return (_of(what, told),)


def _of(what: str, text: str) -> str:
    return f"{what}: {text}" if what else text


def heat_count(root: Path = _CORES) -> int | None:
    """How often a core slowed itself down against heat since the machine started (Intel); None where it is not said."""
    try:
        files = list(root.glob("cpu[0-9]*/thermal_throttle/core_throttle_count"))
        return sum(int(file.read_text(encoding="ascii")) for file in files) if files else None
    except (OSError, ValueError):
        return None


def quota_held(file: Path = _QUOTA) -> float | None:
    """Seconds, summed over threads, for which a CPU quota held this container back; None where there is no quota."""
    try:
        told = dict(line.split() for line in file.read_text(encoding="ascii").splitlines())
        return int(told["throttled_usec"]) / 1e6
    except (OSError, ValueError, KeyError):
        return None


def _cores() -> Cores | None:
    import psutil

    mine = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    try:
        if not mine or len(mine) == psutil.cpu_count():
            rows = [psutil.cpu_times()]
        else:
            each = psutil.cpu_times(percpu=True)
            rows = [each[core] for core in mine]
    except (OSError, IndexError, psutil.Error):
        return None
    busy, rest = (sum(getattr(row, name, 0.0) for row in rows for name in names) for names in (_BUSY, _REST))
    stolen = sum(row.steal for row in rows) if hasattr(rows[0], "steal") else None
    return Cores(busy, stolen, busy + rest)


def _own() -> float:
    import psutil

    me = psutil.Process()
    return sum(_used(process) for process in (me, *me.children(recursive=True)))


def _used(process: Any) -> float:
    """Of a process and those of its children that it outlived."""
    import psutil

    try:
        return float(sum(process.cpu_times()[:4]))
    except psutil.Error:  # it ended meanwhile; its parent counts it now
        return 0.0
