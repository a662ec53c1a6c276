"""Speeds are set against each other only where machine and settings were the same."""

from __future__ import annotations

from typing import Any

import pytest

from harness.ratios import Ratios, ratios
from harness.table import Sweep
from tests.on_disk import timed_on
from tests.small_sweep import MACHINE, candidate, small_sweep

NODES = {"query": {"calls": 50}, "index": {"repeats": 3}, "start": {}, "serve": None}


def placed(p95: float, machine: dict[str, Any], **timing: Any) -> Sweep:
    sweep = timed_on(small_sweep([candidate("m", "float32", 0.6, 100, p95)]), machine)
    return sweep._replace(manifest=sweep.manifest | timing)


def held(before: Sweep, after: Sweep) -> Ratios:
    return ratios((before, "id00"), (after, "id00"), {"helpdesk": "helpdesk"})


def test_on_the_same_machine_the_ratio_is_after_over_before() -> None:
    (latency, rate) = held(placed(10.0, MACHINE), placed(15.0, MACHINE)).found
    assert (latency.what, latency.times, rate.times) == ("query p95", pytest.approx(1.5), 1.0)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ({"flags": ["avx2"]}, {"flags": ["avx2", "amx_bf16"]}, "Test CPU, with amx_bf16; Test CPU, without amx_bf16"),
        ({"environment": {}}, {"environment": {"OMP_NUM_THREADS": "1"}}, "OMP_NUM_THREADS not set; Test CPU, OMP_NUM_THREADS=1"),
        ({}, {"cores": 8}, "Test CPU, 4 cores; Test CPU, 8 cores"),
    ],
)  # fmt: skip
def test_machines_that_differ_in_anything_are_not_compared(
    old: dict[str, Any], new: dict[str, Any], named: str
) -> None:
    found = held(placed(10.0, MACHINE | old), placed(10.0, MACHINE | new))
    assert found.found == () and named in found.why_not


def test_a_baseline_of_before_flags_were_kept_can_still_be_compared() -> None:
    assert held(placed(10.0, MACHINE), placed(10.0, MACHINE | {"flags": ["avx2"], "environment": {}})).why_not == ""


def test_a_load_that_was_served_besides_makes_no_other_settings() -> None:
    served = NODES | {"serve": {"limit_ms": 100}}
    assert held(placed(10.0, MACHINE, timing=NODES), placed(10.0, MACHINE, timing=served)).found
    longer = NODES | {"query": {"calls": 200}}
    assert "other settings" in held(placed(10.0, MACHINE, timing=NODES), placed(10.0, MACHINE, timing=longer)).why_not
    assert "other settings" in held(placed(10.0, MACHINE), placed(10.0, MACHINE, timing=NODES)).why_not


def test_without_a_machine_nothing_is_compared() -> None:
    assert "which machine" in held(placed(10.0, MACHINE), placed(10.0, {})).why_not
