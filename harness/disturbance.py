"""Whether a timing was disturbed: what stands beside its numbers wherever they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.meters import BUSY, STOLEN
from harness.types import Doubles, Record

NOISY = "(noisy)"
WIDE = 0.20  # of the median, between the slowest round and the fastest


def rounds(record: Record) -> Doubles:
    """Typical seconds of each round, float64 [rounds]."""
    seconds = np.asarray(record.arrays["seconds"], dtype=np.float64)
    return np.asarray(np.median(seconds, axis=1) if seconds.ndim == 2 else seconds)


def spread(record: Record) -> float:
    """How far the rounds lie apart, as a share of their median; 0 of a single one."""
    found = rounds(record)
    middle = float(np.median(found))
    return float(np.ptp(found)) / middle if middle > 0 else 0.0


def disturbed(record: Record) -> bool:
    """Whether others used over 10 % of the cores' time, a hypervisor took over 5 %, or rounds lie over 20 % apart."""
    busy, stolen = (float(record.values.get(key) or 0.0) for key in ("busy_elsewhere", "stolen"))
    return busy > BUSY or stolen > STOLEN or spread(record) > WIDE


def noisy_rows(manifest: Mapping[str, Any], records: Mapping[str, Record], *kinds: str) -> set[tuple[Any, ...]]:
    """Candidate id, eval set and batch size of the variants that have a disturbed timing of one of these kinds."""
    found = set()
    for variant in manifest["variants"]:
        keys = [key for kind, key in variant["timings"].items() if kind.partition("-")[0] in kinds]
        taken = (records[key] for key in keys if key in records)
        if any(record.status == "ok" and disturbed(record) for record in taken):
            found.add((variant["candidate_id"], variant["task"], variant["batch_size"]))
    return found
