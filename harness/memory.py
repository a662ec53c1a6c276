"""Memory that a process holds, and the most it held meanwhile; MB are 10^6 bytes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

_PROCESS = Path("/proc/self")
_MB = 1e6
_EVERY_S = 0.002


def rss_mb() -> float:
    """Resident memory of this process now, MB."""
    import psutil

    return float(psutil.Process().memory_info().rss / _MB)


class Peak:
    """The most resident memory of this process in a block: `with Peak() as peak:`, then `peak.mb` (MB).

    Linux keeps the peak itself, exactly, and begins anew when told to (clear_refs). Where it does not, a thread looks
    every 2 ms, and `sampled` is true: what is held for less may be missed. One at a time: a second block inside would
    let the first begin anew.
    """

    def __init__(self, process: Path = _PROCESS, rss: Callable[[], float] = rss_mb) -> None:
        self._process = process
        self._rss = rss
        self.mb = 0.0
        self.sampled = not can_reset(process)

    def __enter__(self) -> Self:
        if self.sampled:
            self._over = threading.Event()
            self._thread = threading.Thread(target=self._look, daemon=True)
            self.mb = self._rss()
            self._thread.start()
        else:
            can_reset(self._process)
        return self

    def __exit__(self, *_: object) -> None:
        if self.sampled:
            self._over.set()
            self._thread.join()
        self.mb = max(self.mb, self._rss(), 0.0 if self.sampled else _highest(self._process) or 0.0)

    def _look(self) -> None:
        while not self._over.wait(_EVERY_S):
            self.mb = max(self.mb, self._rss())


def can_reset(process: Path = _PROCESS) -> bool:
    """Have the system's own peak of this process begin anew; whether that can be done here."""
    if _highest(process) is None:
        return False
    try:
        with (process / "clear_refs").open("r+", encoding="ascii") as file:  # never makes a file
            file.write("5")
    except OSError:
        return False
    return True


def vram_peak_mb(device: str) -> float | None:
    """The most memory of a GPU that this process held for tensors since it started, what is kept for reuse included.

    MB; the driver's own few hundred are not in it. None where the device is none of CUDA's.
    """
    import torch

    if not device.startswith("cuda") or not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return None
    return float(torch.cuda.max_memory_reserved(device) / _MB)


def _highest(process: Path) -> float | None:
    """MB; None where the system does not say."""
    try:
        lines = (process / "status").read_text(encoding="ascii", errors="replace").splitlines()
        (said,) = (line for line in lines if line.startswith("VmHWM:"))
        return int(said.split()[1]) * 1024 / _MB
    except (OSError, ValueError, IndexError):
        return None
