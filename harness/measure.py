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
from harness.protocols import Need
from harness.timing import Samples, interleaved, load, machine, noise, sample, upper_bound
from harness.types import EvalSet, HarnessError, Record, first_line

_K = 10
_NO_SPEED = (HarnessError, ArithmeticError, LookupError, MemoryError, OSError, RuntimeError, TypeError, ValueError)


class Todo(NamedTuple):
    """A measurement to take: its kind, and the variant it is taken on."""

    kind: str
    variant: Variant


class Bench:
    """Three kinds of measurement: `encode` (one query at a time), `search` (the same, after encoding), `index`.

    A query's latency is encode + search of the same query, taken apart: encoding is timed once for each encoder and
    pooling, search once for each candidate. `index` is documents per second for each batch size (retrievers
    without a model: building the index). Says what there is to measure; `Timer` takes it, after everything else and
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
        needs = [[identity(n.encoder), identity(n.pooling)] for n in variant.retriever.needs()]
        found = {"search": digest(["search", identity(variant.retriever), where])}
        if not needs:
            return found | {"index": digest(["build", identity(variant.retriever), where])}
        return found | {
            "encode": digest(["encode", needs, where]),
            "index": digest(["index", needs, variant.batch_size, where]),
        }

    def groups(
        self, variants: Sequence[tuple[Variant, EvalSet]], pending: Callable[[str], bool]
    ) -> list[dict[str, Todo]]:
        """The measurements whose keys are pending; those of one group are taken in turn, round by round."""
        todo: dict[str, Todo] = {}
        for variant, evalset in variants:
            for kind, key in self.keys(variant, evalset).items():
                if key not in todo and pending(key):
                    todo[key] = Todo(kind, variant)
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
        key, (kind, variant) = next(iter(group.items()))
        evalset = self.evalsets[variant.task]
        try:
            if kind == "index" and variant.retriever.needs():
                return self._index_rates(group)
            return {key: {"encode": self._encode, "search": self._search, "index": self._build}[kind](variant, evalset)}
        except _NO_SPEED as error:
            if len(group) > 1:
                return {k: r for name, one in group.items() for k, r in self.measured({name: one}).items()}
            reason = f"{type(error).__name__}: {first_line(error)}"
            return {key: untimed(kind, reason, {"traceback": traceback.format_exc()})}

    def _encode(self, variant: Variant, evalset: EvalSet) -> Record:
        need = variant.retriever.needs()[0]
        model, texts = self.source.opened(need.encoder), evalset.queries.texts
        return self._samples(lambda i: model.encode([texts[i]], "query", [need.pooling], 1), evalset, "encode")

    def _search(self, variant: Variant, evalset: EvalSet) -> Record:
        searcher = variant.retriever.prepare(evalset, self.source)
        return self._samples(lambda i: searcher.probe(i, _K), evalset, "search")

    def _samples(self, call: Callable[[int], Any], evalset: EvalSet, kind: str) -> Record:
        calls = min(int(self.settings["calls"]), max(20, len(evalset.queries)))
        queries = _steps(len(evalset.queries), calls)
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

    def _build(self, variant: Variant, evalset: EvalSet) -> Record:
        calls = {"build": lambda: variant.retriever.prepare(evalset, self.source)}
        seconds = interleaved(calls, int(self.settings["repeats"]))["build"]
        return _rate(seconds, len(evalset.documents), None)

    def _index_rates(self, group: Mapping[str, Todo]) -> dict[str, Record]:
        first = next(iter(group.values())).variant
        evalset = self.evalsets[first.task]
        need = first.retriever.needs()[0]
        model = self.source.opened(need.encoder)
        sizes = {key: int(variant.batch_size or 1) for key, (_, variant) in group.items()}
        wanted = max(int(self.settings["documents"]), 2 * max(sizes.values()))  # or a large batch is never filled
        texts = _spread(evalset.documents.texts, wanted)
        tokens = int(self.source.vectors(need.encoder, need.pooling, "document", texts).tokens.sum())
        calls = {k: _encoding(model, texts, need, size) for k, size in sizes.items()}
        taken = interleaved(calls, int(self.settings["repeats"]))
        return {key: _rate(seconds, len(texts), tokens) for key, seconds in taken.items()}


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
        needs = [[identity(n.encoder), identity(n.pooling)] for n in todo.variant.retriever.needs()]
        groups.setdefault(digest([needs, todo.variant.task]), {})[key] = todo
    return list(groups.values())


def _encoding(model: Any, texts: Sequence[str], need: Need, size: int) -> Callable[[], None]:
    return lambda: model.encode(texts, "document", [need.pooling], size)


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
