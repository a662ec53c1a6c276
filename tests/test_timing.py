"""Measurement with a clock that only moves when told."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from harness.timing import (
    Laps,
    all_versions,
    calls_in,
    interleaved,
    latency,
    noise,
    quietly,
    upper_bound,
    versions,
    warm_up,
)
from tests.scenarios.fake_clock import FakeClock


def taking(clock: FakeClock, *durations: float) -> Callable[[int], None]:
    """A call that takes these durations in turn, the last one for ever."""
    call = clock.taking(*durations)
    return lambda number: call(number, quietly)


def test_warm_up_stops_when_the_last_five_lie_within_ten_percent() -> None:
    clock = FakeClock()
    found = warm_up(taking(clock, 9.0, 3.0, 2.0, 1.0), 5, clock)
    assert found.settled and not found.warnings
    assert found.durations == [9.0, 3.0, 2.0, *[1.0] * 5]
    assert found.values == {"first_ms": 9000.0, "warmup_calls": 8}
    assert [number for _, number in clock.calls] == list(range(8))


def test_warm_up_makes_at_least_the_calls_asked_for() -> None:
    for least, made in ((10, 10), (0, 5)):
        clock = FakeClock()
        assert len(warm_up(taking(clock, 1.0), least, clock).durations) == made


def test_a_call_that_never_settles_stops_at_200_or_after_20_seconds_and_says_so() -> None:
    for durations, made in (([0.01, 0.02] * 200, 200), ([5.0, 9.0, 5.0, 9.0], 4)):
        clock = FakeClock()
        found = warm_up(taking(clock, *durations), 10, clock)
        assert not found.settled and f"after {made} warm-up calls" in found.warnings[0]


def test_a_round_has_the_calls_asked_for_or_as_many_as_fill_its_seconds() -> None:
    assert calls_in([9.0, *[0.125] * 5], 3, 50, 0.5) == 50
    assert calls_in([0.125] * 5, 3, 2, 0.5) == 4
    assert calls_in([0.125, 0.1, 0.125, 0.125, 0.125], 3, 2, 0.5) == 5, "also where all are as quick as the quickest"


def test_what_takes_seconds_a_call_gets_fewer_calls_ten_a_round_at_least() -> None:
    assert calls_in([5.0] * 5, 3, 50, 2.0) == 10
    assert calls_in([1.0] * 5, 3, 50, 2.0) == 20
    assert calls_in([0.1] * 5, 3, 50, 2.0) == 50
    assert calls_in([5.0] * 5, 3, 3, 0.0) == 3


def test_what_takes_no_time_at_all_has_five_thousand_calls_a_round_at_most() -> None:
    assert calls_in([0.0] * 5, 3, 50, 2.0) == 5000
    assert calls_in([0.0] * 5, 3, 9000, 2.0) == 9000


def test_laps_are_added_up_by_stage_and_warm_up_calls_fall_out() -> None:
    clock = FakeClock()
    laps = Laps(clock)
    for number in range(5):
        laps.start()
        for stage, seconds in (("search", 1.0), ("rescore", number), ("search", 2.0)):
            clock.now += seconds
            if seconds:
                laps(stage)
    assert laps.stages(2, 2) == {
        "search": pytest.approx(np.full((2, 2), 3.0)), "rescore": pytest.approx(np.asarray([[1, 2], [3, 4]])),
    }  # fmt: skip


def test_interleaved_takes_every_call_once_a_round_after_one_free_call_each() -> None:
    clock, order = FakeClock(), []

    def call(name: str, seconds: float) -> object:
        def run() -> None:
            order.append(name)
            clock.now += seconds

        return run

    taken = interleaved({"a": call("a", 1.0), "b": call("b", 2.0)}, 3, clock)  # type: ignore[dict-item]
    assert order == ["a", "b"] * 4
    assert taken["a"].tolist() == [1.0] * 3 and taken["b"].tolist() == [2.0] * 3


def test_percentiles_are_milliseconds_over_all_rounds() -> None:
    found = latency(np.asarray([[0.001, 0.002, 0.003], [0.001, 0.002, 0.009]]))
    assert found["query_p50_ms"] == pytest.approx(2.0)
    assert found["query_p95_ms"] == pytest.approx(np.percentile([1, 2, 3, 1, 2, 9], 95))
    assert found["query_p95_ms_spread"] == pytest.approx(8.3 - 2.9)
    assert found["samples"] == 6


@pytest.mark.parametrize(("samples", "shown"), [(498, False), (499, False), (500, True), (501, True)])
def test_p99_is_withheld_under_500_samples(samples: int, shown: bool) -> None:
    found = latency(np.full((1, samples), 0.001))
    assert (found["query_p99_ms"] is not None) is shown


def test_the_upper_bound_is_student_t_on_the_repeats() -> None:
    assert upper_bound(np.asarray([1.0, 2.0, 3.0])) == pytest.approx(2 + 2.920 * 1 / np.sqrt(3))
    assert upper_bound(np.asarray([4.0, 4.0])) == 4.0
    assert upper_bound(np.asarray([1.0])) is None


@pytest.mark.parametrize("n", [2, 3, 5, 10, 11, 15, 20, 21, 40, 100])
def test_the_upper_bound_never_claims_more_than_student_t_allows(n: int) -> None:
    from scipy.stats import t

    values = np.arange(n, dtype=np.float64)
    factor = (upper_bound(values) - values.mean()) / (values.std(ddof=1) / np.sqrt(n))  # type: ignore[operator]
    assert t.ppf(0.95, n - 1) - 0.001 <= factor <= t.ppf(0.95, n - 1) + 0.1


def test_repeats_far_apart_are_a_warning_with_the_size_and_the_remedy() -> None:
    assert noise([1.0, 1.1, 1.0]) == ()
    (line,) = noise([1.0, 1.5, 1.0])
    assert "50%" in line and "timing=full" in line


def test_an_absent_package_is_named_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(versions()) >= {"torch", "numpy"}
    assert set(all_versions()) >= {"torch", "bm25s", "faiss-cpu"}
    assert versions()["numpy"] == np.__version__
