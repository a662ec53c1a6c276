"""All or nothing: files as they were before, where what was to follow their change failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.store import write_atomically
from harness.types import HarnessError


@contextmanager
def unchanged_on_failure(files: Sequence[Path], folder: Path) -> Iterator[None]:
    """Put these files, and those that lie in `folder` itself, back as they were where the body fails.

    Files that the body made are deleted, of `folder` too; what cannot be put back stays. The error goes on.
    """
    before = {path: path.read_bytes() for path in {*files, *_within(folder)} if path.is_file()}
    done = False
    try:
        yield
        done = True
    finally:
        for path in () if done else {*files, *_within(folder), *before}:
            _put_back(path, before.get(path))


def _within(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []


def _put_back(path: Path, held: bytes | None) -> None:
    try:
        if held is None:
            path.unlink(missing_ok=True)
        elif not path.is_file() or path.read_bytes() != held:
            write_atomically(path, held)
    except (OSError, HarnessError):  # the first error says what is wrong with the disk
        return
