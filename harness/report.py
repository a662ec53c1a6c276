"""A sweep's page and decision record, from records alone: no model, no network; same records, same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from harness.candidates import candidate_of
from harness.excerpts import Excerpt, read_excerpts
from harness.figures import write_figures
from harness.page import data_block, fill, verbatim
from harness.parts import available, name_of
from harness.published import read_published
from harness.record import render_record
from harness.store import write_atomically, write_json
from harness.svg import Drawing
from harness.table import Row, Sweep, rows
from harness.types import Record
from harness.wording import scored, size

Entry = Mapping[str, Any]
LARGE, TOO_LARGE = 3_000_000, 5_000_000  # bytes: from here on the page says how large it is, and what it leaves out


class Report(NamedTuple):
    """What every section sees: the manifest, one row a variant and eval set, the records, and `decide`'s result.

    `published`: rows of results that were imported, for show alone, and `published_notes` why others are not shown;
    `excerpts`: texts of queries and documents, by eval set; `lean`: the page with everything would be too large.
    """

    sweep: str
    manifest: Mapping[str, Any]
    rows: Sequence[Row]
    records: Mapping[str, Record]
    decision: Mapping[str, Any]
    published: Sequence[Row] = ()
    published_notes: Sequence[str] = ()
    excerpts: Mapping[str, Excerpt] = {}
    lean: bool = False

    @property
    def entries(self) -> Sequence[Entry]:
        """The decision's candidates, best first, those without a result last."""
        found: Sequence[Entry] = self.decision["candidates"]
        return found

    @property
    def configurations(self) -> list[list[Row]]:
        """The rows of each configuration, one for each eval set: a candidate at one batch size on one device."""
        groups: dict[tuple[Any, ...], list[Row]] = {}
        for row in self.rows:
            groups.setdefault((candidate_of(row), row["batch_size"], row["device"]), []).append(row)
        return list(groups.values())

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


@runtime_checkable
class Illustrated(Protocol):
    """A section whose plots are also written as files."""

    def figures(self, report: Report) -> list[Drawing]:
        """Its plots, in the order in which it shows them."""


def anchor(section: Any) -> str:
    """The id of a section on the page."""
    return name_of(section).replace("_", "-")


def standard_sections() -> list[Section]:
    """Every section there is, with its defaults, in page order."""
    return sorted((part() for part in available("sections").values()), key=lambda section: section.position)


def read_report(sweep: Sweep, decision: Mapping[str, Any]) -> Report:
    """The report value of a sweep and its decision, with what was published on the sweep's public sets."""
    name, beside = str(sweep.manifest["sweep"]), read_published(sweep)
    return Report(name, sweep.manifest, rows(sweep), sweep.records, decision, *beside, read_excerpts(sweep))


def render_page(report: Report, sections: Sequence[Section] | None = None) -> str:
    """The whole page: self-contained, and the same for the same report.

    One of more than `TOO_LARGE` bytes is made again without texts and maps, and with the first rows of its tables.
    """
    chosen = standard_sections() if sections is None else sections
    html = _page(report, chosen)
    if len(html.encode("utf-8", "replace")) <= TOO_LARGE:
        return html
    return _page(report._replace(excerpts={}, lean=True), [s for s in chosen if anchor(s) not in _HEAVY])


_HEAVY = ("space",)


def _page(report: Report, chosen: Sequence[Section]) -> str:
    bodies = [(section, html) for section in chosen if (html := section.render(report))]
    weight = sum(len(html.encode("utf-8", "replace")) for _, html in bodies)
    return fill(
        "page.html",
        report=report,
        counts=_counts(report.configurations),
        weight=weight if weight > LARGE else None,
        illustrated=any(isinstance(section, Illustrated) for section, _ in bodies),
        scored=scored(report.manifest["evalsets"]),
        machine=_machine(report.manifest["machine"]),
        links=[(anchor(section), section.nav) for section, _ in bodies if section.nav],
        bodies=[html for _, html in bodies],
        style=verbatim("style.css"),
        script=verbatim("script.js"),
        data=data_block(_embedded(report.decision)),
    )


def _embedded(decision: Mapping[str, Any]) -> dict[str, Any]:
    """The decision without what the tables hold: of the candidates the pick and the reference alone."""
    named = (decision["pick"], decision["reference"])
    return {**decision, "candidates": [e for e in decision["candidates"] if e["id"] in named], "summary": {}}


def write_report(sweep: Sweep, decision: Mapping[str, Any], folder: Path) -> Path:
    """Write `index.html`, `decision.md`, `decision.json` and `figures/` into the folder; gives the page's path."""
    page, report = folder / "index.html", read_report(sweep, decision)
    html = render_page(report)
    write_atomically(page, html.encode("utf-8", "replace"))
    write_atomically(folder / "decision.md", render_record(decision, sweep.manifest).encode("utf-8", "replace"))
    write_json(folder / "decision.json", decision)
    drawings = [d for s in standard_sections() if isinstance(s, Illustrated) for d in s.figures(report)]
    write_figures(drawings, folder / "figures")
    return page


def heavy(page: Path) -> str:
    """A line on a page that is too large to send round easily; empty for one of ordinary size."""
    held = page.stat().st_size
    return f"{page} has {size(held)}; {size(LARGE)} is what mail carries easily" if held > LARGE else ""


def _counts(found: Sequence[Sequence[Row]]) -> dict[str, int]:
    """How many configurations finished; one that ended in several ways counts by the worst."""
    worst = ("failed", "skipped", "missing", "ok")
    states = [min((row["status"] for row in rows), key=worst.index) for rows in found]
    named = {state: states.count(state) for state in ("ok", "failed", "skipped", "missing")}
    return {"all": len(states), **named}


def _machine(machine: Mapping[str, Any]) -> str:
    if machine["accelerator"] != "none":
        return str(machine["accelerator"])
    return f"{machine['processor']}, {machine['cores']} cores"
