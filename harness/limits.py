"""Which limits of a policy a candidate does not meet; a measured one must be met by the end of its interval too."""

from __future__ import annotations

from typing import Any, NamedTuple

from harness.candidates import Candidate
from harness.policy import AT_LEAST, AT_MOST, Policy
from harness.wording import limit

_ENDS = {"query_p95_ms": "query_p95_ms_upper", "docs_per_s": "docs_per_s_lower"}


class Breach(NamedTuple):
    """A limit that a candidate does not meet: state is over, borderline or unknown."""

    limit: str
    value: Any
    allowed: Any
    state: str

    @property
    def text(self) -> str:
        """One readable clause."""
        name = limit(self.limit)
        if self.state == "unknown":
            return f"{name}: not known, limit {self.allowed}"
        shown = f"{self.value:.4g}" if isinstance(self.value, float) else self.value
        end = "lower" if self.limit in AT_LEAST else "upper"
        state = f" at its {end} 95 % bound (borderline)" if self.state == "borderline" else ""
        return f"{name} {shown}{state}, limit {self.allowed}"


def measured(candidate: Candidate, key: str) -> tuple[float | None, float | None]:
    """What a limit by number is held against: the value, and the end of its 95 % interval that must meet it too.

    The value twice where it has no repeats; None for the end where one repeat bounds nothing.
    """
    value = candidate.facts["docs_per_s"] if key == "docs_per_s" else candidate.costs[key]
    return value, candidate.costs.get(_ENDS[key]) if key in _ENDS else value


def breaches(candidate: Candidate, policy: Policy) -> list[Breach]:
    """Every limit the candidate does not meet; a limit whose value is not known counts as not met."""
    found = [b for key in (*AT_MOST, *AT_LEAST) if (b := _missed(candidate, key, policy.limits.get(key))) is not None]
    card, limits = candidate.card, policy.limits
    if limits.get("max_tokens") is not None and candidate.labels["retriever"] != "bm25":
        has = card.get("max_tokens")
        if has is None or 0 < has < limits["max_tokens"]:  # 0: reads texts of any length
            found.append(Breach("max_tokens", has, f">= {limits['max_tokens']}", "over" if has else "unknown"))
    if limits.get("languages"):
        has = set(card.get("languages") or ())
        if "multilingual" not in has and set(limits["languages"]) - has:
            found.append(Breach("languages", sorted(has), limits["languages"], "over" if has else "unknown"))
    held = card.get("licences") or [card.get("licence")]  # of all models of a pipeline
    if limits.get("licences") and any(one not in limits["licences"] for one in held):
        state = "over" if card.get("licence") else "unknown"
        found.append(Breach("licence", card.get("licence"), limits["licences"], state))
    if limits.get("remote_code") is False and card.get("remote_code"):
        found.append(Breach("remote_code", True, False, "over"))
    return found


def _missed(candidate: Candidate, key: str, allowed: float | None) -> Breach | None:
    if allowed is None:
        return None
    value, end = measured(candidate, key)
    sign, told = (-1, f">= {allowed:g}") if key in AT_LEAST else (1, allowed)
    if value is not None and sign * value > sign * allowed:
        return Breach(key, value, told, "over")
    if value is None or end is None:
        return Breach(key, None, told, "unknown")
    return Breach(key, end, told, "borderline") if sign * end > sign * allowed else None


def scaled(candidate: Candidate, key: str) -> tuple[float | None, float | None]:
    """Value and bound as `measured` has them, growing as a limit is eased: rates, which have a least, are negative.

    The bound is the value where repeats do not bound it.
    """
    sign = -1 if key in AT_LEAST else 1
    value, end = measured(candidate, key)
    return (None, None) if value is None else (sign * value, sign * (end or value))
