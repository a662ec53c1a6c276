"""A hundred variants of one model against one plain mteb evaluation of it: wall time of whole processes.

Four commands a round: mteb; our sweep into an empty store; the same sweep again; the sweep with dtype=auto into an
empty store. Give a new folder to work in and the SciFact folder in BEIR layout. On two cores a round takes a quarter
of an hour.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from harness.fingerprint import machine

WORDS = [
    "task=scifact", "model=all-minilm-l6-v2", "pooling=native,cls,max,last", "dim=full,256,128,64,32",
    "grid.pair=[{quantization: [float32, float16, int8, binary, int8], rescore: [0, 0, 0, 0, 4]}]", "timing=none",
]  # fmt: skip


def timed(command: list[str], folder: Path) -> tuple[float, str]:
    """Seconds of a command in a folder, and what it printed on stdout."""
    where = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), "HF_HUB_OFFLINE": "1"}
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=where, text=True, capture_output=True, check=False)  # noqa: S603
    if done.returncode:
        sys.exit(f"{command[:4]} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return time.perf_counter() - start, done.stdout


def sweep(folder: Path, name: str, *more: str) -> tuple[float, str]:
    """Our sweep with a store and results of its own."""
    where = [f"results_dir={name}", f"reports_dir={name}-reports", "sweep=hundred"]
    return timed([sys.executable, "-m", "harness.cli", "run", *WORDS, *where, *more], folder)


def main() -> None:
    """Print a table of seconds and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("scifact", type=Path)
    parser.add_argument("--rounds", type=int, default=1)
    args = parser.parse_args()
    (args.folder / "tasks").mkdir(parents=True)
    (args.folder / "tasks" / "scifact.yaml").write_text(f"path: {args.scifact.resolve()}\ntype: retrieval\n")
    taken: dict[str, list[float]] = {"mteb": [], "sweep": [], "again": [], "auto": []}
    said = ""
    for number in range(args.rounds):
        peer = [sys.executable, str(Path(__file__).with_name("peer_mteb.py")), str(args.scifact.resolve())]
        seconds, score = timed(peer, args.folder)
        taken["mteb"].append(seconds)
        for name, more in (("sweep", ()), ("again", ()), ("auto", ("dtype=auto",))):
            seconds, out = sweep(args.folder, f"{'auto' if name == 'auto' else 'plain'}-{number}", *more)
            taken[name].append(seconds)
            said = f"{out.splitlines()[0]}; mteb nDCG@10 {score.strip()}"
            found = re.search(r"\((.*)\)", out.splitlines()[0])
            print(f"round {number + 1} {name}: {seconds:.1f} s ({found.group(1) if found else ''})", flush=True)
    about = machine()
    print(f"\n{about['processor']}, {about['cores']} cores, {about['threads']} threads; {said}\n")
    print("| whole process | s, median | ratio to mteb, median (range) |\n|---|---|---|")
    for name, seconds_of in taken.items():
        ratios = np.asarray(seconds_of) / np.asarray(taken["mteb"])
        print(
            f"| {name} | {np.median(seconds_of):.1f} | {np.median(ratios):.2f} ({ratios.min():.2f}-{ratios.max():.2f}) |"
        )


if __name__ == "__main__":
    main()
