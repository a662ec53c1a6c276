"""A sweep of a few candidates made by hand: records with known scores, no model, no timing of anything."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.policy import Policy
from harness.table import Sweep
from harness.types import Record

MACHINE = {
    "processor": "Test CPU", "cores": 4, "memory_gb": 8, "threads": 4, "accelerator": "none", "system": "Linux",
    "python": "3.11.0", "versions": {"numpy": "2.0.0"},
}  # fmt: skip
POLICY = Policy(draws=300, limits={"query_p95_ms": 30, "bytes_per_doc": 3000, "remote_code": False})


def scores(mean: float, queries: int, seed: int, noise: float = 0.02) -> np.ndarray:
    """Per-query scores around a mean: the same difficult and easy queries for every seed."""
    shared = np.random.default_rng(0).uniform(-0.3, 0.3, queries)
    own = np.random.default_rng(seed).normal(0, noise, queries)
    return np.clip(mean + shared - shared.mean() + own - own.mean(), 0, 1)


def candidate(model: str, quantization: str, mean: float, stored: float, p95: float | None = 10.0) -> dict[str, Any]:
    """What `small_sweep` needs to know of one candidate; p95 in milliseconds, None where speed was not measured."""
    return {"model": model, "quantization": quantization, "mean": mean, "bytes": stored, "p95": p95}


FOUR = (
    candidate("large", "float32", 0.60, 3000, 20.0),
    candidate("large", "int8", 0.598, 750, 20.0),
    candidate("large", "binary", 0.50, 94, 20.0),
    candidate("small", "float32", 0.45, 1000, 2.0),
)


def small_sweep(
    found: Sequence[Mapping[str, Any]] = FOUR,
    *,
    queries: int = 60,
    tasks: Sequence[str] = ("helpdesk",),
    noise: float = 0.02,
    unplanned: Sequence[Mapping[str, Any]] = (),
    types: Mapping[str, str] = {},  # noqa: B006  never written
) -> Sweep:
    """The candidates on every eval set, each with one batch size; `types` are those of sets that are no retrieval.

    A candidate with `words: True` has no vectors, and is skipped where they are needed.
    """
    variants, records = [], {}
    for number, about in enumerate(found):
        for task in tasks:
            one = _one if types.get(task, "retrieval") in ("retrieval", "reranking") else _unsearched
            variant, made = one(number, {**about, "main": MAINS[types.get(task, "retrieval")]}, task, queries, noise)
            variants.append(variant)
            records |= {record.key: record for record in made}
    sets = {task: _about(queries) | {"type": types.get(task, "retrieval")} for task in tasks}
    manifest = {
        "schema": 1, "sweep": "unit", "created": "2026-03-31T10:00:00+00:00", "command": "harness run experiment=unit",
        "policy": {}, "evalsets": sets, "variants": variants, "unplanned": list(unplanned), "excluded": 0, "merged": 0,
        "machine": MACHINE, "timing": {"scenario": "quick", "repeats": 3, "calls": 20, "warmup": 10, "documents": 8},
    }  # fmt: skip
    return Sweep(Path("results/unit"), manifest, records)


MAINS = {
    "retrieval": "ndcg_at_10", "reranking": "map_at_1000", "sts": "cosine_spearman", "pair_classification": "max_ap",
    "classification": "accuracy", "clustering": "v_measure", "bitext": "f1", "summarization": "cosine_spearman",
}  # fmt: skip


def _unsearched(
    number: int, about: Mapping[str, Any], task: str, queries: int, noise: float
) -> tuple[dict[str, Any], list[Record]]:
    """As `_one`, with what there is where nothing is ranked: no judged documents, no ties, no search."""
    variant, (quality, *taken) = _one(number, about, task, queries, noise)
    if about.get("words"):
        return variant, [Record(quality.key, "quality", "skipped", {}, reason="words have no vectors")]
    kept = ("main", "main_score", about["main"], "bytes_per_doc", "index_bytes", "queries", "dimensions")
    arrays = {about["main"]: quality.arrays[about["main"]], "top": np.empty((queries, 0), dtype=np.int32)}
    values = {name: value for name, value in quality.values.items() if name in kept}
    variant["timings"] = {kind: key for kind, key in variant["timings"].items() if kind != "search"}
    return variant, [replace(quality, values=values, arrays=arrays), *(r for r in taken if r.key[0] != "s")]


def failed(sweep: Sweep, at: int, reason: str) -> Sweep:
    """The sweep with the record of one variant failed for this reason."""
    variant = sweep.manifest["variants"][at]
    broken = Record(variant["quality"], "quality", "failed", {}, reason=reason)
    return sweep._replace(records={**sweep.records, broken.key: broken})


def _about(queries: int) -> dict[str, Any]:
    return {
        "sha256": "0" * 64, "type": "retrieval", "documents": 500, "queries": queries, "scored_queries": queries,
        "judgements": 3 * queries, "languages": ["en"], "weight": 1.0, "guard": False, "label_source": "human-pool",
        "exclude_self": False, "sample": "", "notes": [],
    }  # fmt: skip


def _one(
    number: int, about: Mapping[str, Any], task: str, queries: int, noise: float
) -> tuple[dict[str, Any], list[Record]]:
    name = f"{number}-{task}"
    own = scores(about["mean"], queries, number + 1, noise)
    values = {
        "main": about["main"], "main_score": float(own.mean()), about["main"]: float(own.mean()), "judged_at_10": 0.9,
        "ndcg_condensed_at_10": float(own.mean()), "bytes_per_doc": about["bytes"], "index_bytes": about["bytes"] * 500,
        "queries": queries, "dimensions": 768.0, "documents_cut": 0.1, "recall_at_100": 0.9,
    }  # fmt: skip
    arrays = {about["main"]: own, "top": np.tile(np.arange(10, dtype=np.int32), (queries, 1))}
    made = [Record(f"q{name}", "quality", "ok", {}, values, arrays, provenance={"candidate": {"_target_": "x.Y"}})]
    timings = {} if about["p95"] is None else {"encode": f"e{name}", "search": f"s{name}", "index": f"i{name}"}
    if timings:
        half = np.full((3, 20), about["p95"] / 2000)
        load = {"first_ms": 1.0, "warmup_calls": 10, "load_before": 0.5, "load_after": 0.6}
        made += [Record(timings[k], "timing", "ok", {}, load, {"seconds": half}) for k in ("encode", "search")]
        rate = {"docs_per_s": 100.0, "tokens_per_s": 1000.0}
        made.append(Record(timings["index"], "timing", "ok", {}, rate, {"seconds": np.full(3, 0.1)}))
    variant = {
        "model": about["model"], "retriever": "dense", "pooling": "mean", "dim": 768, "quantization": about["quantization"],
        "index": "flat", "task": task, "batch_size": 32, "device": "cpu", "candidate_id": f"id{number:02d}",
        "model_sha256": f"{number:064d}", "card": {"licence": "mit"}, "quality": f"q{name}", "timings": timings,
    }  # fmt: skip
    return variant, made
