"""What runs in a process of its own: forward passes, scoring, timing. Jobs come in, records go out; nothing is kept."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil

from harness.account import SPENT
from harness.bench import Todo
from harness.cards import trained_on
from harness.execution import Lost
from harness.forward import PART_ERRORS, StoredVectors
from harness.parts import describe
from harness.plan import Variant, quality_key
from harness.precision import Parities, Parity, Told, in_float32
from harness.protocols import Need
from harness.spaces import prepared
from harness.subjects import Scenario
from harness.timer import Timer
from harness.timing import all_versions
from harness.types import (
    Doubles,
    EvalSet,
    Event,
    HarnessError,
    Inapplicable,
    Record,
    Status,
    Unwritable,
    first_line,
)

_PROBED, _TOGETHER = 24, 4


def _alike(texts: Sequence[str]) -> list[list[str]]:
    """Texts of like length, as a forward pass has them in a batch, from six places of the corpus by length."""
    ordered = sorted(texts, key=len)
    places = np.linspace(0, max(0, len(ordered) - _TOGETHER), _PROBED // _TOGETHER).astype(int)
    return [ordered[i : i + _TOGETHER] for i in sorted(set(places.tolist()))]


class Task(NamedTuple):
    """An eval set and the task type, with its metrics, that scores it."""

    evalset: EvalSet
    tasktype: Any


class Trial(NamedTuple):
    """See whether a faster path gives the model's vectors. Outcome: its `Parity`; `Lost` where that cannot be seen.

    None where the pooling does not apply, which its variants find out themselves, and where nothing depends on it:
    auto says that `dtype=auto` does.
    """

    need: Need
    task: str
    auto: bool


class Pass(NamedTuple):
    """Encode an eval set with one model for all planned poolings. No outcome: each variant finds its vectors or not."""

    need: Need
    task: str

    @property
    def keeps(self) -> bool:
        """What it does is stored bit by bit; see `Executor`."""
        return True


class Score(NamedTuple):
    """Rank and score one variant. Outcome: its `Record`."""

    variant: Variant
    key: str


class Clock(NamedTuple):
    """Take one group of timings. Outcome: records by key; those it lacks are to be taken one by one."""

    group: Mapping[str, Todo]


class Probe(NamedTuple):
    """Load a model and encode a few texts, keeping nothing. Outcome: `Probed`, or the reason as a text."""

    need: Need
    task: str


class Probed(NamedTuple):
    """What a model costs here: seconds to load, characters a second, width of its vectors, memory of its process."""

    load_s: float
    characters_per_s: float
    width: int
    memory_bytes: float


@dataclass(frozen=True)
class Setup:
    """All that a process needs; see `Start`. `account`: the file where the run's processes add up what they spend."""

    store: Path
    store_dtype: str
    devices: tuple[str, ...]
    needs: tuple[Need, ...]
    tasks: Mapping[str, Task]
    timing: Mapping[str, Scenario]
    account: Path
    others: Mapping[str, EvalSet] = field(default_factory=dict)

    @property
    def sets(self) -> dict[str, EvalSet]:
        """Every eval set that a part may name."""
        return dict(self.others) | {name: task.evalset for name, task in self.tasks.items()}

    def __call__(self, tell: Callable[[Event], None], lane: int) -> Callable[[Any], Any]:
        """Open the store; models are opened by the first job that asks for them."""
        SPENT.share(self.account)
        device = self.devices[lane % len(self.devices)]
        source = StoredVectors(self.store, device, self.needs, tell, self.store_dtype, self.sets)
        return Worker(self, source, Parities(self.store, device)).do


