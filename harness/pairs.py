"""Scores of pairs of texts from the store, or from the model that reads both together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.filling import Tell, asked_for, fill, kept, pieces
from harness.home import Home
from harness.protocols import OpenReranker
from harness.shelf import Keys, Shelf, text_keys
from harness.types import Floats, HarnessError, Said, Vectors, Working


class Pairs:
    """The scores that one model gave; `opened` loads it.

    `independent`: what stands beside a pair does not change its score. The pairs of a query then come together, as
    services take them, in small store batches.
    """

    def __init__(self, home: Home, opened: Callable[[], OpenReranker], independent: bool, tell: Tell) -> None:
        self.home, self.opened, self.independent, self.tell = home, opened, independent, _alive(tell)

    def scores(self, queries: Sequence[str], documents: Sequence[str]) -> Floats:
        """float32 [n] of parallel texts; what the store lacks is scored, each pair once, and kept."""
        keys, shelf = pair_keys(queries, documents), self.home.shelf("pairs")
        self.home.mark_used()

        def make(at: NDArray[np.int64], _: list[Shelf]) -> dict[Shelf, Vectors]:
            self.home.describe({"pairs": "pairs"})
            scores = self._scored([queries[i] for i in at], [documents[i] for i in at])
            none = np.zeros(len(at), dtype=np.int32)
            return {shelf: Vectors(scores[:, None], none, none)}

        def once() -> None:
            groups = text_keys("", queries) if self.independent else None
            asked = asked_for(keys, _lengths(queries, documents), {shelf: np.ones(len(keys), dtype=bool)}, groups)
            fill(asked, self.independent, make, self.tell, "")

        return kept(shelf, keys, [once, once, once], self.tell).rows.reshape(-1)

    def _scored(self, queries: list[str], documents: list[str]) -> Floats:
        model, made = self.opened(), list[Floats]()
        lengths = _lengths(queries, documents)
        for piece in pieces(lengths):
            made.append(_checked(model.score(queries[piece], documents[piece]), len(lengths[piece])))
            self.tell(Working(sum(lengths[piece])))
        return np.concatenate(made)


def _alive(tell: Tell) -> Tell:
    """Pairs are a sign of life; what counts as progress are the texts that `harness plan` counts."""
    return lambda event: tell(event if isinstance(event, Said) else type(event)(0))


def pair_keys(queries: Sequence[str], documents: Sequence[str]) -> Keys:
    """S16 [n], the keys of parallel texts; HarnessError where one side has more of them."""
    if len(queries) != len(documents):
        raise HarnessError(f"{len(queries)} queries and {len(documents)} documents make no pairs")
    keys, places = np.empty(len(queries), dtype="S16"), dict[str, list[int]]()
    for i, query in enumerate(queries):
        places.setdefault(query, []).append(i)
    for query, at in places.items():
        keys[at] = text_keys(query, [documents[i] for i in at])
    return keys


def _lengths(queries: Sequence[str], documents: Sequence[str]) -> list[int]:
    return [len(q) + len(d) for q, d in zip(queries, documents, strict=True)]


def _checked(scores: Floats, n: int) -> Floats:
    scores = np.asarray(scores, dtype=np.float32)
    if scores.shape != (n,):
        raise HarnessError(f"the reranker returned scores of shape {scores.shape} for {n} pairs")
    if not np.isfinite(scores).all():
        raise HarnessError("the reranker gives scores that are not finite (NaN or inf): its weights or its dtype")
    return scores
