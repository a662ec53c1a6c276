"""One case of a finding: the text that shows it, shortened, and what it is called until its line is known."""

from __future__ import annotations

from harness.types import Note, Texts

_SHOWN = 80


def shortened(text: str) -> str:
    """A text on one line of at most 80 characters."""
    line = " ".join(text[: 8 * _SHOWN].split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 4]} ..."


def at(note: Note, texts: Texts, position: int, what: str = "") -> Note:
    """The note with one text as its example, and as its place what `places` finds the line by.

    what: `document` or `query` where ids are the set's own; empty where they are numbers of rows, such as pair-3.
    """
    name = texts.ids[position]
    text = shortened(texts.texts[position])
    return note._replace(place=f'{what} "{name}"' if what else name, example=f'"{text}"' if text else "(no text)")
