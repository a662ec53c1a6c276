"""The decision record in Markdown, rendered from the decision alone: outcome first, in full sentences."""

from __future__ import annotations

import shlex
from calendar import monthrange
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any

from harness import grounds
from harness.grounds import exactly, items, scored_items
from harness.markdown import bullets, code, plain, quoted, shortened
from harness.narrative import consequences
from harness.wording import (
    averaged,
    category,
    counted,
    enumerated,
    held,
    item,
    latency,
    limit,
    metric,
    number,
    percent,
    score,
    set_name,
    size,
    unsteady,
    whole,
)

Values = Mapping[str, Any]
_MONTHS = 6


def render_record(decision: Values, manifest: Values) -> str:
    """`decision.md`: MADR front matter and one heading after another; the same decision gives the same text.

    Names from outside stay text, and those too long to read are cut.
    """
    names = list(_names(decision, manifest))
    decision, manifest = shortened(decision, names), shortened(manifest, names)
    parts = [_front(decision, manifest), f"# Which embedding model for {plain(decision['sweep'])}?\n"]
    for heading, write in _HEADINGS:
        parts.append(f"## {heading(decision)}\n\n{write(decision, manifest).strip()}\n")
    return "\n".join(parts)


def _names(decision: Values, manifest: Values) -> Iterable[str]:
    """What somebody else named: sweep, eval sets, models, the policy."""
    yield from (str(decision["sweep"]), str(decision["policy"]["name"]), str(decision["policy"]["reference"]))
    yield from decision["evalsets"]
    yield from decision.get("decision_makers", ())
    yield from decision.get("replaces", {}).values()
    for entry in (*decision["candidates"], *manifest["variants"]):
        yield str(entry["model"])


def _front(decision: Values, manifest: Values) -> str:
    """MADR's front matter; `id` where `with_state` gave one."""
    day, own = _day(decision, manifest), decision.get("id")
    status = f"superseded by {decision['superseded_by']}" if decision.get("superseded_by") else decision["state"]
    supersedes = decision.get("supersedes")
    lines = [
        *([f"id: {quoted(own)}"] if own else []),
        f"status: {status}",
        f"date: {day}",
        f"decision-makers: [{', '.join(quoted(name) for name in decision.get('decision_makers', ()))}]",
        f"supersedes: {quoted(supersedes)}" if supersedes else "supersedes:",
        f"review-by: {_later(day)}",
    ]
    return "\n".join(("---", *lines, "---", ""))


def _day(decision: Values, manifest: Values) -> date:
    """The day of acceptance, or of the sweep's first run while nobody accepted."""
    return date.fromisoformat(decision.get("accepted") or str(manifest["created"])[:10])


def _later(day: date) -> date:
    month = day.month - 1 + _MONTHS
    year, month = day.year + month // 12, month % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def _entry(decision: Values, key: str) -> Values | None:
    return next((c for c in decision["candidates"] if c["id"] == decision[key]), None)


def _decision(decision: Values, _: Values) -> str:
    pick, reference = _entry(decision, "pick"), _entry(decision, "reference")
    lines = [f"**{plain(decision['sentence'])}**", ""]
    if pick is None:
        lines.append(f"Status: {decision['status']}. Nothing is recommended.")
        if reference is not None:
            lines.append(f"The best measured so far is {plain(reference['label'])}: {_numbers(decision, reference)}")
        if decision["queries_needed"]:
            needed, known = whole(decision["queries_needed"]), whole(scored_items(decision))
            lines.append(f"About {needed} {items(decision)} would settle it; {known} were scored.")
        return "\n".join(lines)
    lines.append(f"{plain(pick['label'])}: {_numbers(decision, pick)}")
    if pick["stages"]:
        spent = "; ".join(f"{plain(task)}: {plain(text)}" for task, text in pick["stages"].items())
        lines.append(f"Where a query's time goes (median ms of each stage): {spent}.")
    share = next((s["share"] for s in decision["same_pick"] if s["id"] == pick["id"]), None)
    if share is not None:
        lines.append(
            f"In {percent(share)} of {item(decision['evalsets'])} resamples the whole procedure picks the same."
        )
    if decision["status"] != "decided":
        lines.append(f"Status: {decision['status']}; treat the pick as provisional.")
    elif any(about["sample"] for about in decision["evalsets"].values()):
        lines.append("Decided on a smoke test, not an evaluation; treat the pick as provisional.")
    return "\n".join(lines)


