"""Providers through litellm, against a real HTTP server on loopback that answers in each provider's form."""

from __future__ import annotations

import json
import subprocess
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from harness.account import Account
from harness.encoders.provider import Provider, opened
from harness.parts import describe, identity
from harness.poolings.native import Native
from harness.types import HarnessError, Unavailable
from tests.encoders.endpoint_server import EndpointServer, Fault, data_of, hashed, serving

pytest.importorskip("litellm", reason="the extra `api` is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # litellm's own

KEY = "k3y-0123456789abcdef"
TEXTS = ["one fish", "two fish", "red fish"]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[EndpointServer]:
    monkeypatch.setenv("TINY_KEY", KEY)
    with serving() as own:
        yield own


def model(server: EndpointServer, name: str = "voyage/voyage-3.5", **more: Any) -> Any:
    return opened(Provider(name, server.url, "TINY_KEY", **more), lambda _: None, Account())


def encode(model: Any, role: Any = "query") -> Any:
    return model.encode(TEXTS, role, [Native()], None)


def openai(texts: list[str]) -> Any:
    return {"object": "list", "data": data_of(hashed(texts)), "usage": {"total_tokens": 6, "prompt_tokens": 6}}


def cohere(texts: list[str]) -> Any:
    rows = {"float": hashed(texts).tolist()}
    return {"id": "1", "embeddings": rows, "texts": texts, "meta": {"billed_units": {"input_tokens": 6}}}


def gemini(texts: list[str]) -> Any:
    return {"embeddings": [{"values": row.tolist()} for row in hashed(texts)]}


PROVIDERS = {
    "voyage/voyage-3.5": ({"input_type": "query"}, {"input": TEXTS, "output_dimension": 64}, openai),
    "jina_ai/jina-embeddings-v3": ({"task": "retrieval.query"}, {"input": TEXTS, "dimensions": 64}, openai),
    "cohere/embed-v4.0": ({"input_type": "search_query"}, {"texts": TEXTS, "output_dimension": 64}, cohere),
    "mistral/mistral-embed": ({}, {"input": TEXTS}, openai),
}


@pytest.mark.parametrize("name", PROVIDERS)
def test_each_provider_gets_its_own_form_and_gives_the_same_vectors(server: EndpointServer, name: str) -> None:
    options, expected, answer = PROVIDERS[name]
    server.script = lambda n, body: Fault(body=answer(body.get("input") or body.get("texts")))
    dims = 64 if any("dimension" in key for key in expected) else 0
    encoded = encode(model(server, name, dims=dims, role_options={"query": options, "document": {}}))
    np.testing.assert_allclose(encoded.vectors[0], hashed(TEXTS), rtol=1e-6)
    assert encoded.tokens.tolist() == [2, 2, 2]
    (seen,) = server.seen
    assert seen.body == seen.body | expected | options
    assert seen.body["model"] == name.partition("/")[2]
    assert seen.headers["Authorization"] == f"Bearer {KEY}"


def test_gemini_gets_a_request_a_text_with_the_task_of_the_role(server: EndpointServer) -> None:
    server.script = lambda n, body: Fault(body=gemini([r["content"]["parts"][0]["text"] for r in body["requests"]]))
    roles: Any = {"query": {"task_type": "RETRIEVAL_QUERY"}, "document": {"task_type": "RETRIEVAL_DOCUMENT"}}
    own = model(server, "gemini/gemini-embedding-001", dims=64, role_options=roles)
    for role, task in (("query", "RETRIEVAL_QUERY"), ("document", "RETRIEVAL_DOCUMENT")):
        np.testing.assert_allclose(encode(own, role).vectors[0], hashed(TEXTS), rtol=1e-6)
        requests = server.seen[-1].body["requests"]
        assert [(r["taskType"], r["outputDimensionality"]) for r in requests] == [(task, 64)] * 3
    assert KEY not in server.seen[0].path


def test_the_tries_are_ours_and_no_request_is_made_twice(server: EndpointServer) -> None:
    server.faults(Fault(429, {"error": "busy"}), Fault(500), Fault(503), Fault(body=b'{"data": [{'), Fault(body=openai(TEXTS)))  # fmt: skip
    np.testing.assert_allclose(encode(model(server)).vectors[0], hashed(TEXTS), rtol=1e-6)
    assert len(server.seen) == 5
    server.seen.clear()
    server.script = lambda n, body: Fault(500, {"error": "down"})
    with pytest.raises(Unavailable, match=r"voyage/voyage-3.5 answers 500.*\(3 tries\)"):
        encode(model(server, tries=3))
    assert len(server.seen) == 3


def test_a_timeout_is_ours_too(server: EndpointServer) -> None:
    server.script = lambda n, body: Fault(hang=True)
    with pytest.raises(Unavailable, match=r"\(2 tries\)"):
        encode(model(server, tries=2, timeout_s=0.2))
    assert len(server.seen) == 2


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(401, {"detail": "no"}), r"refuses the key \(401\)"),
        (Fault(400, {"detail": "unknown option"}), r"refuses the request \(400\)"),
        (Fault(body=openai(TEXTS[:2])), "expected 3 vectors, the answer has 2"),
        (Fault(body=openai(["", *TEXTS[:2]]) | {"data": data_of([[0.0]] * 3)}), "is zero"),
        (Fault(body=openai(TEXTS) | {"data": data_of([[float("nan")]] * 3)}), "not finite"),
    ],
)
def test_a_refusal_or_a_wrong_answer_is_one_line(server: EndpointServer, fault: Fault, said: str) -> None:
    server.script = lambda n, body: fault
    with pytest.raises(HarnessError, match=said) as caught:
        encode(model(server))
    assert "\n" not in str(caught.value)
    assert len(server.seen) == 1


