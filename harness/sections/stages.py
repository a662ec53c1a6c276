"""Where the time of a query goes, for candidates that search in more than one step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from harness.page import fill
from harness.report import Report
from harness.table import in_steps
from harness.wording import called, set_name


@dataclass(frozen=True)
class Stages:
    """One line a pipeline or rescoring candidate and eval set: p50, p95, each stage's typical time; `most` lines."""

    most: int = 100
    position: ClassVar[int] = 57
    nav: ClassVar[str] = ""

    def render(self, report: Report) -> str:
        """The section, empty where every candidate only encodes and searches, or nothing was timed."""
        lines: dict[tuple[str, str], dict[str, Any]] = {}
        for row in [row for row in report.rows if in_steps(row["stages_p50_ms"])]:
            label, task = called(row), set_name(row["task"], row["sample"])
            key = report.keys.get(str(row["candidate_id"]), "")
            lines.setdefault((label, task), {"key": key, "label": label, "task": task, "row": row})
        shown = list(lines.values())[: self.most]
        return fill("stages.html", lines=shown, left_out=len(lines) - len(shown)) if lines else ""
