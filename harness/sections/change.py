"""What would change the decision: one assumption at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.page import fill
from harness.report import Report
from harness.wording import item, plural


@dataclass(frozen=True)
class Change:
    """If / then / changes, and what is picked where queries, weights or eval sets are drawn anew; from the decision."""

    position: ClassVar[int] = 40
    nav: ClassVar[str] = "What would change it"

    def render(self, report: Report) -> str:
        """The section, empty where nothing was picked."""
        decision = report.decision
        if not decision["changes"]:
            return ""
        return fill(
            "change.html",
            changes=decision["changes"],
            items=plural(item(decision["evalsets"])),
            resampled=decision["same_pick"],
            weights=decision.get("weights_drawn"),
            sets=decision.get("other_sets"),
        )
