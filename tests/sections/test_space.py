"""The Space section: what it draws, how large it is, and what names can do to it."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from harness.chart import chart, part_of
from harness.decide import decide
from harness.geometry import EDGES
from harness.maps import Cloud, cloud, swatch
from harness.report import Report, read_report
from harness.sections.space import Space
from harness.survey import surveyed
from harness.svg import inline_svg
from harness.types import Record
from tests.small_sweep import POLICY, small_sweep
from tests.test_survey import plain, searched

HOSTILE = '</script><script>alert(1)</script><img src=x onerror=alert(1)>\x1b[31m\u202e=HYPERLINK("x")'


def entry(name: str, key: str, *candidates: str, reason: str = "") -> dict[str, Any]:
    return {"name": name, "key": key, "candidates": list(candidates), "reason": reason}


def report(spaces: Sequence[Mapping[str, Any]], records: Mapping[str, Record]) -> Report:
    sweep = small_sweep()
    found = read_report(sweep, decide(sweep, POLICY))
    return found._replace(manifest={**found.manifest, "spaces": spaces}, records={**found.records, **records})


@pytest.fixture(scope="module")
def record() -> Record:
    evalset = searched(40, 15, 20)
    rows = np.random.default_rng(0).normal(size=(55, 40)).astype(np.float32)
    return chart("m", [part_of("helpdesk", evalset, surveyed(evalset, 400, 200), rows)])


def test_nothing_is_shown_where_no_map_was_asked_for() -> None:
    sweep = small_sweep()
    assert Space().render(read_report(sweep, decide(sweep, POLICY))) == ""
    assert Space().render(report([], {})) == ""


def test_a_model_has_its_numbers_a_map_cosines_and_what_fewer_dimensions_keep(record: Record) -> None:
    html = Space().render(report([entry("m · mean", "k"), entry("bm25", "", reason="has no vectors")], {"k": record}))
    assert html.count('<svg class="plot"') == 3
    values = record.values["sets"]["helpdesk"]
    for key in ("anisotropy", "random", "related", "auc"):
        assert f">{values[key]:.3f}</td>" in html
    assert "documents (dot)" in html
    assert "queries (plus)" in html
    assert "mean nothing" in html
    assert "threshold" in html
    assert "Left out: bm25 has no vectors." in html


def test_the_pick_comes_first_and_only_so_many_are_drawn(record: Record) -> None:
    pick = report([], {}).decision["pick"]
    spaces = [entry(f"m{i}", f"k{i}", *([pick] if i == 4 else [])) for i in range(6)]
    html = Space().render(report(spaces, {f"k{i}": record for i in range(6)}))
    assert re.findall(r"<h3>(.*?)</h3>", html) == ["▶ m4", "m0", "m1", "m2"]
    assert html.count('<th scope="row"') == 6
    assert "2 more spaces are in the table and not drawn" in html
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids))


def test_a_map_that_could_not_be_made_says_why_beside_its_numbers() -> None:
    evalset = plain("clustering", 3, 0, label=[[0], [0], [1]])
    few = chart("m", [part_of("few", evalset, surveyed(evalset, 400, 200), np.eye(3, 4, dtype=np.float32))])
    html = Space().render(report([entry("m", "k")], {"k": few}))
    assert "No map: a map needs 10 texts" in html
    assert html.count('<svg class="plot"') == 1, "the cosines"
    nothing = chart("m", [part_of("few", evalset, surveyed(evalset, 400, 200), np.zeros((3, 4), dtype=np.float32))])
    html = Space().render(report([entry("m", "k")], {"k": nothing}))
    assert '<svg class="plot"' not in html
    assert "3 left out: their vectors are zero or not finite" in html


def test_a_map_that_was_not_made_yet_is_said() -> None:
    html = Space().render(report([entry("m", "gone")], {}))
    assert "Left out: m not mapped yet." in html
    assert "<table" not in html


def test_names_are_text_and_nothing_else(record: Record) -> None:
    values = {**record.values, "groups": [HOSTILE, "b"], "sets": {HOSTILE: record.values["sets"]["helpdesk"]}}
    bad = dataclasses.replace(record, values=values)
    html = Space().render(report([entry(HOSTILE, "k"), entry(HOSTILE, "", reason=HOSTILE)], {"k": bad}))
    assert "<script" not in html
    assert "<img" not in html
    assert "onerror=alert(1)&gt;" in html


def test_a_full_map_is_small_and_every_point_is_on_it() -> None:
    rng = np.random.default_rng(0)
    for count in (1, 2, 9):
        points = Cloud(rng.random((600, 2), dtype=np.float32), np.arange(600) % count, np.arange(600) % 3 == 0)
        svg = inline_svg(*cloud("x", points, "a map"))
        assert len(svg.encode()) < 60_000
        assert svg == inline_svg(*cloud("x", points, "a map"))
        assert len(re.findall(r"M [\d.]+ [\d.]+", svg)) >= 600
        assert "#" not in re.sub(r'href="#[^"]*"|url\(#[^)]*\)', "", svg), "colours of the page alone"


def test_every_group_has_a_shape_and_a_colour_of_its_own() -> None:
    looks = [swatch(group) for group in range(9)]
    for part in ("shape", "path", "tone"):
        assert len({getattr(look, part) for look in looks}) == 9


def test_all_spaces_share_one_scale_of_cosines(record: Record) -> None:
    narrow = dataclasses.replace(record, arrays={**record.arrays, "related": np.eye(1, 100, 99)})
    html = Space().render(report([entry("a", "k"), entry("b", "n")], {"k": record, "n": narrow}))
    plots = re.findall(r'aria-label="Cosines of pairs.*?</svg>', html, re.S)
    first, second = (re.findall(r">(−?[\d.]+)</text>", plot) for plot in plots)
    assert first[0] == second[0]
    assert float(first[0].replace("−", "-")) <= EDGES[np.argmax(record.arrays["random"][0] > 0)] + 0.2
