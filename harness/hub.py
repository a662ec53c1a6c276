"""Data of public tasks through mteb's own loaders: from the local cache where it lies there, else from the hub."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.adapter import public_task
from harness.registry import PREFIX
from harness.types import HarnessError, Unavailable, first_line

_PATIENCE_S = 5  # for the first answer of the hub, before which nothing is written
_REFUSED = {
    "GatedRepo": "hands it out to those alone who accept its licence: do so at {page}, then set HF_TOKEN",
    "RepoNotFound": "does not show it: it is gone, or private (then set HF_TOKEN); see {page}",
    "RevisionNotFound": "has it in other revisions only; see {page}",
}
_LOADING_ERRORS = (
    OSError, ValueError, LookupError, RuntimeError, TypeError, AttributeError, ImportError, EOFError,
)  # fmt: skip


def loaded(name: str, subset: str, split: str, say: Callable[[str], None]) -> Any:
    """A task object of mteb with the data of one subset and split (others may be there too).

    A data set that is in the local cache at the task's revision is read from there, without the network. What is not
    there and cannot be fetched is Unavailable; the hub is asked once, briefly, before anything is written. `say` gets a
    line before a download.
    """
    from datasets import config

    with _quietly():
        called, problem = _called(name, subset, split), None
        about = public_task(name).metadata.dataset
        path, revision = str(about["path"]), str(about["revision"])
        if Path(path).exists():
            raise HarnessError(
                f"{PREFIX}{name}: the folder {path} here would be read in place of the hub's. Run elsewhere."
            )
        parts = kept(path, revision)
        if parts:
            with _offline(parts):
                task, problem = _tried(name, subset, split)
            if problem is None:
                return task
        if config.HF_HUB_OFFLINE:
            raise _absent(called, (path, revision), "HF_HUB_OFFLINE is set; unset it to fetch it", problem)
        if refusal := _refusal(path, revision):
            raise _absent(called, (path, revision), refusal, problem)
        say(f"{PREFIX}{name}: fetching {path} from the hub")
        task, problem = _tried(name, subset, split)
        if problem is not None:
            raise _unloadable(name, called, path, problem) from problem
        return task


def _called(name: str, subset: str, split: str) -> str:
    """The name that a line says; test is not named."""
    part = "" if subset == "default" else f"/{subset}"
    return PREFIX + name + part + ("" if split == "test" else f"@{split}")


def kept(path: str, revision: str) -> tuple[str, ...]:
    """The configurations of a data set that the local cache may be asked for; none unless it has this very revision.

    Offline, `datasets` takes the newest that it has, of whatever revision, and mteb takes it for a data set without
    candidates and instructions; so both are settled here.
    """
    newest = _newest(path)
    if not newest or not all(_same(folder.name, revision) for folder in newest.values()):
        return ()
    return tuple(dict.fromkeys((*_declared(path, revision), *newest)))


def _newest(path: str) -> Mapping[str, Path]:
    """The newest folder of each configuration in the cache of `datasets`."""
    from datasets import config
    from datasets.naming import camelcase_to_snakecase

    *owner, name = path.split("/")
    root = Path(config.HF_DATASETS_CACHE) / "___".join([*owner, camelcase_to_snakecase(name)])
    folders = sorted((f for f in root.glob("*/*/*") if f.is_dir()), key=lambda folder: folder.stat().st_mtime)
    return {folder.parts[-3]: folder for folder in folders}


def _same(commit: str, revision: str) -> bool:
    """Whether a commit is the revision asked for, which may be its first letters; a branch says nothing."""
    return len(revision) >= 7 and commit.startswith(revision)


def _declared(path: str, revision: str) -> list[str]:
    """The configurations that the data set's card names, where the card is in the local cache."""
    from datasets.utils.metadata import MetadataConfigs
    from huggingface_hub import DatasetCard, try_to_load_from_cache
    from yaml import YAMLError

    card = try_to_load_from_cache(path, "README.md", revision=revision, repo_type="dataset")
    if not isinstance(card, str):
        return []
    try:
        return list(MetadataConfigs.from_dataset_card_data(DatasetCard.load(card).data))
    except (*_LOADING_ERRORS, YAMLError):  # a damaged card names none
        return []


