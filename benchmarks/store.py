"""The embedding store against LMDB: `python benchmarks/store.py FOLDER` writes 2 x 1.6 GB into FOLDER and removes it.

Rows are random float32; each store batch of 1,024 rows is one shard, or one LMDB transaction, that is on disk when the
call returns. All is written once, the other figures are medians of three. The operating system has the files in memory;
`first` is the first touch by a newly opened store, which verifies checksums (LMDB has none). Each side runs in a process
of its own, so its peak memory is its own. LMDB is left out where it is not installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import multiprocessing
import resource
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from harness.fingerprint import machine
from harness.shelf import Keys, Shelf
from harness.types import Floats, Vectors

WIDTH, BATCH, ROUNDS, LOOKED_UP, SMALL_SHARDS = 384, 1024, 3, 10_000, 4_000


class Lmdb:
    """The peer: one record a key, one transaction a batch, read into one matrix row by row."""

    def __init__(self, folder: Path) -> None:
        import lmdb

        folder.mkdir(parents=True, exist_ok=True)
        self._env = lmdb.open(str(folder), map_size=2**36, readahead=False)

    def append(self, keys: Keys, rows: Floats) -> None:
        """One transaction, synced; keys in order, which is what LMDB likes best."""
        with self._env.begin(write=True) as transaction:
            for key, row in sorted(zip(_bytes_of(keys), rows, strict=True), key=lambda pair: pair[0]):
                transaction.put(key, row.tobytes())

    def load(self, keys: Keys) -> Floats:
        """float32 [n, d] in the order of the keys."""
        out = np.empty((len(keys), WIDTH), dtype=np.float32)
        with self._env.begin(buffers=True) as transaction:
            for i, key in enumerate(_bytes_of(keys)):
                out[i] = np.frombuffer(transaction.get(key), dtype=np.float32)
        return out

    def close(self) -> None:
        """Let go of the mapping."""
        self._env.close()


class Ours:
    """A shelf, with the peer's verbs."""

    def __init__(self, folder: Path) -> None:
        self._shelf = Shelf(folder)

    def append(self, keys: Keys, rows: Floats) -> None:
        """One shard, synced."""
        zeros = np.zeros(len(keys), dtype=np.int32)
        self._shelf.append(keys, Vectors(rows, zeros, zeros))

    def load(self, keys: Keys) -> Floats:
        """float32 [n, d] in the order of the keys."""
        return self._shelf.load(keys).rows

    def close(self) -> None:
        """A shelf holds nothing open."""


STORES: dict[str, Callable[[Path], Any]] = {"ours": Ours, "LMDB": Lmdb}


def _bytes_of(keys: Keys) -> list[bytes]:
    whole = keys.tobytes()  # an element of an S16 array loses its trailing zeros
    return [whole[i : i + 16] for i in range(0, len(whole), 16)]


def _keys(n: int, seed: int) -> Keys:
    return np.frombuffer(np.random.default_rng(seed).bytes(16 * n), dtype="S16")


def _rows(keys: Keys) -> Floats:
    """Rows that follow from their keys, so that whatever is read can be checked."""
    start = np.ascontiguousarray(keys).view("<u2").reshape(-1, 8)[:, :1].astype(np.float32)
    return start + np.arange(WIDTH, dtype=np.float32)


def _write(store: Any, keys: Keys) -> float:
    took = 0.0
    for start in range(0, len(keys), BATCH):
        batch = keys[start : start + BATCH]
        rows = _rows(batch)
        took += _seconds(lambda b=batch, r=rows: store.append(b, r))
    return took


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _read(store: Any, keys: Keys) -> float:
    """Seconds of one load, whose rows are then checked."""
    start = time.perf_counter()
    got = store.load(keys)
    took = time.perf_counter() - start
    for i in range(0, len(keys), 100_000):
        assert np.array_equal(got[i : i + 100_000], _rows(keys[i : i + 100_000]))
    return took


def _round(make: Callable[[Path], Any], folder: Path, keys: Keys, seed: int) -> dict[str, float]:
    """Reads by newly opened stores, and an append; every key of `keys` is stored."""
    generator = np.random.default_rng(seed)
    shuffled, few = generator.permutation(keys), generator.choice(keys, LOOKED_UP, replace=False)
    found: dict[str, float] = {}
    store = make(folder)
    found["open, and one look-up"] = _seconds(lambda: store.load(keys[:1]))
    found[f"{LOOKED_UP:,} random look-ups, first"] = _read(store, few)
    found[f"{LOOKED_UP:,} random look-ups, again"] = _read(store, few)
    store.close()
    store = make(folder)
    found["ordered load into one matrix, first"] = _read(store, shuffled)
    found["ordered load into one matrix, again"] = _read(store, shuffled)
    more = _keys(len(keys) // 100, seed + 1)
    found["append of 1 % and look it up"] = _write(store, more) + _read(store, more)
    store.close()
    return found


def _measure(name: str, folder: Path, size: int, answer: Any) -> None:
    make, keys = STORES[name], _keys(size, 0)
    store = make(folder / name)
    found = {"write, batches of 1,024": _write(store, keys)}
    store.close()
    used = sum(path.stat().st_blocks * 512 for path in (folder / name).iterdir())
    rounds = [_round(make, folder / name, keys, seed) for seed in range(ROUNDS)]
    found |= {key: float(np.median([r[key] for r in rounds])) for key in rounds[0]}
    matrix = size * WIDTH * 4
    found["size on disk / bytes of the rows"] = used / matrix
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    found[f"peak memory, MB (the matrix is {matrix / 1e6:,.0f})"] = peak
    shutil.rmtree(folder / name)
    answer.send(json.dumps(found))


def _many_small(folder: Path) -> str:
    """Seconds to open a shelf of many shards of 16 rows, and to load all of it."""
    keys = _keys(16 * SMALL_SHARDS, 0)
    store = Ours(folder / "small")
    for part in np.split(keys, SMALL_SHARDS):
        store.append(part, _rows(part))
    opened = [_seconds(lambda: Ours(folder / "small").load(keys[:1])) for _ in range(ROUNDS)]
    loaded = [_read(Ours(folder / "small"), keys) for _ in range(ROUNDS)]
    shutil.rmtree(folder / "small")
    return f"{SMALL_SHARDS:,} shards of 16 rows: open {np.median(opened):.2f} s, open and load all {np.median(loaded):.2f} s"


def _apart(name: str, folder: Path, size: int) -> dict[str, float]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_measure, args=(name, folder, size, theirs))
    process.start()
    theirs.close()
    try:
        found: dict[str, float] = json.loads(ours.recv())
    finally:
        process.join()
    return found


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="written to and removed; on the disk that is to be measured")
    parser.add_argument("--rows", type=int, default=1_000_000, help="vectors of 384 dimensions (1,000,000)")
    args = parser.parse_args()
    args.folder.mkdir(parents=True)
    try:
        ours = _apart("ours", args.folder, args.rows)
        peer = _apart("LMDB", args.folder, args.rows) if importlib.util.find_spec("lmdb") else {}
        small = _many_small(args.folder)
    finally:
        shutil.rmtree(args.folder)
    about = machine()
    print(f"{about['processor']}, {about['cores']} cores, {args.rows:,} x {WIDTH} float32\n")
    print("| measured, seconds unless said | ours | LMDB | ratio ours / LMDB |\n|---|---|---|---|")
    for name, value in ours.items():
        other = peer.get(name)
        print(f"| {name} | {value:,.3f} | " + (f"{other:,.3f} | {value / other:.2f} |" if other else "- | - |"))
    print(f"\n{small}")


if __name__ == "__main__":
    main()
