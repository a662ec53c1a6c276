"""What each quantization costs, measured: against the same model, pooling and dimension in float32."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from harness.page import fill
from harness.report import Entry, Report
from harness.stats import minus, resample, simultaneous
from harness.types import Doubles

_FAMILY = ("retriever", "model", "pooling", "dim", "index")
_FLOAT = "float32"


@dataclass(frozen=True)
class Quantization:
    """Table of method, compression, loss of quality with its interval, overlap@10 and search time."""

    position: ClassVar[int] = 55
    nav: ClassVar[str] = ""

    def render(self, report: Report) -> str:
        """The section, empty where no quantized candidate has its float32 counterpart in the sweep."""
        rows = _rows(report)
        policy = report.decision["policy"]
        return fill("quantization.html", rows=rows, metric=report.decision["metric"], policy=policy) if rows else ""


def _rows(report: Report) -> list[dict[str, Any]]:
    families: dict[tuple[str, ...], list[Entry]] = {}
    for entry in report.entries:
        if entry["score"] is not None:
            families.setdefault(tuple(str(entry[k]) for k in _FAMILY), []).append(entry)
    found = []
    for members in families.values():
        plain = [e for e in members if e["quantization"] == _FLOAT]
        others = [e for e in members if e["quantization"] != _FLOAT]
        others.sort(key=lambda e: (-(e["costs"]["bytes_per_doc"] or 0), e["label"]))
        if len(plain) == 1 and others:
            found += _family(report, plain[0], others)
    return found


def _family(report: Report, plain: Entry, others: Sequence[Entry]) -> list[dict[str, Any]]:
    policy, about = report.decision["policy"], report.manifest["evalsets"]
    tasks = [t for t in about if all(t in e["scores"] for e in (plain, *others))]
    scores = _scores(report)
    sets = [np.stack([scores[e["id"], t] for e in (plain, *others)]) for t in tasks]
    weights = [float(about[t]["weight"]) for t in tasks]
    gap = minus(resample(sets, weights, policy["draws"], policy["seed"]), 0)
    bounds = simultaneous(gap, policy["confidence"])
    return [
        {
            "entry": entry,
            "key": report.keys[entry["id"]],
            "pick": entry["id"] == report.decision["pick"],
            "compression": _ratio(plain["costs"]["bytes_per_doc"], entry["costs"]["bytes_per_doc"]),
            "loss": float(gap.observed[at]),
            "low": float(bounds.low[at]),
            "high": float(bounds.high[at]),
            "overlap": _lowest(report, entry, "overlap_at_10"),
            "search": _largest(report, entry, "search_p50_ms"),
            "search_float": _largest(report, plain, "search_p50_ms"),
        }
        for at, entry in enumerate(others, start=1)
    ]


def _scores(report: Report) -> Mapping[tuple[str, str], Doubles]:
    found = {}
    for variant in report.manifest["variants"]:
        record = report.records.get(variant["quality"])
        if record is not None and record.status == "ok":
            scores = record.arrays[record.values["main"]]
            found[variant["candidate_id"], variant["task"]] = np.asarray(scores, dtype=np.float64)
    return found


def _ratio(whole: float | None, part: float | None) -> float | None:
    return whole / part if whole and part else None


def _values(report: Report, entry: Entry, key: str) -> list[float]:
    return [row[key] for row in report.rows if row["candidate_id"] == entry["id"] and row[key] is not None]


def _largest(report: Report, entry: Entry, key: str) -> float | None:
    return max(_values(report, entry, key), default=None)


def _lowest(report: Report, entry: Entry, key: str) -> float | None:
    return min(_values(report, entry, key), default=None)
