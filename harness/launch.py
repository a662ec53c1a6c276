"""Hydra glue: from command-line words to the composed configuration of every job. Nothing runs here."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness.parts import did_you_mean
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

    jobs: list[Job] = []
    GlobalHydra.instance().clear()
    try:
        _hydra_app([*(w for w in words if w not in ("-m", "--multirun")), "--multirun"], jobs)
    except (HydraException, OmegaConfBaseException) as error:
        raise _one_line(error, words) from error
    return jobs


def show(words: Sequence[str]) -> None:
    """Hand `--cfg`, `--info` and their like to hydra, which prints; it refuses these beside `--multirun`."""
    _hydra_app(words, [])


def _hydra_app(words: Sequence[str], jobs: list[Job]) -> None:
    import hydra

    plugins = str(Path(__file__).parent / "plugins")
    if plugins not in sys.path:
        sys.path.append(plugins)
    before = sys.argv
    sys.argv = ["harness", *words]
    try:
        app = hydra.main(version_base="1.3", config_path=str(shipped("configs")), config_name="config")
        app(lambda config: jobs.append(_job(config)))()
    finally:
        sys.argv = before


def _job(config: Any) -> Job:
    from omegaconf import OmegaConf, open_dict

    choices = {k: str(v) for k, v in config.hydra.runtime.choices.items()}
    words = tuple(str(w) for w in config.hydra.overrides.task)
    with open_dict(config):
        del config["hydra"]
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
        key = unknown.group(1).partition("@")[0]
        return HarnessError(f"unknown option {key!r}. {did_you_mean(key, option_names())}")
    missing = re.search(r"Missing mandatory value: (\S+)", str(error))
    if missing:
        return HarnessError(f"{missing.group(1)} is needed: add {missing.group(1)}=VALUE")
    return HarnessError(f"{text} (in: {' '.join(words)})")


def option_names() -> list[str]:
    """Every top-level option and group of configs/config.yaml."""
    import yaml

    config = yaml.safe_load((shipped("configs") / "config.yaml").read_text(encoding="utf-8"))
    groups = [k.removeprefix("optional ") for d in config.pop("defaults") if isinstance(d, dict) for k in d]
    return sorted({*groups, *config} - {"hydra"})
