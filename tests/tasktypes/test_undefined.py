"""What has no score is one line that says so, never a number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.encoders.hashing import Hashing
from harness.indexes.flat import Flat
from harness.metrics.ndcg import Ndcg
from harness.parts import find
from harness.poolings.native import Native
from harness.quantizers.float32 import Float32
from harness.reductions.truncate import Truncate
from harness.retrievers.dense import Dense
from harness.retrievers.hybrid import Hybrid
from harness.spaces import prepared
from harness.tasktypes.reranking import Reranking
from harness.types import EvalSet, Floats, HarnessError, Inapplicable, Role, Similarity, Texts
from tests.material import Encoding
from tests.tasktypes.small import SMALL, small_alike, small_bitext, small_candidates, small_classes, small_summaries

WHOLE = Dense(Hashing(), Native(), Truncate(), Float32(), Flat())


class Constant:
    """A space in which every text has the same vector."""

    similarity: Similarity = "cosine"
    facts: Mapping[str, float] = {}
    warnings: tuple[str, ...] = ()

    def vectors(self, texts: Any, role: Role) -> Floats:
        return np.ones((len(texts), 4), dtype=np.float32)


def relabelled(data: EvalSet, **targets: Any) -> EvalSet:
    return replace(data, targets={**data.targets, **{k: np.asarray(v) for k, v in targets.items()}})


CONSTANT = ("sts", "pair_classification", "summarization")


@pytest.mark.parametrize("kind", CONSTANT)
def test_a_candidate_that_tells_no_texts_apart_has_no_score(kind: str) -> None:
    with pytest.raises(HarnessError, match="is not defined here|equally similar"):
        find("tasktypes", kind)().evaluate(SMALL[kind](), Constant())


BROKEN = {
    "scores all equal": (relabelled(SMALL["sts"](), score=np.full(30, 2.0)), "is not defined here"),
    "pairs of one label": (relabelled(small_alike(), label=np.ones(40, np.int32)), "every pair has the label 1"),
    "test texts of one class": (relabelled(small_classes(), label=np.zeros(30, np.int32)), "all 30 test texts"),
    "training of one class": (relabelled(small_classes(), document_label=np.ones(48, np.int32)), "all 48 training"),
    "topics of one class": (relabelled(SMALL["clustering"](), label=np.zeros((40, 1), np.int32)), "of one class"),
    "summaries of one score": (relabelled(small_summaries(), score=np.full(30, 1.0)), "is not defined here"),
    "one translation": (
        replace(small_bitext(), documents=Texts(("d0",), ("paper",))), "one translation cannot be missed"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("data", "line"), BROKEN.values(), ids=list(BROKEN))
def test_a_set_with_nothing_to_tell_apart_has_no_score(data: EvalSet, line: str) -> None:
    with pytest.raises(HarnessError, match=line) as raised:
        find("tasktypes", data.type)().evaluate(data, prepared(WHOLE, data, Encoding()))
    assert "\n" not in str(raised.value)


def test_candidates_without_any_relevant_one_and_unknown_metrics_are_refused() -> None:
    data = small_candidates()
    ready = WHOLE.prepare(data, Encoding())
    nothing = replace(data, qrels=data.qrels._replace(grade=np.zeros_like(data.qrels.grade)))
    with pytest.raises(HarnessError, match="no query has a relevant document"):
        Reranking((Ndcg(10),)).evaluate(nothing, ready)
    for main in ("accuracy", "ndgc_at_10", "map_at_x"):
        with pytest.raises(HarnessError, match="expected such as map_at_1000"):
            Reranking((Ndcg(10),), main).evaluate(data, ready)
    fused = Hybrid((WHOLE, WHOLE)).prepare(data, Encoding())
    with pytest.raises(Inapplicable):
        Reranking().evaluate(data, fused)


@pytest.mark.parametrize(
    ("task", "line"),
    [
        ("STSBenchmarkk", "mteb has no task STSBenchmarkk"),
        ("SciFact", "is of mteb's type Retrieval; name one of type STS"),
    ],
)
def test_a_public_task_that_does_not_exist_or_fit_is_named(task: str, line: str) -> None:
    data = SMALL["sts"]()
    with pytest.raises(HarnessError, match=line):
        find("tasktypes", "sts")(task=task).evaluate(data, prepared(WHOLE, data, Encoding()))


def test_classifiers_that_did_not_converge_are_counted_in_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    import mteb.abstasks
    from sklearn.linear_model import LogisticRegression

    monkeypatch.setattr(mteb.abstasks.AbsTaskClassification, "evaluator_model", LogisticRegression(max_iter=1))
    data = small_classes()
    found = find("tasktypes", "classification")().evaluate(data, prepared(WHOLE, data, Encoding()))
    assert any("10 of 10 classifiers stopped before they converged" in line for line in found.warnings)


def test_nothing_is_written_to_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    for kind, made in SMALL.items():
        data = made()
        settings = {"max_documents_per_cluster": 50, "n_clusters": 2} if kind == "clustering" else {}
        find("tasktypes", kind)(**settings).evaluate(data, prepared(WHOLE, data, Encoding()))
    assert capfd.readouterr() == ("", "")
