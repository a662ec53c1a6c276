"""Vectors from the store, or from one forward pass that yields every pooling the plan asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.parts import describe, digest, identity, name_of
from harness.protocols import Encoder, Need, OpenEncoder, Pooling
from harness.shelf import Incomplete, Keys, Shelf, text_keys
from harness.store import read_json, write_json
from harness.timing import versions
from harness.types import Advanced, Encoded, EvalSet, Event, HarnessError, Role, Said, Vectors

# What a kill can cost: texts and characters between two writes, some ten seconds of a small model on two cores.
_STORE_TEXTS = 1024
_STORE_CHARACTERS = 500_000
# What a model or a pooling may raise without being at fault for more than its own variants.
PART_ERRORS = (
    HarnessError, ArithmeticError, AttributeError, LookupError, MemoryError, OSError, RuntimeError, TypeError,
    ValueError,
)  # fmt: skip


class Work(NamedTuple):
    """Texts that still have to go through a model, and how many characters they have."""

    texts: int
    characters: int


class StoredVectors:
    """A `VectorSource` over one store folder; keeps one model open at a time.

    `tell` gets what a user should see, and the progress of each store batch once it is on disk. `dtype` is the
    precision of the rows on disk. The same texts always fall into the same store batches, whatever is stored
    already, so vectors do not depend on where an earlier run was killed.
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
        for part in store_batches(texts, keys):
            wanted = [p for p, lack in lacks.items() if lack[part].any()]
            rows = part[np.any([lacks[p][part] for p in wanted], axis=0)] if wanted else part[:0]
            if not len(rows):
                continue
            chosen = [texts[i] for i in rows]
            found = self._encode(encoder, chosen, role, wanted, texts)
            for p in set(wanted) - set(found):
                del lacks[p]
            for p, vectors in found.items():
                own = np.flatnonzero(lacks[p][rows])
                kept = Vectors(vectors.rows[own], vectors.tokens[own], vectors.full_tokens[own])
                self._shelf(encoder, p).append(keys[rows[own]], kept, origin)
            self.tell(Advanced(len(rows), sum(map(len, chosen))))

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
            model = self.opened(encoder)
            encoded, poolings = _together(model, chosen, role, poolings)
            columns = zip(poolings, encoded.vectors, strict=True)
            found = {p: Vectors(v, encoded.tokens, encoded.full_tokens) for p, v in columns if np.isfinite(v).all()}
            if not found:
                raise HarnessError("the model gives vectors that are not finite (NaN or inf). Try dtype=float32")
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
        path = self._home(encoder) / "about.json"
        if path not in self._dated and path.exists():
            about, today = read_json(path), datetime.now(UTC).date().isoformat()
            if about["used"] != today:
                write_json(path, about | {"used": today})
        self._dated.add(path)

    def _describe(self, encoder: Encoder, poolings: Iterable[Pooling]) -> None:
        """Beside the vectors, for people and `harness cache`; identity never comes from here."""
        path = self._home(encoder) / "about.json"
        known = read_json(path)["poolings"] if path.exists() else {}
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
        return model.encode(texts, role, poolings, None), poolings
    except PART_ERRORS:
        sound = [p for p in poolings if len(poolings) > 1 and _works(model, texts[-1], role, p)]
        if len(sound) in (0, len(poolings)):
            raise
        return model.encode(texts, role, sound, None), sound


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
