"""Quality against latency and index size, and scores set by set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from harness.page import fill
from harness.plots import Line, Mark, Scales, scatter
from harness.report import Entry, Report
from harness.shapes import legend, shape_of, tones
from harness.svg import Drawing, inline_svg
from harness.wording import averaged, latency, metric, number, score, set_name, whole

_SAME = 1.01  # latencies within this ratio count as equal, whatever their spread


@dataclass(frozen=True)
class Tradeoffs:
    """Two plots and the table by eval set. What has no measurement is left out of its plot, and the page says so."""

    position: ClassVar[int] = 50
    nav: ClassVar[str] = "Trade-offs"

    def render(self, report: Report) -> str:
        """The section, empty where no candidate has a score."""
        scored = [e for e in report.entries if e["score"] is not None]
        if not scored:
            return ""
        timed, sized = _with_cost(report, "query_p95_ms"), _with_cost(report, "bytes_per_doc")
        plots = {drawing.name: inline_svg(*drawing) for drawing in self.figures(report)}
        return fill(
            "tradeoffs.html",
            plots=plots,
            legend=legend(e["quantization"] for e in (*timed, *sized)),
            untimed=len(scored) - len(timed),
            sets=_columns(report),
            time=latency(report.decision["evalsets"]),
            table=_by_set(report, scored),
            metric=report.decision["metric"],
            across=len(plots) % 2 == 0 or len(report.manifest["evalsets"]) > 2,
        )

    def figures(self, report: Report) -> list[Drawing]:
        """Quality against latency and quality against bytes, each where it was measured."""
        timed, sized = _with_cost(report, "query_p95_ms"), _with_cost(report, "bytes_per_doc")
        found = [_latency(report, timed)] if timed else []
        return found + ([_bytes(report, sized)] if sized else [])


def _with_cost(report: Report, key: str) -> list[Entry]:
    return [e for e in report.entries if e["score"] is not None and e["costs"][key]]


def _columns(report: Report) -> list[str]:
    """Eval sets, each with its metric where they differ."""
    mixed = report.decision["metric"] == "main_score"
    return [
        set_name(name, about["sample"]) + (f": {metric(about['main'])}" if mixed and about["main"] else "")
        for name, about in report.decision["evalsets"].items()
    ]


def _tip(entry: Entry) -> str:
    costs = entry["costs"]
    sizes = f"p95 {number(costs['query_p95_ms'])} ms, {whole(costs['bytes_per_doc'])} B/doc"
    return f"{entry['label']}: {score(entry['score'])}, {sizes}"


def _latency(report: Report, timed: Sequence[Entry]) -> Drawing:
    """The frontier is joined and filled; who is no better than somebody as fast is hollow."""
    front = _fastest(timed)
    named: set[str] = set()
    lines = []
    for members, join in ((front, "step"), ([e for e in timed if e not in front], "")):
        marks = [_latency_mark(report, e, not join, named) for e in members]
        lines.append(Line(marks[::-1], join))
    limit = report.decision["policy"]["limits"].get("query_p95_ms")
    name = averaged(report.decision)
    time = latency(report.decision["evalsets"])
    title = f"{name[:1].upper()}{name[1:]} against {time} in milliseconds"
    about = f"{title}, {len(timed)} candidates, {len(front)} on the frontier"
    xlabel = f"{time} in ms (log scale), left is better"
    return scatter("latency", lines, Scales(xlabel, name, about, limit, "over the p95 limit"))


def _latency_mark(report: Report, entry: Entry, dominated: bool, named: set[str]) -> Mark:
    """Each model is named once, at its best frontier point, else at its best; the pick always."""
    chosen = entry["id"] == report.decision["pick"]
    label = ""
    if chosen:
        label = f"▶ {entry['label']}"
    elif entry["model"] not in named:
        label = entry["model"]
    named.add(entry["model"])
    tone = "good" if chosen else "grey" if dominated else "accent"
    at = (entry["costs"]["query_p95_ms"], entry["score"])
    shape, hollow = shape_of(entry["quantization"]), dominated and not chosen
    return Mark(report.keys[entry["id"]], _tip(entry), label, *at, shape, tone, hollow, chosen)


def _fastest(timed: Sequence[Entry]) -> list[Entry]:
    """Those that nobody better is as fast as, slowest and best first.

    As fast is who is not shown to be slower: no slower than the upper bound of the other's p95, or than 1 % above it.
    """
    kept: list[Entry] = []
    for entry in sorted(timed, key=lambda e: (-e["score"], e["costs"]["query_p95_ms"], e["label"])):
        p95, upper = (entry["costs"][key] or 0.0 for key in ("query_p95_ms", "query_p95_ms_upper"))
        reach = max(upper, p95 * _SAME)
        if all(better["costs"]["query_p95_ms"] > reach for better in kept):
            kept.append(entry)
    return kept


def _smallest(members: Sequence[Entry]) -> list[Entry]:
    """Those that nobody as small equals, smallest first."""
    best, kept = float("-inf"), []
    for entry in sorted(members, key=lambda e: (e["costs"]["bytes_per_doc"], -e["score"], e["label"])):
        if entry["score"] > best:
            best = entry["score"]
            kept.append(entry)
    return kept


def _bytes(report: Report, sized: Sequence[Entry]) -> Drawing:
    """A model's line joins its best candidate at each size; what a smaller one of the same model equals is hollow."""
    lines, colours = [], tones(entry["model"] for entry in report.entries)
    models = _grouped(sized, lambda e: e["model"])
    for model, members in models:
        front = _smallest(members)
        lines.append(
            Line([_bytes_mark(report, e, colours[model], False) for e in front], "line", model, colours[model])
        )
        lines.append(Line([_bytes_mark(report, e, colours[model], True) for e in members if e not in front]))
    limit, name = report.decision["policy"]["limits"].get("bytes_per_doc"), averaged(report.decision)
    about = f"{name[:1].upper()}{name[1:]} against bytes per document, one line for each of {len(models)} models"
    xlabel = "bytes per document in the index (log scale)"
    return scatter("bytes", lines, Scales(xlabel, name, about, limit, "over the limit"))


