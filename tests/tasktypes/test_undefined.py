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
from harness.sampling import only, sampled
from harness.spaces import prepared
from harness.tasktypes.reranking import Reranking
from harness.types import EvalSet, Floats, HarnessError, Inapplicable, Role, Similarity, Texts
from tests.material import Encoding
from tests.tasktypes import peer
from tests.tasktypes.small import (
    SMALL,
    small_alike,
    small_bitext,
    small_candidates,
    small_classes,
    small_summaries,
    written,
)

WHOLE = Dense(Hashing(), Native(), Truncate(), Float32(), Flat())


class Constant:
    """A space in which every text has the same vector."""

    similarity: Similarity = "cosine"
    facts: Mapping[str, float] = {}
    warnings: tuple[str, ...] = ()

    def vectors(self, texts: Any, role: Role) -> Floats:
        return np.ones((len(texts), 4), dtype=np.float32)


class Drawn(Constant):
    """A space of vectors drawn from the text, of length 1 but for rounding."""

    def vectors(self, texts: Any, role: Role) -> Floats:
        drawn = [np.random.default_rng(list(text.encode())).normal(size=64) for text in texts]
        rows = np.array(drawn, dtype=np.float32)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def relabelled(data: EvalSet, **targets: Any) -> EvalSet:
    return replace(data, targets={**data.targets, **{k: np.asarray(v) for k, v in targets.items()}})


CONSTANT = ("sts", "pair_classification", "summarization")


@pytest.mark.parametrize("kind", CONSTANT)
def test_a_candidate_that_tells_no_texts_apart_has_no_score(kind: str) -> None:
    with pytest.raises(HarnessError, match="is not defined here|equally similar"):
        find("tasktypes", kind)().evaluate(SMALL[kind](), Constant())


TWINS = SMALL["pair_classification"]()
TWINS = replace(TWINS, documents=replace(TWINS.documents, texts=TWINS.queries.texts))


@pytest.mark.parametrize("main", ["max_ap", "max_accuracy"])
def test_pairs_that_rounding_alone_tells_apart_have_no_score(main: str) -> None:
    found = peer.score(TWINS, lambda texts: Drawn().vectors(texts, "text"))
    assert found["max_ap"] > TWINS.targets["label"].mean()  # what mteb says of nothing
    with pytest.raises(HarnessError, match="is not defined here: .* but for rounding"):
        find("tasktypes", "pair_classification")(main).evaluate(TWINS, Drawn())


def test_pairs_that_tie_within_rounding_keep_the_score_of_mteb_and_tell_its_bounds() -> None:
    """12 right and 8 wrong pairs of one text twice, before 20 others; the bounds are the right ones last and first."""
    texts, _ = written(40, 1)
    label = np.array([1] * 12 + [0] * 8 + [0] * 20, np.int32)
    data = replace(
        relabelled(TWINS, label=label),
        queries=replace(TWINS.queries, texts=tuple(texts)),
        documents=replace(TWINS.documents, texts=(*texts[:20], *(text + " x" for text in texts[20:]))),
    )
    found = find("tasktypes", "pair_classification")().evaluate(data, Drawn())
    score = peer.score(data, lambda texts: Drawn().vectors(texts, "text"))["max_ap"]
    assert found.per_query["max_ap"].mean() == pytest.approx(score, abs=1e-9)
    worst = np.mean([i / (8 + i) for i in range(1, 13)])
    assert found.facts["tie_lowest"] < score < found.facts["tie_highest"]
    assert (found.facts["tie_highest"], found.facts["tie_lowest"]) == pytest.approx((1.0, worst))
    assert "as similar as others but for rounding" in found.warnings[0]


@pytest.mark.parametrize("pair", [(0, 2), (2, 3), (1, 3), (0, 1)])
def test_two_classes_among_the_test_texts_are_scored_whatever_their_numbers(pair: tuple[int, int]) -> None:
    whole = small_classes()
    rows = np.flatnonzero(np.isin(whole.targets["label"], pair))
    data = relabelled(replace(whole, queries=only(whole.queries, rows)), label=whole.targets["label"][rows])
    ready = prepared(WHOLE, data, Encoding())
    found = find("tasktypes", "classification")().evaluate(data, ready)
    # the same classes under numbers that mteb can score, which its classifiers tell apart just as well
    order = np.array([pair.index(i) if i in pair else 5 - i for i in range(4)])
    order[[i for i in range(4) if i not in pair]] = [2, 3]
    other = relabelled(data, label=order[data.targets["label"]], document_label=order[data.targets["document_label"]])
    score = peer.score(other, lambda texts: ready.vectors(texts, "text"))
    for name in ("accuracy", "f1", "precision", "recall", "f1_weighted"):
        ours = found.per_query["accuracy"].mean() if name == "accuracy" else found.facts[name]
        assert ours == pytest.approx(score[name], abs=1e-9), name


@pytest.mark.parametrize("kind", SMALL)
def test_one_item_has_a_score_or_one_line_of_ours(kind: str) -> None:
    data = sampled(SMALL[kind](), 1, None)
    ready = (WHOLE.prepare if kind == "reranking" else lambda *a: prepared(WHOLE, *a))(data, Encoding())
    tasktype = find("tasktypes", kind)()
    if kind in ("reranking", "summarization"):
        assert np.isfinite(next(iter(tasktype.evaluate(data, ready).per_query.values()))).all()
        return
    with pytest.raises(HarnessError, match="^(made|pairs): ") as raised:
        tasktype.evaluate(data, ready)
    assert "\n" not in str(raised.value)


BROKEN = {
    "two pairs": (sampled(SMALL["sts"](), 2, None), "expected at least 3 pairs, .*; given 2"),
    "unlearnt labels": (relabelled(small_classes(), label=np.arange(30) % 2 + 7), "no test text here has a label"),
    "two summaries": (sampled(relabelled(small_summaries(), text=np.arange(30) // 2, document_text=np.arange(12)), 9, None), "none of"),
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
