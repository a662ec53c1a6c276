"""One sweep being run: what stands before the plan, the plan with its keys, and the way to the executor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import cached_property, partial
from pathlib import Path
from secrets import token_hex
from typing import Any, NamedTuple

from harness.assembly import Assembly
from harness.bench import Bench
from harness.cards import card_of
from harness.evalsets import load_task
from harness.execution import Batch, Desk, Done
from harness.expansion import expanded
from harness.forward import StoredVectors, Work, resolve_devices
from harness.halved import hardware_has_bfloat16
from harness.launch import Job, shipped
from harness.parts import build, describe, digest, identity
from harness.plan import (
    Plan,
    Variant,
    check_reference,
    common_config,
    make_plan,
    other_sets,
    quality_key,
    sweep_name,
    tasktype_of,
)  # fmt: skip
from harness.policy import check_categories, check_sets, read_policy
from harness.precision import Parities
from harness.progress import Watch
from harness.protocols import Encoder, Need
from harness.sampling import check_limits, sampled
from harness.shelf import is_current
from harness.store import Records
from harness.timingoptions import scenarios_of
from harness.types import Advanced, EvalSet, Event, Unwritable, Working
from harness.wording import counted, scored, set_name
from harness.worker import Setup, Task

_WIDTH = 384  # of a model that does not say it, to see whether a disk is far too small


class Ground(NamedTuple):
    """What stands before there is a plan: jobs, options, data, devices, where records lie, who watches.

    `others` are eval sets that something is fitted on and nothing scored; `name` is of this run alone.
    """

    jobs: Sequence[Job]
    config: Mapping[str, Any]
    tasks: Mapping[str, Task]
    devices: tuple[str, ...]
    folder: Path
    watch: Watch
    others: Mapping[str, EvalSet]
    name: str

    @property
    def store(self) -> Path:
        """Folder of the stored vectors."""
        return Path(self.config["store_dir"])

    def fast(self, encoder: Encoder) -> bool:
        """Whether `dtype=auto` takes bfloat16: the hardware has it, and no verdict on this data speaks against it."""
        if not hardware_has_bfloat16(self.devices[0]):
            return False
        known = Parities(self.store, self.devices[0])
        verdicts = [known.known(encoder, task.evalset) for task in self.tasks.values()]
        return all(verdict is None or verdict.holds for verdict in verdicts)


class Run:
    """One sweep being run: the ground, the plan, and counts of what was done."""

    def __init__(self, ground: Ground, plan: Plan, alone: bool) -> None:
        self.ground, self.plan, self.alone = ground, plan.on(ground.devices[0]), alone
        self.config, self.tasks, self.watch, self.folder = ground.config, ground.tasks, ground.watch, ground.folder
        self.records = Records(self.folder / "records")
        self.bench = Bench(scenarios_of(self.config["timing"], self.config["trusted"]))
        self.computed = self.encoded = 0
        self.keys = {id(variant): self._key(variant) for variant in self.plan.variants}
        self.by_key: dict[str, Variant] = {}
        for variant in self.plan.variants:
            self.by_key.setdefault(self.key(variant), variant)

    def _key(self, variant: Variant) -> str:
        task = self.tasks[variant.task]
        return quality_key(variant, task.evalset, task.tasktype, self.config["store_dtype"])

    def key(self, variant: Variant) -> str:
        """Key of the variant's quality record."""
        return self.keys[id(variant)]

    @cached_property
    def source(self) -> StoredVectors:
        """The store as this process sees it: to count what is missing, never to encode."""
        ground = self.ground
        store = ground.store if is_current(ground.store) else ground.store / "new"  # an older one counts as empty
        return StoredVectors(store, ground.devices[0], self.plan.needs(), self.hear, self.config["store_dtype"])

    def hear(self, event: Event) -> None:
        """What a process says while it works."""
        if isinstance(event, Working):
            self.watch.advance(event.characters)
        elif isinstance(event, Advanced):
            self.encoded += event.texts
        else:
            self.watch.say(event.line)

    def execute(self, batches: Sequence[Batch], logs: Path, tasks: Mapping[str, Task] | None = None) -> Iterator[Done]:
        """The batches' outcomes from the configured executor; `tasks` are those they hold, left out all."""
        config, ground = self.config, self.ground
        executor = build(config["executor"], config["trusted"])
        desk = Desk(self.hear, self.watch.tick, logs, len(ground.devices))
        setup = Setup(
            ground.store, config["store_dtype"], ground.devices, self.plan.needs(), tasks or self.tasks,
            self.bench.scenarios, logs / f"account-{ground.name}.json", ground.others,
        )  # fmt: skip
        with closing(executor.run(batches, setup, desk)) as outcomes:
            for done in outcomes:
                if isinstance(done.outcome, Unwritable):
                    raise done.outcome
                yield done

    def todo(self) -> dict[str, Variant]:
        """The variants to score, by the keys of their records."""
        return {key: variant for key, variant in self.by_key.items() if self.pending(key)}

    def pending(self, key: str) -> bool:
        """Whether there is no record yet, or a failed one that is to be tried again."""
        known = self.records.get(key)
        return known is None or (known.status == "failed" and self.config["retry"] == "failed")

    def missing(self, variants: Iterable[Variant]) -> float:
        """Characters that must go through a model for these variants."""
        return sum(work.characters for _, work in self._work(variants))

    def store_bytes(self, variants: Collection[Variant]) -> int:
        """What the vectors missing for these variants will take, where the models say how wide they are."""
        needs = {identity(n.encoder): n for v in variants for n in v.retriever.needs()}
        dims = {identity(n.encoder): v.card.get("dims") or _WIDTH for v in variants for n in v.retriever.needs()}
        poolings = Counter({(identity(n.encoder), identity(n.pooling)) for n in self.plan.needs()}).elements()
        shelves = Counter(encoder for encoder, _ in poolings)
        rows = [(_rows(needs[e], work) * shelves[e], int(dims[e])) for e, work in self._work(variants)]
        item = 2 if self.config["store_dtype"] == "float16" else 4
        return sum(n * (item * width + 24) for n, width in rows)

    def _work(self, variants: Iterable[Variant]) -> list[tuple[str, Work]]:
        return [
            (encoder, self.source.missing(need.encoder, self.tasks[task].evalset))
            for (encoder, _), (need, task) in passes(variants).items()
        ]


