"""Hydra glue: from command-line words to the composed configuration of every job. Nothing runs here."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness.parts import did_you_mean
from harness.timingoptions import RENAMED, renamed
from harness.types import HarnessError


class Job(NamedTuple):
    """One combination: plain resolved config, chosen YAML of each group, and the words that made it."""

    config: dict[str, Any]
    choices: dict[str, str]
    overrides: tuple[str, ...]


def shipped(folder: str) -> Path:
    """`configs` or `tasks`: inside the package when installed from a wheel, beside it in a checkout."""
    inside = Path(__file__).parent / folder
    return inside if inside.is_dir() else Path(__file__).parent.parent / folder


def compose(words: Sequence[str]) -> list[Job]:
    """All jobs of a run or multirun; hydra's own errors become one HarnessError line with the nearest names.

    Every run is a multirun here, so all jobs reach one launcher as one batch, and a file under
    configs/experiment with `hydra.sweeper.params` needs no flag.
    """
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    jobs: list[Job] = []
    given = _late([w for w in words if w not in ("-m", "--multirun")])
    if flags := [w for w in given if w.startswith("-")]:
        raise HarnessError(f"no option {flags[0]}. Options are written NAME=VALUE; see harness run --help")
    GlobalHydra.instance().clear()
    try:
        _check_hydra_node(given)
        _hydra_app([*given, "--multirun"], jobs)
    except (HydraException, OmegaConfBaseException, ValueError) as error:  # ValueError: a number for a YAML's name
        raise _one_line(error, words) from error
    except YAMLError as error:
        raise HarnessError(f"a file under configs/ is not YAML: {' '.join(str(error).split())}") from error
    _check_experiment(jobs[0].choices.get("experiment", "None"))
    _check_folders(jobs)
    if any(job.config["trusted"] for job in jobs) and not any(w.startswith("trusted=") for w in given):
        raise HarnessError("trusted: a YAML cannot trust packages by itself; add trusted=[...] to the command")
    return jobs


def _late(words: Sequence[str]) -> list[str]:
    """Values inside a group whose YAMLs are swept as a choice of one, which hydra sets in each job and not before.

    Set before, they would have to fit the default YAML whatever the sweep chooses.
    """
    pairs = [word.partition("=") for word in words]
    swept = {key for key, _, value in pairs if key in _PART_GROUPS and ("," in value or _SWEEP.match(value))}
    return [
        word
        if not value or key in swept or key.partition(".")[0] not in swept or _SWEEP.match(value)
        else f"{key}=choice({value})"
        for word, (key, _, value) in zip(words, pairs, strict=True)
    ]


def _check_hydra_node(words: Sequence[str]) -> None:
    """Refuse what would make hydra itself run foreign code: callbacks, logging factories, plug-ins not of hydra's kind.

    Composes once without running anything, before hydra acts on its own node.
    """
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.types import RunMode
    from omegaconf import OmegaConf

    _add_plugins()
    with initialize_config_dir(str(shipped("configs")), version_base="1.3", job_name="harness"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        config = hydra.compose_config("config", list(words), RunMode.MULTIRUN)
    node = OmegaConf.to_container(config.hydra, resolve=False)
    assert isinstance(node, dict)
    foreign = [t for t in _targets(node) if not t.startswith(("hydra_plugins.", "hydra._internal.core_plugins."))]
    for name in ("callbacks", "job_logging", "hydra_logging"):
        held = node.get(name) or {}
        if (name == "callbacks" and held) or any(held.get(k) for k in ("handlers", "formatters", "filters", "loggers")):
            foreign.append(f"hydra.{name}")
    if foreign:
        raise HarnessError(f"{foreign[0]}: hydra would run this by itself, so it is refused; remove it from your YAML")


def _targets(node: object) -> list[str]:
    if isinstance(node, dict):
        own = [str(v) for k, v in node.items() if k in ("_target_", "()")]
        return own + [t for v in node.values() for t in _targets(v)]
    return [t for v in node for t in _targets(v)] if isinstance(node, list) else []


def _check_experiment(name: str) -> None:
    """Hydra skips an optional group's missing file without a word."""
    folders = (shipped("configs") / "experiment", Path.cwd() / "configs" / "experiment")
    if name != "None" and not any((folder / f"{name}.yaml").exists() for folder in folders):
        known = [path.stem for folder in folders for path in folder.glob("*.yaml")]
        raise HarnessError(f"experiment={name}: no such experiment. {did_you_mean(name, known)}")


def _check_folders(jobs: Sequence[Job]) -> None:
    for name in ("results_dir", "store_dir", "reports_dir"):
        for value in (job.config[name] for job in jobs):
            if not isinstance(value, str) or not value.strip():
                given = "" if value is None else value
                raise HarnessError(f"{name}={given}: expected a folder, such as {name}=./mine")


def show(words: Sequence[str]) -> None:
    """Hand `--cfg`, `--info` and their like to hydra, which prints; it refuses these beside `--multirun`."""
    _hydra_app(words, [])


def _add_plugins() -> None:
    plugins = str(Path(__file__).parent / "plugins")
    if plugins not in sys.path:
        sys.path.append(plugins)


def _hydra_app(words: Sequence[str], jobs: list[Job]) -> None:
    import hydra

    _add_plugins()
    before = sys.argv
    sys.argv = ["harness", *words]
    try:
        app = hydra.main(version_base="1.3", config_path=str(shipped("configs")), config_name="config")
        app(lambda composed: jobs.append(_job(*composed)))()
    finally:
        sys.argv = before


