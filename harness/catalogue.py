"""What can be named on the command line: models, tasks, and the YAMLs and parts of every kind."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import yaml

from harness.hub import kept
from harness.launch import shipped, yamls
from harness.manifests import TYPES
from harness.parts import ROOMS, available, did_you_mean
from harness.registry import PREFIX, Entry, Registry, registry, slug
from harness.types import HarnessError

# Groups of configs/ whose parts lie in a room of another name; the others are called by their plural.
_ROOM_OF = {"quantization": "quantizers", "index": "indexes", "policy": "policies"}
_TASKS = "tasks"
_WRITTEN = {
    "encoders": "_target_ of a YAML in configs/model/",
    "formats": "format: NAME in an eval set's manifest",
    "rerankers": "retriever.reranker=NAME",
}


def listing(what: str | None) -> str:
    """The names of one kind with a line each; without a kind, all kinds with how many there are of each.

    A kind is a group of configs/ by its own name, its plural or that of its room (quantization, quantizers), tasks, or
    a room without a group (metrics, formats).
    """
    kinds = _kinds()
    if what is None:
        counts = {kind: len(_named(kind, group)) for kind, group in kinds.items()}
        usage = {kind: f"{group}=NAME" for kind, group in kinds.items() if group} | _WRITTEN
        lines = [f"  {kind:12} {count:4}  {usage.get(kind, '')}".rstrip() for kind, count in counts.items()]
        return "\n".join([*lines, "", "harness list KIND names them", _PUBLIC])
    called = {group: kind for kind, group in kinds.items() if group} | {kind: kind for kind in kinds}
    if what not in called:
        raise HarnessError(f"nothing to list under {what!r}. {did_you_mean(what, [*called, 'task'])}")
    named = _named(called[what], kinds[called[what]])
    return "\n".join(f"  {name:40} {_about(one)}".rstrip() for name, one in named.items())


_PUBLIC = "public tasks: harness list benchmarks, harness list tasks --type sts --language de"


class Wanted(NamedTuple):
    """Which tasks to list: of a type of ours, with a language (two letters or three), of a benchmark.

    everything: also what mteb lists and we cannot run, with the reason.
    """

    type: str = ""
    language: str = ""
    benchmark: str = ""
    everything: bool = False


class Listed(NamedTuple):
    """One task as it is listed. languages: three-letter codes; here: its data lies on this machine."""

    name: str
    type: str
    languages: Sequence[str]
    main_score: str
    licence: str
    here: bool
    refusal: str


def tasks_text(folder: Path, wanted: Wanted, as_json: bool = False) -> str:
    """Eval sets of this machine, then those of mteb's registry, which is kept in `folder`; a line each, or JSON.

    HarnessError for a type, language or benchmark that is not known, and where nothing is left.
    """
    rows = tasks(folder, wanted)
    if as_json:
        return json.dumps([row._asdict() for row in rows], ensure_ascii=False, indent=1)
    return "\n".join(
        f"  {row.name:52} {row.type:20} {_spoken(row.languages):24} {row.main_score:16} "
        f"{row.refusal or ('here' if row.here else 'on the hub')}"
        for row in rows
    )


def tasks(folder: Path, wanted: Wanted) -> list[Listed]:
    """What `tasks_text` lists."""
    known = registry(folder)
    if wanted.type and wanted.type not in TYPES:
        raise HarnessError(f"type {wanted.type!r} is not known. {did_you_mean(wanted.type, TYPES)}")
    found = [*([] if wanted.benchmark else _own(known)), *map(_public, _entries(wanted.benchmark, known))]
    code = known.code(wanted.language) if wanted.language else ""
    rows = [
        row
        for row in found
        if (not wanted.type or row.type == wanted.type)
        and (not code or code in row.languages)
        and (wanted.everything or not row.refusal)
    ]
    if not rows:
        raise HarnessError("no task is of this type, in this language and of this benchmark; leave one of them out")
    return rows


def benchmarks_text(folder: Path, as_json: bool = False) -> str:
    """mteb's benchmarks by the name to call them by, each with its own name and how many of its tasks run here."""
    known = registry(folder)
    ordered = sorted(known.benchmarks.values(), key=lambda one: one.name.casefold())
    tasks_in = {one.name: [portion.task for portion in one.portions] for one in ordered}
    run = {name: sum(not known.tasks[task].refusal for task in some) for name, some in tasks_in.items()}
    if as_json:
        rows = [
            {"name": PREFIX + slug(name), "title": name, "tasks": some, "runnable": run[name]}
            for name, some in tasks_in.items()
        ]
        return json.dumps(rows, ensure_ascii=False, indent=1)
    return "\n".join(
        f"  {PREFIX + slug(name):36} {name:28} {run[name]:4} of {len(some)} tasks" for name, some in tasks_in.items()
    )


