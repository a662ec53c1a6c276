"""The doctor's findings in a sweep: computed once for the same content, and never the end of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import health as kept
from harness.health import health
from harness.types import EvalSet, Note
from tests.test_validate import made


def small() -> EvalSet:
    return made(["alpha", "beta", ""], ["one", "two"], [(0, 0, 1), (1, 1, 1), (1, -1, 1)])


def test_findings_are_those_of_the_doctor_and_say_what_was_not_checked(tmp_path: Path) -> None:
    codes = {note.code for note in health(small(), tmp_path)}
    assert {"dangling-judgements", "empty-documents", "reachable", "power", "not-checked"} <= codes


def test_the_same_content_is_not_looked_at_again_and_another_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = health(small(), tmp_path)
    asked: list[EvalSet] = []
    monkeypatch.setattr(kept, "checked", lambda evalset: asked.append(evalset) or ([], []))
    assert health(small(), tmp_path) == first
    assert asked == []
    health(EvalSet(**{**vars(small()), "languages": ("en",)}), tmp_path)
    assert len(asked) == 1


def test_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    first = health(small(), tmp_path)
    (file,) = tmp_path.glob("*.json")
    file.write_text("{")
    assert health(small(), tmp_path) == first


def test_a_check_that_fails_is_a_note_and_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(evalset: EvalSet) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(kept, "checked", broken)
    read = Note("format", "info", "f", "read as beir")
    notes = health(EvalSet(**{**vars(small()), "notes": (read,)}), tmp_path)
    assert notes[0] == read
    assert notes[1].code == "doctor-failed" and "ZeroDivisionError: division by zero" in notes[1].message
