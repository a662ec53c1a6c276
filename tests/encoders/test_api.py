"""The API encoder against a real HTTP server on loopback, well-behaved and not."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from harness.encoders.api import Api, OpenApi
from harness.encoders.hashing import Hashing
from harness.parts import describe, identity
from harness.poolings.mean import Mean
from harness.poolings.native import Native
from harness.types import HarnessError, Inapplicable, Unavailable


class _Handler(BaseHTTPRequestHandler):
    """Serves the hashing encoder; `faults` are the first answers: a status, or a change of the body."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append((self.path, body, self.headers.get("Authorization")))
        fault = self.server.faults.pop(0) if self.server.faults else None
        if isinstance(fault, int):
            self.send_error(fault)
            return
        rows = Hashing().open("cpu").encode(body["input"], "query", [Native()], 8).vectors[0]
        items = [{"index": i, "embedding": row.tolist()} for i, row in enumerate(rows)][::-1]
        answer = fault({"data": items}) if fault else {"data": items}
        payload = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_):
        """Quiet."""


@pytest.fixture
def server():
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    http.seen, http.faults = [], []
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    yield http
    http.shutdown()
    http.server_close()


def opened(server, **more):
    part = Api("tiny", f"http://127.0.0.1:{server.server_address[1]}/v1", **more)
    return OpenApi(part, sleep=lambda _: None)


def encode(model, texts, batch_size=2):
    return model.encode(texts, "query", [Native()], batch_size)


def test_vectors_come_back_in_the_order_of_the_texts_whatever_the_order_of_the_answer(server):
    texts = ["one fish", "two fish", "red fish"]
    expected = Hashing().open("cpu").encode(texts, "query", [Native()], 8).vectors[0]
    np.testing.assert_allclose(encode(opened(server), texts).vectors[0], expected, rtol=1e-6)
    assert [len(body["input"]) for _, body, _ in server.seen] == [2, 1]
    assert {path for path, _, _ in server.seen} == {"/v1/embeddings"}


def test_prompts_and_dimensions_are_sent_and_the_key_is_no_parameter(server, monkeypatch):
    monkeypatch.setenv("TINY_KEY", "s3cret")
    model = opened(server, key_variable="TINY_KEY", prompts={"query": "q: "}, dims=8)
    encode(model, ["a"])
    _, body, authorization = server.seen[0]
    assert (body["input"], body["dimensions"], authorization) == (["q: a"], 8, "Bearer s3cret")
    assert "s3cret" not in json.dumps(describe(model.part)) + identity(model.part)


def test_a_missing_key_names_the_variable(monkeypatch):
    monkeypatch.delenv("TINY_KEY", raising=False)
    with pytest.raises(Unavailable, match="TINY_KEY"):
        Api("tiny", "http://127.0.0.1:9", key_variable="TINY_KEY").open("cpu")


def test_busy_and_failing_answers_are_tried_again(server):
    server.faults = [429, 500, 503]
    assert encode(opened(server), ["a"]).vectors[0].shape == (1, 64)
    assert len(server.seen) == 4


@pytest.mark.parametrize(("faults", "said"), [([401], "401"), ([429] * 9, "429")])
def test_a_refusal_is_one_line(server, faults, said):
    server.faults = faults
    with pytest.raises(Unavailable, match=said) as caught:
        encode(opened(server), ["a"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "fault",
    [
        lambda answer: {"data": answer["data"][:-1]},
        lambda answer: {"error": "no"},
        lambda answer: {"data": [item | {"embedding": [float("nan")] * 64} for item in answer["data"]]},
        lambda answer: {"data": [item | {"index": 0} for item in answer["data"]]},
    ],
    ids=["wrong count", "no data", "NaN", "the same index twice"],
)
def test_a_wrong_answer_never_becomes_a_vector(server, fault):
    server.faults = [fault] * 9
    with pytest.raises(HarnessError):
        encode(opened(server), ["a", "b"])


def test_broken_json_is_tried_again_and_then_refused(server):
    server.faults = [lambda answer: json.dumps(answer)[:40]] * 9
    with pytest.raises(Unavailable):
        encode(opened(server), ["a"])


def test_an_endpoint_that_is_absent_is_one_line():
    with pytest.raises(Unavailable, match="cannot be reached"):
        encode(OpenApi(Api("tiny", "http://127.0.0.1:9"), sleep=lambda _: None), ["a"])


def test_only_native_pooling_and_web_addresses(server):
    with pytest.raises(Inapplicable, match="pooling=native"):
        opened(server).encode(["a"], "query", [Mean()], 2)
    with pytest.raises(HarnessError, match="http"):
        encode(OpenApi(Api("tiny", "file:///etc")), ["a"])
