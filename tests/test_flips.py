"""Where the pick flips: each row is checked against the decision under the changed assumption."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from harness.decide import BIASED, INSUFFICIENT, decide
from harness.policy import read_policy
from harness.stated import stated
from harness.table import Sweep
from harness.timing import upper_bound
from harness.types import Record
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


# What a row says holds --------------------------------------------------------------------------------------------

_LIMITS = {
    "query p95 limit": "query_p95_ms", "bytes per document": "bytes_per_doc", "index limit": "index_bytes",
    "tokens": "max_tokens",
}  # fmt: skip


def assumed(condition: str, policy: dict[str, Any]) -> dict[str, Any] | None:
    """The policy under which a row's outcome is seen, at the very value that the row names; None for other rows."""
    if found := re.match(r"margin (above )?([\d.]+)", condition):
        return policy | {"margin": float(found[2])}
    if not (found := re.search(r"(under|of|at least) ([\d.]+) ", condition)):
        return None
    key = next(key for words, key in _LIMITS.items() if words in condition)
    value = float(found[2]) * (1 - 1e-9 if found[1] == "under" else 1)
    return policy | {"limits": policy.get("limits", {}) | {key: value}}


def said_and_seen(sweep: Sweep, policy: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Of each row with a value: the row, what it says, and what is decided then."""
    policy = {"draws": 400} | policy
    found, told = decide(sweep, read_policy(policy)), []
    for row in found["changes"]:
        if changed := assumed(row["if"], policy):
            then = decide(sweep, read_policy(changed))
            labels = {c["id"]: c["label"] for c in then["candidates"]}
            seen = then["status"] if then["pick"] is None else labels[then["pick"]]
            told.append((row["if"], row["then"], "(same)" if then["pick"] == found["pick"] else seen))
    return told


def several(seed: int, queries: int = 80) -> Sweep:
    """Six candidates on two sets, one guarded, timed in three noisy repeats, some with fewer judged documents."""
    generator = np.random.default_rng(seed)
    hard = generator.uniform(0.2, 0.8, (2, queries))
    names = [f"m{i}" for i in range(6)]
    scores = {
        name: {
            task: hard[k] + generator.normal(generator.uniform(-0.06, 0.02), generator.uniform(0.01, 0.06), queries)
            for k, task in enumerate("ab")
        }
        for name in names
    }
    costs = {name: float(generator.uniform(100, 105)) for name in names}
    pace = {name: generator.choice([0.008, 0.01]) * generator.uniform(0.99, 1.01, (3, 1)) for name in names}
    timed = {name: seconds * np.ones((3, 20)) for name, seconds in pace.items()}
    judged = {name: 0.75 if name == "m0" and seed % 2 else 0.9 for name in names}
    return invented(scores, costs, seconds=timed, judged=judged, about={"b": {"guard": True}})


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("policy", [{}, {"margin": 0.04, "limits": {"query_p95_ms": 9, "bytes_per_doc": 103.5}}])
def test_at_the_value_that_a_row_names_the_decision_is_what_the_row_says(seed: int, policy: dict[str, Any]) -> None:
    for condition, said, seen in said_and_seen(several(seed), policy):
        assert said == seen, condition


def test_those_rows_flip_picks_and_refusals_of_both_kinds_and_name_margins_and_limits() -> None:
    """Or the test above shows nothing."""
    rows = [row for seed in range(12) for row in said_and_seen(several(seed), {})]
    outcomes = {said.split(" ")[0] for _, said, _ in rows}
    assert {"insufficient", "labels", "nothing", "m0", "m5"} < outcomes
    words = " ".join(condition for condition, _, _ in rows)
    assert all(part in words for part in ("margin above", "or less", "p95 limit under", "bytes per document"))


def test_a_pick_that_only_the_guard_holds_back_is_named_at_the_margin_where_the_guard_lets_it_pass() -> None:
    """cheap is 0.03 ahead on a and 0.05 behind on b, which is guarded: over both it is proven, on b not."""
    turns = np.where(np.arange(200) % 2, 0.01, -0.01)
    scores = {
        "dear": {"a": GOOD[:200], "b": GOOD[:200]},
        "cheap": {"a": GOOD[:200] + 0.03, "b": GOOD[:200] - 0.05 + turns},
    }
    sweep = invented(scores, {"dear": 1000, "cheap": 100}, about={"b": {"guard": True}})
    wider = [row for row in decide(sweep, read_policy({"draws": 400}))["changes"] if "margin above" in row["if"]]
    first, last = (float(row["if"].split(" ")[2]) for row in wider)
    assert 0.024 < first <= 0.025 < last < 0.027, "0.05 / 2 less and more some standard errors"
    assert wider[0]["then"] == INSUFFICIENT, "it is no longer ruled out"
    assert wider[1]["then"].startswith("cheap") and wider[1]["difference"] == pytest.approx(-0.01)


def test_without_the_pick_the_rest_may_prove_nothing_and_the_row_says_so() -> None:
    """Under 20 ms there are large and noisy, which is neither proven close nor ruled out."""
    noise = GENERATOR.normal(0, 0.3, 300)
    noisy = GOOD - 0.01 + noise - noise.mean()
    scores = {"large": {"a": GOOD}, "small": {"a": NEAR}, "noisy": {"a": noisy}}
    timed = {name: np.full((3, 20), ms / 1000) for name, ms in (("large", 5), ("small", 20), ("noisy", 5))}
    found = decided({}, scores, COSTS | {"noisy": 500.0}, seconds=timed)
    assert found["pick"] == "id-small"
    (row,) = [row for row in found["changes"] if "p95" in row["if"]]
    assert (row["then"], row["changes"], row["difference"]) == (INSUFFICIENT, True, None)
    assert decided({"query_p95_ms": 19}, scores, COSTS | {"noisy": 500.0}, seconds=timed)["status"] == INSUFFICIENT


def test_a_row_names_no_pick_where_the_labels_of_what_is_left_favour_one_engine() -> None:
    """The next two are alike, and one has far fewer judged documents."""
    scores = {"large": {"a": NEAR}, "words": {"a": NEAR}, "small": {"a": NEAR}}
    about = {"judged": {"large": 0.9, "words": 0.7, "small": 0.8}}
    found = decided({}, scores, {"large": 1000.0, "words": 500.0, "small": 100.0}, **about)
    assert found["status"] == BIASED, "all three are finalists"
    apart = {"large": {"a": GOOD}, "words": {"a": GOOD - 0.1}, "small": {"a": NEAR}}
    found = decided({}, apart, {"large": 1000.0, "words": 500.0, "small": 100.0}, **about)
    (row,) = [row for row in found["changes"] if "margin above" in row["if"]]
    assert (row["if"].split(" ")[2][:3], row["then"]) == ("0.1", BIASED), "words is then no longer ruled out"


def test_a_latency_limit_goes_below_all_that_measured_the_same_as_the_pick() -> None:
    """Three variants of one model differ by 0.002 %, far inside what three repeats of them do."""
    slow = np.asarray([1.0, 1.02, 0.98])[:, None] * np.ones((3, 20))
    timed = {"int8": slow, "float": slow * 0.99998, "half": slow * 0.99999, "static": np.full((3, 20), 0.0002)}
    scores = {"int8": {"a": NEAR}, "float": {"a": GOOD}, "half": {"a": NEAR}, "static": {"a": GOOD - 0.2}}
    costs = {"int8": 100.0, "float": 400.0, "half": 200.0, "static": 50.0}
    found = decided({}, scores, costs, seconds=timed)
    assert found["pick"] == "id-int8"
    (row,) = [row for row in found["changes"] if "p95" in row["if"]]
    assert row["then"].startswith("static") and row["difference"] == pytest.approx((GOOD - 0.2).mean() - NEAR.mean())
    eased = decided({"query_p95_ms": 10}, scores, costs, seconds=timed)
    assert eased["pick"] == "id-static"
    (row,) = [row for row in eased["changes"] if "p95 limit of" in row["if"]]
    assert row["then"].startswith("int8"), "the first that passes is float, by less than can be measured"


@pytest.mark.parametrize(("value", "up", "places", "expected"), [
    (0.16612, True, 3, "0.167"), (0.16612, False, 3, "0.166"), (0.03, True, 3, "0.03"), (1136.0002, False, 0, "1136"),
    (12345.6, True, -1, "12350"), (0.00004, False, 3, "0.00004"), (100.0, False, 1, "100"),
])  # fmt: skip
def test_a_value_is_rounded_to_the_side_on_which_its_row_holds(
    value: float, up: bool, places: int, expected: str
) -> None:
    holds = (lambda x: x >= value) if up else (lambda x: 0 < x <= value)
    assert stated(value, up, places, holds) == expected


def test_holes_left_out_are_a_row_where_they_change_scores_and_the_row_says_what_is_picked() -> None:
    sweep = invented({"large": {"a": GOOD}, "small": {"a": NEAR}}, COSTS)
    plain = decide(sweep, read_policy({"draws": 400}))
    assert not any("condensed" in row["if"] for row in plain["changes"])
    for name, values in (("large", GOOD), ("small", NEAR - 0.1)):
        sweep.records[f"{name}-a"].arrays["ndcg_condensed_at_10"] = values  # type: ignore[index]
    found = decide(sweep, read_policy({"draws": 400}))
    (row,) = [row for row in found["changes"] if re.search("condensed", row["if"])]
    assert (row["then"].split(" ")[0], row["changes"]) == ("large", True)


# Memory and rates ------------------------------------------------------------------------------------------------

WEAK = {"large": {"a": GOOD}, "small": {"a": NEAR}, "weak": {"a": GOOD - 0.2}}


def measured(memory: dict[str, float], rates: dict[str, float], scores: Any = WEAK, spread: float = 0.0) -> Sweep:
    """Peaks in MB and documents a second; spread: of the rounds, as a share."""
    sweep = invented(scores, {"large": 1000.0, "small": 100.0, "weak": 10.0})
    records = dict(sweep.records)
    for variant in sweep.manifest["variants"]:
        name = variant["model"]
        seconds = np.asarray([1 - spread, 1.0, 1 + spread]) / rates[name]
        upper = upper_bound(seconds)
        index = {"docs_per_s": rates[name], "documents": 1, "seconds_upper": upper}
        start = {"peak_rss_mb": memory[name], "first_ms": 1.0}
        for kind, values in (("index", index), ("start", start)):
            key = variant["timings"][kind] = f"{kind}-{name}"
            shaped = seconds if kind == "index" else seconds[None]
            records[key] = Record(key, "timing", "ok", {}, values, {"seconds": shaped})
    return sweep._replace(records=records)


def changed(sweep: Sweep, **policy: Any) -> dict[str, tuple[str, bool]]:
    return rows(decide(sweep, read_policy({"draws": 400} | policy)))


def test_a_limit_on_memory_flips_where_the_pick_no_longer_fits() -> None:
    sweep = measured({"large": 400.0, "small": 600.0, "weak": 300.0}, dict.fromkeys(WEAK, 100.0))
    assert changed(sweep)["peak memory limit under 600 MB"] == ("large", True)
    tight = {"memory_mb": 500}
    assert decide(sweep, read_policy({"draws": 400, "limits": tight}))["pick"] == "id-large"
    assert changed(sweep, limits=tight)["peak memory limit of 600 MB"] == ("small", True)


def test_a_rate_that_is_asked_for_flips_where_the_pick_no_longer_reaches_it() -> None:
    sweep = measured(dict.fromkeys(WEAK, 400.0), {"large": 200.0, "small": 100.0, "weak": 150.0})
    assert changed(sweep)["indexing rate above 100 documents a second"] == ("large", True)
    fast = {"docs_per_s": 160}
    assert decide(sweep, read_policy({"draws": 400, "limits": fast}))["pick"] == "id-large"
    assert changed(sweep, limits=fast)["indexing rate of at least 100 documents a second"] == ("small", True)


@pytest.mark.parametrize("spread", [0.0, 0.03])
def test_at_the_rate_that_a_row_names_the_decision_is_what_the_row_says(spread: float) -> None:
    sweep = measured(dict.fromkeys(WEAK, 400.0), {"large": 203.7, "small": 100.3, "weak": 151.0}, spread=spread)
    for limits in ({}, {"docs_per_s": 160.0}):
        told = 0
        for row in decide(sweep, read_policy({"draws": 400, "limits": limits}))["changes"]:
            if found := re.match(r"indexing rate (above|of at least) ([\d.]+) ", row["if"]):
                least = float(found[2]) * (1 + 1e-9 if found[1] == "above" else 1)
                then = decide(sweep, read_policy({"draws": 400, "limits": {"docs_per_s": least}}))
                labels = {c["id"]: c["label"] for c in then["candidates"]}
                assert labels.get(then["pick"], then["status"]) == row["then"], row["if"]
                told += 1
        assert told == (2 if limits else 1)


def test_a_candidate_that_serves_at_no_rate_is_let_in_by_no_limit_at_all() -> None:
    sweep = measured(dict.fromkeys(WEAK, 400.0), dict.fromkeys(WEAK, 100.0))
    for variant in sweep.manifest["variants"]:
        key = variant["timings"]["serve"] = f"serve-{variant['model']}"
        rate = {"large": 50.0, "small": None, "weak": 80.0}[variant["model"]]
        seconds = {"seconds": np.full((1, 5), 0.01)}
        sweep.records[key] = Record(key, "timing", "ok", {}, {"rate_per_s": rate, "p99_ms": 9.0}, seconds)  # type: ignore[index]
    found = decide(sweep, read_policy({"draws": 400, "limits": {"serve_rate_per_s": 40}}))
    assert found["pick"] == "id-large"
    assert rows(found)["no limit on rate of queries"] == ("small", True)


def test_memory_orders_those_that_are_close_enough() -> None:
    sweep = measured({"large": 400.0, "small": 600.0, "weak": 300.0}, dict.fromkeys(WEAK, 100.0))
    assert decide(sweep, read_policy({"draws": 400, "order": "memory_mb"}))["pick"] == "id-large"
