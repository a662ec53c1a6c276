"""The API reranker against a real HTTP server on loopback, well-behaved and not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.forward import StoredVectors
from harness.parts import describe
from harness.protocols import Reranker
from harness.rerankers.api import ApiReranker, OpenApiReranker
from harness.types import HarnessError, Unavailable
from tests.encoders.endpoint_server import EndpointServer, Fault, serving


@pytest.fixture
def server() -> Iterator[EndpointServer]:
    with serving() as own:
        yield own


def opened(server: EndpointServer, **more: Any) -> OpenApiReranker:
    return OpenApiReranker(ApiReranker("tiny", server.url, **more), sleep=lambda _: None)


QUERIES = ["red car", "red car", "red car", "old boat", "old boat", "red car"]
DOCUMENTS = ["a boat", "a red car", "a red boat", "an old boat", "", "red wine"]
SCORES = [0.0, 0.5, 0.25, 0.5, 0.0, 0.25]  # words in common, a quarter each


def test_scores_come_back_in_the_order_of_the_pairs_and_a_query_is_sent_once(server: EndpointServer) -> None:
    scores = opened(server).score(QUERIES, DOCUMENTS)
    assert scores.tolist() == SCORES
    assert scores.dtype == np.float32
    bodies = [one.body for one in server.seen]
    assert sorted(map(str, bodies)) == sorted(
        str({"query": query, "model": "tiny", "documents": documents})
        for query, documents in (
            ("red car", [*DOCUMENTS[:3], "red wine"]), ("old boat", ["an old boat", " "]),
        )
    )  # fmt: skip
    assert {one.path for one in server.seen} == {"/v1/rerank"}
    assert isinstance(ApiReranker("tiny", server.url), Reranker)


def test_scores_do_not_depend_on_batches_or_concurrency(server: EndpointServer) -> None:
    for more in ({"max_batch": 1, "concurrency": 1}, {"max_batch": 2, "concurrency": 3}, {"batch_tokens": 3}):
        server.seen.clear()
        assert opened(server, **more).score(QUERIES, DOCUMENTS).tolist() == SCORES
        assert sum(len(one.body["documents"]) for one in server.seen) == len(DOCUMENTS)
        assert max(len(one.body["documents"]) for one in server.seen) <= more.get("max_batch", 2)


def test_the_store_asks_for_a_querys_pairs_together_whatever_their_lengths_and_its_batches(
    server: EndpointServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries = [f"red query {q}" for q in range(15)] * 10
    documents = ["red " * (1 + i * 7 % 13) + f"d{i}" for i in range(len(queries))]
    monkeypatch.setattr("harness.filling._SIGN_CHARACTERS", 1000)  # some two queries
    store = StoredVectors(tmp_path, "cpu", (), lambda _: None)
    scores = store.pairs(ApiReranker("tiny", server.url, max_batch=4), queries, documents)
    assert scores.tolist() == [0.25] * len(queries)
    assert len(server.seen) == 15 * 3, "10 documents in requests of at most 4"
    assert len(list(tmp_path.rglob("*.shard"))) > 5


def test_the_forms_of_other_services_are_understood(server: EndpointServer) -> None:
    for edit in (
        lambda answer: {"data": answer["results"]},
        lambda answer: answer["results"],
        lambda answer: [{"index": i["index"], "score": i["relevance_score"]} for i in answer["results"]],
    ):
        server.script = lambda n, body, edit=edit: Fault(edit=edit)  # type: ignore[misc]
        assert opened(server).score(QUERIES, DOCUMENTS).tolist() == SCORES
    server.seen.clear()
    assert opened(server, form="tei").score(QUERIES[:2], DOCUMENTS[:2]).tolist() == SCORES[:2]
    assert server.seen[0].body == {"query": "red car", "texts": DOCUMENTS[:2], "raw_scores": True}


def edited(**changes: Any) -> Any:
    return lambda answer: {"results": [answer["results"][0] | changes, *answer["results"][1:]]}


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda answer: {"results": answer["results"][1:]}, "expected 3 scores, the answer has 2"),
        (lambda answer: {"error": "no"}, "holds no scores"),
        (lambda answer: "0.3", "holds no scores"),
        (lambda answer: {"results": [1, 2, 3]}, "holds no scores"),
        (edited(index=0), "every index from 0 to 2 once"),
        (edited(relevance_score=None), "no finite number"),
        (edited(relevance_score="0.3"), "no finite number"),
        (edited(relevance_score=float("nan")), "no finite number"),
        (edited(relevance_score=1e39), "no finite number"),
        (edited(relevance_score=10**400), "no finite number"),
        (edited(relevance_score=True), "no finite number"),
    ],
)
def test_a_wrong_answer_never_becomes_a_score(server: EndpointServer, edit: Any, said: str) -> None:
    server.faults(Fault(edit=edit))
    with pytest.raises(HarnessError, match=said) as caught:
        opened(server).score(QUERIES[:3], DOCUMENTS[:3])
    assert "\n" not in str(caught.value)
    assert len(server.seen) == 1


def test_failures_are_tried_again_and_large_requests_halved(server: EndpointServer) -> None:
    server.faults(Fault(429), Fault(body=b"{"), Fault(413), None, Fault(500))
    assert opened(server).score(QUERIES[:3], DOCUMENTS[:3]).tolist() == SCORES[:3]
    assert [len(one.body["documents"]) for one in server.seen] == [3, 3, 3, 1, 2, 2]
    server.script = lambda n, body: Fault(body=b"<title>Login</title>")
    with pytest.raises(HarnessError, match='web page: "Login"'):
        opened(server).score(["a"], ["b"])


def test_the_key_is_sent_and_never_shown(server: EndpointServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unavailable, match="TINY_KEY"):
        ApiReranker("tiny", server.url, "TINY_KEY").rerank("cpu")
    monkeypatch.setenv("TINY_KEY", "s3cret-0123456789")
    server.script = lambda n, body: Fault(400, {"error": "Bearer s3cret-0123456789"})
    model = opened(server, key_variable="TINY_KEY")
    with pytest.raises(HarnessError) as caught:
        model.score(["a"], ["b"])
    assert server.seen[0].headers["Authorization"] == "Bearer s3cret-0123456789"
    assert "s3cret" not in str(caught.value) + json.dumps(describe(model.part)) + repr(vars(model))
    with pytest.raises(HarnessError, match="a key there would be in every record"):
        ApiReranker("tiny", "https://a.test/?key=s3cret")


def test_no_pairs_are_no_request_and_the_limit_is_as_given(server: EndpointServer) -> None:
    assert opened(server).score([], []).shape == (0,)
    assert server.seen == []
    assert ApiReranker("tiny", server.url, max_tokens=512).limit() == 512