class Worker:
    """Does one job after another; keeps the model of the last one open."""

    def __init__(self, setup: Setup, source: StoredVectors, parities: Parities) -> None:
        self.setup = setup
        self.source = source
        self.parities = parities
        self.timer = Timer(setup.timing, source, {name: task.evalset for name, task in setup.tasks.items()})

    def do(self, job: Any) -> Any:
        """The outcome of a job of one of the kinds above, or `Unwritable`, which concerns them all."""
        try:
            return self._do(job)
        except Unwritable as error:
            return error

    def _do(self, job: Any) -> Any:
        if isinstance(job, Trial):
            return self._try(job)
        if isinstance(job, Pass):
            return self._encode(job)
        if isinstance(job, Probe):
            return self._probe(job)
        return self._score(job) if isinstance(job, Score) else self.timer.measured(job.group)

    def _probe(self, job: Probe) -> Probed | str:
        groups = _alike(self.setup.tasks[job.task].evalset.documents.texts)
        start = time.perf_counter()
        try:
            model = self.source.opened(job.need.encoder)
            opened = time.perf_counter()
            model.encode(groups[0], "document", [job.need.pooling], None)
            warm = time.perf_counter()
            made = [model.encode(group, "document", [job.need.pooling], None) for group in groups]
            width = made[0].vectors[0].shape[1]
        except PART_ERRORS as error:
            return first_line(error)
        rate = sum(len(text) for group in groups for text in group) / (time.perf_counter() - warm)
        return Probed(opened - start, rate, width, float(psutil.Process().memory_info().rss))

    def _try(self, job: Trial) -> Parity | Lost | None:
        try:
            return self.parities.measured(job.need, self.setup.tasks[job.task].evalset)
        except Unwritable:
            raise
        except Inapplicable:
            return None
        except PART_ERRORS as error:  # unchecked, dtype=auto never takes bfloat16
            if not job.auto:
                traceback.print_exc()  # into the process's log
                return None
            return Lost(f"dtype=auto could not be checked: {first_line(error)}", traceback.format_exc(), "")

    def _encode(self, job: Pass) -> None:
        try:
            self.source.fill(job.need.encoder, self.setup.tasks[job.task].evalset)
        except Unwritable:
            raise
        except PART_ERRORS:  # each variant meets it again, and says whether it concerns it
            traceback.print_exc()

    def _score(self, job: Score) -> Record:
        variant, task = job.variant, self.setup.tasks[job.variant.task]
        try:
            ready = prepared(variant.retriever, task.evalset, self.source)
            result = task.tasktype.evaluate(task.evalset, ready)
            parity = self._precision(variant, task)
        except Unwritable:
            raise
        except Inapplicable as error:
            return lost(job, task, "skipped", str(error))
        except HarnessError as error:
            return lost(job, task, "failed", str(error))
        except Exception as error:  # noqa: BLE001  one job's bug must not stop the others; the traceback is kept
            traceback.print_exc()  # into the process's log
            reason = f"{type(error).__name__}: {first_line(error)}"
            return lost(job, task, "failed", reason, {"traceback": traceback.format_exc()})
        means = {name: _mean(scores) for name, scores in result.per_query.items()}
        values = dict(result.facts) | means | {"main": result.main, "main_score": means[result.main], **parity.values}
        arrays = dict(result.per_query) | {"query_ids": np.asarray(result.query_ids), "top": result.top}
        if result.unscored and result.unscored[0]:
            arrays |= {"unscored_ids": np.asarray(result.unscored[0]), "unscored_top": result.unscored[1]}
        warnings = (*result.warnings, *parity.warnings, *variant.cautions)
        warnings += (trained,) if (trained := trained_on(variant.card, task.evalset)) else ()
        return Record(job.key, "quality", "ok", labels(variant), values, arrays, "", warnings, provenance(job, task))

    def _precision(self, variant: Variant, task: Task) -> Told:
        """What there is to say of a faster path; `parity_record` is the key of the same candidate's in float32."""
        told, plain = self.parities.told(variant.retriever, task.evalset, variant.auto), in_float32(variant.retriever)
        if plain == variant.retriever:
            return told
        key = quality_key(replace(variant, retriever=plain), task.evalset, task.tasktype, self.setup.store_dtype)
        return told._replace(values={**told.values, "parity_record": key})


def lost(job: Score, task: Task, status: Status, reason: str, trace: Mapping[str, str] | None = None) -> Record:
    """The record of a variant that has no scores."""
    made_from = provenance(job, task) | dict(trace or {})
    return Record(job.key, "quality", status, labels(job.variant), reason=reason, provenance=made_from)


def labels(variant: Variant) -> dict[str, Any]:
    """What a record is called."""
    return dict(variant.labels) | {"task": variant.task}


def provenance(job: Score, task: Task) -> dict[str, Any]:
    """What a quality record was made from."""
    made_from = {"versions": all_versions(), "data_sha256": task.evalset.sha256}
    return {"candidate": describe(job.variant.retriever)} | made_from


def _mean(scores: Doubles) -> float | None:
    """Mean over the queries that have a value; None where no query has one."""
    known = scores[~np.isnan(scores)]
    return float(known.mean()) if len(known) else None
