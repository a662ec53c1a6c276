"""The door to mteb: our candidates as its encoders, fresh tasks, nothing left behind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.adapter import SPLIT, SpaceModel, evaluated, evaluation, own_task, public_task, task_of
from harness.encoders.hashing import Hashing
from harness.indexes.flat import Flat
from harness.poolings.native import Native
from harness.quantizers.int8 import Int8
from harness.reductions.truncate import Truncate
from harness.retrievers.dense import Dense
from harness.spaces import prepared
from harness.types import HarnessError
from tests.material import Encoding, small_pairs

PART = Dense(
    Hashing(prompts={"query": "ask ", "document": "read ", "text": "say "}), Native(), Truncate(), Int8(), Flat()
)


def batches(*texts: str) -> list[dict[str, list[str]]]:
    return [{"text": list(texts[:2])}, {"text": list(texts[2:])}]


def sts(data: Any) -> tuple[Any, dict[str, Any]]:
    pairs = zip(data.queries.texts, data.documents.texts, data.targets["score"].tolist(), strict=True)
    rows = [{"sentence1": a, "sentence2": b, "score": score} for a, b, score in pairs]
    return own_task("AbsTaskSTS", "STS", "cosine_spearman", {}), {SPLIT: rows}


def test_texts_are_read_in_the_role_that_mteb_asks_for() -> None:
    from mteb.types import PromptType

    space = prepared(PART, small_pairs(), Encoding())
    model = SpaceModel(space)
    texts = ("red car", "fast boat", "slow train")
    for asked, role in ((None, "text"), (PromptType.query, "query"), (PromptType.document, "document")):
        assert np.array_equal(model.encode(batches(*texts), prompt_type=asked), space.vectors(texts, role))
    assert not np.array_equal(space.vectors(texts, "query"), space.vectors(texts, "text"))


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean", "manhattan"])
def test_similarities_are_the_candidates_own_for_matrices_and_single_vectors(similarity: Any) -> None:
    part = Dense(Hashing(), Native(), Truncate(), Int8(), Flat(), similarity)
    model = SpaceModel(prepared(part, small_pairs(), Encoding()))
    a, b = np.random.default_rng(1).normal(size=(2, 3, 8)).astype(np.float32)
    expected = {
        "cosine": lambda x, y: x @ y / np.linalg.norm(x) / np.linalg.norm(y), "dot": lambda x, y: x @ y,
        "euclidean": lambda x, y: -np.linalg.norm(x - y), "manhattan": lambda x, y: -np.abs(x - y).sum(),
    }[similarity]  # fmt: skip
    by_hand = [[expected(x, y) for y in b] for x in a]
    np.testing.assert_allclose(model.similarity(a, b), by_hand, rtol=1e-5)
    np.testing.assert_allclose(model.similarity_pairwise(a, b), np.diag(by_hand), rtol=1e-5)
    assert float(model.similarity(a[0], b[1])) == pytest.approx(by_hand[0][1], rel=1e-5)


def test_a_task_object_scores_another_number_the_second_time_so_each_is_used_once() -> None:
    """mteb's clustering keeps its random state on the task; ours is made anew, and gives the same each time."""
    rows = [{"sentences": f"{'red' if i % 3 else 'blue'} car {i % 7}", "labels": int(i % 2)} for i in range(60)]
    model = SpaceModel(prepared(PART, small_pairs(), Encoding()))
    settings = {"max_documents_per_cluster": 40, "n_clusters": 2, "max_fraction_of_documents_to_embed": None}

    def fresh() -> Any:
        return own_task("AbsTaskClustering", "Clustering", "v_measure", settings)

    used = fresh()
    first = evaluated(used, {SPLIT: rows}, model).scores["v_measure"]
    assert evaluated(used, {SPLIT: rows}, model).scores["v_measure"] != first
    assert evaluated(fresh(), {SPLIT: rows}, model).scores["v_measure"] == first
    assert public_task("SICK-R") is not public_task("SICK-R")


def test_settings_and_the_seed_reach_the_task_and_its_class_stays_as_it_was() -> None:
    from mteb.abstasks import AbsTaskClassification

    task = own_task("AbsTaskClassification", "Classification", "accuracy", {"samples_per_label": 3, "seed": 7})
    assert (task.samples_per_label, task.seed, task.metadata.main_score) == (3, 7, "accuracy")
    assert (AbsTaskClassification.samples_per_label, task_of("", ("AbsTaskSTS", "STS"), "spearman", {}).seed) == (8, 42)


def test_what_mteb_raises_is_one_line() -> None:
    task, data = sts(small_pairs())
    model = SpaceModel(prepared(PART, small_pairs(), Encoding()))
    with pytest.raises(HarnessError, match="mteb cannot score made: Column") as raised:
        evaluated(task, {SPLIT: [{"sentence1": "a", "sentence2": "b"}]}, model, "made")
    assert "\n" not in str(raised.value)


def test_values_whose_mean_is_not_the_score_never_pass() -> None:
    data = small_pairs()
    space = prepared(PART, data, Encoding())
    task, rows = sts(data)
    outcome = evaluated(task, rows, SpaceModel(space))
    with pytest.raises(HarnessError, match="the items' cosine_spearman is 0.500000, mteb says"):
        evaluation(data, space, outcome, (("a", "b"), {"cosine_spearman": np.array([0.0, 1.0])}))


def test_a_score_by_cosine_of_a_candidate_that_compares_otherwise_says_so() -> None:
    data = small_pairs()
    space = prepared(Dense(Hashing(), Native(), Truncate(), Int8(), Flat(), "dot"), data, Encoding())
    task, rows = sts(data)
    outcome = evaluated(task, rows, SpaceModel(space))
    mean = outcome.scores["cosine_spearman"]
    found = evaluation(data, space, outcome, (("a",), {"cosine_spearman": np.array([mean])}), ("beside",))
    assert found.warnings[-2] == "beside"
    assert "this candidate compares by dot" in found.warnings[-1]
    assert found.facts["queries"] == 1
    assert "main_score" not in found.facts
