"""Models of providers that have interfaces of their own, through the litellm package."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from harness.account import SPENT, Account
from harness.courier import Again
from harness.endpoint import refusal, said_in, waiting
from harness.secret import Secret, calm_litellm, secret_from
from harness.service import OpenService, Service
from harness.types import Role, Unavailable


@dataclass(frozen=True)
class Provider(Service):
    """Voyage, Cohere, Jina, Gemini, Mistral, Bedrock and others: `id` is litellm's `provider/model`.

    The parameters are those of `Service`. `role_options` are sent with the texts of a role, for the services that tell
    queries from documents: `{query: {input_type: search_query}, document: {input_type: search_document}}`.
    `base_url` replaces the provider's address. Without `key_variable` litellm reads the provider's usual variables
    itself (Bedrock has several); a failure is then told without the server's words, which might repeat a key.
    """

    role_options: Mapping[Role, Mapping[str, Any]] = field(default_factory=dict)

    def content(self) -> Mapping[str, str]:
        """Provider, model and address: all that can be known of weights elsewhere."""
        return {"provider": self.id, "api": self.base_url}

    def open(self, device: str) -> OpenService:
        """Imports litellm and sends nothing yet; Unavailable where it, or the key's variable, is missing."""
        return opened(self)


def opened(part: Provider, sleep: Callable[[float], object] | None = None, account: Account = SPENT) -> OpenService:
    """The encoder; `sleep` takes the pauses between tries, `account` the cost."""
    secret = secret_from(part.key_variable, part.id)
    return OpenService(part, partial(_request, _litellm(), part, secret), sleep, account)


def _request(litellm: Any, part: Provider, secret: Secret, texts: list[str], role: Role) -> Any:
    from openai import OpenAIError  # what every error of litellm is

    given = {"dimensions": part.dims or None, "api_base": part.base_url or None, "api_key": secret.revealed() or None}
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    options |= part.role_options.get(role, {})
    try:
        # our own tries, so that pauses, costs and messages are the same for every service
        response = litellm.embedding(
            model=part.id, input=texts, timeout=part.timeout_s, max_retries=0, num_retries=0, **options
        )
    except OpenAIError as error:
        raise _refused(part, secret, error) from None  # the error holds the request and its key
    answer: dict[str, Any] = response.model_dump()
    return answer


def _refused(part: Provider, secret: Secret, error: Any) -> Exception:
    status = getattr(error, "status_code", None)
    said = said_in(str(error).partition("\n")[0].encode(), secret) if secret else ""
    headers = getattr(getattr(error, "response", None), "headers", {})
    if not isinstance(status, int):
        return Again(f"{part.id}: {type(error).__name__}{said}")
    return refusal(part.id, status, said, waiting(headers.get("retry-after", "")))


def _litellm() -> Any:
    calm_litellm()
    try:
        import litellm
    except ImportError as error:
        raise Unavailable("litellm is not installed: pip install 'embedding-harness[api]'") from error
    litellm.suppress_debug_info = True
    litellm.telemetry = False
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return litellm
