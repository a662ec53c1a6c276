"""Models behind an OpenAI-compatible embeddings endpoint."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from harness.protocols import Pooling
from harness.types import Encoded, Floats, HarnessError, Inapplicable, Role, Traits, Unavailable

_BATCH = 32
_TRIES = 5
_TIMEOUT_S = 60
_RETRY = {429, 500, 502, 503, 504}


@dataclass(frozen=True)
class Api:
    """`POST base_url/embeddings` with `model` and `input`, as OpenAI, vLLM, TEI, Infinity and Ollama serve it.

    The key is read from the environment variable named by `key_variable` when the first request is made; it is no
    parameter, so it is in no record, log or page. `dims` is the width asked for (0: the model's own). Prompts are
    sent as text in front of each input. Token counts are not known for single texts and stay 0.
    """

    id: str
    base_url: str
    key_variable: str = ""
    dims: int = 0
    max_tokens: int = 0
    similarity: Literal["cosine", "dot"] = "cosine"
    prompts: Mapping[Role, str] = field(default_factory=dict)

    def content(self) -> Mapping[str, str]:
        """Endpoint and model name: all that can be known of weights elsewhere."""
        return {"api": self.base_url, "id": self.id}

    def traits(self) -> Traits:
        """No token states; a warning that the weights may change unseen."""
        return Traits(self.similarity, "", self.max_tokens, ("the weights lie behind an API and may change unseen",))

    def prompt(self, role: Role) -> str:
        """The prompt given for the role."""
        return self.prompts.get(role, "")

    def bare(self) -> Api:
        """The same model without prompts."""
        return replace(self, prompts={})

    def open(self, device: str) -> OpenApi:
        """Nothing is sent yet; Unavailable where the key's environment variable is not set."""
        if self.key_variable and not os.environ.get(self.key_variable):
            raise Unavailable(f"{self.id} needs a key: set the environment variable {self.key_variable}")
        return OpenApi(self)


class OpenApi:
    """Requests one after another, repeated with growing pauses when the service is busy or fails (429, 5xx)."""

    def __init__(self, part: Api, sleep: Callable[[float], None] = time.sleep) -> None:
        self.part = part
        self.sleep = sleep

    def encode(self, texts: Sequence[str], role: Role, poolings: Sequence[Pooling], batch_size: int | None) -> Encoded:
        """See `OpenEncoder`."""
        if any(not p.native for p in poolings):
            raise Inapplicable("a model behind an API gives finished vectors; use pooling=native")
        prompted = [self.part.prompt(role) + t for t in texts]
        size = batch_size or _BATCH
        chunks = [self._request(prompted[i : i + size]) for i in range(0, len(prompted), size)]
        rows = np.concatenate(chunks)
        unknown = np.zeros(len(texts), dtype=np.int32)
        return Encoded((rows,) * len(poolings), unknown, unknown)

    def _request(self, texts: list[str]) -> Floats:
        answer = self._answer({"model": self.part.id, "input": texts} | self._width())
        try:
            by_index = {int(item["index"]): item["embedding"] for item in answer["data"]}
            rows = np.asarray([by_index[i] for i in range(len(texts))], dtype=np.float32)
        except (KeyError, TypeError, ValueError) as error:
            raise HarnessError(f"{self.part.id}: the answer of {self.part.base_url} holds no embeddings") from error
        if rows.ndim != 2 or len(rows) != len(texts) or not np.isfinite(rows).all():
            raise HarnessError(
                f"{self.part.id}: expected {len(texts)} finite vectors, the answer has shape {rows.shape}"
            )
        return rows

    def _width(self) -> dict[str, Any]:
        return {"dimensions": self.part.dims} if self.part.dims else {}

    def _answer(self, body: Mapping[str, Any]) -> Any:
        request = urllib.request.Request(  # noqa: S310  the scheme is checked below
            f"{self.part.base_url.rstrip('/')}/embeddings", json.dumps(body).encode(), self._headers()
        )
        if request.type not in ("http", "https"):
            raise HarnessError(f"base_url={self.part.base_url}: expected an http or https address")
        problem = ""
        for attempt in range(_TRIES):
            try:
                with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310
                    return json.load(response)
            except urllib.error.HTTPError as error:
                problem = f"answers {error.code} {error.reason}"
                if error.code not in _RETRY:
                    break
            except (OSError, ValueError) as error:
                problem = f"cannot be reached: {getattr(error, 'reason', error)}"
            if attempt + 1 < _TRIES:
                self.sleep(0.5 * 2**attempt)
        raise Unavailable(f"{self.part.id}: {self.part.base_url} {problem}")

    def _headers(self) -> dict[str, str]:
        key = os.environ.get(self.part.key_variable, "") if self.part.key_variable else ""
        return {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
