"""What would change the decision: one assumption at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.page import fill
from harness.report import Report


@dataclass(frozen=True)
class Change:
    """If / then / changes, from the decision."""

    position: ClassVar[int] = 40
    nav: ClassVar[str] = "What would change it"

    def render(self, report: Report) -> str:
        """The section, empty where nothing was picked."""
        found = report.decision.get("changes", [])
        return fill("change.html", changes=found) if found else ""
