"""Measurements made ready: models opened, corpora indexed, texts chosen; each becomes a subject."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.bench import Todo, distinct_needs
from harness.forward import StoredVectors
from harness.memory import vram_peak_mb
from harness.parts import identity
from harness.protocols import Encoder, Lap, Need, OpenEncoder, OpenReranker, Pooling, Reranker
from harness.subjects import Probing, Subject
from harness.types import EvalSet, Floats, Role, Texts, Vectors

_K = 10
_WEIGHTS = (".safetensors", ".bin", ".pt", ".onnx", ".onnx_data", ".data", ".xml")
_GOLDEN = (5**0.5 - 1) / 2
_Ask = Callable[[str, Lap], object]


@dataclass(frozen=True)
class Staged:
    """A subject, and what is found out about it before it is measured and meanwhile, for the record."""

    subject: Subject
    values: dict[str, Any] = field(default_factory=dict)
    warnings: Callable[[], tuple[str, ...]] = tuple


class Models:
    """A `VectorSource` whose opened models stay open, so that several can take turns, until this is let go."""

    def __init__(self, source: StoredVectors) -> None:
        self._source = source
        self.device = source.device
        self._open: dict[str, Any] = {}

    def opened(self, encoder: Encoder) -> OpenEncoder:
        """The loaded model."""
        model: OpenEncoder = self._held(encoder, encoder.open)
        return model

    def reranking(self, reranker: Reranker) -> OpenReranker:
        """The loaded model."""
        model: OpenReranker = self._held(reranker, reranker.rerank)
        return model

    def vectors(self, encoder: Encoder, pooling: Pooling, role: Role, texts: Sequence[str]) -> Vectors:
        """See `VectorSource`."""
        return self._source.vectors(encoder, pooling, role, texts)

    def pairs(self, reranker: Reranker, queries: Sequence[str], documents: Sequence[str]) -> Floats:
        """See `VectorSource`."""
        return self._source.pairs(reranker, queries, documents)

    def evalset(self, name: str) -> EvalSet:
        """See `VectorSource`."""
        return self._source.evalset(name)

    def _held(self, part: Encoder | Reranker, load: Callable[[str], Any]) -> Any:
        name = identity(part)
        if name not in self._open:
            self._open[name] = load(self.device)
        return self._open[name]


def staged(todo: Todo, evalset: EvalSet, models: Models, documents: int) -> Staged:
    """A measurement made ready; whatever a part raises for it passes through.

    documents: how many texts an index call goes through.
    """
    if todo.kind == "encode":
        return _encode(todo, evalset, models)
    if todo.kind == "search":
        return _search(todo, evalset, models)
    if todo.kind == "serve":
        return _serve(todo, evalset, models)
    if todo.need is None:
        return _build(todo, evalset, models) if todo.kind == "index" else _first_build(todo, evalset, models)
    return _index(todo, evalset, models, documents) if todo.kind == "index" else _start(todo, evalset, models)


def spread(n: int) -> list[int]:
    """All of 0 .. n-1 in an order whose every beginning is spread over the whole (multiples of the golden section)."""
    return [int(i) for i in np.argsort(np.argsort(np.arange(n) * _GOLDEN % 1, kind="stable"), kind="stable")]


def steps(total: int, n: int) -> list[int]:
    """`n` places at even steps from the first of `total` to the last; all where there are no more."""
    return [int(i) for i in np.linspace(0, total - 1, min(n, total))]


def _asked(evalset: EvalSet) -> tuple[Role, Texts]:
    """What comes in one text at a time, and its role: the queries, or where there are none the documents."""
    return evalset.sides[1] if len(evalset.queries) else evalset.sides[0]


def _one_text(model: OpenEncoder, pooling: Pooling, role: Role) -> _Ask:
    """Encode one text, stage by stage where the model tells its stages apart."""
    if isinstance(model, Probing):
        return lambda text, lap: model.probe(text, role, pooling, lap)
    return lambda text, _: model.encode([text], role, [pooling], 1)


def _encode(todo: Todo, evalset: EvalSet, models: Models) -> Staged:
    need, (role, asked) = _need(todo), _asked(evalset)
    tokens = models.vectors(need.encoder, need.pooling, role, asked.texts).tokens
    ask, order = _one_text(models.opened(need.encoder), need.pooling, role), spread(len(asked))
    subject = Subject(lambda i, lap: ask(asked.texts[order[i]], lap), len(order))
    return Staged(subject, {"tokens_per_query": float(tokens.mean())})


def _search(todo: Todo, evalset: EvalSet, models: Models) -> Staged:
    order = spread(len(evalset.queries))
    searcher, took = _searching(todo, evalset, models, order[-1])
    return Staged(Subject(lambda i, lap: searcher.probe(order[i], _K, lap), len(order)), took)


def _searching(todo: Todo, evalset: EvalSet, models: Models, query: int) -> tuple[Any, dict[str, float]]:
    """The searcher after one query, for what it builds only when asked, and the seconds of both where it has some."""
    searcher: Any = todo.variant.retriever.prepare(evalset, models)
    start = time.perf_counter()
    searcher.probe(query, _K, lambda _: None)
    took = time.perf_counter() - start
    return searcher, {"index_build_s": searcher.build_s + took} if hasattr(searcher, "build_s") else {}


def _serve(todo: Todo, evalset: EvalSet, models: Models) -> Staged:
    """Whole queries: every model that the candidate needs encodes the text, then it is searched for."""
    role, asked = _asked(evalset)
    needs = {(identity(n.encoder), identity(n.pooling)): n for n in distinct_needs(todo.variant)}.values()
    asks = [_one_text(models.opened(need.encoder), need.pooling, role) for need in needs]
    order = spread(len(asked))
    searcher, _ = _searching(todo, evalset, models, order[-1])

    def call(number: int, lap: Lap) -> None:
        for ask in asks:
            ask(asked.texts[order[number]], lap)
        searcher.probe(order[number], _K, lap)

    return Staged(Subject(call, len(order)))


def _build(todo: Todo, evalset: EvalSet, models: Models) -> Staged:
    retriever = todo.variant.retriever
    return Staged(Subject(lambda *_: retriever.prepare(evalset, models), documents=len(evalset.documents)))


def _index(todo: Todo, evalset: EvalSet, models: Models, documents: int) -> Staged:
    need, size, role = _need(todo), int(todo.variant.batch_size or 1), evalset.sides[0][0]
    distinct = list(dict.fromkeys(evalset.documents.texts))  # copies are encoded once and would look quick
    whole = [distinct[i] for i in steps(len(distinct), documents)]
    texts = _cut(need, whole)
    tokens = int(models.vectors(need.encoder, need.pooling, role, texts).tokens.sum())
    model = models.opened(need.encoder)
    values: dict[str, Any] = {}

    def call(*_: Any) -> None:
        model.encode(texts, role, [need.pooling], size)
        values.update(_batch_used(model))

    subject = Subject(call, documents=len(whole), tokens=tokens)
    return Staged(subject, values, lambda: _too_large(values, size, len(set(texts))))


def _start(todo: Todo, evalset: EvalSet, models: Models) -> Staged:
    need, size, (role, asked) = _need(todo), int(todo.variant.batch_size or 1), _asked(evalset)
    order, values, ready = spread(len(asked)), dict[str, Any](), dict[str, Any]()

    def load() -> None:
        ready["model"] = models.opened(need.encoder)
        ready["ask"] = _one_text(ready["model"], need.pooling, role)

    def fill() -> None:
        model = ready["model"]
        texts = sorted(_cut(need, evalset.documents.texts), key=len)[-size:]
        model.encode(texts, evalset.sides[0][0], [need.pooling], size)
        values.update(_batch_used(model), model_mb=model_mb(model, need.encoder))
        if models.device.startswith("cuda"):  # asking would load torch, which not every model needs
            values.update(peak_vram_mb=vram_peak_mb(models.device))
        ready["filled"] = len(set(texts))

    subject = Subject(lambda i, lap: ready["ask"](asked.texts[order[i]], lap), len(order), load=load, fill=fill)
    return Staged(subject, values, lambda: _too_large(values, size, ready["filled"]))


def _first_build(todo: Todo, evalset: EvalSet, models: Models) -> Staged:
    ready, order = dict[str, Any](), spread(len(evalset.queries))

    def load() -> None:
        ready["searcher"] = todo.variant.retriever.prepare(evalset, models)

    return Staged(Subject(lambda i, lap: ready["searcher"].probe(order[i], _K, lap), len(order), load=load))


def _need(todo: Todo) -> Need:
    need = todo.need
    assert need is not None, todo.kind
    return need


def _cut(need: Need, documents: Sequence[str]) -> list[str]:
    return list(documents if need.chunking is None else need.chunking.cut(documents, need.encoder).texts)


def _batch_used(model: Any) -> dict[str, int]:
    """How many texts the largest batch of the last call held, of models that say it."""
    used = getattr(model, "batch_used", None)
    return {"batch_used": int(used)} if used else {}


def _too_large(values: Mapping[str, Any], size: int, texts: int) -> tuple[str, ...]:
    used = values.get("batch_used", size)
    return (f"batch {size} did not fit; {used} used",) if used < min(size, texts) else ()


def model_mb(model: Any, encoder: Any) -> float | None:
    """Bytes of a loaded model's weights in MB (10^6): as it says or as its module holds them, else of its files."""
    module: Any = getattr(model, "model", None)
    said = getattr(model, "weight_bytes", None)
    if said is None and hasattr(module, "modules"):
        said = sum(one.numel() * one.element_size() for one in _tensors(module)) or None
    if said is None and hasattr(encoder, "folder"):
        named = (encoder.file if name == "graph" else name for name in encoder.content())
        files = [encoder.folder() / name for name in named if str(name).endswith(_WEIGHTS)]
        said = sum(file.stat().st_size for file in files) or None
    return None if said is None else said / 1e6


def _tensors(module: Any) -> list[Any]:
    """Every tensor that a torch module holds, once: parameters, buffers, and what layers keep of them laid out anew."""
    held = [one for part in module.modules() for one in vars(part).values() if hasattr(one, "element_size")]
    return list({id(one): one for one in (*module.parameters(), *module.buffers(), *held)}.values())
