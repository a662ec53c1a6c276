"""Which speeds `timing` asks for: its scenarios, built and checked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from harness.parts import build, did_you_mean
from harness.subjects import Scenario
from harness.types import HarnessError

SCENARIOS = ("query", "index", "start", "serve")
_SETTING = {"query": "calls=50", "index": "documents=64", "start": "_target_=...", "serve": "limit_ms=100"}
RENAMED = {
    "scenario": "timing=none, quick, full or serve",
    "repeats": "timing.query.repeats and timing.index.repeats",
    "calls": "timing.query.calls",
    "warmup": "timing.query.warmup",
    "documents": "timing.index.documents",
}


def scenarios_of(node: Any, trusted: Collection[str] = ()) -> dict[str, Scenario]:
    """The scenarios by name, without those that are null; HarnessError, with the dotted name, for a wrong setting."""
    if not isinstance(node, Mapping):
        raise HarnessError(f"timing={node!r}: expected {RENAMED['scenario']}")
    for name in node:
        if name in RENAMED:
            raise HarnessError(renamed(name))
        if name not in SCENARIOS:
            raise HarnessError(f"timing.{name} is no scenario. {did_you_mean(str(name), SCENARIOS)}")
    return {name: _built(name, node[name], trusted) for name in SCENARIOS if node.get(name) is not None}


def renamed(name: str) -> str:
    """The line for a setting of before there were scenarios."""
    return f"timing.{name} is no more; use {RENAMED[name]}"


def _built(name: str, node: Any, trusted: Collection[str]) -> Scenario:
    if not isinstance(node, Mapping):
        setting = _SETTING[name]
        raise HarnessError(f"timing.{name}={node}: expected null or settings such as timing.{name}.{setting}")
    try:
        part = build(node, trusted)
    except HarnessError as error:
        said = str(error)
        if said.startswith("timing."):
            raise
        target = str(node.get("_target_", "")).rpartition(".")[2]
        inner = f"timing.{name}.{said.removeprefix(f'{target}.')}" if target and said.startswith(f"{target}.") else ""
        raise HarnessError(inner or f"timing.{name}: {said}") from error
    if not isinstance(part, Scenario):
        raise HarnessError(f"timing.{name}: {node['_target_']} measures nothing; expected a part of harness.scenarios")
    return part
