"""A variant on a made-up eval set: what a part refuses, it refuses before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from harness.forward import PART_ERRORS
from harness.parts import identity
from harness.plan import Variant
from harness.protocols import Encoder, Pooling
from harness.types import EvalSet, Inapplicable, Qrels, Role, Texts, Vectors

_DOCUMENTS, _QUERIES = 64, 4


def rehearsed(variant: Variant, widths: Mapping[str, int]) -> str:
    """Why the variant does not apply, by its own parts on made-up vectors; empty where nothing speaks against it.

    `widths` are the dimensions of models by the identity of their encoder. Where one is not known, or a part has
    another complaint that made-up data may have caused, nothing is said.
    """
    try:
        variant.retriever.prepare(_evalset(), _MadeUp(widths))
    except Inapplicable as reason:
        return str(reason)
    except PART_ERRORS:
        return ""
    return ""


class _MadeUp:
    """A `VectorSource` of random unit vectors of the right width."""

    def __init__(self, widths: Mapping[str, int]) -> None:
        self.widths = widths

    def vectors(self, encoder: Encoder, pooling: Pooling, role: Role, texts: Sequence[str]) -> Vectors:  # noqa: ARG002
        if not pooling.native and not encoder.traits().pooling:
            raise Inapplicable(
                f"pooling needs token states, which {type(encoder).__name__} has not; use pooling=native"
            )
        rows = np.random.default_rng(len(texts)).normal(size=(len(texts), self.widths[identity(encoder)]))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        ones = np.ones(len(texts), dtype=np.int32)
        return Vectors(rows.astype(np.float32), ones, ones)


@cache
def _evalset() -> EvalSet:
    documents = Texts(*zip(*((f"d{i}", f"made up words number {i}") for i in range(_DOCUMENTS)), strict=True))
    queries = Texts(*zip(*((f"q{i}", f"words number {i}") for i in range(_QUERIES)), strict=True))
    pairs = np.arange(_QUERIES, dtype=np.int32)
    return EvalSet("made up", "retrieval", documents, queries, Qrels(pairs, pairs, np.ones_like(pairs)))
