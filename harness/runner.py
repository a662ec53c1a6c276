"""A sweep from composed jobs to records on disk. The only file that knows the order of stages."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.evalsets import load_task
from harness.forward import StoredVectors, resolve_device
from harness.launch import Job, shipped
from harness.manifest import manifest_of, variant_entry, write_manifest
from harness.measure import Bench
from harness.parts import build, describe, digest, name_of
from harness.plan import Plan, Variant, check_reference, common_config, make_plan, quality_key, sweep_name, tasktype_of
from harness.store import Records
from harness.timing import versions
from harness.types import Doubles, EvalSet, HarnessError, Inapplicable, Record, first_line

Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """What a sweep left: its folder, and counts of records by status; `computed` is work done now, not remembered."""

    folder: Path
    done: int
    failed: int
    skipped: int
    computed: int


class _Task(NamedTuple):
    evalset: EvalSet
    tasktype: Any


class _Run(NamedTuple):
    """One sweep being run: the plan and where its values come from and go to."""

    plan: Plan
    tasks: Mapping[str, _Task]
    records: Records
    source: StoredVectors
    config: Mapping[str, Any]
    folder: Path
    say: Say
    alone: bool

    def key(self, variant: Variant) -> str:
        """Key of the variant's quality record."""
        task = self.tasks[variant.task]
        return quality_key(variant, task.evalset, task.tasktype)


def run_sweep(jobs: Sequence[Job], command: str, say: Say) -> Outcome:
    """Plan, load, evaluate, time; every record is on disk as soon as it exists, so a killed sweep continues."""
    run = _prepare(jobs, say)
    bench = Bench(run.config["timing"], run.records, run.source, say, run.config["retry"] == "failed")
    check_reference(run.plan, str(run.config["policy"].get("reference", "best")))
    say(_headline(run))
    manifest = manifest_of(run.plan, jobs, {name: task.evalset for name, task in run.tasks.items()}, command)
    manifest["variants"] = [
        variant_entry(v, run.key(v), bench.keys(v, run.tasks[v.task].evalset)) for v in run.plan.variants
    ]
    if len(jobs) > 1:  # a sweep can be reported after a kill; a single run that does not apply leaves nothing
        write_manifest(run.folder, manifest, say)
    computed = _evaluate_all(run)
    write_manifest(run.folder, manifest, say)
    if run.config["timing"]["scenario"] != "none":
        computed += bench.time_all(_timeable(run))
    return _outcome(run, computed, {key for v in manifest["variants"] for key in v["timings"].values()})


def plan_sweep(jobs: Sequence[Job]) -> str:
    """What `run_sweep` would do, as text: candidates, what is remembered, forward passes. Runs and writes nothing."""
    run = _prepare(jobs, lambda _: None)
    lines = [_headline(run)]
    for key, variant in {run.key(v): v for v in run.plan.variants}.items():
        record = run.records.get(key)
        state = f"remembered, {record.status}" if record else "to run"
        lines.append(f"  {state:16} {_name(variant.labels)} on {variant.task}")
    lines += [f"  {f.status:16} {f.labels['model']}: {f.reason}" for f in run.plan.failures]
    for need in run.plan.needs():
        for name, task in run.tasks.items():
            missing = run.source.count_missing(need, task.evalset)
            what = f"{name_of(need.encoder)}, pooling {name_of(need.pooling)}, {name}"
            lines.append(f"  forward pass     {what}: {missing} texts")
    return "\n".join([*lines, f"sweep {run.folder.name}; nothing was run"])


def _prepare(jobs: Sequence[Job], say: Say) -> _Run:
    config = common_config(jobs)
    plan = make_plan(jobs)
    device = resolve_device(str(config["device"])) if plan.needs() else "cpu"
    source = StoredVectors(Path(config["store_dir"]), device, plan.needs(), say)
    folder = Path(config["results_dir"]) / sweep_name(jobs)
    return _Run(
        plan.on(device), _load_tasks(jobs), Records(folder / "records"), source, config, folder, say, len(jobs) == 1
    )


