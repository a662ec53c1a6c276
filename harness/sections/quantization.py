"""What each quantization costs, measured: against the same model, pooling and dimension in float32."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from harness.page import fill
from harness.report import Entry, Report
from harness.stats.bootstrap import differences, draw, simultaneous
from harness.stats.scores import means
from harness.table import Row
from harness.types import Doubles
from harness.wording import averaged, called

_FAMILY = ("retriever", "model", "pooling", "dim", "index", "reduction", "prompt", "chunking")
_FLOAT = "float32"


@dataclass(frozen=True)
class Quantization:
    """Table of method, compression, loss of quality with its interval, overlap@10 and search time.

    most: from so many lines on, families of lower-scoring models are left out.
    """

    most: int = 100
    position: ClassVar[int] = 55
    nav: ClassVar[str] = ""

    def render(self, report: Report) -> str:
        """The section, empty where no quantized candidate has its float32 counterpart in the sweep."""
        families = _families(report)
        shown: list[_Family] = []
        count = 0
        while count < self.most and len(shown) < len(families):
            shown.append(families[len(shown)])
            count += len(shown[-1].others)
        if not shown:
            return ""
        return fill(
            "quantization.html",
            rows=_rows(report, shown),
            left_out=sum(len(family.others) for family in families) - count,
            averaged=averaged(report.decision),
            policy=report.decision["policy"],
        )


class _Family(NamedTuple):
    """A candidate in float32, and the quantizations of the same vectors."""

    plain: Entry
    others: Sequence[Entry]


class _Looked(NamedTuple):
    """What every family looks up, gathered once: scores and draws, its candidates' places in them, their rows."""

    sets: Sequence[Doubles]
    shares: Sequence[float]
    drawn: Sequence[Doubles]
    at: Mapping[str, int]
    keys: Mapping[str, str]
    rows: Mapping[str, Sequence[Row]]


def _families(report: Report) -> list[_Family]:
    """Those with a float32 candidate and another, the best first."""
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
            chosen.append(_Family(plain[0], others))
    return chosen


def _rows(report: Report, families: Sequence[_Family]) -> list[dict[str, Any]]:
    looked = _looked(report, [e["id"] for plain, others in families for e in (plain, *others)])
    return [line for family in families for line in _lines(report, looked, *family)]


def _looked(report: Report, ids: Sequence[str]) -> _Looked:
    """The same draws of queries serve all families; an entry with a score has one on every eval set."""
    policy, about, scores = report.decision["policy"], report.decision["evalsets"], _scores(report)
    sets = [np.stack([scores[name, task] for name in ids]) for task in about]
    drawn = draw([scores.shape[1] for scores in sets], policy["draws"], policy["seed"])
    shares = [float(about[task]["share"]) for task in about]
    rows: dict[str, list[Row]] = {}
    for row in report.rows:
        rows.setdefault(str(row["candidate_id"]), []).append(row)
    return _Looked(sets, shares, drawn, {name: n for n, name in enumerate(ids)}, report.keys, rows)


def _lines(report: Report, looked: _Looked, plain: Entry, others: Sequence[Entry]) -> list[dict[str, Any]]:
    columns = [looked.at[e["id"]] for e in (plain, *others)]
    sets = [scores[columns] for scores in looked.sets]
    seen = means(sets, looked.shares)
    ends = _ends(sets, looked, report.decision["policy"]["confidence"])
    times = {e["id"]: max(_values(looked, e, "search_p50_ms"), default=None) for e in (plain, *others)}
    return [
        {
            "entry": entry,
            "family": called({**plain, "quantization": "-"}),
            "key": looked.keys[entry["id"]],
            "pick": entry["id"] == report.decision["pick"],
            "compression": _ratio(plain["costs"]["bytes_per_doc"], entry["costs"]["bytes_per_doc"]),
            "loss": float(seen[at] - seen[0]),
            "low": ends[at][0],
            "high": ends[at][1],
            "overlap": min(_values(looked, entry, "overlap_at_10"), default=None),
            "search": times[entry["id"]],
            "search_float": times[plain["id"]],
            "gain": _ratio(times[plain["id"]], times[entry["id"]]),
        }
        for at, entry in enumerate(others, start=1)
    ]


def _ends(
    sets: Sequence[Doubles], looked: _Looked, confidence: float
) -> Sequence[tuple[float, float] | tuple[None, None]]:
    """The interval of each difference to the first; none where an eval set has a single item, which has no spread."""
    if min(scores.shape[1] for scores in sets) < 2:
        return [(None, None)] * len(sets[0])
    bounds = simultaneous(differences(sets, looked.shares, 0, looked.drawn), confidence)
    return list(zip(bounds.low.tolist(), bounds.high.tolist(), strict=True))


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
