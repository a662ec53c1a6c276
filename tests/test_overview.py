"""The overview of all sweeps: from what lies on disk, damaged or not; the same files give the same bytes."""

from __future__ import annotations

import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from harness import cli
from harness.acceptance import accept, with_state
from harness.decide import decide
from harness.overview import Line, overview, write_overview
from harness.policy import read_policy
from harness.store import read_json, write_json
from harness.table import Sweep, read_sweep
from tests.on_disk import keep
from tests.small_sweep import FOUR, small_sweep

NODE = {"draws": 300}
RESULTS, REPORTS = Path("results"), Path("reports")
HOSTILE = '<img src=x onerror=alert(1)>"\u202e'


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def harness(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["harness", *words])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return int(caught.value.code or 0)


def reported(name: str, created: str = "2026-03-31", **about: Any) -> Sweep:
    """A sweep and its report: decision.json as it is, of the page and the record that they are there."""
    sweep = keep(small_sweep(**about), RESULTS / name, policy=NODE, created=f"{created}T10:00:00+00:00")
    decision = with_state(sweep, decide(sweep, read_policy(NODE)))
    write_json(REPORTS / name / "decision.json", decision)
    for file in ("index.html", "decision.md"):
        (REPORTS / name / file).touch()
    return sweep


def accepted(name: str, by: str, replaced: Path | None = None) -> None:
    accept(read_sweep(RESULTS / name), NODE, by, replaced)
    sweep = read_sweep(RESULTS / name)
    write_json(REPORTS / name / "decision.json", with_state(sweep, decide(sweep, read_policy(NODE))))


def written() -> str:
    return write_overview(RESULTS, REPORTS).read_text()


def lines() -> dict[str, Line]:
    return {line.name: line for line in overview(RESULTS, REPORTS)}


