"""A policy is checked before it is used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.candidates import Candidate
from harness.limits import Breach, breaches
from harness.policy import Policy, check_categories, check_sets, read_policy, set_weights
from harness.types import HarnessError
from harness.wording import limit


def refused(**node: Any) -> str:
    with pytest.raises(HarnessError) as caught:
        read_policy(node)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_empty_policy_has_the_defaults() -> None:
    found = read_policy({})
    assert found == Policy(order=found.order, limits={})
    assert (found.margin, found.reference, found.confidence) == (0.02, "best", 0.95)
    assert found.order == ("bytes_per_doc", "query_p95_ms", "price_per_million_tokens")


@pytest.mark.parametrize(
    ("node", "said"),
    [
        ({"margn": 0.1}, "Did you mean margin"),
        ({"limits": {"query_p95": 20}}, "Did you mean query_p95_ms"),
        ({"limits": {"query_p95_ms": "20ms"}}, "policy.limits.query_p95_ms"),
        ({"limits": {"query_p95_ms": -1}}, "policy.limits.query_p95_ms"),
        ({"limits": {"bytes_per_doc": True}}, "policy.limits.bytes_per_doc"),
        ({"limits": {"index_bytes": float("nan")}}, "policy.limits.index_bytes"),
        ({"limits": {"max_tokens": "many"}}, "policy.limits.max_tokens"),
        ({"limits": {"remote_code": "no"}}, "policy.limits.remote_code"),
        ({"limits": {"languages": 3}}, "policy.limits.languages"),
        ({"limits": {"licences": [1]}}, "policy.limits.licences"),
        ({"limits": 5}, "policy.limits"),
        ({"limits": {"query_p95_ms": float("inf")}}, "policy.limits.query_p95_ms=inf"),
        ({"limits": {"index_bytes": 10**400}}, "policy.limits.index_bytes=1000"),
        ({"limits": {"licences": []}}, "policy.limits.licences=[]: expected a list of names"),
        ({"limits": {"memory_gb": 4}}, "Did you mean memory_mb"),
        ({"limits": {"vram_mb": 0}}, "policy.limits.vram_mb=0: expected a number above 0"),
        ({"limits": {"docs_per_s": "fast"}}, "policy.limits.docs_per_s='fast'"),
        ({"limits": {"serve_rate_per_s": float("nan")}}, "policy.limits.serve_rate_per_s=nan"),
        ({"order": ["memory"]}, "Did you mean memory_mb"),
        ({"name": 3}, "policy.name=3: expected text"),
        ({"name": None}, "policy.name=None"),
        ({"margin": 1e-320}, "policy.margin=1e-320: expected a number of at least 1e-06"),
        ({"margin": float("inf")}, "policy.margin=inf"),
        ({"draws": 100_001}, "at most 100,000"),
        ({"confidence": 0.9999999999}, "expected at most 0.9995 with 2000 draws"),
        ({"confidence": 0.999, "draws": 200}, "expected at most 0.995 with 200 draws"),
        ({"weights": {"a": 1e308}}, "at most 1,000,000,000"),
        ({"category_weights": {"sts": float("inf")}}, "policy.category_weights.sts=inf"),
        ({"prices": {"machine_per_hour": 1e308}}, "policy.prices.machine_per_hour=1e+308: expected"),
        ({"prices": {"per_million_tokens": {"m": 2e9}}}, "policy.prices.per_million_tokens.m=2000000000.0"),
        ({"order": ["bytes"]}, "Did you mean index_bytes or bytes_per_doc"),
        ({"order": []}, "policy.order is empty"),
        ({"order": 7}, "policy.order"),
        ({"margin": 0}, "policy.margin"),
        ({"margin": 1}, "policy.margin"),
        ({"margin": "small"}, "policy.margin"),
        ({"margin": float("nan")}, "policy.margin"),
        ({"confidence": 95}, "policy.confidence"),
        ({"confidence": 0.5}, "policy.confidence"),
        ({"draws": 10}, "policy.draws"),
        ({"draws": 1e4}, "policy.draws"),
        ({"draws": True}, "policy.draws"),
        ({"seed": -1}, "policy.seed"),
        ({"seed": "x"}, "policy.seed"),
        ({"reference": None}, "policy.reference"),
        ({"limits": {"cost_per_million_doc": 1}}, "Did you mean cost_per_million_docs"),
        ({"weights": {"a": 0}}, "policy.weights.a=0: expected a number above 0"),
        ({"weights": {"a": -1}}, "policy.weights.a=-1"),
        ({"weights": {"a": float("inf")}}, "policy.weights.a=inf"),
        ({"weights": ["a"]}, "policy.weights=['a']: expected names of eval sets and numbers"),
        ({"prices": {"machine_per_hr": 1}}, "Did you mean machine_per_hour"),
        ({"prices": 3}, "policy.prices=3"),
        ({"prices": {"machine_per_hour": 0}}, "policy.prices.machine_per_hour=0"),
        ({"prices": {"machine_per_hour": "1 USD"}}, "policy.prices.machine_per_hour='1 USD'"),
        ({"prices": {"per_million_tokens": {"m": -1}}}, "policy.prices.per_million_tokens.m=-1"),
        ({"prices": {"per_million_tokens": 0.1}}, "policy.prices.per_million_tokens=0.1: expected models and prices"),
        ({"prices": {"currency": 3}}, "policy.prices.currency=3"),
    ],
)
def test_a_wrong_policy_is_one_line(node: dict[str, Any], said: str) -> None:
    assert said in refused(**node)


def test_the_bounds_themselves_are_taken() -> None:
    found = read_policy({"margin": 1e-6, "draws": 100_000, "confidence": 0.99999, "weights": {"a": 1e9}})
    assert (found.margin, found.draws, found.confidence, found.weights["a"]) == (1e-6, 100_000, 0.99999, 1e9)


def test_a_policy_that_lists_what_it_does_not_limit_is_the_same_policy() -> None:
    assert read_policy({"limits": {"memory_mb": None, "query_p95_ms": 20}}) == read_policy(
        {"limits": {"query_p95_ms": 20}}
    )


def test_one_name_is_a_list_of_one() -> None:
    found = read_policy({"order": "index_bytes", "limits": {"languages": "de", "licences": "mit"}})
    assert found.order == ("index_bytes",)
    assert list(found.limits["languages"]) == ["de"] and list(found.limits["licences"]) == ["mit"]


def test_a_reference_that_yaml_reads_as_a_number_is_still_an_id() -> None:
    assert read_policy({"reference": 123456789012}).reference == "123456789012"


# Limits --------------------------------------------------------------------------------------------------------


def candidate(
    card: dict[str, Any] | None = None, retriever: str = "dense", rate: float | None = None, **costs: float | None
) -> Candidate:
    known = {"bytes_per_doc": 100.0, "index_bytes": 1000.0, "query_p95_ms": 10.0, "query_p95_ms_upper": 11.0, "price_per_million_tokens": 0.0}  # fmt: skip
    return Candidate("id", "m", {"retriever": retriever}, card or {}, {}, known | costs, {"docs_per_s": rate}, "")


def found(limits: dict[str, Any], **about: Any) -> list[tuple[str, str]]:
    return [(b.limit, b.state) for b in breaches(candidate(**about), read_policy({"limits": limits}))]


@pytest.mark.parametrize(
    ("limit", "state"), [(9.9, ["over"]), (10.0, ["borderline"]), (10.9, ["borderline"]), (11.0, []), (20, [])]
)
def test_a_measured_limit_is_checked_against_its_upper_bound(limit: float, state: list[str]) -> None:
    assert [s for _, s in found({"query_p95_ms": limit})] == state


@pytest.mark.parametrize(
    ("limit", "state"), [(101, ["over"]), (100, ["borderline"]), (90.1, ["borderline"]), (90.0, []), (50, [])]
)
def test_a_rate_is_at_least_its_limit_at_its_lower_bound(limit: float, state: list[str]) -> None:
    assert [s for _, s in found({"docs_per_s": limit}, rate=100.0, docs_per_s_lower=90.0)] == state


def test_memory_and_the_rate_of_serving_are_measured_once_and_checked_as_they_are() -> None:
    assert found({"memory_mb": 500}, memory_mb=501.0) == [("memory_mb", "over")]
    assert found({"memory_mb": 500, "model_mb": 90, "vram_mb": 1}, memory_mb=500.0, model_mb=90.0, vram_mb=1.0) == []
    assert found({"serve_rate_per_s": 40}, serve_rate_per_s=39.0) == [("serve_rate_per_s", "over")]
    assert found({"serve_rate_per_s": 40}, serve_rate_per_s=0.0) == [("serve_rate_per_s", "over")]
    assert found({"serve_rate_per_s": 40}, serve_rate_per_s=40.0) == []


def test_what_was_not_measured_meets_no_limit() -> None:
    unknown: dict[str, Any] = {"memory_mb": None, "docs_per_s_lower": None, "serve_rate_per_s": None}
    limits = {"memory_mb": 1, "docs_per_s": 1, "serve_rate_per_s": 1}
    assert found(limits, **unknown) == [(key, "unknown") for key in limits]
    assert found({"docs_per_s": 1}, rate=100.0, docs_per_s_lower=None) == [("docs_per_s", "unknown")], "of one round"
    assert found({"docs_per_s": 101}, rate=100.0, docs_per_s_lower=None) == [("docs_per_s", "over")]


def test_an_unknown_value_of_a_limited_quantity_is_not_met() -> None:
    assert found({"query_p95_ms": 100}, query_p95_ms=None, query_p95_ms_upper=None) == [("query_p95_ms", "unknown")]
    assert found({}, query_p95_ms=None) == []
    assert found({"max_tokens": 512}) == [("max_tokens", "unknown")]
    assert found({"languages": ["en"]}) == [("languages", "unknown")]
    assert found({"licences": ["mit"]}) == [("licence", "unknown")]


def test_a_price_the_card_says_is_unknown_is_not_zero() -> None:
    from harness.candidates import candidates
    from tests.sweeping import invented

    sweep = invented({"api": {"a": [0.5, 0.6]}}, {"api": 8}, card={"api": {"price_per_million_tokens": None}})
    (only,) = candidates(sweep)
    assert only.costs["price_per_million_tokens"] is None
    assert [b.state for b in breaches(only, read_policy({"limits": {"price_per_million_tokens": 1}}))] == ["unknown"]


@pytest.mark.parametrize(
    ("limits", "card", "state"),
    [
        ({"max_tokens": 512}, {"max_tokens": 256}, [("max_tokens", "over")]),
        ({"max_tokens": 512}, {"max_tokens": 512}, []),
        ({"languages": ["en", "de"]}, {"languages": ["en"]}, [("languages", "over")]),
        ({"languages": ["en", "de"]}, {"languages": ["de", "en", "fr"]}, []),
        ({"languages": ["fi"]}, {"languages": ["multilingual"]}, []),
        ({"languages": "en"}, {"languages": ["en"]}, []),
        ({"licences": ["mit"]}, {"licence": "apache-2.0"}, [("licence", "over")]),
        ({"licences": "mit"}, {"licence": "it"}, [("licence", "over")]),
        ({"licences": ["mit", "apache-2.0"]}, {"licence": "apache-2.0"}, []),
        ({"remote_code": False}, {"remote_code": True}, [("remote_code", "over")]),
        ({"remote_code": True}, {"remote_code": True}, []),
        ({"remote_code": False}, {}, []),
    ],
)
def test_limits_on_what_a_model_is(limits: dict[str, Any], card: dict[str, Any], state: list[tuple[str, str]]) -> None:
    assert found(limits, card=card) == state


def test_bm25_has_no_limit_on_tokens() -> None:
    assert found({"max_tokens": 512}, retriever="bm25") == []


def test_a_breach_reads_as_a_clause() -> None:
    assert Breach("query_p95_ms", 12.3456, 10, "over").text.startswith("query p95 ")
    assert "12.35, limit 10" in Breach("query_p95_ms", 12.3456, 10, "over").text
    assert "borderline" in Breach("query_p95_ms", 10.0, 11, "borderline", 12.0).text
    assert Breach("memory_mb", 812.0, 500, "over").text == "peak memory 812, limit 500"
    rate = Breach("docs_per_s", 95.0, ">= 90", "borderline", 88.0, 8).text
    assert rate == "indexing rate 95 (at least 88 at 95 %: borderline) at batch 8, limit >= 90"
    assert Breach("licence", None, ["mit"], "unknown").text == "licence: not known, limit ['mit']"


def test_a_limit_reads_with_its_unit_and_its_direction() -> None:
    assert limit("memory_mb", 512) == "peak memory at most 512 MB"
    assert limit("docs_per_s", 100.0) == "indexing rate at least 100 documents a second"
    assert limit("serve_rate_per_s", 40) == "rate of queries at least 40 a second"
    assert limit("index_bytes", 1000) == "index size at most 1.00 KB"


# Weights of categories -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"retreival": 1}, "Did you mean retrieval"),
        ({"sts": 0}, "policy.category_weights.sts=0: expected a number above 0"),
        ({"sts": -1}, "policy.category_weights.sts=-1"),
        ({"sts": True}, "policy.category_weights.sts=True"),
        ({"sts": float("nan")}, "policy.category_weights.sts=nan"),
        ({"sts": float("inf")}, "policy.category_weights.sts=inf"),
        ({"sts": "much"}, "policy.category_weights.sts='much'"),
        (["sts"], "policy.category_weights=['sts']: expected task types and numbers"),
    ],
)
def test_a_wrong_category_weight_is_one_line(weights: Any, said: str) -> None:
    assert said in refused(category_weights=weights)


def test_null_is_no_weight() -> None:
    assert read_policy({"category_weights": {"sts": None, "retrieval": 2}}).category_weights == {"retrieval": 2.0}
    assert read_policy({"category_weights": None}) == read_policy({})


def test_a_category_of_the_sweep_without_a_weight_is_refused_and_one_beside_it_is_not() -> None:
    policy = read_policy({"category_weights": {"retrieval": 2, "bitext": 1}})
    check_categories(policy, ["retrieval"])
    check_categories(read_policy({}), ["retrieval", "sts"])
    with pytest.raises(HarnessError, match="names retrieval, bitext; the sweep also has clustering, sts: give each"):
        check_categories(policy, ["sts", "retrieval", "clustering"])


def test_shares_are_the_weighted_mean_of_categories_of_the_weighted_mean_of_their_sets() -> None:
    sets = {"a": {"type": "retrieval", "weight": 3.0}, "b": {"type": "sts", "weight": 5.0},
            "c": {"type": "retrieval", "weight": 1.0}}  # fmt: skip
    assert set_weights(read_policy({}), sets) == pytest.approx({"a": 3 / 9, "b": 5 / 9, "c": 1 / 9})
    weighed = set_weights(read_policy({"category_weights": {"retrieval": 2, "sts": 1}}), sets)
    assert weighed == pytest.approx({"a": 2 / 3 * 3 / 4, "b": 1 / 3, "c": 2 / 3 * 1 / 4})


# Weights of eval sets and prices ---------------------------------------------------------------------------------


def test_weights_of_the_policy_replace_those_of_manifests_and_need_not_sum_to_anything() -> None:
    sets = {name: {"type": "retrieval", "weight": 1.0} for name in "abc"}
    assert set_weights(read_policy({"weights": {"a": 70, "b": 30, "c": None}}), sets) == pytest.approx(
        {"a": 70 / 101, "b": 30 / 101, "c": 1 / 101}
    )
    kinds = sets | {"c": {"type": "sts", "weight": 1.0}}
    both = read_policy({"weights": {"a": 3}, "category_weights": {"retrieval": 1, "sts": 1}})
    assert set_weights(both, kinds) == pytest.approx({"a": 3 / 8, "b": 1 / 8, "c": 1 / 2})


def test_a_weight_of_an_eval_set_that_the_sweep_lacks_is_refused() -> None:
    with pytest.raises(HarnessError, match="no eval set 'helpdsk' in this sweep. Did you mean helpdesk?"):
        check_sets(read_policy({"weights": {"helpdsk": 2}}), ["helpdesk", "scifact"])


def test_prices_are_unknown_unless_given() -> None:
    assert read_policy({}).prices == {"machine_per_hour": None, "per_million_tokens": {}, "currency": "USD"}
    found = read_policy({"prices": {"per_million_tokens": {"free": 0}, "currency": "EUR"}}).prices
    assert found == {"machine_per_hour": None, "per_million_tokens": {"free": 0.0}, "currency": "EUR"}


def test_a_policy_of_ones_own_is_taken_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.launch import compose

    monkeypatch.chdir(tmp_path)
    Path("configs/policy").mkdir(parents=True)
    Path("configs/policy/mine.yaml").write_text(
        "defaults: [default]\nname: mine\nmargin: 0.05\nweights: {helpdesk: 2}\nprices: {machine_per_hour: 1.5}\n"
    )
    found = read_policy(compose(["policy=mine"])[0].config["policy"])
    assert (found.name, found.margin, found.weights) == ("mine", 0.05, {"helpdesk": 2.0})
    assert found.prices == {"machine_per_hour": 1.5, "per_million_tokens": {}, "currency": "USD"}
    typed = read_policy(compose(["policy.weights={helpdesk:3}"])[0].config["policy"])
    assert typed.weights == {"helpdesk": 3.0}
