"""A small eval set of each type that mteb's evaluators score: words of four topics, with some of the others mixed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.types import NO_QRELS, EvalSet, Qrels, Texts
from tests.material import small_pairs

TOPICS = (
    "password login account locked reset", "printer paper toner jam tray", "invoice payment refund bank fee",
    "vpn network router cable signal",
)  # fmt: skip


def written(count: int, seed: int, topics: Sequence[int] | None = None, own: int = 4) -> tuple[list[str], np.ndarray]:
    """So many texts, and the topic of each: so many words of its own and two or three of any topic."""
    draw = np.random.default_rng(seed)
    chosen = np.array(topics if topics is not None else [i % 4 for i in range(count)], dtype=np.int32)
    every = " ".join(TOPICS).split()
    texts = [
        " ".join([*draw.choice(TOPICS[topic].split(), size=own), *draw.choice(every, size=int(draw.integers(2, 4)))])
        for topic in chosen
    ]
    return texts, chosen


def named(kind: str, documents: Sequence[str], queries: Sequence[str], targets: Mapping[str, Any]) -> EvalSet:
    sides = (
        Texts(tuple(f"{letter}{i:02}" for i in range(len(texts))), tuple(texts))
        for letter, texts in (("d", documents), ("q", queries))
    )
    arrays = {name: np.asarray(values) for name, values in targets.items()}
    return EvalSet("made", kind, *sides, NO_QRELS, targets=arrays)


def small_alike() -> EvalSet:
    first, one = written(40, 1)
    second, other = written(40, 2, np.random.default_rng(3).integers(0, 4, 40).tolist())
    return named("pair_classification", second, first, {"label": (one == other).astype(np.int32)})


def small_bitext() -> EvalSet:
    """Each second text is the first with one word left out, some with two others; the order is mixed, two are free."""
    first, _ = written(24, 4)
    second = [text.rsplit(" ", 1 + i % 4)[0] for i, text in enumerate(first)] + ["router fee", "toner bank"]
    gold = np.random.default_rng(5).permutation(26)[:24].astype(np.int32)
    mixed = np.empty(26, dtype=object)
    mixed[gold] = second[:24]
    mixed[[i for i in range(26) if i not in gold]] = second[24:]
    return named("bitext", mixed.tolist(), first, {"gold": gold})


def small_classes() -> EvalSet:
    train, learnt = written(48, 6, own=2)
    test, asked = written(30, 7, own=2)
    return named("classification", train, test, {"label": asked, "document_label": learnt})


def small_topics(levels: int = 1, groups: int = 1) -> EvalSet:
    """40 texts; the second level halves the topics and lacks every fifth text."""
    texts, topic = written(40, 8)
    finer = np.where(np.arange(40) % 5 == 0, -1, topic * 2 + np.arange(40) // 20)
    label = np.stack([topic, finer], axis=1)[:, :levels].astype(np.int32)
    return named("clustering", texts, [], {"label": label, "group": np.arange(40, dtype=np.int32) % groups})


def small_summaries() -> EvalSet:
    """Six texts with five machine and two human summaries each; the scores of the last are all equal."""
    text, of_human = np.repeat(np.arange(6), 5).astype(np.int32), np.repeat(np.arange(6), 2).astype(np.int32)
    machine, _ = written(30, 9, np.random.default_rng(10).integers(0, 4, 30).tolist())
    human, _ = written(12, 11, (of_human % 4).tolist())
    score = np.where(text == 5, 3.0, np.random.default_rng(12).integers(1, 6, 30))
    return named("summarization", human, machine, {"score": score, "text": text, "document_text": of_human})


def small_candidates() -> EvalSet:
    """Twelve queries with five or six candidates each; the last has no relevant one."""
    documents, topic = written(40, 13)
    queries, asked = written(12, 14)
    draw = np.random.default_rng(15)
    candidates = np.sort(np.array([draw.choice(40, 6, replace=False) for _ in range(12)]), axis=1).astype(np.int32)
    candidates[::2, 5] = -1
    table = [(q, d, int(topic[d] == asked[q] and q < 11)) for q, row in enumerate(candidates) for d in row if d >= 0]
    made = named("reranking", documents, queries, {"candidates": candidates})
    qrels = Qrels(*np.array(table, dtype=np.int32).T.copy())
    return EvalSet(made.name, made.type, made.documents, made.queries, qrels, targets=made.targets)


SMALL = {
    "sts": small_pairs, "pair_classification": small_alike, "bitext": small_bitext, "classification": small_classes,
    "clustering": small_topics, "summarization": small_summaries, "reranking": small_candidates,
}  # fmt: skip