def _evaluate_all(run: _Run) -> int:
    pending = {}
    for variant in run.plan.variants:
        known = run.records.get(key := run.key(variant))
        if run.alone and known is not None and known.status == "skipped":
            raise HarnessError(known.reason)
        if known is None or (known.status == "failed" and run.config["retry"] == "failed"):
            pending[key] = variant
    executor = build(run.config["executor"], run.config["trusted"])
    outcomes = executor.run(pending.values(), lambda v: _evaluate(run, v))
    for number, record in enumerate(outcomes, start=1):
        if record.status == "skipped" and run.alone:
            raise HarnessError(record.reason)
        run.records.put(record)
        run.say(f"[{number}/{len(pending)}] {_line(record)}")
    return len(pending)


def _evaluate(run: _Run, variant: Variant) -> Record:
    task = run.tasks[variant.task]
    key = run.key(variant)
    labels = dict(variant.labels) | {"task": variant.task}
    provenance = {"candidate": describe(variant.retriever), "versions": versions(), "data_sha256": task.evalset.sha256}
    try:
        searcher = variant.retriever.prepare(task.evalset, run.source)
        result = task.tasktype.evaluate(task.evalset, searcher)
    except Inapplicable as error:
        return Record(key, "quality", "skipped", labels, reason=str(error), provenance=provenance)
    except HarnessError as error:
        return Record(key, "quality", "failed", labels, reason=str(error), provenance=provenance)
    except Exception as error:  # noqa: BLE001  one job's bug must not stop the others; the traceback is kept
        trace = {"traceback": traceback.format_exc()}
        reason = f"{type(error).__name__}: {first_line(error)}"
        return Record(key, "quality", "failed", labels, reason=reason, provenance=provenance | trace)
    means = {name: _mean(scores) for name, scores in result.per_query.items()}
    values = dict(result.facts) | means | {"main": result.main, "main_score": means[result.main]}
    arrays = dict(result.per_query) | {"query_ids": np.asarray(result.query_ids), "top": result.top}
    warnings = result.warnings + ((str(variant.card["caution"]),) if "caution" in variant.card else ())
    return Record(key, "quality", "ok", labels, values, arrays, "", warnings, provenance)


def _mean(scores: Doubles) -> float | None:
    """Mean over the queries that have a value; None where no query has one."""
    known = scores[~np.isnan(scores)]
    return float(known.mean()) if len(known) else None


def _load_tasks(jobs: Sequence[Job]) -> dict[str, _Task]:
    config = jobs[0].config
    extra = [Path(config["task_path"])] if config["task_path"] else []
    folders = [shipped("tasks"), Path.cwd() / "tasks", *extra]
    names = dict.fromkeys(str(j.config["task"]) for j in jobs)
    sets = {name: load_task(name, folders) for name in names}
    return {name: _Task(evalset, tasktype_of(jobs[0], evalset)) for name, evalset in sets.items()}


def _timeable(run: _Run) -> list[tuple[Variant, EvalSet]]:
    good = [v for v in run.plan.variants if (r := run.records.get(run.key(v))) and r.status == "ok"]
    return [(v, run.tasks[v.task].evalset) for v in good]


def _headline(run: _Run) -> str:
    plan = run.plan
    sizes = [f"{n} ({len(t.evalset.documents)} docs, {len(t.evalset.queries)} queries)" for n, t in run.tasks.items()]
    candidates = len({v.candidate_id for v in plan.variants})
    models = len({digest([describe(n.encoder)]) for n in plan.needs()})
    dropped = f", {plan.excluded} excluded, {plan.merged} merged as equal" if plan.excluded or plan.merged else ""
    counts = f"{candidates} candidates, {len(plan.variants)} variants, {models} encoders{dropped}"
    return f"{counts} on {', '.join(sizes)}"


def _name(labels: Mapping[str, Any]) -> str:
    return " · ".join(str(labels[k]) for k in ("model", "pooling", "dim", "quantization") if labels[k] != "-")


def _line(record: Record) -> str:
    start = f"{_name(record.labels)} on {record.labels['task']}:"
    if record.status == "ok":
        return f"{start} {record.values['main']} {record.values['main_score']:.4f}"
    return f"{start} {record.status.upper()} {record.reason}"


def _outcome(run: _Run, computed: int, timings: Collection[str]) -> Outcome:
    found = [run.records.get(key) for key in {run.key(v) for v in run.plan.variants}]
    states = [r.status for r in found if r is not None]
    slow = [r for key in timings if (r := run.records.get(key)) is not None and r.status == "failed"]
    failed = states.count("failed") + len(run.plan.failures) + len(slow)
    return Outcome(run.folder, states.count("ok"), failed, states.count("skipped"), computed)
