"""The page in a real Chromium: small, accessible, silent, printable, narrow, and no less without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Visit
from tests.browser.sweeps import hostile, sixty

pytestmark = pytest.mark.processes
A4 = (688, 1017)  # pixels inside margins of 14 mm


@pytest.fixture(scope="module")
def path(page_of: Callable[[Any], Path]) -> Path:
    return page_of(sixty())


@pytest.fixture(scope="module")
def harmful(page_of: Callable[[Any], Path]) -> Path:
    return page_of(hostile())


def wider_than_the_window(page: Any) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def test_the_page_of_sixty_configurations_is_under_a_megabyte(path: Path) -> None:
    assert path.read_text(encoding="utf-8").count('<tr data-c="') >= 60
    assert path.stat().st_size < 1_000_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing(visit: Callable[..., Visit], path: Path, scheme: str, width: int) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = visit(path, width, color_scheme=scheme).page
    page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
    if (scheme, width) != ("dark", 1280):  # once as it is; then with the rows of long tables that differ
        page.evaluate(
            "document.querySelectorAll('tbody tr:nth-child(n+8):not(.chosen, .lost)').forEach(r => r.remove())"
        )
    found = Axe().run(page).response["violations"]
    assert [(v["id"], [node["html"][:150] for node in v["nodes"][:3]]) for v in found] == []


def test_it_asks_for_nothing_but_itself_and_reports_no_error(visit: Callable[..., Visit], path: Path) -> None:
    seen = visit(path)
    seen.page.wait_for_timeout(200)
    assert seen.requests == [path.as_uri()]
    assert seen.errors == []


def test_what_it_tries_to_fetch_is_refused(visit: Callable[..., Visit], path: Path, tmp_path: Path) -> None:
    wicked = tmp_path / "wicked.html"
    more = '<img src="https://example.com/x.png"><link rel="stylesheet" href="https://example.com/x.css"></main>'
    wicked.write_text(path.read_text(encoding="utf-8").replace("</main>", more), encoding="utf-8")
    seen = visit(wicked)
    assert len(seen.errors) == 2 and all("Content Security Policy" in error for error in seen.errors)


def test_without_javascript_decision_and_table_are_there(visit: Callable[..., Visit], path: Path) -> None:
    page = visit(path, java_script_enabled=False).page
    assert page.locator("#decision h2").inner_text().startswith("Use ")
    assert page.locator("#all tbody tr").count() == 60
    assert page.locator("#all tbody tr").first.locator(":scope > :visible").count() == 10
    assert page.locator("noscript p").bounding_box()["height"] > 0
    assert not page.locator("form.filter").is_visible(), "what needs a script is not offered"


def sheets(page: Any) -> int:
    """How many pages it prints on."""
    return len(re.findall(rb"/Type /Page\b", page.pdf(format="A4", prefer_css_page_size=True)))


@pytest.mark.parametrize("caveats", [True, False])
def test_paper_has_the_decision_and_its_caveats_alone_on_its_first_page(
    visit: Callable[..., Visit], path: Path, caveats: bool
) -> None:
    page = visit(path, A4[0]).page
    assert page.locator("main > :nth-child(-n+4)").evaluate_all("found => found.map(e => e.id)")[2:] == [
        "decision",
        "caveats",
    ]
    page.evaluate("document.querySelectorAll('main > #caveats ~ *').forEach(e => e.remove())")
    if not caveats:
        page.evaluate("document.getElementById('caveats').remove()")
    assert sheets(page) == 1
    page.evaluate("document.querySelector('main').insertAdjacentHTML('beforeend', '<section>Why</section>')")
    assert sheets(page) == 2


def test_paper_is_white_as_wide_as_its_text_and_has_what_folds_and_boxes_hold(
    visit: Callable[..., Visit], path: Path
) -> None:
    page = visit(path, A4[0], color_scheme="dark").page
    page.emulate_media(media="print")
    fold = page.locator("#data-health details")
    assert fold.evaluate_all("folds => folds.some(f => f.open)") is False
    assert fold.locator("table").evaluate_all("t => t.every(t => t.checkVisibility({contentVisibilityAuto: true}))")
    assert page.locator("#timing-health details", has_text="measurements").is_hidden()
    assert page.locator("#all").evaluate("t => t.parentElement.scrollHeight - t.parentElement.clientHeight") <= 2
    # a button would be painted on the first page of its table alone
    assert page.locator("#all th button").first.evaluate("b => getComputedStyle(b).display") == "contents"
    assert not page.locator("nav").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert wider_than_the_window(page) <= 0


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", ["path", "harmful"])
def test_the_page_itself_never_scrolls_sideways(
    visit: Callable[..., Visit], request: pytest.FixtureRequest, name: str, width: int
) -> None:
    page = visit(request.getfixturevalue(name), width).page
    page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
    assert wider_than_the_window(page) <= 0


def test_the_keyboard_reaches_skip_link_navigation_and_headings_and_shows_where_it_is(
    visit: Callable[..., Visit], path: Path
) -> None:
    page = visit(path).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the decision"
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.locator("#all th button").nth(2).focus()
    page.keyboard.press("Enter")
    assert page.locator("#all th[aria-sort]").get_attribute("aria-sort") == "descending"


def test_a_box_that_holds_more_fades_at_that_edge_and_no_longer_at_its_end(
    visit: Callable[..., Visit], path: Path
) -> None:
    page = visit(path, 390).page
    box = page.locator("#configurations .tall")
    faded = "e => ['on-right', 'on-below'].map(name => e.classList.contains(name))"
    assert box.evaluate(faded) == [True, True]
    assert page.locator("#change .scroll").evaluate(faded) == [False, False]
    name = box.locator("tbody th").first
    before = name.bounding_box()["x"]
    box.evaluate("e => e.scrollTo(e.scrollWidth, 0)")
    page.wait_for_function("!document.querySelector('#configurations .tall').classList.contains('on-right')")
    assert name.bounding_box()["x"] == before, "the name stays beside the numbers"
    assert box.locator("caption").bounding_box()["width"] < 390
    assert box.evaluate(faded) == [False, True]


@pytest.mark.parametrize("width", [390, 1280])
def test_every_difference_can_be_seen_whatever_the_width(visit: Callable[..., Visit], path: Path, width: int) -> None:
    page = visit(path, width).page
    dots, plot = page.locator("#why .bars .dot"), page.locator("#why svg.plot")
    assert plot.is_visible() == (width == 1280)
    assert dots.first.is_visible() == (width == 390)
    assert dots.count() == plot.locator("g[data-c]").count() == 30
    lefts = dots.evaluate_all("found => found.map(e => e.getBoundingClientRect().left)")
    assert width == 1280 or (min(lefts) > 0 and max(lefts) < 390 and lefts == sorted(lefts, reverse=True))


def test_nothing_moves_by_itself(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not any(word in text for word in ("transition:", "animation:", "scroll-behavior"))


def test_no_label_of_a_plot_lies_over_another(visit: Callable[..., Visit], path: Path) -> None:
    page = visit(path).page
    for plot in page.locator("svg.plot").all():
        boxes = plot.evaluate(
            "svg => [...svg.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()])"
            ".map(([s, b]) => [s, b.left + 1, b.top + 3, b.right - 1, b.bottom - 3])"
        )
        over = [
            (a[0], b[0])
            for i, a in enumerate(boxes)
            for b in boxes[i + 1 :]
            if a[1] < b[3] and b[1] < a[3] and a[2] < b[4] and b[2] < a[4]
        ]
        assert over == []


def test_harmful_names_run_nothing_and_stay_text(visit: Callable[..., Visit], harmful: Path) -> None:
    seen = visit(harmful)
    seen.page.wait_for_timeout(200)
    assert (seen.dialogs, seen.errors, seen.requests) == ([], [], [harmful.as_uri()])
    assert seen.page.locator("img, main a[href^='javascript']").count() == 0
    shown = seen.page.locator("#all").inner_text()
    assert "<img src=x onerror=alert(1)>" in shown and "javascript:alert(1)" in shown
    assert not any(sign in seen.page.content() for sign in ("\x1b", "\u202e"))
    assert seen.page.locator("#all tbody tr").evaluate_all("rows => Math.max(...rows.map(r => r.offsetHeight))") < 900
