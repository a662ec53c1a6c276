"""A hashing encoder whose bfloat16 vectors lie `turn` away from its float32 ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.encoders.hashing import Hashing
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
