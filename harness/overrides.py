"""A policy as words on the command line change it: `policy=NAME`, `policy.margin=0.01`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.types import HarnessError


def asked_policy(words: Sequence[str], before: Mapping[str, Any], command: str) -> Mapping[str, Any]:
    """The policy's node with the values given; `policy=NAME` takes that policy instead. No words: the one before.

    HarnessError, which names the command, for words that are no policy's.
    """
    from harness.launch import compose
    from harness.policy import overridden

    if other := [w for w in words if not w.startswith("policy")]:
        raise HarnessError(
            f"{command} takes policy=... overrides only, not {other[0]}; for another sweep use harness run"
        )
    return overridden(before, words, compose(list(words))[0].config["policy"]) if words else before