class Elements(HTMLParser):
    """Start tags with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_every_sweep_has_a_line_with_what_was_decided_newest_first() -> None:
    reported("older", "2026-01-05", tasks=("a", "b", "c", "d", "e"))
    reported("newer", "2026-02-05")
    assert list(lines()) == ["newer", "older"]
    found = lines()["newer"]
    assert (found.created[:10], found.sets, found.configurations, found.status) == (
        "2026-02-05", "helpdesk", 4, "decided",
    )  # fmt: skip
    assert (found.pick, found.score, found.metric) == ("large · mean · 768 · int8", pytest.approx(0.598), "nDCG@10")
    assert (found.state, found.page, found.record, found.note) == (
        "proposed", "./newer/index.html", "./newer/decision.md", "",
    )  # fmt: skip
    assert lines()["older"].sets == "a, b, c and 2 others"
    assert written().index("newer") < written().index("older")


def test_the_state_says_who_accepted_and_what_superseded_it() -> None:
    reported("first")
    reported("second")
    accepted("first", "Ada")
    assert lines()["first"].state.startswith("accepted by Ada on 20")
    accepted("second", "Bo", RESULTS / "first")
    assert lines()["first"].state == "superseded by second"
    assert lines()["second"].state.startswith("accepted by Bo on 20")


def test_a_sweep_without_a_report_says_how_to_make_it() -> None:
    keep(small_sweep(), RESULTS / "my sweep", policy=NODE)
    assert lines()["my sweep"].note == "no report yet: harness report 'my sweep'"
    assert lines()["my sweep"].configurations == 4
    reported("other")
    assert "no report yet" in written()


def test_a_report_whose_sweep_is_elsewhere_and_one_that_is_old_say_so() -> None:
    reported("gone")
    shutil.rmtree(RESULTS / "gone")
    assert lines()["gone"].note == "a report alone; its records are not here"
    reported("old")
    keep(small_sweep(FOUR[:2]), RESULTS / "old", policy=NODE, created="2026-07-01T00:00:00+00:00")
    assert "of an earlier state of the sweep: harness report old" in lines()["old"].note


@pytest.mark.parametrize(
    ("file", "text", "note"),
    [
        ("results/s/sweep.json", "{broken", "damaged: sweep.json is not a JSON object"),
        ("results/s/sweep.json", "{}", "damaged: KeyError 'created'"),
        ("results/s/sweep.json", "[1]", "damaged"),
        ("results/s/sweep.json", None, "damaged: sweep.json is missing"),
        ("results/s/accepted.json", "x", "damaged: accepted.json cannot be read"),
        ("results/s/accepted.json", '{"schema": 1, "accepted": {}}', "damaged: accepted.json cannot be read"),
        ("reports/s/decision.json", "\x00", "its decision.json cannot be read: harness report s"),
        ("reports/s/decision.json", '{"candidates": 3}', "its decision.json cannot be read"),
    ],
)
def test_a_damaged_sweep_or_report_has_a_line_that_says_so(file: str, text: str | None, note: str) -> None:
    reported("s")
    Path(file).unlink(missing_ok=True)
    if text is not None:
        Path(file).write_text(text)
    assert note in lines()["s"].note and "/" not in lines()["s"].note
    reported("good")
    assert note.replace("'", "&#39;") in written()


@pytest.mark.parametrize("supersedes", [3, None])
def test_acceptances_of_another_kind_are_one_sweeps_damage_and_the_others_keep_their_lines(supersedes: Any) -> None:
    reported("bad")
    reported("good")
    accepted("bad", "Ada")
    accepted("good", "Bo")
    held = read_json(RESULTS / "bad" / "accepted.json")
    held["accepted"][0]["supersedes"] = supersedes
    write_json(RESULTS / "bad" / "accepted.json", held)
    assert "damaged: accepted.json cannot be read (acceptance 1: supersedes=" in lines()["bad"].note
    assert (lines()["good"].note, lines()["good"].state[:14]) == ("", "accepted by Bo")


def test_signed_records_and_comparisons_are_linked_and_nothing_else_that_lies_there() -> None:
    reported("a b")
    files = ("decision-0123456789ab.md", "compare-x-vs-y.html", "decision-draft.md", "notes.html")
    for file in files:
        (REPORTS / "a b" / file).touch()
    found = lines()["a b"]
    assert found.signed == ((files[0], f"./a%20b/{files[0]}"),)
    assert found.compared == (("x-vs-y", f"./a%20b/{files[1]}"),)
    links = [attrs.get("href") for tag, attrs in Elements(written()).tags if tag == "a"]
    assert [f"./a%20b/{file}" in links for file in files] == [True, True, False, False]


def test_nothing_at_all_is_a_page_that_says_how_to_begin() -> None:
    html = write_overview(RESULTS, REPORTS).read_text()
    assert "There is no sweep yet" in html and "<table" not in html


def test_the_same_files_give_the_same_bytes() -> None:
    reported("b")
    reported("a")
    assert written() == written()


def test_it_is_written_with_every_report_but_not_with_one_that_goes_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    reported("a")
    assert harness(monkeypatch, "report", "a", "-o", "elsewhere") == 0
    assert not (REPORTS / "index.html").exists()
    harness(monkeypatch, "decide", "a", "--accept", "--by", "Ada")
    assert "accepted by Ada" in (REPORTS / "index.html").read_text()


def test_hostile_names_are_text_and_links_stay_paths() -> None:
    for name in ("javascript:alert(1)", HOSTILE.replace("/", "")):
        reported(name, found=[c | {"model": HOSTILE} for c in FOUR], tasks=(HOSTILE,))
        accepted(name, HOSTILE)
    html = written()
    tags = Elements(html).tags
    assert not [tag for tag, attrs in tags if tag == "img" or any(name.startswith("on") for name in attrs)]
    assert [tag for tag, _ in tags].count("script") == 1
    links = [attrs["href"] for tag, attrs in tags if tag == "a" and attrs.get("class") != "skip"]
    assert len(links) == 4
    assert all((REPORTS / unquote(link or "")).exists() and link.startswith("./") for link in links if link)


def test_it_fetches_nothing_and_every_table_is_labelled() -> None:
    reported("a")
    html = written()
    assert "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:" in html
    tags = Elements(html).tags
    assert not [attrs for _, attrs in tags if "src" in attrs]
    assert [attrs.get("scope") for tag, attrs in tags if tag == "th"].count(None) == 0
    assert html.count("<table") == html.count("<caption") == 1
