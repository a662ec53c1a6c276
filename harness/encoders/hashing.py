"""A deterministic encoder that needs no download."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from harness.protocols import Pooling
from harness.types import Encoded, Floats, Inapplicable, Role, Traits

_BATCH = 32
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Hashing:
    """Each word's state is a fixed pseudo-random vector drawn from its hash; its own pooling is the mean.

    Texts that share words are near each other, so searches give sensible results. For tests, laws and
    documentation; never a candidate to ship.
    """

    dim: int = 64
    seed: int = 0
    max_tokens: int = 0
    prompts: Mapping[Role, str] = field(default_factory=dict)

    def content(self) -> Mapping[str, str]:
        """The algorithm is all there is."""
        return {"algorithm": "shake-256 words, version 1"}

    def traits(self) -> Traits:
        """Cosine similarity, mean pooling."""
        return Traits("cosine", "mean", self.max_tokens)

    def prompt(self, role: Role) -> str:
        """The prompt given for the role."""
        return self.prompts.get(role, "")

    def bare(self) -> Hashing:
        """The same encoder without prompts."""
        return replace(self, prompts={})

    def open(self, device: str) -> OpenHashing:
        """Nothing to load; `device` is ignored."""
        if self.dim < 1:
            raise Inapplicable(f"hashing: dim={self.dim} must be at least 1")
        return OpenHashing(self)


class OpenHashing:
    """Word states with a cache of the words met."""

    def __init__(self, part: Hashing) -> None:
        self.part = part

    @cached_property
    def _known(self) -> dict[str, Floats]:
        return {}

    def encode(self, texts: Sequence[str], role: Role, poolings: Sequence[Pooling], batch_size: int | None) -> Encoded:
        """See `OpenEncoder`; a text without words has one state, that of the empty word."""
        words = [_WORD.findall((self.part.prompt(role) + t).lower()) or [""] for t in texts]
        limit = self.part.max_tokens or max((len(w) for w in words), default=1)
        size = batch_size or _BATCH
        chunks = [self._pooled(words[i : i + size], limit, poolings) for i in range(0, len(words), size)]
        vectors = tuple(np.concatenate([c[j] for c in chunks]) for j in range(len(poolings)))
        full = np.asarray([len(w) for w in words], dtype=np.int32)
        return Encoded(vectors, np.minimum(full, limit).astype(np.int32), full)

    def _pooled(self, words: list[list[str]], limit: int, poolings: Sequence[Pooling]) -> list[Floats]:
        cut = [w[:limit] for w in words]
        states = np.zeros((len(cut), max(map(len, cut)), self.part.dim), dtype=np.float32)
        mask = np.zeros(states.shape[:2], dtype=bool)
        for i, row in enumerate(cut):
            states[i, : len(row)] = [self._state(w) for w in row]
            mask[i, : len(row)] = True
        return [self._own(states, mask) if p.native else p.pool(states, mask) for p in poolings]

    def _own(self, states: Floats, mask: np.ndarray) -> Floats:
        total = (states * mask[:, :, None]).sum(axis=1)
        result: Floats = total / np.linalg.norm(total, axis=1, keepdims=True)
        return result

    def _state(self, word: str) -> Floats:
        if word not in self._known:
            raw = hashlib.shake_256(f"{self.part.seed}|{word}".encode("utf-8", "surrogatepass")).digest(self.part.dim)
            self._known[word] = (np.frombuffer(raw, dtype=np.uint8).astype(np.float32) - 127.5) / 127.5
        return self._known[word]
