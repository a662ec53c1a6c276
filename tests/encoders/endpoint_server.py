"""A real HTTP server on loopback that serves embeddings and scores, with faults put in by a script."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import numpy as np

from harness.encoders.hashing import Hashing
from harness.poolings.native import Native

Embed = Callable[[list[str]], Any]


class Fault(NamedTuple):
    """What one request gets: a status with a body (bytes as they are), or the usual answer after `edit`.

    `drip`: blanks that come in front of the body one by one, 0.02 s apart; `lost`: bytes that are promised behind it and never come.
    """

    status: int = 200
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()
    edit: Callable[[Any], Any] | None = None
    hang: bool = False
    drip: int = 0
    lost: int = 0


class Seen(NamedTuple):
    path: str
    body: Any
    headers: dict[str, str]


def hashed(texts: list[str]) -> Any:
    return Hashing().open("cpu").encode(texts, "query", [Native()], 8).vectors[0]


def data_of(rows: Any) -> list[dict[str, Any]]:
    """The last first: a client must go by the index."""
    return [{"index": i, "embedding": np.asarray(row).tolist()} for i, row in enumerate(rows)][::-1]


@dataclass
class EndpointServer:
    """`script(n, body)` gives the fault of the n-th request (from 0), or None; tokens billed are words."""

    embed: Embed = hashed
    script: Callable[[int, Any], Fault | None] = lambda n, body: None
    gate: Callable[[], Any] = lambda: None
    seen: list[Seen] = field(default_factory=list)
    most_at_once: int = 0
    connections: int = 0
    url: str = ""
    released: threading.Event = field(default_factory=threading.Event)
    _at_once: int = 0
    _lock: Any = field(default_factory=threading.Lock)

    def faults(self, *faults: Fault | None) -> None:
        """The first requests get these."""
        self.script = lambda n, body: faults[n] if n < len(faults) else None

    def usual(self, body: Any) -> Any:
        if "documents" in body or "texts" in body:
            return {"results": scores_of(body["query"], body.get("documents") or body["texts"])}
        texts = body["input"]
        return {"data": data_of(self.embed(texts)), "usage": {"total_tokens": sum(len(t.split()) for t in texts)}}

    def answer(self, path: str, body: Any, headers: dict[str, str]) -> Fault:
        with self._lock:
            number = len(self.seen)
            self.seen.append(Seen(path, body, headers))
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            self.gate()
            fault = self.script(number, body) or Fault()
            if fault.hang:
                self.released.wait(20)
            if fault.status != 200 or fault.body is not None:
                return fault
            usual = self.usual(body)
            return fault._replace(body=fault.edit(usual) if fault.edit else usual)
        finally:
            with self._lock:
                self._at_once -= 1

    def texts(self) -> list[list[str]]:
        """The inputs of each request."""
        return [one.body["input"] for one in self.seen]


def scores_of(query: str, documents: list[str]) -> list[dict[str, Any]]:
    """Words in common; best first, as services answer."""
    asked = set(query.split())
    found = [{"index": i, "relevance_score": len(asked & set(d.split())) / 4} for i, d in enumerate(documents)]
    return sorted(found, key=lambda item: -item["relevance_score"])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.server.own.connections += 1  # type: ignore[attr-defined]

    def handle(self) -> None:
        with suppress(ConnectionError):  # a client that has read enough goes
            super().handle()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        fault = self.server.own.answer(self.path, body, dict(self.headers))  # type: ignore[attr-defined]
        payload = fault.body if isinstance(fault.body, bytes) else json.dumps(fault.body).encode()
        try:
            self.send_response(fault.status)
            for name, value in fault.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(fault.drip + len(payload) + fault.lost))
            self.end_headers()
            for _ in range(fault.drip):
                self.wfile.write(b" ")
                self.server.own.released.wait(0.02)  # type: ignore[attr-defined]
            self.wfile.write(payload)
        except OSError:
            """The client has gone, as a client with a timeout does."""

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@contextmanager
def serving() -> Iterator[EndpointServer]:
    """A server on a free port of 127.0.0.1."""
    own = EndpointServer()
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    http.daemon_threads, http.own = True, own  # type: ignore[attr-defined]
    own.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
    threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield own
    finally:
        own.released.set()
        http.shutdown()
        http.server_close()
