"""Sweep to plan: composed jobs become distinct variants, with what they share."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from harness.account import check_cap
from harness.assembly import Assembly
from harness.cards import combined
from harness.grid import pruned
from harness.labels import labels_of
from harness.launch import Job
from harness.parts import build, did_you_mean, digest, find, identity
from harness.policy import UNNAMED, named_by
from harness.precision import reference_of
from harness.protocols import Need, Retriever
from harness.timing import all_versions
from harness.timingoptions import scenarios_of
from harness.types import EvalSet, HarnessError

_SCORING = 1  # raised whenever the same vectors would score otherwise: old records are then computed anew


@dataclass(frozen=True)
class Variant:
    """One candidate on one eval set at one batch size. `labels` are for reading; identity comes from `retriever`.

    `auto`: bfloat16 was chosen by `dtype=auto`; `cautions`: what a reader must know of how the candidate was made.
    `over_sets`: what the candidate is on all eval sets of the sweep, where that differs from set to set.
    """

    retriever: Retriever
    task: str
    batch_size: int | None
    device: str
    labels: Mapping[str, Any]
    card: Mapping[str, Any]
    auto: bool = False
    cautions: tuple[str, ...] = ()
    over_sets: str = ""

    @property
    def candidate_id(self) -> str:
        """12 hex digits of everything that decides the scores, on whichever eval set of the sweep."""
        return (self.over_sets or self.identity)[:12]

    @cached_property
    def identity(self) -> str:
        """Identity of the retriever, read once: it looks at every file of the model."""
        return identity(self.retriever)


class Failure(NamedTuple):
    """A combination that cannot even be planned: its labels and why."""

    labels: Mapping[str, Any]
    task: str
    status: str
    reason: str


class Plan(NamedTuple):
    """Distinct variants in the order of the jobs; how many jobs were excluded by the grid or merged as equal."""

    variants: tuple[Variant, ...]
    failures: tuple[Failure, ...]
    excluded: int
    merged: int

    def on(self, device: str) -> Plan:
        """The same plan with `auto` resolved to a device."""
        return self._replace(variants=tuple(dataclasses.replace(v, device=device) for v in self.variants))

    def needs(self) -> tuple[Need, ...]:
        """Every distinct forward-pass product that the plan asks for."""
        found = {}
        for variant in self.variants:
            for need in variant.retriever.needs():
                found[digest([identity(part) for part in need])] = need
        return tuple(found.values())


def common_config(jobs: Sequence[Job]) -> dict[str, Any]:
    """What holds for a whole sweep, from the first job; HarnessError where such an option has several values."""
    for option in _ONCE:
        if len({digest(job.config[option]) for job in jobs}) > 1:
            raise HarnessError(f"{option} holds for a whole sweep and cannot be swept; give it one value")
    config = jobs[0].config
    if config["retry"] not in (None, "failed"):
        raise HarnessError(f"retry={config['retry']}: expected failed, or leave it out")
    if config["store_dtype"] not in ("float32", "float16"):
        raise HarnessError(f"store_dtype={config['store_dtype']}: expected float32 or float16")
    if config["space"] not in ("none", "sample"):
        raise HarnessError(f"space={config['space']}: expected none or sample")
    if config["report"]["query_text"] not in QUERY_TEXT:
        raise HarnessError(f"report.query_text={config['report']['query_text']}: expected {', '.join(QUERY_TEXT)}")
    scenarios_of(config["timing"], config["trusted"])
    check_cap(config["max_cost"])
    if _positive(config["keep_ranks"], "keep_ranks") < _SERVED:
        raise HarnessError(f"keep_ranks={config['keep_ranks']}: expected a whole number of at least {_SERVED}")
    return config


def make_plan(jobs: Sequence[Job], assembly: Assembly | None = None) -> Plan:
    """Build every job's parts; a wrong part or parameter is a HarnessError, a model out of reach a Failure."""
    kept, assembly = pruned(jobs), assembly or Assembly()
    made: list[tuple[str, Variant]] = []
    failures: dict[str, Failure] = {}
    for job in kept:
        try:
            made.append((_combination(job), _variant(job, assembly)))
        except HarnessError as error:
            if len(kept) == 1 or type(error) is HarnessError:
                raise
            failure = Failure(labels_of(job), str(job.config["task"]), "failed", str(error))
            failures.setdefault(digest([failure.labels, failure.task, job.config["model"]]), failure)
    variants = _distinct(made)
    distinct = len(variants) + len(failures)
    named = _unambiguous(variants)
    return Plan(tuple(named), tuple(failures.values()), len(jobs) - len(kept), len(kept) - distinct)


