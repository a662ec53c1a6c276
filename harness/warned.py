"""What speaks against a sweep's timings: a verdict on all of them, and each cause once with its worst case."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from harness.disturbance import WIDE, disturbed, spread
from harness.measurements import Measurement
from harness.meters import BUSY, STOLEN
from harness.wording import counted, enumerated, percent

_NUMBER = re.compile(r"\d[\d.,]*")
_SAID = re.compile(r"^(?:encode of one query|search of one query|indexing|start|serving): ")  # the kind says it
_MOST = 0.25  # of the measurements, from which on disturbed ones are no exception


class Cause(NamedTuple):
    """A warning but for its numbers: the text of the worst case and what that was taken on, measurements, all texts."""

    worst: str
    where: str
    size: int
    every: Sequence[str]


def kind_of(line: Measurement) -> str:
    """What was timed, in words."""
    named = {"encode": "encode one query", "search": "search one query", "start": "cold start", "serve": "under load"}
    return "encode one text" if line.text else named.get(line.kind, line.kind)


def causes(lines: Sequence[Measurement]) -> list[Cause]:
    """Those with most measurements first; the worst is the one with the largest first number."""
    groups: dict[str, dict[tuple[str, str], str]] = {}
    for line in lines:
        where = f"{line.label} ({kind_of(line)}, {line.task})"
        for warning in line.record.warnings:
            text = _SAID.sub("", warning)
            groups.setdefault(_NUMBER.sub("#", text), {})[where, text] = text
    found = [_cause(list(group)) for group in groups.values()]
    return sorted(found, key=lambda cause: (-cause.size, cause.worst))


def _cause(group: Sequence[tuple[str, str]]) -> Cause:
    ordered = sorted(group, key=lambda one: (-_first(one[1]), one))
    where, worst = ordered[0]
    return Cause(worst, where, len(group), [f"{place}: {text}" for place, text in ordered])


def _first(text: str) -> float:
    found = _NUMBER.search(text)
    return float(found[0].replace(",", "").rstrip(".")) if found else 0.0


def verdict(lines: Sequence[Measurement]) -> tuple[bool, str]:
    """Whether the timings are fit to decide by, and a sentence that says why not, or how far that is known."""
    bad = [line for line in lines if disturbed(line.record)]
    if not bad:
        known = all(line.record.values.get("busy_elsewhere") is not None for line in lines)
        return True, f"These timings are steady{'' if known else ', as far as was recorded'}."
    told = [text for text in (_used(bad, "busy_elsewhere"), _used(bad, "stolen"), _wide(bad)) if text]
    count = f"{len(bad)} of {counted(len(lines), 'measurement')} were disturbed"
    if len(bad) < _MOST * len(lines):
        return True, f"These timings are mostly steady; {count}: {enumerated(told)}."
    return False, f"These timings are not fit to decide by: {count}; {enumerated(told)}."


_WHO = {"busy_elsewhere": (BUSY, "other programs used"), "stolen": (STOLEN, "a hypervisor took")}


def _used(lines: Sequence[Measurement], key: str) -> str:
    least, who = _WHO[key]
    highest = max(float(line.record.values.get(key) or 0.0) for line in lines)
    return f"{who} up to {percent(highest)} of the cores' time" if highest > least else ""


def _wide(lines: Sequence[Measurement]) -> str:
    apart = [found for line in lines if (found := spread(line.record)) > WIDE]
    return f"repeats of {len(apart)} lie over {percent(WIDE)} apart, at most {percent(max(apart))}" if apart else ""
