"""What the machine is: everything about it that decides a speed and stays the same from process to process."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import Any

from harness.timing import speed_versions

_CPUINFO = Path("/proc/cpuinfo")
_CORES = Path("/sys/devices/system/cpu")
_DRIVER = Path("/proc/driver/nvidia/version")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")
# Instructions that kernels choose by; asimd is what Linux calls neon.
_FLAGS = (
    "avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "avx_vnni", "amx_bf16", "amx_int8",
    "amx_fp16", "asimd", "asimddp", "asimdhp", "bf16", "i8mm", "sve", "sve2", "sme",
)  # fmt: skip
_VARIABLES = (
    "OMP_NUM_THREADS", "OMP_PROC_BIND", "OMP_PLACES", "OMP_WAIT_POLICY", "OMP_DYNAMIC", "OMP_THREAD_LIMIT",
    "GOMP_CPU_AFFINITY", "GOMP_SPINCOUNT", "KMP_AFFINITY", "KMP_BLOCKTIME", "MKL_NUM_THREADS", "MKL_DYNAMIC",
    "MKL_ENABLE_INSTRUCTIONS", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", "OPENBLAS_NUM_THREADS",
    "RAYON_NUM_THREADS", "TOKENIZERS_PARALLELISM",
)  # fmt: skip


def machine() -> dict[str, Any]:
    """What decides speed here; part of a timing's key, so nothing that moves is in it (load, current frequency).

    processor, flags (of those that kernels choose by), cores (that this process may use), quota_cores (of its
    container, None without), sockets, frequency_mhz (the highest; None where not said), memory_gb (GiB), system,
    python, threads (torch's), environment (variables that steer threads, where set), accelerator ("none" or the first
    GPU) with gpu_memory_gb (GiB), driver and cuda (None without), versions of libraries.
    """
    import psutil
    import torch

    info = _read(_CPUINFO)
    return {
        "processor": processor(info),
        "flags": flags(info),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else psutil.cpu_count(),
        "quota_cores": quota_cores(_read(_QUOTA)),
        "sockets": sockets(_CORES),
        "frequency_mhz": highest_mhz(_CORES),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "threads": torch.get_num_threads(),
        "environment": environment(),
        **_gpu(),
        "versions": speed_versions(),
    }


def processor(cpuinfo: str) -> str:
    """The model's name; "unknown" where nobody says it."""
    return _field(cpuinfo, "model name") or platform.processor() or "unknown"


def flags(cpuinfo: str) -> list[str]:
    """Those instruction sets that matter, of what Linux lists (x86: flags, Arm: Features); neon is named asimd."""
    listed = (_field(cpuinfo, "flags") or _field(cpuinfo, "Features")).split()
    return [flag for flag in _FLAGS if flag in listed]


def quota_cores(cpu_max: str) -> float | None:
    """How many cores' time a container may use (cgroup's cpu.max); None where there is no limit."""
    found = re.fullmatch(r"(\d+) (\d+)", cpu_max.strip())
    return round(int(found[1]) / int(found[2]), 2) if found and int(found[2]) else None


def sockets(cores: Path) -> int | None:
    """Packages that hold the cores; None where it is not said."""
    return (
        len({text for core in cores.glob("cpu[0-9]*") if (text := _read(core / "topology/physical_package_id"))})
        or None
    )


def highest_mhz(cores: Path) -> int | None:
    """The frequency that the fastest core can reach; None where it is not said, as in most virtual machines."""
    told = [_read(file).strip() for file in cores.glob("cpu[0-9]*/cpufreq/cpuinfo_max_freq")]
    return max((round(int(text) / 1000) for text in told if text.isdecimal()), default=None)


def environment() -> dict[str, str]:
    """Variables that steer threads and kernels, where they are set; "true" is what a tokenizer does unasked."""
    found = {name: os.getenv(name, "") for name in _VARIABLES}
    return {
        name: value for name, value in found.items() if value and (name, value) != ("TOKENIZERS_PARALLELISM", "true")
    }


def driver(version: str) -> str | None:
    """Of an NVIDIA GPU, from what its kernel module says; None where it does not."""
    found = re.search(r"Kernel Module.*?(\d+(?:\.\d+)+)", version)
    return found[1] if found else None


def _gpu() -> dict[str, Any]:
    import torch

    if not torch.cuda.is_available():
        return {"accelerator": "none", "gpu_memory_gb": None, "driver": None, "cuda": None}
    return {
        "accelerator": torch.cuda.get_device_name(0),
        "gpu_memory_gb": round(torch.cuda.get_device_properties(0).total_memory / 2**30),
        "driver": driver(_read(_DRIVER)),
        "cuda": torch.version.cuda,
    }


def _field(cpuinfo: str, name: str) -> str:
    """Its first value; empty where there is none."""
    found = re.search(rf"^{name}\s*:(.*)$", cpuinfo, re.MULTILINE)
    return found[1].strip() if found else ""


def _read(file: Path) -> str:
    """What a file of the system says; nothing where there is none."""
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
