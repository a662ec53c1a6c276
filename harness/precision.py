"""How near a faster path (bfloat16, float16, an exported graph) comes to the model in float32, and `dtype=auto`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from harness.cards import weights_of
from harness.parts import digest, identity
from harness.protocols import Encoder, Need, Reranker, Retriever
from harness.sparse import unpacked, width_of
from harness.store import read_json, write_json
from harness.timing import versions
from harness.types import Encoded, EvalSet, Floats, HarnessError

# Rounding to 8 bits of mantissa costs a sound model about 0.0002 of cosine; a model that overflows or was trained
# for another precision loses far more.
LEAST_COSINE = 0.999
_DOCUMENTS, _QUERIES = 32, 16
_UNKNOWN = "its speed stands without parity: the cosine to float32 could not be measured, the log says why"
_UNNAMED = (
    "its speed stands without parity: name the model that the graph was made from by model.reference=FOLDER, or its "
    "hub id"
)


@runtime_checkable
class Derived(Protocol):
    """An encoder that was made from a model in float32, such as an exported graph."""

    def original(self) -> Encoder | None:
        """That model; None where it is not named."""
        ...


class Parity(NamedTuple):
    """The lowest cosine between the vectors of a faster path and those in float32 of the same texts; how many texts."""

    cosine: float
    texts: int

    @property
    def holds(self) -> bool:
        """Whether the faster vectors stand for the others."""
        return self.cosine >= LEAST_COSINE

    @property
    def said(self) -> str:
        """One clause for records and the page."""
        return f"lowest cosine to float32 {self.cosine:.5f} over {self.texts} texts"


def reference_of(encoder: Encoder) -> Encoder | None:
    """The encoder in float32 that a faster path stands for; None for one that is that itself, or names none."""
    if isinstance(encoder, Derived) and (original := encoder.original()) is not None:
        return original
    if getattr(encoder, "dtype", "float32") == "float32":
        return None
    return replace(encoder, dtype="float32")  # type: ignore[type-var]


def is_unnamed(encoder: Encoder) -> bool:
    """Whether a faster path does not say which model it stands for."""
    return isinstance(encoder, Derived) and encoder.original() is None


def in_float32(part: Any) -> Any:
    """The same retriever, or other part, with every model in it replaced by that in float32 which it stands for."""
    if isinstance(part, tuple):
        return tuple(map(in_float32, part))
    if not is_dataclass(part) or isinstance(part, type):
        return part
    if hasattr(part, "open"):
        return reference_of(part) or part  # type: ignore[arg-type]
    held = {f.name: getattr(part, f.name) for f in fields(part) if f.init}
    if isinstance(part, Reranker) and "dtype" in held:
        return replace(part, dtype="float32")
    changed = {name: made for name, value in held.items() if (made := in_float32(value)) is not value}
    return replace(part, **changed) if changed else part


class Told(NamedTuple):
    """What a record says of parity: values by name, and warnings."""

    values: Mapping[str, Any]
    warnings: tuple[str, ...]


class Parities:
    """Parities remembered in a store, by encoder, what it stands for, data, kind of device and libraries."""

    def __init__(self, store: Path, device: str) -> None:
        self.folder = store / "parity"
        self.device = device

    def known(self, encoder: Encoder, evalset: EvalSet) -> Parity | None:
        """Of a faster path; None where it was never measured, or stands for nothing else."""
        path = self._path(encoder, evalset)
        try:
            return Parity(**read_json(path)) if path else None
        except (HarnessError, TypeError):  # absent or damaged: measured again
            return None

    def measured(self, need: Need, evalset: EvalSet) -> Parity | None:
        """The remembered one, or a new one: both encoders on texts spread over the eval set."""
        path, reference = self._path(need.encoder, evalset), reference_of(need.encoder)
        if path is None or reference is None:
            return None
        if found := self.known(need.encoder, evalset):
            return found
        found = _measured((reference, need.encoder), need, evalset, self.device)
        write_json(path, found._asdict())
        return found

    def told(self, retriever: Retriever, evalset: EvalSet, auto: bool) -> Told:
        """Of all faster paths in a retriever: `parity_cosine`, the lowest, and `parity_texts`, where all are known.

        auto: whether `dtype=auto` chose the precision.
        """
        encoders = [need.encoder for need in retriever.needs()]
        found = [(one, self.known(one, evalset)) for one in encoders if reference_of(one) is not None]
        unnamed = (_UNNAMED,) if any(map(is_unnamed, encoders)) else ()
        warnings = *(line for one, parity in found for line in _said(one, parity, auto)), *unnamed
        known = [parity for _, parity in found if parity is not None]
        if not found or len(known) < len(found) or unnamed:
            return Told({}, warnings)
        lowest = min(known)
        return Told({"parity_cosine": lowest.cosine, "parity_texts": lowest.texts}, warnings)

    def _path(self, encoder: Encoder, evalset: EvalSet) -> Path | None:
        reference = reference_of(encoder)
        if reference is None:
            return None
        pair = [identity(encoder), identity(reference)]
        return self.folder / f"{digest([pair, evalset.sha256, self.device.partition(':')[0], versions()])}.json"


def _said(encoder: Encoder, parity: Parity | None, auto: bool) -> Iterator[str]:
    if parity is None:
        yield _UNKNOWN
    elif auto and getattr(encoder, "dtype", "") == "bfloat16":
        yield f"dtype=auto chose bfloat16; {parity.said}"
    elif not parity.holds:
        yield f"{parity.said}, under {LEAST_COSINE}: these are not the vectors of the model in float32"


def _measured(pair: tuple[Encoder, Encoder], need: Need, evalset: EvalSet, device: str) -> Parity:
    plain, fast = (_encoded(encoder, need, evalset, device) for encoder in pair)  # one after the other, as memory goes
    sparse = need.encoder.traits().gives == "sparse"
    rows = [_weights(a, b) if sparse else (a.vectors[0], b.vectors[0]) for a, b in zip(plain, fast, strict=True)]
    cosines = [_cosine(a, b) for a, b in rows]
    lowest = float(np.min(np.concatenate(cosines)))
    return Parity(lowest if np.isfinite(lowest) else -1.0, sum(len(one.tokens) for one in plain))


def _encoded(encoder: Encoder, need: Need, evalset: EvalSet, device: str) -> list[Encoded]:
    counts = (_DOCUMENTS, _QUERIES)
    sides = [(role, _spread(side.texts, n)) for (role, side), n in zip(evalset.sides, counts, strict=True) if len(side)]
    _check_room(encoder, device)
    model = encoder.open(device)
    return [model.encode(texts, role, [need.pooling], None) for role, texts in sides]


def _check_room(encoder: Encoder, device: str) -> None:
    """HarnessError where the weights in float32 would not fit: who asked for a narrow dtype may have had to."""
    import psutil

    wanted, free = 4 * weights_of(encoder).get("parameters", 0), psutil.virtual_memory().available
    if device == "cpu" and getattr(encoder, "dtype", "") == "float32" and wanted > free:
        raise HarnessError(f"the weights in float32 take {wanted / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free")


def _spread(texts: tuple[str, ...], n: int) -> list[str]:
    return [texts[int(i)] for i in np.linspace(0, len(texts) - 1, min(n, len(texts)))]


def _weights(a: Encoded, b: Encoded) -> tuple[Floats, Floats]:
    """Term weights of both, float32 [n, V]."""
    width = width_of(a.vectors[0], b.vectors[0])
    first, second = (unpacked(one.vectors[0], np.asarray(one.counts), width).toarray() for one in (a, b))
    return first, second


def _cosine(a: Floats, b: Floats) -> Floats:
    """Row by row; 1 for two rows of nothing but zeros."""
    if a.shape != b.shape:
        raise HarnessError(f"float32 gives vectors of the shape {a.shape} and the faster path {b.shape}: not one model")
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    same = ~(a.any(axis=1) | b.any(axis=1))
    with np.errstate(invalid="ignore"):  # a row of zeros beside another is no number, and does not hold
        result: Floats = np.where(same, 1.0, (a * b).sum(axis=1) / np.where(same, 1.0, norms))
    return result
