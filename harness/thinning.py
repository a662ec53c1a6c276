"""Which rows of labelled texts and pairs say nothing: empty ones, and those that say again what another says."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping

from harness.mending import Change, listed
from harness.types import EvalSet, Texts

TYPES = ("sts", "pair_classification", "bitext", "classification", "clustering")
_VALUES = {"sts": "score", "pair_classification": "label"}


def needless(evalset: EvalSet) -> tuple[Mapping[str, set[int]], list[Change]]:
    """By split the rows, from 0, that can go, and the changes that this is. Order and all other rows stay.

    A row goes where a text of it is empty, or where texts and label are those of an earlier row; in sts and
    pair_classification also with the two texts the other way round.
    """
    if evalset.type in ("classification", "clustering"):
        return _labelled(evalset)
    pairs = list(zip(evalset.queries.texts, evalset.documents.texts, strict=True))
    empty = [i for i, pair in enumerate(pairs) if not all(text.strip() for text in pair)]
    if evalset.type == "bitext":
        again = _again(enumerate(pairs))
    else:
        values = evalset.targets[_VALUES[evalset.type]].tolist()
        again = _again((i, (*sorted(pair), value)) for i, (pair, value) in enumerate(zip(pairs, values, strict=True)))
    codes = ("empty-pairs", "duplicate-sentences" if evalset.type == "bitext" else "duplicate-pairs")
    return {evalset.split: {*empty, *again}}, _changes(evalset.queries, codes, (empty, again))


def _labelled(evalset: EvalSet) -> tuple[Mapping[str, set[int]], list[Change]]:
    sides = [(evalset.split, evalset.queries, evalset.targets["label"]), ("train", evalset.documents, None)]
    if evalset.type == "clustering":
        sides = [(evalset.split, evalset.documents, evalset.targets["label"])]
    gone, changes = {}, list[Change]()
    for split, texts, given in sides:
        labels = (evalset.targets["document_label"] if given is None else given).tolist()
        keys = [(text, str(label)) for text, label in zip(texts.texts, labels, strict=True)]
        empty, again = [i for i, text in enumerate(texts.texts) if not text.strip()], _again(enumerate(keys))
        gone[split] = {*empty, *again}
        changes += _changes(texts, ("empty-texts", "duplicate-texts"), (empty, again))
    return gone, changes


def _again(keys: Iterable[tuple[int, Hashable]]) -> list[int]:
    """Positions whose key came before."""
    seen: dict[Hashable, int] = {}
    return [i for i, key in keys if seen.setdefault(key, i) != i]


def _changes(texts: Texts, codes: tuple[str, str], found: tuple[list[int], list[int]]) -> list[Change]:
    whys = ("a text of it is empty", "an earlier row has its texts and its label")
    return [
        Change(code, listed([texts.ids[i] for i in some]), why, len(some))
        for code, some, why in zip(codes, found, whys, strict=True)
        if some
    ]
