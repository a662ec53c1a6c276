"""Which speeds a sweep needs, measured once each and shared by every row they apply to."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from harness.forward import StoredVectors
from harness.parts import digest, identity
from harness.plan import Variant
from harness.protocols import Need
from harness.store import Records
from harness.timing import Samples, interleaved, load, machine, noise, sample, upper_bound
from harness.types import EvalSet, HarnessError, Record, first_line

_K = 10
_NO_SPEED = (HarnessError, ArithmeticError, LookupError, MemoryError, OSError, RuntimeError, TypeError, ValueError)


class _Todo(NamedTuple):
    """A measurement to take: its kind, and the variant and eval set it is taken on."""

    kind: str
    variant: Variant
    evalset: EvalSet


class Bench:
    """Three kinds of measurement: `encode` (one query at a time), `search` (the same, after encoding), `index`.

    A query's latency is encode + search of the same query, taken apart: encoding is timed once for each encoder and
    pooling, search once for each candidate. `index` is documents per second for each batch size (retrievers
    without a model: building the index). Runs after everything else in the same process.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        records: Records,
        source: StoredVectors,
        say: Callable[[str], None],
        retry: bool = False,
    ) -> None:
        self.settings = _checked(settings)
        self.retry = retry
        self.records = records
        self.source = source
        self.say = say

    @cached_property
    def _machine(self) -> dict[str, Any]:
        return machine()

    def keys(self, variant: Variant, evalset: EvalSet) -> dict[str, str]:
        """Record keys by kind; equal keys are one measurement."""
        if self.settings["scenario"] == "none":
            return {}
        where = [variant.device, evalset.sha256, dict(self.settings), self._machine]
        needs = [[identity(n.encoder), identity(n.pooling)] for n in variant.retriever.needs()]
        found = {"search": digest(["search", identity(variant.retriever), where])}
        if not needs:
            return found | {"index": digest(["build", identity(variant.retriever), where])}
        return found | {
            "encode": digest(["encode", needs, where]),
            "index": digest(["index", needs, variant.batch_size, where]),
        }

    def time_all(self, variants: Sequence[tuple[Variant, EvalSet]]) -> int:
        """Take every measurement that no record holds yet, one model after another; gives how many were taken."""
        pending: dict[str, _Todo] = {}
        for variant, evalset in variants:
            for kind, key in self.keys(variant, evalset).items():
                known = self.records.get(key)
                if known is None or (known.status == "failed" and self.retry):
                    pending[key] = _Todo(kind, variant, evalset)
        if pending:
            self.say(f"timing {len(pending)} measurements, alone on the machine (load {load()})")
        indexing = {k: v for k, v in pending.items() if v.kind == "index" and v.variant.retriever.needs()}
        singles = [{k: v} for k, v in pending.items() if k not in indexing]
        for group in [*_by_pass(indexing), *singles]:
            for key, record in self._measured(group).items():
                self._put(key, record)
        return len(pending)

    def _measured(self, group: Mapping[str, _Todo]) -> dict[str, Record]:
        """What each key of the group gives; where one fails (a batch out of memory), each is taken by itself."""
        key, (kind, variant, evalset) = next(iter(group.items()))
        try:
            if kind == "index" and variant.retriever.needs():
                return self._index_rates(group)
            return {key: {"encode": self._encode, "search": self._search, "index": self._build}[kind](variant, evalset)}
        except _NO_SPEED as error:
            if len(group) > 1:
                return {k: r for name, one in group.items() for k, r in self._measured({name: one}).items()}
            reason = f"{type(error).__name__}: {first_line(error)}"
            trace = {"traceback": traceback.format_exc()}
            return {key: Record("", "timing", "failed", {"kind": kind}, reason=reason, provenance=trace)}

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

    def _index_rates(self, group: Mapping[str, _Todo]) -> dict[str, Record]:
        _, first, evalset = next(iter(group.values()))
        need = first.retriever.needs()[0]
        model = self.source.opened(need.encoder)
        sizes = {key: int(variant.batch_size or 1) for key, (_, variant, _) in group.items()}
        wanted = max(int(self.settings["documents"]), 2 * max(sizes.values()))  # or a large batch is never filled
        texts = _spread(evalset.documents.texts, wanted)
        tokens = int(self.source.vectors(need.encoder, need.pooling, "document", texts).tokens.sum())
        calls = {k: _encoding(model, texts, need, size) for k, size in sizes.items()}
        taken = interleaved(calls, int(self.settings["repeats"]))
        return {key: _rate(seconds, len(texts), tokens) for key, seconds in taken.items()}

    def _put(self, key: str, record: Record) -> None:
        provenance = dict(record.provenance) | {"machine": self._machine, "settings": dict(self.settings)}
        fields = {"key": key, "provenance": provenance}
        self.records.put(Record(**{**record.__dict__, **fields}))


def _checked(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in ("repeats", "calls", "documents", "warmup"):
        value, least = settings[name], 0 if settings["scenario"] == "none" or name == "warmup" else 1
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise HarnessError(f"timing.{name}={value!r}: expected a whole number of at least {least}")
    return settings


def _by_pass(pending: Mapping[str, _Todo]) -> list[dict[str, _Todo]]:
    groups: dict[str, dict[str, _Todo]] = {}
    for key, todo in pending.items():
        needs = [[identity(n.encoder), identity(n.pooling)] for n in todo.variant.retriever.needs()]
        groups.setdefault(digest([needs, todo.evalset.sha256]), {})[key] = todo
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
