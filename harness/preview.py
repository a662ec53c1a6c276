"""`harness plan`: the plan, and a short probe of each model it would run, as a forecast."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

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
    """Each group of measurements that no record holds."""
    settings: Mapping[str, Any] = run.config["timing"]
    groups = run.bench.groups([(v, run.tasks[v.task].evalset) for v in run.plan.variants], run.pending)
    single = int(settings["repeats"]) * int(settings["calls"]) + int(settings["warmup"])
    found = []
    for group in groups:
        kind, variant, _ = next(iter(group.values()))
        if kind == "search":
            documents = len(run.tasks[variant.task].evalset.documents)
            found.append(Timing("", single, product_flop(variant, widths, documents)))
            continue
        several = (int(settings["repeats"]) + 1) * int(settings["documents"]) * len(group)
        indexing = kind == "index" and variant.retriever.needs()
        found.append(Timing(str(variant.labels["model"]), several if indexing else single))
    return found
