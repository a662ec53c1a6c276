"""What the data doctor says of the eval sets of a sweep, remembered by their content."""

from __future__ import annotations

from pathlib import Path

from harness import __version__
from harness.parts import digest
from harness.store import read_json, write_json
from harness.types import EvalSet, HarnessError, Note, first_line
from harness.validate import checked, placed

# A check that fails says so in a note and fails no sweep; whoever runs `harness validate` gets the traceback.
_FAILURES = (
    ArithmeticError,
    HarnessError,
    ImportError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


def health(evalset: EvalSet, folder: Path) -> tuple[Note, ...]:
    """The findings on a set, and one that names what was not checked; computed once, then kept in the folder."""
    try:
        found, left = _remembered(evalset, folder)
        notes = placed(evalset, found, left).notes
    except _FAILURES as error:
        what = f"the data doctor failed: {type(error).__name__}: {first_line(error)}"
        return (*evalset.notes, Note("doctor-failed", "info", "", what, "none: scores do not depend on it"))
    effect = "none: what they would find is not known"
    return (*notes, *(Note("not-checked", "info", "", one, effect) for one in left))


def _remembered(evalset: EvalSet, folder: Path) -> tuple[list[Note], list[str]]:
    read = [note.message for note in evalset.notes]  # the checks repeat some of them
    said = [evalset.languages, evalset.public, evalset.label_source]
    path = folder / f"{digest([__version__, evalset.sha256, *said, read])}.json"
    try:
        kept = read_json(path)
        return [Note(**note) for note in kept["findings"]], list(kept["unchecked"])
    except (HarnessError, KeyError, TypeError):  # absent or damaged: made anew
        pass
    found, left = checked(evalset)
    write_json(path, {"findings": [dict(note._asdict()) for note in found], "unchecked": left})
    return found, left
