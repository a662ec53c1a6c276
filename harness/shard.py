"""One file of stored vectors: immutable, checksummed, written aside and renamed into place.

A header of 256 bytes (JSON, padded with spaces), then keys S16 [n] in ascending order, tokens int32 [n, 2] and rows
float32 or float16 [n, d], all little-endian. One checksum (crc32) covers header, keys and tokens, another the rows.
"""

from __future__ import annotations

import json
import mmap
import os
import secrets
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.store import write_atomically
from harness.types import Floats, HarnessError, Vectors

SCHEMA = 2
DTYPES: dict[str, np.dtype[Any]] = {"float32": np.dtype("<f4"), "float16": np.dtype("<f2")}
_HEADER = 256


class Head(NamedTuple):
    """Shape and dtype of the rows, the eval set and role whose texts they were encoded for, and their crc32."""

    n: int
    d: int
    dtype: str
    origin: str
    rows: int


class Shard(NamedTuple):
    """A file whose head is sound: keys S16 [n], tokens int32 [n, 2] (encoded, and before the cut at the maximum)."""

    path: Path
    head: Head
    keys: NDArray[np.bytes_]
    tokens: NDArray[np.int32]


def write_shard(folder: Path, keys: NDArray[np.bytes_], vectors: Vectors, dtype: str, origin: str) -> str:
    """The name of a new file in `folder` with at least one row; `origin` is cut to what the header has room for."""
    order = np.argsort(keys)
    tokens = np.stack([vectors.tokens, vectors.full_tokens], axis=1).astype("<i4")[order]
    section, rows = keys[order].tobytes() + tokens.tobytes(), _cast(vectors.rows, dtype)[order]
    head = _fitted(Head(len(keys), rows.shape[1], dtype, origin, zlib.crc32(rows.data)))
    header = _packed(head, _checksum(head, section))
    name = f"{secrets.token_hex(12)}.shard"
    write_atomically(folder / name, b"".join((header, section, rows.data)))
    return name


def read_shard(path: Path) -> Shard | None:
    """Head, keys and tokens; None where they, or the length of the file, are not what was written.

    FileNotFoundError where the file has gone, HarnessError where the system cannot read it.
    """
    with _reading(path) as file:
        parsed = _parsed(file.read(_HEADER))
        if parsed is None or os.fstat(file.fileno()).st_size != _size(parsed[0]):
            return None
        head, checksum = parsed
        section = file.read(24 * head.n)
    if checksum != _checksum(head, section):
        return None
    keys = np.frombuffer(section, dtype="S16", count=head.n)
    return Shard(path, head, keys, np.frombuffer(section, dtype="<i4", offset=16 * head.n).reshape(-1, 2))


def map_rows(shard: Shard) -> NDArray[Any] | None:
    """Rows [n, d] in the file's dtype, mapped for as long as they are held; None where the file was cut meanwhile.

    FileNotFoundError where it has gone. A mapping holds a file descriptor, and a shelf may have more shards than a
    process may have open files: so rows are mapped for each use.
    """
    with _reading(shard.path) as file:
        if os.fstat(file.fileno()).st_size != _size(shard.head):
            return None
        raw = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    start = _HEADER + 24 * shard.head.n
    return np.frombuffer(raw, DTYPES[shard.head.dtype], offset=start).reshape(shard.head.n, shard.head.d)


@contextmanager
def _reading(path: Path) -> Iterator[BufferedReader]:
    try:
        with path.open("rb") as file:
            yield file
    except FileNotFoundError:
        raise
    except OSError as error:
        raise HarnessError(f"{path} cannot be read ({error.strerror}). Mend that, or set store_dir=") from error


def _size(head: Head) -> int:
    return _HEADER + head.n * (24 + head.d * DTYPES[head.dtype].itemsize)


def _cast(rows: Floats, dtype: str) -> NDArray[Any]:
    with np.errstate(over="ignore"):
        cast = rows.astype(DTYPES[dtype], copy=False)
    if dtype == "float16" and not np.isfinite(cast).all():
        largest = float(np.abs(rows).max())
        raise HarnessError(f"a vector holds {largest:g}, and half precision ends at 65504. Set store_dtype=float32")
    return cast


def _fitted(head: Head) -> Head:
    while len(_packed(head, 2**32 - 1)) > _HEADER:
        head = head._replace(origin=head.origin[:-10] + head.origin[-9:])  # the role at the end stays
    return head


def _packed(head: Head, checksum: int) -> bytes:
    text = json.dumps({"schema": SCHEMA, **head._asdict(), "head": checksum}, ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass").ljust(_HEADER)


def _parsed(raw: bytes) -> tuple[Head, int] | None:
    """The head and its checksum; None unless packing them again gives the same bytes, padding and schema included."""
    try:
        fields = json.loads(raw.decode("utf-8", "surrogatepass"))
        checksum = fields.pop("head")
        del fields["schema"]
        head = Head(**fields)
        numbers = all(type(number) is int and number > 0 for number in (head.n, head.d))
        sound = numbers and isinstance(head.origin, str) and head.dtype in DTYPES and _packed(head, checksum) == raw
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return (head, checksum) if sound else None


def _checksum(head: Head, section: bytes) -> int:
    return zlib.crc32(section, zlib.crc32(_packed(head, 0)))
