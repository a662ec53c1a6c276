"""Energy that the machine says it used: the processor's own counters (RAPL) and those of NVIDIA GPUs (NVML)."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

_POWERCAP = Path("/sys/class/powercap")
_LEAST_S, _LEAST_GPU_S = 0.05, 0.5  # a package renews its counter a thousand times a second, a GPU ten times
_MOST_W = 500.0  # of one package; counters of small range go round in a few minutes at that


class Counter(NamedTuple):
    """Joules since some moment, and the joules at which the counter begins again at 0 (None: it never does)."""

    joules: float
    range: float | None = None


def counters() -> dict[str, Counter]:
    """Every counter of what works here, by name: packages and memory of the processor, GPUs that hold our tensors.

    Empty where the processor's cannot be read and no GPU is used, or where a GPU that is used has none: half a sum
    would look like a whole one.
    """
    gpus = gpu_counters(_used_gpus(), nvml())
    return {} if gpus is None else processor_counters() | gpus


def processor_counters(root: Path = _POWERCAP) -> dict[str, Counter]:
    """RAPL through Linux's powercap files: each package, and the memory that no package counts as its own.

    The cores and graphics of a package are in its sum already, and so is a package in the whole system's (psys). Empty
    where one of them cannot be read: since 2020 kernels let root alone do so.
    """
    found = {}
    try:
        for zone in sorted(root.glob("intel-rapl:*")):
            kind = _name(zone)
            if kind.startswith("package"):
                found[kind] = _zone(zone)
            elif kind == "dram":
                found[f"{_name(root / zone.name.rpartition(':')[0])} dram"] = _zone(zone)
    except (OSError, ValueError):
        return {}
    return found


def gpu_counters(gpus: Iterable[str], library: Any) -> dict[str, Counter] | None:
    """The counters of GPUs (Volta or later), named by UUID; None where one has none, or the library is not there.

    library: what `nvml` gives.
    """
    found = {}
    for gpu in gpus:
        if library is None:
            return None
        try:
            handle = library.nvmlDeviceGetHandleByUUID(gpu)
            found[gpu] = Counter(float(library.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000)
        except library.NVMLError:
            return None
    return found


def uuid(index: int) -> str:
    """The name of a GPU that torch counts, as NVML knows it."""
    import torch

    return f"GPU-{torch.cuda.get_device_properties(index).uuid}"


@cache
def nvml() -> Any:
    """The module pynvml, ready; None where it is not installed or finds no driver."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


def spent(before: Mapping[str, Counter], after: Mapping[str, Counter], seconds: float) -> float | None:
    """Joules that all counters together went on by in so many seconds; idle power and other programs are in it.

    None where there is no counter or not the same ones, where one stood still, ran backwards, or says more than the
    500 W that a package draws at most, in under 50 ms (of a GPU: half a second), and in so long that one may have gone
    round twice.
    """
    if not before or before.keys() != after.keys():
        return None
    total = 0.0
    for name, start in before.items():
        gone = _gone(start, after[name], seconds)
        if gone is None or (gone == 0 and not name.endswith("dram")):  # some processors leave the memory's at 0
            return None
        total += gone
    return total


def _gone(start: Counter, end: Counter, seconds: float) -> float | None:
    gone, most = end.joules - start.joules, seconds * _MOST_W
    if start.range is None:
        return gone if seconds >= _LEAST_GPU_S and 0 <= gone < float("inf") else None
    gone += start.range if gone < 0 else 0.0
    return gone if seconds >= _LEAST_S and gone <= most < start.range else None


def _name(zone: Path) -> str:
    return (zone / "name").read_text(encoding="ascii").strip()


def _zone(zone: Path) -> Counter:
    """ValueError where the counter is no whole number of microjoules, or says no range."""
    micro, most = (int((zone / name).read_text(encoding="ascii")) for name in ("energy_uj", "max_energy_range_uj"))
    return Counter(micro / 1e6, most / 1e6)


def _used_gpus() -> list[str]:
    """UUIDs of the GPUs on which this process holds tensors; nothing is imported or initialised to find out."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return []
    return [uuid(i) for i in range(torch.cuda.device_count()) if torch.cuda.memory_allocated(i)]
