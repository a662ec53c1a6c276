"""What mteb's registry lists: tasks, benchmarks, languages. Read from mteb once, then from a file."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from harness.parts import did_you_mean
from harness.store import read_json, write_json
from harness.types import HarnessError, Unwritable

PREFIX = "mteb/"
_RANKED = re.compile(r"(ndcg|map|mrr|recall|precision|hit_rate)_at_(\d+)")
_FORM = 1  # of the file; raised when what it holds changes
_TYPES = {
    "Retrieval": "retrieval", "Reranking": "reranking", "Classification": "classification", "Clustering": "clustering",
    "PairClassification": "pair_classification", "STS": "sts", "Summarization": "summarization",
    "BitextMining": "bitext",
}  # fmt: skip
_MAIN = {
    "classification": ("accuracy", "f1"), "clustering": ("v_measure", "ami"), "sts": ("cosine_spearman",),
    "pair_classification": ("max_ap", "max_accuracy"), "summarization": ("cosine_spearman",), "bitext": ("f1",),
}  # fmt: skip


class Entry(NamedTuple):
    """One task. `type` is ours, empty where mteb's has no counterpart; `refusal` says why it cannot run, if it cannot.

    subsets: languages such as `deu-Latn`, by the name of the subset; splits: those that mteb scores; members: the tasks
    of an aggregate, none otherwise.
    """

    name: str
    type: str
    mteb_type: str
    subsets: Mapping[str, Sequence[str]]
    splits: Sequence[str]
    main_score: str
    licence: str
    domains: Sequence[str]
    path: str
    revision: str
    modalities: Sequence[str]
    superseded_by: str
    members: Sequence[str]
    refusal: str

    @property
    def split(self) -> str:
        """The split where none is named: test, else the first that mteb scores."""
        return "test" if "test" in self.splits else self.splits[0]

    @property
    def languages(self) -> list[str]:
        """Three-letter codes, sorted."""
        return sorted({code.partition("-")[0] for codes in self.subsets.values() for code in codes})


class Portion(NamedTuple):
    """What a benchmark takes of a task; no subset means all."""

    task: str
    subsets: Sequence[str]
    splits: Sequence[str]


class Benchmark(NamedTuple):
    """A named list of tasks."""

    name: str
    aliases: Sequence[str]
    portions: Sequence[Portion]


@dataclass(frozen=True)
class Registry:
    """Tasks and benchmarks by mteb's names; `longer`: three-letter codes of languages by their two letters."""

    tasks: Mapping[str, Entry]
    benchmarks: Mapping[str, Benchmark]
    longer: Mapping[str, str]

    @cached_property
    def _tasks(self) -> Mapping[str, Entry]:
        return {name.casefold(): entry for name, entry in self.tasks.items()}

    @cached_property
    def _benchmarks(self) -> Mapping[str, Benchmark]:
        """By name, alias and slug; a name wins over another's alias."""
        names = {n.casefold(): b for b in self.benchmarks.values() for n in (*b.aliases, b.name)}
        return {slug(name): found for name, found in names.items()} | names

    @cached_property
    def shorter(self) -> Mapping[str, str]:
        """Two-letter codes by three-letter ones, where there are any."""
        return {long: short for short, long in self.longer.items()}

    def task(self, name: str) -> Entry | None:
        """The task of a name, without regard to case."""
        return self._tasks.get(name.casefold())

    def benchmark(self, name: str) -> Benchmark | None:
        """The benchmark of a name, an alias or a slug such as `mteb-eng-v2`, without regard to case."""
        return self._benchmarks.get(name.casefold())

    def unknown(self, name: str) -> HarnessError:
        """The error for what is neither a task nor a benchmark, with the nearest names of both."""
        known = {n.casefold(): n for n in (*self.tasks, *self.benchmarks)}
        near = difflib.get_close_matches(name.casefold(), known, n=3, cutoff=0.6)
        near = near or [folded for folded in known if name and name.casefold() in folded][:3]
        hint = f"Did you mean {' or '.join(known[n] for n in near)}?" if near else "See harness list tasks."
        return HarnessError(f"mteb has no task or benchmark {name!r}. {hint}")

    def code(self, language: str) -> str:
        """The three-letter code of a language given by two letters or three; HarnessError for any other."""
        folded = language.casefold()
        if folded in self.longer:
            return self.longer[folded]
        spoken = {code for entry in self.tasks.values() for code in entry.languages}
        if folded in spoken:
            return folded
        raise HarnessError(f"language {language!r} is in no task of mteb. {did_you_mean(folded, spoken)}")


