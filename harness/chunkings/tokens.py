"""Passages of so many tokens of the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.protocols import Encoder, Passages, Spanning
from harness.types import Inapplicable
from harness.windows import windows


@dataclass(frozen=True)
class Tokens:
    """Cuts at the borders of the tokens that the model's own tokenizer finds, so no word piece is torn.

    `size` and `overlap` count the text's own tokens. Special tokens (two in BERT) and the prompt come on top when a
    passage is encoded: for a model that reads 512, a size of 512 is cut again at the model's limit, and the record
    tells the share. A passage may re-tokenise to a token more or less where the tokenizer looks at what stands before.
    """

    size: int = 256
    overlap: int = 32

    def cut(self, texts: Sequence[str], encoder: Encoder | None) -> Passages:
        """See `Chunking`; Inapplicable where no model encodes, or its tokenizer is not known."""
        if not isinstance(encoder, Spanning):
            why = "nothing encodes here" if encoder is None else f"{type(encoder).__name__} shows none"
            raise Inapplicable(f"chunking=tokens needs a model's tokenizer, and {why}; use chunking=words")
        return windows(texts, encoder.spans(texts), self.size, self.overlap)
