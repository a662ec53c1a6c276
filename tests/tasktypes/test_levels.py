"""Labels on several levels, which not all texts have, beside mteb run directly on the labels as they were published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest

from harness.quantizers.pq import Pq
from harness.types import EvalSet, HarnessError
from tests.tasktypes import peer
from tests.tasktypes.small import SMALL, small_topics
from tests.tasktypes.test_against_mteb import WHOLE, hashed, main_score, ours

DRAWS = {"max_documents_per_cluster": 120, "n_clusters": 3}
Labels = Sequence[Sequence[str | int]]


def topics(label: Sequence[Sequence[int]]) -> EvalSet:
    return replace(small_topics(), targets={"label": np.array(label, np.int32), "group": np.zeros(40, np.int32)})


def published(data: EvalSet, labels: Labels, name: str = "", **settings: Any) -> Mapping[str, Any]:
    """mteb's scores of the texts with labels of whatever kind."""
    import mteb
    from datasets import Dataset, DatasetDict

    task = mteb.get_task(name) if name else peer.task_for("Clustering", mteb.abstasks.AbsTaskClustering, "v_measure")
    for setting, value in settings.items():
        setattr(task, setting, value)
    rows = Dataset.from_dict({"sentences": list(data.documents.texts), "labels": [list(row) for row in labels]})
    return peer._run(task, DatasetDict(test=rows), hashed, "test")


def test_texts_without_a_label_are_a_class_where_labels_are_text_and_have_no_part_where_they_are_numbers() -> None:
    label = [[t % 4, t % 3 if t % 5 else -1] for t in range(40)]
    numbers = [[one for one in row if one >= 0] for row in label]
    words = [[f"of {one}" for one in row] for row in numbers]
    settings = {**DRAWS, "max_fraction_of_documents_to_embed": None}
    left_out, a_class = (
        ours(topics(label), **DRAWS),
        ours(topics([[a, b if b >= 0 else -2] for a, b in label]), **DRAWS),
    )
    assert main_score(left_out) == pytest.approx(published(small_topics(), numbers, **settings)["v_measure"], abs=1e-9)
    assert main_score(a_class) == pytest.approx(published(small_topics(), words, **settings)["v_measure"], abs=1e-9)
    assert abs(main_score(left_out) - main_score(a_class)) > 0.005
    assert not left_out.warnings
    assert a_class.warnings == ("texts without a label (8 on level 2) are one more class there, as mteb has it",)


@pytest.mark.parametrize("none", [-1, -2])
def test_a_level_that_no_embedded_text_reaches_has_no_score_as_in_mteb(none: int) -> None:
    label = [[t % 4, none, none] for t in range(40)]
    for text in range(9, 40):
        label[text][1] = text % 2
    undrawn = sorted(set(range(40)) - set(Random(42).sample(range(40), 16)))
    for text, deepest in zip(undrawn[:2], (0, 1), strict=True):
        label[text][1:] = [0, deepest]
    kept = {**DRAWS, "max_fraction_of_documents_to_embed": 0.4}
    kind = str if none == -2 else int
    theirs = published(small_topics(), [[kind(one) for one in row if one >= 0] for row in label], **kept)
    assert len(theirs["v_measures"]) == 2
    assert main_score(ours(topics(label), **kept)) == pytest.approx(theirs["v_measure"], abs=1e-9)


def test_a_level_below_the_depth_of_a_task_has_no_part_in_score_warnings_and_refusal() -> None:
    name = "AlloProfClusteringS2S.v2"  # of depth 1
    found = ours(topics([[t % 4, 0] for t in range(40)]), task=name)
    theirs = published(small_topics(), [[t % 4, 0] for t in range(40)], name)
    assert main_score(found) == pytest.approx(theirs["v_measure"], abs=1e-9)
    assert not found.warnings
    with pytest.raises(HarnessError, match="all 40 texts are of one class"):
        ours(topics([[0, t % 4] for t in range(40)]), task=name)


def test_a_level_of_one_class_counts_as_one_and_is_named() -> None:
    found = ours(topics([[0, t % 4] for t in range(40)]), **DRAWS)
    assert any(line.startswith("level 1 of the labels has one class") for line in found.warnings)


@pytest.mark.parametrize("kind", [kind for kind, made in SMALL.items() if not made().searched])
def test_codes_that_all_but_copy_the_texts_are_said_where_nothing_is_searched_too(kind: str) -> None:
    settings = DRAWS if kind == "clustering" else {}
    found = ours(SMALL[kind](), replace(WHOLE, quantizer=Pq(4, 3)), **settings)
    assert any("all but copy the corpus" in line for line in found.warnings)
    assert not any("all but copy" in line for line in ours(SMALL[kind](), **settings).warnings)