def _job(config: Any, node: Any, words: tuple[str, ...]) -> Job:
    """From the composed config without hydra's own node, and that node."""
    from omegaconf import OmegaConf

    choices = {k: str(v) for k, v in node.runtime.choices.items()}
    plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    return Job(dict(plain), choices, words)  # type: ignore[arg-type]


def _one_line(error: Exception, words: Sequence[str]) -> HarnessError:
    from hydra.errors import MissingConfigException

    chain: list[BaseException] = [error]
    while chain[-1].__cause__ is not None:
        chain.append(chain[-1].__cause__)
    for link in chain:
        if isinstance(link, MissingConfigException) and link.options is not None:
            group, _, name = str(link.missing_cfg_file).rpartition("/")
            return HarnessError(f"{group}={name}: no such {group}. {did_you_mean(name, link.options)}")
    text = str(error).strip().splitlines()[0]
    unknown = re.search(r"Could not override '([^']+)'", str(error))
    if unknown:
        return HarnessError(_unknown(unknown.group(1).partition("@")[0]))
    merged = re.search(r"Error merging override (grid\.\w+)=", text)
    if merged:
        return HarnessError(f"{merged.group(1)}: expected a list such as {merged.group(1)}=[{{model: bm25, dim: 64}}]")
    missing = re.search(r"Missing mandatory value.*?full_key: (\S+)", str(error), re.DOTALL)
    if missing:
        return HarnessError(f"{missing.group(1)} is needed: add {missing.group(1)}=VALUE")
    return HarnessError(f"{text} (in: {' '.join(words)}). Options are written NAME=VALUE")


def _unknown(key: str) -> str:
    group, _, inner = key.partition(".")
    if group == "timing" and inner:
        return _unknown_timing(key)
    if inner and group in _PART_GROUPS and key in _inside(group):
        fitting = [name for name, path in yamls(group).items() if key in _keys(group, [path])]
        return (
            f"{key} does not go with the {group} that is chosen, but with {group}={','.join(fitting)}; a further value "
            f"inside it is set with +{key}.NAME=VALUE"
        )
    if inner and group in _PART_GROUPS:
        names = [name.removeprefix(f"{group}.") for name in _inside(group)]
        near = [f"{group}.{name}" for name in difflib.get_close_matches(inner, names, n=3, cutoff=0.6)]
        hint = f"Did you mean {' or '.join(near)}? " if near else ""
        beside = "; for a folder beside named models write configs/model/NAME.yaml" if group == "model" else ""
        return f"unknown option {key!r}. {hint}The chosen {group} YAML leaves it out; to set it: +{key}=VALUE{beside}"
    names = _inside(group) if inner else option_names()
    said = did_you_mean(key, names)
    return f"unknown option {key!r}. {said if said.startswith('Did') else 'Known: ' + ', '.join(names)}"


def _unknown_timing(key: str) -> str:
    if key.partition(".")[2] in RENAMED:
        return renamed(key.partition(".")[2])
    fitting = [name for name, path in yamls("timing").items() if key in _keys("timing", [path])]
    if fitting:
        return f"{key} does not go with the timing that is chosen, but with timing={','.join(fitting)}"
    return f"unknown option {key!r}. {did_you_mean(key, [k for k in _inside('timing') if '._' not in k])}"


_SWEEP = re.compile(r"(choice|range|interval|glob|shuffle|sort|tag)\(")
_PART_GROUPS = (
    "model", "pooling", "chunking", "prompt", "reduction", "quantization", "index", "retriever", "executor",
)  # fmt: skip


def _inside(group: str) -> list[str]:
    """Dotted names of a group's own options, in its files or config.yaml; the top-level names if it has none."""
    import yaml

    main = yaml.safe_load((shipped("configs") / "config.yaml").read_text(encoding="utf-8")).get(group)
    own = [f"{group}.{key}" for key in main] if isinstance(main, dict) else []
    return [*own, *_keys(group, sorted((shipped("configs") / group).glob("*.yaml")))] or option_names()


def _keys(group: str, files: Sequence[Path]) -> list[str]:
    """Dotted names of what some YAMLs of a group hold, one level deep in nodes."""
    import yaml

    found: list[str] = []
    for held in (yaml.safe_load(path.read_text(encoding="utf-8")) or {} for path in files):
        for key, value in held.items():
            found += [f"{group}.{key}.{k}" for k in value] if isinstance(value, dict) else []
            found.append(f"{group}.{key}")
    return list(dict.fromkeys(found))


def yamls(group: str) -> dict[str, Path]:
    """The YAML files of a configs/ group by name; the working directory's come after ours and win."""
    folders = (shipped("configs") / group, Path.cwd() / "configs" / group)
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.yaml"))}


def yaml_of(group: str, name: str) -> dict[str, Any]:
    """What one YAML of a group holds, for options that name another one; an unknown name is a HarnessError."""
    import yaml

    known = yamls(group)
    if name not in known:
        raise HarnessError(f"{group}={name}: no such {group}. {did_you_mean(name, known)}")
    return dict(yaml.safe_load(known[name].read_text(encoding="utf-8")) or {})


def option_names() -> list[str]:
    """Every top-level option and group of configs/config.yaml."""
    import yaml

    config = yaml.safe_load((shipped("configs") / "config.yaml").read_text(encoding="utf-8"))
    groups = [k.removeprefix("optional ") for d in config.pop("defaults") if isinstance(d, dict) for k in d]
    return sorted({g for g in groups if "/" not in g} | set(config) - {"hydra"})
