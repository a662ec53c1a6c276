"""Vectors and records on disk. Immutable checksummed files, written aside and renamed into place."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.types import Floats, HarnessError, Record, Vectors

_SCHEMA = 1
_HEADER = 256
Keys = NDArray[np.bytes_]


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
        raise HarnessError(
            f"{path.parent} cannot be written ({error.strerror}). Free space, or set results_dir= or store_dir="
        ) from error


def text_keys(prompt: str, texts: Sequence[str]) -> Keys:
    """S16 [n]: 128-bit hash of prompt and text; the prompt's length goes in, so no two pairs read alike."""
    start = hashlib.blake2b(f"{len(prompt)}|{prompt}|".encode("utf-8", "surrogatepass"), digest_size=16)
    keys = []
    for text in texts:
        one = start.copy()
        one.update(text.encode("utf-8", "surrogatepass"))
        keys.append(one.digest())
    return np.asarray(keys, dtype="S16")


class Shelf:
    """Stored vectors of one encoder and pooling: shards of keys S16 [n], tokens int32 [n, 2], rows float32 [n, d].

    Shards are never changed. A damaged one is named in `dropped`, set aside and its texts encoded again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.dropped: list[str] = []
        self._shards: dict[str, _Shard] = {}

    def missing(self, keys: Keys) -> NDArray[np.bool_]:
        """bool [n]: keys that no sound shard holds."""
        found = np.zeros(len(keys), dtype=bool)
        for shard in self._open():
            found |= shard.find(keys) >= 0
        return ~found

    def load(self, keys: Keys) -> Vectors:
        """Rows in the order of the keys; KeyError if one is missing."""
        filled = np.zeros(len(keys), dtype=bool)
        rows: Floats = np.empty((0, 0), dtype=np.float32)
        tokens = np.zeros((len(keys), 2), dtype=np.int32)
        for shard in self._open():
            at = shard.find(keys)
            hit = np.flatnonzero((at >= 0) & ~filled)
            if rows.size == 0 and len(hit):
                rows = np.empty((len(keys), shard.rows.shape[1]), dtype=np.float32)
            if len(hit):
                rows[hit] = shard.rows[at[hit]]
                tokens[hit] = shard.tokens[at[hit]]
                filled[hit] = True
        if not filled.all():
            raise KeyError(f"{int((~filled).sum())} of {len(keys)} vectors are not in {self.folder.name}")
        return Vectors(rows, tokens[:, 0].copy(), tokens[:, 1].copy())

    def append(self, keys: Keys, vectors: Vectors) -> None:
        """One new shard; the same key may stand in several shards, whose rows are then equal."""
        order = np.argsort(keys)
        tokens = np.stack([vectors.tokens, vectors.full_tokens], axis=1).astype("<i4")[order]
        body = b"".join(
            np.ascontiguousarray(a).tobytes() for a in (keys[order], tokens, vectors.rows[order].astype("<f4"))
        )
        head = {"schema": _SCHEMA, "n": len(keys), "d": vectors.rows.shape[1], "crc32": zlib.crc32(body)}
        name = f"{hashlib.blake2b(keys[order].tobytes(), digest_size=8).hexdigest()}-{secrets.token_hex(4)}.shard"
        write_atomically(self.folder / name, json.dumps(head).encode().ljust(_HEADER) + body)

    def _open(self) -> Iterator[_Shard]:
        for path in sorted(self.folder.glob("*.shard")):
            if path.name not in self._shards:
                try:
                    shard = _read_shard(path)
                    if shard is None:
                        path.replace(path.with_suffix(".damaged"))
                except FileNotFoundError:  # another process has set it aside
                    continue
                if shard is None:
                    self.dropped.append(path.name)
                    continue
                self._shards[path.name] = shard
            yield self._shards[path.name]


class _Shard(NamedTuple):
    keys: Keys
    tokens: NDArray[np.int32]
    rows: Floats

    def find(self, keys: Keys) -> NDArray[np.int64]:
        """int64 [n]: row of each key, -1 where absent; shard keys are sorted."""
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[at] == keys, at, -1)


def _read_shard(path: Path) -> _Shard | None:
    """The memory-mapped shard, or None where the file is truncated, altered or of another schema."""
    raw = np.memmap(path, dtype=np.uint8, mode="r") if path.stat().st_size > _HEADER else None
    if raw is None:
        return None
    try:
        head = json.loads(bytes(raw[:_HEADER]))
        n, d, crc = int(head["n"]), int(head["d"]), int(head["crc32"])
    except (ValueError, KeyError, TypeError):
        return None
    body = raw[_HEADER:]
    if head.get("schema") != _SCHEMA or len(body) != n * (16 + 8 + 4 * d) or zlib.crc32(body.data) != crc:
        return None
    keys = np.frombuffer(body[: 16 * n], dtype="S16")
    tokens = np.frombuffer(body[16 * n : 24 * n], dtype="<i4").reshape(n, 2)
    return _Shard(keys, tokens, np.frombuffer(body[24 * n :], dtype="<f4").reshape(n, d))


class Records:
    """Records of one sweep, one file each, named by their key; numbers in JSON, per-query arrays beside them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str) -> Record | None:
        """The record, or None where it is absent or damaged."""
        path = self.folder / f"{key}.record"
        if not path.exists():
            return None
        raw = path.read_bytes()
        if len(raw) < 16 or int.from_bytes(raw[:8], "little") != zlib.crc32(raw[8:]):
            return None
        size = int.from_bytes(raw[8:16], "little")
        head = json.loads(raw[16 : 16 + size])
        with np.load(BytesIO(raw[16 + size :]), allow_pickle=False) as arrays:
            return Record(**head | {"arrays": dict(arrays), "warnings": tuple(head["warnings"])})

    def put(self, record: Record) -> None:
        """Write or replace the record."""
        buffer = BytesIO()
        arrays: dict[str, Any] = {k: np.asarray(v) for k, v in record.arrays.items()}
        np.savez_compressed(buffer, **arrays)
        fields = {k: v for k, v in asdict(record).items() if k != "arrays"}
        head = json.dumps(fields, sort_keys=True).encode()
        body = len(head).to_bytes(8, "little") + head + buffer.getvalue()
        write_atomically(self.folder / f"{record.key}.record", zlib.crc32(body).to_bytes(8, "little") + body)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """A JSON file with sorted keys, so that equal values are equal bytes."""
    text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False)
    write_atomically(path, (text + "\n").encode("utf-8", "surrogatepass"))


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; HarnessError where the file is absent or broken."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise HarnessError(f"{path} does not exist") from error
    except (ValueError, TypeError) as error:
        raise HarnessError(f"{path} is not a JSON object ({error}); delete it and run the sweep again") from error
