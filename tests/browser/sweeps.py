"""Sweeps made by hand for the browser: sixty configurations, five hundred, and names that mean harm."""

from __future__ import annotations

from harness.policy import Policy
from harness.table import Sweep
from tests.small_sweep import candidate, failed, small_sweep

POLICY = Policy(draws=200, limits={"query_p95_ms": 24, "bytes_per_doc": 3072})
HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "\x1b[31mred\x1b[0m",
    '=HYPERLINK("http://example.com")',
    "a\u202eb",
    "x" * 10_000,
    "y " * 5_000,
    "@SUM(A1)",
)
_LOSS = {"float32": 0.0, "int8": 0.001, "int4": 0.01, "binary": 0.04}
_SIZE = {"float32": 4.0, "int8": 1.0, "int4": 0.5, "binary": 0.125}


def grid(models: list[str], dims: tuple[int, ...], tasks: tuple[str, ...], queries: int) -> Sweep:
    """Every model in every dimension and quantization."""
    found, sizes = [], []
    for place, model in enumerate(models):
        for cut, dim in enumerate(dims):
            for kind, loss in _LOSS.items():
                mean = 0.6 - 0.02 * place - 0.01 * cut - loss
                found.append(
                    candidate(model, kind, max(mean, 0.2), dim * _SIZE[kind], 4.0 + 5 * (place % 6) + 0.1 * cut)
                )
                sizes.append(dim)
    sweep = small_sweep(found, tasks=tasks, queries=queries)
    for at, variant in enumerate(sweep.manifest["variants"]):
        variant["dim"] = sizes[at // len(tasks)]
        sweep.records[variant["quality"]].values["dimensions"] = float(variant["dim"])  # type: ignore[index]
    return sweep


def sixty() -> Sweep:
    """60 configurations on two eval sets; one failed, one was skipped, and the data doctor met something."""
    models = [
        "gte-multilingual-base",
        "bge-small-en-v1.5",
        "multilingual-e5-base",
        "nomic-embed-text",
        "all-MiniLM-L6-v2",
    ]
    sweep = grid(models, (768, 384, 128), ("helpdesk", "scifact"), 120)
    sweep = failed(sweep, 100, "CUDA out of memory")
    finding = {"place": "queries.tsv:3", "effect": "caps recall", "fix": "restore it", "count": 7, "example": "q17"}
    notes = [
        {"code": f"c{n}", "level": level, "message": f"finding {n}", **finding}
        for n, level in enumerate(["warning"] * 15 + ["info"])
    ]
    sweep.manifest["evalsets"]["helpdesk"]["notes"] = notes
    return sweep


def five_hundred() -> Sweep:
    """500 configurations."""
    return grid([f"model-{n}" for n in range(25)], (1024, 768, 512, 384, 256), ("helpdesk",), 30)


def hostile() -> Sweep:
    """Every harmful text as the name of a model; some as the name of an eval set, as a reason, note and command."""
    sweep = grid(list(HOSTILE), (384,), ("helpdesk", HOSTILE[1], HOSTILE[6]), 40)
    sweep = failed(sweep, 1, HOSTILE[0])
    sweep.manifest["command"] = sweep.manifest["sweep"] = "".join(HOSTILE[:6])
    note = {
        "code": "x",
        "level": "warning",
        "place": HOSTILE[1],
        "message": HOSTILE[5],
        "effect": HOSTILE[0],
        "fix": "",
        "count": 1,
    }
    sweep.manifest["evalsets"]["helpdesk"]["notes"] = [note]
    return sweep
