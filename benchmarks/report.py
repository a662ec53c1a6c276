"""Seconds and bytes of the report of a large sweep: 500 configurations x 5 eval sets x 1,000 queries, and of 60.

`python benchmarks/report.py` makes the sweeps up (see `made_up.py`) and runs `harness report` on them, as a user does. To
hold: 500 configurations in under 30 s with a page under 3 MB; 60 with a page under 1 MB.
"""

from __future__ import annotations

import resource
import tempfile
from pathlib import Path

from made_up import Shape, write_sweep
from plan import timed

SHAPES = (Shape(1, sets=5, queries=1000, candidates=60), Shape(3, sets=5, queries=1000, candidates=500))


def reported(place: Path, shape: Shape) -> str:
    """One line of the table."""
    name = f"made-up-{shape.candidates}"
    write_sweep(place / "results" / name, shape)
    seconds, _ = timed(place, "report", name)
    page, data = ((place / "reports" / name / file).stat().st_size / 1e6 for file in ("index.html", "decision.json"))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3
    asked = f"{shape.candidates} configurations x {shape.sets} eval sets x {shape.queries:,} queries"
    return f"| {asked} | {seconds:.1f} | {page:.2f} | {data:.2f} | {peak:,.0f} |"


if __name__ == "__main__":
    print("| harness report | seconds | page MB | decision.json MB | peak MB |\n|---|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for each in SHAPES:
            print(reported(Path(folder), each), flush=True)
