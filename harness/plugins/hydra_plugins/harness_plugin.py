"""Hydra's side of the harness: a launcher that collects jobs, and the working directory's `configs/`.

Lies in a `hydra_plugins` namespace package, the only place hydra 1.3 takes plugins from; `launch.py` puts the folder
above on the path.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig


class PlanningSweeper(BasicSweeper):
    """The basic sweeper, which by itself composes every job twice and leaves a multirun.yaml behind."""

    def sweep(self, arguments: list[str]) -> Any:
        """All combinations to the launcher as one batch."""
        words = [*(f"{key}={value}" for key, value in self.params.items()), *arguments]
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)  # type: ignore[union-attr]
        batch = self.split_arguments(parser.parse_overrides(words), None)[0]
        return [self.launcher.launch(batch, initial_job_idx=0)]  # type: ignore[union-attr]


class CollectingLauncher(Launcher):
    """Gives every composed job of the batch to the task function, which only remembers it."""

    def setup(self, *, hydra_context: Any, task_function: Any, config: DictConfig) -> None:
        """Keep what `launch` composes with."""
        self.loader = hydra_context.config_loader
        self.task = task_function
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Compose each job; the sweeper puts no bound on the batch, so this is called once."""
        for words in job_overrides:
            self.task(self.loader.load_sweep_config(self.config, list(words)))
        return [JobReturn(status=JobStatus.COMPLETED, _return_value=None) for _ in job_overrides]


class WorkingDirectoryConfigs(SearchPathPlugin):
    """A `configs/` folder in the working directory adds to the built-in ones."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append it, so that built-in names keep their meaning."""
        own = Path.cwd() / "configs"
        if own.is_dir():
            search_path.append("working directory", f"file://{own}")
