"""Tables on disk and eval sets from them, for the tests of every layout."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.evalsets import load
from harness.types import EvalSet, Note
from harness.validate import validate

Rows = Sequence[Mapping[str, Any]]


def write(path: Path, rows: Rows) -> Path:
    """A JSON Lines, CSV or Parquet file of these rows; in CSV lists are JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        import pandas

        pandas.DataFrame(rows).to_parquet(path)
    elif path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows({k: json.dumps(v) if isinstance(v, list) else v for k, v in row.items()} for row in rows)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read(kind: str, path: Path, **manifest: Any) -> EvalSet:
    """The eval set of that type in a file or folder, through a manifest."""
    return load({"type": kind, "path": str(path), **manifest}, Path("made.yaml"))


def made(kind: str, folder: Path, rows: Rows, **manifest: Any) -> EvalSet:
    """The eval set of one table with these rows."""
    return read(kind, write(folder / "test.jsonl", rows), **manifest)


def found(evalset: EvalSet) -> dict[str, Note]:
    """What validation says, by code."""
    return {note.code: note for note in validate(evalset)}
