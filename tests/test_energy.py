"""Joules from counters that go round, vanish, stand still or hold each other: right, or None."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.energy import Counter, counters, gpu_counters, processor_counters, spent

RANGE = 262143328850


def zone(root: Path, place: str, name: str, micro: object, driver: str = "intel-rapl") -> None:
    folder = root / f"{driver}:{place}"
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n")
    (folder / "energy_uj").write_text(f"{micro}\n")
    (folder / "max_energy_range_uj").write_text(f"{RANGE}\n")


def two_sockets(root: Path) -> Path:
    """As a server lists its zones: cores and the whole system are in the packages or hold them."""
    zone(root, "0", "package-0", 5_000_000)
    zone(root, "0:0", "dram", 1_000_000)
    zone(root, "0:1", "core", 4_000_000)
    zone(root, "1", "package-1", 7_000_000)
    zone(root, "1:0", "dram", 2_000_000)
    zone(root, "2", "psys", 30_000_000)
    (root / "intel-rapl").mkdir()
    zone(root, "0", "package-0", 5_000_001, driver="intel-rapl-mmio")  # the first package by another way
    return root


def test_packages_and_their_memory_are_counted_and_nothing_twice(tmp_path: Path) -> None:
    found = processor_counters(two_sockets(tmp_path))
    joules = {name: counter.joules for name, counter in found.items()}
    assert joules == {"package-0": 5, "package-0 dram": 1, "package-1": 7, "package-1 dram": 2}
    assert {counter.range for counter in found.values()} == {262143.32885}


def test_a_machine_without_counters_has_none(tmp_path: Path) -> None:
    assert processor_counters(tmp_path / "absent") == {}
    assert spent({}, {}, 10.0) is None


@pytest.mark.parametrize("broken", ["energy_uj", "max_energy_range_uj", "name"])
def test_one_file_that_cannot_be_read_leaves_no_half_sum(tmp_path: Path, broken: str) -> None:
    two_sockets(tmp_path)
    file = tmp_path / "intel-rapl:1" / broken
    file.unlink()
    file.mkdir()  # root reads files that forbid it, but never a folder
    assert processor_counters(tmp_path) == {}


def test_a_counter_that_is_no_number_leaves_no_half_sum(tmp_path: Path) -> None:
    zone(tmp_path, "0", "package-0", "<unknown>")
    assert processor_counters(tmp_path) == {}


def readings(before: float, after: float, most: float | None = 1000.0) -> tuple[dict[str, Counter], dict[str, Counter]]:
    return {"package-0": Counter(before, most)}, {"package-0": Counter(after, most)}


def test_joules_are_the_sum_of_what_every_counter_went_on_by() -> None:
    before = {"package-0": Counter(10, 1e5), "package-0 dram": Counter(1, 1e5), "GPU-a": Counter(500)}
    after = {"package-0": Counter(110, 1e5), "package-0 dram": Counter(3, 1e5), "GPU-a": Counter(900)}
    assert spent(before, after, 2.0) == 100 + 2 + 400


def test_a_counter_that_went_round_goes_on_from_zero() -> None:
    assert spent(*readings(990, 40), 1.0) == pytest.approx(50)


@pytest.mark.parametrize(
    ("before", "after", "seconds", "why"),
    [
        (990, 40, 0.05, "50 J in 50 ms are 1,000 W"),
        (100, 90, 1.0, "it was set back a little, and did not go round: 990 W"),
        (100, 200, 2.0, "at 500 W it may have gone round in two seconds"),
        (100, 100, 1.0, "it stands still"),
        (100, 110, 0.04, "too short"),
        (100, 110, 0.0, "the clock stands still"),
        (100, 110, -1.0, "the clock ran backwards"),
        (100, float("nan"), 1.0, "no number"),
        (100, 110, float("nan"), "no time"),
    ],
)
def test_what_a_package_cannot_have_used_is_not_known(before: float, after: float, seconds: float, why: str) -> None:
    assert spent(*readings(before, after), seconds) is None, why


def test_a_gpu_whose_counter_ran_backwards_or_that_had_no_time_is_not_known() -> None:
    assert spent(*readings(100, 90, None), 1.0) is None
    assert spent(*readings(100, 190, None), 0.4) is None
    assert spent(*readings(100, 190, None), 0.5) == 90


def test_memory_that_always_says_zero_costs_nothing_and_a_lost_counter_everything() -> None:
    still = {"package-0 dram": Counter(0, 1000.0)}
    before, after = readings(100, 150)
    assert spent(before | still, after | still, 1.0) == 50
    assert spent(before | still, after, 1.0) is None


class Nvml:
    """As much of pynvml as is called: two GPUs, one of which has no counter."""

    NVMLError = type("NVMLError", (Exception,), {})

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        if uuid not in ("GPU-new", "GPU-old"):
            raise self.NVMLError("not found")
        return uuid

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: str) -> int:
        if handle == "GPU-old":
            raise self.NVMLError("not supported")
        return 123_456


def test_gpus_count_in_joules_and_all_or_none() -> None:
    assert gpu_counters(["GPU-new"], Nvml()) == {"GPU-new": Counter(123.456)}
    assert gpu_counters(["GPU-new", "GPU-old"], Nvml()) is None
    assert gpu_counters(["GPU-gone"], Nvml()) is None
    assert gpu_counters(["GPU-new"], None) is None, "pynvml is not installed"
    assert gpu_counters([], None) == {}


def test_a_gpu_in_use_without_a_counter_leaves_no_half_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = SimpleNamespace(
        is_initialized=lambda: True, device_count=lambda: 2, memory_allocated=lambda i: i * 100,
        get_device_properties=lambda i: SimpleNamespace(uuid=("new", "old")[i]),
    )  # fmt: skip
    monkeypatch.setitem(__import__("sys").modules, "torch", SimpleNamespace(cuda=cuda))
    monkeypatch.setattr("harness.energy.processor_counters", lambda: {"package-0": Counter(1.0, 1000.0)})
    monkeypatch.setattr("harness.energy.nvml", Nvml)
    assert counters() == {}
    cuda.memory_allocated = lambda i: 100 * (i == 0)
    assert counters() == {"package-0": Counter(1.0, 1000.0), "GPU-new": Counter(123.456)}
    cuda.is_initialized = lambda: False
    assert list(counters()) == ["package-0"], "a GPU that is not used does not count"
