"""Parts: find, check, build, describe, identify. A part is a frozen dataclass that holds parameters only."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import importlib
import inspect
import json
import pkgutil
import sys
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from typeguard import CollectionCheckStrategy, TypeCheckError, check_type

from harness.types import HarnessError

ROOMS = (
    "encoders", "poolings", "chunkings", "reductions", "quantizers", "indexes", "retrievers", "rerankers", "formats",
    "layouts", "metrics", "tasktypes", "sections", "executors", "scenarios",
)  # fmt: skip
_OUTSIDE = {"identity": False}
_SHOWN = 12


def place(default: Any = dataclasses.MISSING) -> Any:
    """A dataclass field that says where something lies (a path, an address): not part of the identity."""
    return dataclasses.field(default=default, metadata=_OUTSIDE)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The rest of an error line: the nearest known names, or all of them when none is near."""
    names = sorted(set(known))
    near = difflib.get_close_matches(word, names, n=3, cutoff=0.5) or [n for n in names if word and word in n][:3]
    if near:
        return f"Did you mean {' or '.join(near)}?"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"Known: {', '.join(names[:_SHOWN])}{more}." if names else ""


@cache
def available(room: str) -> Mapping[str, type]:
    """Every part of a room by file name; the file is the registration."""
    package = importlib.import_module(f"harness.{room}")
    return {m.name: _part_of(f"harness.{room}.{m.name}") for m in pkgutil.iter_modules(package.__path__)}


def find(room: str, name: str) -> type:
    """The part class in `harness/<room>/<name>.py`; an unknown name is a HarnessError with the nearest ones."""
    names = {m.name for m in pkgutil.iter_modules(importlib.import_module(f"harness.{room}").__path__)}
    if name not in names:
        raise HarnessError(f"{room}: no part named {name!r}. {did_you_mean(name, names)}")
    return _part_of(f"harness.{room}.{name}")


def build(node: Any, trusted: Collection[str] = ()) -> Any:
    """The part that a node (`_target_` and parameters) describes.

    Before any code runs, the target must lie in a room of ours or in a package named in `trusted`; then it must be
    a part, every parameter must exist and fit its annotated type. Anything else is a HarnessError.
    """
    if not isinstance(node, Mapping) or "_target_" not in node:
        raise HarnessError(f"not a part: {node!r} has no _target_")
    part = part_at(str(node["_target_"]), trusted)
    given = {str(k): v for k, v in node.items() if k != "_target_"}
    fields = {f.name: f for f in dataclasses.fields(part) if f.init}
    for name in given:
        if name not in fields:
            raise HarnessError(f"{part.__name__} has no parameter {name!r}. {did_you_mean(name, fields)}")
    for name, f in fields.items():
        if name not in given and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            raise HarnessError(f"{part.__name__} needs {name!r}; give {name}=...")
    hints = get_type_hints(part)
    return part(**{name: _value(part, name, value, hints[name], trusted) for name, value in given.items()})


def describe(part: Any) -> dict[str, Any]:
    """The node that builds this part again: target and every parameter, defaults included; plain JSON types."""
    cls = type(part)
    node = {"_target_": f"{cls.__module__}.{cls.__qualname__}"}
    return node | {f.name: _plain(getattr(part, f.name)) for f in dataclasses.fields(part) if f.init}


def identity(part: Any) -> str:
    """32 hex digits of what decides the part's results: its description without places, plus its `content()`.

    `content()`, where a part has it, stands for files and weights; so the same weights under another path are the
    same part, and two folders with one name never are. Of a part from outside the harness the file that defines its
    class counts too, byte by byte, as it was when first asked. The modules which that file imports, base classes in
    other files included, are not seen: name in `content()` what else decides the results.
    """
    return digest(_essence(part))