def _rows(need: Need, work: Work) -> int:
    """Rows of a text: one, or about one for every four characters where each token has its own."""
    return work.texts + (work.characters // 4 if need.encoder.traits().gives == "vectors" else 0)


def ground_of(jobs: Sequence[Job], watch: Watch) -> Ground:
    """Read the options that hold for a whole sweep, its eval sets and the devices; spell out jobs on public sets."""
    config = common_config(jobs)
    jobs = expanded(jobs, Path(config["store_dir"]) / "registry", watch.say)
    devices = resolve_devices(str(config["device"]))
    names = dict.fromkeys(str(j.config["task"]) for j in jobs)
    limits = config["limit_queries"], config["limit_docs"]
    cache = Path(config["store_dir"]) / "evalsets"
    load = partial(load_task, folders=_task_folders(config), cache=cache, say=watch.say)
    sets = {name: sampled(load(name), *limits) for name in names}
    check_limits(sets.values(), config["limit_docs"])
    tasks = {name: Task(evalset, tasktype_of(jobs[0], evalset)) for name, evalset in sets.items()}
    others = {name: load(name) for name in sorted(set().union(*map(other_sets, jobs)))}
    folder = Path(config["results_dir"]) / sweep_name(jobs)
    return Ground(jobs, config, tasks, devices, folder, watch, others, token_hex(4))


def _task_folders(config: Mapping[str, Any]) -> list[Path]:
    extra = [Path(config["task_path"])] if config["task_path"] else []
    return [shipped("tasks"), Path.cwd() / "tasks", *extra]


def run_of(ground: Ground) -> Run:
    """Plan the jobs of this ground; a policy's reference that names no model of the plan is a HarnessError."""
    sets = dict(ground.others) | {name: task.evalset for name, task in ground.tasks.items()}
    known = ground.store / "cards" if ground.store.exists() else None
    assembly = Assembly(ground.fast, sets, lambda part, given: card_of(part, given, known))
    run = Run(ground, make_plan(ground.jobs, assembly), len(ground.jobs) == 1)
    check_reference(run.plan, str(run.config["policy"].get("reference", "best")))
    check_sets(read_policy(run.config["policy"]), ground.tasks)
    check_categories(read_policy(run.config["policy"]), {task.evalset.type for task in ground.tasks.values()})
    return run


def _size(evalset: EvalSet) -> str:
    if evalset.searched:
        return f"{len(evalset.documents)} docs, {len(evalset.queries)} queries"
    return scored({"": {"type": evalset.type, "scored_queries": evalset.scored}})


def headline(run: Run) -> str:
    """How many candidates, configurations and encoders on which eval sets, and what came to none of its own."""
    plan = run.plan
    sizes = [f"{set_name(n, t.evalset.sample)} ({_size(t.evalset)})" for n, t in run.tasks.items()]
    candidates = len({v.candidate_id for v in plan.variants})
    models = len({digest([describe(n.encoder)]) for n in plan.needs()})
    ways = len({(v.candidate_id, v.batch_size, v.device) for v in plan.variants})
    counts = f"{counted(candidates, 'candidate')} in {counted(ways, 'configuration')}, {counted(models, 'encoder')}"
    dropped = f"{counted(plan.excluded, 'combination')} excluded by the grid" if plan.excluded else ""
    merged = f"{counted(plan.merged, 'combination')} merged with one that means the same" if plan.merged else ""
    return "; ".join(part for part in (f"{counts} on {', '.join(sizes)}", dropped, merged) if part)


def passes(variants: Iterable[Variant]) -> dict[tuple[str, str], tuple[Need, str]]:
    """The forward passes that variants rest on, by encoder identity and eval set."""
    return {(identity(n.encoder), v.task): (n, v.task) for v in variants for n in v.retriever.needs()}
