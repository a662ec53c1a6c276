"""One line a candidate over all eval sets: means, Borda ranks, and the warning that each of them needs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.cards import trained_on
from harness.summary import Summary, summarise
from harness.types import NO_QRELS, EvalSet, Texts

RETRIEVAL, STS = {"type": "retrieval", "sample": "", "public": ""}, {"type": "sts", "sample": "", "public": ""}
MAINS = {"retrieval": "ndcg_at_10", "sts": "cosine_spearman"}


def rows(scores: dict[str, dict[str, float]], evalsets: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    """A row for each candidate and eval set it has a score on, and one with a reason where it has none."""
    labels = {"pooling": "mean", "dim": 8, "quantization": "float32"}
    return [
        {"candidate_id": f"id-{name}", "model": name, "task": task, "main_score": own.get(task), **labels,
         "status": "ok" if task in own else "skipped", "main": MAINS[about["type"]], "warnings": [], **more}
        for name, own in scores.items()
        for task, about in evalsets.items()
    ]  # fmt: skip


def of(scores: dict[str, dict[str, float]], evalsets: dict[str, Any], **more: Any) -> Summary:
    found = summarise(rows(scores, evalsets, **more), evalsets)
    assert found is not None
    return found


def lines(found: Summary) -> dict[str, tuple[Any, ...]]:
    return {line.candidate[3:]: (line.borda, line.mean_task, line.mean_type) for line in found.lines}


def test_three_candidates_on_three_tasks_by_hand() -> None:
    sets = {"a": RETRIEVAL, "b": RETRIEVAL, "c": STS}
    found = of({"x": {"a": 0.5, "b": 0.7, "c": 0.9}, "y": {"a": 0.5, "b": 0.1, "c": 0.3}, "z": {"a": 0.2, "b": 0.6, "c": 0.4}}, sets)  # fmt: skip
    # Points: x 1.5 + 2 + 2, y 1.5 + 0 + 0, z 0 + 1 + 1.
    assert lines(found) == {
        "x": (1, pytest.approx(0.7), pytest.approx((0.6 + 0.9) / 2)),
        "z": (2, pytest.approx(0.4), pytest.approx(0.4)),
        "y": (3, pytest.approx(0.3), pytest.approx(0.3)),
    }
    assert found.types == {"retrieval": ("a", "b"), "sts": ("c",)}
    assert found.lines[0].types == {"retrieval": pytest.approx(0.6), "sts": 0.9}


def test_parts_of_a_public_task_count_once_and_sets_of_ones_own_by_themselves() -> None:
    names = {"de": "STS22/de", "en": "STS22/en@test", "old": "STS22@train", "own": "", "other": ""}
    sets = {name: STS | {"public": public} for name, public in names.items()}
    found = of({"x": {"de": 0.1, "en": 0.2, "old": 0.3, "own": 0.6, "other": 1.0}}, sets)
    assert found.types == {"sts": ("STS22", "own", "other")}
    assert found.lines[0].mean_task == pytest.approx((0.2 + 0.6 + 1.0) / 3)


def test_a_missing_score_is_missing_in_every_mean_it_belongs_to_and_counted() -> None:
    sets = {"a": RETRIEVAL, "b": STS | {"public": "T/de"}, "c": STS | {"public": "T/fr"}}
    found = of({"x": {"a": 0.5, "b": 0.4, "c": 0.6}, "y": {"a": 0.9, "b": 0.9}, "z": {"b": 0.9}}, sets)
    y = next(line for line in found.lines if line.candidate == "id-y")
    assert (y.mean_task, y.mean_type, y.missing) == (None, None, 1) and y.types == {"retrieval": 0.9, "sts": None}
    assert [line.candidate for line in found.lines] == ["id-y", "id-x"], "z has no whole task"
    assert "1 candidate without a score on every task: no mean over those" in found.warnings
    assert "1 candidate without any whole task left out" in found.warnings


def test_published_rows_and_repeated_batch_sizes_change_nothing() -> None:
    sets = {"a": RETRIEVAL, "b": STS}
    mine = rows({"x": {"a": 0.5, "b": 0.4}, "y": {"a": 0.4, "b": 0.6}}, sets)
    theirs = [row | {"status": "published"} for row in rows({"famous": {"a": 0.99, "b": 0.99}}, sets)]
    assert summarise([*mine, *mine, *theirs], sets) == summarise(mine, sets)


def test_one_eval_set_or_no_result_has_no_summary() -> None:
    assert summarise(rows({"x": {"a": 0.5}}, {"a": STS}), {"a": STS}) is None
    assert summarise(rows({"x": {}}, {"a": STS, "b": STS}), {"a": STS, "b": STS}) is None


def test_each_mean_carries_the_warning_that_applies_and_no_other() -> None:
    even = {f"m{i}": {"a": 0.1 * i, "b": 0.1 * i} for i in range(10)}
    assert of(even, {"a": RETRIEVAL, "b": RETRIEVAL}).warnings == ()
    found = of({"x": {"a": 0.5, "b": 0.4, "c": 0.3}}, {"a": RETRIEVAL, "b": RETRIEVAL, "c": STS | {"sample": "5 of 9"}})
    assert found.warnings == (
        "means over tasks mix unlike metrics (Spearman (cosine) and nDCG@10)",
        "a single task stands for STS, with a whole type's weight in the mean by type",
        "sub-sampled, so not comparable with whole sets: c [5 of 9]",
        "a Borda rank among 1 candidate depends on who else is in the table",
    )


def test_two_metrics_inside_one_type_are_told_apart_from_those_of_types() -> None:
    sets = {"a": STS, "b": STS, "c": RETRIEVAL}
    made = rows({"x": {"a": 0.5, "b": 0.4, "c": 0.3}}, sets)
    made[0]["main"] = "spearman"
    found = summarise(made, sets)
    assert found is not None and "so does the mean of STS (Spearman and Spearman (cosine))" in found.warnings


def test_a_model_that_was_trained_on_a_set_is_named() -> None:
    texts = Texts(("1",), ("text",))
    evalset = EvalSet("sci", "retrieval", texts, texts, NO_QRELS, public="SciFact")
    warning = trained_on({"training_sets": ["SciFact"], "id": "m/x"}, evalset)
    sets = {"sci": RETRIEVAL, "b": RETRIEVAL}
    found = summarise(
        [
            row | {"warnings": [warning] if row["task"] == "sci" else []}
            for row in rows({"x": {"sci": 1, "b": 1}}, sets)
        ],
        sets,
    )
    assert found is not None and "x was trained on sci" in found.warnings


PUBLIC = {
    "SciFact": "retrieval", "NFCorpus": "retrieval", "ArguAna": "retrieval", "STS22.v2": "sts", "STS17": "sts",
    "Banking77Classification": "classification",
}  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_means_and_borda_ranks_are_those_of_mtebs_leaderboard(seed: int) -> None:
    """Random tables with ties and missing cells; some tasks in two subsets; now and then a model without a whole task."""
    import polars as pl
    from mteb.benchmarks._create_table import _create_summary_table
    from mteb.models.model_implementations import MODEL_REGISTRY

    generator = np.random.default_rng(seed)
    models = sorted(MODEL_REGISTRY)[:8]
    parts = [(task, subset) for task in PUBLIC for subset in (("de", "fr") if task.startswith("STS") else ("default",))]
    sets = {f"{t}/{s}": {"type": PUBLIC[t], "sample": "", "public": f"{t}/{s}"} for t, s in parts}
    # Sixteenths, so that means of two are exact and ties are ties.
    scores = {
        model: {name: int(generator.integers(0, 8)) / 16 for name in sets if generator.random() > 0.12}
        for model in models
    }
    if seed % 2:
        scores[models[0]] = {"STS17/de": 0.25}  # part of one task: no line, and yet a rank that others do not get
    long = [
        {
            "model_name": model,
            "task_name": name.split("/")[0],
            "subset": name.split("/")[1],
            "split": "test",
            "score": s,
        }
        for model, own in scores.items()
        for name, s in own.items()
    ]
    table = {row["Model"]: row for row in _create_summary_table(pl.DataFrame(long)).df.to_dicts()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MAINS, "classification", "accuracy")
        found = of(scores, sets)
    assert {line.candidate[3:] for line in found.lines} == set(table)
    assert len({line.borda for line in found.lines}) > 1
    names = {"retrieval": "Retrieval", "sts": "STS", "classification": "Classification"}
    for line in found.lines:
        theirs = table[line.candidate[3:]]
        assert line.borda == theirs["Rank (Borda)"]
        assert line.mean_task == pytest.approx(theirs["Mean (Task)"])
        assert line.mean_type == pytest.approx(theirs["Mean (TaskType)"])
        for kind, mean in line.types.items():
            assert mean == pytest.approx(theirs[names[kind]])
