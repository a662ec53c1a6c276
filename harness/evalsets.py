"""Eval sets: from a manifest in a `tasks` folder to documents, queries and resolved judgements."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import yaml

from harness.parts import available, did_you_mean, find
from harness.protocols import Format
from harness.reading import listing, shown
from harness.types import EvalSet, HarnessError, Note, Qrels, RawSet, Role, Texts

TYPES = (
    "retrieval", "reranking", "sts", "classification", "clustering", "pair_classification", "bitext", "summarization",
)  # fmt: skip
LABEL_SOURCES = ("bm25-top10", "clicks", "human-pool", "synthetic", "unknown")
KEYS = (
    "name", "type", "format", "path", "split", "columns", "languages", "weight", "guard", "label_source",
    "exclude_self", "public", "instruction", "prompts",
)  # fmt: skip
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


@dataclass(frozen=True)
class Manifest:
    """A manifest, checked. `path` is the file or folder as found; `exclude_self` None means: decide from the data."""

    name: str
    type: str
    format: str
    path: Path
    split: str
    columns: Mapping[str, str]
    languages: tuple[str, ...]
    weight: float
    guard: bool
    label_source: str
    exclude_self: bool | None
    public: str
    instruction: str
    prompts: Mapping[Role, str]


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
    checked = _checked(manifest, where)
    name, notes = (checked.format, []) if checked.format != "auto" else _detected(checked.path, where)
    part: Format = find("formats", name)(path=str(checked.path), split=checked.split, columns=checked.columns)
    raw = part.read()
    qrels, judged_notes = _resolved(raw)
    exclude_self, self_notes = _exclude_self(raw, checked.exclude_self)
    return EvalSet(
        name=checked.name, type=checked.type, documents=raw.documents, queries=raw.queries, qrels=qrels,
        languages=checked.languages, weight=checked.weight, guard=checked.guard, label_source=checked.label_source,
        exclude_self=exclude_self, notes=(*notes, *raw.notes, *judged_notes, *self_notes), source=shown(checked.path),
        public=checked.public, instruction=checked.instruction, prompts=checked.prompts,
    )  # fmt: skip


def _checked(manifest: Mapping[str, Any], where: Path) -> Manifest:
    at = shown(where)
    for key in manifest:
        if key not in KEYS:
            raise HarnessError(f"{at}: unknown key {key!r}. {did_you_mean(str(key), KEYS)}")
    kind = _one_of(manifest, "type", TYPES, "retrieval", at)
    if kind != "retrieval":
        works = ", ".join(sorted({"retrieval", *available("tasktypes")} - {kind}))
        raise HarnessError(f"{at}: type: {kind} cannot be read yet; what works today: {works}.")
    weight = manifest.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < float("inf"):
        raise HarnessError(f"{at}: weight: {weight!r}: expected a number above 0.")
    exclude_self = _one_of(manifest, "exclude_self", ("auto", True, False), "auto", at)
    return Manifest(
        name=_string(manifest, "name", where.stem, at), type=kind,
        format=_one_of(manifest, "format", ("auto", *available("formats")), "auto", at), path=_path(manifest, where),
        split=_string(manifest, "split", "test", at), columns=_columns(manifest, at),
        languages=_languages(manifest, at), weight=float(weight),
        guard=_one_of(manifest, "guard", (True, False), False, at),
        label_source=_one_of(manifest, "label_source", LABEL_SOURCES, "unknown", at),
        exclude_self=None if exclude_self == "auto" else exclude_self,
        public=_optional(manifest, "public", at), instruction=_optional(manifest, "instruction", at),
        prompts=_prompts(manifest, at),
    )  # fmt: skip


def _string(manifest: Mapping[str, Any], key: str, default: str, at: str) -> str:
    value = manifest.get(key, default)
    if not isinstance(value, str) or not value:
        raise HarnessError(f"{at}: {key}: {value!r}: expected text; put numbers in quotes.")
    return value


def _optional(manifest: Mapping[str, Any], key: str, at: str) -> str:
    return _string(manifest, key, "", at) if key in manifest else ""


def _one_of(manifest: Mapping[str, Any], key: str, known: Sequence[Any], default: Any, at: str) -> Any:
    value = manifest.get(key, default)
    # 1 == True in Python, and `guard: 1` is a slip: the type counts too.
    if any(value == k and type(value) is type(k) for k in known):
        return value
    names = [str(k).lower() if isinstance(k, bool) else k for k in known]
    raise HarnessError(f"{at}: {key}: {value!r} is not known. {did_you_mean(str(value), names)}")


def _columns(manifest: Mapping[str, Any], at: str) -> dict[str, str]:
    value = manifest.get("columns") or {}
    if not isinstance(value, Mapping) or not all(isinstance(v, str) for pair in value.items() for v in pair):
        raise HarnessError(f"{at}: columns: {value!r}: expected names such as {{query: question, document: body}}.")
    return dict(value)


def _prompts(manifest: Mapping[str, Any], at: str) -> dict[Role, str]:
    """Texts by role; an empty one is the wish for no prompt."""
    value = manifest.get("prompts") or {}
    if not isinstance(value, Mapping) or not all(isinstance(text, str) for text in value.values()):
        raise HarnessError(f'{at}: prompts: {value!r}: expected texts such as {{query: "query: ", document: ""}}.')
    for role in value:
        if role not in get_args(Role):
            raise HarnessError(f"{at}: prompts: {role!r} is not known. {did_you_mean(str(role), get_args(Role))}")
    return dict(value)


def _languages(manifest: Mapping[str, Any], at: str) -> tuple[str, ...]:
    value = manifest.get("languages") or []
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise HarnessError(f"{at}: languages: {value!r}: expected a list such as [en, de].")
    for code in value:
        # YAML reads the code of Norwegian as false.
        if code is False:
            raise HarnessError(f'{at}: languages: YAML reads no as false; write "no" in quotes.')
        if not isinstance(code, str) or not _LANGUAGE.fullmatch(code):
            raise HarnessError(f"{at}: languages: {code!r} is no language code; expected some such as en.")
    return tuple(value)


def _path(manifest: Mapping[str, Any], where: Path) -> Path:
    given = Path(_optional(manifest, "path", shown(where))).expanduser()
    if "path" not in manifest:
        raise HarnessError(f"{shown(where)} has no path; say where the data lies, for example `path: ./data`.")
    beside = where.parent / given
    if beside.exists() or given.exists():
        return beside if beside.exists() else given
    looked = f"{shown(beside)} does not exist" + ("" if given.is_absolute() else f", nor does {given} from here")
    raise HarnessError(f"{shown(where)}: path: {looked}. In {shown(where.parent)}, {listing(where.parent)}.")


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
