"""The page of a sweep with every kind of timing in a real Chromium: accessible, narrow, on paper, without JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Visit
from tests.timed_sweep import timed_sweep, unfit

pytestmark = pytest.mark.processes
SECTIONS = ("throughput", "stages", "memory", "timing-health", "cold-start", "serving")


@pytest.fixture(scope="module")
def path(page_of: Callable[[Any], Path]) -> Path:
    """One model is a faster path, so that the column of its parity is shown; one batch size was lost."""
    sweep = unfit(timed_sweep(), "small", 512)
    for variant in sweep.manifest["variants"]:
        if variant["model"] == "small":
            variant["model"] = "small bfloat16"
    return page_of(sweep)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_there_are_no_axe_violations_and_nothing_wider_than_the_screen(
    visit: Callable[..., Visit], path: Path, scheme: str, width: int
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = visit(path, width, color_scheme=scheme).page
    page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
    found = Axe().run(page).response["violations"]
    assert [(v["id"], [node["html"][:150] for node in v["nodes"][:3]]) for v in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_every_section_is_there_without_javascript_and_asks_for_nothing(
    visit: Callable[..., Visit], path: Path
) -> None:
    seen = visit(path, java_script_enabled=False)
    assert all(seen.page.locator(f"#{name} h2").is_visible() for name in SECTIONS)
    assert seen.page.locator("#throughput li").first.is_visible()
    assert seen.requests == [path.as_uri()]


def test_parity_is_a_column_that_is_seen_at_once_and_can_be_put_away(visit: Callable[..., Visit], path: Path) -> None:
    page = visit(path).page
    head = page.locator("#all thead th", has_text="Against float32")
    assert head.is_visible()
    assert page.locator("#all tbody tr").first.locator(":scope > :visible").count() == 11
    page.locator("summary", has_text="Columns").click()
    page.get_by_label("Against float32", exact=True).uncheck()
    assert not head.is_visible()


def test_on_paper_nothing_is_cut_off(visit: Callable[..., Visit], path: Path) -> None:
    page = visit(path, 688).page
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    wide = "boxes => boxes.filter(b => b.scrollWidth > b.clientWidth + 2).map(b => b.getAttribute('aria-label'))"
    boxes = page.locator(", ".join(f"#{name} .scroll:visible" for name in SECTIONS))
    assert boxes.count() >= 7 and boxes.evaluate_all(wide) == []


def test_no_label_of_a_plot_lies_over_another(visit: Callable[..., Visit], path: Path) -> None:
    page = visit(path).page
    for plot in page.locator(":is(#throughput, #serving) svg.plot").all():
        boxes = plot.evaluate(
            "svg => [...svg.querySelectorAll('text')].map(t => t.getBoundingClientRect())"
            ".map(b => [b.left + 1, b.top + 3, b.right - 1, b.bottom - 3])"
        )
        over = [
            (a, b)
            for i, a in enumerate(boxes)
            for b in boxes[i + 1 :]
            if a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
        ]
        assert over == []
