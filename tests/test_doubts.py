"""A timing is doubtful for what others did meanwhile; a load alone says so only where nobody looked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.doubts import doubts
from harness.table import Sweep
from tests.small_sweep import small_sweep


def timed(first: dict[str, Any], others: dict[str, Any] | None = None, status: str = "ok") -> Sweep:
    """A sweep on 4 cores whose first timing has these values and the rest those."""
    sweep = small_sweep()
    names = sorted(key for key, record in sweep.records.items() if record.kind == "timing")
    made = {
        key: replace(sweep.records[key], values=first if key == names[0] else others or {}, status=status)
        for key in names
    }
    return sweep._replace(records=sweep.records | made)


def test_a_high_load_is_a_doubt_where_nobody_looked_who_made_it() -> None:
    assert doubts(timed({"load_before": 6.1}), []).load == (6.1, 4)
    assert doubts(timed({"load_before": 6.0}), []).load is None, "one and a half times the cores"
    assert doubts(timed({"load_before": float("nan")}), []).load is None


def test_a_load_that_others_had_no_part_in_is_our_own() -> None:
    found = doubts(timed({"load_before": 9.0, "busy_elsewhere": 0.02, "stolen": 0.0}), [])
    assert found.load is found.busy is found.stolen is found.clock is None
    unknown = doubts(timed({"load_before": 9.0, "busy_elsewhere": None}), [])
    assert unknown.load == (9.0, 4), "too short to say who"


def test_each_timing_stands_for_itself() -> None:
    found = doubts(timed({"load_before": 9.0, "busy_elsewhere": 0.02}, {"load_before": 7.0}), [])
    assert found.load == (7.0, 4)


@pytest.mark.parametrize(("name", "field", "least"), [("busy_elsewhere", "busy", 0.10), ("stolen", "stolen", 0.05)])
def test_the_highest_share_of_others_counts_from_a_limit_on(name: str, field: str, least: float) -> None:
    assert getattr(doubts(timed({name: least}), []), field) is None
    assert getattr(doubts(timed({name: least + 0.01}, {name: 0.01}), []), field) == least + 0.01
    assert getattr(doubts(timed({name: 0.9}, status="failed"), []), field) is None
    assert getattr(doubts(timed({name: float("nan")}, {name: 0.5}), []), field) == 0.5


def test_clocks_that_disagree_are_a_doubt_in_seconds() -> None:
    assert doubts(timed({"clock_gap_s": 0.9, "watched_s": 100.0}), []).clock is None
    assert doubts(timed({"clock_gap_s": 1.1, "watched_s": 100.0}), []).clock == 1.1
    assert doubts(timed({"clock_gap_s": 0.2, "watched_s": None}), []).clock == 0.2
    assert doubts(timed({"clock_gap_s": 0.04, "watched_s": 1.0}), []).clock is None
