"""The overview of all sweeps in a real browser: accessible, sortable, still, and no wider than the screen."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from axe_playwright_python.sync_playwright import Axe

from harness.acceptance import with_state
from harness.decide import decide
from harness.overview import write_overview
from harness.policy import read_policy
from harness.store import write_json
from tests.on_disk import keep
from tests.small_sweep import FOUR, small_sweep

pytestmark = pytest.mark.processes
NODE = {"draws": 300}
NAMES = ("javascript:alert(1)", "<img src=x onerror=alert(1)>", "x" * 200, "b\u202ecod", "plain")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five sweeps of harmful names, one without a report, one damaged."""
    place = tmp_path_factory.mktemp("overview")
    results, reports = place / "results", place / "reports"
    for day, name in enumerate(NAMES, 1):
        found = [c | {"mean": c["mean"] - 0.01 * day} for c in FOUR]
        sweep = keep(small_sweep(found), results / name, policy=NODE, created=f"2026-03-0{day}T10:00:00+00:00")
        write_json(reports / name / "decision.json", with_state(sweep, decide(sweep, read_policy(NODE))))
        for file in ("index.html", "decision.md"):
            (reports / name / file).touch()
    keep(small_sweep(), results / "unreported", policy=NODE)
    os.truncate(keep(small_sweep(), results / "broken", policy=NODE).folder / "sweep.json", 30)
    return write_overview(results, reports)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_there_are_no_axe_violations_and_nothing_wider_than_the_screen(
    visit: Callable[..., Any], path: Path, scheme: str, width: int
) -> None:
    found = visit(path, width=width, color_scheme=scheme)
    violations = Axe().run(found.page).response["violations"]
    assert [(v["id"], [node["html"][:120] for node in v["nodes"]]) for v in violations] == []
    assert found.page.evaluate("document.documentElement.scrollWidth") <= width


def test_it_sorts_asks_for_nothing_and_runs_no_name(visit: Callable[..., Any], path: Path) -> None:
    found = visit(path)
    days = "[...document.querySelectorAll('#sweeps tbody tr')].map(row => row.cells[1].textContent.trim())"
    newest = found.page.evaluate(days)
    assert newest == ["2026-03-31", *(f"2026-03-0{day}" for day in (5, 4, 3, 2, 1)), "–"]
    for _ in range(2):
        found.page.get_by_role("button", name="Date").click()
    again = found.page.evaluate(days)
    assert again[0] == "2026-03-01" and again[-1] == "–", "what has no date comes last"
    assert (found.requests, found.errors, found.dialogs) == ([path.as_uri()], [], [])


def test_it_reads_and_links_without_javascript(visit: Callable[..., Any], path: Path) -> None:
    page = visit(path, java_script_enabled=False).page
    assert page.locator("#sweeps tbody tr").count() == 7
    page.get_by_role("link", name="javascript:alert(1)", exact=True).click()
    assert unquote(page.url).endswith("/reports/javascript:alert(1)/index.html")