def digest(value: Any) -> str:
    """32 hex digits of a JSON value, independent of key order."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _essence(value: Any) -> Any:
    if is_part(value):
        cls = type(value)
        kept = {f.name: _essence(getattr(value, f.name)) for f in dataclasses.fields(value) if _counts(f)}
        content = dict(value.content()) if hasattr(value, "content") else {}
        code = {} if cls.__module__.startswith("harness.") else {"_code_": _code(value.__class__)}
        return {"_target_": f"{cls.__module__}.{cls.__qualname__}", "content": content} | code | kept
    if isinstance(value, Mapping):
        return {str(k): _essence(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [_essence(v) for v in value]
    return value


@cache  # by class and not by the file's date: a file edited now is not the code that this process has imported
def _code(cls: type) -> str:
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else ""


def _counts(f: dataclasses.Field[Any]) -> bool:
    return f.init and f.metadata.get("identity", True)


def name_of(part: Any) -> str:
    """The part's name: that of its file."""
    return type(part).__module__.rpartition(".")[2]


def is_part(value: Any) -> bool:
    """Whether a value is a part: an instance of a frozen dataclass."""
    return dataclasses.is_dataclass(value) and not isinstance(value, type) and _frozen(type(value))


def _plain(value: Any) -> Any:
    if is_part(value):
        return describe(value)
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return value


def _value(part: type, name: str, value: Any, hint: Any, trusted: Collection[str]) -> Any:
    expected = _spoken(hint)
    mistake = HarnessError(f"{part.__name__}.{name} = {value!r}: expected {expected}")
    kinds = {hint, *get_args(hint)}
    if isinstance(value, bool) and kinds & {int, float} and bool not in kinds:
        raise mistake  # Python takes true for 1
    if isinstance(value, Mapping):
        value = build(value, trusted) if "_target_" in value else dict(value)
    elif isinstance(value, list | tuple):
        each = get_args(hint)[0] if get_args(hint)[1:] == (...,) else Any
        value = tuple(_value(part, name, v, each, trusted) for v in value)
    elif type(value) is int and float in kinds and int not in kinds:
        value = float(value)  # 1 and 1.0 are equal parts: one identity
    try:
        return check_type(value, hint, collection_check_strategy=CollectionCheckStrategy.ALL_ITEMS)
    except TypeCheckError as error:
        raise mistake from error


def _spoken(hint: Any) -> str:
    """A type as a person says it: `whole number or 'full'`."""
    names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", type(None): "null"}
    if hint in names:
        return names[hint]
    if get_origin(hint) is Literal:
        return ", ".join(map(str, get_args(hint)))
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(_spoken(one) for one in get_args(hint))
    return str(getattr(hint, "__name__", hint)).removeprefix("typing.")


def part_at(target: str, trusted: Collection[str]) -> type:
    """The part class that a `_target_` names, checked as in `build`."""
    module, _, name = target.rpartition(".")
    ours = any(module.startswith(f"harness.{room}.") for room in ROOMS)
    if not ours and module.split(".")[0] not in trusted:
        raise HarnessError(
            f"_target_ {target!r} is not a part of this harness. If the package is yours and you trust it, "
            f"add trusted=[{target.split('.')[0]}]"
        )
    try:
        part = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise HarnessError(f"_target_ {target!r} cannot be found: {error}") from error
    imported = ours and getattr(part, "__module__", "") != module  # a value that the room's file merely uses
    if imported or not (isinstance(part, type) and dataclasses.is_dataclass(part) and _frozen(part)):
        raise HarnessError(f"_target_ {target!r} is not a part (a frozen dataclass)")
    return part


def _frozen(cls: type) -> bool:
    return bool(cls.__dataclass_params__.frozen)  # type: ignore[attr-defined]


def _part_of(module_name: str) -> type:
    module = importlib.import_module(module_name)
    own = [c for _, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == module_name]
    parts = [c for c in own if dataclasses.is_dataclass(c) and _frozen(c) and not c.__name__.startswith("_")]
    if len(parts) != 1:
        raise TypeError(f"{module_name} must define exactly one public part, has {[c.__name__ for c in parts]}")
    return parts[0]
