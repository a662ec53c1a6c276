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
from pathlib import Path

from made_up import DIMS, POOLINGS, Shape, write_sweep

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
    write_sweep(place / "results" / name, Shape(models, batches, queries=QUERIES))
    seconds, _ = timed(place, "report", name)
    page, data = ((place / "reports" / name / file).stat().st_size / 1e6 for file in ("index.html", "decision.json"))
    asked = f"{200 * models:,} candidates at {len(batches)} batch size{'s'[: len(batches) > 1]}, {QUERIES} queries"
    return [f"| harness report, {asked} | {seconds:.1f} s; page {page:.2f} MB, decision.json {data:.2f} MB |"]


if __name__ == "__main__":
    print("| measured | |\n|---|---|", *measured(), sep="\n")
