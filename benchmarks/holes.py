"""Labels of one engine, and what judging the finalists' documents mends: all-MiniLM-L6-v2 against BM25 on Cranfield.

Cranfield's labels are cut to BM25's first 10 documents in two ways: `cut` keeps the judgements that lie there, `ten`
judges all of them, 0 where Cranfield says nothing. Each is swept, pooled, graded from the full labels (0 where they say
nothing), and swept again with half of the rows graded and with all. Give a new folder to work in and the BEIR folder.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from harness.evalsets import load_task
from harness.relabelled import write_copy
from harness.table import read_sweep
from harness.types import EvalSet, Qrels

MODELS = ("bm25", "all-minilm-l6-v2")
Grades = dict[tuple[str, str], int]


def said(folder: Path, *words: str) -> str:
    """What a command of ours prints; one that fails ends the benchmark."""
    where = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "harness.cli", *words]
    done = subprocess.run(command, cwd=folder, env=where, text=True, capture_output=True, check=False)  # noqa: S603
    if done.returncode:
        sys.exit(f"harness {shlex.join(words)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr[-2000:]}")
    return done.stdout


def sweep(folder: Path, task: str) -> None:
    """Both models on a task, a sweep of the task's name."""
    said(folder, "run", "-m", f"model={','.join(MODELS)}", f"task={task}", "timing=none", f"sweep={task}")


def grades_of(evalset: EvalSet) -> Grades:
    """Grade of each judged pair by its ids."""
    rows = zip(*(column.tolist() for column in evalset.qrels), strict=True)
    return {(evalset.queries.ids[q], evalset.documents.ids[d]): g for q, d, g in rows}


def first_documents(folder: Path, evalset: EvalSet) -> set[tuple[str, str]]:
    """BM25's first 10 documents of each query, from the sweep on the full labels."""
    found = read_sweep(folder / "results" / "full")
    record = next(found.records[v["quality"]] for v in found.manifest["variants"] if v["model"] == "bm25")
    rows = zip(record.arrays["query_ids"].tolist(), record.arrays["top"].tolist(), strict=True)
    return {(query, evalset.documents.ids[d]) for query, row in rows for d in row if d >= 0}


def write_cut(folder: Path, name: str, evalset: EvalSet, kept: Grades) -> None:
    """A task with these judgements, said to be BM25's."""
    queries, documents = ({n: i for i, n in enumerate(side.ids)} for side in (evalset.queries, evalset.documents))
    table = [(queries[q], documents[d], grade) for (q, d), grade in kept.items()]
    write_copy(evalset, Qrels(*np.array(table, dtype=np.int32).T.copy()), folder / "tasks" / name)
    manifest = folder / "tasks" / name / "task.yaml"
    manifest.write_text(manifest.read_text().replace("human-pool", "bm25-top10"))


def fill(sheet: Path, filled: Path, grades: Grades, share: float) -> int:
    """Grade the first share of the rows as the full labels do; gives how many."""
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    wanted = round(share * len(rows))
    for row in rows[:wanted]:
        row["grade"] = str(grades.get((row["query_id"], row["document_id"]), 0))
    with filled.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return wanted


def judged(folder: Path, name: str, grades: Grades, share: float) -> tuple[str, int]:
    """Name of the sweep after so large a share of the pool is graded, and the number of rows graded."""
    filled, task = f"{name}-{share:g}.csv", f"{name}-{share:g}-judged"
    rows = fill(folder / f"{name}.csv", folder / filled, grades, share)
    said(folder, "labels", filled, name, "-o", f"tasks/{task}")
    sweep(folder, task)
    return task, rows


def line(folder: Path, name: str, title: str) -> str:
    """One line of the table, from a decision."""
    decision: dict[str, Any] = json.loads((folder / "reports" / name / "decision.json").read_text(encoding="utf-8"))
    entries = {entry["model"]: entry for entry in decision["candidates"]}
    (about,) = decision["evalsets"].values()
    shares = [next(iter(entries[m]["judged_at_10"].values())) for m in MODELS]
    condensed = [next(iter(entries[m]["condensed"].values())) for m in MODELS]
    cells = [f"{entries[m]['score']:.4f}" for m in MODELS]
    cells += [f"{x:.3f}" for x in shares] + [f"{x:.3f}" for x in condensed]
    pick = next((e["model"] for e in entries.values() if e["id"] == decision["pick"]), "none")
    return f"| {title} | {about['scored_queries']} | {' | '.join(cells)} | {decision['status']} | {pick} |"


def lines(folder: Path, cranfield: Path) -> Iterator[str]:
    """The table line by line, as sweeps end."""
    (folder / "tasks").mkdir(parents=True)
    (folder / "tasks" / "full.yaml").write_text(f"path: {json.dumps(str(cranfield.resolve()))}\ntype: retrieval\n")
    sweep(folder, "full")
    evalset = load_task("full", [folder / "tasks"])
    grades, first = grades_of(evalset), first_documents(folder, evalset)
    yield line(folder, "full", f"full labels ({len(grades)})")
    ways = {
        "cut": {p: g for p, g in grades.items() if p in first},
        "ten": {p: grades.get(p, 0) for p in sorted(first)},
    }
    for name, kept in ways.items():
        write_cut(folder, name, evalset, kept)
        sweep(folder, name)
        yield line(folder, name, f"{name} ({len(kept)})")
        print(said(folder, "pool", name, "-o", f"{name}.csv"), file=sys.stderr)
        for share in (0.5, 1):
            task, rows = judged(folder, name, grades, share)
            yield line(folder, task, f"{name}, and {rows} of its pool graded")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("cranfield", type=Path)
    args = parser.parse_args()
    pairs = [f"{what} {model}" for what in ("nDCG@10", "judged@10", "condensed") for model in ("BM25", "MiniLM")]
    print(f"| labels | queries | {' | '.join(pairs)} | status | pick |\n|{'---|' * 10}")
    for text in lines(args.folder, args.cranfield):
        print(text, flush=True)


if __name__ == "__main__":
    main()
