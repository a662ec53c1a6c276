"""A sweep from composed jobs to records on disk. The only file that knows the order of stages."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.evalsets import load_task
from harness.forward import StoredVectors, resolve_device
from harness.launch import Job, shipped
from harness.measure import Bench
from harness.parts import build, describe, digest, name_of
from harness.plan import Plan, Variant, make_plan, quality_key, sweep_name, tasktype_of
from harness.store import Records, read_json, write_json
from harness.timing import machine, versions
from harness.types import Doubles, EvalSet, HarnessError, Inapplicable, Record

Say = Callable[[str], None]
MANIFEST = "sweep.json"
_SHOWN = ("model", "pooling", "dim", "quantization")


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


def run_sweep(jobs: Sequence[Job], command: str, say: Say) -> Outcome:
    """Plan, load, evaluate, time; every record is on disk as soon as it exists, so a killed sweep continues."""
    config = jobs[0].config
    plan = make_plan(jobs)
    tasks = _load_tasks(jobs)
    folder = Path(config["results_dir"]) / sweep_name(jobs)
    records = Records(folder / "records")
    device = resolve_device(str(config["device"])) if plan.needs() else "cpu"
    source = StoredVectors(Path(config["store_dir"]), device, plan.needs(), say)
    manifest = _manifest(plan, tasks, jobs, command, device)
    say(_headline(plan, tasks))
    if len(jobs) > 1:  # a sweep can be reported after a kill; a single run that does not apply leaves nothing
        _write_manifest(folder, manifest)
    computed = _evaluate_all(_Run(plan, tasks, records, source, config, say))
    _write_manifest(folder, manifest)
    if config["timing"]["scenario"] != "none":
        computed += Bench(config["timing"], records, source, say).time_all(_timeable(plan, tasks, records))
    return _outcome(folder, plan, records, tasks, computed)


def _quiet(_: str) -> None:
    """Nobody listens."""


def plan_sweep(jobs: Sequence[Job]) -> str:
    """What `run_sweep` would do, as text: candidates, what is remembered, forward passes. Runs and writes nothing."""
    config, plan = jobs[0].config, make_plan(jobs)
    tasks = _load_tasks(jobs)
    folder = Path(config["results_dir"]) / sweep_name(jobs)
    known = Records(folder / "records")
    device = resolve_device(str(config["device"])) if plan.needs() else "cpu"
    source = StoredVectors(Path(config["store_dir"]), device, plan.needs(), _quiet)
    keys = {_key(v, tasks): v for v in plan.variants}
    lines = [_headline(plan, tasks)]
    for key, variant in keys.items():
        name = " · ".join(str(variant.labels[k]) for k in _SHOWN if variant.labels[k] != "-")
        record = known.get(key)
        lines.append(f"  {'remembered, ' + record.status if record else 'to run':16} {name} on {variant.task}")
    lines += [f"  {f.status:16} {f.labels['model']}: {f.reason}" for f in plan.failures]
    for need in plan.needs():
        for name, task in tasks.items():
            missing = source.count_missing(need, task.evalset)
            lines.append(
                f"  forward pass     {name_of(need.encoder)}, pooling {name_of(need.pooling)}, {name}: {missing} texts"
            )
    return "\n".join([*lines, f"sweep {folder.name}; nothing was run"])


class _Run(NamedTuple):
    plan: Plan
    tasks: Mapping[str, _Task]
    records: Records
    source: StoredVectors
    config: Mapping[str, Any]
    say: Say


def _evaluate_all(run: _Run) -> int:
    pending = {}
    for variant in run.plan.variants:
        key = _key(variant, run.tasks)
        known = run.records.get(key)
        if known is None or (known.status == "failed" and run.config["retry"] == "failed"):
            pending[key] = variant
    executor = build(run.config["executor"], run.config["trusted"])
    work = lambda v: _evaluate(v, run.tasks[v.task], run.source)  # noqa: E731
    for number, record in enumerate(executor.run(pending.values(), work), start=1):
        if record.status == "skipped" and len(run.plan.variants) == 1:
            raise HarnessError(record.reason)
        run.records.put(record)
        run.say(f"[{number}/{len(pending)}] {_line(record)}")
    return len(pending)


def _evaluate(variant: Variant, task: _Task, source: StoredVectors) -> Record:
    key = quality_key(variant, task.evalset, task.tasktype)
    labels = dict(variant.labels) | {"task": variant.task}
    provenance = {"candidate": describe(variant.retriever), "versions": versions(), "data_sha256": task.evalset.sha256}
    try:
        searcher = variant.retriever.prepare(task.evalset, source)
        result = task.tasktype.evaluate(task.evalset, searcher)
    except Inapplicable as error:
        return Record(key, "quality", "skipped", labels, reason=str(error), provenance=provenance)
    except HarnessError as error:
        return Record(key, "quality", "failed", labels, reason=str(error), provenance=provenance)
    except Exception as error:  # noqa: BLE001  one job's bug must not stop the others; the traceback is kept
        trace = {"traceback": traceback.format_exc()}
        reason = f"{type(error).__name__}: {(str(error).strip().splitlines() or ['no message'])[0]}"
        return Record(key, "quality", "failed", labels, reason=reason, provenance=provenance | trace)
    means = {name: _mean(scores) for name, scores in result.per_query.items()}
    values = dict(result.facts) | means | {"main": result.main, "main_score": means[result.main]}
    arrays = dict(result.per_query) | {"query_ids": np.asarray(result.query_ids), "top": result.top}
    return Record(key, "quality", "ok", labels, values, arrays, "", result.warnings, provenance)


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


def _key(variant: Variant, tasks: Mapping[str, _Task]) -> str:
    return quality_key(variant, tasks[variant.task].evalset, tasks[variant.task].tasktype)


def _timeable(plan: Plan, tasks: Mapping[str, _Task], records: Records) -> list[tuple[Variant, EvalSet]]:
    good = {key for v in plan.variants if (r := records.get(key := _key(v, tasks))) and r.status == "ok"}
    return [(v, tasks[v.task].evalset) for v in plan.variants if _key(v, tasks) in good]


def _manifest(plan: Plan, tasks: Mapping[str, _Task], jobs: Sequence[Job], command: str, device: str) -> dict[str, Any]:
    config = jobs[0].config
    bench = Bench(config["timing"], None, None, _quiet)
    variants = [
        dict(v.labels)
        | {
            "task": v.task,
            "batch_size": v.batch_size,
            "device": device,
            "candidate_id": v.candidate_id,
            "model_sha256": _model_sha256(v),
            "card": dict(v.card),
            "quality": _key(v, tasks),
            "timings": bench.keys(v, tasks[v.task].evalset, device),
        }
        for v in plan.variants
    ]
    failures = [dict(f.labels) | {"task": f.task, "status": f.status, "reason": f.reason} for f in plan.failures]
    return {
        "schema": 1,
        "sweep": sweep_name(jobs),
        "command": command,
        "policy": config["policy"],
        "evalsets": {name: _about(task.evalset) for name, task in tasks.items()},
        "variants": variants,
        "unplanned": failures,
        "excluded": plan.excluded,
        "merged": plan.merged,
        "machine": machine(),
        "timing": dict(config["timing"]),
    }


def _about(evalset: EvalSet) -> dict[str, Any]:
    judged = int(np.unique(evalset.qrels.query[evalset.qrels.grade > 0]).size)
    return {
        "sha256": evalset.sha256,
        "type": evalset.type,
        "documents": len(evalset.documents),
        "queries": len(evalset.queries),
        "scored_queries": judged,
        "judgements": len(evalset.qrels.grade),
        "languages": list(evalset.languages),
        "weight": evalset.weight,
        "guard": evalset.guard,
        "label_source": evalset.label_source,
        "exclude_self": evalset.exclude_self,
        "notes": [dict(n._asdict()) for n in evalset.notes],
    }


def _model_sha256(variant: Variant) -> str:
    contents = [dict(need.encoder.content()) for need in variant.retriever.needs()]
    if len(contents) == 1 and "model.safetensors" in contents[0]:
        return contents[0]["model.safetensors"]
    return digest(contents) if contents else ""


def _write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Keep the date of the first run of the same family; another family or policy starts anew."""
    path = folder / MANIFEST
    before = read_json(path) if path.exists() else {}
    same = {k: v for k, v in before.items() if k not in ("created", "command")}
    unchanged = same == {k: v for k, v in manifest.items() if k != "command"}
    created = before["created"] if unchanged else datetime.now(UTC).isoformat(timespec="seconds")
    write_json(path, manifest | {"created": created} | ({"command": before["command"]} if unchanged else {}))


