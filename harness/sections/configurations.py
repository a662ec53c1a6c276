"""Every configuration on every eval set, failed and skipped ones with their reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from harness.candidates import candidate_of
from harness.page import fill
from harness.report import Entry, Report
from harness.table import Row
from harness.wording import called, set_name

_STATES = {"failed": "failed", "skipped": "skipped", "missing": ""}


@dataclass(frozen=True)
class Configurations:
    """One line a variant and eval set, best candidates first; sorted and filtered in the browser, readable without."""

    position: ClassVar[int] = 60
    nav: ClassVar[str] = "All configurations"

    def render(self, report: Report) -> str:
        """The section; every sweep has one."""
        entries = {e["id"]: e for e in report.entries}
        places = {e["id"]: n for n, e in enumerate(report.entries)}
        keys, pick = report.keys, report.decision["pick"]

        def place(row: Row) -> tuple[bool, int, str, int]:
            known = places.get(candidate_of(row), len(places))
            return (row["status"] != "ok", known, str(row["task"]), row["batch_size"] or 0)

        lines = [_line(row, entries.get(candidate_of(row)), keys, pick) for row in sorted(report.rows, key=place)]
        remarks = sorted({w for line in lines for w in line["row"]["warnings"]})
        metric = report.decision["metric"]
        values = {"lines": lines, "remarks": remarks, "metric": metric, "columns": _COLUMNS}
        return fill("configurations.html", **values, published=report.published)


def _line(row: Row, entry: Entry | None, keys: dict[str, str], pick: str | None) -> dict[str, Any]:
    good, chosen = row["status"] == "ok", pick is not None and row["candidate_id"] == pick
    if good:
        why_not = "the pick" if chosen else entry["why_not"] if entry else ""
    else:
        why_not = ": ".join(text for text in (_STATES[row["status"]], row["reason"]) if text)
    difference = entry["difference"] if good and entry else None
    return {
        "key": keys.get(candidate_of(row), ""),
        "label": called(row),
        "row": row | {"task": set_name(row["task"], row["sample"])},
        "passes": difference is not None,
        "difference": difference,
        "chosen": chosen,
        "why_not": why_not,
    }


# Heading, key of the row, how it is written; the first click sorts the useful way.
_COLUMNS = (
    ("p95 (ms)", "query_p95_ms", "number", "ascending"),
    ("B/doc", "bytes_per_doc", "whole", "ascending"),
    ("docs/s", "docs_per_s", "number", "descending"),
    ("Judged@10", "judged_at_10", "percent", "descending"),
)
