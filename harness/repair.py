"""`harness validate --fix`: a cleaned copy of an eval set beside it, and a list of what was changed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from harness.complaints import Complaints, collecting
from harness.evalsets import find_manifest
from harness.markdown import plain, table
from harness.mending import Change, mended, merged_lines
from harness.reading import listing, shown
from harness.splits import splits_of
from harness.store import write_atomically
from harness.terminal import guarded
from harness.thinning import TYPES, needless
from harness.types import EvalSet, HarnessError
from harness.validate import examined, opened

_MENDED = {
    "nul-bytes": "NUL bytes and halves of surrogate pairs say nothing",
    "unknown-query": "no query has this id, so nothing is scored by it",
}
_CARRIED = ("languages", "weight", "guard", "label_source", "public", "instruction", "prompts")
_UNSAFE = ("\t", "\n", "\r")


def repair(name: str, kind: str, folders: Sequence[Path], out: Path) -> str:
    """Write the copy to a folder that is new or empty, and say what was changed and what stays.

    HarnessError where the folder is taken, where errors must be mended by hand first, and for types of which nothing
    is unambiguous. Where there is nothing to change, nothing is written.
    """
    _check_free(out)
    with collecting() as broken:
        evalset = _opened(name, kind, folders, broken)
        _check_mendable(broken, name)
        _check_apart(evalset, out)
        changes = [Change(code, _lines(broken, code), _MENDED[code], n) for code, n in broken.count.items()]
        files, found = _retrieval(evalset) if evalset.type == "retrieval" else _rows(evalset, name, folders)
    changes += found
    if not changes:
        return f"{evalset.name}: nothing that is unambiguous to change; nothing was written"
    files["changes.md"], files["changes.csv"] = _markdown(evalset.name, changes), _csv(changes)
    for path, text in files.items():
        write_atomically(out / path, text.encode("utf-8"))
    return _told(out, changes)


def _opened(name: str, kind: str, folders: Sequence[Path], broken: Complaints) -> EvalSet:
    """The set without its broken rows; where nothing is left of it, what broke them is the reason."""
    try:
        return opened(name, kind, folders)
    except HarnessError:
        _check_mendable(broken, name)
        raise


def _check_free(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise HarnessError(f"--fix {shown(out)}: {listing(out)}. Name a folder that is new or empty.")


def _check_apart(evalset: EvalSet, out: Path) -> None:
    source = Path(evalset.source)
    if source.exists() and out.absolute().resolve().is_relative_to(source.absolute().resolve()):
        raise HarnessError(f"--fix {shown(out)} lies in the set itself; name a folder beside it.")


def _check_mendable(broken: Complaints, name: str) -> None:
    left = [f"{code} ({n}) at {_lines(broken, code)}" for code, n in broken.count.items() if code not in _MENDED]
    if left:
        first = next(lines[0] for code, lines in broken.first.items() if code not in _MENDED)
        raise HarnessError(
            f"{name}: mend by hand first, nothing was written: {'; '.join(left)}. The first: {first:.300} "
            "harness validate tells more."
        )


def _lines(broken: Complaints, code: str) -> str:
    places = [line.split(" ", 1)[0] for line in broken.first[code]]
    return ", ".join(places) + (" ..." if broken.count[code] > len(places) else "")


def _retrieval(evalset: EvalSet) -> tuple[dict[str, str], list[Change]]:
    """A BEIR folder, titles joined with their texts as models read them."""
    cleaned, changes = mended(evalset)
    documents, queries, (query, document, grade) = cleaned.documents, cleaned.queries, cleaned.qrels
    for one in (*documents.ids, *queries.ids):
        if one != one.strip() or any(mark in one for mark in _UNSAFE):
            raise HarnessError(f"the id {one!r:.60} has white space that qrels/test.tsv cannot hold. Rename it first.")
    judged = zip(query.tolist(), document.tolist(), grade.tolist(), strict=True)
    lines = [f"{queries.ids[q]}\t{documents.ids[d]}\t{g}" for q, d, g in judged]
    files = {
        "corpus.jsonl": _jsonl({"_id": i, "text": t} for i, t in zip(documents.ids, documents.texts, strict=True)),
        "queries.jsonl": _jsonl({"_id": i, "text": t} for i, t in zip(queries.ids, queries.texts, strict=True)),
        "qrels/test.tsv": "\n".join(["query-id\tcorpus-id\tscore", *lines, ""]),
        "task.yaml": _manifest(cleaned, {"format": "beir", "exclude_self": cleaned.exclude_self}),
    }
    return files, changes


def _rows(evalset: EvalSet, name: str, folders: Sequence[Path]) -> tuple[dict[str, str], list[Change]]:
    """The tables as JSON Lines with the columns as they were, without the rows that are needless."""
    if evalset.type not in TYPES:
        raise HarnessError(f"--fix: of {evalset.type} nothing is unambiguous; mend by hand what harness validate says.")
    source = Path(evalset.source)
    if not source.exists():
        raise HarnessError(f"--fix: {evalset.name} is no set on this machine's disk that could be copied.")
    gone, changes = needless(evalset)
    if not any(gone.values()):
        return {}, merged_lines(evalset.notes)
    splits = splits_of(source)
    files = {
        f"{split}.jsonl": _jsonl(row.values for i, row in enumerate(splits.table(split).rows) if i not in rows)
        for split, rows in gone.items()
    }
    more = {"split": evalset.split, "columns": _columns(name, folders), "settings": dict(evalset.settings)}
    files["task.yaml"] = _manifest(evalset, {key: value for key, value in more.items() if value})
    return files, changes


def _columns(name: str, folders: Sequence[Path]) -> dict[str, str]:
    """How the set's manifest renames columns; nothing for data without one."""
    path = Path(name)
    if path.exists() and path.suffix not in (".yaml", ".yml"):
        path = path / "task.yaml"
        return dict(yaml.safe_load(path.read_text(encoding="utf-8-sig")).get("columns") or {}) if path.is_file() else {}
    where = path if path.is_file() else find_manifest(name, folders)
    return dict(yaml.safe_load(where.read_text(encoding="utf-8-sig")).get("columns") or {})


