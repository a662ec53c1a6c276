"""The section on queries: who stands against whom, the worst losses in folds, and nothing where there are no two."""

from __future__ import annotations

import re
from typing import Any

import pytest

from harness.decide import decide
from harness.excerpts import Excerpt
from harness.report import Report, read_report
from harness.sections.queries import Queries
from harness.table import Sweep
from tests.small_sweep import FOUR, POLICY, candidate, failed, small_sweep

OTHER = "small · mean · 768 · float32"
PICK, REFERENCE = "large · mean · 768 · int8", "large · mean · 768 · float32"


def report_of(sweep: Sweep, **changed: Any) -> Report:
    found = read_report(sweep, decide(sweep, POLICY))
    return found._replace(decision={**found.decision, **changed})


@pytest.fixture(scope="module")
def report() -> Report:
    return report_of(small_sweep())


def titles(report: Report) -> list[str]:
    return re.findall(r"<h3>(.*?)</h3>", Queries().render(report))


def test_the_chosen_stands_against_the_reference_and_the_best_of_another_model(report: Report) -> None:
    assert titles(report) == [
        f"Chosen against the reference: {PICK} against {REFERENCE}",
        f"Chosen against the best of another model: {PICK} against {OTHER}",
    ]


def test_the_cheapest_that_stays_open_is_the_third_and_only_where_it_is_cheaper(report: Report) -> None:
    """The binary one is the cheapest of all."""

    def with_binary(high: float, rank: int) -> Report:
        changed = {"interval": [-0.2, high], "cost_rank": rank}
        entries = [e | changed if e["quantization"] == "binary" else e for e in report.entries]
        return report._replace(decision={**report.decision, "candidates": entries})

    binary = "large · mean · 768 · binary"
    assert titles(with_binary(0.0, 0))[2:] == [f"Chosen against the cheapest that stays open: {PICK} against {binary}"]
    assert len(titles(with_binary(-0.1, 0))) == 2, "it is shown to lie below the margin"
    assert len(titles(with_binary(0.0, 99))) == 2, "it is dearer than the pick"


def test_of_a_single_model_without_anything_open_the_next_most_often_picked_stands_there(report: Report) -> None:
    chosen = [e | {"interval": [-0.2, -0.1]} for e in report.entries if e["model"] == "large"]
    often = [{"id": key, "label": "", "share": 0.5} for key in ("id00", "id02")]
    alone = {**report.decision, "candidates": chosen, "pick": "id00", "reference": "id00", "same_pick": often}
    binary = "large · mean · 768 · binary"
    assert titles(report._replace(decision=alone)) == [f"Chosen against the next: {REFERENCE} against {binary}"]


def test_without_a_pick_the_reference_stands_against_the_others(report: Report) -> None:
    open_ = report._replace(decision={**report.decision, "pick": None, "same_pick": []})
    assert titles(open_) == [f"Reference against the best of another model: {REFERENCE} against {OTHER}"]


def test_won_tied_and_lost_add_up_on_every_set() -> None:
    html = Queries().render(report_of(small_sweep(tasks=("a", "b"))))
    lines = re.findall(r"<td class=\"n\">(\d+)</td>" * 3 + r"<td><span class=\"wtl\"", html)
    assert [sum(map(int, line)) for line in lines] == [60, 60, 120] * 2


def test_there_is_nothing_to_compare_with_a_single_result() -> None:
    assert Queries().render(report_of(small_sweep(FOUR[:1]))) == ""
    sweep = small_sweep(FOUR[:2])
    assert Queries().render(report_of(failed(failed(sweep, 0, "gone"), 1, "gone"))) == ""


def kept(query: str, document: str, how: str = "full") -> dict[str, Excerpt]:
    items = [f"item {n}" for n in range(1, 61)]
    documents = {at: (f"d{at}", document) for at in range(10)}
    return {"helpdesk": Excerpt(dict.fromkeys(items, query), documents, {i: {0: 2, 1: 0} for i in items}, how)}


def test_losses_are_folded_with_both_top_three_and_what_is_said_of_them(report: Report) -> None:
    html = Queries().render(report._replace(excerpts=kept("How do I reset it?", "Press the button.")))
    fold = re.findall(r"<details>.*?</details>", html, re.DOTALL)[0]
    assert "How do I reset it?" in fold
    assert fold.count("Press the button.") == 6
    assert [fold.count(word) for word in ("grade 2", "grade 0", "not judged")] == [2, 2, 2]
    assert html.count("<details>") <= 60
    assert "query_text" not in html


def test_hostile_and_right_to_left_texts_stay_texts(report: Report) -> None:
    html = Queries().render(
        report._replace(excerpts=kept("</bdi><script>alert(1)</script>", "\u05e9\u05dc\u05d5\u05dd"))
    )
    assert "<script" not in html and "&lt;/bdi&gt;" in html
    assert '<bdi dir="auto">\u05e9\u05dc\u05d5\u05dd</bdi>' in html


@pytest.mark.parametrize(("how", "said"), [("hashed", "shown as hashes"), ("none", "left out")])
def test_hidden_texts_are_said_to_be_hidden_and_how_to_see_them(report: Report, how: str, said: str) -> None:
    html = Queries().render(report._replace(excerpts=kept("", "", how)))
    assert f"Texts are {said} here" in html and "report.query_text=full" in html


def test_a_sweep_from_before_there_were_texts_says_how_to_have_them(report: Report) -> None:
    html = Queries().render(report._replace(excerpts={}))
    assert "No texts lie beside the records: run the same command again" in html


def test_sets_that_rank_nothing_say_what_a_value_is() -> None:
    found = small_sweep(tasks=("alike",), types={"alike": "sts"})
    html = Queries().render(report_of(found))
    assert '<h2 id="queries-title">Pairs</h2>' in html
    assert "an item's value is what it adds to the score" in html
    assert "<ol>" not in html


def test_sixty_candidates_on_five_sets_take_a_fraction_of_a_page() -> None:
    many = [candidate(f"model-{n}", "float32", 0.5 + n / 1000, 1000 + n) for n in range(12)]
    sweep = small_sweep(many, tasks=[f"set-{n}" for n in range(5)], noise=0.1)
    texts = kept("q" * 300, "d" * 240)["helpdesk"]
    html = Queries().render(report_of(sweep)._replace(excerpts={f"set-{n}": texts for n in range(5)}))
    assert len(html.encode()) < 200_000
