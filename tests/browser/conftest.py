"""A real Chromium, and what a page did in it. Without one the tests are skipped, on CI they fail."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from harness.decide import decide
from harness.report import read_report, render_page
from harness.table import Sweep
from tests.browser.sweeps import POLICY


class Visit(NamedTuple):
    """An open page, and the addresses, console errors and dialogs that it caused."""

    page: Any
    requests: list[str]
    errors: list[str]
    dialogs: list[str]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One Chromium for all tests of a file."""
    found = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )
    if found is None:
        missing = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        missing("no chromium, chromium-browser or google-chrome on PATH; make browser installs one")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def page_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Sweep], Path]:
    """Writes the page of a sweep, decided under the tests' policy."""

    def write(sweep: Sweep) -> Path:
        path = tmp_path_factory.mktemp("page") / "index.html"
        path.write_text(render_page(read_report(sweep, decide(sweep, POLICY))), encoding="utf-8")
        return path

    return write


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Visit]]:
    """Opens a page: `visit(path, width=1280, color_scheme="dark", ...)`; the rest as playwright's new_context takes it."""
    contexts = []

    def opened(path: Path, width: int = 1280, **options: Any) -> Visit:
        contexts.append(browser.new_context(viewport={"width": width, "height": 900}, **options))
        found = Visit(contexts[-1].new_page(), [], [], [])
        found.page.on("request", lambda request: found.requests.append(request.url))
        found.page.on("pageerror", lambda error: found.errors.append(str(error)))
        found.page.on("console", lambda said: found.errors.append(said.text) if said.type == "error" else None)
        found.page.on("dialog", lambda dialog: (found.dialogs.append(dialog.message), dialog.dismiss()))
        found.page.goto(path.as_uri())
        return found

    yield opened
    for context in contexts:
        context.close()
