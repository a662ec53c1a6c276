"""Whether a manifest has the shape that its readers rely on; it is a file that people edit."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from harness.manifests import HEAVIEST, TYPES
from harness.types import HarnessError

_KINDS: Mapping[str, tuple[str, Any]] = {
    "text": ("text", str), "object": ("an object", Mapping), "list": ("a list", list),
    "whole number": ("a whole number", int), "true or false": ("true or false", bool),
}  # fmt: skip
_MANIFEST = {
    "sweep": "text", "policy": "object", "machine": "object", "evalsets": "object", "variants": "list",
    "unplanned": "list",
}  # fmt: skip
_LATER = {
    "spaces": "list", "superseded": "list", "retired": "list", "report": "object", "policy_changed": "text",
    "timing": "object", "command": "text", "excluded": "whole number", "merged": "whole number",
}  # fmt: skip
_EVALSET = {
    "sha256": "text", "type": "text", "documents": "whole number", "queries": "whole number",
    "scored_queries": "whole number", "languages": "list", "guard": "true or false", "label_source": "text",
}  # fmt: skip
_SET_LATER = {"sample": "text", "notes": "list", "public": "text", "hub": "text"}
_LABELS = {"model": "text", "retriever": "text", "pooling": "text", "quantization": "text", "index": "text"}
_VARIANT = _LABELS | {
    "task": "text", "candidate_id": "text", "model_sha256": "text", "card": "object", "quality": "text",
    "timings": "object", "device": "text",
}  # fmt: skip
_SPACE = {"name": "text", "key": "text", "candidates": "list", "reason": "text"}


def check_shape(manifest: Mapping[str, Any], path: Path) -> None:
    """HarnessError, in one line that names the place, where something is missing or of another kind."""
    try:
        _check(manifest)
    except _Misshapen as error:
        raise HarnessError(f"{path}: {error}; run the sweep again") from None


class _Misshapen(Exception):
    """What is wrong with which place."""


def _check(manifest: Mapping[str, Any]) -> None:
    _fields("it", manifest, _MANIFEST, _LATER)
    _date(manifest.get("created"))
    if not manifest["evalsets"]:
        raise _Misshapen("evalsets names none")
    for name, about in manifest["evalsets"].items():
        _fields(f"evalsets.{name}", about, _EVALSET, _SET_LATER)
        _evalset(f"evalsets.{name}", about)
    for number, variant in enumerate(manifest["variants"]):
        where = f"variants[{number}]"
        _fields(where, variant, _VARIANT)
        _present(where, variant, ("dim", "batch_size"))
        _known_task(where, variant, manifest)
        for name, key in (("quality", variant["quality"]), *variant["timings"].items()):
            _key(f"{where}.{name}", key)
    for number, lost in enumerate(manifest["unplanned"]):
        where = f"unplanned[{number}]"
        _fields(where, lost, _LABELS | {"task": "text", "status": "text", "reason": "text"})
        _present(where, lost, ("dim",))
        _known_task(where, lost, manifest)
    for number, space in enumerate(manifest.get("spaces", [])):
        _fields(f"spaces[{number}]", space, _SPACE)
        if space["key"]:  # empty where there is no map
            _key(f"spaces[{number}].key", space["key"])


def _fields(where: str, value: Any, needed: Mapping[str, str], later: Mapping[str, str] = {}) -> None:
    """later: what sweeps of before some feature lack."""
    if not isinstance(value, Mapping):
        raise _Misshapen(f"{where} is {value!r:.40}, expected {_KINDS['object'][0]}")
    _present(where, value, needed)
    for name, kind in {**needed, **later}.items():
        said, expected = _KINDS[kind]
        given = value.get(name)
        wrong = not isinstance(given, expected) or (kind == "whole number" and isinstance(given, bool))
        if name in value and wrong:
            place = name if where == "it" else f"{where}.{name}"
            raise _Misshapen(f"{place} is {given!r:.40}, expected {said}")


def _present(where: str, value: Mapping[str, Any], names: Any) -> None:
    for name in names:
        if name not in value:
            raise _Misshapen(f"{where} has no {name}")


def _evalset(where: str, about: Mapping[str, Any]) -> None:
    if about["type"] not in TYPES:
        raise _Misshapen(f"{where}.type is {about['type']!r:.40}, expected one of {', '.join(TYPES)}")
    weight = about.get("weight")
    number = isinstance(weight, int | float) and not isinstance(weight, bool)
    if weight is None or not number or not 0 < weight <= HEAVIEST:
        raise _Misshapen(f"{where}.weight is {weight!r:.40}, expected a number above 0, at most {HEAVIEST:,.0f}")


def _known_task(where: str, entry: Mapping[str, Any], manifest: Mapping[str, Any]) -> None:
    if entry["task"] not in manifest["evalsets"]:
        raise _Misshapen(f"{where}.task is {entry['task']!r:.60}, which evalsets does not have")


def _key(where: str, key: Any) -> None:
    """Keys name files."""
    if not isinstance(key, str) or not key or Path(key).name != key or "\0" in key:
        raise _Misshapen(f"{where} is {key!r:.40}, expected the key of a record")


def _date(value: Any) -> None:
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise _Misshapen(f"created is {value!r:.40}, expected a date and time such as 2026-01-31T10:00:00") from None