def test_a_page_for_an_answer_is_one_line(server: EndpointServer) -> None:
    server.script = lambda n, body: Fault(body=b"<html><title>Sign in</title></html>")
    with pytest.raises(HarnessError) as caught:
        encode(model(server, tries=2))
    assert "\n" not in str(caught.value)


def test_a_request_that_is_too_large_is_halved_and_the_cost_is_capped(server: EndpointServer) -> None:
    large = Fault(400, {"detail": "too many tokens in the request"})
    server.script = lambda n, body: large if len(body["input"]) > 1 else Fault(body=openai(body["input"]))
    np.testing.assert_allclose(encode(model(server)).vectors[0], hashed(TEXTS), rtol=1e-6)
    server.seen.clear()
    with pytest.raises(HarnessError, match="max_cost=1 reached after 0 texts"):
        encode(model(server, price=1e6, max_cost=1.0))
    assert server.seen == []


@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_a_key_is_in_no_message_even_where_the_server_echoes_it(
    server: EndpointServer, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, status: int
) -> None:
    server.script = lambda n, body: Fault(status, {"detail": f"you sent Bearer {KEY}"})
    own = model(server, tries=1)
    with pytest.raises(HarnessError) as caught:
        encode(own)
    told = "".join(traceback.format_exception(caught.value)) + repr(vars(own)) + json.dumps(describe(own.part))
    assert KEY[:6] not in told + "".join(capfd.readouterr()) + caplog.text


def test_a_key_of_the_providers_own_variable_is_in_no_message(
    server: EndpointServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOYAGE_API_KEY", KEY)
    server.script = lambda n, body: Fault(400, {"detail": f"you sent Bearer {KEY}"})
    with pytest.raises(HarnessError, match=r"refuses the request \(400\)$"):
        encode(opened(Provider("voyage/voyage-3.5", server.url)))
    assert server.seen[0].headers["Authorization"] == f"Bearer {KEY}"


def test_an_unknown_provider_and_a_missing_key_are_one_line(server: EndpointServer) -> None:
    with pytest.raises(HarnessError, match="nobody/model refuses the request") as caught:
        encode(model(server, "nobody/model"))
    assert "\n" not in str(caught.value)
    with pytest.raises(Unavailable, match="NO_SUCH_KEY"):
        Provider("voyage/voyage-3.5", key_variable="NO_SUCH_KEY").open("cpu")
    with pytest.raises(HarnessError, match="a key there would be in every record"):
        Provider("voyage/voyage-3.5", f"https://{KEY}@a.test")


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "litellm", None)
    with pytest.raises(Unavailable, match=r"pip install 'embedding-harness\[api\]'"):
        Provider("voyage/voyage-3.5").open("cpu")


def test_options_of_the_roles_are_part_of_the_identity() -> None:
    part = Provider("cohere/embed-v4.0")
    assert identity(part) != identity(Provider("cohere/embed-v4.0", role_options={"query": {"input_type": "x"}}))
    assert identity(part) == identity(Provider("cohere/embed-v4.0", key_variable="A", max_batch=2, max_cost=1.0))


def test_opening_a_provider_asks_no_other_machine_and_reads_no_env_file(tmp_path: Any) -> None:
    (tmp_path / ".env").write_text("FROM_A_FILE=1\n")
    code = f"""
import os, socket, sys
def refuse(*asked, **_): raise AssertionError(f"asked for {{asked}}")
socket.getaddrinfo = refuse
os.chdir({str(tmp_path)!r})
from harness.encoders.provider import Provider
assert "litellm" not in sys.modules
Provider("voyage/voyage-3.5").open("cpu")
assert "litellm" in sys.modules and "FROM_A_FILE" not in os.environ
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
