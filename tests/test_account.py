"""What requests cost, by hand and from many threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.account import Account
from harness.types import HarnessError


def pay(account: Account, characters: int, tokens: int, cap: float = 0.0) -> None:
    """One request at a dollar a token."""
    with account.paying(["x" * characters], 1e6, cap) as bill:
        bill.tokens = tokens


def test_a_token_is_three_characters_until_the_service_has_counted() -> None:
    account = Account()
    with pytest.raises(HarnessError, match=r"max_cost=9.9 reached after 0 texts, about \$0.0000 spent"):
        pay(account, 30, 0, cap=9.9)
    pay(account, 30, 5, cap=10)
    with pytest.raises(HarnessError, match=r"reached after 1 texts, about \$5.0000 spent"):
        pay(account, 30, 0, cap=9.9)
    pay(account, 30, 5, cap=10)


def test_what_a_service_does_not_count_is_charged_by_estimate() -> None:
    account = Account()
    pay(account, 30, 0)
    with pytest.raises(HarnessError, match=r"about \$10.0000 spent"):
        pay(account, 3, 1, cap=10.5)


def test_a_failed_request_is_free_and_a_price_of_nothing_meets_no_cap() -> None:
    account = Account()
    for _ in range(5):
        with pytest.raises(OSError, match="down"), account.paying(["x" * 30], 1e6, 10.0):
            raise OSError("down")
    pay(account, 30, 12, cap=10)
    with account.paying(["x" * 30], 0.0, 10.0):
        """Sent to a service that is free, though the other one has used up the cap."""


def test_threads_together_stay_below_the_cap() -> None:
    account, paid = Account(), []

    def one(_: int) -> None:
        try:
            pay(account, 3, 1, cap=50)
            paid.append(1)
        except HarnessError:
            """Refused."""

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(one, range(400)))
    assert sum(paid) == 50
