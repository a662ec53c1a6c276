"""Golden files: scores that are known from elsewhere, the commands that should give them, and whether they do."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from harness.launch import compose
from harness.reading import Row, open_table
from harness.runner import Outcome, run_sweep
from harness.table import Sweep, read_sweep
from harness.types import HarnessError

COLUMNS = ("model", "task", "split", "metric", "value", "tolerance", "command")
_CLOSE = 3  # times the tolerance
Verdict = Literal["OK", "close", "FAIL", "missing"]


class Golden(NamedTuple):
    """One line: a score within `tolerance` of `value` is right; `source` says where the value is from."""

    model: str
    task: str
    split: str
    metric: str
    value: float
    tolerance: float
    command: str
    source: str
    place: str


class Checked(NamedTuple):
    """What a golden line's command gave: OK within the tolerance, close within three times it, else FAIL; `missing`
    with a reason where there is no score.
    """

    golden: Golden
    found: float | None
    verdict: Verdict
    reason: str = ""

    @property
    def difference(self) -> float | None:
        """Score minus the value expected."""
        return None if self.found is None else self.found - self.golden.value


def read_golden(path: Path) -> list[Golden]:
    """The lines of a CSV, JSONL or Parquet file with the columns above and perhaps `source`."""
    table = open_table(path)
    if absent := [name for name in COLUMNS if name not in table.fields]:
        raise HarnessError(f"{table.where} has no column {absent[0]}; a golden file has {', '.join(COLUMNS)}")
    lines = [_golden(row) for row in table.rows]
    if not lines:
        raise HarnessError(f"{table.where} is empty: expected at least one score to check")
    return lines


def _golden(row: Row) -> Golden:
    texts = {name: _text(row, name) for name in COLUMNS if name not in ("value", "tolerance")}
    if empty := [name for name, text in texts.items() if not text and name != "split"]:
        raise HarnessError(f"{row.place} has no {empty[0]}")
    if _words(texts["command"], row.place)[:2] != ["harness", "run"]:
        raise HarnessError(f"{row.place}: command: {texts['command']!r:.60}: expected one that starts with harness run")
    value, tolerance = (_number(row, name) for name in ("value", "tolerance"))
    if tolerance <= 0:
        raise HarnessError(f"{row.place} has the tolerance {tolerance:g}; expected a number above 0")
    return Golden(value=value, tolerance=tolerance, source=_text(row, "source"), place=row.place, **texts)


def _text(row: Row, name: str) -> str:
    value = row.values.get(name)
    if value is not None and not isinstance(value, str):
        raise HarnessError(f"{row.place} has the {name} {value!r:.60}; expected a text")
    return (value or "").strip()


def _words(command: str, place: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError as error:
        raise HarnessError(f"{place}: command: {command!r:.60} cannot be read: {error}") from error


def _number(row: Row, name: str) -> float:
    value = row.values.get(name)
    try:
        number = math.nan if isinstance(value, bool) or value is None else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise HarnessError(f"{row.place} has the {name} {value!r:.60}; expected a number")
    return number


def verified(lines: Sequence[Golden], watch: Any, run: Callable[..., Outcome] = run_sweep) -> list[Checked]:
    """Run each distinct command once, and compare; scores that are remembered are not computed again."""
    sweeps: dict[str, Sweep | str] = {}
    for command in dict.fromkeys(line.command for line in lines):
        try:
            sweeps[command] = read_sweep(run(compose(shlex.split(command)[2:]), command, watch).folder)
        except HarnessError as error:
            sweeps[command] = str(error)
    return [_checked(line, sweeps[line.command]) for line in lines]


def _checked(line: Golden, sweep: Sweep | str) -> Checked:
    if isinstance(sweep, str):
        return Checked(line, None, "missing", sweep)
    found, reason = _score(line, sweep)
    if found is None:
        return Checked(line, None, "missing", reason)
    apart = abs(found - line.value)
    return Checked(
        line, found, "OK" if apart <= line.tolerance else "close" if apart <= _CLOSE * line.tolerance else "FAIL"
    )


def _score(line: Golden, sweep: Sweep) -> tuple[float | None, str]:
    """The score that the sweep has for a line, or why it has none."""
    family = [v for v in (*sweep.manifest["variants"], *sweep.manifest["unplanned"]) if v["task"] == line.task]
    same: list[Mapping[str, Any]] = [v for v in family if v["model"] == line.model]
    if not same:
        models = ", ".join(sorted({str(v["model"]) for v in family})) or "nothing"
        return None, f"{line.place}: the command runs no {line.model} on {line.task}; it runs {models} there"
    if other := _otherwise(line, sweep.manifest["evalsets"][line.task], same):
        return None, f"{line.place}: the command {other}"
    record = sweep.records.get(same[0].get("quality", ""))
    if record is None or record.status != "ok":
        return None, str(same[0].get("reason") or (record and record.reason) or "it has not run")
    if (score := record.values.get(line.metric)) is None:
        known = ", ".join(sorted(k for k, v in record.values.items() if isinstance(v, float)))
        return None, f"{line.place}: no metric {line.metric}; there are {known}"
    return float(score), ""


def _otherwise(line: Golden, about: Mapping[str, Any], same: Sequence[Mapping[str, Any]]) -> str:
    """What the command scores that the line does not mean; empty where they agree."""
    if line.split and about["split"] != line.split:
        return f"reads the split {about['split']} of {line.task}, not {line.split}"
    if about["sample"]:
        return f"scores {about['sample']} of {line.task}, not all"
    candidates = len({v.get("candidate_id", "") for v in same})
    return f"runs {candidates} candidates of {line.model}; narrow it to one" if candidates > 1 else ""


def verdicts(checks: Sequence[Checked]) -> dict[Verdict, int]:
    """How many lines of each verdict."""
    counts: dict[Verdict, int] = {"OK": 0, "close": 0, "FAIL": 0, "missing": 0}
    for check in checks:
        counts[check.verdict] += 1
    return counts


def verified_text(checks: Sequence[Checked]) -> str:
    """One line a golden line, and how many of each verdict there are."""
    heads = ("", "model", "task", "split", "metric", "expected", "found", "difference", "tolerance")
    lines = [heads, *(_cells(check) for check in checks)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    shown = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    reasons = [f"{c.golden.model} on {c.golden.task}: {c.reason}" for c in checks if c.reason]
    counted = ", ".join(f"{n} {verdict}" for verdict, n in verdicts(checks).items() if n)
    return "\n".join([*shown, *dict.fromkeys(reasons), f"{counted} of {len(checks)} known scores"])


def verified_values(checks: Sequence[Checked]) -> list[dict[str, Any]]:
    """The same for machines."""
    return [
        {**c.golden._asdict(), "found": c.found, "difference": c.difference, "verdict": c.verdict, "reason": c.reason}
        for c in checks
    ]


def _cells(check: Checked) -> tuple[str, ...]:
    line, gap = check.golden, check.difference
    found, apart = ("-", "-") if check.found is None or gap is None else (f"{check.found:.5f}", f"{gap:+.5f}")
    expected = f"{line.value:.5f}"
    return (
        check.verdict,
        line.model,
        line.task,
        line.split,
        line.metric,
        expected,
        found,
        apart,
        f"{line.tolerance:g}",
    )
