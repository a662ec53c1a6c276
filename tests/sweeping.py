"""Small eval sets on disk and whole sweeps over them, for tests that need no real model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from harness.launch import Job, compose
from harness.progress import Lines
from harness.runner import Outcome, run_sweep
from harness.store import Records
from harness.table import Row, Sweep, read_sweep, rows
from harness.types import Record

DOCUMENTS = {
    "d1": "reset the password of an account",
    "d2": "printer shows a paper jam",
    "d3": "invoice was paid twice last month",
    "d4": "network cable is unplugged",
    "d5": "the account is locked after many password attempts",
    "d6": "monitor stays black after start",
}
QUERIES = {"q1": "forgot my password", "q2": "paper jam in printer", "q3": "invoice paid twice", "q4": "black monitor"}
QRELS = (("q1", "d1", 2), ("q1", "d5", 1), ("q2", "d2", 1), ("q3", "d3", 1), ("q4", "d6", 1))


def write_task(
    name: str = "tiny",
    documents: Mapping[str, str] = DOCUMENTS,
    queries: Mapping[str, str] = QUERIES,
    qrels: Sequence[tuple[str, str, int]] = QRELS,
    **manifest: Any,
) -> Path:
    """A BEIR folder and its manifest under `tasks/` of the working directory; gives the folder."""
    folder = Path("data") / name
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    for file, texts in (("corpus", documents), ("queries", queries)):
        lines = [json.dumps({"_id": key, "text": text}) for key, text in texts.items()]
        (folder / f"{file}.jsonl").write_text("\n".join(lines))
    (folder / "qrels" / "test.tsv").write_text("".join(f"{q}\t{d}\t{g}\n" for q, d, g in qrels))
    Path("tasks").mkdir(exist_ok=True)
    Path("tasks", f"{name}.yaml").write_text(json.dumps({"path": f"../data/{name}", **manifest}))
    return folder


def sweep(*words: str, said: list[str] | None = None) -> Outcome:
    """Run `words` on the task `tiny` in this process without timing, unless they say otherwise."""
    jobs = deepcopy(_composed(("task=tiny", "timing=none", "executor=inline", *words)))
    return run_sweep(jobs, "harness run", Lines(said if said is not None else []))


@cache
def _composed(words: tuple[str, ...]) -> list[Job]:
    """Composing takes longer than the sweep itself; none of these words depends on the working directory."""
    return compose(words)


def table_of(outcome: Outcome) -> list[Row]:
    return rows(read_sweep(outcome.folder))


def invented(
    scores: Mapping[str, Mapping[str, Sequence[float]]], costs: Mapping[str, float], **about: Mapping[str, Any]
) -> Sweep:
    """A sweep as if it had run: candidate -> eval set -> score of each query; costs are bytes per document.

    `about` may give each eval set weight, guard and label_source, as `about={"a": {...}}`; `card`, `seconds` (raw
    query seconds) and `judged` (share) name candidates.
    """
    sets, cards = about.get("about", {}), about.get("card", {})
    seconds, judged = about.get("seconds", {}), about.get("judged", {})
    records: dict[str, Record] = {}
    variants = []
    tasks = list(dict.fromkeys(t for by_task in scores.values() for t in by_task))
    for name, by_task in scores.items():
        for task, values in by_task.items():
            key = f"{name}-{task}"
            array = np.asarray(values, dtype=np.float64)
            facts = {
                "ndcg_at_10": float(array.mean()),
                "main_score": float(array.mean()),
                "main": "ndcg_at_10",
                "bytes_per_doc": costs[name],
                "judged_at_10": judged.get(name, 1.0),
                "queries": len(array),
            }
            records[key] = Record(key, "quality", "ok", {"model": name}, facts, {"ndcg_at_10": array})
            timings = {}
            if name in seconds:
                timings = {"search": f"{key}-search"}
                raw = np.asarray(seconds[name], dtype=np.float64)
                records[timings["search"]] = Record(
                    timings["search"], "timing", "ok", {}, {"first_ms": 1.0}, {"seconds": raw}
                )
            variants.append({
                "model": name, "retriever": "dense", "pooling": "native", "dim": "full", "quantization": "float32",
                "index": "flat", "task": task, "batch_size": 32, "device": "cpu", "candidate_id": f"id-{name}",
                "model_sha256": "", "card": dict(cards.get(name, {})), "quality": key, "timings": timings,
            })  # fmt: skip
    size = {t: len(next(iter(by[t] for by in scores.values() if t in by))) for t in tasks}
    evalsets = {
        t: {"sha256": t, "type": "retrieval", "documents": 100, "queries": size[t], "scored_queries": size[t],
            "judgements": size[t], "languages": ["en"], "weight": 1.0, "guard": False, "label_source": "human-pool",
            "exclude_self": False, "sample": "", "notes": []} | dict(sets.get(t, {}))
        for t in tasks
    }  # fmt: skip
    manifest = {"schema": 1, "sweep": "invented", "created": "2026-01-01T00:00:00+00:00", "command": "harness run",
                "policy": {}, "evalsets": evalsets, "variants": variants, "unplanned": [], "excluded": 0, "merged": 0,
                "machine": {}, "timing": {}}  # fmt: skip
    return Sweep(Path("results/invented"), manifest, records)


def records_of(outcome: Outcome) -> Records:
    return Records(outcome.folder / "records")
