"""Published scores: kept beside the sweeps, and set under the rows that were measured here. They decide nothing."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from harness.leaderboard import entry_of, public_name
from harness.table import KEYS, MORE, Row, Sweep, rows
from harness.types import HarnessError, Unwritable
from harness.wording import signed

FILE = Path("published") / "scores.sqlite"
METRICS = (
    "main_score", "ndcg_at_10", "recall_at_10", "recall_at_100", "mrr_at_10", "map_at_100", "precision_at_10",
    "hit_rate_at_10",
)  # fmt: skip
# One row for each model, revision and experiment on a split of a subset; task first, since tables ask by it.
_TABLE = """create table if not exists scores (
    task text collate nocase, subset text collate nocase, split text collate nocase, model text, revision text,
    experiment text, main text, scores text, source text, date text,
    primary key (task, subset, split, model, revision, experiment)) without rowid"""
_PUT = """insert into scores values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict do update
    set main = excluded.main, scores = excluded.scores, source = excluded.source, date = excluded.date
    where scores <> excluded.scores or main <> excluded.main"""
_GET = """select model, revision, experiment, main, scores, source, date from scores
    where task = ? and subset = ? and split = ?"""


class Published(NamedTuple):
    """Scores of one model on one split of one subset of a public task.

    `revision` and `experiment` are empty where none is named. `main` is the metric of `main_score`, empty where nobody
    says. `scores` has `main_score` and those of `METRICS` that are known, from 0 to 1 (correlations from -1).
    """

    model: str
    revision: str
    experiment: str
    task: str
    split: str
    subset: str
    main: str
    scores: Mapping[str, float]
    source: str


class Kept(NamedTuple):
    """How many results an import added, replaced by others, and found as they were."""

    new: int
    replaced: int
    same: int


def keep(found: Sequence[Published], results_dir: Path) -> Kept:
    """Add results to those kept under a results folder, all of them or none; what has the same names is replaced."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    values = [
        (p.task, p.subset, p.split, p.model, p.revision, p.experiment, p.main, _packed(p.scores), p.source, now)
        for p in found
    ]
    path = results_dir / FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _opened(path, "rwc") as db:
            db.execute("begin immediate")
            db.execute(_TABLE)
            before = _count(db)
            written = db.executemany(_PUT, values).rowcount
            new = _count(db) - before
    except OSError as error:
        raise Unwritable(f"{path.parent} cannot be written ({error.strerror}). Set another --results-dir") from error
    return Kept(new, written - new, len(values) - written)


def published_rows(sweep: Sweep) -> list[Row]:
    """Rows of published results on the public sets of a sweep, best first: status `published`, no timing, no size.

    A set counts by its manifest's `public`, never by its name; a sub-sampled set has none, since its scores are of
    other queries. Where the plain model was measured too, `reason` has the difference in the same metric; `warnings`
    says where a row is from.
    """
    path = sweep.folder.parent / FILE
    if not path.exists() or not path.stat().st_size:  # empty: a first import that was killed
        return []
    sets = {name: about for name, about in sweep.manifest["evalsets"].items() if about.get("public")}
    made: list[Row] = []
    with _opened(path, "rw") as db:
        for name, about in sets.items():
            wanted = public_name(about["public"])
            found = [] if about["sample"] else db.execute(_GET, (wanted.task, wanted.subset, wanted.split)).fetchall()
            made += _rows(sweep, name, found)
    return made


def with_published(sweep: Sweep) -> list[Row]:
    """What tables show: the rows measured here, then the published ones."""
    return [*rows(sweep), *published_rows(sweep)]


@contextmanager
def _opened(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    """One transaction; a file that is none of ours, or cannot be written, is a HarnessError."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True)) as db, db:
            yield db
    except sqlite3.OperationalError as error:
        raise HarnessError(f"{path} cannot be used ({error}); is its disk full, or the file read-only?") from error
    except sqlite3.DatabaseError as error:
        raise HarnessError(f"{path} is damaged ({error}); delete it and import again") from error


def _count(db: sqlite3.Connection) -> int:
    return int(db.execute("select count(*) from scores").fetchone()[0])


def _packed(scores: Mapping[str, float]) -> str:
    return json.dumps(scores, sort_keys=True)


def _rows(sweep: Sweep, name: str, found: Sequence[tuple[str, ...]]) -> list[Row]:
    measured = _measured(sweep, name)
    about = sweep.manifest["evalsets"][name]
    several = Counter((model, experiment) for model, _, experiment, *_ in found)
    made = []
    for model, revision, experiment, main, scores, source, date in found:
        called = model + (f" ({experiment})" if experiment else "")
        called += f" @{revision[:7]}" if revision and several[model, experiment] > 1 else ""
        values = json.loads(scores)
        here = [] if experiment else [v[main] for v in measured.get(model.casefold(), []) if v.get(main) is not None]
        each = dict.fromkeys(f"{score:.4f}, {signed(score - values['main_score'], 4)}" for score in here)
        told = f"measured here {'; '.join(each)}" if each else ""
        made.append(
            dict.fromkeys(KEYS + MORE) | values | {
                "sweep": sweep.manifest["sweep"], "task": name, "task_type": about["type"], "model": called,
                "status": "published", "main": main or None, "reason": told, "sample": "",
                "warnings": [f"from {source}, imported {date[:10]}"],
            }
        )  # fmt: skip
    return sorted(made, key=lambda row: (-row["main_score"], row["model"]))


def _measured(sweep: Sweep, task: str) -> dict[str, list[Mapping[str, Any]]]:
    """What the plain models scored on a set here, by their public name in lower case; several revisions, several times.

    An instruction is the public task's own where the set was named in a run as `mteb/NAME`, without a manifest.
    """
    about = sweep.manifest["evalsets"][task]
    usual = about.get("instruction", "") if about.get("hub") and task.startswith("mteb/") else ""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for variant in sweep.manifest["variants"]:
        record = sweep.records.get(variant["quality"])
        if variant["task"] != task or record is None or record.status != "ok":
            continue
        entry = entry_of(variant, record.provenance.get("candidate", {}), about, usual)
        if not entry.experiment:
            found.setdefault(entry.model.casefold(), []).append(record.values)
    return found
