"""What the requests of one run have cost, and the cap on it: one account for all of its processes."""

from __future__ import annotations

import fcntl
import json
import math
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.types import HarnessError, Unwritable

CHARACTERS_PER_TOKEN = 3  # cautious for English (about 4); Chinese has fewer, so its first request is underestimated
_BYTES = 512  # of the file, so that one write replaces all of it
_NOTHING = 1e-9  # dollars that rounding leaves
_CENTS = 0.001  # dollars; below it four digits say little


@dataclass
class Bill:
    """One request; `tokens` is filled in from the answer and stays 0 where the service counts none."""

    tokens: int = 0


@dataclass
class Books:
    """Dollars `spent`, and `held` for requests under way; texts paid for; characters whose tokens were counted."""

    spent: float = 0.0
    held: float = 0.0
    texts: int = 0
    characters: int = 0
    tokens: int = 0


def check_cap(max_cost: Any) -> None:
    """HarnessError where the option is neither None, no cap, nor a finite number of dollars above 0."""
    number = isinstance(max_cost, int | float) and not isinstance(max_cost, bool)
    if max_cost is not None and not (number and math.isfinite(max_cost) and max_cost > 0):
        raise HarnessError(f"max_cost={max_cost}: expected a number above 0")


class Account:
    """What requests cost, in this process or, once it is `shared`, in all that share it; safe for threads.

    Until the first answer a token is taken for three characters, then for as many as have been billed so far. A
    request that fails is taken for free; whether a service charges for an answer that came too late is not known here.
    What a killed process had under way counts as spent.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._books = Books()
        self._file: Path | None = None

    def share(self, file: Path) -> None:
        """Keep the books in `file` from now on, with every process that was given the same; it is made when needed."""
        with self._lock:
            self._file = file

    @contextmanager
    def paying(self, texts: Sequence[str], price: float, cap: float) -> Iterator[Bill]:
        """Around one request at `price` dollars a million tokens (0: free, and not counted).

        A HarnessError before it, where it would take the account past `cap` dollars (0: no cap); Unwritable where the
        file cannot be written.
        """
        bill = Bill()
        if not price:
            yield bill
            return
        characters = sum(map(len, texts))
        held = self._hold(characters, price, cap)
        try:
            yield bill
            self._charge(bill.tokens, characters, len(texts), price)
        finally:
            with self._opened() as books:
                books.held -= held

    def _hold(self, characters: int, price: float, cap: float) -> float:
        with self._opened() as books:
            cost = _tokens(books, characters) * price / 1e6
            if cap and books.spent + books.held + cost > cap:
                raise HarnessError(_reached(books, cost, cap))
            books.held += cost
            return cost

    def _charge(self, tokens: int, characters: int, texts: int, price: float) -> None:
        with self._opened() as books:
            books.spent += (tokens or _tokens(books, characters)) * price / 1e6
            books.texts += texts
            if tokens:
                books.characters, books.tokens = books.characters + characters, books.tokens + tokens

    @contextmanager
    def _opened(self) -> Iterator[Books]:
        with self._lock:
            if self._file is None:
                yield self._books
            else:
                with _locked(self._file) as books:
                    yield books


SPENT = Account()  # one for the process: a model that is opened twice spends the same money


@contextmanager
def _locked(path: Path) -> Iterator[Books]:
    """The books in a file, which no other process opens meanwhile; written back unless there is an error."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            known = os.pread(file, _BYTES, 0)
            books = Books(**json.loads(known)) if known else Books()
            yield books
            os.pwrite(file, json.dumps(asdict(books)).ljust(_BYTES).encode(), 0)
        finally:
            os.close(file)
    except OSError as error:
        raise Unwritable(f"{path}: what was spent cannot be written ({error.strerror}). Free space") from error


def _reached(books: Books, cost: float, cap: float) -> str:
    """Why a request of `cost` dollars is not sent, and what to do: another run helps only where it fits into one."""
    waits = f" and ${books.held:.4f} under way" if books.held > _NOTHING else ""
    start = f"max_cost={cap:g} reached after {books.texts:,} texts, about ${books.spent:.4f} spent{waits}; "
    if cost > cap:
        about = f"{cost:,.4f}" if cost >= _CENTS else f"{cost:.1e}"
        return f"{start}the next request alone would cost about ${about}: raise max_cost above that, or lower max_batch"
    again = "run again with retry=failed to go on (each run may spend max_cost), or raise it"
    return f"{start}what is stored is kept: {again}"


def _tokens(books: Books, characters: int) -> float:
    """About how many tokens so many characters are."""
    return characters * books.tokens / books.characters if books.tokens else characters / CHARACTERS_PER_TOKEN
