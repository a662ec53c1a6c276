"""All eval sets in one line a candidate: means by task and by type, and the rank among the candidates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.page import fill
from harness.report import Report
from harness.wording import category


@dataclass(frozen=True)
class Summary:
    """The `most` best candidates by Borda rank, pick and reference always among them, and what to mind of each mean."""

    most: int = 30
    position: ClassVar[int] = 52
    nav: ClassVar[str] = "Summary"

    def render(self, report: Report) -> str:
        """The section, empty where the sweep has one eval set or no result."""
        found = report.decision["summary"]
        if not found:
            return ""
        named = (report.decision["pick"], report.decision["reference"])
        shown = [line for i, line in enumerate(found["lines"]) if i < self.most or line["candidate"] in named]
        types = [(kind, category(kind), len(tasks)) for kind, tasks in found["types"].items()]
        return fill(
            "summary.html",
            lines=shown,
            left_out=len(found["lines"]) - len(shown),
            types=types,
            tasks=sum(count for *_, count in types),
            warnings=found["warnings"],
            keys=report.keys,
            pick=report.decision["pick"],
        )
