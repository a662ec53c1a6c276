"""Rerankers behind a `/rerank` endpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np

from harness.answers import by_index
from harness.courier import Answer, Courier, Job, Limits
from harness.endpoint import Endpoint, checked_url
from harness.parts import place
from harness.secret import secret_from
from harness.types import Floats, HarnessError

_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class ApiReranker:
    """`POST base_url/rerank` with a query and its documents, as Jina, Cohere (v2), Voyage, vLLM and Infinity serve it.

    `form: tei` is the form of text-embeddings-inference, which calls the documents `texts` and is asked for raw
    scores. `max_tokens` is what the model reads of a pair, for the record alone. The other parameters are those of
    `encoders.api`; what a request costs is not counted, since services bill searches, documents or tokens.
    """

    independent: ClassVar[bool] = True  # a score does not depend on the pairs beside it, so answers are stored soon

    id: str
    base_url: str
    key_variable: str = place("")
    form: Literal["documents", "tei"] = "documents"
    max_tokens: int = 0
    max_batch: int = place(32)
    batch_tokens: int = place(16384)
    concurrency: int = place(4)
    tries: int = place(16)
    timeout_s: float = place(60.0)

    def __post_init__(self) -> None:
        checked_url(self.base_url)

    def content(self) -> Mapping[str, str]:
        """Endpoint and model name: all that can be known of weights elsewhere."""
        return {"api": self.base_url, "id": self.id}

    def limit(self) -> int:
        """As given: a service does not say."""
        return self.max_tokens

    def rerank(self, device: str) -> OpenApiReranker:
        """Nothing is sent yet; Unavailable where the key's environment variable is not set."""
        return OpenApiReranker(self)


class OpenApiReranker:
    """The pairs of one query go in one request, or in several where they are many."""

    def __init__(self, part: ApiReranker, sleep: Callable[[float], object] | None = None) -> None:
        self.part = part
        limits = Limits(part.max_batch, part.batch_tokens, part.concurrency, part.tries, part.timeout_s)
        self.courier = Courier(part.id, limits, sleep)
        secret = secret_from(part.key_variable, part.id)
        self.endpoint = Endpoint(part.id, part.base_url, secret, part.timeout_s)

    def score(self, queries: Sequence[str], documents: Sequence[str]) -> Floats:
        """See `OpenReranker`; an empty text is sent as one blank."""
        asked: dict[str, list[tuple[int, str]]] = {}
        for i, (query, document) in enumerate(zip(queries, documents, strict=True)):
            asked.setdefault(query or " ", []).append((i, document or " "))
        jobs = [
            Job(batch, partial(self._send, query))
            for query, pairs in asked.items()
            for batch in self.courier.batches([document for _, document in pairs])
        ]
        scores = np.empty(len(queries), dtype=np.float32)
        places = [i for pairs in asked.values() for i, _ in pairs]
        scores[places] = np.concatenate([scores[:0], *(one.answer.rows for one in self.courier.deliver(jobs))])
        return scores

    def _send(self, query: str, documents: list[str]) -> Answer:
        body = {"query": query}
        named: dict[str, Any] = {"model": self.part.id, "documents": documents}
        if self.part.form == "tei":
            named = {"texts": documents, "raw_scores": True}
        return Answer(_scores(self.endpoint.post("rerank", body | named), len(documents), self.part.id))


def _scores(answer: Any, n: int, name: str) -> Floats:
    """float32 [n] from `{"results": [{"index": 0, "relevance_score": 0.9}, ...]}`, or a bare list with `score`."""
    items = answer.get("results", answer.get("data")) if isinstance(answer, Mapping) else answer
    if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
        raise HarnessError(f"{name}: the answer holds no scores")
    if len(items) != n:
        raise HarnessError(f"{name}: expected {n} scores, the answer has {len(items)}")
    ordered = [items[i] for i in by_index(items, name)]
    found = [item.get("relevance_score", item.get("score")) for item in ordered]
    if not all(type(score) in (int, float) and abs(score) <= _LARGEST for score in found):
        raise HarnessError(f"{name}: a score of the answer is no finite number")
    return np.asarray(found, dtype=np.float32)