def registry(folder: Path | None) -> Registry:
    """The registry of the installed mteb, kept in `folder`, if one is given, under mteb's version.

    The first call imports mteb, which takes seconds; later ones read the file. One that is damaged, or that cannot be
    written, is made anew.
    """
    if folder and (found := kept_registry(folder)):
        return found
    facts = _gathered()
    if folder:
        with suppress(Unwritable):  # a list is no reason to fail on a disk that is full or read only
            write_json(_file(folder), facts)
    return _registry(facts)


def kept_registry(folder: Path) -> Registry | None:
    """The registry as `folder` has it, without a look at mteb; None where it is absent, damaged or empty."""
    with suppress(HarnessError, LookupError, TypeError, ValueError, AttributeError, OSError, RecursionError):
        found = _registry(read_json(_file(folder)))
        return found if found.tasks and found.benchmarks and found.longer else None
    return None


def _file(folder: Path) -> Path:
    return folder / f"mteb-{version('mteb')}-{_FORM}.json"


def slug(name: str) -> str:
    """A name without what a shell or a folder name would trip over: `MTEB(eng, v2)` is `mteb-eng-v2`."""
    return re.sub(r"[^\w.]+", "-", name.casefold()).strip("-")


def _registry(facts: Mapping[str, Any]) -> Registry:
    tasks = {name: Entry(**held) for name, held in facts["tasks"].items()}
    benchmarks = {
        name: Benchmark(name, held["aliases"], [Portion(*one) for one in held["portions"]])
        for name, held in facts["benchmarks"].items()
    }
    return Registry(tasks, benchmarks, facts["longer"])


@cache
def _gathered() -> dict[str, Any]:
    import mteb.languages
    from mteb import get_benchmarks
    from mteb.get_tasks import TASK_LIST

    table = Path(mteb.languages.__file__).with_name("iso_639_1_to_3.json")
    return {
        "tasks": {task.metadata.name: _entry(task)._asdict() for task in sorted(TASK_LIST, key=_name)},
        "benchmarks": {b.name: _benchmark(b) for b in sorted(get_benchmarks(), key=lambda one: one.name)},
        "longer": json.loads(table.read_text(encoding="utf-8")),
    }


def _name(task: Any) -> str:
    return str(task.metadata.name)


def _entry(task: Any) -> Entry:
    about = task.metadata
    kind = _TYPES.get(about.type, "")
    return Entry(
        name=about.name, type=kind, mteb_type=about.type,
        subsets={name: list(codes) for name, codes in sorted(about.hf_subsets_to_langscripts.items())},
        splits=list(about.eval_splits), main_score=about.main_score, licence=str(about.license or ""),
        domains=list(about.domains or []), path=about.dataset["path"], revision=about.dataset["revision"],
        modalities=list(about.modalities), superseded_by=about.superseded_by or "",
        members=[one.metadata.name for one in getattr(about, "tasks", [])], refusal=_refusal(task, kind),
    )  # fmt: skip


def _benchmark(benchmark: Any) -> dict[str, Any]:
    portions = [
        (
            task.metadata.name,
            [] if set(task.hf_subsets) == set(task.metadata.hf_subsets) else list(task.hf_subsets),
            list(task.eval_splits),
        )
        for task in benchmark.tasks
    ]
    return {"aliases": list(benchmark.aliases or ()), "portions": portions}


def _refusal(task: Any, kind: str) -> str:
    """Why a task of mteb cannot run here; empty where it can."""
    about = task.metadata
    beyond = [one for one in about.modalities if one != "text"]
    if beyond:
        return f"it needs {' and '.join(beyond)}; only text is read here"
    if not kind:
        return f"its type, {about.type}, is none of {', '.join(_TYPES)}"
    if "Multilabel" in " ".join(parent.__name__ for parent in task.__mro__):
        return "its texts have several labels each"
    if not (
        _RANKED.fullmatch(about.main_score) if kind in ("retrieval", "reranking") else about.main_score in _MAIN[kind]
    ):
        return f"its main score, {about.main_score}, is of its own making"
    if any(_own(task, method) for method in ("evaluate", "_evaluate_subset")):
        return "it is scored by code of its own"
    return ""


def _own(task: Any, method: str) -> bool:
    return str(getattr(task, method).__module__).startswith("mteb.tasks")


def names(languages: Iterable[str], known: Registry) -> list[str]:
    """`deu-Latn` as `de`, three letters where there are no two, each once; no programming languages."""
    spoken = [code.partition("-")[0] for code in languages if not code.endswith("-Code")]
    return list(dict.fromkeys(known.shorter.get(code, code) for code in spoken))
