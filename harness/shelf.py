"""The embedding store: vectors by the hash of their text, safe under several writers, kills and damaged files."""

from __future__ import annotations

import fcntl
import hashlib
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.shard import DTYPES, SCHEMA, Shard, map_rows, read_shard, write_shard
from harness.store import check_writable, read_json, write_json
from harness.types import Floats, HarnessError, Vectors
from harness.wording import size

_PIECE = 256  # rows gathered at once: the copy stays in the processor's cache
_ABANDONED_S = 3600
Keys = NDArray[np.bytes_]


class Incomplete(Exception):
    """Vectors that were asked for are not there, or no longer: ask `missing` again."""


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
    """Stored vectors of one encoder and pooling: a folder of shards, whose rows have one width and `dtype` on disk.

    Shards are never changed. A damaged or foreign one is named in `dropped`, set aside as `.damaged` and its texts
    count as missing. What other processes write or remove shows at the next call.
    """

    def __init__(self, folder: Path, dtype: str = "float32") -> None:
        if dtype not in DTYPES:
            raise HarnessError(f"store_dtype={dtype}: vectors are stored as float32 or float16")
        self.folder = folder
        self.dtype = dtype
        self.dropped: list[str] = []
        self._shards: dict[str, Shard] = {}
        self._refused: set[str] = set()
        self._sound: set[str] = set()
        self._index: _Index | None = None
        self._own: set[str] = set()
        self._written = 0  # dimensions of what was appended here and may not have been read yet

    @property
    def width(self) -> int:
        """Dimensions of the stored vectors, 0 where there are none."""
        self._fresh()
        return self._known_width()

    def missing(self, keys: Keys) -> NDArray[np.bool_]:
        """bool [n]: keys that no sound shard holds."""
        return self._fresh().find(keys) < 0

    def load(self, keys: Keys) -> Vectors:
        """float32 [n, d] in the order of the keys; Incomplete if one is missing, or lies in rows found damaged now."""
        return self._loaded(self._fresh(), keys)

    def _loaded(self, index: _Index, keys: Keys) -> Vectors:
        place = self._places(index, keys)
        rows = np.empty((len(keys), self._known_width()), dtype=np.float32)
        if lost := self._gather(index, place, rows):
            raise self._incomplete(lost, len(keys))
        tokens = index.tokens[place]
        return Vectors(rows, tokens[:, 0].copy(), tokens[:, 1].copy())

    def _places(self, index: _Index, keys: Keys) -> NDArray[np.int64]:
        place = index.find(keys)
        if lost := int((place < 0).sum()):
            raise self._incomplete(lost, len(keys))
        return place

    def _incomplete(self, lost: int, asked: int) -> Incomplete:
        return Incomplete(f"{lost} of {asked} vectors are not in {self.folder}")

    def append(self, keys: Keys, vectors: Vectors, origin: str = "") -> None:
        """One new shard; `origin` says whose texts they are ("helpdesk document").

        The same key may stand in several shards: the first by file name is served. HarnessError where the width is
        not that of the shelf, or a value is beyond half precision.
        """
        if not len(keys):
            return
        width = vectors.rows.shape[1]
        self._check_width(width, self._known_width() or self._written)
        self._written = width
        self._own.add(write_shard(self.folder, keys, vectors, self.dtype, origin))

    def joined(self) -> bool:
        """Whether another writer has added vectors since `missing` or `load` last looked."""
        return bool(self._listed() - self._shards.keys() - self._refused - self._own)

    def _fresh(self) -> _Index:
        """The index of what is on disk now; only shards that are new here are read."""
        listed = self._listed()
        gone, new = self._shards.keys() - listed, listed - self._shards.keys() - self._refused
        if gone or new:
            self._index = None
        for name in gone:
            del self._shards[name]
        for name in sorted(new):
            self._open(self.folder / name)
        if self._index is None:
            self._index = _index([self._shards[name] for name in sorted(self._shards)])
        return self._index

    def _known_width(self) -> int:
        return next((shard.head.d for shard in self._shards.values()), 0)

    def _check_width(self, width: int, known: int) -> None:
        if known not in (0, width):
            raise HarnessError(
                f"{self.folder} has vectors of {known} and of {width} dimensions: the model behind this "
                "name has changed, or its endpoint serves several. Check it, then delete that folder or set store_dir="
            )

    def _listed(self) -> set[str]:
        try:
            paths = list(self.folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return set()
        for path in paths:
            if path.suffix == ".tmp":
                clear_abandoned(path)
        return {path.name for path in paths if path.suffix == ".shard"}

    def _open(self, path: Path) -> None:
        try:
            shard = read_shard(path)
        except FileNotFoundError:  # another process has set it aside or pruned it
            return
        if shard is None or shard.head.dtype != self.dtype:
            self._drop(path)
            return
        self._check_width(shard.head.d, self._known_width())
        self._shards[path.name] = shard

    def _drop(self, path: Path) -> None:
        self._shards.pop(path.name, None)
        self._index = None
        self._refused.add(path.name)
        self.dropped.append(path.name)
        with suppress(OSError):  # set aside by another process, or the disk is read-only: it is not served either way
            path.replace(path.with_suffix(".damaged"))

    def _gather(self, index: _Index, place: NDArray[np.int64], into: Floats) -> int:
        """Fill `into`, float32 [n, d], shard by shard; how many rows could not be had."""
        order = np.argsort(place)
        bounds = np.searchsorted(place[order], index.starts)
        lost = 0
        for i in np.flatnonzero(np.diff(bounds)):
            asked = order[bounds[i] : bounds[i + 1]]
            stored = self._rows(index.shards[i])
            if stored is None:
                lost += len(asked)
                continue
            for start in range(0, len(asked), _PIECE):
                piece = asked[start : start + _PIECE]
                into[piece] = stored[place[piece] - index.starts[i]]
        return lost

    def _rows(self, shard: Shard) -> NDArray[Any] | None:
        """Mapped rows, their checksum verified at the first touch; None where they are damaged or gone."""
        try:
            rows = map_rows(shard)
        except FileNotFoundError:
            return None
        if rows is None or (shard.path.name not in self._sound and zlib.crc32(rows.data) != shard.head.rows):
            self._drop(shard.path)
            return None
        self._sound.add(shard.path.name)
        return rows


class _Index(NamedTuple):
    """Where each key of some shards lies; a place is a position in all shards laid end to end.

    starts: int64 [shards + 1], place of each shard's first row. tokens: int32 [n, 2], by place.
    first, second: uint64 [n], the halves of the keys, sorted by the first. place: int64 [n], in the same order.
    """

    shards: list[Shard]
    starts: NDArray[np.int64]
    tokens: NDArray[np.int32]
    first: NDArray[np.uint64]
    second: NDArray[np.uint64]
    place: NDArray[np.int64]

    def find(self, keys: Keys) -> NDArray[np.int64]:
        """int64 [n]: place of each key, the lowest where it has several, -1 where it has none."""
        first, second = _halves(keys)
        at = np.empty(len(keys), dtype=np.int64)
        order = np.argsort(first)  # sorted questions walk through memory in one direction
        at[order] = np.searchsorted(self.first, first[order])
        found = np.full(len(keys), -1, dtype=np.int64)
        asked = np.arange(len(keys))
        while len(asked):  # again only for keys that share a first half with another key
            asked = asked[at[asked] < len(self.first)]
            asked = asked[self.first[at[asked]] == first[asked]]
            equal = self.second[at[asked]] == second[asked]
            found[asked[equal]] = self.place[at[asked[equal]]]
            asked = asked[~equal]
            at[asked] += 1
        return found


def _index(shards: list[Shard]) -> _Index:
    keys = np.concatenate([np.empty(0, dtype="S16"), *(shard.keys for shard in shards)])
    tokens = np.concatenate([np.empty((0, 2), dtype=np.int32), *(shard.tokens for shard in shards)])
    starts = np.cumsum([0, *(shard.head.n for shard in shards)])
    first, second = _halves(keys)
    place = np.argsort(first, kind="stable")
    return _Index(shards, starts, tokens, first[place], second[place], place)


def _halves(keys: Keys) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    pairs = np.ascontiguousarray(keys, dtype="S16").view(">u8").reshape(-1, 2).astype(np.uint64)
    return pairs[:, 0].copy(), pairs[:, 1].copy()


def clear_abandoned(path: Path) -> None:
    """Remove what a killed writer left: a temporary file older than an hour."""
    with suppress(OSError):
        if time.time() - path.stat().st_mtime > _ABANDONED_S:
            path.unlink()


def is_current(folder: Path) -> bool:
    """Whether the store is of this schema; an older one is set aside by `open_store`, and nothing else may touch it."""
    return _schema(folder / "store.json") == SCHEMA


def check_schema(folder: Path) -> None:
    """HarnessError where the store is of a newer schema than this version reads; writes nothing."""
    if (found := _schema(folder / "store.json")) > SCHEMA:
        raise HarnessError(
            f"{folder} is of a newer version (schema {found}, here {SCHEMA}). Upgrade, or set store_dir="
        )


def open_store(folder: Path, say: Callable[[str], None]) -> None:
    """Make `folder` a store of this schema, also when two processes do so at once.

    Vectors of an older schema are set aside beside it and named to `say` in one line; a newer one is a HarnessError.
    """
    about = folder / "store.json"
    if _schema(about) == SCHEMA:
        return
    check_writable(folder)
    with (folder / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = _schema(about)
        check_schema(folder)
        if found < SCHEMA:
            if any((folder / "vectors").rglob("*.shard")):
                say(_set_aside(folder, found))
            write_json(about, {"schema": SCHEMA})


def _schema(about: Path) -> int:
    """1, the last schema without this file, where it does not exist."""
    if not about.exists():
        return 1
    try:
        return int(read_json(about)["schema"])
    except (HarnessError, KeyError, TypeError, ValueError) as error:
        raise HarnessError(f'{about} is damaged. Write {{"schema": {SCHEMA}}} into it, or set store_dir=') from error


def _set_aside(folder: Path, schema: int) -> str:
    names = (f"vectors.schema-{schema}" + (f"-{i}" if i else "") for i in count())
    aside = next(path for name in names if not (path := folder / name).exists())
    (folder / "vectors").replace(aside)
    used = size(sum(path.stat().st_size for path in aside.rglob("*") if path.is_file()))
    return (
        f"{folder}: vectors of an older version (schema {schema}, {used}) are set aside in {aside.name}; their texts "
        f"are encoded again. Delete that folder when no older version needs it"
    )
