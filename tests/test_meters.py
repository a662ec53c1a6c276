"""What disturbs a measurement is seen, and what cannot be known is None: with readings made by hand."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import meters
from harness.meters import Cores, Reading, Watch, disagree, heat_count, quota_held, unclocked

START = Reading(clock=100.0, wall=5000.0, boot=900.0, cores=Cores(50.0, 1.0, 400.0), own=7.0, load=0.5)
QUIET = {"clock": 2.0, "wall": 2.0, "boot": 2.0, "busy": 1.0, "stolen": 0.0, "total": 4.0, "own": 1.0}


def watched(before: Reading = START, **gone: float) -> Watch:
    """Two cores for two seconds, on which one of ours worked for one, but for what is given."""
    by = QUIET | gone
    cores = Cores(50.0 + by["busy"], 1.0 + by["stolen"], 400.0 + by["total"])
    after = before._replace(
        clock=before.clock + by["clock"], wall=before.wall + by["wall"], cores=cores, own=before.own + by["own"],
        boot=None if before.boot is None else before.boot + by["boot"], load=0.75,
    )  # fmt: skip
    return between(before, after)


def between(before: Reading, after: Reading) -> Watch:
    told: Iterator[Reading] = chain((before,), repeat(after))
    with Watch(lambda: next(told), lambda _: None) as watch:
        pass
    return watch


def test_a_quiet_machine_has_nothing_to_say() -> None:
    watch = watched()
    assert watch.values() == {
        "busy_elsewhere": 0.0, "stolen": 0.0, "clock_gap_s": 0.0, "watched_s": 2.0, "load_before": 0.5, "load_after": 0.75,
    }  # fmt: skip
    assert watch.warnings("search") == ()


def test_others_used_what_the_cores_worked_and_we_did_not() -> None:
    watch = watched(busy=3.0)  # of 4 s on two cores 3 s were worked, 1 s by us
    assert watch.values()["busy_elsewhere"] == 0.5
    (said,) = watch.warnings("search")
    assert said == "search: other programs used 50% of the cores meanwhile; close them and run again"
    assert watch.warnings() == (said.removeprefix("search: "),)


@pytest.mark.parametrize(("busy", "stolen", "lines"), [(1.4, 0.2, 0), (1.44, 0.2, 1), (1.4, 0.24, 1), (1.44, 0.24, 2)])
def test_a_tenth_for_others_or_a_twentieth_stolen_is_borne(busy: float, stolen: float, lines: int) -> None:
    assert len(watched(busy=busy, stolen=stolen).warnings("x")) == lines


def test_a_hypervisor_that_takes_the_cores_away_is_named() -> None:
    watch = watched(stolen=0.5)
    assert watch.values()["stolen"] == 0.125 and watch.values()["busy_elsewhere"] == 0.0
    assert "hypervisor kept 12% of the cores' time" in watch.warnings("x")[0]


def test_a_system_that_counts_no_stolen_time_says_nothing_of_it() -> None:
    cores = Cores(50.0, None, 400.0)
    watch = between(START._replace(cores=cores), START._replace(cores=Cores(53.0, None, 404.0), clock=102.0, own=8.0))
    assert (watch.values()["stolen"], watch.values()["busy_elsewhere"]) == (None, 0.5)


@pytest.mark.parametrize(
    ("gone", "why"),
    [
        ({"clock": 0.4, "wall": 0.4, "boot": 0.4}, "too short for counters of hundredths of a second"),
        ({"busy": -1.0}, "work was taken back"),
        ({"total": 0.0, "busy": 0.0}, "counters that stand still"),
        ({"total": -4.0}, "counters that ran backwards"),
        ({"busy": 5.0}, "more work than there was time"),
        ({"own": -0.5}, "our own work was taken back"),
        ({"own": 1.5}, "we worked longer than all together"),
    ],
)
def test_counters_that_contradict_each_other_give_no_share(gone: dict[str, float], why: str) -> None:
    assert watched(**gone).values()["busy_elsewhere"] is None, why


@pytest.mark.parametrize("gone", [{"stolen": -0.5}, {"busy": -1.0}, {"total": 0.0, "busy": 0.0}, {"clock": 0.4}])
def test_stolen_time_among_counters_that_run_backwards_or_stand_still_is_not_known(gone: dict[str, float]) -> None:
    assert watched(**gone).values()["stolen"] is None


def test_our_work_may_be_counted_a_little_later_than_all_work() -> None:
    assert watched(busy=0.95).values()["busy_elsewhere"] == 0.0


def test_without_counters_of_the_cores_nothing_is_made_up() -> None:
    values = between(START._replace(cores=None), START._replace(clock=102.0, cores=None)).values()
    assert values["busy_elsewhere"] is values["stolen"] is None


# Clocks --------------------------------------------------------------------------------------------------------


def test_a_machine_that_slept_is_named_by_the_clock_that_went_on() -> None:
    watch = watched(boot=62.0, wall=62.0)
    assert watch.values()["clock_gap_s"] == 60.0
    assert watch.warnings("x") == ("x: the machine slept for 60.0 s meanwhile; keep it awake and run again",)


@pytest.mark.parametrize("wall", [3.0, 1.0, -3600.0])
def test_a_clock_that_was_set_disagrees(wall: float) -> None:
    watch = watched(wall=wall)
    assert watch.values()["clock_gap_s"] == pytest.approx(abs(wall - 2.0))
    assert "two clocks disagree by" in watch.warnings("x")[0]


def test_where_no_clock_goes_on_in_sleep_the_time_of_day_tells() -> None:
    assert (
        "two clocks disagree by 60.00 s over 2.00 s" in watched(START._replace(boot=None), wall=62.0).warnings("x")[0]
    )


@pytest.mark.parametrize(("clock", "how"), [(0.0, "stood still"), (-1.0, "ran backwards")])
def test_a_clock_that_does_not_go_on_is_a_warning_and_no_share_is_given(clock: float, how: str) -> None:
    watch = watched(clock=clock)
    assert watch.warnings("x") == (
        f"x: the clock {how} while it was timed, so no duration is right; mend the clock and run again",
    )
    values = watch.values()
    assert values["busy_elsewhere"] is values["stolen"] is values["watched_s"] is None


def test_clocks_may_differ_by_fifty_milliseconds_or_a_hundredth() -> None:
    assert not disagree(0.05, 1.0) and disagree(0.051, 1.0)
    assert not disagree(1.0, 100.0) and disagree(1.01, 100.0)
    assert disagree(0.06, None)


def test_samples_that_are_not_above_zero_are_counted() -> None:
    seconds = np.array([[0.1, 0.0, -0.2], [float("nan"), 0.1, 0.1]])
    assert unclocked(seconds, "encode")[0].startswith("encode: 3 of 6 durations are no times above 0")
    assert unclocked(np.full((3, 5), 1e-9)) == ()


# Heat and quotas -----------------------------------------------------------------------------------------------


def test_cores_that_slow_down_against_heat_are_a_warning(tmp_path: Path) -> None:
    for core, count in enumerate((3, 4)):
        folder = tmp_path / f"cpu{core}" / "thermal_throttle"
        folder.mkdir(parents=True)
        (folder / "core_throttle_count").write_text(f"{count}\n")
    (tmp_path / "cpufreq").mkdir()
    assert heat_count(tmp_path) == 7
    hot = between(START._replace(heat=7), START._replace(heat=9, clock=102.0, wall=5002.0, boot=902.0))
    assert hot.warnings("x") == ("x: the processor slowed down against heat; let it cool and run again",)
    (tmp_path / "cpu1/thermal_throttle/core_throttle_count").write_text("?")
    assert heat_count(tmp_path) is None and heat_count(tmp_path / "absent") is None


def test_a_quota_that_holds_threads_back_is_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "cpu.stat"
    file.write_text("usage_usec 900\nnr_periods 40\nnr_throttled 9\nthrottled_usec 1500000\n")
    assert quota_held(file) == 1.5
    file.write_text("usage_usec 900\n")
    assert quota_held(file) is None and quota_held(tmp_path / "absent") is None
    later = watched()._after
    held = between(START._replace(held=1.5), later._replace(held=1.9))
    assert held.warnings("x") == (
        "x: a CPU quota held its threads back for 0.4 s; give it as many cores as threads",
    )  # a tenth of 4 s
    assert between(START._replace(held=1.5), later._replace(held=1.6)).warnings("x") == ()


# This machine --------------------------------------------------------------------------------------------------


def test_this_machine_says_what_it_can() -> None:
    before, after = meters.reading(), meters.reading()
    assert after.clock > before.clock and after.load >= 0
    assert before.cores is not None and after.cores is not None
    assert 0 < before.cores.busy <= after.cores.busy <= after.cores.total
    assert after.own >= before.own > 0


def test_work_of_a_child_is_our_own() -> None:
    before = meters.reading().own
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run([sys.executable, "-c", busy], check=True)
    ended = meters.reading().own
    assert ended - before >= 0.27
    with subprocess.Popen([sys.executable, "-c", f"{busy}\nprint(flush=True)\ninput()"], stdin=-1, stdout=-1) as child:
        assert child.stdout is not None and child.stdin is not None
        child.stdout.readline()
        assert meters.reading().own - ended >= 0.27, "while it lives"
        child.communicate(b"\n")


def test_only_the_cores_that_may_be_used_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    import psutil

    now = psutil.cpu_times()

    def row(user: float) -> Any:
        named = {"user": user, "idle": 10.0, "steal": 1.0, "guest": 99.0}
        return type(now)(**dict.fromkeys(now._fields, 0.0) | named)

    monkeypatch.setattr(psutil, "cpu_count", lambda: 4)
    monkeypatch.setattr(
        psutil, "cpu_times", lambda percpu=False: [row(1), row(2), row(4), row(8)] if percpu else row(15)
    )
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 3}, raising=False)
    assert meters._cores() == Cores(10.0, 2.0, 32.0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    assert meters._cores() == Cores(15.0, 1.0, 26.0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {7}, raising=False)
    assert meters._cores() is None, "cores that are not listed"


def test_cores_without_an_idle_moment_are_known_to_be_busy() -> None:
    full = Cores(50.0 + 4.000000001, 1.0, 404.0)  # as differences of floats come out
    watch = between(START, START._replace(clock=START.clock + 2, wall=START.wall + 2, cores=full, own=START.own + 1))
    assert watch.values()["busy_elsewhere"] == pytest.approx(0.75)


def test_what_was_quick_is_watched_for_half_a_second() -> None:
    slept: list[float] = []
    quick, later = START._replace(clock=START.clock + 0.1), START._replace(clock=START.clock + 0.6)
    told = iter((START, quick, later))
    with Watch(lambda: next(told), slept.append) as watch:
        pass
    assert slept == [pytest.approx(0.5)] and watch.values()["watched_s"] == pytest.approx(0.6)
