"""A server on loopback that serves one file, well or badly."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class WebFile:
    """What is served: `cuts` are the bytes after which the first requests lose their connection."""

    content: bytes
    cuts: list[int] = field(default_factory=list)
    status: int = 200
    ranges: bool = True
    chunked: bool = False
    silent: bool = False
    etag: str = '"one"'
    redirect: str = ""
    url: str = ""
    asked: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        with suppress(ConnectionError):
            super().handle()

    def do_GET(self) -> None:
        web: WebFile = self.server.web  # type: ignore[attr-defined]
        wanted = self.headers.get("Range", "")
        web.asked.append(wanted)
        if web.silent:
            web.released.wait(20)
        if web.redirect and self.path != "/moved":
            self._headers(302, Location=web.redirect, Content_Length="0")
        elif web.status != 200:
            self._headers(web.status, Content_Length="0")
        else:
            self._file(web, wanted)

    def _file(self, web: WebFile, wanted: str) -> None:
        start = int(wanted.removeprefix("bytes=").rstrip("-") or 0)
        if not web.ranges or self.headers.get("If-Range", web.etag) != web.etag:
            start = 0
        self._body(web, start)

    def _headers(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def _body(self, web: WebFile, start: int) -> None:
        content = web.content[start:]
        headers = {"ETag": web.etag} if web.etag else {}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(web.content) - 1}/{len(web.content)}"
        if web.chunked:
            self._headers(206 if start else 200, **headers, Transfer_Encoding="chunked")
            self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content))
            return
        self._headers(206 if start else 200, **headers, Content_Length=str(len(content)))
        cut = web.cuts.pop(0) if web.cuts else len(content)
        self.wfile.write(content[:cut])
        self.close_connection = cut < len(content)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@contextmanager
def serving(web: WebFile) -> Iterator[WebFile]:
    """The file at `web.url`, on a free port of 127.0.0.1."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    http.daemon_threads, http.web = True, web  # type: ignore[attr-defined]
    web.url = f"http://127.0.0.1:{http.server_address[1]}/file.zip"
    threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield web
    finally:
        web.released.set()
        http.shutdown()
        http.server_close()
