"""Poisson arrivals at one server, held against a simulation of the queue."""

from __future__ import annotations

import numpy as np
import pytest

from harness.scenarios.serve import Serve
from harness.subjects import Taken
from harness.types import HarnessError
from tests.scenarios.fake_clock import FakeClock

SERVICE = 0.010


def measured(part: Serve, *durations: float) -> Taken:
    clock = FakeClock()
    return part.measure({"a": clock.subject(*durations)}, clock, clock.wait)["a"]


def queue(rate: float, services: float | np.ndarray, requests: int, seed: int) -> np.ndarray:
    """Seconds from arrival to answer (Lindley): who comes while another is served waits for what is left of it."""
    gaps = np.random.default_rng(seed).exponential(size=requests)
    gaps *= requests / rate / gaps.sum()
    each = np.broadcast_to(services, requests)
    found = [each[0]]
    for gap, service in zip(gaps[1:], each[1:], strict=True):
        found.append(service + max(0.0, found[-1] - gap))
    return np.asarray(found)


@pytest.mark.parametrize("limit_ms", [20.0, 30.0, 60.0, 200.0])
def test_the_rate_is_the_highest_whose_p99_of_the_queue_is_within_the_limit(limit_ms: float) -> None:
    part = Serve(limit_ms, 2000, 3)
    taken = measured(part, SERVICE)
    rate = taken.values["rate_per_s"]
    np.testing.assert_allclose(taken.seconds[0], queue(rate, SERVICE, 2000, 3), rtol=1e-6)
    assert taken.values["p99_ms"] == pytest.approx(np.percentile(queue(rate, SERVICE, 2000, 3), 99) * 1000)
    assert taken.values["p99_ms"] <= limit_ms and taken.values["requests"] == 2000
    assert np.percentile(queue(rate * 1.06, SERVICE, 2000, 3), 99) * 1000 > limit_ms or rate * 1.06 >= 1 / SERVICE


def test_the_mean_wait_is_that_of_a_queue_with_poisson_arrivals_and_equal_services() -> None:
    part = Serve(26.0, 40_000, 1)
    taken = measured(part, SERVICE)
    busy = taken.values["rate_per_s"] * SERVICE
    expected = SERVICE + busy * SERVICE / (2 * (1 - busy))  # Pollaczek-Khinchine
    assert 0.2 < busy < 0.9 and taken.seconds.mean() == pytest.approx(expected, rel=0.03)


def test_what_waits_behind_a_slow_request_is_late_from_when_it_was_to_be_sent() -> None:
    slow = [SERVICE] * 70 + [SERVICE] * 100 + [3.0] + [SERVICE]  # the 101st request takes three seconds
    taken = measured(Serve(100.0, 500, 0), *slow)
    services = np.full(500, SERVICE)
    services[100] = 3.0
    first = queue(50.0, SERVICE, 500, 0)  # half of what the closed loop did: the rate that is tried first
    assert taken.arrays["rates"][0] == pytest.approx(50.0)
    slowed = queue(50.0, services, 500, 0)
    assert np.percentile(slowed, 99) > 2, "about 150 requests came in those three seconds; one was served slowly"
    assert np.isnan(taken.arrays["p99_ms"][0]), "given up"
    assert np.percentile(first, 99) < 0.1


def test_one_stall_of_another_program_does_not_lower_the_rate() -> None:
    calm, closed = measured(Serve(100.0, 500), 0.008), in_a_closed_loop(0.008)
    stalled = measured(Serve(100.0, 500), *[0.008] * (closed + 100), 0.4, 0.008)
    first = stalled.arrays["rates"][0]
    assert np.isnan(stalled.arrays["p99_ms"][0]), "given up"
    assert stalled.arrays["rates"][1] == first and stalled.arrays["p99_ms"][1] < 100, "and tried again"
    assert stalled.values["rate_per_s"] == pytest.approx(calm.values["rate_per_s"])