def check_reference(plan: Plan, reference: str) -> None:
    """HarnessError where a policy's reference names no model of the plan; better now than after the sweep."""
    models = {
        str(labels["model"]) for labels in (*(v.labels for v in plan.variants), *(f.labels for f in plan.failures))
    }
    ids = {v.candidate_id for v in plan.variants}
    if reference not in UNNAMED and reference not in ids and not any(_begins(reference, model) for model in models):
        raise HarnessError(
            f"policy.reference={reference}: no such model in this sweep. {did_you_mean(reference, models)}"
        )


def _begins(reference: str, model: str) -> bool:
    return named_by(model, reference) or named_by(reference, model)


def quality_key(variant: Variant, evalset: EvalSet, tasktype: Any, store_dtype: str) -> str:
    """Identity of a quality record: candidate, device, libraries, stored precision, data, metrics, scoring version."""
    runtime = [variant.device.partition(":")[0], all_versions(), store_dtype]
    made_from = ["quality", variant.identity, runtime, evalset.sha256, identity(tasktype), _SCORING]
    references = (reference_of(need.encoder) for need in variant.retriever.needs())
    if held_against := [identity(one) for one in references if one is not None]:
        made_from.append(held_against)  # the record says how near a faster path comes to these
    return digest(made_from)


def tasktype_of(job: Job, evalset: EvalSet) -> Any:
    """The eval set's task type with the set's own settings; where documents are ranked, the config's metrics.

    A public set's main score comes first among them.
    """
    if not evalset.searched:
        return find("tasktypes", evalset.type)(**evalset.settings)
    trusted = job.config["trusted"]
    metrics = tuple(build(m, trusted) for m in job.config["metrics"])
    if not metrics:
        raise HarnessError("metrics is empty; the first metric decides, so name at least one")
    settings = dict(evalset.settings)
    settings["kept"] = job.config["keep_ranks"]
    if evalset.type == "retrieval" and (main := settings.pop("main", "")):
        name, _, k = main.rpartition("_at_")
        metrics = (find("metrics", name)(k=int(k)), *(m for m in metrics if m.key != main))
    return find("tasktypes", evalset.type)(metrics=metrics, **settings)


def sweep_name(jobs: Sequence[Job]) -> str:
    """The name given, else that of the experiment, else the tasks and a hash of what is swept; a sample says so."""
    given = jobs[0].config["sweep"]
    if given:
        if not _FOLDER.fullmatch(str(given)) or given in _TAKEN:
            allowed = f"a folder name of letters, digits, -, _ and dots, except {' and '.join(_TAKEN)}"
            raise HarnessError(f"sweep={given}: expected {allowed}")
        return str(given)
    sample = "-sample" if jobs[0].config["limit_queries"] or jobs[0].config["limit_docs"] else ""
    experiment = jobs[0].choices.get("experiment", "None")
    if experiment != "None":
        return experiment + sample
    tasks = sorted({str(j.config["task"]) for j in jobs})
    family = digest(sorted([[j.config.get(k) for k in _FAMILY] for j in jobs], key=str))
    return f"{_UNSAFE.sub('-', '-'.join(tasks[:3])).strip('-')}-{family[:6]}{sample}"


