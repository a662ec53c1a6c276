"""A sweep that never ran, as it lies on disk: candidates, eval sets and queries in any number, drawn at random.

Scores, rankings and timings are made up; the same shape gives the same bytes. `plan.py` and `report.py` measure on it.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.parts import digest
from harness.store import Records, write_json
from harness.types import Record

POOLINGS = ("native", "cls", "max", "mean")
DIMS = (384, 352, 320, 288, 256, 192, 128, 96, 64, 32)
CODES = (("float32", 0, 4.0), ("float16", 0, 2.0), ("int8", 0, 1.0), ("binary", 0, 0.125), ("int8", 4, 1.0))
_FRACTIONS = ("recall_at_10", "recall_at_100", "mrr_at_10", "map_at_100", "precision_at_10", "hit_rate_at_10")
_DOCUMENTS = 5183


class Shape(NamedTuple):
    """How much there is of everything; a model has 200 candidates, `candidates` keeps the first so many in all."""

    models: int = 1
    batches: tuple[int, ...] = (32,)
    sets: int = 1
    queries: int = 300
    candidates: int | None = None


def write_sweep(folder: Path, shape: Shape) -> None:
    """The sweep as a run leaves it."""
    generator = np.random.default_rng(0)
    records = Records(folder / "records")
    variants: list[dict[str, Any]] = []
    every = list(map(About._make, product(range(shape.models), POOLINGS, DIMS, CODES)))[: shape.candidates]
    for task in _tasks(shape):
        difficulty = generator.uniform(-0.4, 0.3, shape.queries)
        for about in every:
            for record in _records(about, task, generator, difficulty):
                records.put(record)
            for record in _timings(about, task, generator, shape.batches):
                records.put(record)
            variants += [_variant(about, task, batch) for batch in shape.batches]
    write_json(folder / "sweep.json", _manifest(variants, shape))


def _tasks(shape: Shape) -> list[str]:
    return [f"made-up-{number}" for number in range(shape.sets)]


class About(NamedTuple):
    """What makes a candidate of the made-up sweep."""

    model: int
    pooling: str
    dim: int
    code: tuple[str, int, float]

    @property
    def name(self) -> str:
        """One word that is its own."""
        return f"{self.own}-{self.dim}-{self.code[0]}-{self.code[1]}"

    @property
    def own(self) -> str:
        """What encoding depends on."""
        return f"{self.model}-{self.pooling}"


def _records(about: About, task: str, generator: np.random.Generator, difficulty: np.ndarray) -> list[Record]:
    model, pooling, dim, (code, rescore, width) = about
    mean = 0.68 - 0.01 * model - 0.05 * POOLINGS.index(pooling) - 0.0004 * (384 - dim) - 0.03 * (code == "binary")
    queries = len(difficulty)
    scores = np.clip(mean + difficulty + generator.normal(0, 0.05, queries), 0, 1)
    stored = dim * width + 4 * dim * (rescore > 0)
    values = {
        "main": "ndcg_at_10", "main_score": float(scores.mean()), "ndcg_at_10": float(scores.mean()), "queries": queries,
        "judged_at_10": 0.2, "ndcg_condensed_at_10": float(scores.mean()), "recall_at_100": 0.9, "documents_cut": 0.1,
        "bytes_per_doc": stored, "index_bytes": stored * _DOCUMENTS, "dimensions": float(dim),
    }  # fmt: skip
    top = generator.integers(0, 4000, (queries, 1)) + generator.integers(1, 100, (queries, 1)) * np.arange(10)
    arrays: dict[str, Any] = {name: np.round(scores, 2) for name in _FRACTIONS}
    arrays |= {"ndcg_at_10": scores, "ndcg_condensed_at_10": scores, "judged_at_10": np.full(queries, 0.2)}
    arrays |= {"top": top.astype(np.int32), "query_ids": np.array([f"q{n}" for n in range(queries)])}
    key = f"quality-{task}-{about.name}"
    return [Record(key, "quality", "ok", {}, values, arrays, provenance={"candidate": {"_target_": about.name}})]


def _timings(about: About, task: str, generator: np.random.Generator, batches: tuple[int, ...]) -> list[Record]:
    """One search a candidate; encoding and indexing are measured once a model and pooling, as the harness does it."""
    values = {"first_ms": 9.0, "warmup_calls": 10, "load_before": 0.4, "load_after": 0.5}
    seconds = generator.gamma(20, 0.0002 + 0.0000005 * about.dim, (3, 200))
    made = [Record(f"search-{task}-{about.name}", "timing", "ok", {}, values, {"seconds": seconds})]
    if (about.dim, about.code) == (DIMS[0], CODES[0]):
        made.append(Record(f"encode-{task}-{about.own}", "timing", "ok", {}, values, {"seconds": seconds * 2}))
        for batch in batches:
            rate = float(generator.normal(100 + 40 * np.log2(batch), 5))
            key, taken = f"index-{task}-{about.own}-{batch}", {"seconds": np.full(3, _DOCUMENTS / rate)}
            made.append(Record(key, "timing", "ok", {}, {"docs_per_s": rate}, taken))
    return made


def _variant(about: About, task: str, batch: int) -> dict[str, Any]:
    model, pooling, dim, (code, rescore, _) = about
    name = f"{task}-{about.name}"
    return {
        "model": f"made-up-model-{model}", "retriever": "dense", "pooling": pooling, "dim": dim,
        "quantization": code + (f"+rescore{rescore}" if rescore else ""), "index": "flat", "task": task,
        "batch_size": batch, "device": "cpu", "candidate_id": digest(about.name)[:12], "model_sha256": "0" * 64,
        "card": {"licence": "apache-2.0", "price_per_million_tokens": 0.0}, "quality": f"quality-{name}",
        "timings": {"search": f"search-{name}", "encode": f"encode-{task}-{about.own}", "index": f"index-{task}-{about.own}-{batch}"},
    }  # fmt: skip


def _manifest(variants: list[dict[str, Any]], shape: Shape) -> dict[str, Any]:
    evalset = {
        "sha256": "0" * 64, "type": "retrieval", "documents": _DOCUMENTS, "queries": shape.queries, "scored_queries": shape.queries,
        "judgements": 339, "languages": ["en"], "weight": 1.0, "guard": False, "label_source": "human-pool",
        "exclude_self": False, "notes": [],
    }  # fmt: skip
    machine = {
        "processor": "made up", "cores": 2, "memory_gb": 8, "threads": 2, "accelerator": "none", "system": "Linux",
        "python": "3.11", "versions": {},
    }  # fmt: skip
    timing = {"scenario": "full", "repeats": 3, "calls": 200, "warmup": 10, "documents": 512}
    return {
        "schema": 1, "sweep": "made-up", "created": "2026-01-01T00:00:00+00:00", "command": "made up", "policy": {},
        "evalsets": dict.fromkeys(_tasks(shape), evalset), "variants": variants, "unplanned": [], "excluded": 0, "merged": 0,
        "machine": machine, "timing": timing,
    }  # fmt: skip