def _numbers(decision: Values, entry: Values) -> str:
    costs, rate = entry["costs"], entry["docs_per_s"]
    p95 = costs["query_p95_ms"]
    noisy = {key: " (noisy)" if unsteady(entry, key) else "" for key in ("query_p95_ms", "docs_per_s")}
    time = f"{latency(decision['evalsets'])} {number(p95)} ms{noisy['query_p95_ms']}"
    parts = (
        f"{averaged(decision)} {score(entry['score'])}{_by_set(decision, entry)}",
        "latency not measured" if p95 is None else time,
        f"{whole(costs['bytes_per_doc'])} bytes per document",
        f"index {size(costs['index_bytes'])}",
        "indexing speed not measured" if rate is None else f"{number(rate)} documents per second{noisy['docs_per_s']}",
    )
    return ", ".join(parts) + "."


def _by_set(decision: Values, entry: Values) -> str:
    """The score of each eval set beside its metric, where the metrics differ."""
    if decision["metric"] != "main_score":
        return ""
    about = decision["evalsets"]
    told = (f"{plain(task)}: {metric(about[task]['main'])} {score(mean)}" for task, mean in entry["scores"].items())
    return f" ({'; '.join(told)})"


def _caveats(decision: Values, _: Values) -> str:
    found = [plain(caveat) for caveat in decision["caveats"]]
    return bullets(found, "No caveat was found by the rules that look for them.")


def _context(decision: Values, manifest: Values) -> str:
    sets = [_set(decision, name, about) for name, about in decision["evalsets"].items()]
    found = decision["funnel"]["candidates"]
    were = f"{counted(found, 'candidate')} {'was' if found == 1 else 'were'}"
    asked = f"{were} asked for, on {counted(len(sets), 'eval set')}:"
    return f"{asked}\n\n{bullets(sets, '* none')}\n\n{_machine(decision, manifest)}"


def _set(decision: Values, name: str, about: Values) -> str:
    kind = category(about["type"]) + (f" by {metric(about['main'])}" if about["main"] else "")
    weight = decision["policy"]["weights"].get(name, about["weight"])
    share = f" ({exactly(about['share'])} of the score)" if len(decision["evalsets"]) > 1 else ""
    guard = ", guarded" if about["guard"] else ""
    return (
        f"{plain(set_name(name, about['sample']))}: {held(about)}, {kind}, weight {weight:g}{share}{guard}, "
        f"labels: {plain(about['label_source'])}"
    )


def _machine(decision: Values, manifest: Values) -> str:
    if len(decision["machines"]) > 1:
        return f"Timings come from several machines:\n\n{bullets([plain(name) for name in decision['machines']])}"
    m = manifest["machine"]
    place = f"{m['processor']}, {m['cores']} cores, {m['memory_gb']} GB, accelerator: {m['accelerator']}"
    return f"The machine: {plain(place)}."


def _when_fixed(decision: Values) -> str:
    first = f"Policy {plain(decision['policy']['name'])}. The sweep first ran on {decision['created'][:10]}"
    if not decision["policy_changed"]:
        return f"{first}, and the policy was fixed then."
    when = "for this record" if decision["policy_changed"] == "now" else f"on {decision['policy_changed']}"
    return f"{first}; **the policy was changed {when}, after results existed.**"


def _limits(decision: Values, _: Values) -> str:
    policy = decision["policy"]
    named = [plain(limit(key, value)) for key, value in policy["limits"].items() if value is not None]
    best = "the best candidate that meets every limit"
    any_ = "whichever candidate that meets every limit is truly best"
    reference = {"best": best, "any": any_}.get(policy["reference"]) or plain(policy["reference"])
    return (
        f"{_when_fixed(decision)}\n\n"
        f"{bullets(named, '* No limit was set.')}\n\n"
        f"{_weighed(policy)}{_prices(policy['prices'])}"
        f"A candidate counts as good enough when its {averaged(decision)} is shown to lie at most "
        f"{policy['margin']:g} below that of {reference}, at {exactly(policy['confidence'])} confidence over all "
        f"comparisons at once. Of those, the cheapest by {', then '.join(limit(key) for key in policy['order'])} "
        "is picked. No limit was relaxed."
    )


