"""What `harness cache` shows and prunes: stored vectors by model and eval set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.parts import did_you_mean
from harness.ragged import HEAD
from harness.shard import Shard, read_shard
from harness.shelf import clear_abandoned
from harness.store import read_json
from harness.types import HarnessError
from harness.wording import ABSENT, size, whole

_COLUMNS = ("model", "id", "poolings", "eval set", "vectors", "size", "last used")
_NUMBERS = ("vectors", "size")
_OTHER = "other"  # texts encoded outside an eval set


class Entry(NamedTuple):
    """Vectors of one model and pooling for one side of an eval set.

    model: its label; id: the first 8 digits of its identity, which also tells library versions and dtypes apart.
    evalset and role are empty for damaged files, whose header names none; evalset is "other" for texts encoded
    outside an eval set. vectors: a text that several shards hold counts for the one it is served from, and one of
    several rows counts them all; those of a reranker are scores of pairs. bytes: all files; damaged: those of them
    set aside. used: when vectors were last added. dtype: of the rows on disk.
    """

    model: str
    id: str
    pooling: str
    evalset: str
    role: str
    vectors: int
    bytes: int
    used: date
    damaged: int
    dtype: str


class Pruned(NamedTuple):
    """How many files of vectors were removed, and their bytes."""

    files: int
    bytes: int


class _File(NamedTuple):
    path: Path
    entry: Entry


def entries(store: Path) -> list[Entry]:
    """What the store holds, by model, eval set, pooling and role; vectors of an older schema are no entries."""
    groups: dict[tuple[str, ...], list[Entry]] = {}
    for _, one in _files(store):
        groups.setdefault((*_row_of(one), one.pooling, one.role), []).append(one)
    return [_sum(groups[key]) for key in sorted(groups)]


def cache_text(entries: Sequence[Entry], store: Path) -> str:
    """A table by model and eval set with totals; then what is of no use any more."""
    groups: dict[tuple[str, ...], list[Entry]] = {}
    for entry in entries:
        groups.setdefault(_row_of(entry), []).append(entry)
    aside = sum(path.stat().st_size for path in _set_aside(store))
    damaged = sum(entry.damaged for entry in entries)
    lines = _aligned([_row(group) for group in groups.values()]) if groups else [f"no vectors in {store}"]
    if groups:
        vectors, used = (sum(getattr(e, field) for e in entries) for field in ("vectors", "bytes"))
        lines.append(f"{whole(vectors)} vectors, {size(used)} in {store}")
    if damaged:
        lines.append(f"{size(damaged)} of that are damaged files, set aside and encoded again")
    if aside:
        lines.append(f"{size(aside)} more are vectors of an older version, set aside")
    return "\n".join(lines)


def prune(
    store: Path,
    model: str | None = None,
    evalset: str | None = None,
    older_than_days: float | None = None,
    damaged: bool = False,
    everything: bool = False,
) -> Pruned:
    """Remove what all of `model` (label or id), `evalset` and `older_than_days` name; or what is damaged; or all.

    `damaged` and `everything` stand alone and take vectors of an older schema too. A sweep that runs meanwhile
    encodes again what it misses. HarnessError where nothing is chosen, or no vectors have that name.
    """
    named = model is not None or evalset is not None or older_than_days is not None
    if named + damaged + everything != 1:
        raise HarnessError(
            "say what to prune: a model, an eval set, an age in days or several of these; or damaged; or all"
        )
    files = list(_files(store))
    _check("model", model, {name for _, e in files for name in (e.model, e.id)})
    _check("eval set", evalset, {e.evalset for _, e in files} - {""})
    today = datetime.now(UTC).date()
    chosen = [
        path
        for path, entry in files
        if (path.suffix == ".damaged" or not damaged)
        and model in (None, entry.model, entry.id)
        and evalset in (None, entry.evalset)
        and (older_than_days is None or (today - entry.used).days > older_than_days)
    ]
    sizes = [_remove(path) for path in (*chosen, *(() if named else _set_aside(store)))]
    _sweep_folders(store)
    return Pruned(sum(s is not None for s in sizes), sum(s or 0 for s in sizes))


def _check(kind: str, name: str | None, known: set[str]) -> None:
    if name is not None and name not in known:
        raise HarnessError(f"no stored vectors of {kind} {name!r}. {did_you_mean(name, known)}".rstrip())


def _files(store: Path) -> Iterator[_File]:
    """Every shard and damaged file with the entry it makes by itself."""
    for home in _folders(store / "vectors"):
        about = _about(home)
        for shelf in _folders(home):
            pooling = about.get("poolings", {}).get(shelf.name, shelf.name[:8])
            shards = _shards(shelf)
            served = _served([shard for shard in shards.values() if shard is not None])
            for path, shard in shards.items():
                with suppress(FileNotFoundError):  # a running sweep has set it aside
                    entry = _entry(path, shard, home.name[:8], about)
                    yield _File(path, entry._replace(pooling=str(pooling), vectors=served.get(path, 0)))


def _shards(shelf: Path) -> dict[Path, Shard | None]:
    """The files of a shelf in the order it serves them; None for what is damaged."""
    found: dict[Path, Shard | None] = {}
    for path in sorted(p for p in shelf.iterdir() if p.suffix in (".shard", ".damaged")):
        with suppress(FileNotFoundError):
            found[path] = read_shard(path) if path.suffix == ".shard" else None
    return found


def _served(shards: Sequence[Shard]) -> dict[Path, int]:
    """How many vectors each shard is the first to hold."""
    if not shards:
        return {}
    _, first = np.unique(np.concatenate([shard.keys for shard in shards]), return_index=True)
    first = first[np.concatenate([shard.tokens[:, 1] for shard in shards])[first] != HEAD]
    ends = np.cumsum([shard.head.n for shard in shards])
    counts = np.bincount(np.searchsorted(ends, first, side="right"), minlength=len(shards))
    return {shard.path: int(n) for shard, n in zip(shards, counts, strict=True)}


def _entry(path: Path, shard: Shard | None, digits: str, about: dict[str, Any]) -> Entry:
    """Of one file, without its pooling and the number of its vectors."""
    stat = path.stat()
    used = about.get("used") or datetime.fromtimestamp(stat.st_mtime, UTC).date()
    damaged = stat.st_size if path.suffix == ".damaged" else 0
    one = Entry(str(about.get("model") or digits), digits, "", "", "", 0, stat.st_size, used, damaged, "")
    if shard is None:
        return one
    name, _, role = shard.head.origin.rpartition(" ")
    return one._replace(evalset=name or _OTHER, role=role, dtype=shard.head.dtype)


def _about(home: Path) -> dict[str, Any]:
    """The model's about.json with `used` as a date; empty where the file is absent or broken."""
    try:
        about = read_json(home / "about.json")
        return about | {"used": date.fromisoformat(about["used"]), "poolings": dict(about["poolings"])}
    except (HarnessError, KeyError, TypeError, ValueError):
        return {}


