"""Our retrievers as mteb searches with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.encoders.hashing import Hashing
from harness.indexes.flat import Flat
from harness.metrics.ndcg import Ndcg
from harness.metrics.recall import Recall
from harness.poolings.native import Native
from harness.protocols import Retriever
from harness.quantizers.float32 import Float32
from harness.quantizers.int8 import Int8
from harness.reductions.truncate import Truncate
from harness.retrievers.bm25 import Bm25
from harness.retrievers.dense import Dense
from harness.search_model import SearchModel
from harness.tasktypes.retrieval import Retrieval
from harness.types import HarnessError
from tests.material import Encoding, Listed, small_set

DENSE = Dense(Hashing(), Native(), Truncate(), Float32(), Flat())
RUN = {"q0": {"a": 0.5, "b": 0.9, "c": 0.1}, "q1": {"c": 0.3}}


def rows(**columns: list[Any]) -> Any:
    from datasets import Dataset

    return Dataset.from_dict(columns)


QUERIES = {"id": ["q0", "q1"], "text": ["one", "two"]}
CORPUS = {"id": ["a", "b", "c"], "text": ["x", "y", "z"], "title": ["", "", ""]}


def searched(retriever: Retriever, **options: Any) -> dict[str, dict[str, float]]:
    model = SearchModel(retriever, Encoding())
    model.index(rows(**CORPUS))
    return model.search(rows(**QUERIES), **{"top_k": 10} | options)


def test_each_query_gets_its_documents_with_their_scores_and_nothing_that_was_not_found() -> None:
    assert searched(Listed(RUN)) == {"q0": {"b": 0.9, "a": 0.5, "c": 0.1}, "q1": {"c": 0.3}}
    assert searched(Listed(RUN), top_k=1) == {"q0": {"b": 0.9}, "q1": {"c": 0.3}}
    assert searched(Listed({})) == {"q0": {}, "q1": {}}


def test_what_is_to_be_reranked_is_scored_and_nothing_else() -> None:
    listed = {"q0": ["c", "a", "c"], "q1": []}
    assert searched(Listed(RUN), top_ranked=listed) == {"q0": {"a": 0.5, "c": 0.1}, "q1": {}}
    assert searched(Listed(RUN), top_ranked=listed, top_k=1) == {"q0": {"a": 0.5}, "q1": {}}
    assert searched(Listed(RUN), top_ranked={"q1": ["a"]}) == {"q0": {}, "q1": {"a": 0.0}}
    assert searched(Listed(RUN), top_ranked={}) == {"q0": {}, "q1": {}}


def test_a_document_to_rerank_that_the_corpus_lacks_and_a_search_before_any_corpus_are_one_line() -> None:
    with pytest.raises(HarnessError, match="1 documents to rerank are not in the corpus, such as nowhere"):
        searched(Listed(RUN), top_ranked={"q0": ["a", "nowhere"]})
    with pytest.raises(HarnessError, match="call index first"):
        SearchModel(Listed(RUN), Encoding()).search(rows(**QUERIES), top_k=1)


def test_titles_come_before_texts_as_everywhere_else_and_a_new_corpus_replaces_the_old_one() -> None:
    model = SearchModel(Bm25(stemmer="none", stopwords="none"), Encoding())
    model.index(rows(id=["a", "b"], title=["wheel", ""], text=["red car", " blue boat "]))
    assert model.corpus is not None and model.corpus.texts == ("wheel red car", "blue boat")
    found = model.search(rows(id=["q"], text=["wheel"]), top_k=5)
    assert list(found["q"]) == ["a"]
    model.index(rows(id=["c"], text=["green wheel"]))
    assert list(model.search(rows(id=["q"], text=["wheel"]), top_k=5)["q"]) == ["c"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "retriever", [DENSE, Dense(Hashing(), Native(), Truncate(32), Int8(), Flat()), Bm25()], ids=["dense", "int8", "bm25"]
)  # fmt: skip
def test_mteb_gives_the_scores_of_our_own_route_query_by_query(retriever: Retriever) -> None:
    from mteb._evaluators.retrieval_metrics import calculate_retrieval_scores

    made = small_set()
    ours = Retrieval((Ndcg(10), Recall(10))).evaluate(made, retriever.prepare(made, Encoding()))
    model = SearchModel(retriever, Encoding())
    model.index(rows(id=list(made.documents.ids), text=list(made.documents.texts)))
    found = model.search(rows(id=list(made.queries.ids), text=list(made.queries.texts)), top_k=1000)
    qrels: dict[str, dict[str, int]] = {}
    for query, document, grade in zip(*made.qrels, strict=True):
        qrels.setdefault(made.queries.ids[query], {})[made.documents.ids[document]] = int(grade)
    theirs = calculate_retrieval_scores(found, qrels, [10])
    for key, name in (("ndcg_at_10", "ndcg_cut_10"), ("recall_at_10", "recall_10")):
        own = dict(zip(ours.query_ids, ours.per_query[key], strict=True))
        assert {q: s[name] for q, s in theirs.all_scores.items()} == pytest.approx(own, abs=1e-5)
    assert len(np.unique(ours.per_query["ndcg_at_10"])) > 1
