"""The batch size a candidate is judged by: one that meets every limit together, if there is one."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import pytest

from harness.batches import batches, judged_by
from harness.candidates import candidates
from harness.decide import decide
from harness.limits import breaches
from harness.policy import read_policy
from harness.table import Sweep
from harness.terminal import decision_text
from harness.types import Record
from tests.sweeping import invented

GOOD = np.clip(np.random.default_rng(4).normal(0.7, 0.2, 300), 0, 1)
SMALL, LARGE = (1, 35.7, 32.2, 500.0), (8, 39.5, 7.76, 900.0)  # batch size, documents a second, bound, peak memory


def row(size: int, rate: float | None, lower: float | None, memory: float, task: str = "a", **more: Any) -> Any:
    found = {"task": task, "device": "cpu", "batch_size": size, "batch_used": size, "docs_per_s": rate, "knee": None}
    found |= {"docs_per_s_lower": lower, "docs_per_s_spread": 0.0, "peak_rss_mb": memory, "peak_vram_mb": None}
    return found | {"model_mb": 90.0} | more


def swept(*sizes: tuple[int, float, float, float], scores: Any = None, of: str = "m") -> Sweep:
    """One candidate in several batch sizes; any other of the scores has a rate of 20 at batch 1, surely."""
    sweep = invented(scores or {"m": {"a": GOOD}}, {"m": 100.0, "rival": 1000.0})
    manifest, records = deepcopy(sweep.manifest), dict(sweep.records)
    variants = []
    for variant in manifest["variants"]:
        for size, rate, lower, memory in sizes if variant["model"] == of else ((1, 20.0, 20.0, 600.0),):
            one = deepcopy(variant) | {"batch_size": size}
            values = {"docs_per_s": rate, "documents": 1, "seconds_upper": 1 / lower, "batch_used": size}
            for kind, held in (("index", values), ("start", {"peak_rss_mb": memory, "first_ms": 1.0})):
                key = one["timings"][kind] = f"{kind}-{variant['model']}-{size}"
                seconds = np.full(3 if kind == "index" else (1, 11), 1 / rate)
                records[key] = Record(key, "timing", "ok", {}, held, {"seconds": seconds})
            variants.append(one)
    return sweep._replace(manifest=manifest | {"variants": variants}, records=records)


def judged(limits: dict[str, float]) -> tuple[Any, list[str]]:
    policy = read_policy({"limits": limits})
    (only,) = candidates(swept(SMALL, LARGE), policy)
    return only, [breach.text for breach in breaches(only, policy)]


def test_a_batch_size_that_meets_the_rate_at_its_bound_is_the_one_that_is_judged() -> None:
    only, missed = judged({"docs_per_s": 30})
    assert missed == []
    assert (only.facts["docs_per_s"], only.costs["docs_per_s_lower"]) == pytest.approx((35.7, 32.2))
    assert (only.costs["memory_mb"], only.facts["batch_used"]) == (500.0, 1)


def test_rate_and_memory_are_met_by_one_batch_size_together() -> None:
    assert judged({"docs_per_s": 30, "memory_mb": 500})[1] == []
    assert judged({"docs_per_s": 7, "memory_mb": 499})[1] == ["peak memory 500 at batch 1, limit 499"]
    wide = (64, 90.0, 80.0, 2000.0)
    policy = read_policy({"limits": {"docs_per_s": 60, "memory_mb": 600}})
    (only,) = candidates(swept(SMALL, wide), policy)
    assert breaches(only, policy), "the fast size needs too much memory, the small one is too slow"


def test_the_bound_that_puts_a_candidate_out_is_told_with_its_batch_size() -> None:
    assert judged({"docs_per_s": 33})[1] == ["indexing rate 35.7 (at least 32.2 at 95 %: borderline) at batch 1, limit >= 33"]  # fmt: skip
    text = decision_text(decide(swept(SMALL, LARGE), read_policy({"draws": 400, "limits": {"docs_per_s": 33}})))
    assert "(at least 32.2 at 95 %: borderline) at batch 1" in text


def test_without_limits_it_is_the_knee_and_without_one_the_best_lower_bound() -> None:
    plain = judged_by(batches([row(*SMALL), row(*LARGE)]), {})
    assert plain is not None and plain.size == 1
    knee = judged_by(batches([row(*SMALL, knee=False), row(*LARGE, knee=True)]), {})
    assert knee is not None and knee.size == 8


def test_where_none_meets_a_limit_the_batch_size_nearest_to_it_is_judged() -> None:
    both = batches([row(*SMALL), row(8, 39.5, 38.0, 900.0)])
    near = [judged_by(both, limits) for limits in ({"memory_mb": 400}, {"docs_per_s": 60}, {"vram_mb": 1})]
    assert [one and one.size for one in near] == [1, 8, 8], "of memory that is not known, the best lower bound"


def test_over_several_sets_a_batch_size_counts_by_its_worst_and_must_have_run_on_all() -> None:
    both = [row(*SMALL), row(1, 50.0, 20.0, 700.0, "b"), row(*LARGE)]
    (only,) = batches(both)
    assert (only.size, only.costs["docs_per_s"], only.costs["docs_per_s_lower"]) == (1, 35.7, 20.0)
    assert only.costs["memory_mb"] == 700.0
    (apart,) = batches([row(*SMALL), row(8, 50.0, 20.0, 700.0, "b")])
    assert (apart.size, apart.costs["docs_per_s_lower"]) == (None, 20.0)
    assert batches([]) == () and judged_by((), {}) is None


def test_a_flip_is_at_the_pick_s_own_best_bound() -> None:
    """Its rounds lie so far apart that the rival's bound is no other measurement; yet its own limit is the first."""
    scores = {"m": {"a": GOOD}, "rival": {"a": GOOD}}
    sweep = swept((1, 30.0, 5.33, 500.0), (8, 39.5, 5.0, 900.0), scores=scores)
    found = decide(sweep, read_policy({"draws": 400}))
    assert found["pick"] == "id-m"
    told = {change["if"]: change["then"] for change in found["changes"]}
    assert told["indexing rate above 5.33 documents a second"].startswith("rival")
    for limit, pick in ((5.3, "id-m"), (5.4, "id-rival")):
        assert decide(sweep, read_policy({"draws": 400, "limits": {"docs_per_s": limit}}))["pick"] == pick


def test_a_candidate_is_near_a_limit_that_another_of_its_batch_sizes_misses_alone() -> None:
    scores = {"m": {"a": GOOD}, "rival": {"a": GOOD}}
    sweep = swept((1, 15.0, 15.0, 500.0), (8, 60.0, 60.0, 900.0), scores=scores)
    found = decide(sweep, read_policy({"draws": 400, "limits": {"docs_per_s": 18, "memory_mb": 700}}))
    assert found["pick"] == "id-rival"
    told = {change["if"]: change["then"].split(" ")[0] for change in found["changes"]}
    assert told["indexing rate of at least 15 documents a second"] == "m"
    assert told["peak memory limit of 900 MB"] == "m"


def test_a_limit_that_nothing_was_measured_for_says_what_would_measure_it() -> None:
    found = decide(invented({"m": {"a": GOOD}}, {"m": 1.0}), read_policy({"limits": {"serve_rate_per_s": 40}}))
    said = "No candidate can meet the limit on rate of queries: it is not known for any of them, and needs timing=serve"
    assert said in found["caveats"] and said in decision_text(found)
