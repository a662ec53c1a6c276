"""The strongest reasons to hesitate before a decision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.doubts import Doubts
from harness.narrative import of_all, sampled, unfinished
from harness.noise import by_speed, noisy, put_out
from harness.precision import LEAST_COSINE
from harness.wording import (
    counted,
    enumerated,
    item,
    metric,
    percent,
    plural,
    scored,
    searched,
    signed,
)

Entry = Mapping[str, Any]


def caveats(decision: Mapping[str, Any], doubts: Doubts) -> list[str]:
    """The one to three strongest reasons to hesitate, strongest first."""
    found = _smoke_test(decision) + _too_small(decision) + _mixed(decision) + _machines(decision)
    decisive = by_speed(decision)
    noise = noisy(decision, doubts, decisive)
    found += (noise if decisive else []) + _one_sided(decision, doubts) + _same(decision, doubts)
    by_id = {c["id"]: c for c in decision["candidates"]}
    pick = by_id.get(decision["pick"])
    funnel = decision["funnel"]
    if funnel["unfinished"]:
        found.append(f"{unfinished(funnel)}.")
    if decision["holes"]:
        low, high = (f"{decision['holes'][end]:.2f}" for end in ("low", "high"))
        found.insert(
            0,
            f"The labels favour one engine: judged@10 of the candidates in question goes from {low} to {high}. "
            "With holes a score is a lower bound; beside it stands the one over judged documents alone (condensed)"
            f"{', and both pick the same' if decision['holes']['same'] else ''}.",
        )
    if decision["reference_lost"]:
        found.append(
            f"The named reference {decision['reference_lost']} has no result or does not meet every limit; "
            "candidates are compared with the best that passes instead."
        )
    if decision["policy_changed"]:
        when = "in this call" if decision["policy_changed"] == "now" else f"on {decision['policy_changed']}"
        found.append(
            f"The policy was changed {when}, after results existed: a rule chosen with scores in view proves less."
        )
    if funnel["failed"]:
        take = "takes" if funnel["failed"] == 1 else "take"
        found.append(f"{of_all(funnel, 'failed')} failed and {take} no part.")
    if funnel["inapplicable"]:
        does, takes = ("does", "takes") if funnel["inapplicable"] == 1 else ("do", "take")
        found.append(
            f"{of_all(funnel, 'inapplicable')} {does} not apply to every category of the sweep and {takes} no part."
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
    found += [f"{pick['label']}: {w}." for w in pick["warnings"]] if pick else []
    found = put_out(decision) + found
    return found[:3] if decisive or not noise else [*found[:2], *noise]


def _unsure(decision: Mapping[str, Any], pick: Entry) -> list[str]:
    """What speaks against the pick itself: other picks from other items, too little data."""
    found, margin, items = [], decision["policy"]["margin"], decision["evalsets"]
    if (share := next((s["share"] for s in decision["same_pick"] if s["id"] == pick["id"]), 0.0)) < 0.80:
        other = next((s for s in decision["same_pick"] if s["id"] != pick["id"]), None)
        runner = f"; {other['label'] or 'no pick'} in {percent(other['share'])}" if other else ""
        found.append(f"The same pick comes out in only {percent(share)} of {item(items)} resamples{runner}.")
    found += _shortfall(decision)
    found += _held_out(decision)
    found += _unlike_float32(decision, pick)
    detectable = max(c["detectable"] for c in decision["candidates"] if c["difference"] is not None)
    if detectable > 2 * margin:
        found.append(
            f"Few {plural(item(items))}: a difference under {detectable:.3f} between unlike candidates may go unseen "
            f"(80 % power); the margin is {margin:g}."
        )
    return found


def _shortfall(decision: Mapping[str, Any]) -> list[str]:
    """That another candidate may be better by more than twice the margin, where it may."""
    short, margin = decision["shortfall"], decision["policy"]["margin"]
    if not short or short["value"] <= 2 * margin:
        return []
    return [
        f"{short['label']} may be better than the pick by up to {short['value']:.3f}, more than twice the margin of "
        f"{margin:g}; policy.reference=any picks nothing until that is ruled out."
    ]


def _held_out(decision: Mapping[str, Any]) -> list[str]:
    """That the items which took no part in a second choice do not bear the pick out, where they do not."""
    held = decision["held_out"]
    if not held:
        return []
    low, high = held["interval"]
    ends = f"{signed(held['difference'])} [{signed(low)}, {signed(high)}]"
    behind = high < 0 if held["pick"] == decision["reference"] else low < -decision["policy"]["margin"]
    if held["same"] and not behind:
        return []
    on = f"the {counted(held['items'], item(decision['evalsets']))} held back"
    what = "the same" if held["same"] else held["label"]
    first = f"The rule on {percent(1 - held['share'])} of the items picks {what}"
    return [f"{first}; on {on} its difference from {held['against']} is {ends}."]


def _unlike_float32(decision: Mapping[str, Any], pick: Entry) -> list[str]:
    """That the pick's speed is that of a faster path which does not give the model's own vectors or score."""
    cosine, difference = pick["parity_cosine"], pick["parity_difference"]
    told = []
    if cosine is not None and cosine < LEAST_COSINE:
        told.append(f"its vectors' lowest cosine to float32 is {cosine:.4f}")
    if difference is not None and difference < -decision["policy"]["margin"]:
        told.append(f"it scores {-difference:.3f} lower than in float32")
    way = "The speed of the pick is that of a faster path without parity"
    return [f"{way}: {enumerated(told)}. What others report of this model does not hold for it."] if told else []


def _machines(decision: Mapping[str, Any]) -> list[str]:
    """That speeds of unlike machines take no part, where there are several."""
    if len(decision["machines"]) < 2:
        return []
    named = "; ".join(decision["machines"])
    return [
        f"Timings come from {len(decision['machines'])} unlike machines ({named}) and are not compared: "
        "latency takes no part in the order, and a limit on it counts as not met. Time all on one machine."
    ]


def _one_sided(decision: Mapping[str, Any], doubts: Doubts) -> list[str]:
    """That most of what is shown is unjudged, or was judged because one engine found it; said once, with the status."""
    if decision["holes"]:
        return []
    sources = {t: e["label_source"] for t, e in decision["evalsets"].items() if e["label_source"] in _ONE_ENGINE}
    few = [f"only {percent(share)} ({task})" for task, share in doubts.judged.items()]
    told = []
    if few:
        told.append(f"Of the ten documents shown first {enumerated(few)} were judged: scores are lower bounds.")
    if sources:
        named = enumerated([f"{task}: {source}" for task, source in sources.items()])
        told.append(f"Labels come from what one engine showed ({named}): what others find counts as wrong.")
    return [f"{' '.join(told)} Judge what the finalists find (harness pool)."] if told else []


_ONE_ENGINE = ("bm25-top10", "clicks")


def _same(decision: Mapping[str, Any], doubts: Doubts) -> list[str]:
    """That eval sets which count as independent ask the same."""
    nouns = [plural(item({task: decision["evalsets"][task] for task in tasks})) for tasks in doubts.same]
    return [
        f"{enumerated(tasks)} hold the same {noun} and count as independent: intervals look narrower than they are. "
        "Decide on one of them."
        for tasks, noun in zip(doubts.same, nouns, strict=True)
    ]


def _smoke_test(decision: Mapping[str, Any]) -> list[str]:
    effect = "Fewer queries prove less, and the score of some may lie far from that of all."
    if not any(searched(about["type"]) for about in decision["evalsets"].values()):
        effect = "Fewer items prove less, and the score of some may lie far from that of all."
    elif any("documents" in about["sample"] for about in decision["evalsets"].values()):
        effect = "Fewer documents make search easier, so scores come out too high; fewer queries prove less."
    samples = sampled(decision)
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
