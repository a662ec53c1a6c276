"""Keys: read, sent, never shown."""

from __future__ import annotations

import pickle

import pytest

from harness.secret import Secret, secret_from
from harness.types import Unavailable


def test_words_that_hold_six_characters_of_a_key_are_not_shown() -> None:
    secret = Secret("abcdefghij")
    assert secret.without("no such model") == "no such model"
    assert secret.without("abcde is not enough to tell") == "abcde is not enough to tell"
    for words in ("abcdefghij", "x abcdef***", "***efghij y"):
        assert secret.without(words) == "(not shown: the words repeat the key)"
    assert Secret("abc").without("an abc") == "(not shown: the words repeat the key)", "a short key counts whole"
    assert Secret().without("anything") == "anything"


def test_a_key_is_neither_printed_nor_pickled() -> None:
    secret = Secret("abcdefghij")
    assert "abc" not in repr(secret) + str(secret) + f"{secret}"
    with pytest.raises(TypeError, match="each process"):
        pickle.dumps(secret)
    assert secret.revealed() == "abcdefghij"


def test_a_key_is_read_from_the_variable_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", " abc\n")
    assert secret_from("SOME_KEY", "tiny").revealed() == "abc"
    assert not secret_from("", "tiny")
    monkeypatch.setenv("SOME_KEY", " \n")
    with pytest.raises(Unavailable, match="tiny needs a key: set the environment variable SOME_KEY"):
        secret_from("SOME_KEY", "tiny")
