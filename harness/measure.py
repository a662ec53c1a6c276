"""Which speeds a sweep needs, measured once each and shared by every row they apply to."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from harness.forward import StoredVectors
from harness.parts import digest, identity
from harness.plan import Variant
from harness.protocols import Need, Pooling, Searcher
from harness.timing import Laps, Samples, interleaved, load, machine, noise, sample, upper_bound
from harness.types import EvalSet, HarnessError, Record, Role, Texts, first_line

_K = 10
_NO_SPEED = (HarnessError, ArithmeticError, LookupError, MemoryError, OSError, RuntimeError, TypeError, ValueError)


class Todo(NamedTuple):
    """A measurement to take: its kind, the variant it is taken on, and which of the variant's models, from 0."""

    kind: str
    variant: Variant
    model: int = 0

    @property
    def need(self) -> Need:
        """The model and pooling that are measured."""
        return _needs(self.variant)[self.model]


class Bench:
    """Three kinds of measurement: `encode` (one query at a time), `search` (the same, after encoding), `index`.

    A query's latency is encode + search of the same query (where nothing is searched, encode alone), taken apart:
    encoding is timed once for each encoder and pooling, search once for each candidate, stage by stage. `index` is
    documents per second for each batch size (retrievers without a model: building the index). A pipeline's second
    model adds `encode-2` and `index-2`. Says what there is to measure; `Timer` takes it, after everything else and
    alone, in a process of its own.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = _checked(settings)

    @cached_property
    def machine(self) -> dict[str, Any]:
        """The machine, which is part of a timing's key."""
        return machine()

    def keys(self, variant: Variant, evalset: EvalSet) -> dict[str, str]:
        """Record keys by kind; equal keys are one measurement."""
        if self.settings["scenario"] == "none":
            return {}
        where = [variant.device, evalset.sha256, dict(self.settings), self.machine]
        found = {"search": digest(["search", variant.identity, where])} if evalset.searched else {}
        for i, need in enumerate(_needs(variant)):
            encoder, pooling, chunking = map(identity, need)
            place = f"-{i + 1}" if i else ""
            encode = digest(["encode", [[encoder, pooling]], where])
            if encode not in found.values():  # whole texts and passages share a query's vector
                found[f"encode{place}"] = encode
            found[f"index{place}"] = digest(["index", [[encoder, pooling, chunking]], variant.batch_size, where])
        return found if _needs(variant) else found | {"index": digest(["build", variant.identity, where])}

    def groups(
        self, variants: Sequence[tuple[Variant, EvalSet]], pending: Callable[[str], bool]
    ) -> list[dict[str, Todo]]:
        """The measurements whose keys are pending; those of one group are taken in turn, round by round."""
        todo: dict[str, Todo] = {}
        for variant, evalset in variants:
            for kind, key in self.keys(variant, evalset).items():
                if key not in todo and pending(key):
                    name, _, place = kind.partition("-")
                    todo[key] = Todo(name, variant, int(place or 1) - 1)
        indexing = {k: v for k, v in todo.items() if v.kind == "index" and v.variant.retriever.needs()}
        return [*_by_pass(indexing), *({k: v} for k, v in todo.items() if k not in indexing)]

    def record(self, key: str, record: Record) -> Record:
        """A timing as it is kept, with the machine and the settings it was taken under."""
        made = dict(record.provenance) | {"machine": self.machine, "settings": dict(self.settings)}
        return replace(record, key=key, provenance=made)


