"""Why this one: every candidate's difference from the reference, and how many became one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from harness.page import fill
from harness.plots import Bar, forest
from harness.report import Entry, Report
from harness.svg import Drawing, inline_svg
from harness.wording import averaged, item, limit, metric, plural


class _Narrow(NamedTuple):
    """A bar with where it and the margin lie on a screen that is too narrow for the plot, as CSS in percent."""

    bar: Bar
    band: str
    line: str
    dot: str


class _Step(NamedTuple):
    left: int
    text: str
    share: float


@dataclass(frozen=True)
class Why:
    """Forest plot of the `most` best candidates within the limits, reference and pick always among them; the funnel."""

    most: int = 30
    position: ClassVar[int] = 30
    nav: ClassVar[str] = "Why"

    def render(self, report: Report) -> str:
        """The section; without any compared candidate only the funnel."""
        figures, bars = self.figures(report), _bars(report, self._shown(report))
        return fill(
            "why.html",
            plot=inline_svg(*figures[0]) if figures else "",
            narrow=_narrow(bars, report.decision["policy"]["margin"]),
            left_out=len(_compared(report)) - len(self._shown(report)),
            held_out=report.decision.get("held_out"),
            borderline=report.decision.get("borderline", []),
            steps=_steps(report),
            policy=report.decision["policy"],
            averaged=averaged(report.decision),
            reference=report.reference,
            items=plural(item(report.decision["evalsets"])),
            changed=bool(report.decision["policy_changed"]),
        )

    def figures(self, report: Report) -> list[Drawing]:
        """The forest plot, where anything was compared."""
        shown = self._shown(report)
        return [_plot(report, shown)] if shown else []

    def _shown(self, report: Report) -> list[Entry]:
        named = (report.decision["pick"], report.decision["reference"])
        return [e for i, e in enumerate(_compared(report)) if i < self.most or e["id"] in named]


def _compared(report: Report) -> list[Entry]:
    return sorted((e for e in report.entries if e["difference"] is not None), key=lambda e: -e["difference"])


def _plot(report: Report, shown: list[Entry]) -> Drawing:
    bars, name = _bars(report, shown), metric(report.decision["metric"])
    about = f"Difference in {name} from the reference, with interval, for {len(bars)} candidates"
    margin = report.decision["policy"]["margin"]
    return forest("forest", bars, margin, about, f"difference in {averaged(report.decision)} (0 = reference)")


def _bars(report: Report, shown: list[Entry]) -> list[Bar]:
    keys = report.keys
    return [
        Bar(keys[e["id"]], _named(report, e), e["difference"], e["interval"][0], e["interval"][1], *_tone(report, e))
        for e in shown
    ]


def _narrow(bars: list[Bar], margin: float) -> list[_Narrow]:
    """All on one scale, with some room at both ends for the dots."""
    low = min((bar.low for bar in bars), default=0.0)
    low, high = min(low, -margin), max((bar.high for bar in bars), default=0.0)
    room = (high - low) * 0.03 or 1.0

    def at(value: float) -> float:
        return 100 * (value - low + room) / (high - low + 2 * room)

    def span(start: float, end: float) -> str:
        return f"--x: {at(start):.1f}%; --w: {at(end) - at(start):.1f}%"

    band = span(-margin, 0)
    return [_Narrow(bar, band, span(bar.low, bar.high), f"--x: {at(bar.value):.1f}%") for bar in bars]


def _named(report: Report, entry: Entry) -> str:
    sign = "▶ " if entry["id"] == report.decision["pick"] else ""
    return f"{sign}{entry['label']}" + (" (reference)" if entry["id"] == report.decision["reference"] else "")


def _tone(report: Report, entry: Entry) -> tuple[str, bool]:
    if entry["id"] == report.decision["pick"]:
        return "good", True
    return ("accent" if entry["proven"] else "grey"), False


def _steps(report: Report) -> list[_Step]:
    funnel, policy = report.decision["funnel"], report.decision["policy"]
    order = ", then ".join(limit(key) for key in policy["order"])
    steps = [
        (len(report.configurations), "configurations: candidates at each batch size"),
        (funnel["candidates"], "candidates"),
        (funnel["with_result"], "finished on every eval set"),
        (funnel["within_limits"], "meet every limit"),
        (funnel["proven"], f"shown to lie within {policy['margin']:g} of the reference"),
    ]
    if report.decision["pick"]:
        steps.append((1, f"the cheapest of these by {order}"))
    else:
        steps.append((0, "picked"))
    largest = max(count for count, _ in steps) or 1
    return [_Step(count, text, count / largest) for count, text in steps]