def test_a_hopeless_rate_is_given_up_once_the_p99_cannot_be_met() -> None:
    clock = FakeClock()
    taken = Serve(5.0, 500).measure({"a": clock.subject(SERVICE)}, clock, clock.wait)["a"]
    assert taken.values["rate_per_s"] is None and taken.values["p99_ms"] is None
    assert np.isnan(taken.arrays["p99_ms"]).all()
    np.testing.assert_allclose(taken.arrays["rates"], np.repeat([50, 25, 12.5, 6.25, 3.125], 2))
    assert taken.seconds.shape == (1, 6) and taken.values["requests"] == 6, "five late ones of 500 would be allowed"
    assert 20 + 50 + 10 * 6 <= len(clock.calls) <= 20 + 51 + 10 * 6


def in_a_closed_loop(service: float) -> int:
    """How many calls come before the first rate is offered."""
    clock = FakeClock()
    Serve(1e-6, 500, 0, 0.0).measure({"a": clock.subject(service)}, clock, clock.wait)
    return len(clock.calls) - 2 * 5 * 6  # every rate is given up twice


CLOSED = in_a_closed_loop(0.001)


@pytest.mark.parametrize("requests", [500, 550, 599, 600])
def test_no_rate_is_given_up_whose_p99_would_have_held(requests: int) -> None:
    services = np.random.default_rng(7).lognormal(np.log(0.001), 0.3, requests)
    simulated = queue(500.0, services, requests, 0)
    for late in range(12):  # the limit lies between two latencies, so that exactly so many are late
        above, below = np.sort(simulated)[::-1][late - 1 if late else 0], np.sort(simulated)[::-1][late]
        limit = 1000 * ((above + below) / 2 if late else 2 * above)
        taken = measured(Serve(limit, requests, 0, 0.0), *[0.001] * CLOSED, *services)
        holds = np.percentile(simulated, 99) * 1000 <= limit
        tail = taken.arrays["p99_ms"][0]
        assert tail == pytest.approx(np.percentile(simulated, 99) * 1000) if holds else not tail <= limit


def test_a_server_that_was_quicker_before_it_was_offered_anything_is_held_to_what_it_can_do() -> None:
    for before in (0.0, 0.000075):
        for quick in (20, 5020):
            taken = measured(Serve(100.0, 500), *[before] * quick, 0.00015)
            assert taken.values["rate_per_s"] == pytest.approx(1 / 0.00015, rel=0.06), (before, quick)
            assert taken.values["rate_per_s"] < 1 / 0.00015
            assert taken.values["ceiling"] == (quick == 20), "a closed loop that slowed down bounds nothing from above"


def test_a_rate_is_offered_for_as_long_as_a_queue_needs_to_grow() -> None:
    taken = measured(Serve(100.0, 500), 0.001)
    rate = taken.values["rate_per_s"]
    assert taken.values["requests"] == int(np.ceil(rate * 2.0)) and taken.seconds.shape == (1, taken.values["requests"])
    assert measured(Serve(200.0, 500, 0, 1.0), 0.001).values["requests"] >= 4 * 930, "20 times the limit"


def test_where_every_rate_held_the_rate_is_at_least_that() -> None:
    taken = measured(Serve(100.0, 500), 0.001)
    assert taken.values["ceiling"] is True
    assert taken.warnings == ("at least 969 a second: no rate that was tried failed",)
    np.testing.assert_allclose(taken.arrays["busy"], taken.arrays["rates"] * 0.001)
    limited = measured(Serve(12.0, 2000), SERVICE)
    assert limited.values["ceiling"] is False and limited.warnings == ()


def test_no_more_than_twenty_thousand_requests_are_offered() -> None:
    taken = measured(Serve(100.0, 500), 1e-6)
    assert taken.values["rate_per_s"] == pytest.approx(10_000 * 31 / 32) and taken.values["ceiling"] is True
    assert taken.values["requests"] == 19_375


def test_the_same_seed_gives_the_same_samples() -> None:
    one, same, other = (measured(Serve(20.0, 500, seed), SERVICE).seconds for seed in (0, 0, 1))
    assert one.tolist() == same.tolist() and one.tolist() != other.tolist()


@pytest.mark.parametrize(
    ("option", "wrong"), [("limit_ms", 0.0), ("limit_ms", -1.0), ("requests", 499), ("seed", -1), ("seconds", -1.0)]
)
def test_a_setting_that_cannot_be_is_named_with_its_option(option: str, wrong: float) -> None:
    with pytest.raises(HarnessError, match=rf"^timing\.serve\.{option}={wrong:g}"):
        Serve(**{option: wrong})  # type: ignore[arg-type]
