"""A hub of data sets on this machine: enough of its interface for `datasets` to find and fetch the files of one."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


class Hub:
    """Files of data sets by name, each at one revision; `refusal` is what all others are answered with."""

    def __init__(self, sets: Mapping[str, tuple[str, Mapping[str, str]]], refusal: tuple[int, str]) -> None:
        self.sets, self.refusal = sets, refusal
        self.asked: list[str] = []
        self.url = ""

    def answer(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers for a path."""
        for name, (revision, files) in self.sets.items():
            if path.startswith(f"/datasets/{name}/resolve/"):
                return self._file(files.get(path.partition("/resolve/")[2].partition("/")[2]), revision)
            if path.startswith(f"/api/datasets/{name}"):
                return self._api(path.removeprefix(f"/api/datasets/{name}"), name, revision, files)
        status, code = self.refusal
        return status, json.dumps({"error": code}).encode(), {"X-Error-Code": code, "X-Error-Message": code}

    def _file(self, text: str | None, revision: str) -> tuple[int, bytes, dict[str, str]]:
        if text is None:
            return 404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": revision}
        etag = hashlib.sha1(text.encode()).hexdigest()
        return 200, text.encode(), {"ETag": f'"{etag}"', "X-Repo-Commit": revision}

    def _api(self, rest: str, name: str, revision: str, files: Mapping[str, str]) -> tuple[int, bytes, dict[str, str]]:
        tree = [
            {"type": "file", "path": f, "size": len(t.encode()), "oid": hashlib.sha1(t.encode()).hexdigest()}
            for f, t in files.items()
        ]
        if rest.startswith("/tree/"):
            folder = rest.partition("/tree/")[2].partition("/")[2]
            return 200, json.dumps([one for one in tree if one["path"].startswith(folder)]).encode(), {}
        about = {"_id": "0", "id": name, "sha": revision, "siblings": [{"rfilename": f} for f in files], "tags": []}
        return 200, json.dumps(about | {"private": False, "gated": False, "downloads": 0}).encode(), {}


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """The hub on a port of loopback, at `hub.url`, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.asked.append(f"{self.command} {path}")
            status, body, headers = hub.answer(path)
            self.send_response(status)
            for key, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            wanted = json.loads(self.rfile.read(length) or b"{}").get("paths", [])
            path = unquote(urlsplit(self.path).path)
            hub.asked.append(f"POST {path} {wanted}")
            status, body, headers = hub.answer(path.replace("/paths-info/", "/tree/"))
            if status == 200:
                body = json.dumps([one for one in json.loads(body) if one["path"] in wanted]).encode()
            self.send_response(status)
            for key, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            """Nothing goes to stderr."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
