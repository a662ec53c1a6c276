"""The page's plots as files for slides: SVG that stands alone and PNG of twice the size, in the light colours."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from harness.page import verbatim
from harness.store import write_atomically
from harness.svg import TONES, Drawing, figure_files


def write_figures(drawings: Iterable[Drawing], folder: Path) -> list[Path]:
    """Write `NAME.svg` and `NAME.png` of each drawing into the folder; the same drawing gives the same bytes."""
    written, colours = [], _light()
    for drawing in drawings:
        for suffix, content in zip((".svg", ".png"), figure_files(drawing, colours), strict=True):
            written.append(folder / f"{drawing.name}{suffix}")
            write_atomically(written[-1], content)
    return written


def _light() -> dict[str, str]:
    """The page's own colours by name, those of its light theme, as `#rrggbb`."""
    light = verbatim("style.css").partition("@media")[0]
    found = {name: colour[1:] for name, colour in re.findall(r"--([\w-]+):\s*(#\w+)", light)}
    return {tone: f"#{c if len(c := found[tone]) == 6 else ''.join(digit * 2 for digit in c)}" for tone in TONES}
