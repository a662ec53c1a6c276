"""Models behind an OpenAI-compatible embeddings endpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.account import SPENT, Account
from harness.endpoint import Endpoint
from harness.secret import secret_from
from harness.service import OpenService, Service
from harness.types import Role


@dataclass(frozen=True)
class Api(Service):
    """`POST base_url/embeddings` with `model` and `input`, as OpenAI, vLLM, TEI, Infinity and Ollama serve it.

    The parameters are those of `Service`; `dims` is sent as `dimensions`. HTTP by requests, which is installed with
    mteb and takes proxies and certificates from the environment as companies set them.
    """

    base_url: str

    def content(self) -> Mapping[str, str]:
        """Endpoint and model name: all that can be known of weights elsewhere."""
        return {"api": self.base_url, "id": self.id}

    def open(self, device: str) -> OpenService:
        """Nothing is sent yet; Unavailable where the key's environment variable is not set."""
        return opened(self)


def opened(part: Api, sleep: Callable[[float], object] | None = None, account: Account = SPENT) -> OpenService:
    """The encoder; `sleep` takes the pauses between tries, `account` the cost."""
    endpoint = Endpoint(part.id, part.base_url, secret_from(part.key_variable, part.id), part.timeout_s)
    width = {"dimensions": part.dims} if part.dims else {}

    def request(texts: list[str], _role: Role) -> Any:
        return endpoint.post("embeddings", {"model": part.id, "input": texts} | width)

    return OpenService(part, request, sleep, account)
