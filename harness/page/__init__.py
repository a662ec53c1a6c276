"""The page's templates, and how a value gets into them: escaped, legible, and no longer than a page can show."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from harness.wording import inert, legible, limit, metric, number, percent, score, signed, size, whole

_FOLDER = Path(__file__).parent


def fill(template: str, **values: Any) -> str:
    """A template of this folder with these values; every value is escaped, an undefined one is an error."""
    return _environment().get_template(template).render(**values)


def verbatim(name: str) -> Markup:
    """A style sheet or script of this folder, as it stands."""
    return Markup((_FOLDER / name).read_text(encoding="utf-8"))  # noqa: S704  our own file, no outside text


def data_block(value: Any) -> Markup:
    """JSON for a `<script type="application/json">`: no character of it can close the element or open markup."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704  no markup character is left


@cache
def _environment() -> Environment:
    found = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "score": score, "signed": signed, "number": number, "whole": whole, "size": size, "percent": percent,
        "metric": metric, "limit": limit, "whole_text": _whole_text,
    }  # fmt: skip
    return found


def _shown(value: Any) -> Any:
    """A text as the page can show it; markup, numbers and the like as they are."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return legible(value)


def _whole_text(value: str) -> Markup:
    """A text that is shown as long as it is, such as a command to copy."""
    return escape(inert(value))
