"""Eval sets: from a manifest in a `tasks` folder to documents, queries and resolved judgements."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from harness.archives import beir_folder, in_archive
from harness.complaints import renamed
from harness.judgements import positions, resolved
from harness.manifests import Manifest, checked
from harness.parts import available, did_you_mean, find
from harness.protocols import Format
from harness.public import load_public
from harness.reading import listing, shown
from harness.registry import PREFIX, kept_registry
from harness.splits import Content, Layout, splits_of
from harness.types import EvalSet, HarnessError, Note, RawSet

CACHE = Path("results/store/evalsets")
_PUBLIC_BRINGS = ("format", "split", "columns", "exclude_self", "public", "settings")
_PUBLIC_LEAVES = ("languages", "weight", "guard", "label_source", "instruction", "prompts")


def load_task(
    task: str, folders: Sequence[Path], cache: Path = CACHE, say: Callable[[str], None] = lambda _: None
) -> EvalSet:
    """The eval set of a task name (see `find_manifest`) or of BEIR (`beir/scifact`); a mistake is a HarnessError.

    `cache` is the folder for what is unpacked and downloaded, `say` gets lines while a download goes on.
    """
    if task.startswith("beir/"):
        return _of_beir(task, cache, say)
    if task.startswith(PREFIX):
        return load_public(task, say)
    where = find_manifest(task, folders, cache.parent / "registry")
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
    return load({"name": name, **manifest}, where, cache)


def open_evalset(
    name: str, folders: Sequence[Path], cache: Path = CACHE, say: Callable[[str], None] = lambda _: None
) -> EvalSet:
    """The eval set behind a task name, a manifest file or data (a folder, file or zip, read with `format: auto`)."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        if not path.exists():
            raise HarnessError(f"{name} does not exist")
        return (
            load_task(path.stem, [path.parent], cache)
            if path.name != "task.yaml"
            else load_task(path.parent.name, [path.parent.parent], cache)
        )
    zipped = in_archive(path)
    named = any((f / f"{name}.yaml").exists() or (f / name / "task.yaml").exists() for f in folders)
    if (path.exists() or zipped) and not named:
        called = path.stem if zipped else path.name
        return load({"name": called, "path": str(path.absolute())}, path.absolute(), cache)
    return load_task(name, folders, cache, say)


def find_manifest(task: str, folders: Sequence[Path], listed: Path | None = None) -> Path:
    """The manifest of a task: TASK.yaml or TASK/task.yaml in one of the folders.

    A later folder extends the earlier ones and wins where both define the task. An unknown task is a HarnessError
    with the nearest names of all folders; `listed` is where mteb's registry may be kept, to know a public set by.
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
        public = _public_names(task, listed)
        near = f"Did you mean {' or '.join(public)}?" if public else did_you_mean(task, known)
        hint = near if public else f"{near} Public sets are called mteb/NAME and beir/NAME.".lstrip()
        raise HarnessError(f"no task named {task!r} in {looked}. {hint}")
    return known[task]


def _public_names(task: str, listed: Path | None) -> list[str]:
    """What a name without `mteb/` or `beir/`, or with that in capitals, may stand for."""
    from harness.beirsets import names

    source, _, rest = task.partition("/")
    if source.casefold() == "mteb":
        return [PREFIX + rest] if rest else []
    entry = known.task(task) if listed and (known := kept_registry(listed)) else None
    plain = (rest if source.casefold() == "beir" else task).casefold()
    ours = [f"{PREFIX}{entry.name}"] if entry else []
    return [*ours, *(name for name in names() if name == f"beir/{plain}")]


def load(manifest: Mapping[str, Any], where: Path, cache: Path = CACHE) -> EvalSet:
    """The eval set that a manifest describes; `where` is the manifest's file, for relative paths and error lines."""
    said = checked(manifest, where)
    noted = _public_notes(said, where, cache.parent / "registry")
    found = _loaded(said, manifest, where, cache)
    return replace(found, notes=(*found.notes, *noted)) if noted else found


def _public_notes(said: Manifest, where: Path, listed: Path) -> list[Note]:
    """Whether mteb has the public set that this is said to be; HarnessError where it is of another type there.

    Nothing where mteb's registry is not at hand: it takes seconds to ask.
    """
    known = kept_registry(listed) if said.public else None
    if known is None:
        return []
    name = re.split("[/@]", said.public)[0]
    entry = known.task(name)
    if entry is None:
        message = f"public: {said.public}: mteb has no task {name!r}. {did_you_mean(name, known.tasks)}"
        return [Note("public-unknown", "warning", shown(where), message, "no published scores are shown beside it")]
    if entry.type and entry.type != said.type:
        raise HarnessError(f"{shown(where)}: public: {name} is {entry.type} at mteb; this set is {said.type}.")
    return []


