"""Vectors from the store, or from one forward pass that yields every pooling the plan asks for."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.parts import describe, digest, identity, name_of
from harness.protocols import Encoder, Need, OpenEncoder, Pooling
from harness.shelf import Incomplete, Keys, Shelf, text_keys
from harness.store import read_json, write_json
from harness.timing import versions
from harness.types import Advanced, Encoded, EvalSet, Event, HarnessError, Role, Said, Vectors, Working

# What a kill can cost: texts and characters between two writes, some ten seconds of a small model on two cores.
_STORE_TEXTS = 1024
_STORE_CHARACTERS = 500_000
_SIGN_CHARACTERS = 100_000  # between two signs of life
# What a model or a pooling may raise without being at fault for more than its own variants.
PART_ERRORS = (
    HarnessError, ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, MemoryError, OSError,
    RuntimeError, TypeError, ValueError,
)  # fmt: skip


class Work(NamedTuple):
    """Texts that still have to go through a model, and how many characters they have."""

    texts: int
    characters: int


class StoredVectors:
    """A `VectorSource` over one store folder; keeps one model open at a time.

    `tell` gets what a user should see, and the progress of each store batch once it is on disk. `dtype` is the
    precision of the rows on disk. A set of texts is always cut into the same store batches, and a store batch is
    stored as a whole, so vectors do not depend on where an earlier run was killed.
    """

    def __init__(
        self,
        folder: Path,
        device: str,
        needs: Iterable[Need],
        tell: Callable[[Event], None],
        dtype: str = "float32",
    ) -> None:
        self.folder = folder
        self.device = device
        self.tell = tell
        self.dtype = dtype
        self._poolings: dict[str, dict[str, Pooling]] = {}
        for need in needs:
            self._poolings.setdefault(identity(need.encoder), {})[identity(need.pooling)] = need.pooling
        self._shelves: dict[tuple[str, str], Shelf] = {}
        self._known_keys: dict[tuple[int, str], tuple[Sequence[str], Keys]] = {}
        self._failed: dict[tuple[Shelf, Role, int], Exception] = {}
        self._open: tuple[str, OpenEncoder] | None = None
        self._dated: set[Path] = set()

    def vectors(self, encoder: Encoder, pooling: Pooling, role: Role, texts: Sequence[str]) -> Vectors:
        """float32 [n, d] in the order of `texts`; encodes what the store lacks and keeps it."""
        keys, shelf = self._keys(encoder, role, texts), self._shelf(encoder, pooling)
        self._mark_used(encoder)
        for poolings in (self._planned(encoder, pooling), [pooling], [pooling]):
            if self._missing(shelf, keys).any():
                self._fill(encoder, poolings, role, texts, "")
            try:
                return shelf.load(keys)
            except Incomplete:
                self._name_dropped(shelf)
        raise HarnessError(f"vectors under {shelf.folder} vanish while they are read; is another process pruning them?")

    def fill(self, encoder: Encoder, evalset: EvalSet) -> None:
        """One forward pass over an eval set for all planned poolings; a pooling that fails is left to its own turn."""
        poolings = list(self._poolings.get(identity(encoder), {}).values())
        for role, texts in sides(evalset):
            self._fill(encoder, poolings, role, texts, f"{evalset.name} {role}")

    def missing(self, encoder: Encoder, evalset: EvalSet) -> Work:
        """What `fill` would encode."""
        poolings = list(self._poolings.get(identity(encoder), {}).values())
        texts = [t for role, side in sides(evalset) for t in self._lacking(encoder, poolings, role, side)]
        return Work(len(texts), sum(map(len, texts)))

    def width(self, need: Need) -> int:
        """Dimensions of the stored vectors, 0 where there are none."""
        return self._shelf(need.encoder, need.pooling).width

    def opened(self, encoder: Encoder) -> OpenEncoder:
        """The loaded model; the one before it is let go."""
        name = identity(encoder)
        if self._open is None or self._open[0] != name:
            self._open = None
            self._open = (name, encoder.open(self.device))
        return self._open[1]

    def _fill(
        self, encoder: Encoder, poolings: Sequence[Pooling], role: Role, texts: Sequence[str], origin: str
    ) -> None:
        keys = self._keys(encoder, role, texts)
        lacks = {p: self._missing(self._shelf(encoder, p), keys) for p in poolings}
        if not any(lack.any() for lack in lacks.values()):
            return
        self._describe(encoder, poolings)
        parts = list(store_batches(texts, keys))
        while parts:
            part = parts.pop(0)
            if any(self._shelf(encoder, p).joined() for p in lacks):  # another process fills it too: share the work
                random.shuffle(parts)
                lacks = {p: self._missing(self._shelf(encoder, p), keys) for p in lacks}
            wanted = [p for p, lack in lacks.items() if lack[part].any()]
            rows = part[np.any([lacks[p][part] for p in wanted], axis=0)] if wanted else part[:0]
            if not len(rows):
                continue
            found = self._encode(encoder, [texts[i] for i in rows], role, wanted, texts)
            lacks = {p: lack for p, lack in lacks.items() if p in found or p not in wanted}
            for p, vectors in found.items():
                own = np.flatnonzero(lacks[p][rows])
                kept = Vectors(vectors.rows[own], vectors.tokens[own], vectors.full_tokens[own])
                self._shelf(encoder, p).append(keys[rows[own]], kept, origin)
            self.tell(Advanced(len(rows)))

    def _encode(
        self, encoder: Encoder, chosen: list[str], role: Role, poolings: list[Pooling], texts: Sequence[str]
    ) -> dict[Pooling, Vectors]:
        """Vectors of the poolings that work; where none does, the error, which later calls for these texts meet again
        at once.
        """
        before = [self._failed.get((self._shelf(encoder, p), role, id(texts))) for p in poolings]
        if before[0] and all(before):
            raise before[0]
        try:
            model, made = self.opened(encoder), list[Encoded]()
            for piece in _pieces(chosen):
                encoded, sound = _together(model, piece, role, poolings)
                made = [e._replace(vectors=tuple(e.vectors[poolings.index(p)] for p in sound)) for e in made]
                made, poolings = [*made, encoded], sound
                self.tell(Working(sum(map(len, piece))))
            tokens, full = (np.concatenate([getattr(e, name) for e in made]) for name in ("tokens", "full_tokens"))
            columns = {p: np.concatenate([e.vectors[i] for e in made]) for i, p in enumerate(poolings)}
            found = {p: Vectors(v, tokens, full) for p, v in columns.items() if np.isfinite(v).all()}
            if not found:
                raise HarnessError("the model gives vectors that are not finite (NaN or inf): its weights or its dtype")
            return found
        except PART_ERRORS as error:
            for p in poolings:
                self._failed[self._shelf(encoder, p), role, id(texts)] = error
            raise

    def _planned(self, encoder: Encoder, pooling: Pooling) -> list[Pooling]:
        planned = self._poolings.get(identity(encoder), {}) if encoder.traits().pooling else {}
        return [pooling, *(p for key, p in planned.items() if key != identity(pooling))]

    def _lacking(self, encoder: Encoder, poolings: Sequence[Pooling], role: Role, texts: Sequence[str]) -> list[str]:
        keys = self._keys(encoder, role, texts)
        lacks = [self._missing(self._shelf(encoder, p), keys) for p in poolings]
        lacking = np.any(lacks, axis=0) if lacks else np.zeros(len(keys), dtype=bool)
        _, first = np.unique(keys, return_index=True)
        return [texts[i] for i in first[lacking[first]]]

    def _keys(self, encoder: Encoder, role: Role, texts: Sequence[str]) -> Keys:
        prompt = encoder.prompt(role)
        name = (id(texts), prompt)
        if name not in self._known_keys:  # the texts are kept with their keys, so the id cannot come to mean others
            self._known_keys[name] = (texts, text_keys(prompt, texts))
        return self._known_keys[name][1]

    def _missing(self, shelf: Shelf, keys: Keys) -> NDArray[np.bool_]:
        missing = shelf.missing(keys)
        self._name_dropped(shelf)
        return missing

    def _name_dropped(self, shelf: Shelf) -> None:
        for name in shelf.dropped:
            self.tell(Said(f"store: {name} was damaged; its texts are encoded again"))
        shelf.dropped.clear()

    def _shelf(self, encoder: Encoder, pooling: Pooling) -> Shelf:
        name = (identity(encoder.bare()), identity(pooling))
        if name not in self._shelves:
            self._shelves[name] = Shelf(self._home(encoder) / name[1], self.dtype)
        return self._shelves[name]

    def _home(self, encoder: Encoder) -> Path:
        wanted = [identity(encoder.bare()), self.device.partition(":")[0], versions(), self.dtype]
        return self.folder / "vectors" / digest(wanted)

    def _mark_used(self, encoder: Encoder) -> None:
        """Date the vectors of a model, once a process, so that old ones can be pruned."""
        path, today = self._home(encoder) / "about.json", datetime.now(UTC).date().isoformat()
        about = _read_about(path) if path not in self._dated else {}
        if about and about.get("used") != today:
            write_json(path, about | {"used": today})
        self._dated.add(path)

    def _describe(self, encoder: Encoder, poolings: Iterable[Pooling]) -> None:
        """Beside the vectors, for people and `harness cache`; identity never comes from here."""
        path = self._home(encoder) / "about.json"
        known = _read_about(path).get("poolings", {})
        bare = encoder.bare()
        label = getattr(bare, "id", "") or Path(getattr(bare, "path", "")).name or name_of(bare)
        about = {"model": label, "encoder": describe(bare), "device": self.device, "dtype": self.dtype}
        named = {"poolings": known | {identity(p): name_of(p) for p in poolings}, "versions": versions()}
        write_json(path, about | named | {"used": datetime.now(UTC).date().isoformat()})


def store_batches(texts: Sequence[str], keys: Keys) -> Iterator[NDArray[np.int64]]:
    """Positions of the distinct texts, the longest first, cut into what is encoded between two writes."""
    _, first = np.unique(keys, return_index=True)  # in the order of the keys: texts of one length have one order
    lengths = np.fromiter((len(texts[i]) for i in first), dtype=np.int64, count=len(first))
    order = np.argsort(-lengths, kind="stable")
    first, before = first[order], np.cumsum(lengths[order]) - lengths[order]
    start = 0
    while start < len(first):
        full = int(np.searchsorted(before, before[start] + _STORE_CHARACTERS))
        stop = max(start + 1, min(start + _STORE_TEXTS, full))
        yield first[start:stop]
        start = stop


def _together(
    model: OpenEncoder, texts: list[str], role: Role, poolings: list[Pooling]
) -> tuple[Encoded, list[Pooling]]:
    """One pass for all poolings, or for those that work on one text by themselves."""
    try:
        return _checked(model.encode(texts, role, poolings, None), texts), poolings
    except PART_ERRORS:
        sound = [p for p in poolings if len(poolings) > 1 and _works(model, texts[-1], role, p)]
        if len(sound) in (0, len(poolings)):
            raise
        return _checked(model.encode(texts, role, sound, None), texts), sound


def _checked(encoded: Encoded, texts: Sequence[str]) -> Encoded:
    """What was encoded, if it has one row a text."""
    for column in (*encoded.vectors, encoded.tokens, encoded.full_tokens):
        if len(column) != len(texts):
            raise HarnessError(f"the model returned {len(column)} vectors for {len(texts)} texts")
    return encoded


def _pieces(texts: list[str]) -> Iterator[list[str]]:
    """The texts of a store batch in runs of some characters, so that a slow model shows that it works."""
    ends = np.cumsum([len(t) for t in texts]) // _SIGN_CHARACTERS
    for name in np.unique(ends):
        at = np.flatnonzero(ends == name)
        yield texts[at[0] : at[-1] + 1]


def _read_about(path: Path) -> dict[str, Any]:
    """Empty where it is absent or damaged: it is for people alone."""
    try:
        return read_json(path)
    except HarnessError:
        return {}


def _works(model: OpenEncoder, text: str, role: Role, pooling: Pooling) -> bool:
    try:
        model.encode([text], role, [pooling], None)
    except PART_ERRORS:
        return False
    return True


def sides(evalset: EvalSet) -> tuple[tuple[Role, Sequence[str]], ...]:
    """Documents and queries, each with its role."""
    return ("document", evalset.documents.texts), ("query", evalset.queries.texts)


def resolve_devices(name: str) -> tuple[str, ...]:
    """The devices to work on: `auto` is every CUDA device, else MPS, else the CPU.

    A device that is absent is a HarnessError that names what there is.
    """
    import torch

    cuda = tuple(f"cuda:{i}" for i in range(torch.cuda.device_count()))
    present = ("cpu", *cuda, *(("mps",) if torch.backends.mps.is_available() else ()))
    if name == "auto":
        return cuda or present[-1:]
    if name not in present and f"{name}:0" not in present:
        raise HarnessError(f"device={name} is not on this machine; it has {', '.join(present)}. Use device=auto")
    return (name,)
