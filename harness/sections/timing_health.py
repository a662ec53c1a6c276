"""How the speeds were taken and how far they can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from harness.page import fill
from harness.report import Report
from harness.table import stages
from harness.types import Record
from harness.wording import called, searched, set_name

_KINDS = {"encode": "encode one query", "search": "search one query", "index": "index"}


@dataclass(frozen=True)
class TimingHealth:
    """Repeats, spread, warm-up, first call, threads, load and warnings; in a fold the measurements, at most `most`."""

    most: int = 200
    position: ClassVar[int] = 90
    nav: ClassVar[str] = "Timing health"

    def render(self, report: Report) -> str:
        """The section; without any measurement it says so."""
        lines = _lines(report)
        loads = [v for line in lines for v in (line["before"], line["after"]) if v is not None]
        return fill(
            "timing_health.html",
            lines=lines[: self.most],
            left_out=len(lines) - len(lines[: self.most]),
            unsearched=any(not searched(about["type"]) for about in report.manifest["evalsets"].values()),
            settings=report.manifest["timing"],
            machine=report.manifest["machine"],
            loads=(min(loads), max(loads)) if loads else None,
            widest=max((line["spread"] for line in lines), default=None),
            noisy=sorted({(line["kind"], line["label"], w) for line in lines for w in line["warnings"]}),
        )


def _lines(report: Report) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    names = {n: set_name(n, about["sample"]) for n, about in report.manifest["evalsets"].items()}
    for variant in report.manifest["variants"]:
        for kind, key in variant["timings"].items():
            record = report.records.get(key)
            if record is not None and record.status == "ok" and key not in found:
                text = kind.startswith("encode") and not searched(report.manifest["evalsets"][variant["task"]]["type"])
                named = {"task": names[variant["task"]]} | ({"kind": "encode one text"} if text else {})
                found[key] = _line(kind, variant, record) | named
    return sorted(found.values(), key=lambda line: (line["kind"], line["label"], line["task"]))


def _line(kind: str, variant: Mapping[str, Any], record: Record) -> dict[str, Any]:
    seconds = np.asarray(record.arrays["seconds"], dtype=np.float64)
    rounds = np.median(seconds, axis=1) if seconds.ndim == 2 else seconds
    values = record.values
    return {
        "kind": _KINDS.get(kind.partition("-")[0], kind),
        "stages": ", ".join(f"{name} {ms:.3g} ms" for name, ms in stages(record).items()) if kind == "search" else "",
        "label": called(variant) if kind == "search" else _model(variant, kind),
        "median": float(np.median(rounds) * 1000),
        "repeats": len(rounds),
        "calls": seconds.shape[1] if seconds.ndim == 2 else 1,
        "spread": _spread(rounds.tolist()),
        "first": values.get("first_ms"),
        "warmup": values.get("warmup_calls"),
        "before": values.get("load_before"),
        "after": values.get("load_after"),
        "warnings": list(record.warnings),
    }


def _model(variant: Mapping[str, Any], kind: str) -> str:
    kind, _, place = kind.partition("-")
    parts = [variant["model"], variant["pooling"], f"model {place} of {variant['retriever']}" if place else None]
    if kind == "index" and variant["batch_size"]:
        parts.append(f"batch {variant['batch_size']}")
    return " · ".join(str(p) for p in parts if p not in ("-", None))


def _spread(rounds: Sequence[float]) -> float:
    middle = float(np.median(rounds))
    return (max(rounds) - min(rounds)) / middle if middle > 0 else 0.0
