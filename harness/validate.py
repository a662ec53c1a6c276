"""The data doctor: what is wrong with an eval set, what it does to the score, and how to mend it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from harness.archives import in_archive
from harness.breakage import broken_rows
from harness.complaints import Broken
from harness.evalsets import load, open_evalset
from harness.flaws import search_findings, text_findings
from harness.manifests import TYPES
from harness.parts import did_you_mean, find
from harness.places import Places
from harness.splits import Layout, splits_of
from harness.types import EvalSet, HarnessError, Note

_ITEMS = {
    "reranking": "queries", "sts": "pairs", "pair_classification": "pairs", "bitext": "sentences",
    "classification": "test texts", "clustering": "texts", "summarization": "texts",
}  # fmt: skip
LEVELS = ("error", "warning", "info")
_SHARES = ("bitext", "classification")  # an item is right or wrong


def opened(name: str, kind: str, folders: Sequence[Path]) -> EvalSet:
    """The eval set behind a task name, a manifest or its folder, or data without one whose task type is `kind`.

    Data without a manifest and without a `kind` is read as retrieval; where that fails and there are tables that
    another type could be read from, the HarnessError says that the type can be named.
    """
    path = Path(name)
    if kind and kind not in TYPES:
        raise HarnessError(f"--type {kind} is no task type. {did_you_mean(kind, TYPES)}")
    manifest = path / "task.yaml"
    bare = path.exists() and not manifest.is_file() and path.suffix not in (".yaml", ".yml")
    if kind and not bare:
        raise HarnessError(f"{name}: --type is for data without a manifest; here the manifest says it.")
    if kind:
        return load({"name": path.name, "path": str(path.absolute()), "type": kind}, path.absolute())
    try:
        return open_evalset(str(manifest) if manifest.is_file() else name, folders)
    except HarnessError as error:
        if not bare or not _tables(path):
            raise
        others = ", ".join(one for one in TYPES if one != "retrieval")
        hint = f"{error} (read as retrieval; for another type say --type: {others})"
        raise (Broken(hint, error.code) if isinstance(error, Broken) else HarnessError(hint)) from error


def _tables(path: Path) -> bool:
    """Whether a file or folder could hold a type other than retrieval; an archive never does."""
    if in_archive(path):
        return False
    try:
        splits_of(path)
    except HarnessError:
        return False
    return True


class Examined(NamedTuple):
    """What the doctor found, the worst of it first among equals in the order of the checks, and what it left out."""

    notes: tuple[Note, ...]
    unchecked: tuple[str, ...]

    @property
    def level(self) -> str:
        """The worst level: error, warning, info, or none."""
        levels = {note.level for note in self.notes}
        return next((level for level in LEVELS if level in levels), "none")


def validate(evalset: EvalSet) -> tuple[Note, ...]:
    """Every finding about an eval set, see `examined`."""
    return examined(evalset).notes


def examined(evalset: EvalSet) -> Examined:
    """First the findings of reading the set, then ours, each with its place, its computed effect, and an example.

    A finding of the reader that a check makes again, with its effect, appears once and keeps the reader's place.
    """
    return placed(evalset, *checked(evalset))


def placed(evalset: EvalSet, found: Sequence[Note], left: Sequence[str]) -> Examined:
    """What `checked` gives, with the reader's findings before it and lines in the place of names."""
    read = {note.code: note for note in evalset.notes if note.place}
    own, places = {note.code for note in found}, Places(evalset)
    front = [places.of(_told(note)) for note in evalset.notes if note.code not in own]
    joined = [note._replace(place=read[note.code].place) if note.code in read else places.of(note) for note in found]
    return Examined((*front, *joined), tuple(left))


def _told(note: Note) -> Note:
    return note if note.effect else note._replace(effect="none: it says how the set was read")


def checked(evalset: EvalSet) -> tuple[list[Note], list[str]]:
    """Our findings, which depend on the content, languages and label source alone, and what was not checked."""
    found, left = search_findings(evalset) if evalset.searched else ([], [])
    if not any(note.level == "error" for note in found):
        if evalset.type != "retrieval":
            layout: Layout = find("layouts", evalset.type)()
            found = [*found, *layout.findings(evalset), _count(evalset)]
        texts, untold = text_findings(evalset)
        found, left = [*found, *texts], [*left, *untold]
    return found, [*left, *_elsewhere(evalset)]


def inspected(name: str, kind: str, folders: Sequence[Path]) -> tuple[str, str, Examined]:
    """A headline, the name of the eval set, and what is found in it; where it cannot be read, every reason.

    HarnessError where nothing lies there, and Unavailable, pass through: those are no findings about data.
    """
    try:
        evalset = opened(name, kind, folders)
    except Broken as error:
        notes = broken_rows(error, lambda: opened(name, kind, folders))
        left = ("everything else: the set is read once its errors are mended",)
        called = Path(name).name.removesuffix(".yaml")
        return f"{called}: cannot be read", called, Examined(notes, left)
    return f"{evalset.name}: {headline(evalset)}", evalset.name, examined(evalset)


def _count(evalset: EvalSet) -> Note:
    """How many items there are; what they can tell depends on the candidates, whose differences are not known here."""
    items, what = evalset.scored, _ITEMS[evalset.type]
    step = f"one more that is right adds {1 / items:.4f} to the accuracy; " if evalset.type in _SHARES else ""
    effect = f"{step}which difference is seen depends on how candidates differ; each comparison of a run says it"
    return Note("power", "info", "", f"{items} {what} are scored", effect, count=items)


def headline(evalset: EvalSet) -> str:
    """How much there is of what, by the type of the set."""
    queries, documents = len(evalset.queries), len(evalset.documents)
    judged, targets = len(evalset.qrels.grade), evalset.targets
    if evalset.type == "classification":
        return f"{queries} test texts, {documents} training texts, {_classes(evalset)} labels"
    if evalset.type == "clustering":
        levels = targets["label"].shape[1]
        return f"{documents} texts, {_classes(evalset)} labels" + (f" on {levels} levels" if levels > 1 else "")
    return {
        "retrieval": f"{documents} documents, {queries} queries, {judged} judgements",
        "reranking": f"{queries} queries, {documents} candidates, {judged} judgements",
        "bitext": f"{queries} sentences, {documents} to find their translations among",
        "summarization": f"{evalset.scored if targets else 0} texts, {queries} machine and {documents} human summaries",
    }.get(evalset.type, f"{queries} pairs")


def _classes(evalset: EvalSet) -> str:
    """How many labels occur, level by level."""
    levels = evalset.targets["label"].reshape(len(evalset.targets["label"]), -1).T
    return ", ".join(str(len({*level.tolist()} - {-1})) for level in levels)


def _elsewhere(evalset: EvalSet) -> list[str]:
    """What depends on a model or on people, in words for the end of the output."""
    public = (
        f"it is public as {evalset.public}" if evalset.public else "it may be public (public: NAME in the manifest)"
    )
    labels = "whether labels are right: who made them, and whether people agree"
    if evalset.searched:
        labels = "whether relevant documents are missing from the labels: harness pool finds some"
    return [
        labels,
        f"whether a model saw this set in its training: {public}; see training_sets in its card, and each record",
        "texts over a model's own limit: exact for each model in its record",
    ]
