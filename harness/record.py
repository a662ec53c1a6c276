"""The decision record in Markdown, rendered from the decision alone: outcome first, in full sentences."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from harness.narrative import consequences
from harness.wording import (
    ABSENT,
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
    plural,
    score,
    scored,
    set_name,
    signed,
    size,
    whole,
)

Values = Mapping[str, Any]
_MONTHS = 6
_COMPARED = 12
_NUMBERS = ("vs reference", "at worst", "p95 (ms)", "B/doc")
_MARKUP = re.compile(r"([\\`*_<>\[\]|$#~&])")


def render_record(decision: Values, manifest: Values) -> str:
    """`decision.md`: MADR front matter and one heading after another; the same decision gives the same text."""
    day = date.fromisoformat(str(manifest["created"])[:10])
    dates = (f"date: {day}", "decision-makers: []", "supersedes:", f"review-by: {_later(day)}")
    front = "\n".join(("---", f"status: {decision['state']}", *dates, "---", ""))
    parts = [front, f"# Which embedding model for {_plain(decision['sweep'])}?\n"]
    for heading, write in _HEADINGS:
        parts.append(f"## {heading(decision)}\n\n{write(decision, manifest).strip()}\n")
    return "\n".join(parts)


def _later(day: date) -> date:
    month = day.month - 1 + _MONTHS
    year, month = day.year + month // 12, month % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def _plain(text: Any) -> str:
    """Text from outside on one line, with nothing that Markdown or HTML would act on."""
    return _MARKUP.sub(r"\\\1", " ".join(str(text).split()))


def _code(text: Any) -> str:
    return "    " + " ".join(str(text).split())


def _bullets(lines: Sequence[str], none: str) -> str:
    return "\n".join(f"* {line}" for line in lines) or none


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---:" if head in _NUMBERS else "---" for head in heads]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (heads, rule, *lines))


def _entry(decision: Values, key: str) -> Values | None:
    return next((c for c in decision["candidates"] if c["id"] == decision[key]), None)


def _decision(decision: Values, _: Values) -> str:
    pick, reference = _entry(decision, "pick"), _entry(decision, "reference")
    lines = [f"**{_plain(decision.get('sentence') or decision['status'])}**", ""]
    if pick is None:
        lines.append(f"Status: {decision['status']}. Nothing is recommended.")
        if reference is not None:
            lines.append(f"The best measured so far is {_plain(reference['label'])}: {_numbers(decision, reference)}")
        if decision["queries_needed"]:
            needed, items = whole(decision["queries_needed"]), plural(item(decision["evalsets"]))
            lines.append(f"About {needed} {items} would settle it; {whole(_scored(decision))} were scored.")
        return "\n".join(lines)
    lines.append(f"{_plain(pick['label'])}: {_numbers(decision, pick)}")
    if pick["stages"]:
        spent = "; ".join(f"{_plain(task)}: {_plain(text)}" for task, text in pick["stages"].items())
        lines.append(f"Where a query's time goes (median ms of each stage): {spent}.")
    share = next((s["share"] for s in decision["same_pick"] if s["id"] == pick["id"]), None)
    if share is not None:
        lines.append(
            f"In {percent(share)} of {item(decision['evalsets'])} resamples the whole procedure picks the same."
        )
    if decision["status"] != "decided":
        lines.append(f"Status: {decision['status']}; treat the pick as provisional.")
    elif _sampled(decision):
        lines.append("Decided on a smoke test, not an evaluation; treat the pick as provisional.")
    return "\n".join(lines)


def _numbers(decision: Values, entry: Values) -> str:
    costs, rate = entry["costs"], entry["docs_per_s"]
    p95 = costs["query_p95_ms"]
    parts = (
        f"{averaged(decision)} {score(entry['score'])}{_by_set(decision, entry)}",
        "latency not measured" if p95 is None else f"{latency(decision['evalsets'])} {number(p95)} ms",
        f"{whole(costs['bytes_per_doc'])} bytes per document",
        f"index {size(costs['index_bytes'])}",
        "indexing speed not measured" if rate is None else f"{number(rate)} documents per second",
    )
    return ", ".join(parts) + "."


def _by_set(decision: Values, entry: Values) -> str:
    """The score of each eval set beside its metric, where the metrics differ."""
    if decision["metric"] != "main_score":
        return ""
    about = decision["evalsets"]
    told = (f"{_plain(task)}: {metric(about[task]['main'])} {score(mean)}" for task, mean in entry["scores"].items())
    return f" ({'; '.join(told)})"


def _sampled(decision: Values) -> bool:
    return any(about["sample"] for about in decision["evalsets"].values())


def _scored(decision: Values) -> int:
    return sum(about["scored_queries"] for about in decision["evalsets"].values())


def _caveats(decision: Values, _: Values) -> str:
    found = [_plain(caveat) for caveat in decision.get("caveats", [])]
    return _bullets(found, "No caveat was found by the rules that look for them.")


def _context(decision: Values, manifest: Values) -> str:
    sets = [
        f"{_plain(set_name(name, about['sample']))}: {held(about)}, {_kind(about)}, weight {about['weight']:g}"
        f"{_share(decision, about)}"
        f"{', guarded' if about['guard'] else ''}, labels: {_plain(about['label_source'])}"
        for name, about in decision["evalsets"].items()
    ]
    m = manifest["machine"]
    place = f"{m['processor']}, {m['cores']} cores, {m['memory_gb']} GB, accelerator: {m['accelerator']}"
    found = decision["funnel"]["candidates"]
    were = f"{counted(found, 'candidate')} {'was' if found == 1 else 'were'}"
    asked = f"{were} asked for, on {counted(len(sets), 'eval set')}:"
    return f"{asked}\n\n{_bullets(sets, '* none')}\n\nThe machine: {_plain(place)}."


def _kind(about: Values) -> str:
    return category(about["type"]) + (f" by {metric(about['main'])}" if about["main"] else "")


def _share(decision: Values, about: Values) -> str:
    return f" ({percent(about['share'])} of the score)" if len(decision["evalsets"]) > 1 else ""


def _when_fixed(decision: Values) -> str:
    first = f"Policy {_plain(decision['policy']['name'])}. The sweep first ran on {decision['created'][:10]}"
    if not decision["policy_changed"]:
        return f"{first}, and the policy was fixed then."
    when = "for this record" if decision["policy_changed"] == "now" else f"on {decision['policy_changed']}"
    return f"{first}; **the policy was changed {when}, after results existed.**"


def _limits(decision: Values, _: Values) -> str:
    policy = decision["policy"]
    named = [_plain(limit(key, value)) for key, value in policy["limits"].items() if value is not None]
    best = "the best candidate that meets every limit"
    reference = best if policy["reference"] == "best" else _plain(policy["reference"])
    return (
        f"{_when_fixed(decision)}\n\n"
        f"{_bullets(named, '* No limit was set.')}\n\n"
        f"{_weighed(decision)}"
        f"A candidate counts as good enough when its {averaged(decision)} is shown to lie at most "
        f"{policy['margin']:g} below that of {reference}, at {percent(policy['confidence'])} confidence over all "
        f"comparisons at once. Of those, the cheapest by {', then '.join(limit(key) for key in policy['order'])} "
        "is picked. No limit was relaxed."
    )


def _weighed(decision: Values) -> str:
    """How the score is averaged, where categories have weights."""
    weights = decision["policy"]["category_weights"]
    named = [f"{category(kind)} {weight:g}" for kind, weight in weights.items()]
    return f"Categories weigh: {enumerated(named)}; inside each, its eval sets by their weights.\n\n" if named else ""


def _funnel(decision: Values, _: Values) -> str:
    f = decision["funnel"]
    end = "The cheapest of them is the pick." if decision["pick"] else "None was picked."
    return (
        f"{counted(f['variants'], 'configuration')} {'is' if f['variants'] == 1 else 'are'} "
        f"{counted(f['candidates'], 'candidate')}, batch size aside. {whole(f['with_result'])} finished on every eval "
        f"set, {whole(f['within_limits'])} {'meets' if f['within_limits'] == 1 else 'meet'} every limit, "
        f"{whole(f['proven'])} {'is' if f['proven'] == 1 else 'are'} shown to lie within the margin. {end}"
    )


def _compared(decision: Values, _: Values) -> str:
    named = (decision["pick"], decision["reference"])
    entries = [e for i, e in enumerate(decision["candidates"]) if i < _COMPARED or e["id"] in named]
    heads = ("Candidate", metric(decision["metric"]), "vs reference", "at worst", "p95 (ms)", "B/doc", "Why not")
    lines = [
        (
            ("▶ " if e["id"] == decision["pick"] else "") + _plain(e["label"]),
            score(e["score"]),
            signed(e["difference"]),
            signed(e.get("lower")),
            number(e["costs"]["query_p95_ms"]),
            whole(e["costs"]["bytes_per_doc"]),
            _plain(e["why_not"]) or ABSENT,
        )
        for e in entries
    ]
    left = len(decision["candidates"]) - len(entries)
    rest = (
        f"{counted(left, 'lower-scoring candidate')} {'is' if left == 1 else 'are'} in decision.json and on the page."
    )
    return _table(heads, lines) + (f"\n\n{rest}" if left else "")


def _change(decision: Values, _: Values) -> str:
    found = decision.get("changes", [])
    lines = [(_plain(c["if"]), _plain(c["then"]), "yes" if c["changes"] else "no") for c in found]
    return _table(("If", "then choose", "changes?"), lines) if lines else "Nothing was varied."


def _evidence(decision: Values, _: Values) -> str:
    shown = [e for e in decision["candidates"] if e["difference"] is not None and e["id"] != decision["reference"]]
    were = "was" if _scored(decision) == 1 else "were"
    text = f"{scored(decision['evalsets'])} {were} scored, the same for all candidates. "
    if shown:
        found = [e["detectable"] for e in shown]
        text += (
            f"Against the reference, differences from {min(found):.3f} (the most alike candidate) to {max(found):.3f} "
            "(the least alike) can be detected with 80 % power. "
        )
    judged = [v for e in decision["candidates"] for v in e["judged_at_10"].values() if v is not None]
    if judged:
        shares = " to ".join(dict.fromkeys((percent(min(judged)), percent(max(judged)))))
        text += f"Of the ten documents shown first, {shares} were judged."
    return text


def _not_measured(decision: Values, _: Values) -> str:
    return _bullets([_plain(line) for line in decision.get("not_measured", [])], "Nothing is listed.")


def _consequences(decision: Values, _: Values) -> str:
    found = consequences(decision)
    return _bullets(found, "") if decision["pick"] else found[0]


def _review(_: Values, manifest: Values) -> str:
    day = date.fromisoformat(str(manifest["created"])[:10])
    return (
        "Proposed. It counts once a named person enters themselves under decision-makers and sets the status to "
        f"accepted. Review by {_later(day)}, or earlier when the corpus, the queries or the candidates change. "
        "New data makes a new record that supersedes this one."
    )


def _reproduce(decision: Values, manifest: Values) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in sorted(manifest["machine"]["versions"].items()))
    sets = [f"{_plain(name)}: sha256 {about['sha256']}" for name, about in decision["evalsets"].items()]
    pick = f"\n\nPick: candidate {decision['pick']}." if decision["pick"] else ""
    command, python = _code(manifest["command"]), manifest["machine"]["python"]
    return f"The command was:\n\n{command}\n\n{_bullets(sets, '')}\n\nPython {python}, {_plain(versions)}.{pick}"


def _fixed(text: str) -> Callable[[Values], str]:
    return lambda _: text


_HEADINGS: tuple[tuple[Callable[[Values], str], Callable[[Values, Values], str]], ...] = (
    (_fixed("Decision"), _decision),
    (_fixed("Read before you sign"), _caveats),
    (_fixed("Context"), _context),
    (_fixed("Limits and margin"), _limits),
    (lambda d: f"How {d['funnel']['variants']} became {1 if d['pick'] else 0}", _funnel),
    (_fixed("Candidates compared"), _compared),
    (_fixed("What would change it"), _change),
    (_fixed("Evidence quality"), _evidence),
    (_fixed("Not measured"), _not_measured),
    (_fixed("Consequences"), _consequences),
    (_fixed("Confirmation and review-by date"), _review),
    (_fixed("Reproduce"), _reproduce),
)
