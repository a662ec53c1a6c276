"""Timings of unlike machines are never ranked together; costs follow from the price table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.candidates import candidates
from harness.decide import NOTHING, decide
from harness.machines import machines
from harness.policy import Policy, read_policy
from harness.pricing import per_million_docs, per_million_queries, token_price
from harness.table import Sweep
from tests.small_sweep import FOUR, MACHINE, POLICY, candidate, small_sweep

OTHER = MACHINE | {"processor": "Other CPU"}


def placed(sweep: Sweep, *about: dict[str, Any]) -> Sweep:
    """The sweep whose timings were taken on these machines, candidate after candidate."""
    records = dict(sweep.records)
    for number, variant in enumerate(sweep.manifest["variants"]):
        for key in variant["timings"].values():
            where = {"machine": about[number % len(about)]}
            records[key] = replace(records[key], provenance=where)
    return sweep._replace(records=records)


def test_one_machine_is_named_once_and_its_libraries_make_no_other() -> None:
    sweep = placed(small_sweep(), MACHINE, MACHINE | {"versions": {"numpy": "9"}, "python": "3.13"})
    assert machines(sweep) == ["Test CPU, 4 cores, 8 GB, 4 threads, no accelerator, Linux"]
    assert decide(sweep, POLICY)["machines"] == machines(sweep)
    assert machines(small_sweep()) == []


NEW = MACHINE | {
    "flags": ["avx2", "avx512f"], "sockets": 1, "quota_cores": None, "driver": None, "gpu_memory_gb": None,
    "environment": {"MKL_DYNAMIC": "FALSE"}, "frequency_mhz": 3000, "cuda": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("other", "names"),
    [
        ({"cores": 8, "threads": 8}, ["Test CPU, 4 cores, 4 threads", "Test CPU, 8 cores, 8 threads"]),
        ({"flags": ["avx2"]}, ["Test CPU, with avx512f", "Test CPU, without avx512f"]),
        ({"flags": ["avx2", "amx_bf16"]}, ["Test CPU, with amx_bf16", "Test CPU, with avx512f"]),
        (
            {"environment": {"MKL_DYNAMIC": "FALSE", "OMP_NUM_THREADS": "1"}},
            ["Test CPU, OMP_NUM_THREADS not set", "Test CPU, OMP_NUM_THREADS=1"],
        ),
        (
            {"accelerator": "GPU Z", "driver": "550.1", "gpu_memory_gb": 80},
            ["Test CPU, GPU Z, a GPU of 80 GB, driver 550.1", "Test CPU, no accelerator, no GPU, no driver"],
        ),
        (
            {"quota_cores": 1.5, "sockets": None},
            ["Test CPU, sockets not said, a quota of 1.5 cores", "Test CPU, sockets: 1, no quota"],
        ),
        ({"processor": "Other CPU"}, ["Other CPU", "Test CPU"]),
    ],
)
def test_unlike_machines_are_named_by_what_they_differ_in(other: dict[str, Any], names: list[str]) -> None:
    assert machines(placed(small_sweep(), NEW, NEW | other)) == names


@pytest.mark.parametrize("other", [{"frequency_mhz": 1}, {"cuda": "13.0"}, {"versions": {}}, {"python": "3.13"}])
def test_what_is_no_part_of_a_machine_makes_no_other(other: dict[str, Any]) -> None:
    assert len(machines(placed(small_sweep(), NEW, NEW | other))) == 1


def test_a_record_of_before_that_does_not_say_its_flags_is_no_other_machine() -> None:
    assert machines(placed(small_sweep(), MACHINE, NEW)) == machines(placed(small_sweep(), MACHINE))
    several = placed(small_sweep(), MACHINE, NEW, NEW | {"flags": ["avx2"]})
    assert "Test CPU, flags not said" in machines(several) and len(machines(several)) == 3


def test_speeds_of_unlike_machines_take_no_part_and_a_caveat_says_so() -> None:
    twins = [candidate("a", "float32", 0.6, 100, 20.0), candidate("b", "float32", 0.6, 100, 2.0)]
    free = Policy(draws=300)
    assert decide(placed(small_sweep(twins, noise=0), MACHINE), free)["pick"] == "id01", "the faster of two equals"
    found = decide(placed(small_sweep(twins, noise=0), MACHINE, OTHER), free)
    assert found["pick"] == "id00", "the first by name"
    assert len(found["machines"]) == 2 and "unlike machines" in found["caveats"][0]
    assert all(c["costs"]["query_p95_ms"] is None and c["docs_per_s"] is None for c in found["candidates"])
    assert any("unlike machines" in line for line in found["not_measured"])


def test_a_latency_limit_is_not_met_by_timings_of_unlike_machines() -> None:
    found = decide(placed(small_sweep(), MACHINE, OTHER), POLICY)
    assert (found["status"], found["pick"]) == (NOTHING, None)
    assert "Not known, so not met: query p95" in found["sentence"]


# Costs -----------------------------------------------------------------------------------------------------------


def test_a_million_documents_of_a_model_that_runs_here_cost_the_hours_they_take() -> None:
    assert per_million_docs(0.0, 3.6, 100.0, None) == pytest.approx(10.0)  # 10,000 s at 0.001 a second
    assert per_million_queries(0.0, 3.6, 20.0, None) == pytest.approx(20.0)
    assert per_million_docs(0.0, None, 100.0, None) is None and per_million_queries(0.0, 3.6, None, 9.0) is None


def test_a_million_documents_of_an_endpoint_cost_their_tokens() -> None:
    assert per_million_docs(0.02, 3.6, 100.0, 250.0) == pytest.approx(5.0)
    assert per_million_docs(0.02, 3.6, 100.0, None) is None
    assert per_million_docs(None, 3.6, 100.0, 250.0) is None
    assert per_million_queries(0.02, None, 20.0, 9.0) == pytest.approx(0.18), "tokens of a query, whatever it takes"
    assert per_million_queries(0.02, 3.6, 20.0, None) is None and per_million_queries(None, 3.6, 20.0, 9.0) is None


def test_the_table_comes_before_the_card() -> None:
    prices = read_policy({"prices": {"per_million_tokens": {"mine": 0.5, "org/model": 0.3}}}).prices
    assert token_price(prices, "mine", {"price_per_million_tokens": 0.1}) == 0.5
    assert token_price(prices, "other", {"id": "org/model", "price_per_million_tokens": 0.1}) == 0.3
    assert token_price(prices, "other", {"price_per_million_tokens": 0.1}) == 0.1
    assert token_price(prices, "other", {}) is None


def test_costs_follow_from_the_policy_and_are_limits_and_order() -> None:
    sweep = small_sweep([*FOUR[:2], candidate("small", "float32", 0.599, 9000, 2.0)])
    for variant in sweep.manifest["variants"]:
        variant["card"]["price_per_million_tokens"] = 0.0
    policy = read_policy({"draws": 300, "order": "cost_per_million_queries", "prices": {"machine_per_hour": 3.6}})
    costs = [c.costs["cost_per_million_queries"] for c in candidates(sweep, policy)]
    assert costs == pytest.approx([20.0, 20.0, 2.0])
    assert decide(sweep, policy)["pick"] == "id02"
    tight = read_policy({"draws": 300, "limits": {"cost_per_million_docs": 1}, "prices": {"machine_per_hour": 3.6}})
    assert decide(sweep, tight)["status"] == NOTHING
    unknown = decide(sweep, read_policy({"draws": 300, "limits": {"cost_per_million_docs": 1}}))
    assert "Not known, so not met: cost per million docs" in unknown["sentence"]


def test_an_endpoint_pays_for_the_tokens_of_its_documents() -> None:
    sweep = small_sweep()
    policy = read_policy({"prices": {"per_million_tokens": {"large": 0.05}}})
    (first, *_) = candidates(sweep, policy)
    assert first.costs["cost_per_million_docs"] == pytest.approx(0.5)  # 1000 tokens/s at 100 documents/s, 0.05
    assert first.costs["cost_per_million_queries"] is None, "how many tokens queries have is not known"
    for variant in sweep.manifest["variants"]:
        sweep.records[variant["timings"]["encode"]].values["tokens_per_query"] = 8.0  # type: ignore[index]
    (first, *_) = candidates(sweep, policy)
    assert first.costs["cost_per_million_queries"] == pytest.approx(0.4)
