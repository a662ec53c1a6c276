"""What `harness doctor` says: the machine, and what of a measurement can be read on it."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan
from typing import Any

from harness.energy import gpu_counters, nvml, processor_counters, uuid
from harness.fingerprint import machine
from harness.forward import resolve_devices
from harness.halved import hardware_has_bfloat16
from harness.memory import can_reset
from harness.meters import heat_count
from harness.timing import load
from harness.wording import counted


def machine_text() -> str:
    """A line for each fact, the versions of libraries last."""
    about = machine()
    facts = (
        {key: _said(value) for key, value in about.items() if key != "versions"} | _devices() | _meters(about["cores"])
    )
    return "\n".join(f"{key:14} {value}" for key, value in facts.items()) + "\n" + _versions(about["versions"])


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{name}={text}" for name, text in value.items()) or "none set"
    if isinstance(value, list):
        return " ".join(value) or "not known"
    return "none" if value is None else str(value)


def _devices() -> dict[str, str]:
    import torch

    devices = resolve_devices("auto")
    fast = [device for device in devices if hardware_has_bfloat16(device)]
    bfloat16 = f"in hardware on {', '.join(fast)}" if fast else "not in hardware, so dtype=auto stays float32"
    kernels = torch.backends.cpu.get_cpu_capability()
    return {"device": f"auto means {', '.join(devices)}", "bfloat16": bfloat16, "cpu kernels": kernels}


def _meters(cores: int) -> dict[str, str]:
    """What can be read here while something is measured, and what to do where it cannot."""
    exact = "exact: the system keeps it" if can_reset() else "looked for every 2 ms: the system does not keep it"
    heat = "counted" if heat_count() is not None else "not said by the system"
    return {"load": load_text(load(), cores), "energy": energy_text(), "peak memory": exact, "slowed by heat": heat}


def load_text(now: float, cores: int) -> str:
    """The load of the last minute, and whether others then leave no core to time on; NaN where it is not known."""
    if isnan(now):
        return "not said by the system"
    busy = now > _BUSY * cores
    told = f"{now:.2f} on {counted(cores, 'core')}"
    return f"{told}: busy, timings taken now would mislead; close other programs" if busy else told


_BUSY = 0.5  # of the cores: what is timed uses the rest, and `load` counts what waits as well


def energy_text() -> str:
    """Which counters of energy can be read."""
    import torch

    told = [
        ", ".join(processor_counters()) or "none of the processor (virtual machine, or Linux lets only root read it)"
    ]
    if torch.cuda.is_available():
        found = gpu_counters([uuid(i) for i in range(torch.cuda.device_count())], nvml())
        told.append(", ".join(found) if found else "none of the GPU (pip install nvidia-ml-py; Volta or later)")
    return "; ".join(told)


def _versions(versions: Mapping[str, str]) -> str:
    return "\n".join(f"{name:24} {version}" for name, version in versions.items())
