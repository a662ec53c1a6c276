"""Records and other files on disk, written aside and renamed into place; is there room to write?"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any, get_args
from zipfile import BadZipFile

import numpy as np

from harness.types import HarnessError, Record, Status, Unwritable


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` so that `path` holds all of it or does not exist, also after a kill or a power loss."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        try:
            with aside.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise Unwritable(
            f"{path.parent} cannot be written ({error.strerror}). Free space, or choose another folder "
            "(results_dir=, store_dir=, --reports-dir, -o)"
        ) from error


def check_writable(folder: Path, need_bytes: int = 0) -> None:
    """HarnessError unless `folder` can be created and written and its disk has `need_bytes` free."""
    probe = folder / ".probe"
    write_atomically(probe, b"probe")
    probe.unlink(missing_ok=True)
    free = shutil.disk_usage(folder).free
    if free < need_bytes:
        raise HarnessError(
            f"{folder} has {free / 1e6:,.0f} MB free and {need_bytes / 1e6:,.0f} MB are needed. "
            f"Free space, or set results_dir= or store_dir="
        )


def check_place(folder: Path, option: str) -> None:
    """HarnessError where `folder`, the value of `option`, could not be made or written; itself writes nothing."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        why = "cannot be written" if there.is_dir() else "is a file"
        raise HarnessError(f"{option}={folder}: {there} {why}. Choose another folder with {option}=")


class Records:
    """Records of one sweep, one file each, named by their key; numbers in JSON, per-query arrays beside them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str) -> Record | None:
        """The record, or None where it is absent or damaged: cut, altered, another's, or without its score."""
        try:
            raw = self._path(key).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None
        except OSError as error:
            raise HarnessError(f"{self._path(key)} cannot be read ({error.strerror}). Mend its permissions") from error
        if len(raw) < 16 or int.from_bytes(raw[:8], "little") != zlib.crc32(raw[8:]):
            return None
        try:
            record = _record(raw)
        except (ValueError, TypeError, KeyError, EOFError, OSError, BadZipFile):
            return None
        return record if record.key == key and _whole(record) else None

    def damaged(self, key: str) -> bool:
        """Whether something lies where the record should, and cannot be read as it."""
        return self._path(key).exists() and self.get(key) is None

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.record"

    def put(self, record: Record) -> None:
        """Write or replace the record."""
        buffer = BytesIO()
        arrays: dict[str, Any] = {k: np.asarray(v) for k, v in record.arrays.items()}
        np.savez_compressed(buffer, **arrays)
        fields = {k: v for k, v in asdict(record).items() if k != "arrays"}
        head = json.dumps(fields, sort_keys=True).encode()
        body = len(head).to_bytes(8, "little") + head + buffer.getvalue()
        write_atomically(self._path(record.key), zlib.crc32(body).to_bytes(8, "little") + body)


def _record(raw: bytes) -> Record:
    size = int.from_bytes(raw[8:16], "little")
    head = json.loads(raw[16 : 16 + size])
    with np.load(BytesIO(raw[16 + size :]), allow_pickle=False) as arrays:
        return Record(**head | {"arrays": dict(arrays), "warnings": tuple(head["warnings"])})


def _whole(record: Record) -> bool:
    """Whether a record has what every reader of its kind takes from it."""
    if record.status not in get_args(Status) or not isinstance(record.values, Mapping):
        return False
    if record.status != "ok" or record.kind == "space":
        return True
    if record.kind == "timing":
        return "seconds" in record.arrays
    scores = record.arrays.get(str(record.values.get("main")))
    if scores is None or not isinstance(record.values.get("main_score"), float):
        return False
    return len(record.arrays.get("query_ids", scores)) == len(scores)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """A JSON file (RFC 8259) with sorted keys, so that equal values are equal bytes; half a surrogate pair is escaped.

    ValueError for numbers that are not finite: JSON has none, and whoever computed them has to say what they mean.
    """
    try:
        text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise ValueError(f"{path.name} would hold a number that is not finite ({error})") from error
    write_atomically(path, (text + "\n").encode("utf-8", "backslashreplace"))


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; HarnessError where the file is absent or broken."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise HarnessError(f"{path} does not exist") from error
    except (ValueError, TypeError) as error:
        raise HarnessError(f"{path} is not a JSON object ({error}); delete it and run the sweep again") from error
