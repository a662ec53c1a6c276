"""Rows: one for each variant on each eval set, from the records of a sweep. The stable machine interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.alignment import aligned, item_ids
from harness.shape import check_shape
from harness.store import Records, read_json
from harness.timing import latency
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
        elif key not in sweep.records and _damaged(sweep, key):
            row["warnings"].append(f"{_TIMED.get(kind.split()[0], kind)}: {_DAMAGED}")
    return row | _speeds(sweep, variant)


_TOP = 10
_DAMAGED = "its record is damaged; run the same command again"
_TIMED = {"encode": "query latency", "search": "query latency", "index": "rate of indexing"}
_LABELS = ("model", "retriever", "pooling", "dim", "quantization", "index")
_MORE_LABELS = ("reduction", "prompt", "chunking")


def _damaged(sweep: Sweep, key: str) -> bool:
    return Records(sweep.folder / "records").damaged(key)


def _speeds(sweep: Sweep, variant: Mapping[str, Any]) -> Row:
    known = {kind: sweep.records[key] for kind, key in variant["timings"].items() if key in sweep.records}
    taken = {kind: record for kind, record in known.items() if record.status == "ok"}
    speeds = _rates([taken.get(kind) for kind in variant["timings"] if kind.startswith("index")])
    expected = [kind for kind in variant["timings"] if kind.startswith(("search", "encode"))]
    if expected and set(expected) <= set(taken):  # a set that is not searched has no search to time
        parts = {kind: np.asarray(taken[kind].arrays["seconds"]) for kind in expected}
        calls = min(seconds.shape[1] for seconds in parts.values())  # a slow stage was given fewer
        speeds |= latency(sum(seconds[:, :calls] for seconds in parts.values()))  # type: ignore[arg-type]
        encoding = [_ms(seconds) for kind, seconds in parts.items() if kind != "search"]
        speeds |= {"encode_p50_ms": sum(encoding)} if encoding else {}
        speeds["first_query_ms"] = sum(float(taken[kind].values["first_ms"]) for kind in expected)
        speeds["stages_p50_ms"] = _stages(encoding, taken.get("search"))
        if "search" in taken:
            speeds["search_p50_ms"] = _ms(parts["search"])
            speeds["index_build_s"] = taken["search"].values.get("index_build_s")
        speeds.pop("samples")
    return speeds


def _ms(seconds: Any) -> float:
    return float(np.median(seconds) * 1000)


def _stages(encoding: Sequence[float], search: Record | None) -> str:
    """`encode 8.31 + search 0.42`: the typical milliseconds of each stage of a query."""
    named = ({"encode": sum(encoding)} if encoding else {}) | (stages(search) if search else {})
    return " + ".join(f"{name} {ms:.3g}" for name, ms in named.items())


def in_steps(stages_p50_ms: str | None) -> bool:
    """Whether a query takes more than encoding and one search, from that text."""
    names = {stage.rpartition(" ")[0] for stage in (stages_p50_ms or "").split(" + ")}
    return bool(names - {"", "encode", "search"})


def stages(search: Record) -> dict[str, float]:
    """Typical milliseconds of each stage of a search, by name."""
    return {k.removeprefix("stage "): _ms(v) for k, v in search.arrays.items() if k.startswith("stage ")}


def _rates(known: Sequence[Record | None]) -> Row:
    """Documents and tokens a second through all models of a candidate, one after the other."""
    if any(record is None or record.status != "ok" for record in known) or not known:
        return {}
    taken = [record for record in known if record is not None]
    rates = [record.values for record in taken]
    seconds = sum(1 / values["docs_per_s"] for values in rates)
    found: Row = {"docs_per_s": 1 / seconds, "docs_per_s_spread": max(map(_apart, taken)) / seconds}
    if all("tokens_per_s" in values for values in rates):
        found["tokens_per_s"] = sum(v["tokens_per_s"] / v["docs_per_s"] for v in rates) / seconds
    return found


def _apart(index: Record) -> float:
    """How far the rounds of indexing lie apart, as a share of their median."""
    rounds = index.arrays["seconds"]
    return float(np.ptp(rounds) / np.median(rounds))


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
