"""One query at a time: with a clock that moves only inside calls, every number is exact."""

from __future__ import annotations

import numpy as np
import pytest

from harness.energy import Counter
from harness.scenarios.query import Query
from harness.types import HarnessError
from tests.scenarios.fake_clock import FakeClock


def unmetered() -> dict[str, Counter]:
    return {}


def test_samples_are_raw_and_neither_the_warm_up_nor_the_call_before_a_turn_is_among_them() -> None:
    clock = FakeClock()
    subject = clock.subject(9.0, *[0.5] * 9, 0.7, 0.1, 0.2, 0.7, 0.3, 0.4)  # ten to warm up, then 0.7 before each turn
    taken = Query(3, 2, 0, 10).measure({"a": subject}, clock, unmetered)["a"]
    assert taken.seconds.tolist() == [pytest.approx([0.1, 0.2]), pytest.approx([0.3, 0.4]), pytest.approx([0.4, 0.4])]
    np.testing.assert_allclose(taken.stages["work"], taken.seconds)
    assert taken.values["first_ms"] == 9000 and taken.values["warmup_calls"] == 10
    assert "joules" not in taken.values
    assert [number for _, number in clock.calls[10:]] == [0, 0, 1] * 3, "calls have their number in the turn"


def test_every_subject_has_its_turn_in_every_round() -> None:
    clock = FakeClock()
    subjects = {"a": clock.subject(1.0, name="a"), "b": clock.subject(2.0, name="b")}
    taken = Query(3, 2, 0, 5).measure(subjects, clock, unmetered)
    assert [name for name, _ in clock.calls[10:]] == list("aaabbb" * 3)
    assert taken["a"].seconds.tolist() == [[1.0, 1.0]] * 3 and taken["b"].seconds.tolist() == [[2.0, 2.0]] * 3


def test_a_round_has_enough_calls_to_fill_its_seconds_the_same_number_each() -> None:
    clock = FakeClock()
    taken = Query(3, 10, 2.0, 5).measure({"a": clock.subject(0.125), "b": clock.subject(0.5)}, clock, unmetered)
    assert taken["a"].seconds.shape == (3, 16) and taken["b"].seconds.shape == (3, 10)
    assert {number for _, number in clock.calls} == {0, 1, 2}, "requests come round again"


def test_what_takes_seconds_a_call_gets_ten_calls_a_round_and_says_that_it_never_settled() -> None:
    clock = FakeClock()
    taken = Query(3, 50, 0, 10).measure({"slow": clock.subject(7.0, 5.0)}, clock, unmetered)["slow"]
    assert taken.seconds.shape == (3, 10) and taken.values["warmup_calls"] == 4
    assert taken.warnings == ("calls still differed by over 10% after 4 warm-up calls",)


def test_rounds_far_apart_are_a_warning() -> None:
    clock = FakeClock()
    subject = clock.subject(*[1.0] * 5, *[1.0] * 3, *[1.5] * 3, 1.0)
    (line,) = Query(3, 2, 0, 5).measure({"a": subject}, clock, unmetered)["a"].warnings
    assert "50% apart" in line


def test_the_energy_is_that_of_the_samples_alone() -> None:
    clock = FakeClock()
    burnt = iter([100, 103, 200, 204, 300, 305])  # joules before and after each turn
    taken = Query(3, 2, 0, 5).measure(
        {"a": clock.subject(1.0)}, clock, lambda: {"0 package": Counter(next(burnt), 1e6)}
    )["a"]
    assert taken.values["joules"] == 12 and taken.values["joules_per_call"] == 2
    assert taken.values["joules_of"] == "0 package"


@pytest.mark.parametrize(
    ("option", "wrong"), [("repeats", 2), ("calls", 0), ("seconds", -1.0), ("seconds", float("nan")), ("warmup", -1)]
)
def test_a_setting_that_measures_nothing_is_named_with_its_option(option: str, wrong: float) -> None:
    with pytest.raises(
        HarnessError, match=rf"^timing\.query\.{option}={wrong}: expected a (whole )?number of at least"
    ):
        Query(**{option: wrong})  # type: ignore[arg-type]