def _folders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []


def _set_aside(store: Path) -> list[Path]:
    return [path for folder in store.glob("vectors.schema-*") for path in folder.rglob("*") if path.is_file()]


def _sum(group: Sequence[Entry]) -> Entry:
    vectors, used, damaged = (sum(getattr(e, field) for e in group) for field in ("vectors", "bytes", "damaged"))
    return group[0]._replace(vectors=vectors, bytes=used, damaged=damaged, used=max(e.used for e in group))


def _row_of(entry: Entry) -> tuple[str, ...]:
    """What entries of one row share; files set aside have a row of their own."""
    return entry.model, entry.id, entry.evalset, "damaged" if entry.damaged else ""


def _row(group: Sequence[Entry]) -> tuple[str, ...]:
    one = _sum(group)
    poolings = ", ".join(sorted({e.pooling for e in group}))
    model = f"{one.model} ({one.dtype})" if one.dtype == "float16" else one.model
    shown = (model, one.id, poolings, "damaged" if one.damaged else one.evalset or ABSENT)
    return (*shown, whole(one.vectors), size(one.bytes), one.used.isoformat())


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(_COLUMNS, *rows, strict=True)]
    sides = [str.rjust if name in _NUMBERS else str.ljust for name in _COLUMNS]
    return [
        "  ".join(side(cell, width) for side, cell, width in zip(sides, row, widths, strict=True)).rstrip()
        for row in (_COLUMNS, *rows)
    ]


def _remove(path: Path) -> int | None:
    """Bytes of the removed file; None where another process removed it first."""
    try:
        bytes_ = path.stat().st_size
        path.unlink()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HarnessError(f"{path} cannot be removed ({error.strerror})") from error
    return bytes_


def _sweep_folders(store: Path) -> None:
    """Remove folders that hold no vectors any more; one in which a writer is at work stays."""
    for folder in [*store.glob("vectors.schema-*"), *_folders(store / "vectors")]:
        for path in folder.rglob("*.tmp"):
            clear_abandoned(path)
        for path in sorted((p for p in folder.rglob("*") if p.is_dir()), reverse=True):
            _remove_empty(path)
        with suppress(FileNotFoundError):  # another process prunes too
            if [p.name for p in folder.iterdir()] == ["about.json"]:
                (folder / "about.json").unlink()
        _remove_empty(folder)


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
