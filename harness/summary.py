"""One line a candidate over all eval sets, as a leaderboard has it: means by task and by type, and the Borda rank."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import rankdata

from harness.candidates import candidate_of
from harness.table import Row
from harness.types import Doubles
from harness.wording import called, category, counted, enumerated, metric, set_name

_FEW = 10  # candidates, under which a Borda rank says more about the company than about the model
_TRAINED = "in the training list of"  # how `cards.trained_on` says it

About = Mapping[str, Mapping[str, Any]]


class Line(NamedTuple):
    """One candidate. A mean is None where a task lacks a score; `types`: mean of the tasks of each type.

    borda: rank, 1 is best, equal ranks for equal points; missing: tasks without a score.
    """

    candidate: str
    label: str
    borda: int
    mean_task: float | None
    mean_type: float | None
    types: Mapping[str, float | None]
    missing: int


class Summary(NamedTuple):
    """Candidates by Borda rank, then by mean; `types`: task type -> names of its tasks; warnings: what to mind."""

    types: Mapping[str, tuple[str, ...]]
    lines: tuple[Line, ...]
    warnings: tuple[str, ...]


def summarise(rows: Sequence[Row], evalsets: About) -> Summary | None:
    """The summary of a sweep's measured rows; None where it has fewer than two eval sets or no result.

    evalsets: those of the manifest. Eval sets that are parts of one public task (subsets, splits) are one task, whose
    score is their mean, missing where one of them is. Published rows take no part. A candidate without one whole task
    has no line. Follows the summary table of mteb's leaderboard (`mteb/benchmarks/_create_table.py`), with one
    difference: a task is whole when it has all its parts in this sweep, where mteb asks for every subset on every split
    that any model was scored on.
    """
    good: dict[tuple[str, str], Row] = {}
    for row in rows:
        if row["status"] == "ok":
            good.setdefault((candidate_of(row), row["task"]), row)
    parts = _parts(evalsets)
    found = {name: _scores(good, name, parts) for name in dict.fromkeys(name for name, _ in good)}
    whole = {name: scores for name, scores in found.items() if not np.isnan(scores.whole).all()}
    if len(evalsets) < 2 or not whole:
        return None
    ranks = dict(zip(found, _borda([scores.shown for scores in found.values()], len(whole)), strict=True))
    labels = {name: called(row) for (name, _), row in reversed(good.items())}
    tasks = list(parts)
    lines = [_line(name, labels[name], ranks[name], scores.whole, tasks) for name, scores in whole.items()]
    lines.sort(key=lambda line: (line.borda, -(line.mean_task or 0.0), line.label))
    asked = {candidate_of(row) for row in rows if row["status"] != "published"}
    warnings = (*_gaps(lines, len(asked)), *_mixed(good.values(), evalsets), *_data(good, evalsets), *_ranked(lines))
    return Summary(_types(tasks), tuple(lines), warnings)


Task = tuple[str, str]


class _Scores(NamedTuple):
    """One candidate's score of each task: of what it has of it, and where it has all of it; NaN where not."""

    shown: Doubles
    whole: Doubles


def _parts(evalsets: About) -> dict[Task, list[str]]:
    """(task type, task) -> its eval sets; what is before / or @ names a public task."""
    found: dict[Task, list[str]] = {}
    for name, about in evalsets.items():
        public = re.split("[/@]", about.get("public") or "")[0]
        found.setdefault((about["type"], public or name), []).append(name)
    return found


def _types(tasks: Iterable[Task]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for kind, task in tasks:
        found[kind] = (*found.get(kind, ()), task)
    return found


def _scores(good: Mapping[tuple[str, str], Row], name: str, parts: Mapping[Task, Sequence[str]]) -> _Scores:
    known = [[good[name, s]["main_score"] for s in sets if (name, s) in good] for sets in parts.values()]
    shown = np.array([np.mean(values) if values else np.nan for values in known])
    complete = [len(values) == len(sets) for values, sets in zip(known, parts.values(), strict=True)]
    return _Scores(shown, np.where(complete, shown, np.nan))


def _borda(scores: Sequence[Doubles], candidates: int) -> list[int]:
    """Each task gives `candidates` less the rank in it (equal scores share their mean rank), a missing score nothing.

    As mteb does, a task counts here by the parts that there are, and those without one whole task are ranked along.
    """
    table = np.stack(scores)
    points = np.nansum(candidates - rankdata(-table, method="average", axis=0, nan_policy="omit"), axis=1)
    return [int(rank) for rank in rankdata(-points, method="min")]


def _line(name: str, label: str, borda: int, scores: Doubles, tasks: Sequence[Task]) -> Line:
    kinds = [kind for kind, _ in tasks]
    types = {kind: _mean(scores[[k == kind for k in kinds]]) for kind in dict.fromkeys(kinds)}
    by_type = np.array([np.nan if mean is None else mean for mean in types.values()])
    return Line(name, label, borda, _mean(scores), _mean(by_type), types, int(np.isnan(scores).sum()))


def _mean(scores: Doubles) -> float | None:
    return None if np.isnan(scores).any() else float(scores.mean())


def _gaps(lines: Sequence[Line], asked: int) -> list[str]:
    """Candidates whose means cannot be compared, and those that have none."""
    partial, none = sum(line.missing > 0 for line in lines), asked - len(lines)
    told = [f"{counted(partial, 'candidate')} without a score on every task: no mean over those"] if partial else []
    return told + ([f"{counted(none, 'candidate')} without any whole task left out"] if none else [])


def _mixed(good: Iterable[Row], evalsets: About) -> list[str]:
    """Metrics of unlike scale in one mean, and types that a single task stands for."""
    mains: dict[str, set[str]] = {}
    for row in good:
        mains.setdefault(evalsets[row["task"]]["type"], set()).add(metric(row["main"]))
    every = sorted(set().union(*mains.values()))
    told = [f"means over tasks mix unlike metrics ({enumerated(every)})"] if len(every) > 1 else []
    for kind, names in mains.items():
        if len(names) > 1 and len(mains) > 1:
            told.append(f"so does the mean of {category(kind)} ({enumerated(sorted(names))})")
    alone = [category(kind) for kind, tasks in _types(_parts(evalsets)).items() if len(tasks) == 1]
    if alone and len(mains) > 1:
        told.append(f"a single task stands for {enumerated(alone)}, with a whole type's weight in the mean by type")
    return told


def _data(good: Mapping[tuple[str, str], Row], evalsets: About) -> list[str]:
    """Scores that say little: of models trained on the sets, and of sub-sampled sets."""
    trained = {(row["model"], task) for (_, task), row in good.items() if any(_TRAINED in w for w in row["warnings"])}
    told = [f"{model} was trained on {enumerated(names)}" for model, names in _grouped(sorted(trained)).items()]
    samples = [set_name(name, about["sample"]) for name, about in evalsets.items() if about["sample"]]
    return told + ([f"sub-sampled, so not comparable with whole sets: {', '.join(samples)}"] if samples else [])


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for first, second in pairs:
        found.setdefault(first, []).append(second)
    return found


def _ranked(lines: Sequence[Line]) -> list[str]:
    if len(lines) >= _FEW:
        return []
    return [f"a Borda rank among {counted(len(lines), 'candidate')} depends on who else is in the table"]
