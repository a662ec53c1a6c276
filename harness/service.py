"""What models behind a service share: their parameters, and texts to vectors by way of requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar, Literal, Self

from harness.account import SPENT, Account
from harness.answers import embeddings, joined
from harness.courier import Answer, Courier, Job, Limits
from harness.endpoint import checked_url
from harness.parts import place
from harness.protocols import Pooling
from harness.types import Encoded, HarnessError, Inapplicable, Ints, Role, Traits


@dataclass(frozen=True)
class Service:
    """A model that is reached by requests.

    `key_variable` names the environment variable that holds the key: the key itself is no parameter, so it is in no
    record, log or page. `dims` is the width asked for (0: the model's own). Prompts are sent as text in front of each
    input; an empty text is sent as one blank, since most services refuse an empty one.

    A request holds at most `max_batch` texts and about `batch_tokens` tokens, `concurrency` of them are under way at
    once, each is tried up to `tries` times, and `timeout_s` seconds of silence end a try (see `Endpoint`). Before a
    request would take the run, with all its processes, past `max_cost` dollars at `price` dollars a million tokens, it
    stops (0: no cap); see `Account`. None of these decides a vector.
    """

    # A vector does not depend on the texts beside it, so answers are stored every 100,000 characters.
    independent: ClassVar[bool] = True

    id: str
    base_url: str = ""
    key_variable: str = place("")
    dims: int = 0
    max_tokens: int = 0
    similarity: Literal["cosine", "dot"] = "cosine"
    prompts: Mapping[Role, str] = field(default_factory=dict)
    max_batch: int = place(32)
    batch_tokens: int = place(16384)
    concurrency: int = place(4)
    tries: int = place(16)
    timeout_s: float = place(60.0)
    price: float = place(0.0)
    max_cost: float = place(0.0)

    def __post_init__(self) -> None:
        checked_url(self.base_url)
        for name in ("price", "max_cost"):
            if not getattr(self, name) >= 0:  # NaN is not either, and would be no cap
                raise HarnessError(f"{name}={getattr(self, name):g}: expected a number of at least 0")

    def traits(self) -> Traits:
        """No token states; a warning that the weights may change unseen."""
        return Traits(self.similarity, "", self.max_tokens, ("the weights lie behind an API and may change unseen",))

    def prompt(self, role: Role) -> str:
        """The prompt given for the role."""
        return self.prompts.get(role, "")

    def bare(self) -> Self:
        """The same model without prompts."""
        return replace(self, prompts={})

    def spans(self, texts: Sequence[str]) -> Sequence[Ints]:  # noqa: ARG002  it never looks at them
        """Never: see `Encoder`."""
        raise Inapplicable(f"{self.id}: the tokenizer behind an API is not known; use chunking=words")

    def limits(self) -> Limits:
        """How requests are cut, sent and tried again."""
        return Limits(self.max_batch, self.batch_tokens, self.concurrency, self.tries, self.timeout_s)


class OpenService:
    """An encoder over `request`, which gets some texts and their role and gives an answer in OpenAI's form."""

    def __init__(
        self,
        part: Service,
        request: Callable[[list[str], Role], Any],
        sleep: Callable[[float], object] | None = None,
        account: Account = SPENT,
    ) -> None:
        self.part = part
        self.request = request
        self.courier = Courier(part.id, part.limits(), sleep)
        self.account = account

    def encode(self, texts: Sequence[str], role: Role, poolings: Sequence[Pooling], batch_size: int | None) -> Encoded:
        """See `OpenEncoder`; `tokens` is what was billed for a text, about (see `answers.shared`), 0 where untold."""
        if any(not p.native for p in poolings):
            raise Inapplicable("a model behind an API gives finished vectors; use pooling=native")
        prompted = [self.part.prompt(role) + t or " " for t in texts]
        jobs = [Job(batch, partial(self._paid, role)) for batch in self.courier.batches(prompted, batch_size)]
        rows, tokens = joined(self.courier.deliver(jobs), self.part.id)
        return Encoded((rows,) * len(poolings), tokens, tokens)

    def _paid(self, role: Role, texts: list[str]) -> Answer:
        with self.account.paying(texts, self.part.price, self.part.max_cost) as bill:
            answer = embeddings(self.request(texts, role), texts, self.part.dims, self.part.id)
            bill.tokens = answer.tokens
        return answer