class Timer:
    """Takes measurements with the vectors and models of a store."""

    def __init__(self, settings: Mapping[str, Any], source: StoredVectors, evalsets: Mapping[str, EvalSet]) -> None:
        self.settings = settings
        self.source = source
        self.evalsets = evalsets

    def measured(self, group: Mapping[str, Todo]) -> dict[str, Record]:
        """What each key of the group gives; where one fails (a batch out of memory), each is taken by itself."""
        key, todo = next(iter(group.items()))
        kind, evalset = todo.kind, self.evalsets[todo.variant.task]
        try:
            if kind == "index" and todo.variant.retriever.needs():
                return self._index_rates(group)
            return {key: {"encode": self._encode, "search": self._search, "index": self._build}[kind](todo, evalset)}
        except _NO_SPEED as error:
            if len(group) > 1:
                return {k: r for name, one in group.items() for k, r in self.measured({name: one}).items()}
            reason = f"{type(error).__name__}: {first_line(error)}"
            return {key: untimed(kind, reason, {"traceback": traceback.format_exc()})}

    def _encode(self, todo: Todo, evalset: EvalSet) -> Record:
        need = todo.need
        model, (role, asked) = self.source.opened(need.encoder), _asked(evalset)
        return self._samples(lambda i: model.encode([asked.texts[i]], role, [need.pooling], 1), evalset, "encode")

    def _search(self, todo: Todo, evalset: EvalSet) -> Record:
        searcher = todo.variant.retriever.prepare(evalset, self.source)
        laps = Laps()

        def call(query: int) -> None:
            laps.start()
            searcher.probe(query, _K, laps)

        record = self._samples(call, evalset, "search")
        stages = laps.stages(*record.arrays["seconds"].shape)
        arrays = dict(record.arrays) | {f"stage {name}": seconds for name, seconds in stages.items()}
        return replace(record, arrays=arrays, values=dict(record.values) | _build_time(searcher))

    def _samples(self, call: Callable[[int], Any], evalset: EvalSet, kind: str) -> Record:
        there = len(_asked(evalset)[1])
        calls = min(int(self.settings["calls"]), max(20, there))
        queries = _steps(there, calls)
        before = load()
        taken: Samples = sample(
            lambda i: call(queries[i % len(queries)]),
            int(self.settings["repeats"]),
            calls,
            int(self.settings["warmup"]),
        )
        medians = np.median(taken.seconds, axis=1)
        warnings = noise(medians, f"{kind} of one query")
        if not taken.settled:
            warnings += (f"{kind}: calls still differed by over 10% after {taken.warmup} warm-up calls",)
        values = {
            "first_ms": taken.first_s * 1000,
            "warmup_calls": taken.warmup,
            "load_before": before,
            "load_after": load(),
        }
        return Record("", "timing", "ok", {"kind": kind}, values, {"seconds": taken.seconds}, "", warnings)

    def _build(self, todo: Todo, evalset: EvalSet) -> Record:
        calls = {"build": lambda: todo.variant.retriever.prepare(evalset, self.source)}
        seconds = interleaved(calls, int(self.settings["repeats"]))["build"]
        return _rate(seconds, len(evalset.documents), None)

    def _index_rates(self, group: Mapping[str, Todo]) -> dict[str, Record]:
        first = next(iter(group.values()))
        need, evalset = first.need, self.evalsets[first.variant.task]
        sizes = {key: int(todo.variant.batch_size or 1) for key, todo in group.items()}
        wanted = max(int(self.settings["documents"]), 2 * max(sizes.values()))  # or a large batch is never filled
        texts = documents = _spread(evalset.documents.texts, wanted)
        if need.chunking is not None:
            texts = list(need.chunking.cut(documents, need.encoder).texts)
        role = evalset.sides[0][0]
        tokens = int(self.source.vectors(need.encoder, need.pooling, role, texts).tokens.sum())
        model = self.source.opened(need.encoder)
        calls = {k: _encoding(model, texts, (role, need.pooling), size) for k, size in sizes.items()}
        taken = interleaved(calls, int(self.settings["repeats"]))
        return {key: _rate(seconds, len(documents), tokens) for key, seconds in taken.items()}


def _needs(variant: Variant) -> list[Need]:
    """The variant's distinct models, in order: a funnel asks for one twice."""
    return list({digest([identity(part) for part in need]): need for need in variant.retriever.needs()}.values())


def _build_time(searcher: Searcher) -> dict[str, float]:
    """Seconds that building the index took, of searchers that say it."""
    return {"index_build_s": searcher.build_s} if hasattr(searcher, "build_s") else {}


def untimed(kind: str, reason: str, trace: Mapping[str, str]) -> Record:
    """The record of a measurement that could not be taken."""
    return Record("", "timing", "failed", {"kind": kind}, reason=reason, provenance=trace)


def _checked(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in ("repeats", "calls", "documents", "warmup"):
        value, least = settings[name], 0 if settings["scenario"] == "none" or name == "warmup" else 1
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise HarnessError(f"timing.{name}={value!r}: expected a whole number of at least {least}")
    return settings


def _by_pass(pending: Mapping[str, Todo]) -> list[dict[str, Todo]]:
    groups: dict[str, dict[str, Todo]] = {}
    for key, todo in pending.items():
        need = [identity(part) for part in todo.need]
        groups.setdefault(digest([need, todo.variant.task]), {})[key] = todo
    return list(groups.values())


def _asked(evalset: EvalSet) -> tuple[Role, Texts]:
    """What comes in one text at a time, and its role: the queries, or where there are none the documents."""
    return evalset.sides[1] if len(evalset.queries) else evalset.sides[0]


def _encoding(model: Any, texts: Sequence[str], how: tuple[Role, Pooling], size: int) -> Callable[[], None]:
    return lambda: model.encode(texts, how[0], [how[1]], size)


def _spread(texts: Sequence[str], n: int) -> list[str]:
    """`n` texts at even steps through the corpus, so that their lengths are the corpus's."""
    return [texts[i] for i in _steps(len(texts), n)]


def _steps(total: int, n: int) -> list[int]:
    return [int(i) for i in np.linspace(0, total - 1, min(n, total))]


def _rate(seconds: np.ndarray, documents: int, tokens: int | None) -> Record:
    typical = float(np.median(seconds))
    values: dict[str, Any] = {
        "docs_per_s": documents / typical,
        "documents": documents,
        "seconds_upper": upper_bound(seconds),
    }
    if tokens:
        values["tokens_per_s"] = tokens / typical
    return Record("", "timing", "ok", {"kind": "index"}, values, {"seconds": seconds}, "", noise(seconds, "indexing"))
