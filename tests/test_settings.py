"""Settings of a manifest: what no evaluator can work with is one line before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.manifests import checked
from harness.types import HarnessError

GOOD: list[tuple[str, dict[str, Any]]] = [
    ("classification", {"samples_per_label": 1, "n_experiments": 1, "seed": 2**32 - 1, "main": "f1"}),
    ("clustering", {"max_fraction_of_documents_to_embed": 1, "n_clusters": 1, "k_mean_batch_size": 1, "seed": 0}),
    ("clustering", {"max_fraction_of_documents_to_embed": None, "max_documents_per_cluster": 2}),
    ("sts", {"min_score": -1, "max_score": 1e300}),
    ("summarization", {"max_score": 0.5, "task": "SummEval"}),
    ("reranking", {"main": "ndcg_at_10"}),
    ("pair_classification", {"main": "max_accuracy"}),
    ("retrieval", {}),
]

BAD: list[tuple[str, Any, str]] = [
    ("classification", {"samples_per_label": 0}, "samples_per_label: 0: expected a number from 1 to 100000"),
    ("classification", {"samples_per_label": -1}, "samples_per_label: -1: expected"),
    ("classification", {"samples_per_label": int("9" * 400)}, "samples_per_label: 999"),
    ("classification", {"n_experiments": 0}, "n_experiments: 0: expected"),
    ("classification", {"seed": -1}, "seed: -1: expected a number from 0 to 4294967295"),
    ("classification", {"seed": 2**32}, "seed: 4294967296: expected"),
    ("classification", {"_target_": "os.system"}, "{'_target_': 'os.system'}: expected parameters of the type"),
    ("classification", {"samples_per_label": {"_target_": "os.system"}}, "os.system' is not a part of this harness"),
    ("classification", {"seed": True}, "expected a whole number"),
    ("classification", [1], "[1]: expected parameters of the type"),
    ("classification", {1: 2}, "has no parameter '1'"),
    ("clustering", {"n_clusters": 0}, "n_clusters: 0: expected"),
    ("clustering", {"max_documents_per_cluster": 1}, "max_documents_per_cluster: 1: expected a number from 2"),
    ("clustering", {"max_documents_per_cluster": 10**11}, "max_documents_per_cluster: 100000000000: expected"),
    ("clustering", {"k_mean_batch_size": 0}, "k_mean_batch_size: 0: expected"),
    ("clustering", {"max_fraction_of_documents_to_embed": 0}, "max_fraction_of_documents_to_embed: 0.0: expected"),
    ("clustering", {"max_fraction_of_documents_to_embed": 2}, "max_fraction_of_documents_to_embed: 2.0: expected"),
    ("clustering", {"max_fraction_of_documents_to_embed": float("nan")}, "_to_embed: nan: expected"),
    (
        "sts",
        {"min_score": 5, "max_score": 1},
        "min_score: 5, max_score: 1: expected two numbers, the first the smaller",
    ),
    ("sts", {"min_score": 9}, "min_score: 9, max_score: 5: expected"),
    ("sts", {"max_score": float("inf")}, "min_score: 0, max_score: inf: expected"),
    ("sts", {"max_score": int("9" * 400)}, "a number is too large"),
    ("summarization", {"min_score": 3, "max_score": 3}, "min_score: 3, max_score: 3: expected"),
    ("reranking", {"main": "bogus"}, "main: 'bogus': expected such as map_at_1000"),
    ("reranking", {"main": "ndgc_at_10"}, "Did you mean ndcg?"),
    ("reranking", {"main": "ndcg_at_0"}, "main: 'ndcg_at_0': expected"),
    ("reranking", {"main": "ndcg_at_\N{SUPERSCRIPT TWO}"}, "expected such as map_at_1000"),
    ("reranking", {"main": "ndcg_at_" + "9" * 5000}, "expected such as map_at_1000"),
    ("reranking", {"kept": 3}, "'kept' is not known. Known: main."),
    ("reranking", {"metrics": []}, "'metrics' is not known. Known: main."),
]


def at(folder: Path, kind: str, **more: Any) -> Any:
    return checked({"type": kind, "path": ".", **more}, folder / "m.yaml")


@pytest.mark.parametrize(("kind", "settings"), GOOD)
def test_settings_that_mean_something_are_kept_as_given(tmp_path: Path, kind: str, settings: dict[str, Any]) -> None:
    assert at(tmp_path, kind, settings=settings).settings == settings


@pytest.mark.parametrize(("kind", "settings", "line"), BAD)
def test_settings_that_mean_nothing_are_one_short_line(tmp_path: Path, kind: str, settings: Any, line: str) -> None:
    with pytest.raises(HarnessError) as raised:
        at(tmp_path, kind, settings=settings)
    said = str(raised.value)
    assert said.startswith(f"{tmp_path / 'm.yaml'}: settings: ") and line in said
    assert "\n" not in said and len(said) < len(str(tmp_path)) + 400


def test_a_name_of_thousands_of_characters_is_refused_and_cut(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"name: n{40}\.\.\. has 10000 characters; expected at most 200") as raised:
        at(tmp_path, "sts", name="n" * 10_000)
    assert len(str(raised.value)) < 400
