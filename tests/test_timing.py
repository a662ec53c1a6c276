"""Measurement with a clock that only moves when told."""

from __future__ import annotations

import numpy as np
import pytest

from harness.timing import Laps, all_versions, interleaved, latency, noise, sample, upper_bound, versions, warm_up


class FakeClock:
    """Seconds that pass only inside calls."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[int] = []

    def __call__(self) -> float:
        return self.now

    def taking(self, *durations: float) -> object:
        """A call that takes the given durations in turn, the last one for ever."""

        def call(number: int) -> None:
            self.now += durations[min(len(self.calls), len(durations) - 1)]
            self.calls.append(number)

        return call


def test_warm_up_stops_when_the_last_five_lie_within_ten_percent() -> None:
    clock = FakeClock()
    first, made, settled = warm_up(clock.taking(9.0, 3.0, 2.0, 1.0), 5, clock)  # type: ignore[arg-type]
    assert (first, made, settled) == (9.0, 8, True)  # calls 4 to 8 are alike
    assert clock.calls == list(range(8))


def test_warm_up_makes_at_least_the_calls_asked_for() -> None:
    clock = FakeClock()
    assert warm_up(clock.taking(1.0), 10, clock)[1:] == (10, True)  # type: ignore[arg-type]
    assert warm_up(FakeClock().taking(1.0), 0, clock)[1] >= 5  # type: ignore[arg-type]


def test_a_call_that_never_settles_stops_at_200_and_says_so() -> None:
    clock = FakeClock()
    durations = [0.01, 0.02] * 200
    _, made, settled = warm_up(clock.taking(*durations), 10, clock)  # type: ignore[arg-type]
    assert (made, settled) == (200, False)


def test_samples_are_raw_and_the_warm_up_is_not_among_them() -> None:
    clock = FakeClock()
    taken = sample(clock.taking(*[0.5] * 10, *[0.1] * 99), 2, 3, 10, clock)  # type: ignore[arg-type]
    assert taken.seconds.tolist() == [pytest.approx([0.1] * 3)] * 2
    assert (taken.first_s, taken.warmup, taken.settled) == (0.5, 10, True)
    assert clock.calls[10:] == [0, 1, 2, 0, 1, 2]


def test_what_takes_seconds_a_call_gets_fewer_calls_ten_a_round_at_least() -> None:
    clock = FakeClock()
    slow = sample(clock.taking(5.0), 3, 50, 10, clock)  # type: ignore[arg-type]
    assert (slow.seconds.shape, slow.warmup, slow.settled) == ((3, 10), 4, False)
    assert sample(clock.taking(1.0), 3, 50, 10, clock).seconds.shape == (3, 20)  # type: ignore[arg-type]
    assert sample(clock.taking(0.1), 3, 50, 10, clock).seconds.shape == (3, 50)  # type: ignore[arg-type]
    assert sample(clock.taking(5.0), 2, 3, 10, clock).seconds.shape == (2, 3)  # type: ignore[arg-type]


def test_laps_are_added_up_by_stage_and_warm_up_calls_fall_out() -> None:
    clock = FakeClock()
    laps = Laps(clock)  # type: ignore[arg-type]
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
    assert noise([1.0, 1.1, 1.0], "search") == ()
    (line,) = noise([1.0, 1.5, 1.0], "search")
    assert "search" in line and "50%" in line and "timing=full" in line


def test_an_absent_package_is_named_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(versions()) >= {"torch", "numpy"}
    assert set(all_versions()) >= {"torch", "bm25s", "faiss-cpu"}
    assert versions()["numpy"] == np.__version__
