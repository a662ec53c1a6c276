"""Where the pick flips: each row is checked against the decision under the changed assumption."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from harness.decide import decide
from harness.policy import read_policy
from tests.sweeping import invented

GENERATOR = np.random.default_rng(4)
GOOD = np.clip(GENERATOR.normal(0.7, 0.2, 300), 0, 1)
NEAR = np.clip(GOOD + GENERATOR.normal(-0.002, 0.02, 300), 0, 1)
COSTS = {"large": 1000.0, "small": 100.0}


def decided(limits: dict[str, Any], scores: Any = None, costs: Any = None, **about: Any) -> dict[str, Any]:
    scores = scores or {"large": {"a": GOOD}, "small": {"a": NEAR}}
    return decide(invented(scores, costs or COSTS, **about), read_policy({"draws": 400, "limits": limits}))


def rows(found: dict[str, Any]) -> dict[str, tuple[str, bool]]:
    return {row["if"]: (row["then"].split(" ")[0], row["changes"]) for row in found["changes"]}


def test_a_limit_is_eased_to_the_value_at_which_another_is_picked() -> None:
    timed = {"large": np.full((3, 20), 0.005), "small": np.full((3, 20), 0.020)}
    found = decided({"query_p95_ms": 10}, seconds=timed)
    assert found["pick"] == "id-large"
    assert rows(found)["query p95 limit of 20 ms"] == ("small", True)
    assert decided({"query_p95_ms": 20}, seconds=timed)["pick"] == "id-small"
    assert decided({"query_p95_ms": 19.9}, seconds=timed)["pick"] == "id-large"


def test_the_nearest_value_that_flips_is_named_not_the_nearest_that_is_missed() -> None:
    """weak is let in first and is no pick; small is."""
    scores = {"large": {"a": GOOD}, "weak": {"a": GOOD - 0.2}, "small": {"a": NEAR}}
    timed = {name: np.full((3, 20), ms / 1000) for name, ms in (("large", 5), ("weak", 12), ("small", 20))}
    found = decided({"query_p95_ms": 10}, scores, {"large": 1000.0, "weak": 10.0, "small": 100.0}, seconds=timed)
    assert rows(found)["query p95 limit of 20 ms"] == ("small", True)


def test_a_limit_that_lets_in_nobody_better_is_eased_altogether_and_changes_nothing() -> None:
    scores = {"large": {"a": GOOD}, "weak": {"a": GOOD - 0.2}}
    found = decided({"bytes_per_doc": 2000}, scores, {"large": 1000.0, "weak": 5000.0})
    assert rows(found)["no limit on bytes per document"] == ("(same)", False)


def test_what_misses_two_limits_is_let_in_by_neither() -> None:
    cards = {"small": {"licence": "other"}, "large": {"licence": "mit"}}
    timed = {"large": np.full((3, 20), 0.005), "small": np.full((3, 20), 0.020)}
    found = decided({"query_p95_ms": 10, "licences": ["mit"]}, seconds=timed, card=cards)
    assert not any("limit of" in name or "no limit" in name for name in rows(found))


def test_a_licence_or_a_length_that_alone_keeps_the_pick_out_is_named() -> None:
    cards = {"small": {"licence": "other", "max_tokens": 256}, "large": {"licence": "mit", "max_tokens": 512}}
    assert rows(decided({"licences": ["mit"]}, card=cards))["no limit on licence"] == ("small", True)
    assert rows(decided({"max_tokens": 512}, card=cards))["limit of at least 256 tokens"] == ("small", True)
    unlike = {**cards, "small": {"remote_code": True}}
    assert rows(decided({"remote_code": False}, card=unlike))["no limit on remote code"] == ("small", True)


def test_a_limit_under_what_the_pick_needs_gives_the_next_or_nothing() -> None:
    found = rows(decided({}))
    assert found["limit under 100 bytes per document"] == ("nothing", True)
    three = {"large": {"a": GOOD}, "small": {"a": NEAR}, "weak": {"a": GOOD - 0.2}}
    next_one = decided({}, three, COSTS | {"weak": 10.0})
    assert rows(next_one)["limit under 100 bytes per document"] == ("weak", True)


def test_holes_left_out_are_a_row_where_they_change_scores_and_the_row_says_what_is_picked() -> None:
    sweep = invented({"large": {"a": GOOD}, "small": {"a": NEAR}}, COSTS)
    plain = decide(sweep, read_policy({"draws": 400}))
    assert not any("condensed" in row["if"] for row in plain["changes"])
    for name, values in (("large", GOOD), ("small", NEAR - 0.1)):
        sweep.records[f"{name}-a"].arrays["ndcg_condensed_at_10"] = values  # type: ignore[index]
    found = decide(sweep, read_policy({"draws": 400}))
    (row,) = [row for row in found["changes"] if re.search("condensed", row["if"])]
    assert (row["then"].split(" ")[0], row["changes"]) == ("large", True)
