"""A sweep from composed jobs to records on disk. The only file that knows the order of stages."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.atlas import Atlas
from harness.clocking import time_all
from harness.excerpts import keep_excerpts
from harness.execution import Batch, Lost
from harness.launch import Job
from harness.manifest import manifest_of, variant_entry, write_manifest
from harness.parts import digest, identity, name_of
from harness.plan import Variant
from harness.precision import Parity, reference_of
from harness.progress import Watch
from harness.run import Run, ground_of, headline, passes, run_of
from harness.shelf import open_store
from harness.store import check_writable
from harness.types import HarnessError, Record
from harness.wording import called
from harness.worker import Pass, Score, Task, Trial, lost


@dataclass(frozen=True)
class Outcome:
    """What a sweep left: its folder, counts of records by status; `computed` is work done now, not remembered.

    `encoded` counts the texts that went through a model for it, `seconds` is how long it all took.
    """

    folder: Path
    done: int
    failed: int
    skipped: int
    computed: int
    encoded: int
    seconds: float = 0.0


def run_sweep(jobs: Sequence[Job], command: str, watch: Watch) -> Outcome:
    """Plan, load, evaluate, time; every record is on disk as soon as it exists, so a killed sweep continues."""
    begun = time.monotonic()
    ground = ground_of(jobs, watch)
    encoded = computed = 0
    settled = False
    say: Callable[[str], object] = watch.say
    while not settled:  # once more where dtype=auto had to go back to float32
        run = run_of(ground)
        manifest = _manifest(run, command, say)
        check_writable(Path(run.config["results_dir"]))
        open_store(ground.store, watch.say)
        pending = run.todo()
        check_writable(ground.store, run.store_bytes(pending.values()))
        settled = _evaluate_all(run, pending)
        encoded, computed, say = encoded + run.encoded, computed + run.computed, _unsaid
    atlas = Atlas(run)
    manifest["spaces"] = atlas.entries()
    write_manifest(run.folder, manifest, watch.say if run.alone else _unsaid)
    _keep_texts(run)
    computed += time_all(run)
    computed += atlas.draw()
    done = _outcome(run, computed, encoded, {key for v in manifest["variants"] for key in v["timings"].values()})
    return replace(done, seconds=time.monotonic() - begun)


def _unsaid(line: str) -> None:
    """What was said when the sweep began."""


def _manifest(run: Run, command: str, say: Callable[[str], object]) -> dict[str, Any]:
    say(headline(run))
    manifest = manifest_of(run.plan, run.ground.jobs, {name: task.evalset for name, task in run.tasks.items()}, command)
    manifest["variants"] = [
        variant_entry(v, run.key(v), run.bench.keys(v, run.tasks[v.task].evalset)) for v in run.plan.variants
    ]
    if not run.alone:  # a sweep can be reported after a kill; a single run that does not apply leaves nothing
        write_manifest(run.folder, manifest, say)
    return manifest


def _evaluate_all(run: Run, pending: Mapping[str, Variant]) -> bool:
    """Encode and score what has no record; whether every variant has one now."""
    for key in run.by_key if run.alone else ():
        known = run.records.get(key)
        if known is not None and known.status == "skipped":
            raise HarnessError(known.reason)
    run.watch.expect("scoring", len(pending), run.missing(pending.values()))
    stopped: set[tuple[str, str]] = set()
    settled = True
    with closing(run.execute(_batches(pending, stopped), run.folder / "logs")) as outcomes:  # type: ignore[type-var]
        for job, outcome in outcomes:
            if isinstance(job, Score):
                task = run.tasks[job.variant.task]
                _keep(run, _lost(job, task, outcome) if isinstance(outcome, Lost) else outcome)
            elif isinstance(job, Trial) and not job.auto:
                pass  # the record says what came of it
            elif isinstance(outcome, Lost):
                stopped.add((identity(job.need.encoder), job.task))
                _without_vectors(run, job, outcome, pending)
                run.watch.forgo(run.source.missing(job.need.encoder, run.tasks[job.task].evalset).characters)
            elif isinstance(job, Pass):
                run.watch.forgo(run.source.missing(job.need.encoder, run.tasks[job.task].evalset).characters)
            elif outcome is not None and not outcome.holds:
                settled = False
                stopped.update((identity(job.need.encoder), task) for task in run.tasks)
                _say_refused(run, job, outcome)
    return settled


def _batches(pending: Mapping[str, Variant], stopped: Collection[tuple[str, str]]) -> list[Batch]:
    """The variants of one model make one batch: its process loads the model once."""
    groups: dict[str, dict[str, Variant]] = {}
    for key, variant in pending.items():
        encoders = [identity(need.encoder) for need in variant.retriever.needs()]
        groups.setdefault(digest(encoders or name_of(variant.retriever)), {})[key] = variant
    return [Batch(f"{_model(group)}-{name[:6]}", _jobs(group, stopped)) for name, group in groups.items()]


def _jobs(group: Mapping[str, Variant], stopped: Collection[tuple[str, str]]) -> Iterator[Trial | Pass | Score]:
    """What is asked of faster paths first; then for each eval set the forward passes and the variants whose passes came
    through.
    """
    tried = list(group.values())
    tried.sort(key=lambda v: all(need.pooling.native for need in v.retriever.needs()))  # the last one stands for all
    automatic = {identity(need.encoder) for v in tried if v.auto for need in v.retriever.needs()}
    for (encoder, _), (need, task) in passes(tried).items():
        if reference_of(need.encoder) is not None:
            yield Trial(need, task, encoder in automatic)
    for task in dict.fromkeys(v.task for v in group.values()):
        mine = {key: v for key, v in group.items() if v.task == task}
        needed = passes(mine.values())
        for place, (need, _) in needed.items():
            if place not in stopped:
                yield Pass(need, task)
        if not any(place in stopped for place in needed):
            yield from (Score(variant, key) for key, variant in mine.items())


def _say_refused(run: Run, job: Trial, parity: Parity) -> None:
    name = identity(job.need.encoder)
    model = next(str(v.labels["model"]) for v in run.plan.variants if (name, v.task) in passes([v]))
    run.watch.say(f"{model}: dtype=auto goes back to float32; {parity.said} on {job.task}")


def _without_vectors(run: Run, job: Trial | Pass, outcome: Lost, pending: Mapping[str, Variant]) -> None:
    """Fail the variants whose forward pass took its process down."""
    encoder = identity(job.need.encoder)
    for key, variant in pending.items():
        if variant.task == job.task and encoder in [identity(n.encoder) for n in variant.retriever.needs()]:
            _keep(run, _lost(Score(variant, key), run.tasks[job.task], outcome))


def _keep_texts(run: Run) -> None:
    """What pages show of queries and documents, anew each time: candidates or `report.query_text` may have changed."""
    found = (record for key in run.by_key if (record := run.records.get(key)) is not None)
    keep_excerpts(run.folder, [t.evalset for t in run.tasks.values()], found, run.config["report"]["query_text"])


def _keep(run: Run, record: Record) -> None:
    """Put a quality record on disk and say so."""
    if record.status == "skipped" and run.alone:
        raise HarnessError(record.reason)
    run.records.put(record)
    run.computed += 1
    run.watch.finished(_line(record), record.status)


def _lost(job: Score, task: Task, outcome: Lost) -> Record:
    return lost(job, task, "failed", outcome.reason, {"last_lines": outcome.last_lines, "log": outcome.log})


def _model(group: Mapping[str, Variant]) -> str:
    return str(next(iter(group.values())).labels["model"])


def _line(record: Record) -> str:
    start = f"{called(record.labels)} on {record.labels['task']}:"
    if record.status == "ok":
        return f"{start} {record.values['main']} {record.values['main_score']:.4f}"
    log = f" (log: {record.provenance['log']})" if record.provenance.get("log") else ""
    return f"{start} {record.status.upper()} {record.reason}{log}"


def _outcome(run: Run, computed: int, encoded: int, timings: Collection[str]) -> Outcome:
    found = [run.records.get(key) for key in run.by_key]
    states = [r.status for r in found if r is not None]
    slow = [r for key in timings if (r := run.records.get(key)) is not None and r.status == "failed"]
    failed = states.count("failed") + len(run.plan.failures) + len(slow)
    return Outcome(run.folder, states.count("ok"), failed, states.count("skipped"), computed, encoded)
