"""From a matplotlib drawing to inline SVG: text kept as text, the page's colours, ids that are unique on the page."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from io import StringIO
from typing import Any

# Colours that stand for a CSS variable until the drawing is done.
TONES = {
    name: f"#0a0b{number:02x}"
    for number, name in enumerate(
        (
            "fg",
            "muted",
            "line",
            "accent",
            "good",
            "good-bg",
            "bad",
            "bad-bg",
            "grey",
            "bg",
            *(f"s{i}" for i in range(8)),
        )
    )
}
_RC = {
    "svg.fonttype": "none", "text.parse_math": False, "font.family": ["sans-serif"], "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11,
    "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.8, "path.simplify": False,
}  # fmt: skip


def inline_svg(name: str, size: tuple[int, int], about: str, draw: Callable[[Any], Mapping[str, str]]) -> str:
    """Draw on a figure of `size` pixels and write it as inline SVG; the same drawing gives the same bytes.

    `draw` gives the tooltip of each artist's gid; in `id@key`, `key` becomes the attribute that links it to table rows.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    buffer = StringIO()
    with mpl.rc_context({**_RC, "svg.hashsalt": name}):
        figure = Figure(figsize=(size[0] / 72, size[1] / 72), dpi=72)
        FigureCanvasSVG(figure)
        figure.patch.set_visible(False)
        tips = draw(figure)
        for axes in figure.axes:
            axes.patch.set_visible(False)
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return _inline(buffer.getvalue(), name, size, about, tips)


def _inline(svg: str, name: str, size: tuple[int, int], about: str, tips: Mapping[str, str]) -> str:
    body = svg[svg.index(">", svg.index("<svg ")) + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r"<[^>]+>", lambda found: _tag(found[0], name), body)
    for gid, tip in tips.items():
        own, _, key = gid.partition("@")
        link = f' data-c="{html.escape(key)}"' if key else ""
        start = f'<g id="{own}" class="mark"{link}>'
        body = body.replace(f'<g id="{name}-{html.escape(gid)}">', f"{start}<title>{html.escape(tip)}</title>")
    head = f'<svg class="plot" role="img" viewBox="0 0 {size[0]} {size[1]}" style="max-width:{size[0]}px"'
    return f'{head} aria-label="{html.escape(about)}">\n{body.strip()}\n'


def _tag(tag: str, name: str) -> str:
    """One tag with ids that are unique on the page, theme colours, and the page's own typeface."""
    tag = (
        tag.replace(' id="', f' id="{name}-')
        .replace('xlink:href="#', f'href="#{name}-')
        .replace("url(#", f"url(#{name}-")
    )
    for tone, colour in TONES.items():
        tag = tag.replace(colour, f"var(--{tone})")
    tag = re.sub(r"font-family: [^;\"]*;? ?", "", tag)
    return re.sub(r"font: ((?:bold )?)([\d.]+)px [^;\"]*", _font, tag)


def _font(found: re.Match[str]) -> str:
    return f"font-size: {found[2]}px" + ("; font-weight: bold" if found[1] else "")
