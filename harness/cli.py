"""The command line. The only file that prints, reads the environment and decides exit codes."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from harness import __version__, commands, options, review
from harness.types import HarnessError

USAGE, SOME_FAILED, CHANGED, NO_DECISION, INTERRUPTED = 1, 2, 3, 4, 130
_HYDRA_SHOWS = ("--cfg", "-c", "--info", "-i", "--hydra-help")


def main() -> NoReturn:
    """Entry point: runs one command and exits with its code; user mistakes are one line, our bugs keep a traceback."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # hydra then raises instead of printing and exiting
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    os.environ.setdefault("MTEB_CACHE", str(Path("results/store/mteb").absolute()))  # never its results of elsewhere
    try:
        code = dispatch(sys.argv[1:])
        sys.stdout.flush()
    except HarnessError as error:
        _say(f"harness: {_safe(str(error))}")
        code = error.exit_code
    except KeyboardInterrupt:
        _say(f"\ninterrupted; what is done is kept. Continue with: harness {shlex.join(sys.argv[1:])}")
        code = INTERRUPTED
    except BrokenPipeError:  # the reader of our output (head, less) went away
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def dispatch(words: Sequence[str]) -> int:
    """Run the command that the first word names and give its exit code."""
    if not words or words[0] in ("-h", "--help", "help"):
        print(options.overview(COMMANDS))
        return 0 if words else USAGE
    if words[0] == "--version":
        print(f"embedding-harness {__version__}")
        return 0
    if words[0] not in COMMANDS:
        from harness.parts import did_you_mean

        raise HarnessError(f"no command {words[0]!r}. {did_you_mean(words[0], COMMANDS)} See harness --help")
    return COMMANDS[words[0]](list(words[1:]))


def _run(words: list[str]) -> int:
    """run one candidate or a sweep; ends with a table, the pick and the paths"""
    if options.wants_help(words):
        from harness.terminal import run_help

        _show(run_help())
        return 0
    from harness import launch

    if any(w.partition("=")[0] in _HYDRA_SHOWS for w in words):
        launch.show(words)
        return 0
    words, as_json = options.take_flag(words, "--json")
    words, plain = options.take_flag(words, "--plain")
    jobs = launch.compose(words)
    from harness.policy import read_policy
    from harness.runner import run_sweep
    from harness.store import check_place

    config = jobs[0].config
    read_policy(config["policy"])
    check_place(Path(config["reports_dir"]), "reports_dir")
    with _watch(plain) as watch:
        outcome = run_sweep(jobs, f"harness run {shlex.join(words)}".strip(), watch)
    sweep, decision, paths = _report(outcome.folder, outcome.folder.parent, Path(config["reports_dir"]))
    from harness.published import read_published
    from harness.terminal import summary

    beside = read_published(sweep)
    _show(json.dumps(decision) if as_json else summary(outcome, decision, paths, shlex.join(words), beside.rows))
    for note in beside.notes:
        _say(note)
    return SOME_FAILED if outcome.failed else 0


def _plan(words: list[str]) -> int:
    """what would run, what is remembered, time, disk and memory; runs nothing"""
    if options.wants_help(words):
        _show(options.PLAN_HELP)
        return 0
    from harness.launch import compose
    from harness.preview import plan_sweep

    words, unprobed = options.take_flag(words, "--no-probe")
    with _watch(plain=True) as watch:
        _show(plan_sweep(compose(words), watch, probe=not unprobed))
    return 0


def _report_command(words: list[str]) -> int:
    """HTML page and decision record from records alone"""
    parser = options.parser_of("report", _report_command)
    parser.add_argument("sweep", nargs="?", help="name or folder; left out, the newest")
    parser.add_argument("-o", "--output", default=None, help="folder to write to (reports/SWEEP)")
    options.sweep_folders(parser)
    args = parser.parse_args(words)
    from harness.table import find_sweep

    results = Path(args.results_dir)
    out = Path(args.output) if args.output else None
    *_, paths = _report(find_sweep(args.sweep, results), results, Path(args.reports_dir), out)
    _show("\n".join(str(p) for p in paths))
    return 0


def _decide_command(words: list[str]) -> int:
    """decide again, or accept: harness decide [SWEEP] [policy=NAME] [policy.margin=0.01 ...] [--accept --by NAME]"""
    overrides = [w for w in words if "=" in w and not w.startswith("-")]
    parser = options.parser_of("decide", _decide_command)
    parser.add_argument("sweep", nargs="?", help="name or folder; left out, the newest")
    parser.add_argument("--json", action="store_true", help="print decision.json")
    parser.add_argument("--accept", action="store_true", help="accept what is decided; page and record say so")
    parser.add_argument("--by", metavar="NAME", help="who accepts")
    parser.add_argument("--supersedes", metavar="SWEEP", help="whose accepted decision this one replaces")
    options.sweep_folders(parser)
    args = parser.parse_args([w for w in words if w not in overrides])
    if not args.accept and (args.by is not None or args.supersedes is not None):
        raise HarnessError("decide: --by and --supersedes go with --accept")
    from harness.acceptance import accept, departure, kept_in, said, with_state
    from harness.decide import DECIDED, decide
    from harness.overrides import asked_policy
    from harness.policy import read_policy
    from harness.rollback import unchanged_on_failure
    from harness.table import find_sweep, read_sweep
    from harness.terminal import decision_text, label_in

    results = Path(args.results_dir)
    sweep = read_sweep(find_sweep(args.sweep, results))
    before = sweep.manifest["policy"]
    policy = asked_policy(overrides, before, "decide")
    if args.accept:
        replaced, reports = find_sweep(args.supersedes, results) if args.supersedes else None, Path(args.reports_dir)
        with unchanged_on_failure(kept_in(sweep.folder), reports / sweep.folder.name):
            accept(sweep, policy, args.by, replaced)
            sweep, decision, paths = _shown(sweep.folder, results, reports)
        _show(json.dumps(decision, indent=1) if args.json else "\n".join([said(sweep, decision), *map(str, paths)]))
        return 0
    decision = with_state(sweep, decide(sweep, read_policy(policy)))
    again = [*([] if args.sweep else [sweep.folder.name]), *(w for w in words if w != "--json")]
    state = said(sweep, decision, again)
    _show(json.dumps(decision, indent=1) if args.json else f"{decision_text(decision)}\n{state}")
    if line := departure(sweep, decision):
        _say(line)
    if decision["status"] != DECIDED:
        return NO_DECISION
    old = decide(sweep, read_policy(before)) if overrides else decision
    if old["pick"] in (None, decision["pick"]):
        return CHANGED if line else 0
    _say(f"Under the sweep's own policy the pick is {label_in(old, old['pick'])}. Page and record stay as they are.")
    return CHANGED


