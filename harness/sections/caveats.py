"""The strongest reasons to doubt the decision, before any evidence for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.page import fill
from harness.report import Report


@dataclass(frozen=True)
class Caveats:
    """Read before you sign: the decision's own caveats, strongest first, at most `most`."""

    most: int = 5
    position: ClassVar[int] = 20
    nav: ClassVar[str] = ""

    def render(self, report: Report) -> str:
        """The section, empty where the decision has no caveat."""
        found = report.decision.get("caveats", [])
        return fill("caveats.html", caveats=found[: self.most]) if found else ""
