"""What requests cost, by hand and from many threads."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from harness.account import Account, check_cap
from harness.types import HarnessError, Unwritable


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


@pytest.mark.parametrize(("characters", "said"), [(30, "10.0000"), (30_000, "10,000.0000")])
def test_a_request_that_alone_passes_the_cap_says_what_it_would_cost(characters: int, said: str) -> None:
    with pytest.raises(
        HarnessError, match=rf"alone would cost about \${said}: raise max_cost above that, or lower"
    ) as no:
        pay(Account(), characters, 0, cap=9.9)
    assert "run again" not in str(no.value), "another run would end the same way"


def test_very_small_costs_are_not_shown_as_nothing() -> None:
    with (
        pytest.raises(HarnessError, match=r"would cost about \$1.0e-05: raise"),
        Account().paying(["x" * 30], 1.0, 1e-6),
    ):
        """Not sent."""


def test_another_run_helps_where_the_request_fits_into_it() -> None:
    account = Account()
    pay(account, 30, 5, cap=10)
    with pytest.raises(HarnessError, match="run again with retry=failed to go on"):
        pay(account, 54, 0, cap=10)


@pytest.mark.parametrize("wrong", [0, 0.0, -1, float("nan"), float("inf"), True, "abc", [1]])
def test_a_cap_is_a_number_of_dollars_above_0(wrong: Any) -> None:
    with pytest.raises(HarnessError, match="max_cost=.*: expected a number above 0"):
        check_cap(wrong)
    for right in (None, 1, 0.001):
        check_cap(right)


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


def test_what_is_under_way_is_named_where_it_fills_the_cap() -> None:
    account = Account()
    with (
        account.paying(["x" * 30], 1e6, 12.0),
        pytest.raises(HarnessError, match=r"\$0.0000 spent and \$10.0000 under"),
    ):
        pay(account, 30, 1, cap=12)


def sharing(file: Path) -> Account:
    account = Account()
    account.share(file)
    return account


def test_accounts_that_share_a_file_have_one_cap_and_learn_from_each_other(tmp_path: Path) -> None:
    first, second = (sharing(tmp_path / "logs" / "account.json") for _ in range(2))
    pay(first, 30, 5, cap=10)
    with pytest.raises(HarnessError, match=r"max_cost=9.9 reached after 1 texts, about \$5.0000 spent;"):
        pay(second, 30, 0, cap=9.9)
    pay(second, 30, 5, cap=10)
    with pytest.raises(HarnessError, match=r"after 2 texts, about \$10.0000 spent;"):
        pay(first, 6, 1, cap=10.5)
    pay(sharing(tmp_path / "logs" / "next.json"), 30, 5, cap=10)


def test_what_a_killed_process_had_under_way_counts_as_spent(tmp_path: Path) -> None:
    killed, other = (sharing(tmp_path / "account.json") for _ in range(2))
    under_way = killed.paying(["x" * 30], 1e6, 15.0)
    under_way.__enter__()
    with pytest.raises(HarnessError, match=r"\$10.0000 under way"):
        pay(other, 30, 5, cap=15)


def buy(file: Path) -> int:
    """Dollars spent one by one until the cap of 50 refuses the next."""
    account, paid = sharing(file), 0
    try:
        while True:
            pay(account, 3, 1, cap=50)
            paid += 1
    except HarnessError:
        return paid


def test_processes_together_stay_below_the_cap(tmp_path: Path) -> None:
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        assert sum(pool.map(buy, [tmp_path / "account.json"] * 2)) == 50


def test_a_request_is_not_sent_where_its_cost_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file where a folder should be")
    with pytest.raises(Unwritable, match="what was spent cannot be written"):
        pay(sharing(tmp_path / "logs" / "account.json"), 3, 1)
