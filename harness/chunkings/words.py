"""Passages of so many words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.protocols import Encoder, Passages
from harness.types import Ints
from harness.windows import windows

_WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class Words:
    """Cuts between words, which are whatever white space separates; for any retriever, with or without a model.

    A text in a script without spaces (Chinese, Japanese, Thai) is few long words: use chunking=tokens for it.
    """

    size: int = 200
    overlap: int = 20

    def cut(self, texts: Sequence[str], encoder: Encoder | None) -> Passages:
        """See `Chunking`."""
        return windows(texts, [_spans(text) for text in texts], self.size, self.overlap)


def _spans(text: str) -> Ints:
    return np.asarray([word.span() for word in _WORD.finditer(text)], dtype=np.int32).reshape(-1, 2)
