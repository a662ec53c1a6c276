"""How far noise in the timings bears on a decision: caveats of what was disturbed, and of what goes by it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.doubts import Doubts
from harness.wording import counted, enumerated, latency, limit, number, percent, unsteady

Entry = Mapping[str, Any]
_TIMED = ("query_p95_ms", "docs_per_s")  # speeds whose repeats are kept
_SOURCES = {
    **{key: key for key in (*_TIMED, "serve_rate_per_s")},
    "cost_per_million_docs": "docs_per_s", "cost_per_million_queries": "query_p95_ms",
}  # fmt: skip


def by_speed(decision: Mapping[str, Any]) -> bool:
    """Whether a limit, or a cost by which the pick is cheaper than another that is proven close, comes from timings."""
    policy = decision["policy"]
    timed = {key for key, value in policy["limits"].items() if value is not None} | _decisive(decision)
    return any(_of(policy, key) for key in timed)


def _of(policy: Mapping[str, Any], key: str) -> str:
    """The speed that a limit or a cost comes from; empty where it comes from none."""
    free = key.startswith("cost_") and policy["prices"]["machine_per_hour"] is None
    return "" if free else _SOURCES.get(key, "")


def _decisive(decision: Mapping[str, Any]) -> set[str]:
    """Of each candidate that the pick had to be cheaper than: the first cost of the order in which they differ."""
    pick = next((c for c in decision["candidates"] if c["id"] == decision["pick"]), None)
    rivals = [c for c in decision["candidates"] if c["proven"] or c["id"] == decision["reference"]]
    found = (_first_unlike(pick, rival, decision["policy"]["order"]) for rival in rivals if pick)
    return {key for key in found if key}


def _first_unlike(one: Entry | None, other: Entry, order: Iterable[str]) -> str:
    return next((key for key in order if one and one["costs"].get(key) != other["costs"].get(key)), "")


def put_out(decision: Mapping[str, Any]) -> list[str]:
    """That a limit on speed put candidates out whose repeats of that speed lie far apart, where it did."""
    measured = [c for c in decision["candidates"] if c["scores"]]
    policy, told = decision["policy"], []
    for key in policy["limits"]:
        of = _of(policy, key)
        shares = [unsteady(c, of) for c in measured if _over(c, key)] if of in _TIMED else []
        if noisy := [share for share in shares if share]:
            apart = f"by timings whose repeats lie up to {percent(max(noisy))} apart"
            told.append(f"{limit(key)} puts out {len(noisy)} of {counted(len(measured), 'candidate')} {apart}")
    if not told:
        return []
    return [f"Noise may have put candidates out: the limit on {enumerated(told)}. Run again on a quiet machine."]


def _over(entry: Entry, key: str) -> bool:
    """Whether a known value misses the limit."""
    return any(text.startswith(f"{limit(key)} ") for text in entry["breaches"])


def noisy(decision: Mapping[str, Any], doubts: Doubts, decisive: bool) -> list[str]:
    """That the speeds shown of the pick, or those that a limit or the order goes by, come from unsteady timings."""
    causes = [*_repeats(decision, decisive), *_disturbed(doubts)]
    if doubts.load:
        at = f"at a load of {doubts.load[0]:.1f} on {counted(doubts.load[1], 'core')}"
        causes = [*causes[:-1], f"{causes[-1]}, {at}"] if causes else [f"the machine was busy, {at}"]
    if not causes:
        return []
    may = "What is reckoned from them may be far off"
    may += ", and a limit or the order goes by them" if decisive else ""
    return [f"Timings are noisy: {'; '.join(causes)}. {may}; close other programs and run again with timing=full."]


def _repeats(decision: Mapping[str, Any], decisive: bool) -> list[str]:
    """How far the repeats of what is shown lie apart, of all that was compared where speed decides, and of how many."""
    shown = decision["pick"] or decision["reference"]
    compared = [c for c in decision["candidates"] if c["difference"] is not None]
    looked = compared if decisive else [c for c in compared if c["id"] == shown]
    names = {"query_p95_ms": latency(decision["evalsets"]), "docs_per_s": "indexing"}
    told = []
    for speed, name in names.items():
        if widest := max((unsteady(c, speed) for c in looked), default=0.0):
            told.append(f"{percent(widest)} ({name}{_many(compared, speed)})")
    whose = "candidates" if decisive else "the pick" if decision["pick"] else "the reference"
    return [f"repeats of {whose} lie up to {enumerated(told)} apart"] if told else []


def _many(compared: Sequence[Entry], speed: str) -> str:
    """Of how many of those that meet the limits the repeats of a speed lie far apart, where it is more than one."""
    many = sum(bool(unsteady(c, speed)) for c in compared)
    return f"; over 20 % for {many} of the {len(compared)} that meet the limits" if many > 1 else ""


def _disturbed(doubts: Doubts) -> list[str]:
    """What the meters saw beside the timings."""
    found = [f"other programs used up to {percent(doubts.busy)} of the cores"] if doubts.busy else []
    if doubts.stolen:
        found.append(f"a hypervisor gave up to {percent(doubts.stolen)} of the cores' time to other machines")
    if doubts.clock:
        found.append(f"two clocks disagreed by up to {number(doubts.clock)} s")
    return found
