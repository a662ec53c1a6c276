"""The `grid` option: values walked together (`pair`), combinations kept (`only`) and left out (`exclude`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from harness.launch import Job
from harness.parts import did_you_mean
from harness.types import HarnessError

Row = Sequence[tuple[str, Any]]
_RULES = "[{model: bm25, dim: [64, 128]}]"
_PAIRS = "[{quantization: [int8, binary], rescore: [0, 4]}]"
_KNOWN = {"exclude": _RULES, "only": _RULES, "pair": _PAIRS}


def paired(grid: Any, given: Collection[str]) -> list[list[Row]]:
    """For each pairing of `grid.pair` its rows in the order written, a row one (option, value) for each option.

    given: options that have their values elsewhere (swept or typed); an option may get its values from one place
    only. Anything else is a HarnessError.
    """
    taken = set(given)
    found = []
    for pairing in _listed(grid, "pair"):
        for key in pairing:
            option = key.lstrip("+")
            if option.startswith(("hydra.", "hydra/")):
                raise HarnessError(f"grid.pair: {option} belongs to hydra and cannot be swept; take it out")
            if option in taken:
                raise HarnessError(f"{option} is paired in grid.pair and has values elsewhere; keep one of the two")
            taken.add(option)
        found.append(_rows(pairing))
    return found


def _rows(pairing: Mapping[str, Any]) -> list[Row]:
    lengths = {key: len(values) if isinstance(values, list) else 0 for key, values in pairing.items()}
    if len(set(lengths.values())) > 1 or not all(lengths.values()):
        counted = ", ".join(f"{key} has {n}" for key, n in lengths.items())
        raise HarnessError(f"grid.pair: {counted}; expected lists of one length, such as {_PAIRS}")
    return [list(zip(pairing, values, strict=True)) for values in zip(*pairing.values(), strict=True)]


def pruned(jobs: Sequence[Job]) -> list[Job]:
    """The jobs that match a rule of `grid.only`, where there are any, and none of `grid.exclude`.

    A rule names options and the value, or values, that each may have; all of them must fit. HarnessError for a
    rule that is none or fits no job, an option that no run has, and where nothing is left.
    """
    for name in ("exclude", "only"):
        _check_rules(jobs, name)
    kept = [job for job in jobs if not _matches(job, "exclude", False) and _matches(job, "only", True)]
    if not kept:
        raise HarnessError("grid.exclude and grid.only leave nothing to run; loosen a rule")
    return kept


def _check_rules(jobs: Sequence[Job], name: str) -> None:
    """Refuse a rule that fits no job: a wrong value would leave out nothing without a word.

    A rule of `exclude` on an option that has one value here is let be: an experiment was narrowed on the command line.
    """
    found: dict[str, tuple[dict[str, Any], bool]] = {}
    for job in jobs:
        for rule in _listed(job.config.get("grid"), name):
            before = found.get(str(rule), (rule, False))[1]
            fits = [_fits(job, f"grid.{name}", key, wanted) for key, wanted in rule.items()]
            found[str(rule)] = rule, before or all(fits)
    for rule in (rule for rule, fits in found.values() if not fits):
        if name == "exclude" and any(len({_value(job, key) for job in jobs}) == 1 for key in rule):
            continue
        raise HarnessError(f"grid.{name}: {_unfit(jobs, rule)} Mend or drop the rule (grid.{name}=[] drops all)")


def _unfit(jobs: Sequence[Job], rule: Mapping[str, Any]) -> str:
    """What of the rule no job has, with the values that there are."""
    for key, wanted in rule.items():
        present = {_value(job, key) for job in jobs}
        if not present & _values(wanted):
            first = next(iter(_values(wanted)), "")
            return f"no job has {key}={_shown(wanted)}. {did_you_mean(first, present)}"
    return f"no job has {' and '.join(f'{key}={_shown(wanted)}' for key, wanted in rule.items())} together."


def _shown(wanted: Any) -> str:
    return f"[{', '.join(map(str, wanted))}]" if isinstance(wanted, list) else str(wanted)


def _matches(job: Job, name: str, otherwise: bool) -> bool:
    """Whether any rule fits the job; `otherwise` where there is no rule."""
    rules = _listed(job.config.get("grid"), name)
    fits = [[_fits(job, f"grid.{name}", key, wanted) for key, wanted in rule.items()] for rule in rules]
    return any(all(one) for one in fits) if rules else otherwise


def _fits(job: Job, where: str, key: str, wanted: Any) -> bool:
    if key not in job.choices and key not in job.config:
        known = did_you_mean(key, [*job.choices, *job.config])
        raise HarnessError(f"{where} names {key!r}, which is no option of a run. {known}")
    return _value(job, key) in _values(wanted)


def _value(job: Job, key: str) -> str:
    return str(job.choices.get(key, job.config.get(key)))


def _values(wanted: Any) -> set[str]:
    return {str(value) for value in (wanted if isinstance(wanted, list) else [wanted])}


def _listed(grid: Any, name: str) -> list[dict[str, Any]]:
    """One of grid's lists of mappings; HarnessError where grid holds anything else."""
    held = grid or {}
    if not isinstance(held, Mapping) or (unknown := set(held) - set(_KNOWN)):
        wrong = sorted(unknown)[0] if isinstance(held, Mapping) else held
        raise HarnessError(f"grid: {wrong!r} is not understood; expected lists named {', '.join(_KNOWN)}")
    rules = held.get(name) or []
    if not isinstance(rules, list) or not all(_names_options(rule) for rule in rules):
        raise HarnessError(f"grid.{name}={rules}: expected a list such as {_KNOWN[name]}")
    return rules


def _names_options(rule: Any) -> bool:
    return isinstance(rule, dict) and bool(rule) and all(isinstance(key, str) for key in rule)
