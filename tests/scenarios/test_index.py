"""Documents per second, exact with a clock that moves only inside calls."""

from __future__ import annotations

import pytest

from harness.energy import Counter
from harness.scenarios.index import Index
from harness.subjects import Subject
from harness.types import HarnessError
from tests.scenarios.fake_clock import FakeClock


def test_each_subject_takes_its_documents_once_a_round_after_one_call_to_warm_up() -> None:
    clock = FakeClock()
    small = Subject(clock.taking(9.0, 2.0, 4.0, 3.0, name="small"), documents=12, tokens=60)
    large = Subject(clock.taking(8.0, 1.0, name="large"), documents=12)
    taken = Index(3, 12).measure({"small": small, "large": large}, clock, dict)
    assert [name for name, _ in clock.calls] == ["small", "large"] * 4
    assert taken["small"].seconds.tolist() == [2.0, 4.0, 3.0] and taken["large"].seconds.tolist() == [1.0] * 3
    values = taken["small"].values
    assert (values["docs_per_s"], values["tokens_per_s"], values["documents"]) == (4.0, 20.0, 12)
    assert values["seconds_upper"] == pytest.approx(3 + 2.920 / 3**0.5)
    assert "67% apart" in taken["small"].warnings[0] and not taken["large"].warnings
    assert "tokens_per_s" not in taken["large"].values and "joules" not in taken["large"].values


def test_energy_is_told_for_each_document() -> None:
    clock, burnt = FakeClock(), iter([0, 6, 10, 16, 20, 26])
    subject = Subject(clock.taking(1.0), documents=3)
    values = Index().measure({"a": subject}, clock, lambda: {"0 package": Counter(next(burnt), 1e6)})["a"].values
    assert (values["joules"], values["joules_per_call"], values["joules_per_doc"]) == (18, 6, 2)


def test_a_round_has_as_many_calls_as_fill_its_seconds_and_counts_one_of_them() -> None:
    clock = FakeClock()
    quick = Subject(clock.taking(1.0, 0.25, *[0.25, 0.75] * 4, 0.5, name="quick"), documents=4)
    slow = Subject(clock.taking(30.0, 20.0, name="slow"), documents=4)
    taken = Index(3, 4, 1.0).measure({"quick": quick, "slow": slow}, clock, dict)
    names = [name for name, _ in clock.calls]
    assert names == ["quick"] * 2 + ["slow"] + (["quick"] * 4 + ["slow"]) * 3
    assert taken["quick"].seconds.tolist() == [0.5] * 3 and taken["quick"].values["docs_per_s"] == 8
    assert taken["slow"].seconds.tolist() == [20.0] * 3


def test_a_round_has_a_thousand_calls_at_most() -> None:
    clock = FakeClock()
    Index(3, 4, 1.0).measure({"a": clock.subject(2.0**-20, documents=4)}, clock, dict)
    assert len(clock.calls) == 2 + 3 * 1000


@pytest.mark.parametrize(("option", "wrong"), [("repeats", 2), ("documents", 0)])
def test_a_setting_that_measures_nothing_is_named_with_its_option(option: str, wrong: int) -> None:
    with pytest.raises(HarnessError, match=rf"^timing\.index\.{option}={wrong}: expected a whole number of at least"):
        Index(**{option: wrong})
