"""mteb's TaskResult files, out and in, and what its registry says of a task."""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from errno import EINVAL
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from harness.adapter import quiet
from harness.leaderboard import Entry
from harness.published import METRICS, Published
from harness.reading import shown
from harness.store import write_atomically
from harness.types import HarnessError, first_line

META = "model_meta.json"
_EXPERIMENTS = "experiments"
_BEFORE_1_11 = "mteb_dataset_name"  # how files from before mteb 1.11 name their task
_SIGNED = ("spearman", "pearson", "p-MRR")
_LONGEST_NAME = 200
_ROUNDING = 1e-6
_SHOWN = 5e-5  # half of the last digit that tables show
_LONGEST_NUMBER = 300  # digits; a float holds no more than 308
_COMMIT = re.compile(r"[0-9a-f]{3,64}")
_EXPECTED = 'a TaskResult, or {model: {task: {"split/subset": {"main_score": 0.5}}}}'
Scores = Mapping[str, Sequence[Mapping[str, Any]]]


class Known(NamedTuple):
    """A task of mteb's registry: its main metric, its data set on the hub and the revision of that, the instruction for
    models that take one, the languages (`deu-Latn`) by subset.
    """

    main: str
    path: str
    revision: str
    instruction: str
    languages: Mapping[str, Sequence[str]]


@cache
def known(task: str) -> Known | None:
    """What mteb's registry says of a task; None for a name that it does not have."""
    quiet()
    from mteb import get_task

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a task that was renamed
            about = get_task(task).metadata
    except KeyError:
        return None
    prompt = about.prompt or ""
    return Known(
        str(about.main_score), str(about.dataset.get("path", "")), str(about.revision),
        prompt if isinstance(prompt, str) else prompt.get("query", ""), about.hf_subsets_to_langscripts,
    )  # fmt: skip


def folder_of(entry: Entry) -> Path:
    """`ORG__NAME/REVISION`, and `experiments/NAME` below it where it is not the plain model, as mteb names them."""
    meta = _meta(entry, {})
    folder = Path(meta.model_name_as_path()) / str(meta.revision)
    return folder / _EXPERIMENTS / meta.experiment_name if meta.experiment_name else folder


def write_meta(folder: Path, entry: Entry, about: Mapping[str, Any]) -> None:
    """The `model_meta.json` of a folder; `about`: further fields of mteb's ModelMeta."""
    text = json.dumps(_meta(entry, about).to_dict(), default=str, indent=2, sort_keys=True)
    write_atomically(folder / META, text.encode())


def write_result(path: Path, task: str, revision: str, scores: Scores, date: str) -> None:
    """A TaskResult; splits and subsets of one that lies there already stay, unless they are given again.

    scores: entries by split. HarnessError where that one is of another revision of the data, or none at all.
    """
    from mteb import TaskResult

    made = TaskResult(
        task_name=task, dataset_revision=revision, mteb_version=_version(), scores=scores, evaluation_time=None,
        date=datetime.fromisoformat(date),
    )  # fmt: skip
    if path.exists():
        try:
            _plain_file(path)
            made = TaskResult.from_disk(path).merge(made)
        except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError, OSError) as error:
            why = _why(error)
            raise HarnessError(f"{shown(path)} cannot take further results ({why}); choose another -o") from error
    with TemporaryDirectory() as folder:
        aside = Path(folder) / "result.json"
        made.to_disk(aside)
        write_atomically(path, aside.read_bytes())


def languages_of(codes: Sequence[str]) -> list[str]:
    """Two-letter codes as mteb's three letters; `und` where none is known, since mteb averages over languages."""
    import mteb.languages

    table = Path(mteb.languages.__file__).with_name("iso_639_1_to_3.json")
    longer = json.loads(table.read_text(encoding="utf-8"))
    return [longer.get(code.partition("-")[0], code) for code in codes] or ["und"]


