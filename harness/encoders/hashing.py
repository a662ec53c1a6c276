"""A deterministic encoder that needs no download."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from harness.protocols import Pooling
from harness.sparse import packed
from harness.types import Encoded, Floats, Inapplicable, Ints, Role, Traits

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_BATCH = 32
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Hashing:
    """Each word's state is a fixed pseudo-random vector drawn from its hash; its own pooling is the mean.

    Texts that share words are near each other, so searches give sensible results. `gives="vectors"` keeps a unit
    vector for each word, `gives="sparse"` weighs the words by how often they occur. For tests, laws and documentation;
    never a candidate to ship.
    """

    dim: int = 64
    seed: int = 0
    max_tokens: int = 0
    prompts: Mapping[Role, str] = field(default_factory=dict)
    gives: Literal["vector", "vectors", "sparse"] = "vector"

    def content(self) -> Mapping[str, str]:
        """The algorithm is all there is."""
        return {"algorithm": "shake-256 words, version 1"}

    def traits(self) -> Traits:
        """Cosine similarity, mean pooling; inner products and no pooling where it gives several rows a text."""
        if self.gives == "vector":
            return Traits("cosine", "mean", self.max_tokens)
        return Traits("dot", "", self.max_tokens, gives=self.gives)

    def prompt(self, role: Role) -> str:
        """The prompt given for the role."""
        return self.prompts.get(role, "")

    def bare(self) -> Hashing:
        """The same encoder without prompts."""
        return replace(self, prompts={})

    def spans(self, texts: Sequence[str]) -> list[Ints]:
        """Its words; see `Encoder`."""
        found = ([word.span() for word in _WORD.finditer(text)] for text in texts)
        return [np.asarray(spans, dtype=np.int32).reshape(-1, 2) for spans in found]

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
        full = np.asarray([len(w) for w in words], dtype=np.int32)
        tokens = np.minimum(full, limit).astype(np.int32)
        if self.part.gives != "vector":
            rows, counts = self._several([w[:limit] for w in words], poolings)
            return Encoded((rows,) * len(poolings), tokens, full, counts)
        size = batch_size or _BATCH
        chunks = [self._pooled(words[i : i + size], limit, poolings) for i in range(0, len(words), size)]
        vectors = tuple(np.concatenate([c[j] for c in chunks]) for j in range(len(poolings)))
        return Encoded(vectors, tokens, full)

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

    def _several(self, words: list[list[str]], poolings: Sequence[Pooling]) -> tuple[Floats, Ints]:
        if any(not p.native for p in poolings):
            raise Inapplicable(f"hashing gives {self.part.gives}; use pooling=native")
        if self.part.gives == "sparse":
            return packed(_weighed(words))
        states = np.stack([self._state(w) for text in words for w in text])
        rows: Floats = states / np.linalg.norm(states, axis=1, keepdims=True)
        return rows, np.asarray([len(text) for text in words], dtype=np.int32)

    def _state(self, word: str) -> Floats:
        if word not in self._known:
            raw = hashlib.shake_256(f"{self.part.seed}|{word}".encode("utf-8", "surrogatepass")).digest(self.part.dim)
            self._known[word] = (np.frombuffer(raw, dtype=np.uint8).astype(np.float32) - 127.5) / 127.5
        return self._known[word]


def _weighed(words: list[list[str]]) -> csr_array:
    """[n, 65536] weights: how often a word occurs, damped by a logarithm."""
    from scipy.sparse import csr_array

    terms = [Counter(_term(word) for word in text if word) for text in words]
    text = np.repeat(np.arange(len(terms)), [len(found) for found in terms])
    term = np.asarray([one for found in terms for one in found], dtype=np.int64)
    often = np.asarray([n for found in terms for n in found.values()], dtype=np.float32)
    return csr_array((np.log1p(often), (text, term)), shape=(len(terms), 2**16))


def _term(word: str) -> int:
    return int.from_bytes(hashlib.shake_256(word.encode("utf-8", "surrogatepass")).digest(2))
