"""Memory and time of re-scoring variants of one large corpus from the store: one fresh process a variant. Linux only."""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np

from harness.encoders.hashing import Hashing
from harness.fingerprint import machine
from harness.indexes.flat import Flat
from harness.poolings.native import Native
from harness.protocols import Encoder, Pooling, Quantizer
from harness.quantizers.binary import Binary
from harness.quantizers.float16 import Float16
from harness.quantizers.float32 import Float32
from harness.quantizers.int8 import Int8
from harness.reductions.truncate import Truncate
from harness.retrievers.dense import Dense
from harness.shelf import Shelf, text_keys
from harness.types import EvalSet, Floats, Qrels, Role, Texts, Vectors

WIDTH = 384
DIMS = (384, 256, 64)
VARIANTS: dict[str, tuple[Quantizer, int]] = {
    "float32": (Float32(), 0),
    "float16": (Float16(), 0),
    "int8": (Int8(), 0),
    "binary": (Binary(), 0),
    "int8, rescore 4": (Int8(), 4),
}
K, SHARD_ROWS, STEP_ROWS = 100, 20_000, 8192
GIB = 2**30


class Stored(NamedTuple):
    """A `VectorSource` over one folder of stored vectors, read anew at every call."""

    folder: Path

    def vectors(self, _encoder: Encoder, _pooling: Pooling, _role: Role, texts: Sequence[str]) -> Vectors:
        """The stored rows, by text alone."""
        return Shelf(self.folder).load(text_keys("", texts))


class Measured(NamedTuple):
    """Seconds of each step, ranking over the bare product; peaks in GiB: `rss` as the kernel counts it, mapped files included, the others sampled.

    `beyond` is memory of one's own and shared memory: everything but mapped files, which is to say, but the store.
    """

    prepare_s: float
    rank_s: float
    ratio: float
    rss: float
    anonymous: float
    beyond: float


def texts(kind: str, n: int) -> Texts:
    """Short texts that differ."""
    return Texts(tuple(f"{kind}{i:07}" for i in range(n)), tuple(f"the {kind} with number {i}" for i in range(n)))


def unit_rows(n: int, dim: int, seed: int) -> Floats:
    """float32 [n, dim] random directions."""
    rows = np.random.default_rng(seed).standard_normal((n, dim), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def fill(folder: Path, *sides: Texts) -> None:
    """Store a vector for every text; what an earlier run has stored is kept."""
    shelf = Shelf(folder)
    for side in sides:
        for start in range(0, len(side), SHARD_ROWS):
            keys = text_keys("", side.texts[start : start + SHARD_ROWS])
            if shelf.missing(keys).any():
                tokens = np.full(len(keys), 5, dtype=np.int32)
                shelf.append(keys, Vectors(unit_rows(len(keys), WIDTH, start + len(side)), tokens, tokens))


@contextmanager
def watched(peaks: dict[str, int]) -> Iterator[None]:
    """Peaks, in bytes, of this process's resident memory by kind, for as long as the block runs."""
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.005):
            lines = Path("/proc/self/status").read_text().splitlines()
            now = {f[0]: int(f[1]) * 1024 for line in lines if (f := line.replace(":", "").split())[-1] == "kB"}
            now["beyond"] = now["RssAnon"] + now["RssShmem"]
            for name in ("VmHWM", "RssAnon", "beyond"):
                peaks[name] = max(peaks.get(name, 0), now[name])

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def measured(folder: Path, documents: int, queries: int, variant: tuple[str, int]) -> Measured:
    """One variant prepared and ranked, everything it needs made in this process."""
    name, dim = variant
    quantizer, rescore = VARIANTS[name]
    part = Dense(Hashing(), Native(), Truncate(dim), quantizer, Flat(), rescore=rescore)
    none = np.zeros(0, dtype=np.int32)
    peaks: dict[str, int] = {}
    with watched(peaks):
        sides = texts("document", documents), texts("query", queries)
        evalset = EvalSet("random", "retrieval", *sides, Qrels(none, none, none))
        start = time.perf_counter()
        searcher = part.prepare(evalset, Stored(folder))
        prepared = time.perf_counter()
        searcher.rank(K)
        ranked = time.perf_counter()
    sizes = (peaks[name] / GIB for name in ("VmHWM", "RssAnon", "beyond"))
    del searcher
    bare = bare_product(documents, queries, dim)
    return Measured(prepared - start, ranked - prepared, (ranked - prepared) / bare, *sizes)


def bare_product(documents: int, queries: int, dim: int) -> float:
    """Seconds of the float32 product alone, the best of three, over blocks because it would not fit in memory."""
    rows, asked = unit_rows(documents, dim, 1), unit_rows(queries, dim, 2)
    scores = np.empty((queries, STEP_ROWS), dtype=np.float32)
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        for at in range(0, documents, STEP_ROWS):
            block = rows[at : at + STEP_ROWS]
            np.matmul(asked, block.T, out=scores[:, : len(block)])
        taken.append(time.perf_counter() - start)
    return min(taken)


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a temporary folder for the store: 1.5 GB, kept for the next run")
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=1000)
    args = parser.parse_args()
    size = (args.documents, args.queries)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as fresh:
        fresh.submit(fill, args.folder, texts("document", size[0]), texts("query", size[1])).result()
        about = machine()
        print(f"{about['processor']}, {about['cores']} cores, {about['threads']} threads\n")
        print(
            "| variant | dim | prepare s | rank s | rank / bare product | peak RSS GiB | RssAnon GiB | beyond the store GiB |"
        )
        print("|---|---|---|---|---|---|---|---|")
        variants = list(product(VARIANTS, DIMS))
        for (name, dim), one in zip(variants, fresh.map(partial(measured, args.folder, *size), variants), strict=True):
            gib = " | ".join(f"{value:.2f}" for value in one[3:])
            print(f"| {name} | {dim} | {one.prepare_s:.1f} | {one.rank_s:.1f} | {one.ratio:.2f} | {gib} |")


if __name__ == "__main__":
    main()
