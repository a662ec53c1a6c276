"""The last stage of a sweep: its speeds, with no other work of the sweep, each group on disk as soon as it is taken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

from harness.bench import Todo
from harness.execution import Batch, Lost
from harness.run import Run
from harness.timer import untimed
from harness.timing import load
from harness.types import Record
from harness.wording import called, counted
from harness.worker import Clock

_WHAT = {
    "encode": "one query at a time", "search": "search", "index": "documents per second", "start": "a fresh start",
    "serve": "whole queries as they come",
}  # fmt: skip


def time_all(run: Run) -> int:
    """Take the timings that no record holds; how many there were.

    One process takes all but the starts; these come after it, one after another, each model in a process of its own.
    What a process did not survive, or could not measure beside others, is then taken by itself.
    """
    good = [v for v in run.plan.variants if (r := run.records.get(run.key(v))) and r.status == "ok"]
    groups = run.bench.groups([(v, run.tasks[v.task].evalset) for v in good], run.pending)
    if not groups:
        return 0
    total = sum(map(len, groups))
    run.watch.say(_headline(groups, load(), run.bench.machine["cores"]))
    run.watch.expect("timing", total, 0)
    left = _taken(run, groups)
    _taken(run, [{key: todo} for key, todo in left.items()])
    return total


def _headline(groups: Sequence[Mapping[str, Todo]], before: float, cores: int) -> str:
    """What is to come, and how quiet the machine was in the minute before."""
    total = counted(sum(map(len, groups)), "measurement")
    fresh = sum(next(iter(group.values())).kind == "start" for group in groups)
    started = f", {counted(fresh, 'fresh start')} among them" if fresh else ""
    disturbed = ": other programs may disturb them" if before > cores / 2 else ""
    return f"timing {total}{started}, one at a time (load {before} of {counted(cores, 'core')}{disturbed})"


def _taken(run: Run, groups: Iterable[Mapping[str, Todo]]) -> dict[str, Todo]:
    """Measure and keep; gives what is to be taken by itself."""
    left: dict[str, Todo] = {}
    for batch, tasks in _batches(run, groups):
        named = {task: run.tasks[task] for task in tasks}
        with closing(run.execute([batch], run.folder / "logs", named)) as outcomes:  # type: ignore[type-var]
            for job, outcome in outcomes:
                records = _lost(job.group, outcome) if isinstance(outcome, Lost) else outcome
                left |= {key: todo for key, todo in job.group.items() if key not in records}
                for key, record in records.items():
                    _keep(run, key, job.group[key], record)
    return left


def _batches(run: Run, groups: Iterable[Mapping[str, Todo]]) -> list[tuple[Batch, set[str]]]:
    """What shares a process, and the eval sets it holds: a start's memory is that of its model and its own set."""
    shared, fresh = list[Any](), list[tuple[Batch, set[str]]]()
    for group in groups:
        first = next(iter(group.values()))
        if first.kind == "start":
            fresh.append((Batch(f"start-{first.variant.labels['model']}", _told(run, [group])), {first.variant.task}))
        else:
            shared.append(group)
    tasks = {todo.variant.task for group in shared for todo in group.values()}
    return [(Batch("timing", _told(run, shared)), tasks), *fresh] if shared else fresh


def _told(run: Run, groups: Iterable[Mapping[str, Todo]]) -> Iterator[Clock]:
    """The jobs; a line says what is measured when one is asked for, since it may take minutes."""
    for group in groups:
        todos = list(group.values())
        sizes = [str(todo.variant.batch_size) for todo in todos if _batched(todo)]
        batches = f", batch {', '.join(sizes)}" if sizes else ""
        turns = f", {len(todos)} in turn" if len(todos) > 1 and not sizes else ""
        run.watch.say(f"measuring {_of(todos[0])}{batches}{turns}")
        yield Clock(group)


def _of(todo: Todo, what: str = "") -> str:
    return f"{what or _WHAT[todo.kind]}: {called(todo.variant.labels)} on {todo.variant.task}"


def _batched(todo: Todo) -> bool:
    return todo.kind in ("index", "start") and todo.need is not None


def _lost(group: Mapping[str, Todo], outcome: Lost) -> dict[str, Record]:
    """Of a process that did not survive; of several nobody knows which one it was."""
    trace = {"last_lines": outcome.last_lines}
    return {key: untimed(todo.kind, outcome.reason, trace) for key, todo in group.items()} if len(group) == 1 else {}


def _keep(run: Run, key: str, todo: Todo, record: Record) -> None:
    run.records.put(run.bench.record(key, todo, record))
    batch = f", batch {todo.variant.batch_size}" if _batched(todo) else ""
    what = "the start and its memory" if batch and todo.kind == "start" else ""  # several share one fresh process
    run.watch.finished(f"timed {_of(todo, what)}{batch}", "failed" if record.status == "failed" else "ok")
