"""What an approximate index misses and costs, measured against exact search over the same codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from harness.page import fill
from harness.report import Report
from harness.wording import called, set_name


@dataclass(frozen=True)
class Indexes:
    """One line a candidate with an approximate index and eval set: recall, build, bytes, search time; `most` lines."""

    most: int = 100
    position: ClassVar[int] = 56
    nav: ClassVar[str] = ""

    def render(self, report: Report) -> str:
        """The section, empty where every candidate searches exactly."""
        found = [row for row in report.rows if row["index_recall_at_10"] is not None]
        lines: dict[tuple[str, str], dict[str, Any]] = {}
        for row in found:
            label, task = called(row), set_name(row["task"], row["sample"])
            lines.setdefault((label, task), {"label": label, "row": row | {"task": task}})
        shown = list(lines.values())[: self.most]
        return fill("indexes.html", lines=shown, left_out=len(lines) - len(shown)) if lines else ""
