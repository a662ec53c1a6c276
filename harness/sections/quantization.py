"""What each quantization costs, measured: against the same model, pooling and dimension in float32."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from harness.page import fill
from harness.report import Entry, Report
from harness.stats.bootstrap import Resampled, minus, resample, simultaneous
from harness.table import Row
from harness.types import Doubles
from harness.wording import averaged, called

_FAMILY = ("retriever", "model", "pooling", "dim", "index", "reduction", "prompt", "chunking")
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
        name = averaged(report.decision)
        return fill("quantization.html", rows=rows, averaged=name, policy=policy) if rows else ""


class _Looked(NamedTuple):
    """What every family looks up, gathered once: its candidates' places among the resampled, and their rows."""

    drawn: Resampled
    at: Mapping[str, int]
    keys: Mapping[str, str]
    rows: Mapping[str, Sequence[Row]]


def _rows(report: Report) -> list[dict[str, Any]]:
    families: dict[tuple[str, ...], list[Entry]] = {}
    for entry in report.entries:
        if entry["score"] is not None:
            families.setdefault(tuple(str(entry[k]) for k in _FAMILY), []).append(entry)
    chosen = []
    for members in families.values():
        plain = [e for e in members if e["quantization"] == _FLOAT]
        others = [e for e in members if e["quantization"] != _FLOAT]
        others.sort(key=lambda e: (-(e["costs"]["bytes_per_doc"] or 0), e["label"]))
        if len(plain) == 1 and others:
            chosen.append((plain[0], others))
    if not chosen:
        return []
    looked = _looked(report, [e["id"] for plain, others in chosen for e in (plain, *others)])
    return [line for plain, others in chosen for line in _family(report, looked, plain, others)]


def _looked(report: Report, ids: Sequence[str]) -> _Looked:
    """The same draws of queries serve all families; an entry with a score has one on every eval set."""
    policy, about, scores = report.decision["policy"], report.decision["evalsets"], _scores(report)
    sets = [np.stack([scores[name, task] for name in ids]) for task in about]
    drawn = resample(sets, [float(about[task]["share"]) for task in about], policy["draws"], policy["seed"])
    rows: dict[str, list[Row]] = {}
    for row in report.rows:
        rows.setdefault(str(row["candidate_id"]), []).append(row)
    return _Looked(drawn, {name: n for n, name in enumerate(ids)}, report.keys, rows)


def _family(report: Report, looked: _Looked, plain: Entry, others: Sequence[Entry]) -> list[dict[str, Any]]:
    columns = [looked.at[e["id"]] for e in (plain, *others)]
    gap = minus(Resampled(looked.drawn.observed[columns], looked.drawn.draws[:, columns]), 0)
    bounds = simultaneous(gap, report.decision["policy"]["confidence"])
    times = {e["id"]: max(_values(looked, e, "search_p50_ms"), default=None) for e in (plain, *others)}
    return [
        {
            "entry": entry,
            "family": called({**plain, "quantization": "-"}),
            "key": looked.keys[entry["id"]],
            "pick": entry["id"] == report.decision["pick"],
            "compression": _ratio(plain["costs"]["bytes_per_doc"], entry["costs"]["bytes_per_doc"]),
            "loss": float(gap.observed[at]),
            "low": float(bounds.low[at]),
            "high": float(bounds.high[at]),
            "overlap": min(_values(looked, entry, "overlap_at_10"), default=None),
            "search": times[entry["id"]],
            "search_float": times[plain["id"]],
            "gain": _ratio(times[plain["id"]], times[entry["id"]]),
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


def _values(looked: _Looked, entry: Entry, key: str) -> list[float]:
    return [row[key] for row in looked.rows[entry["id"]] if row[key] is not None]
