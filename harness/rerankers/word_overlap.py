"""A deterministic reranker that needs no download."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.types import Floats

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class WordOverlap:
    """The share of a query's different words that the document holds, 0 for a query without words.

    For tests, laws and documentation; never a candidate to ship.
    """

    def content(self) -> Mapping[str, str]:
        """The algorithm is all there is."""
        return {"algorithm": "share of query words, version 1"}

    def limit(self) -> int:
        """None."""
        return 0

    def rerank(self, device: str) -> OpenWordOverlap:
        """Nothing to load; `device` is ignored."""
        return OpenWordOverlap()


class OpenWordOverlap:
    """Scores pairs by their words alone."""

    def score(self, queries: Sequence[str], documents: Sequence[str]) -> Floats:
        """See `OpenReranker`."""
        pairs = [(_words(q), _words(d)) for q, d in zip(queries, documents, strict=True)]
        return np.asarray([len(q & d) / max(len(q), 1) for q, d in pairs], dtype=np.float32)


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.casefold()))
