"""What `timing` may hold: scenarios, and one line for anything else."""

from __future__ import annotations

from typing import Any

import pytest

from harness.scenarios.query import Query
from harness.scenarios.start import Start
from harness.timingoptions import scenarios_of
from harness.types import HarnessError

QUERY = {"_target_": "harness.scenarios.query.Query"}


def test_scenarios_are_built_and_null_ones_left_out() -> None:
    node = {"start": {"_target_": "harness.scenarios.start.Start"}, "query": QUERY | {"calls": 7}, "serve": None}
    assert scenarios_of(node) == {"query": Query(calls=7), "start": Start()}
    assert scenarios_of({}) == {}


@pytest.mark.parametrize(
    ("node", "line"),
    [
        ({"scenario": "none"}, "timing.scenario is no more; use timing=none, quick, full or serve"),
        (
            {"query": QUERY, "repeats": 3},
            "timing.repeats is no more; use timing.query.repeats and timing.index.repeats",
        ),
        ({"warmup": 3}, "timing.warmup is no more; use timing.query.warmup"),
        ({"documents": 3}, "timing.documents is no more; use timing.index.documents"),
        ({"querry": QUERY}, "timing.querry is no scenario. Did you mean query?"),
        ({"query": QUERY | {"calls": 0}}, "timing.query.calls=0: expected a whole number of at least 1"),
        ({"query": QUERY | {"repeats": 1}}, "timing.query.repeats=1: expected a whole number of at least 3"),
        ({"query": QUERY | {"calls": "many"}}, "timing.query.calls = 'many': expected a whole number"),
        ({"query": QUERY | {"call": 3}}, "timing.query: Query has no parameter 'call'. Did you mean calls?"),
        ({"query": 5}, "timing.query=5: expected null or settings such as timing.query.calls=50"),
        ({"serve": "yes"}, "timing.serve=yes: expected null or settings such as timing.serve.limit_ms=100"),
        (
            {"query": {"_target_": "harness.metrics.ndcg.Ndcg"}},
            "timing.query: harness.metrics.ndcg.Ndcg measures nothing",
        ),
        ("quick", "timing='quick': expected timing=none, quick, full or serve"),
    ],
)
def test_anything_else_is_one_line_with_the_options_name(node: Any, line: str) -> None:
    with pytest.raises(HarnessError) as caught:
        scenarios_of(node)
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)
