"""What `harness compare` shows of two candidates: text for the terminal, JSON, and a page of its own."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.cells import cell_len, set_cell_size

from harness.candidates import Candidate, candidates, chosen_by, fitting
from harness.decide import decide
from harness.excerpts import read_excerpts
from harness.items import Document, Item, Side
from harness.page import fill, verbatim
from harness.policy import read_policy
from harness.querywise import (
    MOST,
    Comparison,
    Outcome,
    Versus,
    best_of,
    compare,
    losses,
    plain,
    verdict,
    worst_of,
)
from harness.store import write_atomically
from harness.table import Sweep
from harness.terminal import columns
from harness.types import Doubles
from harness.wording import item, metric, number, percent, plural, score, searched, signed, whole

_IN_TERMINAL = 10
_NARROWEST, _WIDEST = 60, 160
_BINS = 15
_ALONE = (
    "The intervals are for these two alone. The sweep's decision holds for all candidates at once: its bounds are "
    "wider, and it may leave open what is clear here."
)


class Bin(NamedTuple):
    """Items whose difference lies from low to high; share of the fullest bin."""

    low: float
    high: float
    items: int
    share: float


def compare_text(sweep: Sweep, names: tuple[str, str], out: Path, as_json: bool) -> str:
    """What the terminal shows of two candidates, or all of it as JSON; writes their page into `out`.

    names: see `chosen_by`; one that fits several candidates of one model means the pick among them, else the best, and
    the text says so. HarnessError where they fit no candidate or several models, or `compare` refuses.
    """
    every = candidates(sweep)
    (first, _), (second, _) = chosen = [_meant(sweep, every, name) for name in names]
    found = compare(sweep, read_excerpts(sweep), first.id, second.id)
    page = out / f"compare-{_slug(*found.first)}-vs-{_slug(*found.second)}.html"
    costs = [_costs(one) for one in (first, second)]
    write_atomically(page, _page(sweep, found, costs).encode("utf-8", "replace"))
    if as_json:
        return json.dumps(plain(found) | {"page": str(page)}, indent=1)
    told = [f"{end} is {_line(one.label)}, {why}" for end, (one, why) in zip("AB", chosen, strict=True) if why]
    return "\n".join([*told, _text(found, costs, page)])


def _meant(sweep: Sweep, every: Sequence[Candidate], name: str) -> tuple[Candidate, str]:
    """The candidate that a name means, and why that one of several."""
    fits = fitting(every, name, sweep.folder.name)
    if len(fits) == 1 or len({c.labels["model"] for c in fits}) > 1:
        return chosen_by(every, name, sweep.folder.name), ""
    decision = decide(sweep, read_policy(sweep.manifest["policy"]))
    scores = {entry["id"]: entry["score"] for entry in decision["candidates"]}
    pick = next((c for c in fits if c.id == decision["pick"]), None)
    if pick is not None:
        return pick, f"the pick among {len(fits)} that fit {name!r}"
    best = max(fits, key=lambda c: -1.0 if scores[c.id] is None else scores[c.id])  # the first of equals
    return best, f"the best of {len(fits)} that fit {name!r}"


def bins(differences: Doubles) -> tuple[Bin, ...]:
    """The differences in bins of equal width about zero, which lies in the middle of one; none where all are zero."""
    reach = float(np.abs(differences).max())
    if reach == 0:
        return ()
    counts, edges = np.histogram(differences, bins=_BINS, range=(-reach, reach))
    most = int(counts.max())
    return tuple(
        Bin(float(low), float(high), int(count), float(count / most))
        for low, high, count in zip(edges, edges[1:], counts, strict=False)
    )


def _page(sweep: Sweep, found: Comparison, costs: Sequence[str]) -> str:
    return fill(
        "comparison.html",
        sweep=str(sweep.manifest["sweep"]),
        comparison=found,
        items=plural(item(sweep.manifest["evalsets"])),
        names=("A", "B"),
        alone=_ALONE,
        costs=costs,
        worst=worst_of(found, MOST),
        best=best_of(found, MOST),
        bins={one.name: bins(one.differences) for one in found.sets},
        style=verbatim("style.css"),
    )


def _slug(candidate_id: str, label: str) -> str:
    """A label as part of a file's name; with its id where it had to be cut or is made of other characters."""
    words = label.replace(" · ", "-")
    safe = re.sub(r"[^A-Za-z0-9.]+", "-", words).strip("-.")
    own = re.sub(r"[^A-Za-z0-9]+", "", candidate_id)[:12]
    return safe if safe and len(safe) <= 60 and words.isascii() else f"{safe[:48]}-{own}".strip("-")


