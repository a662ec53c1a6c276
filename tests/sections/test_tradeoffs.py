"""The plots of quality against cost: who is hollow, what the marks mean, and what is left out where nothing was timed."""

import re

import pytest

from harness.decide import decide
from harness.policy import Policy
from harness.report import Report, read_report
from harness.sections.tradeoffs import Tradeoffs
from harness.shapes import shape_of
from tests.small_sweep import FOUR, POLICY, candidate, small_sweep


@pytest.fixture(scope="module")
def report() -> Report:
    sweep = small_sweep()
    return read_report(sweep, decide(sweep, POLICY))


def test_hollow_marks_are_those_that_somebody_faster_and_better_beats(report: Report) -> None:
    html = Tradeoffs().render(report)
    plot = html[html.index('aria-label="Mean nDCG@10 against query p95') :]
    plot = plot[: plot.index("</svg>")]
    keys = report.keys
    drawn = re.findall(r'data-c="(c\d+)".*?<use [^>]*style="([^"]*)"', plot, re.S)
    hollow = {key for key, style in drawn if "fill-opacity: 0" in style}
    assert len(drawn) == 4
    beaten = {e["id"] for e in report.entries if e["quantization"] in ("binary",)}
    assert {keys[i] for i in beaten} <= hollow
    assert keys[report.decision["reference"]] not in hollow
    assert keys[next(e["id"] for e in report.entries if e["model"] == "small")] not in hollow


def filled(report: Report) -> set[str]:
    """The quantizations whose marks against latency are filled."""
    html = Tradeoffs().render(report)
    plot = html[html.index('aria-label="Mean nDCG@10 against query p95') :]
    drawn = re.findall(r'data-c="(c\d+)".*?<use [^>]*style="([^"]*)"', plot[: plot.index("</svg>")], re.S)
    names = {key: e["quantization"] for e in report.entries for key in [report.keys[e["id"]]]}
    return {names[key] for key, style in drawn if "fill-opacity: 0" not in style}


@pytest.mark.parametrize(
    ("upper", "expected"),
    [
        (None, {"float32", "int8", "int4"}),
        (10.0, {"float32", "int8", "int4"}),
        (10.25, {"float32", "int8"}),
        (40.0, {"float32"}),
    ],
)
def test_who_is_faster_by_less_than_the_spread_is_no_frontier(upper: float | None, expected: set[str]) -> None:
    """Better and slower by 0.1 %, 1.5 % and two thirds; the 1 % that counts as equal holds without any spread."""
    kinds = {"float32": (0.60, 30.0), "int8": (0.55, 10.2), "int4": (0.50, 10.05), "binary": (0.40, 10.04)}
    found = [candidate("large", kind, score, 100, p95) for kind, (score, p95) in kinds.items()]
    sweep = small_sweep(found)
    report = read_report(sweep, decide(sweep, Policy(draws=300)))
    entries = [e | {"costs": e["costs"] | {"query_p95_ms_upper": upper}} for e in report.entries]
    assert filled(report._replace(decision={**report.decision, "candidates": entries, "pick": None})) == expected


def test_what_was_not_timed_is_plotted_against_size_alone() -> None:
    sweep = small_sweep([c | {"p95": None} for c in FOUR])
    html = Tradeoffs().render(read_report(sweep, decide(sweep, Policy(draws=300))))
    assert "Quality against query p95" not in html and "Quality against index size" in html
    assert "No latency was measured in this sweep" in html


def test_every_mark_on_a_plot_is_explained_and_no_other() -> None:
    kinds = [("large", "float32"), ("large", "int4"), ("large", "pq m=8+rescore50"), ("bm25", "-"), ("large", "new")]
    sweep = small_sweep([candidate(model, kind, 0.5, 100) for model, kind in kinds])
    html = Tradeoffs().render(read_report(sweep, decide(sweep, POLICY)))
    expected = "circle: float32; pentagon: int4; plus: pq; triangle pointing down: nothing to quantize; star: new"
    assert f"Marks by quantization: {expected}." in html
    assert len({shape_of(kind) for _, kind in kinds}) == len(kinds)
