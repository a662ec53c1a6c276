"""Eval sets: from a manifest in a `tasks` folder to documents, queries and resolved judgements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from harness.manifests import Manifest, checked
from harness.parts import available, did_you_mean, find
from harness.protocols import Format
from harness.reading import listing, shown
from harness.splits import Content, Layout, splits_of
from harness.types import EvalSet, HarnessError, Note, Qrels, RawSet, Texts


def load_task(task: str, folders: Sequence[Path]) -> EvalSet:
    """The eval set of a task name (see `find_manifest`); every mistake in it is a HarnessError."""
    where = find_manifest(task, folders)
    try:
        manifest = yaml.safe_load(where.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise HarnessError(f"{shown(where)} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or error
        raise HarnessError(f"{shown(where)}{line} is not YAML: {problem}.") from error
    if not isinstance(manifest, Mapping):
        raise HarnessError(f"{shown(where)} must hold keys and values such as `path: ./evals/support`.")
    name = where.parent.name if where.name == "task.yaml" else where.stem
    return load({"name": name, **manifest}, where)


def open_evalset(name: str, folders: Sequence[Path]) -> EvalSet:
    """The eval set behind a task name, a manifest file or a folder or file of data (read with `format: auto`)."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        if not path.exists():
            raise HarnessError(f"{name} does not exist")
        return (
            load_task(path.stem, [path.parent])
            if path.name != "task.yaml"
            else load_task(path.parent.name, [path.parent.parent])
        )
    if path.exists() and not any((f / f"{name}.yaml").exists() or (f / name / "task.yaml").exists() for f in folders):
        return load({"name": path.name, "path": str(path.absolute())}, path.absolute())
    return load_task(name, folders)


def find_manifest(task: str, folders: Sequence[Path]) -> Path:
    """The manifest of a task: TASK.yaml or TASK/task.yaml in one of the folders.

    A later folder extends the earlier ones and wins where both define the task. An unknown task is a HarnessError
    with the nearest names of all folders.
    """
    known: dict[str, Path] = {}
    for folder in folders:
        here: dict[str, Path] = {}
        for path in sorted([*folder.glob("*.yaml"), *folder.glob("*/task.yaml")]):
            name = path.parent.name if path.name == "task.yaml" and path.parent != folder else path.stem
            if name in here:
                raise HarnessError(f"{shown(here[name])} and {shown(path)} both define {name}; keep one of them.")
            here[name] = path
        known |= here
    if task not in known:
        looked = ", ".join(shown(folder) for folder in folders)
        raise HarnessError(f"no task named {task!r} in {looked}. {did_you_mean(task, known)}".rstrip())
    return known[task]


def load(manifest: Mapping[str, Any], where: Path) -> EvalSet:
    """The eval set that a manifest describes; `where` is the manifest's file, for relative paths and error lines."""
    said = checked(manifest, where)
    if said.type != "retrieval":
        layout: Layout = find("layouts", said.type)(split=said.split, columns=said.columns, settings=said.settings)
        return _described(said, layout.read(splits_of(said.path)), False)
    name, notes = (said.format, []) if said.format != "auto" else _detected(said.path, where)
    part: Format = find("formats", name)(path=str(said.path), split=said.split, columns=said.columns)
    raw = part.read()
    qrels, judged_notes = _resolved(raw)
    exclude_self, self_notes = _exclude_self(raw, said.exclude_self)
    found = (*notes, *raw.notes, *judged_notes, *self_notes)
    return _described(said, Content(raw.documents, raw.queries, {}, qrels, found), exclude_self)


def _described(said: Manifest, content: Content, exclude_self: bool) -> EvalSet:
    return EvalSet(
        name=said.name, type=said.type, documents=content.documents, queries=content.queries, qrels=content.qrels,
        languages=said.languages, weight=said.weight, guard=said.guard, label_source=said.label_source,
        exclude_self=exclude_self, notes=content.notes, source=shown(said.path), public=said.public,
        instruction=said.instruction, prompts=said.prompts, targets=content.targets, settings=said.settings,
    )  # fmt: skip


