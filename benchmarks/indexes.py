"""Build time, bytes, recall and latency of the indexes over sentences of BEIR folders, as a Markdown table."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import faiss
import numpy as np

from harness.approximate import Approximate
from harness.encoders.wordllama import Wordllama
from harness.fingerprint import machine
from harness.formats.beir import Beir
from harness.indexes.flat import Flat
from harness.indexes.hnsw import Hnsw
from harness.indexes.ivf import Ivf
from harness.poolings.native import Native
from harness.protocols import BuiltIndex, Index
from harness.types import Doubles, Floats, Ints, RawSet

K = 10
SHORTEST = 20  # characters: below it lie initials, numbers and headings
ROUNDS, IN_A_ROW = 10, 30  # rounds over all variants, and queries of one variant in a round, one by one
HNSW_M, HNSW_EF, IVF_PROBES = (16, 32), (16, 32, 64, 128), (1, 4, 8, 16, 32)


@dataclass(frozen=True)
class Variant:
    """A built index with its name and the seconds it took to build."""

    name: str
    built: BuiltIndex
    seconds: float


def sentences(sets: Sequence[RawSet]) -> Iterator[list[str]]:
    """The sentences of each document, in order."""
    for raw in sets:
        for text in raw.documents.texts:
            cut = (" ".join(s.split()) for s in re.split(r"(?<=[.!?])\s+|\n+", text))
            yield [s for s in cut if len(s) >= SHORTEST]


def passages(sets: Sequence[RawSet], wanted: int) -> tuple[list[str], int]:
    """Different sentences, then pairs of neighbours until there are as many as wanted; and how many are pairs."""
    documents = list(sentences(sets))
    single = list(dict.fromkeys(s for document in documents for s in document))[:wanted]
    joined = (f"{a} {b}" for document in documents for a, b in pairwise(document))
    pairs = list(dict.fromkeys(joined))[: wanted - len(single)]
    return single + pairs, len(pairs)


def encoded(texts: Sequence[str]) -> Floats:
    """Unit vectors float32 [n, 256] of the static wordllama, so the inner product is the cosine."""
    rows = Wordllama().open("cpu").encode(texts, "document", [Native()], 256).vectors[0]
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Floats = (rows / np.where(lengths == 0, 1, lengths)).astype(np.float32)
    return unit


def timed(part: Index, documents: Floats, ids: Sequence[str]) -> tuple[BuiltIndex, float]:
    """The index, and the seconds it took."""
    start = time.perf_counter()
    built = part.build(documents, ids, "dot")
    return built, time.perf_counter() - start


def searched_with(built: BuiltIndex, set_on: Callable[[faiss.Index], None], beam: int | None) -> Approximate:
    """The same lists or graph, searched with another parameter."""
    assert isinstance(built, Approximate)
    index = faiss.clone_index(built.index)
    set_on(index)
    return Approximate(built.corpus, index, built.overhead_bytes, beam)


def variants(documents: Floats) -> list[Variant]:
    """Every index; what differs only in how it is searched is built once."""
    ids = [str(i) for i in range(len(documents))]
    found = [Variant("flat", *timed(Flat(), documents, ids))]
    for m in HNSW_M:
        built, seconds = timed(Hnsw(m), documents, ids)
        for ef in HNSW_EF:
            again = searched_with(built, lambda index, ef=ef: setattr(index.hnsw, "efSearch", ef), ef)
            found.append(Variant(f"hnsw m={m} ef_search={ef}", again, seconds))
    built, seconds = timed(Ivf(), documents, ids)
    for probes in IVF_PROBES:
        again = searched_with(built, lambda index, probes=probes: setattr(index, "nprobe", probes), None)
        found.append(Variant(f"ivf lists={again.index.nlist} probes={probes}", again, seconds))
    return found


def latencies(found: Sequence[Variant], queries: Floats) -> list[Doubles]:
    """Seconds of each single search by variant, all variants in turn each round, so that drift meets them alike."""
    none = np.full(1, -1, dtype=np.int32)
    taken: list[list[float]] = [[] for _ in found]
    for i in range(ROUNDS + 1):  # the first is a warm-up
        some = [(i * IN_A_ROW + j) % len(queries) for j in range(IN_A_ROW)]
        for variant, seconds in zip(found, taken, strict=True):
            for query in some:
                start = time.perf_counter()
                variant.built.search(queries[query : query + 1], K, none)
                seconds.append(time.perf_counter() - start)
    return [np.asarray(seconds[IN_A_ROW:]) for seconds in taken]


def recall(exact: Ints, found: Ints) -> float:
    """Share of int32 [q, K] exact results among those found."""
    return float((exact[:, :, None] == found[:, None, :]).any(axis=2).mean())


def table(found: Sequence[Variant], queries: Floats) -> Iterator[str]:
    """Lines of Markdown."""
    yield f"| index | build s | MB beside the vectors | recall@{K} | p50 ms | p95 ms |\n|---|---|---|---|---|---|"
    none = np.full(len(queries), -1, dtype=np.int32)
    results = [variant.built.search(queries, K, none).documents for variant in found]
    for variant, documents, seconds in zip(found, results, latencies(found, queries), strict=True):
        middle, high = np.percentile(seconds * 1000, [50, 95])
        beside = variant.built.overhead_bytes / 1e6
        share = recall(results[0], documents)
        yield f"| {variant.name} | {variant.seconds:.1f} | {beside:.1f} | {share:.3f} | {middle:.2f} | {high:.2f} |"


def main() -> None:
    """Print what was searched, and the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, help="BEIR folders whose documents and queries are taken")
    parser.add_argument("--documents", type=int, default=100_000, help="how many sentences (100,000)")
    args = parser.parse_args()
    sets = [Beir(str(folder)).read() for folder in args.folders]
    texts, pairs = passages(sets, args.documents)
    queries = encoded([text for raw in sets for text in raw.queries.texts])
    about = machine()
    print(f"{about['processor']}, {about['cores']} cores, {about['threads']} threads, faiss {faiss.__version__}")
    print(f"{len(texts):,} passages x 256, {pairs:,} of them two sentences; {len(queries):,} queries\n")
    for line in table(variants(encoded(texts)), queries):
        print(line, flush=True)


if __name__ == "__main__":
    main()
