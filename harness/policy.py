"""What "best" means: limits, margin, reference, order of cost. Checked before it is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from harness.parts import did_you_mean
from harness.types import HarnessError

AT_MOST = ("query_p95_ms", "bytes_per_doc", "index_bytes", "price_per_million_tokens")
LIMITS = (*AT_MOST, "max_tokens", "languages", "licences", "remote_code")
COSTS = ("bytes_per_doc", "query_p95_ms", "price_per_million_tokens", "index_bytes")


@dataclass(frozen=True)
class Policy:
    """Limits are never relaxed. `margin` is in units of the main metric; `draws` and `seed` fix the bootstrap."""

    name: str = "default"
    margin: float = 0.02
    reference: str = "best"
    confidence: float = 0.95
    order: tuple[str, ...] = COSTS[:3]
    limits: Mapping[str, Any] = field(default_factory=dict)
    draws: int = 2000
    seed: int = 20260101


def read_policy(node: Mapping[str, Any]) -> Policy:
    """The policy of a config node; unknown limits, costs or values out of range are HarnessErrors."""
    known = {f.name for f in fields(Policy)}
    for key in node:
        if key not in known:
            raise HarnessError(f"policy has no {key!r}. {did_you_mean(str(key), known)}")
    limits = dict(node.get("limits") or {})
    for key, value in limits.items():
        if key not in LIMITS:
            raise HarnessError(f"policy.limits has no {key!r}. {did_you_mean(str(key), LIMITS)}")
        if key in AT_MOST and value is not None and not _number(value, 0):
            raise HarnessError(f"policy.limits.{key}={value!r}: expected a number above 0, or null for no limit")
    order = tuple(node.get("order") or ())
    for key in order:
        if key not in COSTS:
            raise HarnessError(f"policy.order has {key!r}. {did_you_mean(str(key), COSTS)}")
    if not order:
        raise HarnessError(f"policy.order is empty; name at least one of {', '.join(COSTS)}")
    return _in_range(Policy(**dict(node) | {"limits": limits, "order": order}))


def _in_range(policy: Policy) -> Policy:
    if not _number(policy.margin, 0) or policy.margin >= 1:
        raise HarnessError(f"policy.margin={policy.margin!r}: expected a number above 0 and below 1")
    if not _number(policy.confidence, 0.5) or policy.confidence >= 1:
        raise HarnessError(f"policy.confidence={policy.confidence!r}: expected a number above 0.5 and below 1")
    if not isinstance(policy.draws, int) or policy.draws < 200:
        raise HarnessError(f"policy.draws={policy.draws!r}: expected a whole number of at least 200")
    return policy


def _number(value: Any, above: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > above
