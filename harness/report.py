"""A sweep's page and decision record, from records alone: no model, no network; same records, same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from harness.excerpts import Excerpt, read_excerpts
from harness.page import data_block, fill, verbatim
from harness.parts import available, name_of
from harness.published import published_rows
from harness.record import render_record
from harness.store import write_atomically, write_json
from harness.table import Row, Sweep, rows
from harness.types import Record
from harness.wording import scored

Entry = Mapping[str, Any]


class Report(NamedTuple):
    """What every section sees: the manifest, one row a variant and eval set, the records, and `decide`'s result.

    `published`: rows of results that were imported, for show alone; `excerpts`: texts of queries and documents, by eval
    set.
    """

    sweep: str
    manifest: Mapping[str, Any]
    rows: Sequence[Row]
    records: Mapping[str, Record]
    decision: Mapping[str, Any]
    published: Sequence[Row] = ()
    excerpts: Mapping[str, Excerpt] = {}

    @property
    def entries(self) -> Sequence[Entry]:
        """The decision's candidates, best first, those without a result last."""
        found: Sequence[Entry] = self.decision["candidates"]
        return found

    @property
    def keys(self) -> dict[str, str]:
        """Candidate id -> short name that links its rows and points on the page."""
        return {entry["id"]: f"c{number}" for number, entry in enumerate(self.entries)}

    @property
    def pick(self) -> Entry | None:
        """The chosen candidate, None where nothing was chosen."""
        return self._entry(self.decision["pick"])

    @property
    def reference(self) -> Entry | None:
        """The candidate that all are compared with."""
        return self._entry(self.decision["reference"])

    def _entry(self, wanted: str | None) -> Entry | None:
        return next((e for e in self.entries if e["id"] == wanted), None) if wanted else None


class Section(Protocol):
    """A part of `harness/sections`: the file registers it, `position` orders it, an empty `nav` means no link."""

    position: int
    nav: str

    def render(self, report: Report) -> str:
        """HTML of one `<section>` whose id is `anchor`'s, or an empty string where there is nothing to show."""


def anchor(section: Any) -> str:
    """The id of a section on the page."""
    return name_of(section).replace("_", "-")


def standard_sections() -> list[Section]:
    """Every section there is, with its defaults, in page order."""
    return sorted((part() for part in available("sections").values()), key=lambda section: section.position)


def read_report(sweep: Sweep, decision: Mapping[str, Any]) -> Report:
    """The report value of a sweep and its decision, with what was published on the sweep's public sets."""
    name, published = str(sweep.manifest["sweep"]), published_rows(sweep)
    return Report(name, sweep.manifest, rows(sweep), sweep.records, decision, published, read_excerpts(sweep))


def render_page(report: Report, sections: Sequence[Section] | None = None) -> str:
    """The whole page: self-contained, and the same for the same report."""
    chosen = standard_sections() if sections is None else sections
    bodies = [(section, html) for section in chosen if (html := section.render(report))]
    return fill(
        "page.html",
        report=report,
        counts=_counts(report.rows),
        scored=scored(report.manifest["evalsets"]),
        machine=_machine(report.manifest["machine"]),
        links=[(anchor(section), section.nav) for section, _ in bodies if section.nav],
        bodies=[html for _, html in bodies],
        style=verbatim("style.css"),
        script=verbatim("script.js"),
        data=data_block(report.decision),
    )


def write_report(sweep: Sweep, decision: Mapping[str, Any], folder: Path) -> Path:
    """Write `index.html`, `decision.md` and `decision.json` into the folder; gives the page's path."""
    page = folder / "index.html"
    html = render_page(read_report(sweep, decision))
    write_atomically(page, html.encode("utf-8", "replace"))
    write_atomically(folder / "decision.md", render_record(decision, sweep.manifest).encode("utf-8", "replace"))
    write_json(folder / "decision.json", decision)
    return page


def _counts(found: Sequence[Row]) -> dict[str, int]:
    states = [row["status"] for row in found]
    named = {state: states.count(state) for state in ("ok", "failed", "skipped", "missing")}
    return {"all": len(states), **named}


def _machine(machine: Mapping[str, Any]) -> str:
    if machine["accelerator"] != "none":
        return str(machine["accelerator"])
    return f"{machine['processor']}, {machine['cores']} cores"
