"""The commands that look at a finished sweep again: compare, pool, labels, gate."""

from __future__ import annotations

from pathlib import Path

from harness import options
from harness.commands import Answer


def compare(words: list[str]) -> Answer:
    """two candidates of a sweep, query by query: in the terminal, and as a page"""
    parser = options.parser_of("compare", compare)
    parser.add_argument(
        "first", help="candidate: id, or label as model[/pooling[/dim[/quantization]]]; of several the pick or the best"
    )
    parser.add_argument("second", help="the one it is held against")
    parser.add_argument("sweep", nargs="?", help="name or folder; left out, the newest")
    parser.add_argument("--json", action="store_true", help="everything as JSON")
    parser.add_argument("-o", "--output", default=None, help="folder of the page (reports/SWEEP)")
    options.sweep_folders(parser)
    args = parser.parse_args(words)
    from harness.comparison import compare_text
    from harness.overview import write_overview
    from harness.table import find_sweep, read_sweep

    results, reports = Path(args.results_dir), Path(args.reports_dir)
    sweep = read_sweep(find_sweep(args.sweep, results))
    out = Path(args.output) if args.output else reports / sweep.folder.name
    text = compare_text(sweep, (args.first, args.second), out, args.json)
    if not args.output:
        write_overview(results, reports)
    return Answer(text)


def pool(words: list[str]) -> Answer:
    """documents to judge, pooled from the candidates in question, most decisive first, as CSV"""
    parser = options.parser_of("pool", pool)
    parser.add_argument("sweep", nargs="?", help="name or folder; left out, the newest")
    parser.add_argument("--evalset", default=None, help="of several eval sets, the one to judge")
    parser.add_argument("--depth", type=int, default=10, help="documents of each candidate and query (10)")
    parser.add_argument("--most", type=int, default=None, help="at most so many pairs, the most decisive (all)")
    parser.add_argument("--task-path", default=None, help="a further folder of eval sets")
    parser.add_argument("-o", "--output", default="pool.csv", help="file to write (pool.csv)")
    options.sweep_folders(parser)
    args = parser.parse_args(words)
    from harness.judging import Asked, pool_text
    from harness.table import find_sweep, read_sweep

    sweep = read_sweep(find_sweep(args.sweep, Path(args.results_dir)))
    asked = Asked(args.evalset, args.depth, args.most, Path(args.task_path) if args.task_path else None)
    return Answer(pool_text(sweep, asked, Path(args.output)))


def labels(words: list[str]) -> Answer:
    """bring judged pools back: a copy of the eval set with old and new labels, never in place"""
    parser = options.parser_of("labels", labels)
    parser.add_argument("judged", help="the CSV of harness pool, its grade column filled in")
    parser.add_argument("evalset", help="task name, manifest or folder of the eval set that was pooled")
    parser.add_argument("--task-path", default=None, help="a further folder of eval sets")
    parser.add_argument("-o", "--output", default=None, help="folder to write (tasks/NAME-judged)")
    options.sweep_folders(parser)
    args = parser.parse_args(words)
    from harness.judging import labels_text

    out = Path(args.output) if args.output else None
    extra = Path(args.task_path) if args.task_path else None
    return Answer(labels_text(Path(args.judged), args.evalset, extra, out, Path(args.results_dir)))


def gate(words: list[str]) -> Answer:
    """for CI: is a new model as good and as fast as the one in use? exit 3 on a regression, 4 where it is not shown"""
    overrides = [w for w in words if w.startswith("policy") and "=" in w]
    parser = options.parser_of("gate", gate)
    parser.add_argument("baseline", help="sweep of what is in use: name or folder, or SWEEP:CANDIDATE")
    parser.add_argument("candidate", help="sweep of what is new, likewise")
    parser.add_argument("--json", action="store_true", help="the verdict as JSON")
    parser.add_argument("-o", "--output", default=None, help="Markdown file to write as well")
    options.sweep_folders(parser)
    args = parser.parse_args([w for w in words if w not in overrides])
    from harness.gate import gate_answer

    out = Path(args.output) if args.output else None
    text, code = gate_answer((args.baseline, args.candidate), Path(args.results_dir), overrides, out, args.json)
    return Answer(text, code)
