"""Labels that favour one engine: when the decision refuses, and when fewer judged documents say nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.decide import BIASED, DECIDED, INSUFFICIENT, decide
from harness.evidence import WITHIN
from harness.policy import read_policy
from tests.sweeping import invented

GENERATOR = np.random.default_rng(8)
WORDS = np.clip(GENERATOR.normal(0.65, 0.2, 200), 0, 1)
DENSE = np.clip(WORDS - 0.15 + GENERATOR.normal(0, 0.1, 200), 0, 1)  # shown worse than the margin, as labelled


def decided(
    judged: dict[str, float],
    relevant: dict[str, float] | None = None,
    condensed: dict[str, Any] | None = None,
    source: str = "human-pool",
    notes: tuple[dict[str, Any], ...] = (),
) -> dict[str, Any]:
    scores = {"words": {"a": WORDS}, "dense": {"a": DENSE}}
    about = {"a": {"label_source": source, "notes": list(notes)}}
    sweep = invented(scores, {"words": 100, "dense": 1000}, judged=judged, about=about)
    for name, share in (relevant or {}).items():
        sweep.records[f"{name}-a"].values["precision_at_10"] = share  # type: ignore[index]
    for name, values in (condensed or {}).items():
        sweep.records[f"{name}-a"].arrays["ndcg_condensed_at_10"] = values  # type: ignore[index]
    return decide(sweep, read_policy({"draws": 400}))


UNEVEN = {"words": 1.0, "dense": 0.45}
BOTH = {"words": 0.31, "dense": 0.25}
ALIKE = {"words": WORDS, "dense": np.clip(WORDS + GENERATOR.normal(0.03, 0.1, 200), 0, 1)}


def test_a_candidate_whose_holes_alone_put_it_out_makes_the_decision_refuse() -> None:
    found = decided(UNEVEN, BOTH, ALIKE)
    assert (found["status"], found["pick"], found["changes"], found["same_pick"]) == (BIASED, None, [], [])
    dense, words = "dense · native · full · float32", "words · native · full · float32"
    assert found["holes"] == {
        "as_scored": words, "condensed": dense, "low": 0.45, "high": 1.0, "low_label": dense, "high_label": words,
        "same": False,
    }  # fmt: skip
    assert "harness pool" in found["sentence"] and "45 %" in found["sentence"]
    assert "lower bound" in found["caveats"][0]


def test_worse_over_judged_documents_too_is_worse() -> None:
    worse = ALIKE | {"dense": np.clip(WORDS - 0.15, 0, 1)}
    assert decided(UNEVEN, BOTH, worse)["status"] == DECIDED


def test_a_dear_candidate_that_could_only_come_close_is_not_in_question() -> None:
    close = ALIKE | {"dense": WORDS - 0.01}
    assert decided(UNEVEN, BOTH, close)["status"] == DECIDED, "it costs ten times as much as what it comes close to"


def test_labels_of_relevant_documents_alone_say_nothing_of_holes() -> None:
    """judged@10 is then the precision: a worse candidate always has fewer judged."""
    assert decided({"words": 0.35, "dense": 0.20}, {"words": 0.35, "dense": 0.20}, ALIKE)["status"] == DECIDED


@pytest.mark.parametrize(("source", "status"), [("bm25-top10", BIASED), ("human-pool", DECIDED)])
def test_of_labels_declared_to_come_from_one_engine_a_twentieth_fewer_judged_is_uneven(
    source: str, status: str
) -> None:
    """Cranfield cut to what BM25 found: 0.35 of ten judged against 0.26."""
    judged = {"words": 0.35, "dense": 0.26}
    assert decided(judged, judged, ALIKE, source)["status"] == status


@pytest.mark.parametrize("same", [True, False])
def test_holes_say_whether_the_pick_depends_on_them(same: bool) -> None:
    """small is picked; odd is cheaper, open and judged less. Over judged documents alone it is open too, or as good."""
    noise = GENERATOR.normal(0, 0.3, 200)
    noisy = WORDS - 0.02 + noise - noise.mean()
    scores = {"large": {"a": WORDS}, "small": {"a": WORDS - 0.001}, "odd": {"a": noisy}}
    judged = {"large": 0.9, "small": 0.9, "odd": 0.7}
    sweep = invented(scores, {"large": 1000, "small": 100, "odd": 10}, judged=judged)
    condensed = {"large": WORDS + 0.01, "small": WORDS + 0.01, "odd": noisy if same else WORDS + 0.01}
    for name, values in condensed.items():
        sweep.records[f"{name}-a"].arrays["ndcg_condensed_at_10"] = values  # type: ignore[index]
    found = decide(sweep, read_policy({"draws": 400}))
    assert (found["status"], found["holes"]["same"]) == (BIASED, same)
    assert found["holes"]["condensed"].split(" ")[0] == ("small" if same else "odd")


@pytest.mark.parametrize("reference", ["best", "any", "good"])
def test_few_items_show_nothing_even_where_the_best_is_the_cheapest(reference: str) -> None:
    scores = {"good": {"a": WORDS[:29]}, "poor": {"a": WORDS[:29] - 0.3}}
    policy = read_policy({"draws": 400, "reference": reference})
    found = decide(invented(scores, {"good": 10, "poor": 1000}), policy)
    assert (found["status"], found["pick"], found["too_small"]) == (INSUFFICIENT, None, ["a"])
    enough = {name: {"a": WORDS[:30] - 0.3 * (name == "poor")} for name in scores}
    assert decide(invented(enough, {"good": 10, "poor": 1000}), policy)["pick"] == "id-good"
    alone = decide(invented({"good": scores["good"]}, {"good": 10}), policy)
    assert (alone["status"], alone["pick"]) == (DECIDED, "id-good"), "there is nothing to compare it with"


def test_what_the_data_doctor_found_counts_where_the_manifest_is_silent() -> None:
    judged = {"words": 0.35, "dense": 0.26}
    found = {"code": WITHIN, "level": "warning"}
    assert decided(judged, judged, ALIKE, "unknown", (found,))["status"] == BIASED
    assert decided(judged, judged, ALIKE, "unknown")["status"] == DECIDED


def test_without_scores_over_judged_documents_nobody_is_drawn_into_question() -> None:
    assert decided(UNEVEN, BOTH)["status"] == DECIDED
    assert decided(UNEVEN, BOTH)["holes"] == {}
