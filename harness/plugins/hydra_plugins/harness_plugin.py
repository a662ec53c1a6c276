"""Hydra's side of the harness: a sweeper that pairs, a launcher that collects jobs, the working directory's `configs/`.

Lies in a `hydra_plugins` namespace package, the only place hydra 1.3 takes plugins from; `launch.py` puts the folder
above on the path.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString, Transformer
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.config_source import ConfigResult
from hydra.plugins.launcher import Launcher
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from harness.grid import paired


class PlanningSweeper(BasicSweeper):
    """The basic sweeper, which by itself composes every job twice, leaves a multirun.yaml behind and pairs nothing."""

    def sweep(self, arguments: list[str]) -> Any:
        """All combinations to the launcher as one batch: what is swept, by every row of each pairing of `grid.pair`."""
        words = [*(f"{key}={value}" for key, value in self.params.items()), *arguments]
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)  # type: ignore[union-attr]
        given = parser.parse_overrides(words)
        batch = self.split_arguments(given, None)[0]
        held = OmegaConf.select(self.config, "grid")  # type: ignore[arg-type]
        grid = OmegaConf.to_container(held, resolve=True) if OmegaConf.is_config(held) else held
        for rows in paired(grid, {override.key_or_group for override in given}):
            batch = [[*job, *(_word(key, value) for key, value in row)] for job in batch for row in rows]
        return [self.launcher.launch(batch, initial_job_idx=0)]  # type: ignore[union-attr]


def _word(key: str, value: Any) -> str:
    """As it would be typed; a text in quotes, so that "64" stays a text and a comma sweeps nothing."""
    return f"{key}={Transformer.str(QuotedString(value, Quote.single) if isinstance(value, str) else value)}"


class CollectingLauncher(Launcher):
    """Gives every composed job of the batch to the task function, which only remembers it."""

    def setup(self, *, hydra_context: Any, task_function: Any, config: DictConfig) -> None:
        """Keep what `launch` composes with."""
        self.loader = hydra_context.config_loader
        self.task = task_function
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Compose each job; the sweeper puts no bound on the batch, so this is called once."""
        self.loader.repository = _ReadOnce(self.loader.repository)
        composing = _Composing(self.loader, self.config)
        for job in [composing.job(words) for words in job_overrides]:
            self.task(job)
        composing.check_used()
        return [JobReturn(status=JobStatus.COMPLETED, _return_value=None) for _ in job_overrides]


class _Composing:
    """Jobs of one batch, each as `load_sweep_config` would compose it.

    Hydra merges the chosen YAMLs and then sets single values, in order. Jobs that choose the same YAMLs share the
    first step, which takes twenty times as long as the second.
    """

    def __init__(self, loader: ConfigLoaderImpl, master: DictConfig) -> None:
        self.loader = loader
        self.master = master
        self._merged: dict[tuple[str, ...], tuple[DictConfig, DictConfig]] = {}
        self._read: dict[str, Override] = {}
        self._groups: dict[str, bool] = {}
        self._used: set[str] = set()
        self._unused: dict[str, tuple[Override, DictConfig]] = {}

    def job(self, words: Sequence[str]) -> tuple[DictConfig, DictConfig, tuple[str, ...]]:
        """The job's config without its hydra node, that node as far as YAMLs decide it, and the words of the job.

        A value inside a group (`index.ef_search=64`) is left out of jobs whose YAML has no such key: what has it and
        what has not can stand in one sweep.
        """
        values: list[Override] = []
        choosing: list[Override] = []
        for override in map(self._parsed, words):
            (values if self._sets_a_value(override) else choosing).append(override)
        merged, node = self._merge(tuple(str(override.input_line) for override in choosing))
        config = copy.deepcopy(merged)
        fitting = [override for override in values if self._fits(override, config)]
        ConfigLoaderImpl._apply_overrides_to_config(fitting, config)
        left_out = {o.input_line for o in values} - {o.input_line for o in fitting}
        return config, node, tuple(word for word in words if word not in left_out)

    def check_used(self) -> None:
        """Hydra's own error for a value that no job had a place for."""
        for key, (override, config) in self._unused.items():
            if key not in self._used:
                ConfigLoaderImpl._apply_overrides_to_config([override], copy.deepcopy(config))

    def _fits(self, override: Override, config: DictConfig) -> bool:
        key = override.key_or_group
        inside, _, last = key.rpartition(".")
        if (
            override.is_add()
            or override.is_force_add()
            or override.is_delete()
            or not inside
            or not self._is_group(inside.partition(".")[0])
        ):
            return True
        held = OmegaConf.select(config, inside, throw_on_missing=False)
        if isinstance(held, DictConfig) and last in held.keys():  # noqa: SIM118  `in` hides what is ???
            self._used.add(key)
            return True
        self._unused.setdefault(key, (override, config))
        return False

    def _merge(self, chosen: tuple[str, ...]) -> tuple[DictConfig, DictConfig]:
        if chosen not in self._merged:
            config = self.loader.load_sweep_config(self.master, list(chosen))
            node = config.hydra
            with open_dict(config):
                del config["hydra"]
            self._merged[chosen] = config, node
        return self._merged[chosen]

    def _parsed(self, word: str) -> Override:
        if word not in self._read:
            parsed = OverridesParser.create().parse_overrides([word])
            self.loader.validate_sweep_overrides_legal(parsed, RunMode.RUN, from_shell=True)
            self._read[word] = parsed[0]
        return self._read[word]

    def _sets_a_value(self, override: Override) -> bool:
        key = override.key_or_group
        if override.is_hydra_override():
            return False
        return isinstance(override.value(), dict) or not self._is_group(key)

    def _is_group(self, key: str) -> bool:
        if key not in self._groups:
            self._groups[key] = bool(self.loader.get_group_options(key, None, self.master.hydra.job.config_name))
        return self._groups[key]


class _ReadOnce(ConfigRepository):
    """Reads each YAML once for a whole batch, and gives a copy each time since composing alters it."""

    def __init__(self, inner: ConfigRepository) -> None:
        self.sources = inner.sources
        self._known: dict[str, ConfigResult | None] = {}

    def __deepcopy__(self, _: Any) -> _ReadOnce:
        """Hydra copies the repository for every job; what was read is shared, the list of sources is the copy's own."""
        other = _ReadOnce(self)
        other._known = self._known
        return other

    def load_config(self, config_path: str) -> ConfigResult | None:
        """A YAML's nodes and defaults; None where there is no such file."""
        if config_path not in self._known:
            self._known[config_path] = super().load_config(config_path)
        return copy.deepcopy(self._known[config_path])


class WorkingDirectoryConfigs(SearchPathPlugin):
    """A `configs/` folder in the working directory adds to the built-in ones."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append it, so that built-in names keep their meaning."""
        own = Path.cwd() / "configs"
        if own.is_dir():
            search_path.append("working directory", f"file://{own}")