def _bytes_mark(report: Report, entry: Entry, tone: str, hollow: bool) -> Mark:
    at, chosen = (entry["costs"]["bytes_per_doc"], entry["score"]), entry["id"] == report.decision["pick"]
    return Mark(report.keys[entry["id"]], _tip(entry), "", *at, shape_of(entry["quantization"]), tone, hollow, chosen)


def _grouped(items: Iterable[Any], key: Any) -> list[tuple[str, list[Any]]]:
    found: dict[str, list[Any]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return sorted(found.items())


def _by_set(report: Report, scored: Sequence[Entry]) -> list[dict[str, Any]]:
    """The best candidate of each model and the pick; a cell's shade is its place between its column's ends."""
    models = _grouped(scored, lambda e: e["model"])
    best = [max(members, key=lambda e: e["score"])["id"] for _, members in models]
    kept = {*best, report.decision["pick"], report.decision["reference"]}
    rows = sorted((e for e in scored if e["id"] in kept), key=lambda e: -e["score"])
    sets = list(report.manifest["evalsets"])
    columns = [*sets, None] if len(sets) > 1 else sets
    values = [[e["score"] if c is None else e["scores"].get(c) for c in columns] for e in rows]
    ends = [(min(k), max(k)) for column in zip(*values, strict=True) if (k := [v for v in column if v is not None])]
    return [
        {"label": e["label"], "key": report.keys[e["id"]], "pick": e["id"] == report.decision["pick"],
         "cells": [(v, _shade(v, *end)) for v, end in zip(line, ends, strict=True)]}
        for e, line in zip(rows, values, strict=True)
    ]  # fmt: skip


def _shade(value: float | None, low: float, high: float) -> str:
    if value is None or high <= low:
        return "0"
    return f"{0.32 * (value - low) / (high - low):.2f}"
