"""How the models place texts: maps, cosines of related and of chance pairs, what fewer dimensions keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.geometry import EDGES
from harness.maps import Cloud, Curve, cloud, cosines, swatch
from harness.page import fill
from harness.plots import Line, Mark, Scales, scatter
from harness.report import Report
from harness.svg import inline_svg
from harness.types import Doubles, Record
from harness.wording import percent, score

_CURVES = (("related", "s0", "-", True), ("random", "s1", "--", False), ("documents", "grey", ":", False))
_FLAT = 250  # pixels: the height of a plot two of which stand beside a map
_APART = 1.35  # ratio of two ticks on a logarithmic axis whose labels do not touch


class _Shown(NamedTuple):
    """A space with its record, and whether the pick lives in it."""

    name: str
    record: Record
    pick: bool


@dataclass(frozen=True)
class Space:
    """A table of all mapped spaces; plots of `most` of them, that of the pick and then the best."""

    most: int = 4
    position: ClassVar[int] = 100
    nav: ClassVar[str] = "Space"

    def render(self, report: Report) -> str:
        """The section, empty where the sweep asked for no maps."""
        entries: Sequence[Mapping[str, Any]] = report.manifest.get("spaces", [])
        if not entries:
            return ""
        pick = report.decision["pick"]
        found = [
            _Shown(e["name"], report.records[e["key"]], pick in e["candidates"])
            for e in entries
            if e["key"] in report.records
        ]
        found.sort(key=lambda shown: not shown.pick)
        lowest = min((_lowest(shown.record) for shown in found), default=-1.0)
        return fill(
            "space.html",
            rows=[row for shown in found for row in _rows(shown)],
            models=[_plots(f"space-{number}", shown, lowest) for number, shown in enumerate(found[: self.most])],
            unplotted=len(found[self.most :]),
            left_out=[(e["name"], e["reason"] or "not mapped yet") for e in entries if e["key"] not in report.records],
        )


def _rows(shown: _Shown) -> list[dict[str, Any]]:
    sets = shown.record.values["sets"]
    return [{"name": shown.name, "pick": shown.pick, "task": task, **values} for task, values in sets.items()]


def _lowest(record: Record) -> float:
    """The lower edge of the first bin, in steps of 0.1, that holds a pair."""
    held = sum(record.arrays[kind].sum(axis=0) for kind, *_ in _CURVES) > 0
    first = EDGES[int(np.argmax(held))] if np.any(held) else -1.0
    return float(np.floor(first * 10) / 10)


def _plots(name: str, shown: _Shown, lowest: float) -> dict[str, Any]:
    record = shown.record
    values = record.values
    group, query = record.arrays["group"], record.arrays["query"]
    places, drawn = len(group), np.unique(group).tolist()
    sized = len({*zip(group.tolist(), query.tolist(), strict=True)}) > len(drawn)  # a colour has both sides
    about = f"Map of {places} texts as {shown.name} places them, in {len(drawn)} groups"
    return {
        "name": shown.name, "pick": shown.pick, "no_map": values["no_map"],
        "map": _map(f"{name}-map", record, query & sized, about),
        "groups": [(values["groups"][at], swatch(at)) for at in drawn],
        "sized": sized, "places": places, "sets": len(values["sets"]),
        "cosines": _cosines(f"{name}-cosines", shown, lowest),
        "kept": _kept(f"{name}-kept", shown), "documents": int((~query).sum()),
    }  # fmt: skip


def _map(name: str, record: Record, large: NDArray[np.bool_], about: str) -> str:
    if "map" not in record.arrays:
        return ""
    return inline_svg(*cloud(name, Cloud(record.arrays["map"], record.arrays["group"], large), about))


def _cosines(name: str, shown: _Shown, lowest: float) -> str:
    """Each eval set counts the same; empty where there is no pair at all."""
    curves, told = [], []
    for kind, tone, dash, filled in _CURVES:
        held = [row for row in shown.record.arrays[kind] if row.any()]
        if held:
            mean = _mean(shown.record, {"documents": "anisotropy"}.get(kind, kind))
            curves.append(Curve(np.mean(held, axis=0), mean, tone, dash, filled))
            told.append(f"{kind} {score(mean)}")
    about = f"Cosines of pairs of texts in the space of {shown.name}; means: {', '.join(told)}"
    return inline_svg(*cosines(name, curves, lowest, about)) if curves else ""


def _mean(record: Record, key: str) -> float | None:
    found = [values[key] for values in record.values["sets"].values() if values[key] is not None]
    return float(np.mean(found)) if found else None


def _kept(name: str, shown: _Shown) -> str:
    """Share kept against dimensions; empty where there is a single number of dimensions."""
    arrays = shown.record.arrays
    dims: list[int] = arrays["dims"].tolist()
    if len(dims) < 2:
        return ""
    ticks = tuple(float(k) for k, above in zip(dims, [*dims[1:], np.inf], strict=True) if above / k >= _APART)
    prefix = _line(dims, arrays["prefix"], ("first dimensions", "o", "accent"))
    lines = [line for line in (prefix, _line(dims, arrays["pca"], ("PCA", "s", "s1"))) if line.marks]
    about = f"Share kept by fewer dimensions in the space of {shown.name}"
    scales = Scales("dimensions kept (log scale)", "share kept", about, ticks=ticks)
    return inline_svg(*scatter(name, lines, scales, height=_FLAT)) if lines else ""


def _line(dims: Sequence[int], shares: Doubles, look: tuple[str, str, str]) -> Line:
    called, shape, tone = look
    told = [(k, float(share)) for k, share in zip(dims, shares, strict=True) if np.isfinite(share)]
    marks = [Mark("", f"{called}, {k}: {percent(share)} kept", "", k, share, shape, tone) for k, share in told]
    return Line(marks, "line", called, tone)
