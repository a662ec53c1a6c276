"""The table of all configurations in a real Chromium: sorting, filter, columns, CSV, and its links with the plots."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Visit
from tests.browser.sweeps import HOSTILE, five_hundred, hostile, sixty

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def path(page_of: Callable[[Any], Path]) -> Path:
    return page_of(sixty())


@pytest.fixture
def page(visit: Callable[..., Visit], path: Path) -> Any:
    return visit(path).page


def column(page: Any, heading: str) -> list[str]:
    """The shown cells under a heading, from top to bottom; what is missing is empty."""
    heads = [text.strip() for text in page.locator("#all thead th").all_text_contents()]
    at = heads.index(heading)
    rows = "rows => rows.filter(r => !r.hidden).map(r => r.cells[{0}].dataset.v ?? r.cells[{0}].textContent)"
    return page.locator("#all tbody tr").evaluate_all(rows.format(at))


def click(page: Any, heading: str) -> None:
    page.locator("#all th button", has_text=heading).first.click()


def downloaded(page: Any, to: Path) -> list[list[str]]:
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download as CSV").click()
    waiting.value.save_as(to)
    raw = to.read_bytes()
    assert raw.count(b"\r\n") == raw.count(b"\n") and raw.endswith(b"\r\n")
    with to.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize(("heading", "reverse"), [("B/doc", False), ("Weighted mean nDCG@10", True), ("docs/s", True)])
def test_the_first_click_sorts_the_useful_way_and_missing_values_stay_last(
    page: Any, heading: str, reverse: bool
) -> None:
    for turned in (reverse, not reverse):
        click(page, heading)
        values = [float(v) for v in column(page, heading) if v]
        assert values == sorted(values, reverse=turned)
        if heading != "docs/s":  # the failed one has no score, and no cost that a decision knows
            assert column(page, heading)[-1] == ""


def test_names_sort_as_people_count(page: Any) -> None:
    click(page, "Configuration")
    names = [name.removeprefix("▶ ") for name in column(page, "Configuration")]
    assert names.index("all-MiniLM-L6-v2 · mean · 128 · binary") < names.index("all-MiniLM-L6-v2 · mean · 384 · binary")
    assert names[0].startswith("all-MiniLM") and names[-1].startswith("nomic")


def test_the_filter_wants_every_word_and_says_how_many_are_left(page: Any) -> None:
    page.get_by_role("searchbox").fill("INT8 bge")
    assert len(column(page, "Configuration")) == 3
    assert page.locator("output").inner_text() == "3 of 60 shown"
    page.get_by_role("searchbox").fill("memory")
    assert "CUDA out of memory" in column(page, "Why not")[0]
    page.get_by_role("searchbox").fill("")
    page.get_by_label("only those that meet every limit").check()
    assert 0 < len(column(page, "Configuration")) < 60 and "" not in column(page, "Difference")


def test_columns_are_chosen_with_the_keyboard(page: Any) -> None:
    head = page.locator("#all thead th", has_text="scifact")
    assert not head.is_visible()
    page.locator("summary", has_text="Columns").focus()
    page.keyboard.press("Enter")
    page.get_by_label("scifact", exact=True).focus()
    page.keyboard.press("Space")
    page.get_by_label("Batch", exact=True).press("Space")
    assert head.is_visible()
    assert not page.locator("#all thead th", has_text="Batch").is_visible()
    assert page.locator("#all tbody tr").first.locator(":scope > :visible").count() == 10


def test_the_download_is_what_is_shown_with_numbers_as_numbers(page: Any, tmp_path: Path) -> None:
    page.locator("summary", has_text="Columns").click()
    page.get_by_label("Candidate id", exact=True).check()
    page.get_by_label("Batch", exact=True).uncheck()
    page.get_by_role("searchbox").fill("gte")
    click(page, "B/doc")
    head, *rows = downloaded(page, tmp_path / "shown.csv")
    assert len(rows) == 12 and {len(row) for row in rows} == {10}
    assert "Batch" not in head and head[-1] == "Candidate id"
    assert [float(row[head.index("B/doc")]) for row in rows] == sorted(float(v) for v in column(page, "B/doc"))
    worst = [row[head.index("At worst")] for row in rows]
    assert min(float(value) for value in worst if value) < 0, "no quote before a minus"
    assert max(map(len, worst)) > len("-0.012"), "more digits than are shown"


def test_a_spreadsheet_computes_nothing_of_a_downloaded_name(
    visit: Callable[..., Visit], page_of: Callable[[Any], Path], tmp_path: Path
) -> None:
    _, *rows = downloaded(visit(page_of(hostile())).page, tmp_path / "hostile.csv")
    assert len(rows) == 4 * len(HOSTILE)
    texts = [row[0] for row in rows] + [row[-1] for row in rows]
    assert not any(text[:1] in tuple("=+-@\t\r\n") and text for text in texts)
    assert sum(text.startswith('\'=HYPERLINK("http://example.com")') for text in texts) == 4


def test_a_row_and_its_points_light_up_together_and_a_point_leads_to_its_row(page: Any) -> None:
    row = page.locator("#all tr.chosen")
    key = row.get_attribute("data-c")
    row.locator("td").nth(2).hover()
    assert page.locator(f"g.lit[data-c={key}]").count() >= 3
    page.get_by_role("searchbox").fill("nothing is called so")
    page.locator(f"#tradeoffs g[data-c={key}]").first.dispatch_event("click")
    assert row.is_visible() and "pinned" in row.get_attribute("class")
    assert page.evaluate("document.activeElement.dataset.c") == key


def test_five_hundred_rows_sort_in_an_instant(visit: Callable[..., Visit], page_of: Callable[[Any], Path]) -> None:
    path = page_of(five_hundred())
    assert path.stat().st_size < 3_000_000
    page = visit(path).page
    timed = "button => { const start = performance.now(); button.click(); return performance.now() - start; }"
    button = page.locator("#all th button", has_text="B/doc")
    assert min(button.evaluate(timed) for _ in range(7)) < 100, "milliseconds of script, on a machine with other work"
    assert len(column(page, "B/doc")) == 500
