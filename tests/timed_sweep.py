"""A sweep made by hand with every kind of timing there is: batch sizes, cold starts, stages, served rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from harness.table import Sweep
from harness.types import Record
from tests.small_sweep import MACHINE, candidate, small_sweep

MODELS = (
    candidate("large", "float32", 0.60, 3000, 20.0),
    candidate("large", "int8", 0.598, 750, 20.0),
    candidate("small", "float32", 0.45, 1000, 2.0),
)
RATES = {1: 20.0, 8: 100.0, 32: 190.0, 128: 200.0, 512: 198.0}  # the knee is 32
TIMING = {
    "query": {"_target_": "harness.scenarios.query.Query", "repeats": 3, "calls": 200, "seconds": 0.2, "warmup": 10},
    "index": {"_target_": "harness.scenarios.index.Index", "repeats": 3, "documents": 64},
    "start": {"_target_": "harness.scenarios.start.Start"},
    "serve": {"_target_": "harness.scenarios.serve.Serve", "limit_ms": 100.0, "requests": 500},
}
_WATCHED = {
    "load_before": 0.5, "load_after": 0.6, "busy_elsewhere": 0.02, "stolen": 0.0, "clock_gap_s": 0.001, "together": 3,
}  # fmt: skip


def timed_sweep(
    rates: Mapping[int, float] = RATES, used: Mapping[int, int] = {512: 128}, tasks: Sequence[str] = ("helpdesk",)
) -> Sweep:
    """Three candidates of two models at each batch size; a batch that did not fit was `used` smaller."""
    plain = small_sweep(MODELS, tasks=tasks)
    variants, records = [], dict(plain.records)
    for variant in plain.manifest["variants"]:
        for size, rate in rates.items():
            made = _timings(variant, size, rate * (5 if variant["model"] == "small" else 1), used.get(size, size))
            records |= {record.key: record for record in made.values()}
            variants.append(variant | {"batch_size": size, "timings": {kind: r.key for kind, r in made.items()}})
    machine = MACHINE | {"flags": ["avx2", "avx512_bf16"], "environment": {"OMP_NUM_THREADS": "2"}}
    manifest = plain.manifest | {"variants": variants, "timing": TIMING, "machine": machine}
    return Sweep(plain.folder, manifest, records)


def changed(sweep: Sweep, kind: str, **values: Any) -> Sweep:
    """The sweep with these values in every timing of a kind (the first letters of its key)."""
    found = {
        key: replace(record, values={**record.values, **values})
        for key, record in sweep.records.items()
        if key.startswith(f"{kind} ")
    }
    assert found
    return sweep._replace(records={**sweep.records, **found})


def unfit(sweep: Sweep, model: str, size: int, reason: str = "MemoryError: out of memory") -> Sweep:
    """The sweep with the rate of one model at one batch size not taken."""
    lost = {
        key: Record(key, "timing", "failed", {}, reason=reason)
        for key in sweep.records
        if key.startswith(f"index {model} {size} ")
    }
    assert lost
    return sweep._replace(records={**sweep.records, **lost})


def _timings(variant: Mapping[str, Any], size: int, rate: float, used: int) -> dict[str, Record]:
    """Of one variant, by kind, as the contract of timing records says; keys say what a timing is shared by."""
    model, task, quantization = variant["model"], variant["task"], variant["quantization"]
    query = np.tile([0.010, 0.012], (3, 100))
    encode = {
        "seconds": query,
        "stage tokenise": query * 0.05,
        "stage forward": query * 0.9,
        "stage pool": query * 0.05,
    }
    search = {"seconds": query / 10, "stage search": query / 20, "stage rescore": query / 20}
    called = {"first_ms": 30.0, "warmup_calls": 12, **_WATCHED}
    indexed = {"docs_per_s": rate, "tokens_per_s": rate * 100, "documents": 64, "batch_used": used, **_WATCHED}
    started = {
        "load_s": 2.5, "first_ms": 80.0, "settled_ms": 11.0, "loaded_mb": 300.0, "model_mb": 90.0,
        "peak_rss_mb": 400.0 + 2 * used, "peak_vram_mb": None, "batch_used": used,
    }  # fmt: skip
    served = {"rate_per_s": 40.0, "limit_ms": 100.0, "p99_ms": 62.0, "requests": 500, **_WATCHED}
    tried = {"rates": np.array([10.0, 40.0, 80.0, 95.0]), "p99_ms": np.array([21.0, 62.0, 180.0, np.nan])}
    return {
        "encode": _record(f"encode {model} {task}", called | {"tokens_per_query": 9.5}, encode),
        "search": _record(f"search {model} {quantization} {task}", called | {"index_build_s": 0.2}, search),
        "index": _record(f"index {model} {size} {task}", indexed, {"seconds": np.full(3, 64 / rate)}),
        "start": _record(f"start {model} {size} {task}", started, {"seconds": np.full((1, 10), 0.011)}),
        "serve": _record(f"serve {model} {quantization} {task}", served, {"seconds": np.full((1, 500), 0.02), **tried}),
    }


def _record(key: str, values: Mapping[str, Any], arrays: Mapping[str, Any]) -> Record:
    return Record(key, "timing", "ok", {"kind": key.split()[0]}, values, arrays)
