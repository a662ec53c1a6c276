"""A hashing encoder that tells its stages apart, halves a batch that does not fit, and can be told to fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.encoders.hashing import Hashing
from harness.protocols import Lap
from harness.types import Encoded, Floats, Role, Traits


@dataclass(frozen=True)
class Probed:
    """At most `fitting` texts fit in a batch; larger ones are halved. `unfit`: "open" raises, "encode" raises."""

    fitting: int = 4
    unfit: str = ""

    def content(self) -> Mapping[str, str]:
        return {}

    def traits(self) -> Traits:
        return Traits("cosine", "mean", 0)

    def prompt(self, role: Role) -> str:
        return ""

    def bare(self) -> Probed:
        return self

    def open(self, device: str) -> OpenProbed:
        if self.unfit == "open":
            raise RuntimeError("out of memory")
        return OpenProbed(self)


class OpenProbed:
    """`weight_bytes` and `batch_used` as an open encoder may say them."""

    weight_bytes = 3_000_000

    def __init__(self, part: Probed) -> None:
        self.part = part
        self.batch_used = 0
        self.inner = Hashing().open("cpu")

    def encode(self, texts: Sequence[str], role: Role, poolings: Sequence[Any], batch_size: int | None) -> Encoded:
        if self.part.unfit == "encode" and batch_size is not None:
            raise RuntimeError("device-side assert")
        size = batch_size or 32
        while size > self.part.fitting:
            size //= 2
        self.batch_used = min(size, len(texts))
        return self.inner.encode(texts, role, poolings, size)

    def probe(self, text: str, role: Role, pooling: Any, lap: Lap) -> Floats:
        lap("tokenise")
        rows = self.inner.encode([text], role, [pooling], 1).vectors[0]
        lap("forward")
        lap("pool")
        return rows[0]
