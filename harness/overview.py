"""`reports/index.html`: every sweep with what was decided and accepted, from what lies on disk alone."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from harness.acceptance import ACCEPTED, SUPERSEDED, read_accepted
from harness.page import fill, verbatim
from harness.store import read_json, write_atomically
from harness.types import HarnessError
from harness.wording import counted, metric

_SETS, _LONGEST = 3, 120
_SIGNED, _COMPARED = re.compile(r"decision-[0-9a-f]{12}\.md"), re.compile(r"compare-(.+)\.html", re.DOTALL)
_UNREADABLE = (HarnessError, OSError, KeyError, TypeError, ValueError, AttributeError)


class Line(NamedTuple):
    """One sweep. `page` and `record` are addresses from the reports' folder, empty where there is none; note: what is
    damaged or missing, and what to do.

    signed: records as they were accepted, and compared: pages of two candidates, each as (name, address).
    """

    name: str
    created: str
    sets: str = ""
    configurations: int | None = None
    status: str = ""
    pick: str = ""
    score: float | None = None
    metric: str = ""
    state: str = ""
    page: str = ""
    record: str = ""
    note: str = ""
    signed: tuple[tuple[str, str], ...] = ()
    compared: tuple[tuple[str, str], ...] = ()


def write_overview(results: Path, reports: Path) -> Path:
    """Write `index.html` beside the reports; gives its path. The same files on disk give the same bytes."""
    path = reports / "index.html"
    html = fill(
        "overview.html", lines=overview(results, reports), style=verbatim("style.css"), script=verbatim("script.js")
    )
    write_atomically(path, html.encode("utf-8", "replace"))
    return path


def overview(results: Path, reports: Path) -> list[Line]:
    """One line for each sweep under `results` and each report beside, newest first; a damaged one says so."""
    names = {p.name for p in _folders(results) if (p / "sweep.json").exists() or (p / "records").is_dir()}
    names |= {p.name for p in _folders(reports) if (p / "decision.json").exists()}
    replaced = _replaced(results / name for name in sorted(names))
    lines = [_line(results / name, reports / name, replaced) for name in sorted(names)]
    return sorted(lines, key=lambda line: line.created, reverse=True)


def _folders(place: Path) -> list[Path]:
    return [p for p in place.iterdir() if p.is_dir()] if place.is_dir() else []


def _replaced(folders: Iterable[Path]) -> dict[str, str]:
    """`SWEEP:ID` of each accepted decision that another sweep's has superseded -> that sweep."""
    found: dict[str, str] = {}
    for folder in folders:
        try:
            accepted = read_accepted(folder)
        except HarnessError:
            continue
        found |= {one.supersedes: folder.name for one in accepted if ":" in one.supersedes}
    return found


def _line(sweep: Path, report: Path, replaced: Mapping[str, str]) -> Line:
    line, again = Line(_short(sweep.name), ""), f"harness report {shlex.quote(_short(sweep.name))}"
    line = _sweep(line, sweep)
    line, first = _linked(line, report), line.created
    if not (report / "decision.json").exists():
        return line if line.note else line._replace(note=f"no report yet: {again}")
    try:
        decision = read_json(report / "decision.json")
        line = _decided(line, decision, replaced.get(f"{sweep.name}:{decision.get('id')}", ""))
    except _UNREADABLE:
        return line._replace(note=_joined(line.note, f"its decision.json cannot be read: {again}"))
    if first and line.created != first:
        line = line._replace(note=_joined(line.note, f"the report is of an earlier state of the sweep: {again}"))
    return line


def _sweep(line: Line, folder: Path) -> Line:
    """With what the sweep itself says, or what is wrong with it."""
    if not folder.is_dir():
        return line._replace(note="a report alone; its records are not here")
    try:
        if not (folder / "sweep.json").exists():
            raise HarnessError("sweep.json is missing; run the sweep again")
        line = _measured(line, read_json(folder / "sweep.json"))
        read_accepted(folder)
    except _UNREADABLE as error:
        return line._replace(note=f"damaged: {_why(error).replace(f'{folder}/', '')}")
    return line


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)


def _measured(line: Line, manifest: Mapping[str, Any]) -> Line:
    return line._replace(
        created=str(manifest["created"]),
        sets=_sets(list(manifest["evalsets"])),
        configurations=len(manifest["variants"]) + len(manifest["unplanned"]),
    )


def _decided(line: Line, decision: Mapping[str, Any], replaced: str) -> Line:
    pick = next((c for c in decision["candidates"] if c["id"] == decision["pick"]), None)
    return line._replace(
        created=str(decision["created"]),
        sets=_sets(list(decision["evalsets"])),
        configurations=int(decision["funnel"]["variants"]),
        status=str(decision["status"]),
        pick=_short(pick["label"]) if pick else "",
        score=float(pick["score"]) if pick else None,
        metric=metric(decision["metric"]),
        state=_state(decision, replaced),
    )


def _state(decision: Mapping[str, Any], by_sweep: str) -> str:
    """`proposed`, `accepted by NAME on DATE`, or by what it is superseded."""
    state = str(decision["state"])
    if by_sweep or state == SUPERSEDED:
        return f"{SUPERSEDED} by {_short(by_sweep or decision['superseded_by'])}"
    if state != ACCEPTED:
        return state
    by = f"{ACCEPTED} by {_short(', '.join(decision['decision_makers']))} on {decision['accepted']}"
    old = decision.get("replaces")
    return f"{by}; replaces {_short(old['label'])}, {ACCEPTED} by {_short(old['by'])} on {old['date']}" if old else by


def _linked(line: Line, report: Path) -> Line:
    """With the addresses of what lies there; a name is quoted, so that it is never more than a path."""
    there = {file: f"./{quote(report.name, safe='')}/{quote(file, safe='')}" for file in _files(report)}
    decided = (report / "decision.json").exists()  # a page without it was never finished
    return line._replace(
        page=there.get("index.html", "") if decided else "",
        record=there.get("decision.md", "") if decided else "",
        signed=tuple(one for one in there.items() if _SIGNED.fullmatch(one[0])),
        compared=tuple((_short(found[1]), to) for file, to in there.items() if (found := _COMPARED.fullmatch(file))),
    )


def _files(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.is_file()) if folder.is_dir() else []


def _sets(names: Sequence[str]) -> str:
    shown = ", ".join(_short(name) for name in names[:_SETS])
    return shown if len(names) <= _SETS else f"{shown} and {counted(len(names) - _SETS, 'other')}"


def _why(error: Exception) -> str:
    return (str(error) if isinstance(error, HarnessError) else f"{type(error).__name__} {error}")[: 2 * _LONGEST]


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
