"""Datasets on disk as `datasets.save_to_disk` writes them: a Dataset, a DatasetDict, or a folder of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.reading import Table, listing, numbered, shown
from harness.types import HarnessError, Unavailable

MARKS = ("dataset_dict.json", "state.json")


def is_saved(folder: Path) -> bool:
    """Whether the folder itself is a saved Dataset or DatasetDict."""
    return any((folder / mark).is_file() for mark in MARKS)


def saved_parts(folder: Path) -> dict[str, Any]:
    """What is saved in a folder by name: the keys of a DatasetDict, the subfolders, or one nameless Dataset.

    HarnessError for a folder without any, or a damaged one; Unavailable without the package `datasets`.
    """
    loaded = _load(folder) if is_saved(folder) else None
    if loaded is not None:
        return loaded if isinstance(loaded, dict) else {"": loaded}
    if not folder.is_dir():
        raise HarnessError(f"{shown(folder)} is not a saved dataset: {listing(folder)}.")
    return {p.name: _load(p) for p in sorted(folder.iterdir()) if is_saved(p)}


def saved_table(folder: Path, name: str, rows: Any) -> Table:
    """A loaded Dataset as a table; `name` is its part of the folder, empty where it has none."""
    where = shown(folder) + (f"[{name}]" if name else "")
    return Table(where, tuple(rows.column_names), numbered(where, rows))


def _load(folder: Path) -> Any:
    try:
        from datasets import load_from_disk
    except ImportError as error:
        raise Unavailable(f"{shown(folder)} needs datasets: pip install 'embedding-harness[datasets-hub]'") from error
    try:
        return load_from_disk(str(folder))
    except (OSError, ValueError, KeyError) as error:
        raise HarnessError(f"{shown(folder)} cannot be read as a saved dataset: {error}") from error