def _shown(folder: Path, results: Path, reports: Path) -> tuple[Any, dict[str, Any], list[Path]]:
    """The report of a sweep whose decision is being accepted, which nobody signs unseen."""
    try:
        return _report(folder, results, reports)
    except (HarnessError, OSError, ValueError, ArithmeticError) as error:
        raise HarnessError(f"nothing was accepted, for its report could not be written: {error}") from error


def _similarity(words: list[str]) -> int:
    """a quick look at a few texts: dimensions, tokens, time and similarities, by model"""
    from harness import glance

    if options.wants_help(words):
        _show(glance.HELP)
        return 0
    from harness.similarity import as_json, look, parted

    given, texts = parted(words)
    given, as_values = options.take_flag(given, "--json")
    given, plain = options.take_flag(given, "--plain")
    given, query = options.take_flag(given, "--query")
    looks, absent = look(given, texts, query)
    if as_values:
        _show(json.dumps(as_json(looks, absent, texts)))
    else:
        stream = None if plain or os.environ.get("TERM") == "dumb" else sys.stdout
        if text := glance.shown(looks, absent, texts, query, stream):
            _show(text)
    return SOME_FAILED if any(one.failed for one in absent) else 0


def _verify(words: list[str]) -> int:
    """run a golden file: known scores, the commands that should give them, and OK, close or FAIL"""
    parser = options.parser_of("verify", _verify)
    parser.add_argument("golden", help="table of model, task, split, metric, value, tolerance, command")
    parser.add_argument("--json", action="store_true", help="findings as JSON")
    parser.add_argument("--plain", action="store_true", help="progress as plain lines")
    args = parser.parse_args(words)
    from harness.verify import read_golden, verdicts, verified, verified_text, verified_values

    lines = read_golden(Path(args.golden))
    with _watch(args.plain) as watch:
        checks = verified(lines, watch)
    _show(json.dumps(verified_values(checks), indent=1) if args.json else verified_text(checks))
    counts = verdicts(checks)
    return CHANGED if counts["FAIL"] else SOME_FAILED if counts["missing"] else 0


def _told(command: Callable[[list[str]], commands.Answer]) -> Callable[[list[str]], int]:
    """A command that answers with a text as one that prints it."""

    def run(words: list[str]) -> int:
        answer = command(words)
        if answer.text:
            _show(answer.text)
        for note in answer.notes:
            _say(note)
        return answer.code

    run.__doc__ = command.__doc__
    return run


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "run": _run, "plan": _plan, "report": _report_command, "decide": _decide_command, "table": _told(commands.table),
    "compare": _told(review.compare), "validate": _told(commands.validate), "init": _told(commands.init),
    "similarity": _similarity, "pool": _told(review.pool), "labels": _told(review.labels), "gate": _told(review.gate),
    "export": _told(commands.export), "import": _told(commands.import_), "verify": _verify,
    "cache": _told(commands.cache), "list": _told(commands.list_), "doctor": _told(commands.doctor),
}  # fmt: skip


def _report(
    folder: Path, results: Path, reports: Path, out: Path | None = None
) -> tuple[Any, dict[str, Any], list[Path]]:
    """The sweep as read, its decision under its own policy, and the files written.

    An accepted decision is kept as a copy that no later record replaces. The overview of all sweeps is written anew
    where the page goes to the reports' folder.
    """
    from harness.acceptance import ACCEPTED, with_state
    from harness.decide import decide
    from harness.overview import write_overview
    from harness.policy import read_policy
    from harness.report import heavy, write_report
    from harness.store import write_atomically
    from harness.table import read_sweep

    sweep = read_sweep(folder)
    decision = with_state(sweep, decide(sweep, read_policy(sweep.manifest["policy"])))
    page = write_report(sweep, decision, out or reports / folder.name)
    if line := heavy(page):
        _say(line)
    record = page.with_name("decision.md")
    if decision["state"] == ACCEPTED:
        write_atomically(page.with_name(f"decision-{decision['id']}.md"), record.read_bytes())
    if out is None:
        write_overview(results, reports)
    return sweep, decision, [page, record, page.with_name("decision.json")]


def _show(text: str) -> None:
    print(_safe(text))


def _say(text: str) -> None:
    print(_safe(text), file=sys.stderr, flush=True)


def _safe(text: str) -> str:
    from harness.progress import clean

    return clean(text)


def _watch(plain: bool) -> Any:
    from harness.progress import watch_for

    return watch_for(sys.stderr, plain or os.environ.get("TERM") == "dumb")


if __name__ == "__main__":
    main()