def _weighed(policy: Values) -> str:
    """How the score is averaged, where categories have weights."""
    named = [f"{category(kind)} {weight:g}" for kind, weight in policy["category_weights"].items()]
    return f"Categories weigh: {enumerated(named)}; inside each, its eval sets by their weights.\n\n" if named else ""


def _prices(prices: Values) -> str:
    """The price table, where the policy has one."""
    hour, unit = prices["machine_per_hour"], plain(prices["currency"])
    told = [] if hour is None else [f"an hour of the machine {hour:g} {unit}"]
    told += [f"a million tokens of {plain(m)} {price:g} {unit}" for m, price in prices["per_million_tokens"].items()]
    return f"Prices: {enumerated(told)}.\n\n" if told else ""


def _not_measured(decision: Values, _: Values) -> str:
    return bullets([plain(line) for line in decision["not_measured"]], "Nothing is listed.")


def _consequences(decision: Values, _: Values) -> str:
    found = consequences(decision)
    return bullets([plain(line) for line in found]) if decision["pick"] else plain(found[0])


def _review(decision: Values, manifest: Values) -> str:
    later, makers = _later(_day(decision, manifest)), decision.get("decision_makers", ())
    before = _before(decision)
    if makers:
        by = enumerated([plain(name) for name in makers])
        text = f"Accepted by {by} on {decision['accepted']}."
        text += f" It replaces {before}." if before else ""
    elif decision["status"] != "decided":
        text = "Proposed. Nothing is decided, so there is nothing to accept."
    else:
        command = f"harness decide {plain(shlex.quote(decision['sweep']))} --accept --by NAME"
        text = f"Proposed. It counts once a named person accepts it ({command})."
        text += f" It would then replace {before}." if before else ""
    if decision.get("superseded_by"):
        text += f" **Superseded by {plain(decision['superseded_by'])}.**"
    return (
        f"{text} Review by {later}, or earlier when the corpus, the queries or the candidates change. "
        "New data or another policy makes a new record that supersedes this one."
    )


def _before(decision: Values) -> str:
    """The accepted decision that this one replaces, or would: what it picked, who accepted it, and its id."""
    own, old = plain(decision.get("supersedes") or ""), decision.get("replaces")
    return f"{plain(old['label'])}, accepted by {plain(old['by'])} on {old['date']}, record {own}" if old else own


def _reproduce(decision: Values, manifest: Values) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in sorted(manifest["machine"]["versions"].items()))
    sets = [f"{plain(name)}: sha256 {plain(about['sha256'])}" for name, about in decision["evalsets"].items()]
    pick = f"\n\nPick: candidate {plain(decision['pick'])}." if decision["pick"] else ""
    command, python = code(manifest["command"]), plain(manifest["machine"]["python"])
    return f"The command was:\n\n{command}\n\n{bullets(sets)}\n\nPython {python}, {plain(versions)}.{pick}"


def _fixed(text: str) -> Callable[[Values], str]:
    return lambda _: text


def _of_decision(write: Callable[[Values], str]) -> Callable[[Values, Values], str]:
    return lambda decision, _: write(decision)


_HEADINGS: tuple[tuple[Callable[[Values], str], Callable[[Values, Values], str]], ...] = (
    (_fixed("Decision"), _decision),
    (_fixed("Read before you sign"), _caveats),
    (_fixed("Context"), _context),
    (_fixed("Limits and margin"), _limits),
    (lambda d: f"How {d['funnel']['variants']} became {1 if d['pick'] else 0}", _of_decision(grounds.funnel)),
    (_fixed("Candidates compared"), _of_decision(grounds.compared)),
    (_fixed("What would change it"), _of_decision(grounds.change)),
    (_fixed("Evidence quality"), _of_decision(grounds.evidence)),
    (_fixed("Not measured"), _not_measured),
    (_fixed("Consequences"), _consequences),
    (_fixed("Confirmation and review-by date"), _review),
    (_fixed("Reproduce"), _reproduce),
)
