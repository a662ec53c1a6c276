"""What a forward pass gave, checked and put together: a model that miscounts or overflows is never believed."""

from __future__ import annotations

from collections.abc import Sequence, Sized

import numpy as np

from harness.protocols import Pooling
from harness.types import Encoded, Floats, HarnessError, Ints, Vectors

_SHOWN = 60  # characters of a text that an error quotes


def checked(encoded: Encoded, n: int, several: bool) -> Encoded:
    """What was encoded, if it has a row for each of n texts, or the rows it counts where a text has `several`."""
    if encoded.counts is not None and not several:
        raise HarnessError("the model says that it gives one vector a text, and returned several")
    counts = np.ones(n, dtype=np.int32) if encoded.counts is None else encoded.counts
    for column in (encoded.tokens, encoded.full_tokens, counts):
        _check(column, n, f"{n} texts")
    if n and counts.min() < 1:
        raise HarnessError(f"the model returned no vector for {int((counts < 1).sum())} of {n} texts")
    for vectors in encoded.vectors:
        _check(vectors, int(counts.sum()), f"{n} texts that have {int(counts.sum())}" if several else f"{n} texts")
    return encoded._replace(counts=counts.astype(np.int32) if several else None)


def joined(made: Sequence[Encoded], poolings: Sequence[Pooling], texts: Sequence[str]) -> dict[Pooling, Vectors]:
    """One after another, for the poolings whose vectors of all `texts` are finite; HarnessError where none is, or where
    their widths differ.
    """
    tokens, full = (np.concatenate([getattr(e, name) for e in made]) for name in ("tokens", "full_tokens"))
    counted = [e.counts for e in made if e.counts is not None]
    counts = np.concatenate(counted) if counted else None
    columns = {p: _stacked([e.vectors[i] for e in made]) for i, p in enumerate(poolings)}
    found = {p: Vectors(v, tokens, full, counts) for p, v in columns.items() if np.isfinite(v).all()}
    if not found:
        raise HarnessError(_not_finite(columns[poolings[0]], counts, texts))
    return found


def _not_finite(rows: Floats, counts: Ints | None, texts: Sequence[str]) -> str:
    owner = np.arange(len(texts)) if counts is None else np.repeat(np.arange(len(texts)), counts)
    bad = np.unique(owner[~np.isfinite(rows).all(axis=1)])
    return (
        f"the model gives vectors that are not finite (NaN or inf) for {len(bad)} of {len(texts)} texts, first "
        f"{texts[bad[0]][:_SHOWN]!r}: a dtype too narrow, or broken weights. Try model.dtype=float32, then fetch the "
        "model again"
    )


def _stacked(parts: Sequence[Floats]) -> Floats:
    before = parts[0].shape[1]
    for part in parts:
        if part.shape[1] != before:
            raise HarnessError(
                f"the model gave vectors of {part.shape[1]} dimensions and before of {before}: not one model. Check "
                "the endpoint"
            )
    return np.concatenate(parts)


def _check(column: Sized, n: int, texts: str) -> None:
    if len(column) != n:
        raise HarnessError(f"the model returned {len(column)} vectors for {texts}")