@contextmanager
def _offline(configurations: tuple[str, ...]) -> Iterator[None]:
    """Keep the hub's libraries off the network, and tell mteb's loader which configurations there are."""
    from datasets import config
    from huggingface_hub import constants
    from mteb.abstasks import retrieval_dataset_loaders as loaders

    before = config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE, loaders.get_dataset_config_names
    config.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE = True
    loaders.get_dataset_config_names = lambda *_, **__: list(configurations)
    try:
        yield
    finally:
        config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE, loaders.get_dataset_config_names = before


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the warnings, log lines and bars of the libraries that load; what they raise is said by us."""
    from datasets import disable_progress_bars
    from huggingface_hub.utils import disable_progress_bars as disable_hub_bars

    disable_progress_bars()
    disable_hub_bars()
    for name in ("mteb", "datasets", "huggingface_hub", "httpx"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _tried(name: str, subset: str, split: str) -> tuple[Any, Exception | None]:
    """A fresh task with its data, and what stopped that, if something did."""
    from datasets.exceptions import DatasetsError
    from httpx import HTTPError
    from polars.exceptions import PolarsError

    task = public_task(name)
    task.hf_subsets = [subset]
    task.filter_eval_splits([split])
    try:
        _check_split(task, subset, split)
        task.load_data()
        if hasattr(task, "convert_v1_dataset_format_to_v2"):
            task.convert_v1_dataset_format_to_v2(None)
    except (*_LOADING_ERRORS, DatasetsError, HTTPError, PolarsError) as error:
        return task, error
    return task, None


def _check_split(task: Any, subset: str, split: str) -> None:
    """HarnessError where judgements lack a split: mteb's loader takes the only one there is for any that is asked."""
    from mteb.abstasks import retrieval_dataset_loaders as loaders
    from mteb.abstasks.retrieval import AbsTaskRetrieval

    if split in task.metadata.eval_splits or type(task).load_data is not AbsTaskRetrieval.load_data:
        return
    path, revision = task.metadata.dataset["path"], task.metadata.dataset["revision"]
    own = (f"{subset}-qrels",) if subset != "default" else ("default", "qrels")
    there = [name for name in own if name in loaders.get_dataset_config_names(path, revision)]
    if split not in loaders.get_dataset_split_names(path, revision=revision, config_name=there[0]):
        scored = ", ".join(task.metadata.eval_splits)
        raise HarnessError(f"{_called(task.metadata.name, subset, split)}: no split {split!r}; mteb scores {scored}")


def _refusal(path: str, revision: str) -> str:
    """Why the hub does not hand out a data set, asked by the head of its card; empty where it does."""
    from datasets import config
    from httpx import HTTPError
    from huggingface_hub import get_session, hf_hub_url
    from huggingface_hub.utils import build_hf_headers

    host = config.HF_ENDPOINT
    url = hf_hub_url(path, "README.md", repo_type="dataset", revision=revision, endpoint=host)
    try:
        answer = get_session().head(url, headers=build_hf_headers(), timeout=_PATIENCE_S)
    except (HTTPError, OSError, ValueError) as error:
        return f"{host} does not answer ({first_line(error)}); try again where there is a network"
    code = answer.headers.get("X-Error-Code", "")
    if answer.status_code < 400 or code == "EntryNotFound":
        return ""
    said = _REFUSED.get(code, f"answers with the status {answer.status_code}; try again later")
    return f"{host} " + said.format(page=f"{host}/datasets/{path}")


def _absent(called: str, wanted: tuple[str, str], why: str, problem: Exception | None) -> Unavailable:
    """What the cache lacks, or what kept it from being read, and why the hub does not help.

    wanted: data set and revision.
    """
    from datasets import config

    path, revision = wanted
    if problem is not None:
        folders = " and ".join(sorted({str(folder.parents[2]) for folder in _newest(path).values()}))
        what = f"{type(problem).__name__}: {_whole(problem)}"
        return Unavailable(
            f"{called}: {path} at {revision[:12]} cannot be read from the local cache, {folders} ({what}); if it is "
            f"damaged, delete that folder and fetch it anew; {why}"
        )
    others = sorted({folder.name for folder in _newest(path).values() if not _same(folder.name, revision)})
    instead = f", which has another revision, {others[0][:12]}" if others else ""
    where = f"the local cache, {config.HF_DATASETS_CACHE}{instead}"
    return Unavailable(f"{called}: {path} at {revision[:12]} is not in {where}; {why}")


def _unloadable(name: str, called: str, path: str, error: Exception) -> HarnessError:
    """The end of a chain of errors says what was wrong; those of `datasets` begin with where it was met."""
    text = first_line(error)
    if "scripts are no longer supported" in text:
        what = f"{path} is a program that loads data, which `datasets` no longer runs"
        return Unavailable(f"{called}: {what}. {_successor(name)}")
    return Unavailable(f"{called}: {path} could not be loaded: {type(error).__name__}: {_whole(error)}")


def _whole(error: Exception) -> str:
    """The first line of an error, with that of the one below it where it says something else."""
    text, cause = first_line(error), error.__cause__ or error.__context__
    return text + (f" ({first_line(cause)})" if cause is not None and first_line(cause) not in text else "")


def _successor(name: str) -> str:
    later = public_task(name).metadata.superseded_by
    return f"Take {PREFIX}{later} in its place." if later else "No task of mteb replaces it."
