"""What pages show of queries and documents: kept beside the records, so that a report needs no eval set."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.store import write_atomically
from harness.table import Sweep
from harness.types import Doubles, EvalSet, Ints, Record

FOLDER = "excerpts"
_QUERY, _DOCUMENT, _ID = 300, 240, 80  # characters
_FIRST, _NEAR, _RELEVANT = 3, 10, 3  # documents: with text, with grade, judged relevant
_MOST = 5_000_000  # characters of one eval set


class Excerpt(NamedTuple):
    """Texts of one eval set, as far as `report.query_text` allows them, and its judgements.

    queries: id of a scored item -> its text, shortened, or what stands for it. documents: position in the eval set ->
    (id, text), those among the first of any candidate and those judged relevant. grades: id of an item -> position ->
    grade; of pairs, the other side and the label or score of the two. how: `report.query_text`. left_out: items without
    an entry, for the set has too many texts; candidates differ on them less than on those that have one.
    """

    queries: Mapping[str, str]
    documents: Mapping[int, tuple[str, str]]
    grades: Mapping[str, Mapping[int, float]]
    how: str = "full"
    left_out: int = 0


class _Seen(NamedTuple):
    """What one candidate did: ids of its items, float64 [n] main score, int32 [n, <= 10] first documents."""

    ids: Sequence[str]
    scores: Doubles
    top: Ints


class _Source(NamedTuple):
    """An item's text, and the documents said to belong to it with their grade, best first."""

    text: str
    grades: Mapping[int, float]


def read_excerpts(sweep: Sweep) -> dict[str, Excerpt]:
    """What was kept for a sweep, by eval set.

    Without the sets for which nothing was kept, whose file is damaged, or was kept under another `report.query_text`.
    """
    how = sweep.manifest.get("report", {}).get("query_text")
    found = {}
    for name, about in sweep.manifest["evalsets"].items():
        kept = _read(_path(sweep.folder, about["sha256"]))
        if kept is not None and kept.how == how:
            found[name] = kept
    return found


def keep_excerpts(folder: Path, evalsets: Sequence[EvalSet], records: Iterable[Record], how: str) -> None:
    """Write what pages need of these eval sets into the sweep's folder; what lay there of others goes.

    records: quality records of the sweep; those that are not ok say nothing here. Unwritable where the disk is.
    """
    seen: dict[str, list[_Seen]] = {}
    for record in records:
        if record.status == "ok":  # a record may have been made when its set had another name
            ids = [str(i) for i in record.arrays["query_ids"]]
            scores = np.asarray(record.arrays[record.values["main"]], dtype=np.float64)
            one = _Seen(ids, scores, record.arrays["top"][:, :_NEAR])
            seen.setdefault(record.provenance["data_sha256"], []).append(one)
    kept = {evalset.sha256: evalset for evalset in evalsets if evalset.sha256 in seen}
    for stale in set((folder / FOLDER).glob("*.json.gz")) - {_path(folder, sha) for sha in kept}:
        stale.unlink()
    for sha, evalset in kept.items():
        write_atomically(_path(folder, sha), _packed(_excerpt(evalset, seen[sha], how)))


def _path(folder: Path, data_sha256: str) -> Path:
    return folder / FOLDER / f"{data_sha256[:16]}.json.gz"


def _packed(excerpt: Excerpt) -> bytes:
    return gzip.compress(json.dumps(excerpt._asdict(), sort_keys=True).encode(), mtime=0)


def _read(path: Path) -> Excerpt | None:
    try:
        value = json.loads(gzip.decompress(path.read_bytes()))
        return Excerpt(
            {str(item): str(text) for item, text in value["queries"].items()},
            {int(at): (str(name), str(text)) for at, (name, text) in value["documents"].items()},
            {item: {int(at): float(g) for at, g in known.items()} for item, known in value["grades"].items()},
            str(value["how"]),
            int(value["left_out"]),
        )
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, AttributeError):
        return None


def _excerpt(evalset: EvalSet, seen: Sequence[_Seen], how: str) -> Excerpt:
    """Items on which candidates differ most come first, until there are too many characters."""
    ids, sources, texts = seen[0].ids, _sources(evalset), evalset.documents
    first, tops = (np.concatenate([one.top[:, :k] for one in seen], axis=1) for k in (_FIRST, _NEAR))
    spread = np.ptp([one.scores for one in seen], axis=0)
    queries: dict[str, str] = {}
    documents: dict[int, tuple[str, str]] = {}
    grades: dict[str, dict[int, float]] = {}
    size = 0
    for row in np.argsort(-spread, kind="stable").tolist():
        source = sources.get(ids[row])
        if source is None:  # a group of items, a draw: it has no text of its own
            continue
        best = [at for at, grade in source.grades.items() if grade > 0 or not evalset.searched][:_RELEVANT]
        wanted = {*first[row].tolist(), *best} - {-1, *documents}
        text = _kept(source.text, _QUERY, how)
        new = {at: (_cut(texts.ids[at], _ID), _kept(texts.texts[at], _DOCUMENT, how)) for at in sorted(wanted)}
        near = {*tops[row].tolist(), *best} & source.grades.keys()
        size += len(ids[row]) + len(text) + sum(len(a) + len(b) for a, b in new.values()) + 12 * len(near)
        if size > _MOST:
            break
        queries[ids[row]], grades[ids[row]] = text, {at: source.grades[at] for at in sorted(near)}
        documents |= new
    return Excerpt(queries, documents, grades, how, sum(item in sources for item in ids) - len(queries))


def _kept(text: str, most: int, how: str) -> str:
    if how == "hashed":
        return f"sha256:{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"
    return _cut(" ".join(text.split()), most) if how == "full" else ""


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _sources(evalset: EvalSet) -> dict[str, _Source]:
    """Item id -> its text and what belongs to it; see `harness/layouts` for what the two sides of a type hold."""
    first, second, targets = evalset.queries, evalset.documents, evalset.targets
    if evalset.searched:
        return {i: _Source(t, g) for i, t, g in zip(first.ids, first.texts, _judged(evalset), strict=True)}
    if evalset.type == "clustering":
        return {i: _Source(text, {}) for i, text in zip(second.ids, second.texts, strict=True)}
    if evalset.type == "summarization":  # the item is the text they sum up, which takes no part; people's words stand
        by_text = zip(targets["document_text"].tolist(), second.texts, strict=True)
        return {f"text-{number}": _Source(text, {}) for number, text in reversed(list(by_text))}
    beside: list[dict[int, float]] = [{} for _ in first.ids]
    if evalset.type != "classification":
        label: NDArray[Any] = targets.get("score", targets.get("label", np.ones(len(first))))
        other = targets.get("gold", np.arange(len(first)))
        beside = [{at: value} for at, value in zip(other.tolist(), label.tolist(), strict=True)]
    return {i: _Source(text, one) for i, text, one in zip(first.ids, first.texts, beside, strict=True)}


def _judged(evalset: EvalSet) -> list[dict[int, float]]:
    """For each query its judged documents that are there, highest grade first."""
    found: list[dict[int, float]] = [{} for _ in evalset.queries.ids]
    query, document, grade = evalset.qrels
    for at in np.lexsort((document, -grade)).tolist():
        if document[at] >= 0:
            found[query[at]][int(document[at])] = int(grade[at])
    return found
