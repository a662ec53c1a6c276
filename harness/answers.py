"""What an embeddings service answered, checked before anything is made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.courier import Answer, Delivered, shown
from harness.types import Floats, HarnessError, Ints

_NUMBERS = {int, float, type(None)}
_MOST = 2**31 - 1  # tokens; beyond it a count is a mistake, and none is better


def embeddings(answer: Any, texts: Sequence[str], dims: int, name: str) -> Answer:
    """Vectors of `{"data": [{"index": 0, "embedding": [...]}, ...], "usage": {"total_tokens": n}}`, in text order.

    A HarnessError where one is missing, there twice, of another width, not finite or zero; `dims` 0: any width.
    """
    items = answer.get("data") if isinstance(answer, Mapping) else None
    if not isinstance(items, Sequence) or not all(isinstance(item, Mapping) for item in items):
        raise HarnessError(f"{name}: the answer holds no embeddings")
    if len(items) != len(texts):
        raise HarnessError(f"{name}: expected {len(texts)} vectors, the answer has {len(items)}")
    found = [_numbers(items[i].get("embedding"), name) for i in by_index(items, name)]
    widths = sorted({len(row) for row in found})
    if len(widths) > 1:
        raise HarnessError(f"{name}: the vectors of one answer have {' and '.join(map(str, widths))} dimensions")
    rows = np.stack(found)
    _check(rows, texts, dims, name)
    usage = answer.get("usage")
    return Answer(rows, _billed(usage) if isinstance(usage, Mapping) else 0)


def by_index(items: Sequence[Mapping[str, Any]], name: str) -> list[int]:
    """Where the item of each text stands, by the `index` that each item has; a HarnessError unless all are there."""
    given = [item.get("index") for item in items]
    if any(type(i) is not int for i in given) or sorted(given) != list(range(len(items))):  # type: ignore[type-var]
        few = ", ".join(map(str, given[:8]))
        raise HarnessError(f"{name}: expected every index from 0 to {len(items) - 1} once, the answer has {few}")
    return sorted(range(len(items)), key=lambda place: given[place])  # type: ignore[arg-type,return-value]


def joined(parts: Sequence[Delivered], name: str) -> tuple[Floats, Ints]:
    """float32 [n, d] vectors and int32 [n] tokens of answers to consecutive texts."""
    widths = sorted({part.answer.rows.shape[1] for part in parts})
    if len(widths) > 1:
        raise HarnessError(
            f"{name}: vectors of {' and '.join(map(str, widths))} dimensions: not one model. Check the endpoint"
        )
    rows = np.concatenate([part.answer.rows for part in parts])
    return rows, np.concatenate([shared(part.answer.tokens, part.texts) for part in parts])


def shared(tokens: int, texts: Sequence[str]) -> Ints:
    """int32 [n]: the tokens billed for a request, over its texts by their share of characters; the sum is exact.

    Services count a request, not a text, so the share of one text depends on its neighbours in the request: a single
    count is an estimate, and a sum over whole requests is what was billed.
    """
    lengths = np.asarray([len(t) for t in texts], dtype=np.float64) + 1e-9  # only empty texts: equal shares
    exact = tokens * lengths / lengths.sum()
    counts = np.floor(exact)
    most = np.argsort(counts - exact, kind="stable")[: tokens - int(counts.sum())]
    counts[most] += 1
    result: Ints = counts.astype(np.int32)
    return result


def _numbers(embedding: Any, name: str) -> Floats:
    """float32 [d]; null is what some servers write for NaN. numpy alone would take true for 1 and "0.5" for 0.5."""
    try:
        if isinstance(embedding, list) and embedding and set(map(type, embedding)) <= _NUMBERS:
            with np.errstate(over="ignore"):  # becomes inf, which is refused below
                return np.asarray(embedding, dtype=np.float32)
    except OverflowError:
        pass
    raise HarnessError(f"{name}: a vector of the answer is not a list of numbers")


def _check(rows: Floats, texts: Sequence[str], dims: int, name: str) -> None:
    if dims and rows.shape[1] != dims:
        raise HarnessError(
            f"{name}: dims={dims} was asked for, the vectors have {rows.shape[1]} dimensions: the service ignores it. "
            "Leave dims out, and cut the vectors with reduction=truncate"
        )
    for sound, what in ((np.isfinite(rows).all(axis=1), "not finite (NaN or inf)"), (rows.any(axis=1), "zero")):
        if not sound.all():
            raise HarnessError(f"{name}: the vector of {shown(texts[int(np.argmin(sound))])} is {what}")


def _billed(usage: Mapping[str, Any]) -> int:
    counts = [usage.get(key) for key in ("total_tokens", "prompt_tokens")]
    return next((n for n in counts if type(n) is int and 0 < n <= _MOST), 0)
