"""Options of the commands that are not hydra's."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from typing import NoReturn

from harness.types import HarnessError

FORMATS = ("text", "md", "csv", "jsonl", "parquet")
EXPORTS = ("mteb", "trec", "csv", "jsonl", "parquet")
PLAN_HELP = """usage: harness plan [the words of harness run] [--no-probe]

Prints the grid after pruning, what is remembered, the forward passes, and time, disk and memory as ranges.
A probe of some 24 texts a model gives the time; --no-probe leaves it out. Runs and writes nothing."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise HarnessError(f"{self.prog.partition(' ')[2]}: {message}. See {self.prog} --help")


def parser_of(name: str, command: Callable[[list[str]], object]) -> argparse.ArgumentParser:
    """A parser described by its command, whose mistakes are HarnessErrors."""
    return _Parser(prog=f"harness {name}", description=command.__doc__, allow_abbrev=False)


def overview(commands: Mapping[str, Callable[[list[str]], int]]) -> str:
    """What `harness --help` says: every command with the first line of its docstring."""
    lines = [f"  {name:10} {(command.__doc__ or '').splitlines()[0]}" for name, command in commands.items()]
    return "\n".join([
        "harness: pick the embedding model for a search or RAG system, and defend the pick", "",
        "usage: harness COMMAND [...]        harness COMMAND --help", "", *lines, "",
        "examples:",
        '  harness similarity model=wordllama,all-minilm-l6-v2 -- "forgot my password" "how to log in again"',
        "  harness run experiment=quickstart",
        "  harness run -m model=bm25,all-minilm-l6-v2 dim=full,192 quantization=float32,int8 task=helpdesk",
        "  harness validate ./evals/support-tickets",
        "",
        "exit codes: 0 fine, 1 usage or validation, 2 some jobs failed, 3 decision changed or score wrong,",
        "            4 nothing can be decided, 130 interrupted",
    ])  # fmt: skip


def wants_help(words: Sequence[str]) -> bool:
    """Whether the help of a command is asked for; what stands behind `--` is a text."""
    return any(word in ("-h", "--help") for word in takewhile(lambda word: word != "--", words))


def sweep_folders(parser: argparse.ArgumentParser) -> None:
    """Add where sweeps and reports lie."""
    parser.add_argument("--results-dir", default="results", help="where sweeps lie (results)")
    parser.add_argument("--reports-dir", default="reports", help="where reports go (reports)")


def table_options(parser: argparse.ArgumentParser) -> None:
    """Add how and where the table is written."""
    parser.add_argument("--format", choices=FORMATS, help="text, or what the suffix of -o says")
    parser.add_argument("-o", "--output", default=None, help="file to write to (stdout; needed for parquet)")


def form_of(args: argparse.Namespace) -> str:
    """The format asked for, else that of the output's suffix, else text."""
    suffix = (args.output or "").rpartition(".")[2]
    return args.format or (suffix if suffix in FORMATS else "text")


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


def list_options(parser: argparse.ArgumentParser) -> None:
    """Add what is listed, and which public tasks."""
    parser.add_argument("what", nargs="?", help="models, tasks, or any other kind; left out, all kinds with counts")
    parser.add_argument("--type", default="", help="public tasks of this task type")
    parser.add_argument("--language", default="", help="public tasks in this language: de or deu")
    parser.add_argument("--benchmark", default="", help="public tasks of this benchmark")
    parser.add_argument("--all", action="store_true", help="every public task, also those that cannot run here")
    parser.add_argument("--json", action="store_true", help="public tasks or benchmarks as JSON")
    parser.add_argument("--store-dir", default="results/store", help="where the registry is kept (results/store)")


def take_flag(words: list[str], flag: str) -> tuple[list[str], bool]:
    """The words without a flag, and whether it was there."""
    return [w for w in words if w != flag], flag in words
