"""Names of public sets, `mteb/NAME/SUBSET@SPLIT`, and what each stands for: one set, or all those of a benchmark."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from harness.registry import PREFIX, Benchmark, Entry, Registry
from harness.types import HarnessError

_SHOWN = 6


class Part(NamedTuple):
    """One subset of a task on one split."""

    entry: Entry
    subset: str
    split: str

    @property
    def public(self) -> str:
        """`NAME`, `NAME/SUBSET`, either with `@SPLIT` where that is not test, as `EvalSet.public` has it."""
        subset = "" if self.subset == "default" else f"/{self.subset}"
        return self.entry.name + subset + ("" if self.split == "test" else f"@{self.split}")

    @property
    def task(self) -> str:
        """The shortest name that stands for this part alone."""
        other = self.split == "test" != self.entry.split
        return PREFIX + self.public + ("@test" if other else "")


class Parts(NamedTuple):
    """The sets that a name stands for, and a line for each task that was asked for and cannot run."""

    kept: tuple[Part, ...]
    left_out: tuple[str, ...]


def parts_of(name: str, known: Registry, languages: Sequence[str] = ()) -> Parts:
    """All sets behind a name: a task's subsets, the members of an aggregate, what a benchmark takes of each task.

    name: `mteb/` and a task or benchmark, without regard to case; a task with `/SUBSET`, `@SPLIT` or both. Without a
    split it is test, else the first that mteb scores. languages: codes of two letters or three; a subset that was not
    named stays where all its languages are among them. HarnessError for an unknown name, with the nearest, and where no
    set is left.
    """
    whole, at, split = name.removeprefix(PREFIX).partition("@")
    if at and (not split or set(split) & {"@", "/"}):
        raise HarnessError(
            f"{name!r}: expected one split behind @, such as @test, or nothing; a subset comes before it"
        )
    benchmark = known.benchmark(whole)
    if benchmark is not None and known.task(whole) is None:
        if split:
            raise HarnessError(f"{name}: a benchmark has splits of its own; leave out @{split}")
        found = _of_benchmark(benchmark, known)
    else:
        found = _of_task(whole, split, known)
    spoken = {known.code(language) for language in languages}
    refusals = [f"{part.entry.name}: {part.entry.refusal}" for part in found if part.entry.refusal]
    runnable = [part for part in found if not part.entry.refusal]
    if not runnable:
        raise HarnessError(f"{PREFIX}{refusals[0]}")
    kept = runnable if "/" in whole or not spoken else [part for part in runnable if _languages(part) <= spoken]
    if not kept:
        raise _no_language(name, runnable, spoken)
    return Parts(tuple(kept), tuple(dict.fromkeys(refusals)))


def part_of(name: str, known: Registry) -> Part:
    """The one set behind a name; HarnessError where there are several, with some of them."""
    parts = parts_of(name, known).kept
    if len(parts) > 1:
        some = ", ".join(part.task for part in parts[:_SHOWN]) + (", ..." if len(parts) > _SHOWN else "")
        raise HarnessError(f"{name} is {len(parts)} sets; name one of {some}")
    return parts[0]


def _of_benchmark(benchmark: Benchmark, known: Registry) -> list[Part]:
    found = []
    for portion in benchmark.portions:
        for entry in _members(known.tasks[portion.task], known):
            found += [Part(entry, s, split) for s in portion.subsets or entry.subsets for split in portion.splits]
    return found


def _members(entry: Entry, known: Registry) -> Iterator[Entry]:
    """The task itself, or those that it is made of."""
    if not entry.members:
        yield entry
    for member in entry.members:
        yield from _members(known.tasks[member], known)


def _of_task(whole: str, split: str, known: Registry) -> list[Part]:
    name, _, subset = whole.partition("/")
    entry = known.task(name)
    if entry is None:
        raise known.unknown(whole)
    subsets = [_subset(entry, subset, known)] if subset else None
    return [
        Part(one, chosen, split or one.split) for one in _members(entry, known) for chosen in (subsets or one.subsets)
    ]


def _subset(entry: Entry, name: str, known: Registry) -> str:
    """The subset of a name, without regard to case; a language alone gets the subsets that have it."""
    folded = {subset.casefold(): subset for subset in entry.subsets}
    if name.casefold() in folded:
        return folded[name.casefold()]
    if len(folded) == 1 and "default" in folded:
        raise HarnessError(f"{PREFIX}{entry.name} has no subsets; leave out /{name}")
    code = known.longer.get(name.casefold(), name.casefold())
    having = [s for s, codes in entry.subsets.items() if code in {one.partition("-")[0] for one in codes}]
    near = having or [folded[n] for n in difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.4)]
    several = having and all(len(entry.subsets[subset]) > 1 for subset in having)
    why = "; each has two languages" if several else ""
    raise HarnessError(
        f"{PREFIX}{entry.name} has no subset {name!r}{why}. Take {_listed(near or list(entry.subsets), entry.name)}"
    )


def _listed(subsets: Sequence[str], task: str) -> str:
    more = f" or one of {len(subsets) - _SHOWN} more" if len(subsets) > _SHOWN else ""
    return " or ".join(f"{PREFIX}{task}/{subset}" for subset in subsets[:_SHOWN]) + more


def _languages(part: Part) -> set[str]:
    return {code.partition("-")[0] for code in part.entry.subsets[part.subset] if not code.endswith("-Code")}


def _no_language(name: str, found: Sequence[Part], spoken: Iterable[str]) -> HarnessError:
    wanted = set(spoken)
    near = [part.task for part in found if _languages(part) & wanted]
    hint = f"With one of them and another: {', '.join(near[:_SHOWN])}." if near else "Leave out languages."
    return HarnessError(f"{name}: no subset is in {' and '.join(sorted(wanted))} alone. {hint}")
