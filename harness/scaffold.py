"""A filled example to begin with: an eval set of any task type, or a sweep."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

from harness.launch import shipped
from harness.manifests import TYPES
from harness.parts import did_you_mean
from harness.reading import listing, shown
from harness.types import HarnessError

SWEEP = "sweep"
_EXAMPLES = {
    "retrieval": "helpdesk", "reranking": "helpdesk-rerank", "sts": "helpdesk-sts",
    "pair_classification": "helpdesk-pairs", "classification": "helpdesk-intents", "clustering": "helpdesk-topics",
    "bitext": "helpdesk-bitext", "summarization": "helpdesk-summaries",
}  # fmt: skip
_NAME = re.compile(r"\w[\w.-]*")
_EXPERIMENT = """\
# @package _global_
# What this sweep is to find out, in one line.
defaults:
  - override /timing: none                      # remove these two lines to measure speed as well
hydra:
  sweeper:
    params:
      task: helpdesk                            # eval sets, comma-separated: harness list tasks, or your own in tasks/
      model: bm25,wordllama,all-minilm-l6-v2    # harness list models
      dim: full,128
      quantization: float32,int8                # every option of harness run --help may stand here
grid:
  exclude:                                      # combinations to leave out
    - {model: wordllama, dim: 128, quantization: int8}
  only: []                                      # or those to keep, such as {dim: [full]}
policy:
  margin: 0.02                                  # a cheaper candidate may be worse by so much
  limits: {}                                    # such as {query_p95_ms: 20, bytes_per_doc: 1000}: harness run --help
"""


def scaffold(folder: Path, kind: str) -> str:
    """Write a filled example and give what to print: the files, and the commands that come next.

    kind: a task type, whose example fills the folder (`tasks/support`), or `sweep`, an experiment of that name
    (`configs/experiment/nightly` writes nightly.yaml). HarnessError for an unknown kind and for a place that is taken;
    whatever fails, nothing is left behind.
    """
    if kind not in (*TYPES, SWEEP):
        raise HarnessError(f"--type {kind} is not known. {did_you_mean(kind, (*TYPES, SWEEP))}")
    where = Path.cwd() / (folder.with_suffix("") if folder.suffix == ".yaml" else folder)
    if not _NAME.fullmatch(where.name):
        raise HarnessError(f"{folder}: expected a name of letters, digits, -, _ and dots, such as tasks/support.")
    files = {where.with_name(f"{where.name}.yaml"): _EXPERIMENT.encode()} if kind == SWEEP else _copied(where, kind)
    try:
        _check_free(where, kind, files)
    except OSError as error:  # a name too long for the disk, a folder that may not be looked into
        raise HarnessError(f"{str(folder)!r:.80} cannot be written: {error.strerror}. Choose another.") from error
    _write(files)
    lines = [f"wrote {shown(path)}" for path in files]
    return "\n".join([*lines, "", *(_sweep_next(where) if kind == SWEEP else _set_next(where, kind))])


def _copied(where: Path, kind: str) -> dict[Path, bytes]:
    """The example's files by where they go, all but what tells how the example itself was made."""
    example = shipped("tasks") / _EXAMPLES[kind]
    paths = sorted(path for path in example.rglob("*") if path.is_file() and path.name != "README.md")
    return {where / path.relative_to(example): path.read_bytes() for path in paths}


def _check_free(where: Path, kind: str, files: Mapping[Path, bytes]) -> None:
    taken = next((path for path in files if path.exists()), None) if kind == SWEEP else where
    if taken and taken.exists() and (kind == SWEEP or not taken.is_dir() or any(taken.iterdir())):
        held = "" if kind == SWEEP else f": {listing(taken)}"
        raise HarnessError(f"{shown(taken)} is there already{held}. Choose another name.")


def _write(files: Mapping[Path, bytes]) -> None:
    """Write the files and the folders they need; on failure both are gone again."""
    with ExitStack() as undo:
        try:
            for path, content in files.items():
                new = [folder for folder in path.parents if not folder.exists()]
                if new:
                    undo.callback(shutil.rmtree, new[-1], ignore_errors=True)
                    path.parent.mkdir(parents=True)
                undo.callback(_remove, path)
                path.write_bytes(content)
        except OSError as error:
            raise HarnessError(
                f"{shown(path)} cannot be written: {error.strerror}. Nothing was left behind."
            ) from error
        undo.pop_all()


def _remove(path: Path) -> None:
    with suppress(OSError):  # what could not be written may be what cannot be named
        path.unlink()


def _set_next(where: Path, kind: str) -> list[str]:
    models = "bm25,all-minilm-l6-v2" if kind in ("retrieval", "reranking") else "wordllama,all-minilm-l6-v2"
    found = where.parent == Path.cwd() / "tasks"
    moved = [] if found else [f"move {where.name} into a folder tasks/ where you work, so that a run finds it"]
    return [
        "put your own rows into it, as the comments in task.yaml say; then:",
        f"harness validate {shown(where)}",
        *moved,
        f"harness run -m model={models} task={where.name}",
    ]


def _sweep_next(where: Path) -> list[str]:
    found = where.parent == Path.cwd() / "configs" / "experiment"
    moved = [] if found else [f"move {where.name}.yaml into configs/experiment/ where you work, so that a run finds it"]
    return [
        "name your own models and eval sets in it; then:",
        *moved,
        f"harness plan experiment={where.name}",
        f"harness run experiment={where.name}",
    ]