def _jsonl(rows: Any) -> str:
    return "".join(json.dumps(_without_nul(row), ensure_ascii=False, default=str) + "\n" for row in rows)


def _without_nul(value: Any) -> Any:
    """A row without what no reader takes: NUL bytes and halves of surrogate pairs."""
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "ignore").decode()
    if isinstance(value, Mapping):
        return {key: _without_nul(one) for key, one in value.items()}
    return [_without_nul(one) for one in value] if isinstance(value, list | tuple) else value


def _manifest(evalset: EvalSet, more: Mapping[str, Any]) -> str:
    """What the set's own manifest said of its part in a sweep."""
    said = {key: getattr(evalset, key) for key in _CARRIED}
    plain = {
        key: list(v) if isinstance(v, tuple) else dict(v) if isinstance(v, Mapping) else v for key, v in said.items()
    }
    told = {"name": evalset.name, "type": evalset.type, "path": ".", **more, **{k: v for k, v in plain.items() if v}}
    return yaml.safe_dump(told, sort_keys=False, allow_unicode=True)


def _markdown(name: str, changes: Sequence[Change]) -> str:
    rows = [[plain(cell) for cell in change] for change in changes]
    return f"# Changes to {plain(name)}\n\n{table(Change._fields, rows, ('count',))}\n"


def _csv(changes: Sequence[Change]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Change._fields)
    writer.writerows([guarded(cell) for cell in change] for change in changes)
    return text.getvalue()


def _told(out: Path, changes: Sequence[Change]) -> str:
    lines = [f"  {change.count} x {change.what}: {change.why}" for change in changes]
    return "\n".join(
        [
            f"wrote {shown(out)}: {len(changes)} kinds of changes, listed in changes.md and changes.csv",
            *lines,
            *_left(out),
        ]
    )


def _left(out: Path) -> Iterator[str]:
    """What a person has to mend in the copy."""
    notes = [note for note in examined(opened(str(out), "", [])).notes if note.level != "info"]
    yield from [f"  stays: {note.code} ({note.count})" for note in notes] or ["  nothing else to mend was found"]
