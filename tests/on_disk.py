"""Sweeps made by hand as they lie on disk, each item with its id, for tests of what reads and writes folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.store import Records, write_json
from harness.table import Sweep, read_sweep


def keep(sweep: Sweep, folder: Path, **manifest: Any) -> Sweep:
    """Write the sweep as one that ran into the folder, named as the folder is; gives it as read back."""
    store = Records(folder / "records")
    for record in sweep.records.values():
        store.put(record)
    write_json(folder / "sweep.json", sweep.manifest | {"sweep": folder.name} | manifest)
    return read_sweep(folder)


def with_ids(sweep: Sweep, drop: int = 0) -> Sweep:
    """Every quality record with the ids q0, q1 ... of its items; without the first `drop` of them."""
    made = {}
    for key, record in sweep.records.items():
        if record.kind == "quality" and record.status == "ok":
            count = len(record.arrays[record.values["main"]])
            arrays = {name: values[drop:] for name, values in record.arrays.items()}
            record = replace(record, arrays=arrays | {"query_ids": np.asarray([f"q{i}" for i in range(drop, count)])})
        made[key] = record
    return sweep._replace(records=made)


def timed_on(sweep: Sweep, machine: Mapping[str, Any]) -> Sweep:
    """Every timing as taken on this machine."""
    made = {
        key: replace(record, provenance={"machine": dict(machine)}) if record.kind == "timing" else record
        for key, record in sweep.records.items()
    }
    return sweep._replace(records=made)
