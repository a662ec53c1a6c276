"""What a million documents and a million queries cost, from the policy's price table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_HOUR = 3600.0


def token_price(prices: Mapping[str, Any], model: str, card: Mapping[str, Any]) -> float | None:
    """Price of a million tokens: the table's for this model (its name or its card's id), else the card's.

    0 for what runs here, None where it is not known.
    """
    listed: Mapping[str, float] = prices["per_million_tokens"]
    named = (name for name in (model, card.get("id")) if name in listed)
    return next((listed[str(name)] for name in named), card.get("price_per_million_tokens"))


def per_million_docs(
    price: float | None, hour: float | None, docs_per_s: float | None, tokens: float | None
) -> float | None:
    """Cost of embedding a million documents, in the table's currency; None where something it takes is not known.

    price: of a million tokens; above 0 the model is an endpoint's, and what counts is tokens a document. hour: of an
    hour of the machine, for models that run on it; docs_per_s: documents a second there.
    """
    if price:
        return None if tokens is None else tokens * price
    if price is None or hour is None or docs_per_s is None:
        return None
    return hour * 1e6 / docs_per_s / _HOUR


def per_million_queries(
    price: float | None, hour: float | None, p50_ms: float | None, tokens: float | None
) -> float | None:
    """Cost of a million queries, one after another, on the machine; of an endpoint's, tokens a query.

    As `per_million_docs`.
    """
    if price:
        return None if tokens is None else tokens * price
    if price is None or hour is None or p50_ms is None:
        return None
    return hour * 1e6 * p50_ms / 1000 / _HOUR
