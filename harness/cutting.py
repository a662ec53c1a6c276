"""What a reader must know where documents are longer than a model reads."""

from __future__ import annotations

from harness.codes import cut
from harness.types import Vectors


def cut_warning(documents: Vectors, limit: int) -> tuple[str, ...]:
    """One line with the shares of documents and of tokens beyond `limit`; none where every document fits."""
    lost = cut(documents)
    if not lost["documents_cut"]:
        return ()
    return (
        f"{lost['documents_cut']:.1%} of documents are longer than the model's limit of {limit} tokens; "
        f"{lost['tokens_cut']:.1%} of all tokens were cut",
    )
