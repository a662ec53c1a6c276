"""Models whose faster path lies `turn` away from float32: an encoder, a graph made from it, others that say a dtype."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.encoders.hashing import Hashing
from harness.parts import place
from harness.protocols import OpenEncoder, OpenReranker
from harness.rerankers.word_overlap import OpenWordOverlap
from harness.types import Encoded, Role, Traits


@dataclass(frozen=True)
class Halving:
    turn: float
    dtype: str = "bfloat16"

    def content(self) -> Mapping[str, str]:
        return {}

    def traits(self) -> Traits:
        return Traits("cosine", "mean", 0)

    def prompt(self, role: Role) -> str:
        return ""

    def bare(self) -> Halving:
        return self

    def open(self, device: str) -> OpenHalving:
        return OpenHalving(self)


class OpenHalving:
    def __init__(self, part: Halving) -> None:
        self.part = part

    def encode(self, texts: Sequence[str], role: Role, poolings: Sequence[Any], batch_size: int | None) -> Encoded:
        encoded = Hashing().open("cpu").encode(texts, role, poolings, batch_size)
        off = self.part.turn if self.part.dtype == "bfloat16" else 0.0
        return encoded._replace(vectors=tuple(np.float32(v + off * np.roll(v, 1, axis=1)) for v in encoded.vectors))


@dataclass(frozen=True)
class Exported(Halving):
    """A graph of `Halving`, which it names by any text."""

    reference: str = place("")

    def original(self) -> Halving | None:
        return Halving(self.turn, "float32") if self.reference else None

    def open(self, device: str) -> OpenHalving:
        return OpenHalving(Halving(self.turn, "bfloat16"))


@dataclass(frozen=True)
class Sparser(Halving):
    """Term weights, the same in every precision."""

    turn: float = 0.0

    def traits(self) -> Traits:
        return Traits("dot", "", 0, gives="sparse")

    def open(self, device: str) -> OpenEncoder:  # type: ignore[override]
        return Hashing(gives="sparse").open(device)


@dataclass(frozen=True)
class Rereading:
    """A reranker that says a dtype."""

    dtype: str = "bfloat16"

    def content(self) -> Mapping[str, str]:
        return {}

    def limit(self) -> int:
        return 0

    def rerank(self, device: str) -> OpenReranker:
        return OpenWordOverlap()
