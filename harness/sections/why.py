"""Why this one: every candidate's difference from the reference, and how many became one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from harness.page import fill
from harness.plots import Bar, forest
from harness.report import Entry, Report
from harness.wording import averaged, item, limit, metric, plural


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
        compared = sorted((e for e in report.entries if e["difference"] is not None), key=lambda e: -e["difference"])
        named = (report.decision["pick"], report.decision["reference"])
        shown = [e for i, e in enumerate(compared) if i < self.most or e["id"] in named]
        return fill(
            "why.html",
            plot=_plot(report, shown) if shown else "",
            left_out=len(compared) - len(shown),
            steps=_steps(report),
            policy=report.decision["policy"],
            averaged=averaged(report.decision),
            reference=report.reference,
            items=plural(item(report.decision["evalsets"])),
            changed=bool(report.decision["policy_changed"]),
        )


def _plot(report: Report, shown: list[Entry]) -> str:
    keys, name = report.keys, metric(report.decision["metric"])
    bars = [
        Bar(keys[e["id"]], _named(report, e), e["difference"], e["interval"][0], e["interval"][1], *_tone(report, e))
        for e in shown
    ]
    about = f"Difference in {name} from the reference, with interval, for {len(bars)} candidates"
    margin = report.decision["policy"]["margin"]
    return forest("forest", bars, margin, about, f"difference in {averaged(report.decision)} (0 = reference)")


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
        (funnel["variants"], "configurations on an eval set"),
        (funnel["candidates"], "candidates: batch size and eval set aside"),
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
