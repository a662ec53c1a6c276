"""Options of the commands that are not hydra's."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NoReturn

from harness.types import HarnessError


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise HarnessError(f"{self.prog.partition(' ')[2]}: {message}. See {self.prog} --help")


def parser_of(name: str, command: Callable[[list[str]], int]) -> argparse.ArgumentParser:
    """A parser described by its command, whose mistakes are HarnessErrors."""
    return _Parser(prog=f"harness {name}", description=command.__doc__)


def sweep_folders(parser: argparse.ArgumentParser) -> None:
    """Add where sweeps and reports lie."""
    parser.add_argument("--results-dir", default="results", help="where sweeps lie (results)")
    parser.add_argument("--reports-dir", default="reports", help="where reports go (reports)")


def take_flag(words: list[str], flag: str) -> tuple[list[str], bool]:
    """The words without a flag, and whether it was there."""
    return [w for w in words if w != flag], flag in words
