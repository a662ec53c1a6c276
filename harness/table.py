"""Rows: one for each variant on each eval set, from the records of a sweep. The stable machine interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.alignment import aligned, item_ids
from harness.shape import check_shape
from harness.speeds import knee, sound, speeds
from harness.store import Records, read_json
from harness.types import HarnessError, Record
from harness.wording import metric

Row = dict[str, Any]
KEYS = (
    "sweep", "task", "task_type", "model", "retriever", "pooling", "dim", "quantization", "index", "batch_size",
    "status", "ndcg_at_10", "recall_at_10", "recall_at_100", "mrr_at_10", "map_at_100", "main_score", "judged_at_10",
    "queries", "bytes_per_doc", "index_bytes", "query_p50_ms", "query_p95_ms", "query_p99_ms", "docs_per_s",
    "tokens_per_s", "peak_rss_mb", "candidate_id", "data_sha256", "model_sha256",
)  # fmt: skip
MORE = (
    "precision_at_10", "hit_rate_at_10", "ndcg_condensed_at_10", "overlap_at_10", "tie_lowest", "tie_highest",
    "query_p95_ms_upper", "query_p95_ms_spread", "docs_per_s_spread", "encode_p50_ms", "search_p50_ms",
    "first_query_ms", "documents_cut",
    "rescoring_bytes", "device", "reduction", "prompt", "chunking", "variance_kept", "index_recall_at_10",
    "index_build_s", "passages_per_doc", "pairs_per_query", "pairs_cut", "stages_p50_ms", "native_difference", "main",
    "reason", "warnings", "sample",
    "load_s", "model_mb", "peak_vram_mb", "batch_used", "docs_per_s_lower", "knee", "tokens_per_query",
    "joules_per_query", "joules_per_doc", "serve_rate_per_s", "serve_p99_ms", "parity_cosine", "parity_difference",
)  # fmt: skip


class Sweep(NamedTuple):
    """A sweep as it lies on disk: its manifest, and the records its variants name, items of a set in one order."""

    folder: Path
    manifest: dict[str, Any]
    records: Mapping[str, Record]


def find_sweep(name: str | None, results_dir: Path) -> Path:
    """The folder of a sweep: a path, a name under `results_dir`, or the newest one."""
    if name:
        for folder in (Path(name), results_dir / name):
            if (folder / "sweep.json").exists():
                return folder
    known = sorted(results_dir.glob("*/sweep.json"), key=lambda p: p.stat().st_mtime)
    if name or not known:
        names = ", ".join(p.parent.name for p in known) or "none yet; start one with: harness run"
        raise HarnessError(f"no sweep {name or ''} under {results_dir}; there are: {names}".replace("  ", " "))
    return known[-1].parent


def read_sweep(folder: Path) -> Sweep:
    """Manifest and every record that its variants name; records of other families in the folder are not read."""
    manifest = read_json(folder / "sweep.json")
    if manifest.get("schema") != 1:
        raise HarnessError(
            f"{folder}/sweep.json has schema {manifest.get('schema')}, this version reads 1; run it again"
        )
    check_shape(manifest, folder / "sweep.json")
    for about in manifest["evalsets"].values():
        about.setdefault("sample", "")  # sweeps from before there were samples
    store = Records(folder / "records")
    keys = {k for v in manifest["variants"] for k in (v["quality"], *v["timings"].values())}
    keys |= {space["key"] for space in manifest.get("spaces", []) if space["key"]}
    found = {key: record for key in sorted(keys) if (record := store.get(key)) is not None}
    return Sweep(folder, manifest, aligned(manifest["variants"], found))


def rows(sweep: Sweep) -> list[Row]:
    """One row a variant and eval set, failed, skipped and missing ones included; None where nothing was measured."""
    floats = _float_rankings(sweep)
    made = [_row(sweep, variant, floats) for variant in sweep.manifest["variants"]]
    _compare_with_native(made, [variant["dim"] for variant in sweep.manifest["variants"]])
    _compare_with_float32(made, sweep)
    _mark_knees(made)
    lost = [_empty(sweep, failure) | failure for failure in sweep.manifest["unplanned"]]
    return made + lost


def _compare_with_native(made: Sequence[Row], asked: Sequence[Any]) -> None:
    """Beside a pooling or prompt that is not `native`, what that costs in the main metric, where both ran.

    asked: the dimension that each row was asked for; a pooling that joins two has another than native for the same.
    """
    good = [(row, dim) for row, dim in zip(made, asked, strict=True) if row["status"] == "ok"]
    for axis in ("pooling", "prompt"):
        shared = [k for k in (*_LABELS, *_MORE_LABELS, "task", "batch_size") if k not in (axis, "dim")]
        native = {(dim, *(row[k] for k in shared)): row for row, dim in good if row[axis] == "native"}
        for row, dim in good:
            own = native.get((dim, *(row[k] for k in shared)))
            if own is not None and row[axis] not in ("native", "-", None):
                gap = row["native_difference"] = row["main_score"] - own["main_score"]
                told = f"{metric(row['main'])} {gap:+.3f} against {axis}=native"
                row["warnings"].append(f"{row['model']}, {axis} {row[axis]}: {told}")


def _compare_with_float32(made: Sequence[Row], sweep: Sweep) -> None:
    """Beside a faster path what it costs in the main metric, where the same ran in float32."""
    for row, variant in zip(made, sweep.manifest["variants"], strict=True):
        record = sweep.records.get(variant["quality"])
        if record is None or "parity_record" not in record.values:
            continue
        plain = sweep.records.get(record.values["parity_record"])
        if plain is not None and plain.status == "ok":
            row["parity_difference"] = row["main_score"] - plain.values["main_score"]
        else:
            told = f"{_IN_FLOAT32} to the sweep for its difference in {metric(row['main'])}"
            row["warnings"].append(f"{row['model']}: {told}")


def _mark_knees(made: Sequence[Row]) -> None:
    """Which batch size of each candidate on each eval set is the knee of its curve.

    What did not fit was encoded at another size: it is no point of the curve.
    """
    curves: dict[tuple[Any, ...], list[Row]] = {}
    for row in made:
        if row["docs_per_s"] is not None and row["batch_size"] is not None:
            curves.setdefault(tuple(row[k] for k in ("candidate_id", "task", "device")), []).append(row)
    for curve in curves.values():
        size = knee({r["batch_size"]: r["docs_per_s"] for r in curve if not _halved(r)})
        for row in curve if size is not None else ():
            row["knee"] = row["batch_size"] == size and not _halved(row)


def _halved(row: Row) -> bool:
    return row["batch_used"] is not None and bool(row["batch_used"] < row["batch_size"])


def _empty(sweep: Sweep, labels: Mapping[str, Any]) -> Row:
    evalset = sweep.manifest["evalsets"][labels["task"]]
    row: Row = dict.fromkeys(KEYS + MORE)
    return row | {
        "sweep": sweep.manifest["sweep"], "task_type": evalset["type"], "data_sha256": evalset["sha256"],
        "warnings": [], "reason": "", "batch_size": labels.get("batch_size"), "sample": evalset["sample"],
    }  # fmt: skip


def _row(sweep: Sweep, variant: Mapping[str, Any], floats: Mapping[str, Record]) -> Row:
    row = _empty(sweep, variant) | {k: variant[k] for k in (*_LABELS, "task", "device", "candidate_id", "model_sha256")}
    row |= {k: variant.get(k) for k in _MORE_LABELS}
    record = sweep.records.get(variant["quality"])
    if record is None:
        return row | {"status": "missing", "reason": _DAMAGED if _damaged(sweep, variant["quality"]) else "not run yet"}
    row |= {"status": record.status, "reason": record.reason, "warnings": list(record.warnings)}
    if record.status != "ok":
        return row
    row |= {k: record.values[k] for k in KEYS + MORE if k in record.values}
    row["dim"] = int(record.values["dimensions"]) if "dimensions" in record.values else row["dim"]
    row["overlap_at_10"] = _overlap(record, floats.get(_family(variant)))
    for kind, key in variant["timings"].items():
        if key in sweep.records and sweep.records[key].status != "ok":
            row["warnings"].append(f"{kind} was not timed: {sweep.records[key].reason}")
        elif key in sweep.records and not sound(kind, sweep.records[key]):
            row["warnings"].append(f"{_TIMED.get(kind.partition('-')[0], kind)}: {_NO_TIMES}")
        elif key not in sweep.records and _damaged(sweep, key):
            row["warnings"].append(f"{_TIMED.get(kind.partition('-')[0], kind)}: {_DAMAGED}")
    return row | speeds({kind: sweep.records.get(key) for kind, key in variant["timings"].items()})


_TOP = 10
_NO_TIMES = "its samples are no durations, so no speed is known; give the sweep another name and run it again"
_DAMAGED = "its record is damaged; run the same command again"
_IN_FLOAT32 = "add dtype=float32 (of a graph: the model it was made from)"
_TIMED = {
    "encode": "query latency", "search": "query latency", "index": "rate of indexing", "start": "start and memory",
    "serve": "rate of serving",
}  # fmt: skip
_LABELS = ("model", "retriever", "pooling", "dim", "quantization", "index")
_MORE_LABELS = ("reduction", "prompt", "chunking")


def _damaged(sweep: Sweep, key: str) -> bool:
    return Records(sweep.folder / "records").damaged(key)


def _family(variant: Mapping[str, Any]) -> str:
    """What candidates share that differ in quantization alone; sweeps of before some labels existed lack them."""
    return "|".join(str(variant.get(k)) for k in ("task", *_LABELS, *_MORE_LABELS) if k != "quantization")


def _float_rankings(sweep: Sweep) -> dict[str, Record]:
    plain = [v for v in sweep.manifest["variants"] if v["quantization"] == "float32" and v["quality"] in sweep.records]
    return {_family(v): sweep.records[v["quality"]] for v in plain}


def _overlap(record: Record, reference: Record | None) -> float | None:
    """Mean share of the float ranking's first ten that this ranking's first ten hold."""
    if reference is None or "top" not in record.arrays or "top" not in reference.arrays:
        return None
    if item_ids(record) != item_ids(reference):
        return None  # of other queries
    first, own = reference.arrays["top"][:, :_TOP], record.arrays["top"][:, :_TOP]
    wanted = first >= 0
    found = (first[:, :, None] == own[:, None, :]).any(axis=2) & wanted
    asked = wanted.any(axis=1)
    return float(np.mean(found[asked].sum(axis=1) / wanted[asked].sum(axis=1))) if asked.any() else None
