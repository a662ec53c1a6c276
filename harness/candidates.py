"""What the decision looks at: each candidate's scores over all eval sets, its costs, whether it meets the limits."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from harness.alignment import item_ids
from harness.batches import Batch, batches, judged_by
from harness.machines import machines
from harness.parts import did_you_mean
from harness.policy import Policy, named_by
from harness.pricing import per_million_docs, per_million_queries, token_price
from harness.speeds import in_steps
from harness.table import Row, Sweep, rows
from harness.types import Doubles, HarnessError, Record
from harness.wording import called, category, searched

_LABELS = (
    "model", "pooling", "dim", "quantization", "retriever", "index", "reduction", "prompt", "chunking",
)  # fmt: skip


_NOT_APPLICABLE = "takes no part: does not apply to "
_LISTED = 5  # of several candidates that a name fits


@dataclass(frozen=True)
class Candidate:
    """One candidate over every eval set of the sweep.

    scores: eval set -> float64 [queries] of the main metric, in the order of the manifest; empty where a set has no
    result. `costs` and speed are of the sets that are searched, of all where none is: the worst of them, None where
    unknown; rate of indexing and memory are of one of the `batches`, see `judged_by`. `lost` says why the
    candidate cannot take part, empty if it can. condensed: as `scores`, of nDCG@10 over judged documents alone, for the
    sets whose main metric that is.
    """

    id: str
    label: str
    labels: Mapping[str, Any]
    card: Mapping[str, Any]
    scores: Mapping[str, Doubles]
    costs: Mapping[str, float | None]
    facts: Mapping[str, Any]
    lost: str
    condensed: Mapping[str, Doubles] = field(default_factory=dict)
    batches: tuple[Batch, ...] = ()

    @property
    def unfinished(self) -> bool:
        """Whether it was asked for and has not run, or its record is damaged; a failure is a result."""
        return self.lost.startswith("missing")

    @property
    def inapplicable(self) -> bool:
        """Whether it has nothing that a category of the sweep asks for."""
        return self.lost.startswith(_NOT_APPLICABLE)


def candidates(sweep: Sweep, policy: Policy | None = None, found: Sequence[Row] | None = None) -> list[Candidate]:
    """Every candidate of the sweep, in the order of the manifest; prices are the policy's. found: the sweep's rows.

    Where timings come from unlike machines no speed is known, and so no cost that follows from one. HarnessError where
    two were scored on different items of one set.
    """
    _check_items(sweep)
    by_id: dict[str, list[Row]] = {}
    for row in rows(sweep) if found is None else found:
        by_id.setdefault(candidate_of(row), []).append(row)
    cards = {v["candidate_id"]: v["card"] for v in sweep.manifest["variants"]}
    known = _Known(
        sweep,
        {(v["candidate_id"], v["task"]): v["quality"] for v in sweep.manifest["variants"]},
        policy or Policy(),
        len(machines(sweep)) < 2,
    )
    return [_candidate(known, cid, group, cards.get(cid, {})) for cid, group in by_id.items()]


def _check_items(sweep: Sweep) -> None:
    """Scores are paired by place: `read_sweep` has put the same items in the same order, others cannot be compared."""
    first: dict[str, list[str]] = {}
    for variant in sweep.manifest["variants"]:
        record = sweep.records.get(variant["quality"])
        ids = item_ids(record) if record is not None and record.status == "ok" else []
        if ids and first.setdefault(variant["task"], ids) != ids:
            raise HarnessError(
                f"{variant['task']}: {called(variant)} was scored on other items than the candidates before it; delete "
                f"{sweep.folder / 'records' / record.key}.record and run the sweep again"  # type: ignore[union-attr]
            )


class _Known(NamedTuple):
    """What all candidates are made from; keys: the record of a candidate on an eval set."""

    sweep: Sweep
    keys: Mapping[tuple[str, str], str]
    policy: Policy
    alike: bool


def _candidate(known: _Known, cid: str, group: Sequence[Row], card: Mapping[str, Any]) -> Candidate:
    about = known.sweep.manifest["evalsets"]
    ended = {row["task"]: row for row in group if row["status"] == "ok"}
    good = {t: ended[t] for t in about if t in ended}
    ranked = {t: r for t, r in good.items() if searched(about[t]["type"])}
    costly = ranked if any(searched(e["type"]) for e in about.values()) else good
    first = (list(good.values()) or list(group))[0]
    labels = {k: first[k] for k in _LABELS}
    alike = [row for row in group if row["task"] in costly and row["status"] == "ok"] if known.alike else []
    timed = [row for row in alike if row["docs_per_s"] is not None]
    sizes = batches(alike)
    best = judged_by(sizes, known.policy.limits)
    rate = best.costs["docs_per_s"] if best else None
    facts = {
        "docs_per_s": rate,
        "batch_size": best.size if best else None,
        "batch_used": best.used if best else None,
        "judged_at_10": {t: r["judged_at_10"] for t, r in ranked.items()},
        "relevant_at_10": {t: r["precision_at_10"] for t, r in ranked.items()},
        "condensed": {t: r["ndcg_condensed_at_10"] for t, r in ranked.items()},
        "stages": {t: r["stages_p50_ms"] for t, r in good.items() if in_steps(r["stages_p50_ms"])},
        "parity_cosine": _least(good.values(), "parity_cosine"),
        "parity_difference": _least(good.values(), "parity_difference"),
        "warnings": sorted({w for r in good.values() for w in r["warnings"]}),
    }
    costs = {k: _largest(costly.values(), k) if known.alike or k not in _SPEEDS else None for k in _MEASURED}
    costs |= _slowest(costly.values() if known.alike else ())
    costs |= {key: best.costs[key] if best else None for key in _OF_A_BATCH}
    costs["serve_rate_per_s"] = _least(best.rows if best else (), "serve_rate_per_s")
    costs |= _money(known, (str(labels["model"]), card), costly.values(), timed, rate)
    records = {t: known.sweep.records[known.keys[cid, t]] for t in good}
    scores = {t: _main_scores(f"{called(labels)} on {t}", record) for t, record in records.items()}
    condensed = {
        t: np.asarray(record.arrays[_CONDENSED], dtype=np.float64)
        for t, record in records.items()
        if record.values["main"] == "ndcg_at_10" and _CONDENSED in record.arrays
    }
    return Candidate(cid, called(labels), labels, card, scores, costs, facts, _lost(group, about), condensed, sizes)


def _slowest(good: Iterable[Row]) -> dict[str, float | None]:
    """How far the repeats of the slowest query p95 lie apart."""
    timed = [row for row in good if row["query_p95_ms"] is not None]
    slowest = max(timed, key=lambda row: row["query_p95_ms"], default=None)
    return {"query_p95_ms_spread": slowest["query_p95_ms_spread"] if slowest else None}


def _money(
    known: _Known, of: tuple[str, Mapping[str, Any]], good: Collection[Row], timed: Sequence[Row], rate: float | None
) -> dict[str, float | None]:
    """Prices and costs per million. of: the model and its card; timed: rows with a rate of indexing."""
    price, hour = token_price(known.policy.prices, *of), known.policy.prices["machine_per_hour"]
    lengths = [row["tokens_per_s"] / row["docs_per_s"] for row in timed if row["tokens_per_s"] is not None]
    typical = _largest(good, "query_p50_ms") if known.alike else None
    return {
        "price_per_million_tokens": price,
        "cost_per_million_docs": per_million_docs(price, hour, rate, max(lengths, default=None)),
        "cost_per_million_queries": per_million_queries(price, hour, typical, _largest(good, "tokens_per_query")),
    }


_CONDENSED = "ndcg_condensed_at_10"
_SPEEDS = ("query_p95_ms", "query_p95_ms_upper")
_MEASURED = ("bytes_per_doc", "index_bytes", "query_p95_ms", "query_p95_ms_upper")
_OF_A_BATCH = ("memory_mb", "vram_mb", "model_mb", "docs_per_s_lower", "docs_per_s_spread")


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


def chosen_by(found: Sequence[Candidate], name: str, sweep: str) -> Candidate:
    """The candidate with this id or label, else the only one whose label begins so (`model/pooling/...`).

    HarnessError, with the labels there are, where none or several fit.
    """
    fits = fitting(found, name, sweep)
    if len(fits) == 1:
        return fits[0]
    listed = "; ".join(f"{c.label} ({c.id})" for c in fits[:_LISTED])
    more = f"; and {len(fits) - _LISTED} more" if len(fits) > _LISTED else ""
    raise HarnessError(
        f"{name!r} fits {len(fits)} candidates of {sweep}; say more of its label, or its id: {listed}{more}"
    )


def fitting(found: Sequence[Candidate], name: str, sweep: str) -> list[Candidate]:
    """The candidates with this id or label, else all whose label begins so; HarnessError where there is none."""
    exact = [c for c in found if c.id == name or (named_by(name, c.label) and named_by(c.label, name))]
    fits = exact or [c for c in found if named_by(name, c.label)]
    if not fits:
        known = {label for c in found for label in (c.label, c.label.partition(" · ")[0])}
        raise HarnessError(f"{sweep} has no candidate {name!r}. {did_you_mean(name, known)}")
    return fits


def candidate_of(row: Mapping[str, Any]) -> str:
    """The row's candidate id; a combination that could not be planned has its label for one."""
    return str(row["candidate_id"] or f"unplanned {called(row)}")


def _main_scores(whose: str, record: Record) -> Doubles:
    main = str(record.values.get("main"))
    if main not in record.arrays:
        raise HarnessError(f"{whose}: record {record.key} holds no scores by its main metric, {main}; run it again")
    return np.asarray(record.arrays[main], dtype=np.float64)


def _largest(good: Any, key: str) -> float | None:
    values = [row[key] for row in good]
    return max(values) if values and all(v is not None for v in values) else None


def _least(good: Iterable[Row], key: str) -> float | None:
    values = [row[key] for row in good]
    return min(values) if values and all(v is not None for v in values) else None


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