def _own(known: Registry) -> Iterator[Listed]:
    for path in {_task_name(path): path for path in _tasks()}.values():
        try:
            said = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError):
            continue  # `harness list tasks` is not where a broken manifest is mended
        if isinstance(said, dict):
            codes = [known.longer.get(str(code), str(code)) for code in said.get("languages") or []]
            yield Listed(_task_name(path), str(said.get("type", "retrieval")), codes, "", "", True, "")


def _entries(benchmark: str, known: Registry) -> list[Entry]:
    if not benchmark:
        return list(known.tasks.values())
    found = known.benchmark(benchmark.removeprefix(PREFIX))
    if found is None:
        names = [*map(slug, known.benchmarks), *known.benchmarks]
        raise HarnessError(f"mteb has no benchmark {benchmark!r}. {did_you_mean(benchmark, names)}")
    return [known.tasks[portion.task] for portion in found.portions]


def _public(entry: Entry) -> Listed:
    here = bool(kept(entry.path, entry.revision))
    kind = entry.type or entry.mteb_type
    return Listed(PREFIX + entry.name, kind, entry.languages, entry.main_score, entry.licence, here, entry.refusal)


def _spoken(codes: Sequence[str]) -> str:
    return " ".join(codes) if len(codes) <= 5 else f"{len(codes)} languages"


def _kinds() -> dict[str, str]:
    """Kinds by their plural, each with its group of configs/; rooms without one have an empty group."""
    folders = (shipped("configs"), Path.cwd() / "configs")
    groups = {path.name for folder in folders if folder.is_dir() for path in folder.iterdir() if yamls(path.name)}
    first = ["model", *sorted(groups - {"model"})]
    named = {_ROOM_OF.get(group, f"{group}s"): group for group in first}
    return {"models": "model", _TASKS: "task"} | named | {room: "" for room in ROOMS if room not in named}


def _named(kind: str, group: str) -> Mapping[str, Path | type]:
    """The YAMLs of a group, or the parts of a room, by name."""
    if kind == _TASKS:
        return {_task_name(path): path for path in _tasks()}  # a later folder wins, as in a run
    return dict(sorted(yamls(group).items())) if group else available(kind)


def _tasks() -> list[Path]:
    folders = dict.fromkeys([shipped(_TASKS).resolve(), (Path.cwd() / _TASKS).resolve()])
    return [path for folder in folders for path in sorted([*folder.glob("*.yaml"), *folder.glob("*/task.yaml")])]


def _task_name(path: Path) -> str:
    return path.parent.name if path.name == "task.yaml" else path.stem


def _about(one: Path | type) -> str:
    """A line on a YAML: facts of a model or eval set, else its first comment, else what its part says of itself."""
    if isinstance(one, type):
        return _first_sentence(one.__doc__ or "")
    try:
        text = one.read_text(encoding="utf-8")
        node = yaml.safe_load(text) or {}
    except (yaml.YAMLError, UnicodeDecodeError):
        return "(not YAML)"
    card = node.get("card") or {} if isinstance(node, dict) else None
    if not isinstance(card, dict):
        return "(not a node: expected names and values)"
    facts = [node.get("id"), card.get("licence"), card.get("dims") and f"{card['dims']} dims", node.get("type")]
    if facts[0] not in (None, "???") or facts[-1]:
        return "  ".join(str(fact) for fact in facts if fact)
    plain = ", ".join(f"{key}: {value}" for key, value in node.items() if isinstance(value, str | int | float))
    return _comment(text) or _part_of(str(node.get("_target_", ""))) or plain


def _comment(text: str) -> str:
    """What the comment at the top begins with, without hydra's own."""
    top = list(takewhile(lambda line: line.startswith("#"), text.splitlines()))
    return _first_sentence(" ".join(line.lstrip("# ") for line in top if "@package" not in line))


def _part_of(target: str) -> str:
    """What the docstring of a part of ours begins with; a foreign package's code is not run for a list."""
    room, _, name = target.removeprefix("harness.").rpartition(".")[0].partition(".")
    known = available(room) if room in ROOMS else {}
    return _about(known[name]) if name in known else ""


def _first_sentence(text: str) -> str:
    paragraph = " ".join(text.strip().partition("\n\n")[0].split())
    return re.split(r"(?<=\.) (?=[A-Z`])", paragraph)[0]
