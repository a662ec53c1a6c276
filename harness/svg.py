"""From a matplotlib drawing to SVG and PNG: inline in the page's colours with unique ids, or to stand alone."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from io import BytesIO, StringIO
from typing import Any, NamedTuple

from harness.wording import legible

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
_NO_DATES = {"Date": None, "Creator": None, "Format": None, "Type": None}


class Drawing(NamedTuple):
    """What `inline_svg` takes: a name, the size in pixels, what the drawing shows in words, and how it is drawn."""

    name: str
    size: tuple[int, int]
    about: str
    draw: Callable[[Any], Mapping[str, str]]


def inline_svg(name: str, size: tuple[int, int], about: str, draw: Callable[[Any], Mapping[str, str]]) -> str:
    """Draw on a figure of `size` pixels and write it as inline SVG; the same drawing gives the same bytes.

    `draw` gives the tooltip of each artist's gid; in `id@key`, `key` becomes the attribute that links it to table rows.
    """
    import matplotlib as mpl

    buffer = StringIO()
    with mpl.rc_context({**_RC, "svg.hashsalt": name}):
        figure, tips = _drawn(size, draw)
        figure.patch.set_visible(False)
        for axes in figure.axes:
            axes.patch.set_visible(False)
        figure.savefig(buffer, format="svg", metadata=_NO_DATES)
    return _inline(buffer.getvalue(), name, size, about, tips)


def figure_files(drawing: Drawing, colours: Mapping[str, str]) -> tuple[bytes, bytes]:
    """The drawing as SVG and as PNG of twice its size, on a ground of the colour `bg`; the same bytes each time.

    colours: of each name of `TONES`, as `#rrggbb`.
    """
    import matplotlib as mpl

    svg, png = StringIO(), BytesIO()
    with mpl.rc_context({**_RC, "svg.hashsalt": drawing.name}):
        figure, _ = _drawn(drawing.size, drawing.draw)
        figure.patch.set_facecolor(TONES["bg"])
        _colour(figure, {TONES[name]: colour for name, colour in colours.items()})
        figure.savefig(svg, format="svg", metadata=_NO_DATES | {"Title": drawing.about})
        figure.savefig(png, format="png", dpi=144, metadata={"Software": None})
    text = re.sub(r"@c?\d*\"", '"', svg.getvalue())  # the key that links a point to a row of the page
    return text.encode(), png.getvalue()


def _drawn(size: tuple[int, int], draw: Callable[[Any], Mapping[str, str]]) -> tuple[Any, Mapping[str, str]]:
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(size[0] / 72, size[1] / 72), dpi=72)
    FigureCanvasSVG(figure)
    return figure, draw(figure)


def _colour(figure: Any, colours: Mapping[str, str]) -> None:
    """Every artist in true colours instead of those that stand for a CSS variable."""
    from matplotlib.colors import to_hex

    for artist in figure.findobj():
        for part in ("color", "facecolor", "edgecolor", "markerfacecolor", "markeredgecolor"):
            get, set_ = getattr(artist, f"get_{part}", None), getattr(artist, f"set_{part}", None)
            value = get() if get and set_ else None
            if value is not None and len(value) and (colour := colours.get(to_hex(value))):
                set_(colour)  # type: ignore[misc]  # there where its get is


def _inline(svg: str, name: str, size: tuple[int, int], about: str, tips: Mapping[str, str]) -> str:
    body = svg[svg.index(">", svg.index("<svg ")) + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|(?<=\n)\s+", "", body, flags=re.DOTALL)
    body = re.sub(r"<[^>]+>", lambda found: _tag(found[0], name), body)
    told = {html.escape(gid): tip for gid, tip in tips.items()}

    def mark(found: re.Match[str]) -> str:
        if found[1] not in told:
            return found[0]
        own, _, key = found[1].partition("@")
        link = f' data-c="{key}"' if key else ""
        return f'<g id="{own}" class="mark"{link}><title>{html.escape(legible(told[found[1]]))}</title>'

    body = re.sub(rf'<g id="{re.escape(name)}-([^"]*)">', mark, body)
    head = f'<svg class="plot" role="img" viewBox="0 0 {size[0]} {size[1]}" style="max-width:{size[0]}px"'
    return f'{head} aria-label="{html.escape(legible(about))}">\n{body.strip()}\n'


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
    tag = re.sub(r"(\d\.\d\d)\d+", r"\1", tag)
    return re.sub(r"font: ((?:bold )?)([\d.]+)px [^;\"]*", _font, tag)


def _font(found: re.Match[str]) -> str:
    return f"font-size: {found[2]}px" + ("; font-weight: bold" if found[1] else "")
