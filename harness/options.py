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
    return _Parser(prog=f"harness {name}", description=command.__doc__, allow_abbrev=False)


def sweep_folders(parser: argparse.ArgumentParser) -> None:
    """Add where sweeps and reports lie."""
    parser.add_argument("--results-dir", default="results", help="where sweeps lie (results)")
    parser.add_argument("--reports-dir", default="reports", help="where reports go (reports)")


def cache_options(parser: argparse.ArgumentParser) -> None:
    """Add what `harness cache` takes; `names` are words without an option, which it cannot place."""
    parser.add_argument("names", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--store-dir", default="results/store", help="where vectors lie (results/store)")
    parser.add_argument("--prune", action="store_true", help="delete what the options below choose")
    parser.add_argument("--model", help="vectors of this model")
    parser.add_argument("--evalset", help="vectors that were made for this eval set; other: for none")
    parser.add_argument("--older-than", type=float, metavar="DAYS", help="vectors last used so long ago")
    parser.add_argument("--damaged", action="store_true", help="files set aside as damaged or of an older schema")
    parser.add_argument("--all", action="store_true", help="everything")


def take_flag(words: list[str], flag: str) -> tuple[list[str], bool]:
    """The words without a flag, and whether it was there."""
    return [w for w in words if w != flag], flag in words
