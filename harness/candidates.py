"""What the decision looks at: each candidate's scores over all eval sets, its costs, whether it meets the limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from harness.policy import AT_MOST, Policy
from harness.table import Row, Sweep, in_steps, rows
from harness.types import Doubles, HarnessError
from harness.wording import called, category, limit, searched

_LABELS = (
    "model", "pooling", "dim", "quantization", "retriever", "index", "reduction", "prompt", "chunking",
)  # fmt: skip


_NOT_APPLICABLE = "takes no part: does not apply to "


@dataclass(frozen=True)
class Candidate:
    """One candidate over every eval set of the sweep.

    scores: eval set -> float64 [queries] of the main metric, in the order of the manifest; empty where a set has no
    result. `costs` and speed are of the sets that are searched, of all where none is: the largest of them, None where
    unknown. `lost` says why the candidate cannot take part, empty if it can.
    """

    id: str
    label: str
    labels: Mapping[str, Any]
    card: Mapping[str, Any]
    scores: Mapping[str, Doubles]
    costs: Mapping[str, float | None]
    facts: Mapping[str, Any]
    lost: str

    @property
    def unfinished(self) -> bool:
        """Whether it was asked for and has not run, or its record is damaged; a failure is a result."""
        return self.lost.startswith("missing")

    @property
    def inapplicable(self) -> bool:
        """Whether it has nothing that a category of the sweep asks for."""
        return self.lost.startswith(_NOT_APPLICABLE)


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
        state = " at its upper 95 % bound (borderline)" if self.state == "borderline" else ""
        return f"{name} {shown}{state}, limit {self.allowed}"


def candidates(sweep: Sweep) -> list[Candidate]:
    """Every candidate of the sweep, in the order of the manifest."""
    by_id: dict[str, list[Row]] = {}
    for row in rows(sweep):
        by_id.setdefault(candidate_of(row), []).append(row)
    cards = {v["candidate_id"]: v["card"] for v in sweep.manifest["variants"]}
    keys = {(v["candidate_id"], v["task"]): v["quality"] for v in sweep.manifest["variants"]}
    return [_candidate(sweep, cid, group, cards.get(cid, {}), keys) for cid, group in by_id.items()]


def _candidate(
    sweep: Sweep, cid: str, group: Sequence[Row], card: Mapping[str, Any], keys: Mapping[tuple[str, str], str]
) -> Candidate:
    about = sweep.manifest["evalsets"]
    ended = {row["task"]: row for row in group if row["status"] == "ok"}
    good = {t: ended[t] for t in about if t in ended}
    ranked = {t: r for t, r in good.items() if searched(about[t]["type"])}
    costly = ranked if any(searched(e["type"]) for e in about.values()) else good
    scores = {t: _main_scores(sweep, keys[cid, t]) for t in good}
    costs = {k: _largest(costly.values(), k) for k in _MEASURED}
    costs["price_per_million_tokens"] = card.get("price_per_million_tokens")
    rates: dict[str, float] = {}  # the best batch size of each eval set
    for row in group:
        if row["task"] in costly and row["docs_per_s"] is not None:
            rates[row["task"]] = max(rates.get(row["task"], 0.0), row["docs_per_s"])
    facts = {
        "docs_per_s": min(rates.values(), default=None),
        "judged_at_10": {t: r["judged_at_10"] for t, r in ranked.items()},
        "condensed": {t: r["ndcg_condensed_at_10"] for t, r in ranked.items()},
        "stages": {t: r["stages_p50_ms"] for t, r in good.items() if in_steps(r["stages_p50_ms"])},
        "warnings": sorted({w for r in good.values() for w in r["warnings"]}),
    }
    first = (list(good.values()) or list(group))[0]
    labels = {k: first[k] for k in _LABELS}
    return Candidate(cid, called(labels), labels, card, scores, costs, facts, _lost(group, about))


_MEASURED = ("bytes_per_doc", "index_bytes", "query_p95_ms", "query_p95_ms_upper")


def _lost(group: Sequence[Row], about: Mapping[str, Any]) -> str:
    """Why a candidate cannot take part: what came of its rows that are not ok, or which eval sets it has none on."""
    bad = next((row for row in group if row["status"] != "ok"), None)
    if bad is not None:
        kind = bad["task_type"]
        if bad["status"] == "skipped" and not searched(kind):
            return f"{_NOT_APPLICABLE}{bad['task']} ({category(kind)}): {bad['reason']}"
        return f"{bad['status']} on {bad['task']}: {bad['reason']}"
    absent = [t for t in about if t not in {row["task"] for row in group}]
    return f"no result on {', '.join(absent)}" if absent else ""


def candidate_of(row: Mapping[str, Any]) -> str:
    """The row's candidate id; a combination that could not be planned has its label for one."""
    return str(row["candidate_id"] or f"unplanned {called(row)}")


def _main_scores(sweep: Sweep, key: str) -> Doubles:
    record = sweep.records[key]
    return np.asarray(record.arrays[record.values["main"]], dtype=np.float64)


def _largest(good: Any, key: str) -> float | None:
    values = [row[key] for row in good]
    return max(values) if values and all(v is not None for v in values) else None


def breaches(candidate: Candidate, policy: Policy) -> list[Breach]:
    """Every limit the candidate does not meet; a limit whose value is not known counts as not met."""
    found = [b for key in AT_MOST if (b := _at_most(candidate, key, policy.limits.get(key))) is not None]
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


def _at_most(candidate: Candidate, key: str, allowed: float | None) -> Breach | None:
    if allowed is None:
        return None
    value = candidate.costs[key]
    if value is None:
        return Breach(key, None, allowed, "unknown")
    if value > allowed:
        return Breach(key, value, allowed, "over")
    upper = candidate.costs.get(f"{key}_upper")
    if key == "query_p95_ms" and upper is None:
        return Breach(key, None, allowed, "unknown")  # one repeat bounds nothing
    if upper is not None and upper > allowed:
        return Breach(key, upper, allowed, "borderline")
    return None


def check_comparable(found: Sequence[Candidate]) -> None:
    """Candidates that take part must have scored the same queries; anything else is a HarnessError."""
    for task in {t for c in found for t in c.scores}:
        if any(np.isnan(c.scores[task]).any() for c in found if task in c.scores):
            raise HarnessError(f"{task}: the main metric has no value for some items; name another first in metrics")
        sizes = {len(c.scores[task]) for c in found if task in c.scores}
        if len(sizes) > 1:
            raise HarnessError(
                f"{task}: candidates were scored on different items ({sorted(sizes)}); run the sweep again"
            )
