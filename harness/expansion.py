"""Jobs on public sets: a benchmark, an aggregate or a task of many subsets becomes a job for each of its sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness.launch import Job
from harness.plan import sweep_name
from harness.portions import parts_of
from harness.registry import PREFIX, registry
from harness.types import HarnessError


def expanded(jobs: Sequence[Job], folder: Path, say: Callable[[str], object]) -> list[Job]:
    """The jobs, those of a name `mteb/...` once for each set that it stands for, under that set's own name.

    `folder` keeps the registry. The option `languages` narrows what is expanded, and a line says so where nothing is.
    The sweep keeps the name that it has by what was asked for. What a benchmark asks for and cannot run here is said,
    once. HarnessError for a language that no task of mteb has.
    """
    asked = dict.fromkeys(name for job in jobs if (name := str(job.config["task"])).startswith(PREFIX))
    languages = _languages(jobs[0].config["languages"])
    if not asked and not languages:
        return list(jobs)
    known = registry(folder)
    for language in languages:
        known.code(language)
    if languages and all("/" in name.removeprefix(PREFIX) for name in asked):
        say("languages narrows names such as mteb/Tatoeba, which stand for several sets; none is asked for here")
    if not asked:
        return list(jobs)
    found = {name: parts_of(name, known, languages) for name in asked}
    for name, parts in found.items():
        if len(parts.kept) > 1:
            say(f"{name}: {len(parts.kept)} sets")
        for line in parts.left_out:
            say(f"{name}: left out: {line}")
    sets = {name: [part.task for part in parts.kept] for name, parts in found.items()}
    sweep = sweep_name(jobs).replace("/", "-")
    return [
        job._replace(config=job.config | {"task": one, "sweep": sweep})
        for job in jobs
        for one in sets.get(str(job.config["task"]), [job.config["task"]])
    ]


def _languages(given: Any) -> list[str]:
    if not isinstance(given, list) or not all(isinstance(code, str) for code in given):
        raise HarnessError(f"languages={given}: expected a list of codes such as languages=[deu,eng]")
    return given
