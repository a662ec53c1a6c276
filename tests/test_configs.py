"""Every file in configs/ composes and builds."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import yaml

from harness.launch import compose, shipped
from harness.parts import build, describe
from harness.policy import read_policy
from harness.prompts import APART
from harness.timingoptions import SCENARIOS, scenarios_of

CONFIGS = shipped("configs")
MODELS = sorted(p.stem for p in (CONFIGS / "model").glob("*.yaml"))
PARTS = [(g, p.stem) for g in ("pooling", "reduction", "quantization", "index", "executor") for p in sorted((CONFIGS / g).glob("*.yaml"))]  # fmt: skip
NO_API = importlib.util.find_spec("harness.encoders.api") is None


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")


OPEN = [name for name in MODELS if "???" in (CONFIGS / "model" / f"{name}.yaml").read_text()]  # what a user fills in


def test_every_model_composes_and_builds_without_reading_weights() -> None:
    for job in compose([f"model={','.join(m for m in MODELS if m not in OPEN)}"]):
        node = {k: v for k, v in job.config["model"].items() if k not in APART}
        if node["_target_"].startswith("harness.encoders.api.") and NO_API:
            continue
        part = build(node)
        assert build(describe(part)) == part, job.choices["model"]


@pytest.mark.parametrize("name", MODELS)
def test_every_model_says_what_a_policy_may_limit(name: str) -> None:
    node = yaml.safe_load((CONFIGS / "model" / f"{name}.yaml").read_text())
    if name in OPEN:
        return
    card = node["card"]
    assert isinstance(card["licence"], str) and isinstance(card["languages"], list)
    assert card["parameters"] is None or card["parameters"] >= 0
    if "parameters" in card and card["parameters"] is None:
        assert card["price_per_million_tokens"] > 0
    if node.get("trust_remote_code"):
        assert card.get("remote_code") is True, "a policy that forbids remote code must see it"
    if "id" in node and node["_target_"].startswith("harness.encoders.sentence_transformer"):
        assert name == node["id"].rpartition("/")[2].lower()
        assert card["dims"] > 0
        assert card["max_tokens"] is None or card["max_tokens"] > 0  # None: a static model has no limit


@pytest.mark.parametrize(("group", "name"), PARTS)
def test_every_part_of_every_group_composes_and_builds(group: str, name: str) -> None:
    (job,) = compose(["model=hashing", f"{group}={name}"])
    part = build(job.config[group])
    assert build(describe(part)) == part


def test_every_policy_is_valid_and_names_every_limit() -> None:
    for path in (CONFIGS / "policy").glob("*.yaml"):
        (job,) = compose(["model=hashing", f"policy={path.stem}"])
        assert read_policy(job.config["policy"]).name == path.stem


def test_every_timing_has_the_same_settings() -> None:
    found = [yaml.safe_load(p.read_text()) for p in (CONFIGS / "timing").glob("*.yaml")]
    assert {frozenset(node) for node in found} == {frozenset(SCENARIOS)}
    for node in found:
        parts = scenarios_of(node)
        assert all(describe(part) == node[name] for name, part in parts.items()), "every setting is written out"


def test_what_each_timing_measures() -> None:
    measured = {p.stem: list(scenarios_of(yaml.safe_load(p.read_text()))) for p in (CONFIGS / "timing").glob("*.yaml")}
    assert measured == {
        "none": [], "quick": ["query", "index", "start"], "full": ["query", "index", "start"],
        "serve": ["query", "index", "start", "serve"],
    }  # fmt: skip


def test_the_metrics_build_and_the_first_is_ndcg_at_10() -> None:
    (job,) = compose(["model=hashing"])
    keys = [build(node).key for node in job.config["metrics"]]
    assert keys[0] == "ndcg_at_10"
    wanted = {"recall_at_10", "recall_at_100", "mrr_at_10", "map_at_100", "judged_at_10", "precision_at_10"}
    assert wanted <= set(keys) and len(set(keys)) == len(keys)
