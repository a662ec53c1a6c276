"""A copy of a retrieval set with further judgements, as a BEIR folder that is a task of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from harness.reading import listing, shown
from harness.sheet import Graded
from harness.store import write_atomically
from harness.types import EvalSet, HarnessError, Qrels, Texts, Unwritable


class Added(NamedTuple):
    """All judgements of the copy, `new` at their end; `known` rows only repeat what was judged before."""

    qrels: Qrels
    new: int
    relevant: int
    known: int


def with_grades(evalset: EvalSet, graded: Sequence[Graded]) -> Added:
    """The set's judgements and those of a sheet; HarnessError for a row that contradicts a judgement that there is."""
    rows = list(zip(*(column.tolist() for column in evalset.qrels), strict=True))
    before = {(q, d): g for q, d, g in rows}
    for one in graded:
        old = before.get((one.query, one.document), one.grade)
        if old != one.grade:
            raise HarnessError(
                f"{one.place} has grade {one.grade}, but {evalset.name} already says {old} for this pair. Empty the "
                "cell to keep that, or change the label in the set itself."
            )
    new = [(g.query, g.document, g.grade) for g in graded if (g.query, g.document) not in before]
    columns = np.array(rows + new, dtype=np.int32).reshape(-1, 3).T.copy()
    return Added(Qrels(*columns), len(new), sum(g > 0 for *_, g in new), len(graded) - len(new))


def judged_folder(evalset: EvalSet) -> Path:
    """Where the copy goes unless somebody says otherwise: `tasks/NAME-judged`."""
    return Path("tasks") / f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', evalset.name).strip('-.')}-judged"


def write_copy(evalset: EvalSet, qrels: Qrels, folder: Path, source: str = "human-pool") -> None:
    """Write corpus, queries, judgements and, last, the manifest; never over something that is there.

    Judgements of documents that the corpus lacks keep their weight in the score under made-up ids (`absent-1`), since
    an eval set keeps no others. `public` is left out: published scores are of other labels. source: of all labels.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise HarnessError(f"{shown(folder)} is there already: {listing(folder)}. Choose another with -o.")
    lines = _qrels_lines(evalset, qrels)  # made before the first file: a refusal leaves nothing behind
    files = {
        "corpus.jsonl": _jsonl(evalset.documents), "queries.jsonl": _jsonl(evalset.queries), "qrels/test.tsv": lines,
        "task.yaml": yaml.safe_dump(_manifest(evalset, folder, source), sort_keys=False, allow_unicode=True),
    }  # fmt: skip
    try:
        for name, text in files.items():
            write_atomically(folder / name, text.encode())
    except Unwritable as error:
        why = getattr(error.__cause__, "strerror", None) or error
        raise HarnessError(f"{shown(folder)} cannot be written ({why}). Free space, or choose another -o.") from error


def _jsonl(texts: Texts) -> str:
    return "".join(json.dumps({"_id": i, "text": t}) + "\n" for i, t in zip(texts.ids, texts.texts, strict=True))


def _qrels_lines(evalset: EvalSet, qrels: Qrels) -> str:
    queries, documents = evalset.queries.ids, evalset.documents.ids
    taken = set(documents)
    absent = (name for n in count(1) if (name := f"absent-{n}") not in taken)
    lines = ["query-id\tcorpus-id\tscore"]
    for query, document, grade in zip(*(column.tolist() for column in qrels), strict=True):
        name = documents[document] if document >= 0 else next(absent)
        lines.append(f"{_field(queries[query])}\t{_field(name)}\t{grade}")
    return "\n".join(lines) + "\n"


def _field(name: str) -> str:
    if name != name.strip() or any(c in name for c in "\t\n\r"):
        raise HarnessError(f"the id {name!r:.80} has a tab, a line break or a space at an end. Rename it in the set.")
    return name


def _manifest(evalset: EvalSet, folder: Path, source: str) -> dict[str, Any]:
    """What the set's own manifest says of its part in a sweep, with the new labels' source."""
    said: dict[str, Any] = {
        "name": folder.name, "type": "retrieval", "format": "beir", "path": ".",
        "languages": list(evalset.languages), "weight": evalset.weight, "guard": evalset.guard,
        "label_source": source, "exclude_self": evalset.exclude_self,
    }  # fmt: skip
    said |= {"instruction": evalset.instruction} if evalset.instruction else {}
    return said | ({"prompts": dict(evalset.prompts)} if evalset.prompts else {})
