"""The first screen: what was decided, in one sentence and six numbers, or why nothing was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from harness.page import fill
from harness.report import Entry, Report
from harness.wording import averaged, item, latency, number, percent, plural, score, scored, size, unsteady, whole

_LEGEND = "Names read model · pooling · dimensions · quantization; native is the pooling that the model was made with."


class _Card(NamedTuple):
    value: str
    what: str
    limit: str


class _Look(NamedTuple):
    tone: str
    sign: str
    state: str
    headline: str


@dataclass(frozen=True)
class Decision:
    """Outcome box. A status other than decided says so in words, sign and colour, and never shows a pick as settled.

    most: candidates listed under "nothing meets the limits" and under "labels favour one engine".
    """

    most: int = 8
    position: ClassVar[int] = 10
    nav: ClassVar[str] = "Decision"

    def render(self, report: Report) -> str:
        """The section; every sweep has one."""
        decision, shown = report.decision, report.pick or report.reference
        look = _look(decision, report.pick)
        return fill(
            "decision.html",
            look=_marked(look, decision),
            sentence=_unheaded(decision.get("sentence", ""), look, shown),
            cards=_cards(report, shown) if shown else _counted(report),
            legend=_LEGEND if shown and " · native · " in shown["label"] else "",
            subject="" if report.pick or not shown else f"Best measured so far: {shown['label']}",
            limits=decision["policy"]["limits"],
            nearest=_nearest(report, self.most) if not shown else [],
            scorings=_scorings(report, self.most) if "labels" in decision["status"] else [],
            metric=decision["metric"],
            finished=decision["funnel"]["with_result"] > 0,
            signed_by=_signed_by(decision),
        )


_UNDECIDED = {
    "insufficient evidence": _Look(
        "warn", "?", "Insufficient evidence", "No pick: this data cannot prove any saving safe"
    ),
    "sub-sampled": _Look("warn", "!", "Sub-sampled", "No pick: a smoke test is not an evaluation"),
}


def _look(decision: Mapping[str, Any], pick: Entry | None) -> _Look:
    label = pick["label"] if pick else ""
    if decision["status"] == "decided":
        return _Look("good", "✓", "Decided by the policy", f"Use {label}")
    if decision["status"] in _UNDECIDED:
        return _UNDECIDED[decision["status"]]
    if decision["status"] == "incomplete":
        return _Look("warn", "!", "Not all candidates have run", f"Only provisional: {label}" if pick else "No pick")
    if "labels" in decision["status"]:
        headline = f"Only provisional: {label}" if pick else "No pick"
        return _Look("warn", "!", "Labels favour one engine", headline)
    if not decision["funnel"]["with_result"]:
        return _Look("bad", "✕", "No result", "No pick: no candidate finished on every eval set")
    return _Look("bad", "✕", "Nothing meets the limits", "No pick: no candidate meets every limit")


def _signed_by(decision: Mapping[str, Any]) -> str:
    """Whether somebody has accepted it; empty where there is nothing to accept."""
    if decision["status"] != "decided":
        return ""
    if decision["state"] != "accepted":
        return str(decision["state"])
    by, old = (
        f"accepted by {', '.join(decision['decision_makers'])} on {decision['accepted']}",
        decision.get("replaces"),
    )
    return f"{by}; replaces {old['label']}, accepted by {old['by']} on {old['date']}" if old else by


def _marked(look: _Look, decision: Mapping[str, Any]) -> _Look:
    """A decision that the policy allows on sub-sampled sets never looks settled."""
    if decision["status"] == "sub-sampled" or not any(e["sample"] for e in decision["evalsets"].values()):
        return look
    tone, sign = ("warn", "!") if look.tone == "good" else (look.tone, look.sign)
    return look._replace(tone=tone, sign=sign, state=f"{look.state}, on a smoke test")


def _unheaded(sentence: str, look: _Look, shown: Entry | None) -> str:
    """The sentence without the words that already stand above it; a label at its start keeps its case."""
    label = shown["label"] if shown else ""
    for heading in (f"Use {label}", look.headline, look.state):
        sentence = sentence.removeprefix(f"{heading}: ")
    return sentence if label and sentence.startswith(label) else sentence[:1].upper() + sentence[1:]


def _cards(report: Report, shown: Entry) -> list[_Card]:
    """Six numbers, each beside its limit; a seventh where queries were served under load."""
    decision, costs = report.decision, shown["costs"]
    limits, upper = decision["policy"]["limits"], shown["costs"].get("query_p95_ms_upper")
    p95, bytes_, index = (limits.get(key) for key in ("query_p95_ms", "bytes_per_doc", "index_bytes"))
    bound = f", at most {number(upper)} at 95 %" if upper is not None else ""
    return [
        _quality(report, shown),
        _Card(
            _with(number(costs["query_p95_ms"]), "ms"),
            f"{latency(decision['evalsets'])}{_noisy(shown, 'query_p95_ms')}{bound}",
            _limit(p95, f"{p95 or 0:g} ms"),
        ),
        _Card(_with(whole(costs["bytes_per_doc"]), "B"), "per document", _limit(bytes_, f"{whole(bytes_)} B")),
        _Card(size(costs["index_bytes"]), "index", _limit(index, size(index))),
        _Card(number(shown["docs_per_s"]), *_rate(report, shown)),
        *_served(report, shown),
        _evidence(report),
    ]


def _noisy(shown: Entry, speed: str) -> str:
    return " (noisy)" if unsteady(shown, speed) else ""


def _limit(value: float | None, shown: str) -> str:
    return "no limit set" if value is None else f"limit {shown}"


def _with(text: str, unit: str) -> str:
    return text if text == "–" else f"{text} {unit}"


def _quality(report: Report, shown: Entry) -> _Card:
    """The main score beside the margin, which is the limit that quality has."""
    policy, name = report.decision["policy"], averaged(report.decision)
    lower, reference = shown.get("lower"), report.reference
    if reference is None or lower is None or shown["id"] == reference["id"]:
        role = "the best that meets every limit" if policy["reference"] in ("best", "any") else "the reference"
        return _Card(score(shown["score"]), name, role)
    than = "any that may be best" if policy["reference"] == "any" else "the reference"
    beside = f"at worst {-min(lower, 0):.3f} below {than}; margin {policy['margin']:g}"
    return _Card(score(shown["score"]), name, beside)


def _rate(report: Report, shown: Entry) -> tuple[str, str]:
    if shown["docs_per_s"] is None:
        return "documents per second", "not measured"
    size, used = shown["batch_size"], shown["batch_used"]
    batch = f", batch {size}" if size else ""
    if size and used and used < size:
        batch = f", batch {used} ({size} did not fit)"
    return f"documents per second{_noisy(shown, 'docs_per_s')}{batch}", _least(report, "docs_per_s")


def _served(report: Report, shown: Entry) -> list[_Card]:
    """The rate of queries under load, where one was measured; a rate of 0 is one, too."""
    rate = shown["costs"].get("serve_rate_per_s")
    if rate is None:
        return []
    mine = [r for r in report.rows if r["candidate_id"] == shown["id"] and r["serve_rate_per_s"] == rate]
    p99 = next((r["serve_p99_ms"] for r in mine if r["serve_p99_ms"] is not None), None)
    beside = "" if p99 is None else f", p99 {number(p99)} ms"
    return [_Card(number(rate), f"queries per second under load{beside}", _least(report, "serve_rate_per_s"))]


def _least(report: Report, key: str) -> str:
    value = report.decision["policy"]["limits"].get(key)
    return _limit(value, f"at least {value or 0:g}")


def _evidence(report: Report) -> _Card:
    decision, same = report.decision, report.decision["same_pick"]
    if not decision["pick"]:
        needed = decision["queries_needed"]
        beside = f"about {whole(needed)} needed" if needed else "number needed not known"
        beside = "a smoke test" if decision["status"] == "sub-sampled" else beside
        return _scored(decision, beside)
    share = next((s["share"] for s in same if s["id"] == decision["pick"]), None)
    rival = next((s for s in same if s["id"] != decision["pick"]), None)
    beside = f"next: {rival['label'] or 'no pick'}, {percent(rival['share'])}" if rival else "no other pick came up"
    return _Card(percent(share), f"of {item(decision['evalsets'])} resamples pick the same", beside)


def _scored(decision: Mapping[str, Any], beside: str) -> _Card:
    """How many items have a score; of several kinds, each is named."""
    sets = decision["evalsets"]
    total, noun = sum(about["scored_queries"] for about in sets.values()), item(sets)
    named = f" ({scored(sets)})" if noun == "item" else ""
    return _Card(whole(total), f"{plural(noun)} scored{named}", beside)


def _counted(report: Report) -> list[_Card]:
    funnel = report.decision["funnel"]
    return [
        _Card(whole(funnel["candidates"]), "candidates", "asked for"),
        _Card(whole(funnel["with_result"]), "finished on every eval set", "at least 1 needed"),
        _Card(whole(funnel["within_limits"]), "meet every limit", "at least 1 needed"),
        _scored(report.decision, "in all eval sets"),
    ]


def _nearest(report: Report, most: int) -> list[Entry]:
    """Those that fail the fewest limits first, then the best; without any result, those that failed."""

    def place(e: Entry) -> tuple[bool, int, float, str]:
        return (not e["breaches"], len(e["breaches"]), -(e["score"] or 0.0), e["label"])

    return sorted(report.entries, key=place)[:most]


def _scorings(report: Report, most: int) -> list[dict[str, Any]]:
    """Both scorings of all that may lie within the margin: unjudged counted as irrelevant, and unjudged left out."""
    about = report.decision["evalsets"]

    def mean(values: Mapping[str, float | None]) -> float | None:
        if not values or any(value is None for value in values.values()):
            return None
        total = float(sum(about[task]["share"] for task in values))
        return float(sum(about[task]["share"] * (value or 0.0) for task, value in values.items())) / total

    margin = report.decision["policy"]["margin"]
    compared = [e for e in report.entries if e["difference"] is not None]
    near: Sequence[Entry] = [e for e in compared if e["proven"] or e["interval"][1] > -margin]
    chosen = sorted(near, key=lambda e: (e["id"] != report.decision["pick"], -(e["score"] or 0)))[:most]
    return [
        {"label": e["label"], "pick": e["id"] == report.decision["pick"], "score": e["score"],
         "condensed": mean(e["condensed"]), "judged": mean(e["judged_at_10"])}
        for e in chosen
    ]  # fmt: skip