def _detected(path: Path, where: Path) -> tuple[str, list[Note]]:
    formats = available("formats")
    claimed = [name for name, part in formats.items() if part.claims(str(path))]  # type: ignore[attr-defined]
    if len(claimed) != 1:
        seen = f"could be {' or '.join(claimed)}" if claimed else f"is no format known here; {listing(path)}"
        raise HarnessError(f"{shown(where)}: {shown(path)} {seen}. Set format to one of {', '.join(formats)}.")
    return claimed[0], [Note("format", "info", shown(path), f"read as {claimed[0]} (format: auto)")]


def _resolved(raw: RawSet) -> tuple[Qrels, list[Note]]:
    """Judgements as positions; -1 where the corpus lacks the document. An unknown query is a HarnessError."""
    queries, documents = _positions(raw.queries), _positions(raw.documents)
    for one in raw.judgements:
        if one.query_id not in queries:
            raise HarnessError(
                f'{one.place} judges a document for query "{one.query_id}", which is not among the '
                f"{len(queries)} queries. {did_you_mean(one.query_id, queries) if len(queries) < 1000 else ''}".rstrip()
                + " Add the query or remove the line."
            )
    table = [(queries[j.query_id], documents.get(j.document_id, -1), j.grade) for j in raw.judgements]
    query, document, grade = np.array(table, dtype=np.int32).reshape(-1, 3).T.copy()
    dangling = [j for j in raw.judgements if j.document_id not in documents]
    notes = []
    if dangling:
        named = ", ".join(dict.fromkeys(f'"{j.document_id}"' for j in dangling[:3]))
        message = f"{len(dangling)} judgements name documents that the corpus lacks, such as {named}"
        fix = "Add the documents to the corpus, or remove the judgements."
        notes.append(Note("dangling-judgements", "warning", dangling[0].place, message, fix=fix, count=len(dangling)))
    if (grade > 0).any() and not ((grade > 0) & (document >= 0)).any():
        raise HarnessError(
            f"{raw.judgements[0].place}: no relevant document is in the corpus (first judged: "
            f'"{raw.judgements[0].document_id}", first in the corpus: "{raw.documents.ids[0]}"). The ids do not match.'
        )
    return Qrels(query, document, grade), notes + _without_relevant(raw.queries, query[grade > 0])


def _positions(texts: Texts) -> dict[str, int]:
    return {name: position for position, name in enumerate(texts.ids)}


def _without_relevant(queries: Texts, answered: Iterable[int]) -> list[Note]:
    left = np.setdiff1d(np.arange(len(queries)), np.asarray(answered))
    if left.size == len(queries):
        raise HarnessError("no query has a relevant document: no judgement has a grade above 0. Check the grades.")
    if not left.size:
        return []
    named = ", ".join(f'"{queries.ids[i]}"' for i in left[:3])
    message = f"{left.size} of {len(queries)} queries have no relevant document and are left out, such as {named}"
    fix = "Judge documents for them, or remove them."
    return [Note("queries-without-relevant", "warning", "", message, fix=fix, count=int(left.size))]


def _exclude_self(raw: RawSet, wanted: bool | None) -> tuple[bool, list[Note]]:
    """Whether a query never retrieves the document of its own id, and why.

    Decided from the data: true when ids are shared and at least half of the pairs that share one have the same text,
    or the query's text stands in the document's (ArguAna, Quora). Files numbered from 1 share ids by accident.
    """
    documents = _positions(raw.documents)
    shared = [(i, documents[name]) for i, name in enumerate(raw.queries.ids) if name in documents]
    if not shared:
        return bool(wanted), []
    pairs = [(_folded(raw.queries.texts[q]), _folded(raw.documents.texts[d])) for q, d in shared]
    alike = sum(query in document for query, document in pairs if query)
    decided = 2 * alike >= len(shared) if wanted is None else wanted
    name = raw.queries.ids[shared[0][0]]
    message = (
        f'{len(shared)} queries have the id of a document, such as "{name}"; {alike} of them have its text. '
        f"exclude_self is {str(decided).lower()} ({'decided from this' if wanted is None else 'set in the manifest'})"
    )
    effect = "a query never retrieves the document of its own id" if decided else "equal ids mean nothing"
    return decided, [Note("exclude-self", "info", "", message, effect, "Set exclude_self to change it.", len(shared))]


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
