"""Seconds that a plan of 1,000 variants and the report of a sweep of 1,000 variants take, through the real commands.

`python benchmarks/plan.py` wants the demo extra installed. Nothing is encoded: the plan runs nothing, and the sweep that
is reported is made up: 1,000 variants on one eval set of 300 queries, with scores, rankings and timings drawn at random.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
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
BATCHES = (1, 8, 16, 32, 64)
QUERIES = 300
PAIR = "grid.pair=[{quantization: [float32, float16, int8, binary, int8], rescore: [0, 0, 0, 0, 4]}]"
SWEPT = (
    "model=all-minilm-l6-v2", "task=helpdesk", f"pooling={','.join(POOLINGS)}", f"dim={','.join(map(str, DIMS))}",
    f"batch_size={','.join(map(str, BATCHES))}", PAIR,
)  # fmt: skip


def timed(folder: Path, *words: str) -> tuple[float, str]:
    """Seconds and output of one `harness` command in a process of its own, run in `folder`."""
    start = time.perf_counter()
    done = subprocess.run(  # noqa: S603  our own command
        [sys.executable, "-m", "harness.cli", *words], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"harness {words[0]}: {done.stderr.strip()}")
    return time.perf_counter() - start, done.stdout


def write_sweep(folder: Path, models: int, batches: tuple[int, ...]) -> None:
    """A sweep of 200 candidates a model as it lies on disk after a run; the same each time."""
    generator = np.random.default_rng(0)
    difficulty = generator.uniform(-0.4, 0.3, QUERIES)
    records = Records(folder / "records")
    variants: list[dict[str, Any]] = []
    for about in map(About._make, product(range(models), POOLINGS, DIMS, CODES)):
        for record in _records(about, generator, difficulty, batches):
            records.put(record)
        variants += [_variant(about, batch) for batch in batches]
    write_json(folder / "sweep.json", _manifest(variants))


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


def _records(
    about: About, generator: np.random.Generator, difficulty: np.ndarray, batches: tuple[int, ...]
) -> list[Record]:
    model, pooling, dim, (code, rescore, width) = about
    name = about.name
    mean = 0.68 - 0.01 * model - 0.05 * POOLINGS.index(pooling) - 0.0004 * (384 - dim) - 0.03 * (code == "binary")
    scores = np.clip(mean + difficulty + generator.normal(0, 0.05, QUERIES), 0, 1)
    stored = dim * width + 4 * dim * (rescore > 0)
    values = {
        "main": "ndcg_at_10", "main_score": float(scores.mean()), "ndcg_at_10": float(scores.mean()), "queries": QUERIES,
        "judged_at_10": 0.2, "ndcg_condensed_at_10": float(scores.mean()), "recall_at_100": 0.9, "documents_cut": 0.1,
        "bytes_per_doc": stored, "index_bytes": stored * 5183, "dimensions": float(dim),
    }  # fmt: skip
    top = generator.integers(0, 4000, (QUERIES, 1)) + generator.integers(1, 100, (QUERIES, 1)) * np.arange(10)
    arrays = {"ndcg_at_10": scores, "top": top.astype(np.int32)}
    made = Record(f"quality-{name}", "quality", "ok", {}, values, arrays, provenance={"candidate": {"_target_": name}})
    return [made, *_timings(about, generator, batches)]


def _timings(about: About, generator: np.random.Generator, batches: tuple[int, ...]) -> list[Record]:
    """One search a candidate; encoding and indexing are measured once a model and pooling, as the harness does it."""
    values = {"first_ms": 9.0, "warmup_calls": 10, "load_before": 0.4, "load_after": 0.5}
    seconds = generator.gamma(20, 0.0002 + 0.0000005 * about.dim, (3, 200))
    made = [Record(f"search-{about.name}", "timing", "ok", {}, values, {"seconds": seconds})]
    if (about.dim, about.code) == (DIMS[0], CODES[0]):
        made.append(Record(f"encode-{about.own}", "timing", "ok", {}, values, {"seconds": seconds * 2}))
        for batch in batches:
            rate = float(generator.normal(100 + 40 * np.log2(batch), 5))
            key, taken = f"index-{about.own}-{batch}", {"seconds": np.full(3, 5183 / rate)}
            made.append(Record(key, "timing", "ok", {}, {"docs_per_s": rate}, taken))
    return made


def _variant(about: About, batch: int) -> dict[str, Any]:
    model, pooling, dim, (code, rescore, _) = about
    name = about.name
    return {
        "model": f"made-up-model-{model}", "retriever": "dense", "pooling": pooling, "dim": dim,
        "quantization": code + (f"+rescore{rescore}" if rescore else ""), "index": "flat", "task": "made-up",
        "batch_size": batch, "device": "cpu", "candidate_id": digest(name)[:12], "model_sha256": "0" * 64,
        "card": {"licence": "apache-2.0", "price_per_million_tokens": 0.0}, "quality": f"quality-{name}",
        "timings": {"search": f"search-{name}", "encode": f"encode-{about.own}", "index": f"index-{about.own}-{batch}"},
    }  # fmt: skip


def _manifest(variants: list[dict[str, Any]]) -> dict[str, Any]:
    evalset = {
        "sha256": "0" * 64, "type": "retrieval", "documents": 5183, "queries": QUERIES, "scored_queries": QUERIES,
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
        "evalsets": {"made-up": evalset}, "variants": variants, "unplanned": [], "excluded": 0, "merged": 0,
        "machine": machine, "timing": timing,
    }  # fmt: skip


def measured() -> Iterator[str]:
    """The lines of the table."""
    with tempfile.TemporaryDirectory() as place:
        seconds, said = timed(Path(place), "plan", *SWEPT)
        if "1000" not in said.replace(",", ""):
            raise SystemExit(f"not 1,000 variants: {said[:300]}")
        yield f"| harness plan, 1,000 variants | {seconds:.1f} s |"
        for models, batches in ((1, BATCHES), (5, BATCHES[:1])):
            yield from _reported(Path(place), models, batches)


def _reported(place: Path, models: int, batches: tuple[int, ...]) -> list[str]:
    name = f"made-up-{models}"
    write_sweep(place / "results" / name, models, batches)
    seconds, _ = timed(place, "report", name)
    page, data = ((place / "reports" / name / file).stat().st_size / 1e6 for file in ("index.html", "decision.json"))
    asked = f"{200 * models:,} candidates at {len(batches)} batch size{'s'[: len(batches) > 1]}, {QUERIES} queries"
    return [f"| harness report, {asked} | {seconds:.1f} s; page {page:.2f} MB, decision.json {data:.2f} MB |"]


if __name__ == "__main__":
    print("| measured | |\n|---|---|", *measured(), sep="\n")