def _costs(candidate: Candidate) -> str:
    """`p95 12.3 ms, 1 536 B per document, 820 documents/s`."""
    p95, stored = candidate.costs["query_p95_ms"], candidate.costs["bytes_per_doc"]
    rate = candidate.facts["docs_per_s"]
    given = (("p95 {} ms", p95, number), ("{} B per document", stored, whole), ("{} documents/s", rate, number))
    return ", ".join(text.format(said(value)) for text, value, said in given if value is not None) or "not timed"


def _text(found: Comparison, costs: Sequence[str], page: Path) -> str:
    width = min(_WIDEST, max(_NARROWEST, shutil.get_terminal_size((100, 24)).columns))
    ends = [
        f"{name}  {_line(label)}   {cost}"
        for name, (_, label), cost in zip("AB", (found.first, found.second), costs, strict=True)
    ]
    absent = [f"not on {_line(', '.join(found.absent))}: one of the two has no result there"] if found.absent else []
    lost = [_fitted(line, width) for line in _losses(found)]
    return "\n".join([*ends, "", _table(found), _ALONE, *absent, "", *lost, "", f"Page       {page}"])


def _table(found: Comparison) -> str:
    interval = f"A minus B [{percent(found.confidence)}]"
    head = ["eval set", "metric", "A", "B", interval, "A wins", "ties", "B wins", "verdict"]
    body = [
        [_line(one.name), metric(one.metric), *map(score, one.means), *_counts(one.outcome, found)]
        for one in found.sets
    ]
    if found.overall:
        body.append(["all sets", "", "", "", *_counts(found.overall, found)])
    return columns(head, body)


def _counts(outcome: Outcome, found: Comparison) -> list[str]:
    ends = " to ".join(map(signed, outcome.interval)) if outcome.interval else "a set under 30 items"
    counts = (str(n) for n in (outcome.wins, outcome.ties, outcome.losses))
    return [f"{signed(outcome.difference)} [{ends}]", *counts, verdict(outcome, found.margin, ("A", "B"))]


def _losses(found: Comparison) -> list[str]:
    """The worst of the first candidate, over all sets."""
    worst = worst_of(found, _IN_TERMINAL)
    if not worst:
        return ["A is behind B nowhere"]
    return [f"Where A is furthest behind B ({len(worst)} of {losses(found)})", *chain(*(_loss(*one) for one in worst))]


def _loss(one: Versus, lost: Item) -> list[str]:
    head = f"{signed(lost.difference)}  {_line(one.name)}  {_line(lost.id)}  {_line(lost.text)}"
    if not searched(one.kind):
        return [head, *(f"        with {_told(document)}" for document in lost.wanted)]
    return [head, f"     A  {_side(lost.first)}", f"     B  {_side(lost.second)}"]


def _side(side: Side) -> str:
    rank = side.first_relevant
    found = {None: "", 0: f"; none relevant in the first {side.depth}"}.get(rank, f"; first relevant at {rank}")
    return f"{score(side.score)}{found}; first: {_told(side.documents[0]) if side.documents else 'nothing'}"


def _told(document: Document) -> str:
    return _line(f"{document.id}{f' ({document.label})' if document.label else ''} {document.text}")


def _line(text: str) -> str:
    return " ".join(text.split())


def _fitted(line: str, width: int) -> str:
    return line if cell_len(line) <= width else f"{set_cell_size(line, width - 1).rstrip()}…"
