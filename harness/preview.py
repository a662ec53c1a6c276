"""`harness plan`: the plan, and a short probe of each model it would run, as a forecast."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from harness.bench import Todo
from harness.execution import Batch, Lost
from harness.forecast import Sketch, Step, Timing, forecast, product_flop
from harness.launch import Job
from harness.parts import identity
from harness.plan import Variant
from harness.progress import Watch
from harness.run import Run, ground_of, headline, passes, run_of
from harness.shelf import check_schema
from harness.store import check_place
from harness.worker import Probe, Probed

_LATER, _RATES = 11, 12  # queries after a start; rates that serving tries, each for twice as long as it works


def plan_sweep(jobs: Sequence[Job], watch: Watch, probe: bool = True) -> str:
    """What a run of these jobs would do and cost, as text. A probe encodes a few texts; nothing is run or kept."""
    ground = ground_of(jobs, watch)
    check_schema(ground.store)
    for option in ("results_dir", "store_dir", "reports_dir"):
        check_place(Path(ground.config[option]), option)
    run = run_of(ground)
    pending = run.todo()
    steps = _steps(run, pending.values())
    if probe:
        found = _probes(run, steps)
        steps = [step._replace(probed=found.get(identity(step.need.encoder))) for step in steps]
    widths = _widths(run, steps)
    return forecast(
        Sketch(
            sweep=run.folder.name,
            headline=headline(run),
            pending=pending,
            remembered=len(run.by_key) - len(pending),
            failed=len([k for k in run.by_key if (known := run.records.get(k)) and known.status == "failed"]),
            failures=run.plan.failures,
            steps=steps,
            evalsets={name: task.evalset for name, task in run.tasks.items()},
            widths=widths,
            item_bytes=2 if run.config["store_dtype"] == "float16" else 4,
            timings=_timings(run, widths),
        )
    )


def _steps(run: Run, variants: Collection[Variant]) -> list[Step]:
    """The forward passes that something is missing for."""
    found = []
    models = {identity(n.encoder): str(v.labels["model"]) for v in variants for n in v.retriever.needs()}
    for (name, task), (need, _) in passes(variants).items():
        work = run.source.missing(need.encoder, run.tasks[task].evalset)
        poolings = [str(v.labels["pooling"]) for v in variants if name in _encoders(v)]
        if work.texts:
            found.append(Step(need, models[name], task, tuple(dict.fromkeys(poolings)), work, None))
    return found


def _encoders(variant: Variant) -> list[str]:
    return [identity(need.encoder) for need in variant.retriever.needs()]


def _probes(run: Run, steps: Sequence[Step]) -> dict[str, Probed | str]:
    """What each model costs here, or why that could not be seen."""
    first = {identity(step.need.encoder): step for step in reversed(steps)}
    batches = [Batch(f"probe-{step.model}", [Probe(step.need, step.task)]) for step in first.values()]
    with tempfile.TemporaryDirectory() as logs, closing(run.execute(batches, Path(logs))) as outcomes:  # type: ignore[type-var]
        return {identity(job.need.encoder): _reason(outcome) for job, outcome in outcomes}


def _reason(outcome: Any) -> Probed | str:
    return outcome.reason if isinstance(outcome, Lost) else outcome


def _widths(run: Run, steps: Sequence[Step]) -> dict[str, int]:
    """Dimensions of each model: of its stored vectors, as probed, else as its card says."""
    found = {}
    for variant in run.plan.variants:
        for need in variant.retriever.needs():
            stored = run.source.width(need) or variant.card.get("dims")
            if isinstance(stored, int):
                found[identity(need.encoder)] = stored
    probed = {identity(s.need.encoder): s.probed.width for s in steps if isinstance(s.probed, Probed)}
    return found | probed


def _timings(run: Run, widths: Mapping[str, int]) -> list[Timing]:
    """Each measurement that no record holds."""
    groups = run.bench.groups([(v, run.tasks[v.task].evalset) for v in run.plan.variants], run.pending)
    return [
        _timing(run, todo, widths, todo.kind == "start" and not i) for g in groups for i, todo in enumerate(g.values())
    ]


def _timing(run: Run, todo: Todo, widths: Mapping[str, int], fresh: bool) -> Timing:
    """fresh: its process has just been started for it."""
    scenario, size = run.bench.scenarios[todo.scenario], todo.variant.batch_size or 1
    repeats = getattr(scenario, "repeats", 1)
    model = str(todo.variant.labels["model"])
    if todo.kind == "index" and todo.need is not None:
        return Timing(model, (repeats + 1) * max(getattr(scenario, "documents", 0), 2 * size))
    if todo.kind == "index":
        return Timing(model, repeats + 1)
    if todo.kind == "start":
        return Timing(model if todo.need else "", _LATER + size, fresh=fresh)
    flop = 0.0 if todo.kind == "encode" else product_flop(todo.variant, widths, _documents(run, todo))
    if todo.kind == "serve":
        lasts = max(getattr(scenario, "seconds", 0.0), 20 * getattr(scenario, "limit_ms", 0.0) / 1000)
        return Timing(model if todo.need else "", _RATES * getattr(scenario, "requests", 1), flop, _RATES * lasts)
    calls = repeats * (getattr(scenario, "calls", 1) + 1) + getattr(scenario, "warmup", 0)
    return Timing(model if todo.kind == "encode" else "", calls, flop, repeats * getattr(scenario, "seconds", 0.0))


def _documents(run: Run, todo: Todo) -> int:
    return len(run.tasks[todo.variant.task].evalset.documents)
