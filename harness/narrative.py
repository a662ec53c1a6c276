"""A decision in sentences: the outcome, the strongest caveats, what was not measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.wording import enumerated, item, limit, metric, number, plural, scored, searched, set_name, size, whole

Entry = Mapping[str, Any]


def sentence(decision: Mapping[str, Any]) -> str:
    """One or two sentences that say what to ship, how sure that is and why; or why nothing can be said."""
    margin, name = decision["policy"]["margin"], metric(decision["metric"])
    by_id = {c["id"]: c for c in decision["candidates"]}
    reference, pick = by_id.get(decision["reference"]), by_id.get(decision["pick"])
    if reference is None or decision["status"] == "sub-sampled":
        return _nothing(decision)
    if pick is None:
        soonest = _soonest(decision)
        return (
            f"Insufficient evidence: {reference['label']} scores best ({name} {reference['score']:.3f}), and of no "
            f"cheaper candidate is it shown, or ruled out, that it comes within {margin:g} of it. "
            + (
                f"{soonest['queries_to_settle']} {_items(decision)} or more would settle it for {soonest['label']}."
                if soonest
                else f"From so few {_items(decision)} it cannot be said how many it takes."
            )
        )
    if decision["status"] == "incomplete":
        return (
            f"Only provisional, {pick['label']}: {decision['funnel']['unfinished']} of "
            f"{decision['funnel']['candidates']} candidates have no result yet. Run the same command again to finish."
        )
    if decision["status"] == "labels favour one engine":
        return (
            f"Only provisional, {pick['label']}: the labels favour one engine. Of the documents that candidates in "
            "question show first, far fewer are judged for some than for others. Judge those, then decide again."
        )
    if pick is reference:
        return f"Use {pick['label']}: {_alone(decision, pick)}"
    cost, unit = limit(decision["policy"]["order"][0]), _unit(decision)
    return (
        f"Use {pick['label']}: the cheapest by {cost} of those proven within {margin:g}{unit} of "
        f"{reference['label']}; difference {pick['difference']:+.4f}, at worst {pick['lower']:+.4f} "
        f"({decision['policy']['confidence']:.0%}, all comparisons at once)."
    )


def _sampled(decision: Mapping[str, Any]) -> str:
    """The eval sets that are sub-sampled, with what was kept; empty where none is."""
    return ", ".join(set_name(name, e["sample"]) for name, e in decision["evalsets"].items() if e["sample"])


def _alone(decision: Mapping[str, Any], pick: Entry) -> str:
    """Why the reference itself is picked, and what stays open below it."""
    others = [c for c in decision["candidates"] if c["difference"] is not None and c["id"] != pick["id"]]
    if not others:
        return "it is the only candidate with a result that meets the limits; nothing was compared."
    margin = decision["policy"]["margin"]
    role = "it scores best" if decision["policy"]["reference"] == "best" else "it is the reference"
    guard = " and safe on every guarded set" if any(e["guard"] for e in decision["evalsets"].values()) else ""
    first = f"{role}, and nothing cheaper is proven within {margin:g}{_unit(decision)} of it{guard}."
    soonest = _soonest(decision)
    if soonest is None:
        return first
    needed = f"{soonest['queries_to_settle']} {_items(decision)} or more"
    return f"{first} {soonest['label']} stays open; {needed} would settle it."


def _unit(decision: Mapping[str, Any]) -> str:
    """The metric that a margin is in, none where the score is a mean of several."""
    return "" if decision["metric"] == "main_score" else f" {metric(decision['metric'])}"


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
            f"No decision is made: a run on {_sampled(decision)} is a smoke test, not an evaluation. Run again without "
            "limit_queries and limit_docs, or set policy.allow_sample=true to decide all the same."
        )
    funnel = decision["funnel"]
    if not funnel["with_result"]:
        return "Nothing can be decided: no candidate has a result on every eval set."
    against = {b for c in decision["candidates"] if c["scores"] for b in c["breaches"]}
    unknown = sorted({b.partition(":")[0] for b in against if ": not known" in b})
    most = f" Not known, so not met: {', '.join(unknown)}." if unknown else ""
    return f"Nothing meets the limits: none of {funnel['with_result']} candidates passes. No limit was relaxed.{most}"


def caveats(decision: Mapping[str, Any]) -> list[str]:
    """The one to three strongest reasons to hesitate, strongest first."""
    found = _smoke_test(decision) + _too_small(decision) + _mixed(decision)
    by_id = {c["id"]: c for c in decision["candidates"]}
    pick = by_id.get(decision["pick"])
    funnel = decision["funnel"]
    if funnel["unfinished"]:
        found.append(f"{funnel['unfinished']} of {funnel['candidates']} candidates have no result yet.")
    if decision["status"] == "labels favour one engine":
        found.append(
            "The labels favour one engine: judged@10 of the candidates in question differs by more than 0.10. "
            "The table compares their scores with those over judged documents only (condensed)."
        )
    if decision["reference_lost"]:
        found.append(
            f"The named reference {decision['reference_lost']} has no result or meets not every limit; "
            "candidates are compared with the best that passes instead."
        )
    if decision["policy_changed"]:
        when = "in this call" if decision["policy_changed"] == "now" else f"on {decision['policy_changed']}"
        found.append(
            f"The policy was changed {when}, after results existed: a rule chosen with scores in view proves less."
        )
    if funnel["failed"]:
        found.append(f"{funnel['failed']} of {funnel['candidates']} candidates failed and take no part.")
    if funnel["inapplicable"]:
        does, takes = ("does", "takes") if funnel["inapplicable"] == 1 else ("do", "take")
        found.append(
            f"{funnel['inapplicable']} of {funnel['candidates']} candidates {does} not apply to every category of the "
            f"sweep and {takes} no part."
        )
    if pick:
        found += _unsure(decision, pick)
    synthetic = [t for t, e in decision["evalsets"].items() if e["label_source"] in ("synthetic", "unknown")]
    if synthetic:
        sources = ", ".join(f"{t}: {decision['evalsets'][t]['label_source']}" for t in synthetic)
        found.append(
            f"Scores are no better than the labels ({sources}); judge a sample yourselves, and say in the manifest "
            "where the labels come from (label_source)."
        )
    return found[:3]


def _unsure(decision: Mapping[str, Any], pick: Entry) -> list[str]:
    """What speaks against the pick itself: other picks from other items, warnings, too little data."""
    found, margin, items = [], decision["policy"]["margin"], decision["evalsets"]
    if (share := next((s["share"] for s in decision["same_pick"] if s["id"] == pick["id"]), 0.0)) < 0.80:
        other = next((s for s in decision["same_pick"] if s["id"] != pick["id"]), None)
        runner = f"; {other['label']} in {other['share']:.0%}" if other else ""
        found.append(f"The same pick comes out in only {share:.0%} of {item(items)} resamples{runner}.")
    found += [f"{pick['label']}: {w}." for w in pick["warnings"]]
    detectable = max(c["detectable"] for c in decision["candidates"] if c["difference"] is not None)
    if detectable > 2 * margin:
        found.append(
            f"Few {plural(item(items))}: between unlike candidates this data shows only differences of "
            f"{detectable:.3f} or more; the margin is {margin:g}."
        )
    return found


def _smoke_test(decision: Mapping[str, Any]) -> list[str]:
    effect = "Fewer documents make search easier, so scores come out too high; fewer queries prove less."
    if not any(searched(about["type"]) for about in decision["evalsets"].values()):
        effect = "Fewer items prove less, and the score of some may lie far from that of all."
    samples = _sampled(decision)
    return [f"A smoke test, not an evaluation: {samples}. {effect}"] if samples else []


def _too_small(decision: Mapping[str, Any]) -> list[str]:
    """The eval sets that keep every interval from being given."""
    sets = {name: decision["evalsets"][name] for name in decision["too_small"]}
    if not sets or decision["reference"] is None:
        return []
    sizes = [f"{name} has {scored({name: about})}" for name, about in sets.items()]
    return [f"No interval can be given, so nothing is shown to be close: {enumerated(sizes)}; at least 30 are needed."]


def _mixed(decision: Mapping[str, Any]) -> list[str]:
    """That the score is a mean of unlike metrics, where it is."""
    sets: dict[str, list[str]] = {}
    for name, about in decision["evalsets"].items():
        if about["main"]:
            sets.setdefault(metric(about["main"]), []).append(name)
    if len(sets) < 2:
        return []
    named = [f"{name} ({', '.join(on) if len(on) < 4 else f'{len(on)} eval sets'})" for name, on in sets.items()]
    margin = f"the margin of {decision['policy']['margin']:g} is read in each metric's own units"
    return [f"The score is the weighted mean of {enumerated(named)}: {margin}."]


def not_measured(decision: Mapping[str, Any]) -> list[str]:
    """What a reader might take for granted and nobody measured."""
    ranked = [about["documents"] for about in decision["evalsets"].values() if searched(about["type"])]
    found = [
        "Peak memory (RSS, GPU) of each candidate.",
        f"Latency under concurrent load; {'queries' if ranked else 'texts'} were timed one after another.",
        "Search latency of a vector database: codes were decoded and searched exactly in memory."
        if ranked
        else "Any search: no eval set of this sweep ranks documents, so latencies are those of encoding alone.",
    ]
    if any(c["costs"]["query_p95_ms"] is None for c in decision["candidates"] if c["difference"] is not None):
        found.insert(0, "Query latency and throughput of some or all candidates (timing=none, or not yet run).")
    return found + ([f"Quality and speed on a corpus larger than {max(ranked):,} documents."] if ranked else [])


def consequences(decision: Mapping[str, Any]) -> list[str]:
    """What follows: of the pick the index and the time to embed anew, one line each; without one, a single line."""
    pick = next((c for c in decision["candidates"] if c["id"] == decision["pick"]), None)
    if decision["status"] == "sub-sampled":
        return ["What runs today stays. A run on the whole eval sets comes first."]
    if pick is None:
        kept = "What runs today stays."
        return [f"{kept} More {_items(decision)}, other limits or other candidates are needed before a change."]
    corpora = [about["documents"] for about in decision["evalsets"].values() if searched(about["type"])]
    stored, rate = pick["costs"]["bytes_per_doc"], pick["docs_per_s"]
    lines = [f"A million documents take {size(stored * 1e6)} of index." if stored else "The index size is not known."]
    if rate and corpora:
        corpus, million = _span(max(corpora) / rate), _span(1e6 / rate)
        lines.append(
            f"Re-embedding the {whole(max(corpora))} documents of the largest eval set takes about {corpus} on this "
            f"machine, a million such documents about {million}."
        )
    return [
        *lines,
        "Vectors of another model, dimension or pooling cannot be mixed with these: a change re-embeds all.",
    ]


def _span(seconds: float) -> str:
    for unit, length in (("days", 172800.0), ("hours", 7200.0), ("minutes", 120.0)):
        if seconds >= length:
            return f"{number(seconds / {'days': 86400, 'hours': 3600, 'minutes': 60}[unit])} {unit}"
    return f"{number(seconds)} seconds"
