"""Published scores: kept beside the sweeps, and set under the rows that were measured here. They decide nothing."""

from __future__ import annotations

import json
import math
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
from harness.wording import metric, signed

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


class _Stored(NamedTuple):
    model: str
    revision: str
    experiment: str
    main: str
    scores: Mapping[str, float]
    source: str
    date: str


class Beside(NamedTuple):
    """Rows to stand beside those of a sweep, and a line about each set, or the store, that has none though it could."""

    rows: list[Row]
    notes: list[str]


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


def read_published(sweep: Sweep) -> Beside:
    """Rows of published results on the public sets of a sweep, best first: status `published`, no timing, no size.

    A set counts by its manifest's `public`, never by its name; a sub-sampled set has none, since its scores are of
    other queries, and so has one whose published main metric is not the one that was measured here. Where the plain
    model was measured too, `reason` has the difference; `warnings` says where a row is from. A store that cannot be
    read gives a note: it never keeps a sweep from being shown.
    """
    path = sweep.folder.parent / FILE
    beside = Beside([], [])
    if not path.exists() or not path.stat().st_size:  # empty: a first import that was killed
        return beside
    try:
        found = _found(path, sweep)
    except HarnessError as error:
        return Beside([], [f"no published results are shown: {error}"])
    for name, results in found.items():
        main = _main(sweep, name)
        fitting = [result for result in results if main and result.main == main]
        beside.rows.extend(_rows(sweep, name, fitting))
        others = {metric(r.main) if r.main else "a metric unnamed" for r in results if r.main != main}
        if main and others:
            about = sweep.manifest["evalsets"][name]
            beside.notes.append(
                f"public: {about['public']} was published by {', '.join(sorted(others))}; {name} ({about['type']}) was "
                f"scored by {metric(main)} here, so these are not shown"
            )
    return beside


def published_rows(sweep: Sweep) -> list[Row]:
    """The rows of `read_published`."""
    return read_published(sweep).rows


def with_published(sweep: Sweep) -> Beside:
    """What tables show: the rows measured here, then the published ones; and why some are not shown."""
    beside = read_published(sweep)
    return Beside([*rows(sweep), *beside.rows], beside.notes)


def _found(path: Path, sweep: Sweep) -> dict[str, list[_Stored]]:
    """What the store has on the whole public sets of a sweep, by the name of the set."""
    found = {}
    with _opened(path, "rw") as db:
        for name, about in sweep.manifest["evalsets"].items():
            if about.get("public") and not about["sample"]:
                wanted = public_name(about["public"])
                stored = db.execute(_GET, (wanted.task, wanted.subset, wanted.split)).fetchall()
                found[name] = [_stored(path, values) for values in stored]
    return found


def _stored(path: Path, values: tuple[Any, ...]) -> _Stored:
    try:
        scores = json.loads(values[4], parse_int=float)
        sound = all(isinstance(value, str) for value in values) and "main_score" in scores
        sound = sound and all(isinstance(v, float) and math.isfinite(v) for v in scores.values())
    except (ValueError, TypeError, AttributeError, RecursionError):
        sound = False
    if not sound:
        raise HarnessError(f"{path} is damaged (a row holds no scores); delete it and import again")
    model, revision, experiment, main, _, source, date = values
    return _Stored(model, revision, experiment, main, scores, source, date)


def _main(sweep: Sweep, task: str) -> str:
    """The metric that a set was scored by here; empty where nothing was."""
    records = [sweep.records.get(v["quality"]) for v in sweep.manifest["variants"] if v["task"] == task]
    return next((str(r.values["main"]) for r in records if r is not None and r.status == "ok"), "")


@contextmanager
def _opened(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    """One transaction; a file that is none of ours, or cannot be written, is a HarnessError."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True)) as db, db:
            yield db
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) == sqlite3.SQLITE_ERROR:  # a statement fails on it
            raise HarnessError(
                f"{path} is no store of published results, or a damaged one ({error}); delete it and import again"
            ) from error
        raise HarnessError(f"{path} cannot be used ({error}); is its disk full, or the file read-only?") from error
    except sqlite3.DatabaseError as error:
        raise HarnessError(f"{path} is damaged ({error}); delete it and import again") from error


def _count(db: sqlite3.Connection) -> int:
    return int(db.execute("select count(*) from scores").fetchone()[0])


def _packed(scores: Mapping[str, float]) -> str:
    return json.dumps(scores, sort_keys=True)


def _rows(sweep: Sweep, name: str, found: Sequence[_Stored]) -> list[Row]:
    measured = _measured(sweep, name)
    about = sweep.manifest["evalsets"][name]
    several = Counter((model, experiment) for model, _, experiment, *_ in found)
    made = []
    for model, revision, experiment, main, values, source, date in found:
        called = model + (f" ({experiment})" if experiment else "")
        called += f" @{revision[:7]}" if revision and several[model, experiment] > 1 else ""
        here = [] if experiment else [v[main] for v in measured.get(model.casefold(), []) if v.get(main) is not None]
        each = dict.fromkeys(f"{score:.4f}, {signed(score - values['main_score'], 4)}" for score in here)
        told = f"measured here {'; '.join(each)}" if each else ""
        made.append(
            dict.fromkeys(KEYS + MORE) | dict(values) | {
                "sweep": sweep.manifest["sweep"], "task": name, "task_type": about["type"], "model": called,
                "status": "published", "main": main, "reason": told, "sample": "",
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
