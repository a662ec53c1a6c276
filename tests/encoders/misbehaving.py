"""An encoder that raises, is killed, eats memory or hangs; the hashing encoder otherwise."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.encoders.hashing import Hashing
from harness.types import Encoded, Role, Traits


@dataclass(frozen=True)
class Misbehaving:
    """`how` is raises, killed, eats, hangs, fragile (killed at a batch size of 4) or fine."""

    how: str

    def content(self) -> Mapping[str, str]:
        return {"how": self.how}

    def traits(self) -> Traits:
        return Traits("cosine", "mean", 0)

    def prompt(self, role: Role) -> str:
        return ""

    def bare(self) -> Misbehaving:
        return replace(self)

    def open(self, device: str) -> OpenMisbehaving:
        return OpenMisbehaving(self.how)


class OpenMisbehaving:
    """Fails in the forward pass."""

    def __init__(self, how: str) -> None:
        self.how = how

    def encode(self, texts: Sequence[str], role: Role, poolings: Sequence[Any], batch_size: int | None) -> Encoded:
        sys.stderr.write(f"encoding {len(texts)} texts\n")
        sys.stderr.flush()
        if self.how == "raises":
            raise RuntimeError("CUDA error: device-side assert triggered\nmore lines")
        if self.how == "killed" or (self.how == "fragile" and batch_size == 4):
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "hangs":
            time.sleep(600)
        held = []
        while self.how == "eats":
            held.append(bytearray(100_000_000))
            time.sleep(0.05)
        return Hashing().open("cpu").encode(texts, role, poolings, batch_size)
