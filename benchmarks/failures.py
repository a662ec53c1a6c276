"""A sweep with a model that raises, one that eats memory, one the system kills, one that hangs, and one that is fine.

Prints the exit code, the end of the run, and whether the page gives each reason. Works in the folder given.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

HOW = ("raises", "eats", "killed", "hangs")
REASONS = ("device-side assert", "held over 2 GB", "killed (SIGKILL)", "nothing finished or stored for 20 s")
WORDS = [
    "model=all-minilm-l6-v2,raises,eats,killed,hangs", "quantization=float32,int8", "dim=full,64", "task=helpdesk",
    "timing=none", "trusted=[tests]", "executor.timeout_s=20", "executor.memory_gb=2", "sweep=failures",
]  # fmt: skip


def main() -> None:
    """Run it and check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    (folder / "configs" / "model").mkdir(parents=True)
    for how in HOW:
        text = f"_target_: tests.encoders.misbehaving.Misbehaving\nhow: {how}\n"
        (folder / "configs" / "model" / f"{how}.yaml").write_text(text)
    where = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "harness.cli", "run", *WORDS]
    done = subprocess.run(command, cwd=folder, env=where, text=True, capture_output=True, check=False)  # noqa: S603
    page = (folder / "reports" / "failures" / "index.html").read_text(encoding="utf-8")
    print(done.stdout)
    print(f"exit code {done.returncode}; on the page: {[reason for reason in REASONS if reason in page]}")
    sys.exit(done.returncode != 2 or any(reason not in page for reason in REASONS))


if __name__ == "__main__":
    main()
