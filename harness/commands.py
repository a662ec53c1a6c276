"""The commands that answer with one text and an exit code; `cli` prints it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from harness import options
from harness.types import HarnessError

FINE, USAGE = 0, 1


class Answer(NamedTuple):
    """What a command has to say, the exit code, and lines for stderr, which are no part of its output."""

    text: str
    code: int = FINE
    notes: Sequence[str] = ()


def cache(words: list[str]) -> Answer:
    """stored vectors by model and eval set: sizes, and --prune"""
    parser = options.parser_of("cache", cache)
    options.cache_options(parser)
    args = parser.parse_args(words)
    if args.names:
        name = args.names[0]
        raise HarnessError(f"cache: {name!r} alone says too little; say --model {name} or --evalset {name}")
    from harness.cache import cache_text, entries, prune
    from harness.wording import size

    store = Path(args.store_dir)
    if args.prune:
        chosen = {"model": args.model, "evalset": args.evalset, "older_than_days": args.older_than}
        files, freed = prune(store, **chosen, damaged=args.damaged, everything=args.all)
        return Answer(f"{files} files deleted, {size(freed)} freed")
    return Answer(cache_text(entries(store), store))


def table(words: list[str]) -> Answer:
    """one row per candidate and eval set: text, md, csv, jsonl or parquet"""
    parser = options.parser_of("table", table)
    parser.add_argument("sweep", nargs="?", help="name or folder; left out, the newest")
    options.table_options(parser)
    options.sweep_folders(parser)
    args = parser.parse_args(words)
    from harness.published import with_published
    from harness.table import find_sweep, read_sweep
    from harness.terminal import write_table

    shown = with_published(read_sweep(find_sweep(args.sweep, Path(args.results_dir))))
    text = write_table(shown.rows, options.form_of(args), Path(args.output) if args.output else None)
    return Answer(text, notes=shown.notes)


def validate(words: list[str]) -> Answer:
    """check an eval set: name of a task, manifest file, or folder of data"""
    parser = options.parser_of("validate", validate)
    parser.add_argument("evalset", help="task name, manifest (.yaml), or a folder, file or zip of data")
    parser.add_argument("--type", default="", help="task type of data without a manifest (retrieval)")
    parser.add_argument("--json", action="store_true", help="findings as JSON")
    parser.add_argument("--fix", metavar="OUT", default="", help="write a cleaned copy and a list of changes there")
    args = parser.parse_args(words)
    from harness.launch import shipped
    from harness.repair import repair
    from harness.terminal import findings
    from harness.validate import inspected

    folders = [shipped("tasks"), Path.cwd() / "tasks"]
    if args.fix:
        return Answer(repair(args.evalset, args.type, folders, Path(args.fix)))
    head, name, found = inspected(args.evalset, args.type, folders)
    code = USAGE if found.level == "error" else FINE
    if args.json:
        told = {"evalset": name, "level": found.level, "findings": [n._asdict() for n in found.notes]}
        return Answer(json.dumps({**told, "unchecked": list(found.unchecked)}, indent=1), code)
    return Answer(findings(head, found.notes, found.unchecked), code)


def init(words: list[str]) -> Answer:
    """scaffold an in-house eval set of any type, or a sweep, with a filled example"""
    parser = options.parser_of("init", init)
    parser.add_argument("folder", help="folder to write, such as tasks/support")
    parser.add_argument("--type", default="retrieval", help="a task type, such as clustering, or sweep (retrieval)")
    args = parser.parse_args(words)
    from harness.scaffold import scaffold

    return Answer(scaffold(Path(args.folder), args.type))


def export(words: list[str]) -> Answer:
    """results for others: mteb's TaskResult files, TREC runs, or tables with the score of each item"""
    parser = options.parser_of("export", export)
    parser.add_argument("sweep", nargs="?", help="name or folder; left out, the newest")
    parser.add_argument("--format", default="mteb", choices=options.EXPORTS, help="what to write (mteb)")
    parser.add_argument("-o", "--output", default=None, help="folder to write to (exports/SWEEP)")
    options.sweep_folders(parser)
    args = parser.parse_args(words)
    from harness.export import export_text
    from harness.table import find_sweep

    folder = find_sweep(args.sweep, Path(args.results_dir))
    return Answer(export_text(folder, args.format, Path(args.output or Path("exports") / folder.name)))


def import_(words: list[str]) -> Answer:
    """published results, to stand beside measured ones: TaskResult files, a results repository, a JSON of scores"""
    parser = options.parser_of("import", import_)
    parser.add_argument("paths", nargs="+", help="files or folders")
    options.sweep_folders(parser)
    args = parser.parse_args(words)
    from harness.importing import import_text

    return Answer(import_text([Path(path) for path in args.paths], Path(args.results_dir)))


def list_(words: list[str]) -> Answer:
    """what can be named on the command line: models, tasks, benchmarks, poolings, quantizers ..."""
    parser = options.parser_of("list", list_)
    options.list_options(parser)
    args = parser.parse_args(words)
    from harness.catalogue import Wanted, benchmarks_text, listing, tasks_text

    wanted, registry = Wanted(args.type, args.language, args.benchmark, args.all), Path(args.store_dir) / "registry"
    if any(wanted) and args.what not in (None, "tasks"):
        raise HarnessError(f"list {args.what}: --type, --language, --benchmark and --all are for tasks")
    if args.what == "benchmarks":
        return Answer(benchmarks_text(registry, args.json))
    if any(wanted) or (args.what == "tasks" and args.json):
        return Answer(tasks_text(registry, wanted, args.json))
    return Answer(listing(args.what))


def doctor(words: list[str]) -> Answer:
    """what this machine has: devices, threads, versions, extras"""
    options.parser_of("doctor", doctor).parse_args(words)
    from harness.doctor import machine_text

    return Answer(machine_text())
