"""What the eval sets can and cannot show: size, judgements, findings, texts cut, detectable difference."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from harness.page import fill
from harness.report import Report
from harness.stats.effects import paired
from harness.table import Row
from harness.wording import category, held, metric, searched, set_name


@dataclass(frozen=True)
class DataHealth:
    """One table of sets, one of models (judged@10, documents cut), the findings of the data doctor."""

    position: ClassVar[int] = 80
    nav: ClassVar[str] = "Data health"

    def render(self, report: Report) -> str:
        """The section; every sweep has one."""
        evalsets = report.manifest["evalsets"]
        names = {n: set_name(n, about["sample"]) for n, about in evalsets.items()}
        sets = [_line(report, n) | {"name": names[n]} for n in evalsets]
        models = _models(report.rows)
        notes = [(names[name], n) for name, about in evalsets.items() for n in _local(about["notes"])]
        told = [(name, note) for name, note in notes if note["code"] not in (_UNCHECKED, _FAILED)]
        return fill(
            "data_health.html",
            sets=sets,
            models=models,
            findings=[found for level in _LEVELS if (found := _findings(told, level)) is not None],
            failed=[(name, note) for name, note in notes if note["code"] == _FAILED],
            unchecked=_unchecked(notes, len(evalsets)),
        )


_Named = tuple[str, Mapping[str, Any]]
_LEVELS = {"error": "Errors", "warning": "Warnings", "info": "For information"}
_UNCHECKED, _FAILED = "not-checked", "doctor-failed"  # as harness.health names them
_LINE = re.compile(r"(:\d+)?( \(.*)?$", re.DOTALL)  # what follows the file in a place
_FOLDERS = re.compile(r"(?<![\w/:.])/(?:[^\s/:]+/)+(?=[^\s/:])")  # of an absolute path within a text
_OPEN = 12  # findings of one level that stand open; the rest is folded, and so is all that is for information


class _Findings(NamedTuple):
    title: str
    more: str
    shown: Sequence[_Named]
    folded: Sequence[_Named]


def _local(notes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The notes with files named from the eval set's folder on: whose folders those are is nobody's business."""
    files = [path for n in notes if (path := _LINE.sub("", n["place"])).startswith("/")]
    root = posixpath.commonpath(files) if files else ""

    def file(place: str) -> str:
        below = place.removeprefix(f"{root}/") if root.strip("/") else place
        name = _LINE.sub("", below)
        return below.replace(name, posixpath.basename(name), 1) if name.startswith("/") else below

    def message(note: Mapping[str, Any]) -> str:
        text = note["message"].replace(f"{root}/", "") if root.strip("/") else note["message"]
        return _FOLDERS.sub("", text) if note["code"] == _FAILED else str(text)

    return [{"example": "", **n, "place": file(n["place"]), "message": message(n)} for n in notes]


def _findings(notes: Sequence[_Named], level: str) -> _Findings | None:
    """The findings of one level with the name of their eval set; None where there is none."""
    own = [(name, note) for name, note in notes if note["level"] == level]
    count = 0 if level == "info" else _OPEN
    more = "for information" if level == "info" else f"more {level}s"
    return _Findings(_LEVELS[level], more, own[:count], own[count:]) if own else None


def _unchecked(notes: Sequence[_Named], count: int) -> list[tuple[str, list[str]]]:
    """What was not checked, and on which sets where that is not all of them."""
    found: dict[str, list[str]] = {}
    for name, note in notes:
        if note["code"] == _UNCHECKED:
            found.setdefault(note["message"], []).append(name)
    return [(message, names if len(names) < count else []) for message, names in found.items()]


def _line(report: Report, name: str) -> dict[str, Any]:
    about, decided = report.manifest["evalsets"][name], report.decision["evalsets"][name]
    judged = searched(about["type"]) and about["scored_queries"] > 0
    return {
        "about": about,
        "type": category(about["type"]),
        "metric": metric(decided["main"] or "none"),
        "holds": held(about),
        "judgements": about["judgements"] / about["scored_queries"] if judged else None,
        "share": decided["share"],
        "shows": _detectable(report, name),
    }


def _detectable(report: Report, task: str) -> tuple[float, float, float] | None:
    """Smallest, median and largest detectable difference of the candidates from the reference on one set."""
    reference = report.decision["reference"]
    scores = {}
    for variant in report.manifest["variants"]:
        record = report.records.get(variant["quality"])
        if variant["task"] == task and record is not None and record.status == "ok":
            scores[variant["candidate_id"]] = np.asarray(record.arrays[record.values["main"]], dtype=np.float64)
    base = scores.pop(reference, None)
    if base is None or len(base) < 2 or not scores:
        return None
    found = np.asarray([paired(mine, base).detectable for mine in scores.values() if len(mine) == len(base)])
    return (float(found.min()), float(np.median(found)), float(found.max())) if len(found) else None


def _models(rows: Sequence[Row]) -> list[Mapping[str, Any]]:
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row["status"] == "ok":
            groups.setdefault((set_name(row["task"], row["sample"]), row["model"]), []).append(row)
    return [
        {"task": task, "model": model, "judged": _span(members, "judged_at_10"), "cut": _span(members, "documents_cut")}
        for (task, model), members in sorted(groups.items())
    ]


def _span(rows: Sequence[Row], key: str) -> tuple[float, float] | None:
    values = [row[key] for row in rows if row[key] is not None]
    return (min(values), max(values)) if values else None
