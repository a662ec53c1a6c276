"""How to get the same numbers again: command, versions, hashes, machine, and the pick part by part."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar

from harness.page import fill
from harness.report import Report


@dataclass(frozen=True)
class Reproduce:
    """Everything that the numbers depend on."""

    position: ClassVar[int] = 110
    nav: ClassVar[str] = "Reproduce"

    def render(self, report: Report) -> str:
        """The section; every sweep has one."""
        models = {(v["model"], v["model_sha256"]) for v in report.manifest["variants"] if v["model_sha256"]}
        return fill(
            "reproduce.html",
            manifest=report.manifest,
            policy=report.decision["policy"],
            models=sorted(models),
            chosen=_description(report),
        )


def _description(report: Report) -> str:
    """The node that builds the pick again, as JSON; empty where nothing was picked."""
    for variant in report.manifest["variants"]:
        record = report.records.get(variant["quality"])
        chosen = variant["candidate_id"] == report.decision["pick"]
        if chosen and record is not None and "candidate" in record.provenance:
            return json.dumps(record.provenance["candidate"], indent=2, sort_keys=True)
    return ""
