"""A decision in sentences: the outcome, what was not measured, what follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.wording import (
    counted,
    enumerated,
    item,
    limit,
    metric,
    number,
    percent,
    plural,
    searched,
    set_name,
    signed,
    size,
    unsteady,
)

Entry = Mapping[str, Any]


def sentence(decision: Mapping[str, Any]) -> str:
    """What to ship, how sure that is and why, and what the truly best may have over it; or why nothing can be said."""
    margin, name = decision["policy"]["margin"], metric(decision["metric"])
    by_id = {c["id"]: c for c in decision["candidates"]}
    reference, pick = by_id.get(decision["reference"]), by_id.get(decision["pick"])
    if reference is None or decision["status"] == "sub-sampled":
        return _nothing(decision)
    if decision["holes"]:
        return _uneven(decision)
    if pick is None:
        what = f"no cheaper candidate is proven within {margin:g} of it, though not all are ruled out"
        if not decision["funnel"]["proven"]:
            what = f"no candidate is proven within {margin:g} of each that may be the best"
        if decision["too_small"]:
            what = f"fewer than 30 {_items(decision)} show nothing ({enumerated(decision['too_small'])})"
        return (
            f"Insufficient evidence: {reference['label']} {_role(decision)} ({name} {reference['score']:.3f}), and "
            f"{what}. {_settled(decision)}"
        )
    if decision["status"] == "incomplete":
        left = unfinished(decision["funnel"])
        return f"Only provisional, {pick['label']}: {left}. Run the same command again to finish."
    if pick is reference:
        return f"Use {pick['label']}: {_alone(decision, pick)}{_beside_best(decision)}{_served(pick)}"
    cost, unit = limit(decision["policy"]["order"][0]), _unit(decision)
    strict = decision["policy"]["reference"] == "any"
    close_to = "each that may be the best" if strict else reference["label"]
    against = f"from {reference['label']} " if strict else ""
    beside = "" if strict else _beside_best(decision)  # which the bound against any says already
    return (
        f"Use {pick['label']}: the cheapest by {cost} of those proven within {margin:g}{unit} of {close_to}; "
        f"difference {against}{signed(pick['difference'], 4)}, at worst {signed(pick['lower'], 4)} "
        f"({100 * decision['policy']['confidence']:g} %, all comparisons at once).{beside}{_served(pick)}"
    )


def _served(pick: Entry) -> str:
    """The rate of queries that it sustains under load, a sentence to follow others; empty where none was measured."""
    rate = pick["costs"].get("serve_rate_per_s")
    if rate is None:
        return ""
    if not rate:
        return " Under load it serves no rate that was tried within the limit of that timing."
    return f" Under load it serves {number(rate)} queries a second, 99 of 100 within the limit of that timing."


def _settled(decision: Mapping[str, Any]) -> str:
    """How many items would settle what is open."""
    soonest = _soonest(decision)
    if soonest is None:
        return f"From so few {_items(decision)} it cannot be said how many it takes."
    return f"{_needed(decision, soonest)} would settle it for {soonest['label']}{_saving(decision, soonest)}."


def _beside_best(decision: Mapping[str, Any]) -> str:
    """What the pick may lose against the truly best, a sentence to follow others; empty where that is not known."""
    short, sure = decision["shortfall"], f"{100 * decision['policy']['confidence']:g} %"
    if not short:
        return ""
    if not short["value"]:
        return f" No other candidate within the limits is better ({sure})."
    reference = next(c for c in decision["candidates"] if c["id"] == decision["reference"])
    unnamed = "" if short["label"] == reference["label"] else ", which the data do not name for certain,"
    return f" Against the truly best of these{unnamed} it loses at most {max(short['value'], 0.001):.3f} ({sure})."


def _uneven(decision: Mapping[str, Any]) -> str:
    """Why labels that favour one engine are no ground for a pick, with both scorings."""
    holes = decision["holes"]
    picked, then = holes["as_scored"], holes["condensed"]
    other = f"; over judged documents alone, {'it too' if then == picked else then}" if then else ""
    other += ", so the pick does not depend on what is missing" if holes["same"] else ""
    return (
        "No decision is made: the labels favour one engine. Of the ten documents shown first, "
        f"{percent(holes['high'])} are judged for {holes['high_label']}, {percent(holes['low'])} for "
        f"{holes['low_label']}. With the rest counted as misses, {picked} would be picked{other}. "
        "Judge what is missing (harness pool), then decide again."
    )


def unfinished(funnel: Mapping[str, int]) -> str:
    """How many candidates have no result yet."""
    return f"{of_all(funnel, 'unfinished')} {'has' if funnel['unfinished'] == 1 else 'have'} no result yet"


def of_all(funnel: Mapping[str, int], key: str) -> str:
    """`2 of 5 candidates`, of those that the funnel counts under a key."""
    return f"{funnel[key]} of {counted(funnel['candidates'], 'candidate')}"


def _role(decision: Mapping[str, Any]) -> str:
    return "scores best" if decision["policy"]["reference"] in ("best", "any") else "is the reference"


def sampled(decision: Mapping[str, Any]) -> str:
    """The eval sets that are sub-sampled, with what was kept; empty where none is."""
    return ", ".join(set_name(name, e["sample"]) for name, e in decision["evalsets"].items() if e["sample"])


def _alone(decision: Mapping[str, Any], pick: Entry) -> str:
    """Why the reference itself is picked, and what stays open below it."""
    others = [c for c in decision["candidates"] if c["difference"] is not None and c["id"] != pick["id"]]
    if not others:
        return "it is the only candidate with a result that meets the limits; nothing was compared."
    margin = decision["policy"]["margin"]
    guard = " and safe on every guarded set" if any(e["guard"] for e in decision["evalsets"].values()) else ""
    first = f"it {_role(decision)}, and nothing cheaper is proven within {margin:g}{_unit(decision)} of it{guard}."
    soonest = _soonest(decision)
    if soonest is None:
        return first
    settled = f"{_needed(decision, soonest)} would settle it{_saving(decision, soonest)}"
    return f"{first} {soonest['label']} stays open; {settled}."


def _unit(decision: Mapping[str, Any]) -> str:
    """The metric that a margin is in, none where the score is a mean of several."""
    return "" if decision["metric"] == "main_score" else f" {metric(decision['metric'])}"


def _needed(decision: Mapping[str, Any], entry: Entry) -> str:
    return f"{counted(entry['queries_to_settle'], item(decision['evalsets']))} or more"


def _saving(decision: Mapping[str, Any], entry: Entry) -> str:
    """What an open candidate would save against the reference, by the first cost of the order that differs."""
    reference = next(c for c in decision["candidates"] if c["id"] == decision["reference"])
    for key in decision["policy"]["order"]:
        own, other = entry["costs"][key], reference["costs"][key]
        if own != other:
            saves = own is not None and other is not None and own < other
            return f", which may save {percent(1 - own / other)} of the {limit(key)}" if saves else ""
    return ""


def _items(decision: Mapping[str, Any]) -> str:
    """What was scored: queries, pairs ..."""
    return plural(item(decision["evalsets"]))


def _soonest(decision: Mapping[str, Any]) -> Entry | None:
    """The open candidate that the fewest queries would settle: the one `queries_needed` speaks of."""
    opened = [c for c in decision["candidates"] if c["queries_to_settle"]]
    return min(opened, key=lambda c: c["queries_to_settle"], default=None)


def _nothing(decision: Mapping[str, Any]) -> str:
    if decision["status"] == "sub-sampled":
        return (
            f"No decision is made: a run on {sampled(decision)} is a smoke test, not an evaluation. Run again without "
            "limit_queries and limit_docs, or set policy.allow_sample=true to decide all the same."
        )
    funnel = decision["funnel"]
    if not funnel["with_result"]:
        return "Nothing can be decided: no candidate has a result on every eval set."
    against = {b for c in decision["candidates"] if c["scores"] for b in c["breaches"]}
    unknown = sorted({b.partition(":")[0] for b in against if ": not known" in b})
    most = f" Not known, so not met: {', '.join(unknown)}." if unknown else ""
    one = "the only candidate with a result does not pass"
    none = one if funnel["with_result"] == 1 else f"none of {counted(funnel['with_result'], 'candidate')} passes"
    return f"Nothing meets the limits: {none}. No limit was relaxed.{most}"


def not_measured(decision: Mapping[str, Any]) -> list[str]:
    """What a reader might take for granted and nobody measured."""
    ranked = [about["documents"] for about in decision["evalsets"].values() if searched(about["type"])]
    measured = [c["costs"] for c in decision["candidates"] if c["difference"] is not None]
    found = [
        *(["Peak memory of some or all candidates."] if _unknown(measured, "memory_mb") else []),
        *([_ONE_BY_ONE.format("queries" if ranked else "texts")] if _unknown(measured, "serve_rate_per_s") else []),
        "Search latency of a vector database: searches were timed in this process and in memory, those of codes in "
        "the index that faiss has for them."
        if ranked
        else "Any search: no eval set of this sweep ranks documents, so latencies are those of encoding alone.",
    ]
    if any(c["costs"]["query_p95_ms"] is None for c in decision["candidates"] if c["difference"] is not None):
        why = "timed on unlike machines" if len(decision["machines"]) > 1 else "timing=none, or not yet run"
        found.insert(0, f"Query latency and throughput of some or all candidates ({why}).")
    found += [f"Quality and speed on a corpus larger than {max(ranked):,} documents."] if ranked else []
    return found + _rare(decision)


_ONE_BY_ONE = "Latency under concurrent load; {} were timed one after another."


def _unknown(measured: Sequence[Mapping[str, Any]], key: str) -> bool:
    """Whether a cost of any of these is not known; of none of them, too."""
    return not measured or any(costs.get(key) is None for costs in measured)


def _rare(decision: Mapping[str, Any]) -> list[str]:
    """What so few items cannot show at all: of n without a loss, 3 / n is the upper 95 % bound of their share."""
    total = sum(about["scored_queries"] for about in decision["evalsets"].values())
    if not 3 < total < 300:
        return []
    return [
        f"Losses so rare that none is among the {counted(total, item(decision['evalsets']))}: up to about "
        f"{percent(3 / total)} of all may lose everything unseen."
    ]


def consequences(decision: Mapping[str, Any]) -> list[str]:
    """What follows: of the pick the index and the time to embed anew, one line each; without one, a single line."""
    pick = next((c for c in decision["candidates"] if c["id"] == decision["pick"]), None)
    if decision["status"] == "sub-sampled":
        return ["What runs today stays. A run on the whole eval sets comes first."]
    kept = "What runs today stays."
    if decision["holes"]:
        return [f"{kept} The judgements that are missing come first (harness pool)."]
    if pick is None:
        return [f"{kept} More {_items(decision)}, other limits or other candidates are needed before a change."]
    corpora = [about["documents"] for about in decision["evalsets"].values() if searched(about["type"])]
    stored, rate = pick["costs"]["bytes_per_doc"], pick["docs_per_s"]
    things, where = ("documents", "of index") if corpora else ("texts", "as vectors")
    lines = [f"A million {things} take {size(stored * 1e6)} {where}." if stored else f"{_UNKNOWN[bool(corpora)]}."]
    vectors = pick["quantization"] != "-"
    if rate:
        doing, million = "Re-embedding" if vectors else "Indexing", _span(1e6 / rate)
        largest = max(corpora, default=0)
        what = f"the {counted(largest, 'document')} of the largest eval set" if corpora else "a million texts"
        beside = f", a million such documents about {million}" if corpora else ""
        taken = _span(largest / rate) if corpora else million
        apart = unsteady(pick, "docs_per_s")
        noisy = f", by a noisy timing (repeats {percent(apart)} apart)" if apart else ""
        lines.append(f"{doing} {what} takes about {taken} on this machine{beside}{noisy}.")
    lines += _money(decision, pick, things)
    if vectors:
        lines.append(
            "Vectors of another model, dimension or pooling cannot be mixed with these: a change re-embeds all."
        )
    return lines


_UNKNOWN = {True: "The index size is not known", False: "The size of the vectors is not known"}


def _money(decision: Mapping[str, Any], pick: Entry, things: str) -> list[str]:
    """What the price table says of the pick."""
    currency, costs = decision["policy"]["prices"]["currency"], pick["costs"]
    named = (("cost_per_million_docs", things), ("cost_per_million_queries", "queries, one after another,"))
    told = [f"a million {what} cost {number(costs[key])} {currency}" for key, what in named if costs[key] is not None]
    return [f"By the policy's prices {', '.join(told)}."] if told else []


def _span(seconds: float) -> str:
    for unit, length in (("days", 172800.0), ("hours", 7200.0), ("minutes", 120.0)):
        if seconds >= length:
            return f"{number(seconds / {'days': 86400, 'hours': 3600, 'minutes': 60}[unit])} {unit}"
    return f"{number(seconds)} seconds"
