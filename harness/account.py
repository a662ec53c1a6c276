"""What the requests of this process have cost, and the cap on it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from harness.types import HarnessError

CHARACTERS_PER_TOKEN = 3  # cautious for English (about 4); Chinese has fewer, so its first request is underestimated


@dataclass
class Bill:
    """One request; `tokens` is filled in from the answer and stays 0 where the service counts none."""

    tokens: int = 0


class Account:
    """Dollars spent, and dollars that requests now under way will cost; safe for threads.

    Until the first answer a token is taken for three characters, then for as many as have been billed so far. A
    request that fails is taken for free; whether a service charges for an answer that came too late is not known here.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spent = self._held = 0.0
        self._texts = self._characters = self._tokens = 0

    @contextmanager
    def paying(self, texts: Sequence[str], price: float, cap: float) -> Iterator[Bill]:
        """Around one request at `price` dollars a million tokens.

        A HarnessError before it, where it would take the process past `cap` dollars (0: no cap).
        """
        characters = sum(map(len, texts))
        held = self._hold(characters, price, cap)
        bill = Bill()
        try:
            yield bill
            self._charge(bill.tokens, characters, len(texts), price)
        finally:
            self._release(held)

    def _hold(self, characters: int, price: float, cap: float) -> float:
        with self._lock:
            cost = self._estimate(characters) * price / 1e6
            if cap and price and self._spent + self._held + cost > cap:
                raise HarnessError(
                    f"max_cost={cap:g} reached after {self._texts:,} texts, about ${self._spent:.4f} spent; what is "
                    "stored is kept: run again to go on (each run may spend max_cost), or raise it"
                )
            self._held += cost
            return cost

    def _estimate(self, characters: int) -> float:
        if self._tokens:
            return characters * self._tokens / self._characters
        return characters / CHARACTERS_PER_TOKEN

    def _release(self, held: float) -> None:
        with self._lock:
            self._held -= held

    def _charge(self, tokens: int, characters: int, texts: int, price: float) -> None:
        with self._lock:
            self._spent += (tokens or self._estimate(characters)) * price / 1e6
            self._texts += texts
            if tokens:
                self._characters, self._tokens = self._characters + characters, self._tokens + tokens


SPENT = Account()  # one for the process: a model that is opened twice spends the same money
