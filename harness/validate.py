"""The data doctor: what is wrong with an eval set, what it does to the score, and how to mend it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.archives import in_archive
from harness.evalsets import load, open_evalset
from harness.flaws import search_findings
from harness.manifests import TYPES
from harness.parts import did_you_mean, find
from harness.splits import Layout, splits_of
from harness.types import EvalSet, HarnessError, Note

_ITEMS = {
    "reranking": "queries", "sts": "pairs", "pair_classification": "pairs", "bitext": "sentences",
    "classification": "test texts", "clustering": "texts", "summarization": "texts",
}  # fmt: skip
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
        raise HarnessError(f"{error} (read as retrieval; for another type say --type: {others})") from error


def _tables(path: Path) -> bool:
    """Whether a file or folder could hold a type other than retrieval; an archive never does."""
    if in_archive(path):
        return False
    try:
        splits_of(path)
    except HarnessError:
        return False
    return True


def validate(evalset: EvalSet) -> tuple[Note, ...]:
    """Every finding about an eval set: first those of reading it, then ours, each with its computed effect.

    A finding of the reader that a check makes again, with its effect, appears once and keeps the reader's place.
    """
    found = _found(evalset)
    places = {note.code: note.place for note in evalset.notes if note.place}
    own = {note.code for note in found}
    front = [note for note in evalset.notes if note.code not in own]
    return (*front, *(note._replace(place=note.place or places.get(note.code, "")) for note in found))


def _found(evalset: EvalSet) -> list[Note]:
    judged = search_findings(evalset) if evalset.searched else []
    if evalset.type == "retrieval" or any(note.level == "error" for note in judged):
        return judged
    layout: Layout = find("layouts", evalset.type)()
    return [*judged, *layout.findings(evalset), _count(evalset)]


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


def unchecked(evalset: EvalSet | None = None) -> tuple[str, ...]:
    """What `validate` does not look at, in words for the end of its output."""
    searched = (
        "holes: relevant documents that nobody judged, and labels that favour the engine that found them",
        "whether all queries follow one template",
    )
    plain = ("whether labels are right: who made them, and whether people agree",)
    return (
        "whether the texts are in the declared languages",
        *(searched if evalset is None or evalset.searched else plain),
        "whether a model saw this set in its training: it depends on the model and is in each record",
        "texts over a model's token limit: it depends on the model and is in each record",
    )
