"""What the page says of the eval sets: sizes, findings by level, what was not checked, and places without folders."""

import re

import pytest

from harness.decide import decide
from harness.report import read_report
from harness.sections.data_health import DataHealth
from tests.small_sweep import POLICY, small_sweep


def test_data_health_counts_sets_judgements_cuts_and_findings() -> None:
    sweep = small_sweep(tasks=("helpdesk", "scifact"))
    sweep.manifest["evalsets"]["scifact"]["notes"] = [
        {"code": "dangling", "level": "warning", "place": "q.tsv:3", "message": "judged document is absent",
         "effect": "caps recall", "fix": "restore it", "count": 1234}
    ]  # fmt: skip
    html = DataHealth().render(read_report(sweep, decide(sweep, POLICY)))
    for text in (
        "helpdesk",
        "scifact",
        "judged document is absent",
        "1\u202f234",
        "caps recall",
        "90 %",
        "10 %",
        "3.00",
    ):
        assert text in html


def test_findings_stand_by_level_and_long_lists_are_folded() -> None:
    sweep = small_sweep()
    base = {"place": "", "effect": "", "fix": "", "count": 1}
    levels = ["info", *["warning"] * 14, "error"]
    notes = [base | {"code": "c", "level": level, "message": f"met {n}"} for n, level in enumerate(levels)]
    sweep.manifest["evalsets"]["helpdesk"]["notes"] = [
        n | {"example": "d17"} if n["level"] == "error" else n for n in notes
    ]
    html = DataHealth().render(read_report(sweep, decide(sweep, POLICY)))
    captions = re.findall(r"<caption>([\w ]+)", html[html.index("<h3>Findings") :])
    assert captions == ["Errors", "Warnings", "Warnings", "For information"]
    assert "<summary>2 more warnings</summary>" in html and "<summary>1 for information</summary>" in html
    assert "d17" in html and all(f"met {n}" in html for n in range(16))


def test_what_was_not_checked_and_a_failed_doctor_are_no_findings() -> None:
    sweep = small_sweep(tasks=("helpdesk", "scifact"))
    base = {"level": "info", "place": "", "effect": "none", "fix": "", "count": 1}
    always = base | {"code": "not-checked", "message": "whether labels are right"}
    own = base | {"code": "not-checked", "message": "texts over a limit"}
    sweep.manifest["evalsets"]["helpdesk"]["notes"] = [always, own]
    html = DataHealth().render(read_report(sweep, decide(sweep, POLICY)))
    assert "<li>Whether labels are right <" in html, "of one set alone"
    sweep.manifest["evalsets"]["scifact"]["notes"] = [always]
    html = DataHealth().render(read_report(sweep, decide(sweep, POLICY)))
    assert "<li>Whether labels are right</li>" in html
    assert '<li>Texts over a limit <span class="note">(helpdesk)</span></li>' in html
    assert "The checks found nothing to report." in html and "for information" not in html
    broken = base | {"code": "doctor-failed", "message": "the data doctor failed: OSError: /elsewhere/sets/q.tsv:3"}
    sweep.manifest["evalsets"]["scifact"]["notes"] = [broken]
    html = DataHealth().render(read_report(sweep, decide(sweep, POLICY)))
    assert "scifact: the data doctor failed: OSError: q.tsv:3." in html and "nothing to report" not in html


@pytest.mark.parametrize(
    ("places", "shown"),
    [
        (["/a b/sets/a", "/a b/sets/a/qrels/test.tsv:3"], ["a", "qrels/test.tsv:3"]),
        (["/elsewhere/queries.jsonl:3"], ["queries.jsonl:3"]),
        (["/elsewhere/q.tsv", '/elsewhere/q.tsv (document "d/1")'], ["q.tsv", "q.tsv (document &#34;d/1&#34;)"]),
        (["/elsewhere/q.tsv:1", "/other/sets/d.tsv:2"], ["q.tsv:1", "d.tsv:2"]),
        (["tasks/a/q.tsv:1", "mteb/SciFact", ""], ["tasks/a/q.tsv:1", "mteb/SciFact", ""]),
    ],
)
def test_no_place_names_the_folders_of_who_made_the_page(places: list[str], shown: list[str]) -> None:
    sweep = small_sweep()
    base = {"code": "c", "level": "warning", "message": "m", "effect": "", "fix": "", "count": 1}
    sweep.manifest["evalsets"]["helpdesk"]["notes"] = [base | {"place": place} for place in places]
    html = DataHealth().render(read_report(sweep, decide(sweep, POLICY)))
    assert re.findall(r"<td>m <code>(.*?)</code>", html) == shown
