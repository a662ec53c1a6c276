"""Values as Markdown: text from outside stays text, on one line, of bearable length; bullets and tables."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.wording import legible

_MARKUP = re.compile(r"([\\`*_<>\[\]|$#~&])")
_OPENING = re.compile(r"^([-+=](?=[-+=\s]|$)|\d+(?=[.)](?:\s|$)))")
_NAME = 80
_TEXT = 2000


def plain(text: Any) -> str:
    """Text from outside on one line, with nothing that Markdown, HTML or a terminal would act on."""
    line = legible(" ".join(str(text).split()))
    line = line if len(line) <= _TEXT else f"{line[:_TEXT]}…"
    return _OPENING.sub(_escaped, _MARKUP.sub(r"\\\1", line))


def _escaped(found: re.Match[str]) -> str:
    return f"{found[0]}\\" if found[0].isdigit() else f"\\{found[0]}"


def code(text: Any) -> str:
    """One line of an indented block, whole."""
    return "    " + legible(" ".join(str(text).split()))


def quoted(text: str) -> str:
    """A YAML string for front matter: JSON is YAML, and escapes what is not ASCII letters where it matters."""
    return json.dumps(legible(text), ensure_ascii=False)


def bullets(lines: Sequence[str], none: str = "") -> str:
    """A list, one line each; without any, `none`."""
    return "\n".join(f"* {line}" for line in lines) or none


def table(heads: Sequence[str], lines: Sequence[Sequence[str]], numbers: Iterable[str] = ()) -> str:
    """A table of cells that are `plain` already; the columns of `numbers` stand to the right."""
    rule = ["---:" if head in set(numbers) else "---" for head in heads]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (heads, rule, *lines))


def shortened(value: Any, names: Iterable[str]) -> Any:
    """The value with each of these names, if it is too long to read, cut wherever it stands, in keys too.

    What is cut ends in a few digits of its hash, so that two long names stay two.
    """
    long = sorted({name for name in names if len(name) > _NAME}, key=len, reverse=True)
    return _replaced(value, {name: _cut(name) for name in long}) if long else value


def _cut(name: str) -> str:
    return f"{name[:_NAME]}… ({hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:6]})"


def _replaced(value: Any, cuts: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for name, cut in cuts.items():
            value = value.replace(name, cut)
        return value
    if isinstance(value, Mapping):
        return {_replaced(key, cuts): _replaced(one, cuts) for key, one in value.items()}
    if isinstance(value, Sequence):
        return [_replaced(one, cuts) for one in value]
    return value