_ONCE = (
    "device", "executor", "grid", "keep_ranks", "languages", "limit_docs", "limit_queries", "max_cost", "metrics",
    "policy", "report", "reports_dir", "results_dir", "retry", "space", "store_dir", "store_dtype", "sweep",
    "task_path", "timing", "trusted",
)  # fmt: skip
QUERY_TEXT = ("full", "hashed", "none")
_SERVED = 10  # documents that pages and overlaps look at
_TAKEN = ("published", "store")
_FOLDER = re.compile(r"\w[\w.-]*")
_UNSAFE = re.compile(r"[^\w.-]+")
_FAMILY = (
    "model", "retriever", "prompt", "pooling", "chunking", "reduction", "quantization", "index", "task", "similarity",
    "rescore", "rescore_with", "fit_on", "aggregate", "instruction", "dtype", "batch_size",
)  # fmt: skip


def _variant(job: Job, assembly: Assembly) -> Variant:
    config = job.config
    found = assembly.of(config, job.choices["retriever"])
    encoders = [need.encoder for need in found.part.needs()]
    auto = config["dtype"] == "auto" and any(getattr(e, "dtype", "") == "bfloat16" for e in encoders)
    batch_size = _positive(config["batch_size"], "batch_size") if encoders else None
    where = str(config["task"]), batch_size, str(config["device"])
    return Variant(found.part, *where, labels_of(job, found), combined(found.cards), auto, found.cautions)


def _combination(job: Job) -> str:
    """The job's options but for those that make no other candidate."""
    return digest({k: v for k, v in job.config.items() if k not in ("task", "batch_size")})


def _distinct(made: Sequence[tuple[str, Variant]]) -> list[Variant]:
    """Variants of one combination are one candidate, also where eval sets bring prompts of their own; equal ones merge.

    made: the variant of each job with the job's `_combination`.
    """
    ways: dict[str, dict[str, str]] = {}
    for combination, variant in made:
        ways.setdefault(combination, {})[variant.task] = variant.identity
    found: dict[str, Variant] = {}
    for combination, variant in made:
        whole = _joint(ways[combination])
        kept = variant if whole == variant.identity else dataclasses.replace(variant, over_sets=whole)
        found.setdefault(digest([kept.candidate_id, kept.task, kept.batch_size, kept.device]), kept)
    return list(found.values())


def _joint(by_task: Mapping[str, str]) -> str:
    """The identity that holds on all tasks, or one made of those that differ."""
    return next(iter(by_task.values())) if len(set(by_task.values())) == 1 else digest(by_task)


def _positive(value: Any, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise HarnessError(f"{name}={value!r}: expected a whole number of at least 1")
    return value


def _unambiguous(variants: list[Variant]) -> list[Variant]:
    """Candidates that differ only where labels do not look get part of an identity in their label.

    First the encoder's, so two folders called `model` keep one label each over all dimensions and quantizations;
    then the candidate's, where only a parameter such as the similarity differs.
    """
    encoders: dict[str, dict[str, str]] = {}
    for v in variants:
        encoders.setdefault(v.candidate_id, {})[v.task] = _encoder_id(v)
    return _marked(_marked(variants, lambda v: _joint(encoders[v.candidate_id])), lambda v: v.candidate_id)


def _marked(variants: list[Variant], mark: Callable[[Variant], str]) -> list[Variant]:
    seen: dict[str, set[str]] = {}
    for v in variants:
        seen.setdefault(digest(dict(v.labels)), set()).add(mark(v))
    clashing = {v.labels["model"] for v in variants if len(seen[digest(dict(v.labels))]) > 1}
    return [
        dataclasses.replace(v, labels=dict(v.labels) | {"model": f"{v.labels['model']}@{mark(v)[:6]}"})
        if v.labels["model"] in clashing
        else v
        for v in variants
    ]


def _encoder_id(variant: Variant) -> str:
    return digest([identity(need.encoder) for need in variant.retriever.needs()])


def other_sets(job: Job) -> set[str]:
    """Names of eval sets that a job's parts are fitted on, beside the one it is scored on."""
    found = {str(job.config["fit_on"])} if job.config["fit_on"] else set()
    return found | set(_named(job.config["retriever"], "tune_on"))


def _named(node: Any, key: str) -> list[str]:
    values = node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ()
    own = [str(node[key])] if isinstance(node, Mapping) and node.get(key) else []
    return own + [name for value in values for name in _named(value, key)]
