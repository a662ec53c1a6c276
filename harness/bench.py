"""Which speeds a sweep needs, measured once each and shared by every row they apply to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

from harness.fingerprint import machine
from harness.parts import describe, digest, identity
from harness.plan import Variant
from harness.protocols import Need
from harness.subjects import Scenario
from harness.types import EvalSet, Record

_AT_ONCE = 8  # subjects that take turns
_ENGINE = 1  # raised whenever the same model would run or be searched at another speed: it is then timed anew
_SCENARIO = {"encode": "query", "search": "query", "index": "index", "start": "start", "serve": "serve"}


class Todo(NamedTuple):
    """A measurement to take: its kind, the variant it is taken on, and which of the variant's models, from 0."""

    kind: str
    variant: Variant
    model: int = 0

    @property
    def need(self) -> Need | None:
        """The model, pooling and chunking that are measured; None for a retriever without a model."""
        needs = distinct_needs(self.variant)
        return needs[self.model] if needs else None

    @property
    def scenario(self) -> str:
        """The name of the scenario that takes it."""
        return _SCENARIO[self.kind]


class Bench:
    """What there is to measure; `Timer` takes it, after everything else and alone, in a process of its own.

    `encode`: one text at a time, for each encoder and pooling. `search`: the same query after encoding, stage by stage,
    for each candidate; a query's latency is the sum of the two (where nothing is searched, encode alone). `index`:
    documents per second for each batch size (retrievers without a model: building the index). `start`: a fresh process
    for each model, with its memory at each batch size. `serve`: whole queries as they come, for each candidate. A
    pipeline's second model adds `encode-2`, `index-2` and `start-2`.
    """

    def __init__(self, scenarios: Mapping[str, Scenario]) -> None:
        self.scenarios = scenarios

    @cached_property
    def machine(self) -> dict[str, Any]:
        """The machine, which is part of a timing's key."""
        return machine()

    def keys(self, variant: Variant, evalset: EvalSet) -> dict[str, str]:
        """Record keys by kind; equal keys are one measurement."""
        found: dict[str, str] = {}
        for kind, what in self._asked(variant, evalset).items():
            scenario = self.scenarios.get(_SCENARIO[kind.partition("-")[0]])
            if scenario is not None:
                key = digest([what, variant.device, evalset.sha256, identity(scenario), self.machine, _ENGINE])
                if key not in found.values():  # whole texts and passages share a query's vector
                    found[kind] = key
        return found

    def _asked(self, variant: Variant, evalset: EvalSet) -> dict[str, list[Any]]:
        """What is measured, by kind."""
        found: dict[str, list[Any]] = {}
        if evalset.searched:
            found = {kind: [kind, variant.identity] for kind in ("search", "serve")}
        for i, need in enumerate(distinct_needs(variant)):
            encoder, pooling, chunking = map(identity, need)
            place = f"-{i + 1}" if i else ""
            found[f"encode{place}"] = ["encode", encoder, pooling]
            for kind in ("index", "start"):
                found[f"{kind}{place}"] = [kind, encoder, pooling, chunking, variant.batch_size]
        if not distinct_needs(variant):
            found |= {"index": ["build", variant.identity], "start": ["start", variant.identity]}
        return found

    def groups(
        self, variants: Sequence[tuple[Variant, EvalSet]], pending: Callable[[str], bool]
    ) -> list[dict[str, Todo]]:
        """The measurements whose keys are pending; those of one group are taken in turn, round by round.

        A group is of one kind and one eval set, and holds eight of `encode` or `search`. An `index` or `start` group
        is one model at its batch sizes, ascending, so that little is lost with it; `serve` takes each by itself.
        """
        todo: dict[str, Todo] = {}
        for variant, evalset in variants:
            for kind, key in self.keys(variant, evalset).items():
                if key not in todo and pending(key):
                    name, _, place = kind.partition("-")
                    todo[key] = Todo(name, variant, int(place or 1) - 1)
        groups = []
        for kind, task in dict.fromkeys((kind, t.variant.task) for kind in _SCENARIO for t in todo.values()):
            mine = {k: t for k, t in todo.items() if (t.kind, t.variant.task) == (kind, task)}
            groups += _packed(_by_model(mine), _AT_ONCE if kind in ("encode", "search") else 1)
        return groups

    def record(self, key: str, todo: Todo, record: Record) -> Record:
        """A timing as it is kept, with the machine and the settings it was taken under."""
        settings = {todo.scenario: describe(self.scenarios[todo.scenario])}
        about = {"machine": self.machine, "settings": settings}
        return replace(record, key=key, provenance=dict(record.provenance) | about)


def distinct_needs(variant: Variant) -> list[Need]:
    """The variant's distinct models, in order: a funnel asks for one twice."""
    return list({digest([identity(part) for part in need]): need for need in variant.retriever.needs()}.values())


def _by_model(todos: Mapping[str, Todo]) -> list[dict[str, Todo]]:
    """What belongs together: the batch sizes of one model, ascending; anything else stands alone."""
    found: dict[str, dict[str, Todo]] = {}
    for key, todo in sorted(todos.items(), key=lambda item: item[1].variant.batch_size or 0):
        together = todo.kind in ("index", "start") and todo.need is not None
        name = digest([identity(part) for part in todo.need or ()]) if together else key
        found.setdefault(name, {})[key] = todo
    order = {key: place for place, key in enumerate(todos)}
    return sorted(found.values(), key=lambda group: min(order[key] for key in group))


def _packed(clusters: Iterable[dict[str, Todo]], most: int) -> list[dict[str, Todo]]:
    """Groups of whole clusters, in order, of at most so many measurements where a cluster is not larger by itself."""
    groups: list[dict[str, Todo]] = []
    for cluster in clusters:
        if groups and len(groups[-1]) + len(cluster) <= most:
            groups[-1] |= cluster
        else:
            groups.append(dict(cluster))
    return groups