def _loaded(said: Manifest, manifest: Mapping[str, Any], where: Path, cache: Path) -> EvalSet:
    if str(said.path).startswith(PREFIX) and not said.path.exists():
        return _of_mteb(said, manifest, where)
    if said.type != "retrieval":
        layout: Layout = find("layouts", said.type)(split=said.split, columns=said.columns, settings=said.settings)
        return _described(said, layout.read(splits_of(said.path)), False)
    path = beir_folder(said.path, cache) if in_archive(said.path) else said.path
    with _named(path, said.path, cache):
        name, notes = (said.format, []) if said.format != "auto" else _detected(path, where)
        part: Format = find("formats", name)(path=str(path), split=said.split, columns=said.columns)
        raw = part.read()
        qrels, judged_notes = resolved(raw)
    exclude_self, self_notes = _exclude_self(raw, said.exclude_self)
    said_of = (*notes, *raw.notes, *judged_notes, *self_notes)
    found = tuple(note._replace(place=_as_given(note.place, path, said.path, cache)) for note in said_of)
    return _described(said, Content(raw.documents, raw.queries, {}, qrels, found), exclude_self)


@contextmanager
def _named(folder: Path, path: Path, cache: Path) -> Iterator[None]:
    """Errors about what was unpacked to `folder` name the archive that `path` is in, not the cache."""
    try:
        yield
    except HarnessError as error:
        if folder == path:
            raise
        error.args = (_as_given(str(error), folder, path, cache),)
        raise
    finally:
        renamed(lambda line: _as_given(line, folder, path, cache))


def _as_given(text: str, folder: Path, path: Path, cache: Path) -> str:
    """A text with the archive that `path` is in where it says the folder that this was unpacked to."""
    if folder == path or not (found := in_archive(path)):
        return text
    unpacked = cache / folder.relative_to(cache).parts[0]
    return text.replace(str(unpacked), shown(found[0])).replace(shown(unpacked), shown(found[0]))


def _of_beir(task: str, cache: Path, say: Callable[[str], None]) -> EvalSet:
    from harness.beirsets import fetched

    found = fetched(task, cache, say)
    evalset = load(found.manifest, found.archive, cache)
    return replace(evalset, notes=(found.licence, *evalset.notes))


def _of_mteb(said: Manifest, manifest: Mapping[str, Any], where: Path) -> EvalSet:
    """A public set with what the manifest says of its part in a sweep; what belongs to the data is mteb's."""
    if settled := [key for key in _PUBLIC_BRINGS if key in manifest]:
        raise HarnessError(f"{shown(where)}: {settled[0]}: {said.path} brings its own; remove that key.")
    found = load_public(str(said.path))
    if manifest.get("type", found.type) != found.type:
        raise HarnessError(f"{shown(where)}: type: {said.type}: {said.path} is {found.type}; remove that key.")
    given = {key: getattr(said, key) for key in _PUBLIC_LEAVES if key in manifest}
    return replace(found, name=said.name, **given)


def _described(said: Manifest, content: Content, exclude_self: bool) -> EvalSet:
    return EvalSet(
        name=said.name, type=said.type, documents=content.documents, queries=content.queries, qrels=content.qrels,
        languages=said.languages, weight=said.weight, guard=said.guard, label_source=said.label_source,
        exclude_self=exclude_self, notes=content.notes, source=shown(said.path), public=said.public,
        instruction=said.instruction, prompts=said.prompts, targets=content.targets, settings=said.settings,
        split=said.split,
    )  # fmt: skip


def _detected(path: Path, where: Path) -> tuple[str, list[Note]]:
    formats = available("formats")
    claimed = [name for name, part in formats.items() if part.claims(str(path))]  # type: ignore[attr-defined]
    if len(claimed) != 1:
        seen = f"could be {' or '.join(claimed)}" if claimed else f"is no format known here; {listing(path)}"
        raise HarnessError(f"{shown(where)}: {shown(path)} {seen}. Set format to one of {', '.join(formats)}.")
    return claimed[0], [Note("format", "info", shown(path), f"read as {claimed[0]} (format: auto)")]


def _exclude_self(raw: RawSet, wanted: bool | None) -> tuple[bool, list[Note]]:
    """Whether a query never retrieves the document of its own id, and why.

    Decided from the data: true when ids are shared and at least half of the pairs that share one have the same text,
    or the query's text stands in the document's (ArguAna, Quora). Files numbered from 1 share ids by accident.
    """
    documents = positions(raw.documents)
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
    effect = "a query never retrieves the document of its own id" if decided else "none: equal ids mean nothing"
    return decided, [Note("exclude-self", "info", "", message, effect, "Set exclude_self to change it.", len(shared))]


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
