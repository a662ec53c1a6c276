"""A cold start: with a clock and a memory that move only when told, every number is exact."""

from __future__ import annotations

import pytest

from harness.scenarios.start import Start
from harness.subjects import Subject
from tests.scenarios.fake_clock import FakeClock


class FakeMemory:
    """Resident MB, and the peaks of blocks."""

    def __init__(self) -> None:
        self.mb = 100.0
        self.highest = 0.0

    def rss(self) -> float:
        return self.mb

    def grow(self, to: float, left: float) -> None:
        """Hold so much for a moment, and keep some of it."""
        self.highest, self.mb = max(self.highest, to), left

    def peak(self) -> FakePeak:
        return FakePeak(self)


class FakePeak:
    def __init__(self, memory: FakeMemory) -> None:
        self.memory, self.mb = memory, 0.0

    def __enter__(self) -> FakePeak:
        self.memory.highest = self.memory.mb
        return self

    def __exit__(self, *_: object) -> None:
        self.mb = self.memory.highest


def test_one_model_is_loaded_once_and_each_batch_size_has_the_memory_it_took() -> None:
    clock, memory, loads = FakeClock(), FakeMemory(), list[str]()

    def load() -> None:
        if not loads:
            clock.now += 4.0
            memory.grow(900, 300)
        loads.append("")

    call = clock.taking(0.5, *[0.1] * 4, *[0.2] * 6)
    subjects = {
        "one": Subject(call, 3, load=load, fill=lambda: memory.grow(350, 320)),
        "many": Subject(call, 3, load=load, fill=lambda: memory.grow(800, 500)),
    }
    taken = Start().measure(subjects, clock, memory.rss, memory.peak)
    shared = {"load_s": 4.0, "loaded_mb": 200.0, "first_ms": 500.0, "settled_ms": 200.0}
    assert taken["one"].values == pytest.approx(shared | {"peak_rss_mb": 350.0}), "loading is over when it serves"
    assert taken["many"].values == pytest.approx(shared | {"peak_rss_mb": 800.0})
    assert taken["one"].seconds.tolist() == [pytest.approx([0.1] * 4 + [0.2] * 6)]
    assert len(clock.calls) == 11 + 10 and {number for _, number in clock.calls} == {0, 1, 2}


def test_without_a_largest_batch_the_memory_is_that_of_building_the_index() -> None:
    clock, memory = FakeClock(), FakeMemory()
    subject = Subject(clock.taking(0.1), load=lambda: memory.grow(700, 250))
    (taken,) = Start().measure({"words": subject}, clock, memory.rss, memory.peak).values()
    assert taken.values["peak_rss_mb"] == 700.0 and taken.values["loaded_mb"] == 150.0
