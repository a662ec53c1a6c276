"""`harness import`: published results from files and folders, kept beside the sweeps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.published import FILE, Published, keep
from harness.reading import shown
from harness.taskresult import META, known, read_results
from harness.types import HarnessError
from harness.wording import counted

_NAMED = 3


def import_text(paths: Sequence[Path], results_dir: Path) -> str:
    """Keep the results that files and folders hold, all or none, and say what was kept.

    A file that is named must be sound; what lies in a folder and is no result is passed over, counted and named. A
    `model_meta.json` is read with the results beside it, so by itself it gives none.
    """
    found: list[Published] = []
    passed_over: list[str] = []
    for path in {path.resolve(): path for path in paths if path.name != META}.values():
        if path.is_dir():
            inside, bad = _folder(path)
            found += inside
            passed_over += bad
        else:
            found += read_results(path)
    if not found:
        raise HarnessError(f"{META} describes a model and holds no scores; name the results beside it")
    kept = keep(found, results_dir)
    models, tasks = {p.model for p in found}, {p.task for p in found}
    return "\n".join(
        [
            f"{counted(len(found), 'result')} of {counted(len(models), 'model')} on {counted(len(tasks), 'task')}: "
            f"{kept.new} new, {kept.replaced} replaced, {kept.same} as before, in {results_dir / FILE}",
            *_said(f"{counted(len(passed_over), 'file')} passed over", passed_over),
            *_said("given several times with other scores, of which the last stays", _repeated(found)),
            *_said("in several revisions, which tables show as MODEL @REVISION", _revised(found)),
            *_said("not in mteb's registry", sorted(task for task in tasks if known(task) is None)),
            "Tables and pages show them on sets whose manifest has public: NAME; the decision never looks at them.",
        ]
    )


def _repeated(found: Sequence[Published]) -> list[str]:
    """Results that take one another's place: the revision of the data makes no other result."""
    given: dict[tuple[str, ...], set[str]] = {}
    for p in found:
        given.setdefault((*_place(p), p.revision), set()).add(repr(sorted(p.scores.items())))
    return [f"{names[3]} on {names[0]}" for names, scores in given.items() if len(scores) > 1]


def _revised(found: Sequence[Published]) -> list[str]:
    given: dict[tuple[str, ...], set[str]] = {}
    for p in found:
        given.setdefault(_place(p), set()).add(p.revision)
    return sorted({names[3] for names, revisions in given.items() if len(revisions) > 1})


def _place(p: Published) -> tuple[str, ...]:
    """What tables tell apart beside revisions."""
    return p.task.casefold(), p.subset.casefold(), p.split.casefold(), p.model, p.experiment


def _folder(path: Path) -> tuple[list[Published], list[str]]:
    """The results below a folder, and why some of its files have none."""
    found: list[Published] = []
    bad = []
    for file in sorted(p for p in path.rglob("*.json") if p.name != META and not _hidden(p.relative_to(path))):
        try:
            found += read_results(file)
        except HarnessError as error:
            bad.append(str(error))
    if not found:
        why = f"; {bad[0]}" if bad else ""
        raise HarnessError(f"{shown(path)} has no results such as MODEL__NAME/REVISION/TASK.json below it{why}")
    return found, bad


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _said(what: str, names: Iterable[str]) -> list[str]:
    known_names = list(names)
    if not known_names:
        return []
    more = len(known_names) - _NAMED
    return [f"{what}: {'; '.join(known_names[:_NAMED])}" + (f"; and {more} more" if more > 0 else "")]
