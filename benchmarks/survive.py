"""kill -9 of the parent or of a worker at random moments of a sweep; then the same command again.

For each kill: are the records, byte for byte, those of an undisturbed sweep, and how many stored texts went through
the model a second time? What the process had in hand, one store batch at most, is not stored and so encoded again. Two
sweeps at once over one store come first. Give a new folder to work in and the SciFact folder in BEIR layout.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

WORDS = [
    "model=all-minilm-l6-v2", "+model.max_tokens=32", "pooling=native,max", "dim=full,128",
    "quantization=float32,int8,binary", "task=scifact", "limit_docs=2000", "limit_queries=50", "timing=none",
    "retry=failed", "sweep=survive", "task_path=../tasks",
]  # fmt: skip


def start(folder: Path, *more: str) -> subprocess.Popen[str]:
    """The sweep in a process of its own, working in `folder`."""
    command = [sys.executable, "-m", "harness.cli", "run", "--plain", *WORDS, *more]
    folder.mkdir(parents=True, exist_ok=True)
    where = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), "HF_HUB_OFFLINE": "1"}
    return subprocess.Popen(command, cwd=folder, env=where, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # noqa: S603  our own command


def finish(process: subprocess.Popen[str]) -> int:
    """Wait for it; the texts it says went through a model."""
    said = process.communicate()[0]
    if process.returncode:
        sys.exit(f"the sweep ended with {process.returncode}:\n{said}")
    found = re.search(r"(\d+) texts encoded", said)
    return int(found.group(1)) if found else 0


def records(folder: Path, sweep: str = "survive") -> dict[str, bytes]:
    """Every record by file name."""
    return {path.name: path.read_bytes() for path in sorted((folder / "results" / sweep / "records").glob("*.record"))}


def stored(folder: Path) -> int:
    """Texts whose vectors of every pooling are on disk, by model."""
    found = 0
    for model in (folder / "results" / "store" / "vectors").glob("*"):
        counts = [
            sum(json.loads(shard.open("rb").read(256))["n"] for shard in shelf.glob("*.shard"))
            for shelf in model.glob("*") if shelf.is_dir()
        ]  # fmt: skip
        found += min(counts, default=0)
    return found


def kill(process: subprocess.Popen[str], what: str) -> str:
    """Send SIGKILL to the parent, or to the worker that holds the most memory."""
    if what == "parent":
        process.send_signal(signal.SIGKILL)
        process.wait()
        return "parent"
    try:
        children = psutil.Process(process.pid).children(recursive=True)
        max(children, key=lambda child: child.memory_info().rss).send_signal(signal.SIGKILL)
    except (psutil.NoSuchProcess, ValueError):  # none lives now
        return "worker (none alive)"
    return "worker"


def main() -> None:
    """Print one table line a kill."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("scifact", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    args = parser.parse_args()
    (args.folder / "tasks").mkdir(parents=True)
    (args.folder / "tasks" / "scifact.yaml").write_text(f"path: {args.scifact.resolve()}\ntype: retrieval\n")
    dice = random.Random(7)  # noqa: S311  which moments, not a secret
    begun = time.perf_counter()
    total = finish(start(args.folder / "whole"))
    seconds = time.perf_counter() - begun
    whole = records(args.folder / "whole")
    print(f"undisturbed: {len(whole)} records, {total} texts encoded, {seconds:.1f} s\n")
    shared = args.folder / "shared"
    both = [start(shared, "sweep=a"), start(shared, "sweep=b")]
    encoded = [finish(process) for process in both]
    same = [records(shared, name) == whole for name in ("a", "b")]
    print(f"two at once over one store: identical records {same}, texts encoded {encoded}\n", flush=True)
    print("| kill | at s | stored then | encoded by the rerun | encoded twice | records identical |")
    print("|---|---|---|---|---|---|")
    for number in range(args.kills):
        folder = args.folder / f"kill-{number}"
        process, moment = start(folder), dice.uniform(1.0, seconds)
        time.sleep(moment)
        if process.poll() is not None:
            moment = seconds
        what = kill(process, ("parent", "worker")[number % 2])
        if what == "parent":
            kept = stored(folder)
            again = finish(start(folder))
            twice = str(kept + again - total)
        else:
            first = finish(process)
            again, kept, twice = finish(start(folder)), stored(folder), str(first - total)
        print(f"| {what} | {moment:.1f} | {kept} | {again} | {twice} | {records(folder) == whole} |", flush=True)
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
