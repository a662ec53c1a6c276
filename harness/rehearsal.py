"""A variant on a made-up eval set: what a part refuses, it refuses before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from harness.forward import PART_ERRORS
from harness.parts import identity
from harness.plan import Variant
from harness.protocols import Encoder, OpenReranker, Pooling, Reranker
from harness.spaces import prepared
from harness.types import EvalSet, Floats, HarnessError, Inapplicable, Qrels, Role, Texts, Vectors

_MOST, _QUERIES = 67, 4  # a number that no part has for a default: a reason that names it comes from here


def rehearsed(variant: Variant, widths: Mapping[str, int], evalset: EvalSet) -> str:
    """Why the variant does not apply, by its own parts on made-up vectors; empty where nothing speaks against it.

    `widths` are the dimensions of models by the identity of their encoder; of the eval set, type and size count.
    Where a width is not known, or a part has another complaint that made-up data may have caused, nothing is said.
    """
    documents = len(evalset.documents)
    made = min(documents, _MOST)
    try:
        prepared(variant.retriever, _evalset(made, "retrieval" if evalset.searched else evalset.type), _MadeUp(widths))
    except Inapplicable as reason:
        caused = made < documents and str(made) in str(reason)
        return "" if caused else str(reason)
    except PART_ERRORS:
        return ""
    return ""


class _MadeUp:
    """A `VectorSource` of random unit vectors of the right width; other models than those of one vector have none."""

    def __init__(self, widths: Mapping[str, int]) -> None:
        self.widths = widths

    def vectors(self, encoder: Encoder, pooling: Pooling, role: Role, texts: Sequence[str]) -> Vectors:  # noqa: ARG002
        if not pooling.native and not encoder.traits().pooling:
            raise Inapplicable(
                f"pooling needs token states, which {type(encoder).__name__} has not; use pooling=native"
            )
        if encoder.traits().gives != "vector":
            raise HarnessError("only vectors are made up")
        width = self.widths[identity(encoder)] * len(getattr(pooling, "of", (pooling,)))  # one beside the other
        rows = np.random.default_rng(len(texts)).normal(size=(len(texts), width))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        ones = np.ones(len(texts), dtype=np.int32)
        return Vectors(rows.astype(np.float32), ones, ones)

    def pairs(self, reranker: Reranker, queries: Sequence[str], documents: Sequence[str]) -> Floats:  # noqa: ARG002
        return np.zeros(len(queries), dtype=np.float32)

    def reranking(self, reranker: Reranker) -> OpenReranker:  # noqa: ARG002
        raise HarnessError("nothing is loaded for a rehearsal")

    def evalset(self, name: str) -> EvalSet:  # noqa: ARG002
        raise HarnessError("nothing else is read for a rehearsal")


@cache
def _evalset(size: int, kind: str) -> EvalSet:
    documents = Texts(*zip(*((f"d{i}", f"made up words number {i}") for i in range(size)), strict=True))
    queries = Texts(*zip(*((f"q{i}", f"words number {i}") for i in range(_QUERIES)), strict=True))
    pairs = np.arange(_QUERIES, dtype=np.int32)
    return EvalSet("made up", kind, documents, queries, Qrels(pairs, pairs, np.ones_like(pairs)))
