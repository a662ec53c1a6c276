"""Limits and margins at which a decision changes, in words: rounded to the side on which what is said holds."""

from __future__ import annotations

import math
from collections.abc import Callable

NAMES = {
    "query_p95_ms": "query p95 limit {} {} ms",
    "bytes_per_doc": "limit {} {} bytes per document",
    "index_bytes": "index limit {} {} bytes",
    "memory_mb": "peak memory limit {} {} MB",
    "vram_mb": "peak GPU memory limit {} {} MB",
    "model_mb": "model size limit {} {} MB",
    "docs_per_s": "indexing rate {} {} documents a second",
    "serve_rate_per_s": "rate of queries {} {} a second",
    "price_per_million_tokens": "price limit {} {} per million tokens",
    "cost_per_million_docs": "cost limit {} {} per million documents",
    "cost_per_million_queries": "cost limit {} {} per million queries",
    "max_tokens": "limit of {} {} tokens",
}


def limit_stated(key: str, value: float, up: bool, holds: Callable[[float], bool]) -> str:
    """As `stated`, from whole bytes or four digits on; of a level below 0, the rate that it stands for."""
    places = 0 if key.startswith(("bytes", "index")) else 3 - math.floor(math.log10(abs(value)))
    if value < 0:
        return stated(-value, not up, places, lambda rate: holds(-rate))
    return stated(value, up, places, holds)


def stated(value: float, up: bool, places: int, holds: Callable[[float], bool]) -> str:
    """A value in the fewest decimals, from these on, at which it holds when it is rounded up, or down."""
    for digits in range(places, places + 16):
        whole = (math.ceil if up else math.floor)(value * 10.0**digits)
        text = f"{whole / 10.0**digits:.{max(digits, 0)}f}"
        if holds(float(text)):
            return text.rstrip("0").rstrip(".") if "." in text else text
    return repr(value)
