"""The grounds of a decision in Markdown: how many became one, against whom, what would change it, how firm it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.markdown import bullets, plain, table
from harness.wording import (
    ABSENT,
    counted,
    enumerated,
    item,
    metric,
    number,
    percent,
    plural,
    score,
    scored,
    signed,
    whole,
)

Values = Mapping[str, Any]
_COMPARED, _PICKS = 12, 4
_NUMBERS = ("vs reference", "at worst", "p", "p95 (ms)", "B/doc")


def exactly(share: float) -> str:
    """A share that somebody chose, with all digits that mean something: `95 %`, `12.5 %`."""
    return f"{100 * share:.3g} %"


def items(decision: Values) -> str:
    """What was scored, as a plural: queries, pairs ..."""
    return plural(item(decision["evalsets"]))


def scored_items(decision: Values) -> int:
    """How many items were scored, over all eval sets."""
    return sum(about["scored_queries"] for about in decision["evalsets"].values())


def funnel(decision: Values) -> str:
    """From configurations to the pick, and who was borderline."""
    f = decision["funnel"]
    end = "The cheapest of them is the pick." if decision["pick"] else "None was picked."
    text = (
        f"{counted(f['variants'], 'configuration')} {'is' if f['variants'] == 1 else 'are'} "
        f"{counted(f['candidates'], 'candidate')}, batch size aside. {whole(f['with_result'])} finished on every eval "
        f"set, {whole(f['within_limits'])} {'meets' if f['within_limits'] == 1 else 'meet'} every limit, "
        f"{whole(f['proven'])} {'is' if f['proven'] == 1 else 'are'} shown to lie within the margin. {end}"
    )
    near = [f"{plain(one['label'])}: {plain(one['text'])}" for one in decision["borderline"]]
    told = "Borderline, that is measured within a limit and not shown to stay within it, and so left out:"
    return f"{text}\n\n{told}\n\n{bullets(near)}" if near else text


def compared(decision: Values) -> str:
    """A table of the best candidates, the pick and the reference always among them."""
    named = (decision["pick"], decision["reference"])
    entries = [e for i, e in enumerate(decision["candidates"]) if i < _COMPARED or e["id"] in named]
    heads = (
        "Candidate", metric(decision["metric"]), "vs reference", "at worst", "p", "verdict", "p95 (ms)", "B/doc",
        "Why not",
    )  # fmt: skip
    text = table(heads, [_line(e, decision) for e in entries], _NUMBERS)
    left = len(decision["candidates"]) - len(entries)
    if any(e["p_value"] is not None for e in entries):
        text += "\n\np: two-sided, paired randomisation test against the reference, adjusted for all candidates (Holm)."
    if left:
        text += f"\n\n{counted(left, 'lower-scoring candidate')} {'is' if left == 1 else 'are'} in decision.json"
        text += " and on the page."
    return text


def _line(entry: Values, decision: Values) -> tuple[str, ...]:
    reference = entry["id"] == decision["reference"]
    return (
        ("▶ " if entry["id"] == decision["pick"] else "") + plain(entry["label"]),
        score(entry["score"]),
        signed(entry["difference"]),
        signed(entry.get("lower")),
        _p(entry["p_value"]),
        "the reference" if reference else entry.get("verdict", ABSENT),
        number(entry["costs"]["query_p95_ms"]),
        whole(entry["costs"]["bytes_per_doc"]),
        plain(entry["why_not"]) or ABSENT,
    )


def _p(value: float | None) -> str:
    if value is None:
        return ABSENT
    return "under 0.001" if value < 0.001 else f"{value:.3f}"


def change(decision: Values) -> str:
    """If, then, changes; and what is picked where items, weights or eval sets are drawn anew."""
    lines = [(plain(c["if"]), _then(c), "yes" if c["changes"] else "no") for c in decision["changes"]]
    drawn = (
        (f"With {items(decision)} drawn anew", "same_pick"),
        ("With the weights of the eval sets drawn at random", "weights_drawn"),
        (f"With eval sets drawn anew, and then their {items(decision)}", "other_sets"),
    )
    told = [f"{words} the whole procedure picks {_picks(decision[key])}." for words, key in drawn if decision[key]]
    if not lines and not told:
        return "Nothing was varied."
    parts = [table(("If", "then choose", "changes?"), lines)] if lines else []
    return "\n\n".join([*parts, *([bullets(told)] if told else [])])


def _then(change: Values) -> str:
    gap = change["difference"]
    return plain(change["then"]) + ("" if gap is None else f" ({signed(gap)})")


def _picks(found: Sequence[Values]) -> str:
    named = [f"{plain(one['label'] or 'no candidate')} in {percent(one['share'])}" for one in found[:_PICKS]]
    rest = 1 - sum(one["share"] for one in found[:_PICKS])
    return enumerated([*named, *([f"others in {percent(rest)}"] if len(found) > _PICKS else [])])


def evidence(decision: Values) -> str:
    """What the data can show: items, detectable differences, judged documents, holes, the held-out difference."""
    were = "was" if scored_items(decision) == 1 else "were"
    parts = [f"{scored(decision['evalsets'])} {were} scored, the same for all candidates.", _power(decision)]
    parts += [_judged(decision), _holes(decision["holes"]), _held_out(decision)]
    return " ".join(part for part in parts if part)


def _power(decision: Values) -> str:
    rivals = [e for e in decision["candidates"] if e["difference"] is not None and e["id"] != decision["reference"]]
    found = [e["detectable"] for e in rivals]
    if not found:
        return ""
    return (
        f"Against the reference, differences from {min(found):.3f} (the most alike candidate) to {max(found):.3f} "
        "(the least alike) can be detected with 80 % power."
    )


def _judged(decision: Values) -> str:
    judged = [v for e in decision["candidates"] for v in e["judged_at_10"].values() if v is not None]
    if not judged:
        return ""
    shares = " to ".join(dict.fromkeys((percent(min(judged)), percent(max(judged)))))
    return f"Of the ten documents shown first, {shares} were judged."


def _holes(holes: Values) -> str:
    if not holes:
        return ""
    other = f"{plain(holes['condensed'])} would be" if holes["condensed"] else "nothing could be said"
    return (
        f"The labels decide: as they stand {plain(holes['as_scored'])} would be picked; with documents that nobody "
        f"judged left out, {other}. Of the first ten documents, {percent(holes['high'])} are judged for "
        f"{plain(holes['high_label'])} and {percent(holes['low'])} for {plain(holes['low_label'])}."
    )


def _held_out(decision: Values) -> str:
    held = decision["held_out"]
    if not held:
        return ""
    low, high = held["interval"]
    picked = "the same" if held["same"] else plain(held["label"])
    against = f" from {plain(held['against'])}" if held["against"] else ""
    return (
        f"On {exactly(1 - held['share'])} of the {items(decision)} the rule picks {picked}; on the "
        f"{whole(held['items'])} that it did not see, that pick differs{against} by {signed(held['difference'], 4)} "
        f"({signed(low, 4)} to {signed(high, 4)}). The decision itself uses all {items(decision)}."
    )