def read_results(path: Path) -> list[Published]:
    """The results in one file: a TaskResult in the leaderboard's layout, or scores by model, task and split/subset.

    HarnessError for anything else, where a score is not a number from 0 to 1 (correlations: from -1), and where a split
    of a subset has two scores.
    """
    try:
        data = _json(path)
    except OSError as error:
        raise HarnessError(f"{shown(path)} cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise HarnessError(f"{shown(path)} is no JSON, or not all of it ({first_line(error)})") from error
    if isinstance(data, dict) and ("task_name" in data or _BEFORE_1_11 in data):
        found = _of_one_task(path, data)
    else:
        found = list(_listed(path, data))
    if not found:
        raise HarnessError(f"{shown(path)} holds no scores; expected {_EXPECTED}")
    return found


def _json(path: Path) -> Any:
    _plain_file(path)
    return json.loads(path.read_bytes(), parse_int=_whole)


def _plain_file(path: Path) -> None:
    """Reading a pipe would wait for whoever writes to it."""
    if path.exists() and not path.is_file():
        raise OSError(EINVAL, "it is no file")


def _whole(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _why(error: Exception) -> str:
    """The field that mteb refuses, where it says so, and why."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return getattr(error, "strerror", "") or first_line(error)
    refused = error.errors()[0]
    return f"{'.'.join(map(str, refused['loc']))!r:.80}: {refused['msg']}"


def _meta(entry: Entry, about: Mapping[str, Any]) -> Any:
    quiet()
    from mteb.models.model_meta import ModelMeta

    named = {"name": entry.model, "revision": entry.revision, "experiment_kwargs": dict(entry.experiment) or None}
    return ModelMeta.create_empty(named | dict(about))


def _version() -> str:
    from importlib.metadata import version

    return version("mteb")


def _of_one_task(path: Path, data: Mapping[str, Any]) -> list[Published]:
    quiet()
    from mteb import TaskResult

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = TaskResult.from_disk(path) if _BEFORE_1_11 in data else TaskResult.from_dict(dict(data))
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise HarnessError(f"{shown(path)} is no TaskResult that mteb reads: {_why(error)}") from error
    model, source = _model_of(path), shown(path) + _other(result)
    found: dict[tuple[str, str], Published] = {}
    for split, entries in result.scores.items():
        for scores in entries:
            place = result.task_name, split, str(scores["hf_subset"])
            made = _published(path, model, place, scores)._replace(source=source)
            if found.setdefault((split, place[2]), made) != made:
                raise HarnessError(f"{shown(path)} has several scores for {split}/{place[2]}; keep one of them")
    return list(found.values())


def _other(result: Any) -> str:
    """Says that a result is of other data than the registry names today."""
    about, revision = known(result.task_name), str(result.dataset_revision)
    if about is None or revision == about.revision:
        return ""
    told = revision[:7] if _COMMIT.fullmatch(revision) else "unknown"
    return f" (of data revision {told}, not the registry's {about.revision[:7]})"


def _listed(path: Path, data: Any) -> Iterator[Published]:
    for model, task, place, scores in _three_deep(path, data):
        split, slash, subset = place.partition("/")
        if not slash:
            raise HarnessError(f"{shown(path)}: {model}, {task}: {place!r:.60}: expected a key such as test/default")
        yield _published(path, (model, "", ""), (task, split, subset), scores)


def _three_deep(path: Path, data: Any) -> Iterator[tuple[str, str, str, Mapping[str, Any]]]:
    for model, tasks in _mapping(path, data).items():
        for task, places in _mapping(path, tasks).items():
            for place, scores in _mapping(path, places).items():
                yield model, task, place, _mapping(path, scores)


def _mapping(path: Path, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise HarnessError(f"{shown(path)} holds no scores that are known here; expected {_EXPECTED}")
    return value


def _model_of(path: Path) -> tuple[str, str, str]:
    """Model, revision and experiment: from the `model_meta.json` beside a file, else from the names of its folders."""
    folder = path.absolute().parent
    if (folder / META).exists():
        try:
            return _described(_json(folder / META))
        except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
            raise HarnessError(f"{shown(folder / META)} names no model ({first_line(error)})") from error
    experiment, home = (folder.name, folder.parent.parent) if folder.parent.name == _EXPERIMENTS else ("", folder)
    if "__" not in home.parent.name:
        raise HarnessError(
            f"{shown(path)} does not say of which model it is; put it into MODEL__NAME/REVISION/, or {META} beside it"
        )
    return home.parent.name.replace("__", "/"), home.name, experiment


def _described(meta: Mapping[str, Any]) -> tuple[str, str, str]:
    name, revision = meta["name"], meta.get("revision") or ""
    if not isinstance(name, str) or not isinstance(revision, str):
        raise TypeError("name and revision must be texts")
    changed = meta.get("experiment_kwargs") or {}
    return name, revision, ", ".join(f"{key}={value}" for key, value in sorted(changed.items()))


def _published(
    path: Path, model: tuple[str, str, str], place: tuple[str, str, str], scores: Mapping[str, Any]
) -> Published:
    """Checked: names that can be shown, a main score that is one."""
    for name in (*model, *place):
        if len(name) > _LONGEST_NAME or not name.isprintable():
            raise HarnessError(f"{shown(path)}: {name!r:.60} is no name: it is too long, or has control characters")
    if not model[0] or not all(place):
        raise HarnessError(f"{shown(path)} has an empty name of a model, task, split or subset")
    where = f"{shown(path)}: {model[0]}, {place[0]}, {place[1]}/{place[2]}"
    numbers = {k: float(v) for k, v in scores.items() if isinstance(v, int | float) and not isinstance(v, bool)}
    if "main_score" not in numbers:
        raise HarnessError(f"{where} has no main_score that is a number")
    main = _main(where, place[0], numbers)
    kept = {k: numbers[k] for k in METRICS if k in numbers}
    for key, value in kept.items():
        _check(where, key, value, -1 if not main or any(word in main for word in _SIGNED) else 0)
    return Published(*model, *place, main=main, scores=kept, source=shown(path))


def _check(where: str, key: str, value: float, lowest: int) -> None:
    if not math.isfinite(value):
        raise HarnessError(f"{where}: {key} is {value}, which is no score")
    if 1 + _ROUNDING < value <= 100:
        raise HarnessError(f"{where}: {key} is {value:g}: percent? Scores here go from 0 to 1; divide by 100")
    if not lowest - _ROUNDING <= value <= 1 + _ROUNDING:
        raise HarnessError(f"{where}: {key} is {value:g}; expected {lowest} to 1")


def _main(where: str, task: str, numbers: Mapping[str, float]) -> str:
    """The metric of the main score: the registry's; where the file has another value under that name, the one that has
    this value, since main metrics of tasks have changed over time.
    """
    about, score = known(task), numbers["main_score"]
    if about is not None and (about.main not in numbers or abs(numbers[about.main] - score) <= _SHOWN):
        return about.main
    same = next((k for k, v in numbers.items() if v == score and k != "main_score"), "")
    if about is not None and not same:
        raise HarnessError(
            f"{where}: main_score is {score:g}, but {about.main}, the main metric, is {numbers[about.main]:g}, and no "
            "other metric has that score; one of the two is wrong"
        )
    return same