def _headline(plan: Plan, tasks: Mapping[str, _Task]) -> str:
    sets = ", ".join(
        f"{n} ({len(t.evalset.documents)} docs, {len(t.evalset.queries)} queries)" for n, t in tasks.items()
    )
    candidates = len({v.candidate_id for v in plan.variants})
    passes = len({digest([describe(n.encoder)]) for n in plan.needs()})
    dropped = f", {plan.excluded} excluded, {plan.merged} merged as equal" if plan.excluded or plan.merged else ""
    return f"{candidates} candidates, {len(plan.variants)} variants, {passes} models to run{dropped} on {sets}"


def _line(record: Record) -> str:
    labels = record.labels
    name = " · ".join(str(labels[k]) for k in _SHOWN if labels[k] != "-")
    if record.status == "ok":
        return f"{name} on {labels['task']}: {record.values['main']} {record.values['main_score']:.4f}"
    return f"{name} on {labels['task']}: {record.status.upper()} {record.reason}"


def _outcome(folder: Path, plan: Plan, records: Records, tasks: Mapping[str, _Task], computed: int) -> Outcome:
    found = {key: records.get(key) for key in {_key(v, tasks) for v in plan.variants}}
    states = [r.status for r in found.values() if r is not None]
    failed = states.count("failed") + len(plan.failures)
    return Outcome(folder, states.count("ok"), failed, states.count("skipped"), computed)
