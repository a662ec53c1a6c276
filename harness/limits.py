"""Which limits of a policy a candidate does not meet; a measured one must be met by the end of its interval too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from harness.batches import JUDGED, meets, nearest
from harness.candidates import Candidate
from harness.policy import AT_LEAST, AT_MOST, Policy
from harness.wording import limit

_ENDS = {"query_p95_ms": "query_p95_ms_upper", "docs_per_s": "docs_per_s_lower"}


class Breach(NamedTuple):
    """A limit that a candidate does not meet: state is over, borderline or unknown.

    value: None where unknown; end: of its 95 % interval, where that is what does not meet it; batch: the size they are
    of.
    """

    limit: str
    value: Any
    allowed: Any
    state: str
    end: float | None = None
    batch: int | None = None

    @property
    def text(self) -> str:
        """One readable clause."""
        name = limit(self.limit)
        if self.state == "unknown":
            return f"{name}: not known, limit {self.allowed}"
        shown = f"{self.value:.4g}" if isinstance(self.value, float) else self.value
        side = "at least" if self.limit in AT_LEAST else "at most"
        end = "" if self.end is None else f" ({side} {self.end:.4g} at 95 %: borderline)"
        return f"{name} {shown}{end}{f' at batch {self.batch}' if self.batch else ''}, limit {self.allowed}"


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
    batch = candidate.facts.get("batch_used") or candidate.facts.get("batch_size") if key in JUDGED else None
    if value is not None and sign * value > sign * allowed:
        return Breach(key, value, told, "over", batch=batch)
    if value is None or end is None:
        return Breach(key, None, told, "unknown")
    return Breach(key, value, told, "borderline", end, batch) if sign * end > sign * allowed else None


def misses_alone(candidate: Candidate, over: Sequence[Breach], key: str, limits: Mapping[str, Any]) -> bool:
    """Whether easing this limit, and no other, lets the candidate in; of limits on a batch size, whether one is let in.

    over: the limits it does not meet at the batch size it is judged by.
    """
    if any(breach.state == "unknown" for breach in over):
        return False
    if key not in JUDGED or not candidate.batches:
        return [breach.limit for breach in over] == [key]
    rest = [breach for breach in over if breach.limit not in JUDGED]
    others = [other for other in JUDGED if other != key and limits.get(other) is not None]
    free = any(all(meets(one, other, limits[other]) for other in others) for one in candidate.batches)
    return bool(over) and not rest and free


_GIVES = {
    "query_p95_ms": "timing=quick", "docs_per_s": "timing=quick", "memory_mb": "timing=quick",
    "vram_mb": "timing=quick on a GPU", "model_mb": "timing=quick", "serve_rate_per_s": "timing=serve",
    "cost_per_million_docs": "timing=quick and policy.prices",
    "cost_per_million_queries": "timing=quick and policy.prices",
    "price_per_million_tokens": "policy.prices.per_million_tokens",
}  # fmt: skip


def unmeasured(over: Sequence[Sequence[Breach]]) -> list[str]:
    """A sentence on each limit that no candidate can meet, because none has a value, and what would give one.

    over: the breaches of each candidate with a result.
    """
    unknown = [{b.limit for b in breached if b.state == "unknown"} for breached in over]
    lacking = set.intersection(*unknown) if unknown else set()
    return [
        f"No candidate can meet the limit on {limit(key)}: it is not known for any of them, and needs {_GIVES[key]}"
        for key in _GIVES
        if key in lacking
    ]


def scaled(candidate: Candidate, key: str, limits: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Value and bound, growing as a limit is eased: rates, which have a least, are negative.

    They are those of the batch size that comes furthest within this limit while it meets the policy's others. The
    bound is the value where repeats do not bound it.
    """
    sign = -1 if key in AT_LEAST else 1
    value, end = measured(candidate, key)
    if key in JUDGED and (best := nearest(candidate.batches, key, limits)) is not None:
        value, end = best.costs[key], best.costs[_ENDS.get(key, key)]
    return (None, None) if value is None else (sign * value, sign * (end or value))
