"""Keys of services: read from the environment here and nowhere else, sent, and never shown."""

from __future__ import annotations

import os

from harness.types import HarnessError, Unavailable

_TELLING = 6  # characters of a key in a row that give it away


class Secret:
    """A key; empty where a service wants none. Neither `repr` nor a message of ours holds it."""

    def __init__(self, key: str = "") -> None:
        self._key = key

    def __bool__(self) -> bool:
        return bool(self._key)

    def __repr__(self) -> str:
        return "Secret(...)"

    def __reduce__(self) -> str:
        raise TypeError("a key is not pickled: each process reads it from its own environment")

    def revealed(self) -> str:
        """The key itself, for a request's header."""
        return self._key

    def without(self, text: str) -> str:
        """The text; a note in its place where it holds the key or some of it, as a server that echoes headers does."""
        parts = {self._key[i : i + _TELLING] for i in range(max(1, len(self._key) - _TELLING + 1))} - {""}
        return "(not shown: the words repeat the key)" if any(part in text for part in parts) else text


def secret_from(variable: str, name: str) -> Secret:
    """The key in an environment variable, blanks around it taken off; no variable named: an empty key.

    Unavailable where it is not set; a HarnessError where it cannot be a key, which never quotes it.
    """
    if not variable:
        return Secret()
    key = os.environ.get(variable, "").strip()
    if not key:
        raise Unavailable(f"{name} needs a key: set the environment variable {variable}")
    if not (key.isascii() and key.isprintable()):
        raise HarnessError(f"{variable} holds characters that no key has, such as a line break: set it anew")
    return Secret(key)


def calm_litellm() -> None:
    """Before litellm is imported: no price list from the network, no `.env` file read; it has no other switches."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
