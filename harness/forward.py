"""Vectors from the store, or from one forward pass that yields every pooling the plan asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.encoded import checked, joined
from harness.filling import Asked, Tell, asked_for, fill, kept, pieces
from harness.home import Home
from harness.pairs import Pairs
from harness.parts import did_you_mean, identity, name_of
from harness.protocols import Encoder, Need, OpenEncoder, OpenReranker, Pooling, Reranker
from harness.recent import Recent
from harness.shelf import Keys, Shelf, text_keys
from harness.types import Encoded, EvalSet, Floats, HarnessError, Role, Vectors, Working

# What a model or a pooling may raise without being at fault for more than its own variants.
PART_ERRORS = (
    HarnessError, ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, MemoryError, OSError,
    RuntimeError, TypeError, ValueError,
)  # fmt: skip
_Demands = list[tuple[Sequence[str], list[Pooling]]]  # texts, and the poolings that need them


class Work(NamedTuple):
    """Texts that still have to go through a model, and how many characters they have."""

    texts: int
    characters: int


class StoredVectors:
    """A `VectorSource` over one store folder; keeps one model open at a time.

    `tell` gets what a user should see, and the progress of each store batch once it is on disk. `dtype` is the
    precision of the rows on disk; weights of terms and scores of pairs are always kept in float32. `sets` are the
    eval sets that parts may name.
    """

    def __init__(
        self,
        folder: Path,
        device: str,
        needs: Iterable[Need],
        tell: Tell,
        dtype: str = "float32",
        sets: Mapping[str, EvalSet] | None = None,
    ) -> None:
        self.folder = folder
        self.device = device
        self.tell = tell
        self.dtype = dtype
        self.sets = sets or {}
        self._needs: dict[str, dict[tuple[str, str], Need]] = {}
        for need in needs:
            chunking = identity(need.chunking) if need.chunking else ""
            self._needs.setdefault(identity(need.encoder), {})[identity(need.pooling), chunking] = need
        self._homes: dict[str, Home] = {}
        self._keys_of = Recent[Keys]()
        self._passages_of = Recent[Sequence[str] | None]()
        self._failed: dict[tuple[Shelf, int], Exception] = {}
        self._open: tuple[str, Any] = ("", None)

    def vectors(self, encoder: Encoder, pooling: Pooling, role: Role, texts: Sequence[str]) -> Vectors:
        """float32 rows in the order of `texts`, with counts where a text has several; what is missing is encoded and
        kept.
        """
        home, beside = self._home(encoder), self._beside(encoder, pooling, role)
        home.mark_used()
        fills = [partial(self._fill, encoder, role, [(texts, p)], "") for p in (beside, [pooling], [pooling])]
        return kept(home.shelf(identity(pooling)), self._keys(encoder, role, texts), fills, self.tell)

    def fill(self, encoder: Encoder, evalset: EvalSet) -> None:
        """One forward pass over an eval set for all that is planned; a pooling that fails is left to its own turn.

        Documents are encoded whole, in passages or both, as the planned needs say. Where a chunking does not apply,
        its variants find that out.
        """
        for role, demands in self._demands(encoder, evalset).items():
            self._fill(encoder, role, demands, f"{evalset.name} {role}")

    def missing(self, encoder: Encoder, evalset: EvalSet) -> Work:
        """What `fill` would encode."""
        lengths = []
        for role, demands in self._demands(encoder, evalset).items():
            asked, _ = self._asked(encoder, role, demands)
            lacks = asked.lacks(self.tell).values()
            lengths += [asked.lengths[np.any(list(lacks), axis=0)]] if lacks else []
        return Work(sum(map(len, lengths)), sum(int(side.sum()) for side in lengths))

    def width(self, need: Need) -> int:
        """Dimensions of the stored vectors, 0 where there are none."""
        return self._home(need.encoder).shelf(identity(need.pooling)).width

    def pairs(self, reranker: Reranker, queries: Sequence[str], documents: Sequence[str]) -> Floats:
        """float32 [n] scores of parallel texts; what the store lacks is scored and kept."""
        home, small = self._home(reranker), _independent(reranker)
        return Pairs(home, lambda: self.reranking(reranker), small, self.tell).scores(queries, documents)

    def evalset(self, name: str) -> EvalSet:
        """The eval set of that name; HarnessError where it has not been read."""
        if name not in self.sets:
            raise HarnessError(f"no eval set named {name!r} has been read. {did_you_mean(name, self.sets)}".rstrip())
        return self.sets[name]

    def opened(self, encoder: Encoder) -> OpenEncoder:
        """The loaded model; the one before it is let go."""
        model: OpenEncoder = self._loaded(identity(encoder), lambda: encoder.open(self.device))
        return model

    def reranking(self, reranker: Reranker) -> OpenReranker:
        """The loaded model; the one before it is let go."""
        model: OpenReranker = self._loaded(identity(reranker), lambda: reranker.rerank(self.device))
        return model

    def _loaded(self, name: str, load: Callable[[], Any]) -> Any:
        if self._open[0] != name:
            self._open = ("", None)
            self._open = (name, load())
        return self._open[1]

    def _fill(self, encoder: Encoder, role: Role, demands: _Demands, origin: str) -> None:
        asked, poolings = self._asked(encoder, role, demands)
        texts, name = [text for side, _ in demands for text in side], hash(asked.keys.tobytes())

        def make(at: NDArray[np.int64], shelves: list[Shelf]) -> dict[Shelf, Vectors]:
            before = [self._failed.get((shelf, name)) for shelf in shelves]
            if before[0] and all(before):
                raise before[0]
            wanted = [poolings[shelf] for shelf in shelves]
            self._home(encoder).describe({identity(p): name_of(p) for p in wanted})
            try:
                found = self._encode(encoder, role, [texts[i] for i in at], wanted)
            except PART_ERRORS as error:  # later calls for these texts meet it again at once
                self._failed |= {(shelf, name): error for shelf in shelves}
                raise
            return {shelf: found[poolings[shelf]] for shelf in shelves if poolings[shelf] in found}

        fill(asked, self._home(encoder).several or _independent(encoder), make, self.tell, origin)

    def _encode(
        self, encoder: Encoder, role: Role, texts: list[str], poolings: list[Pooling]
    ) -> dict[Pooling, Vectors]:
        """Vectors of the poolings that work; where none does, the error."""
        model, several, made = self.opened(encoder), self._home(encoder).several, list[Encoded]()
        for piece in pieces([len(t) for t in texts]):
            encoded, sound = _together(model, texts[piece], role, poolings)
            made = [e._replace(vectors=tuple(e.vectors[poolings.index(p)] for p in sound)) for e in made]
            made, poolings = [*made, checked(encoded, len(texts[piece]), several)], sound
            self.tell(Working(sum(map(len, texts[piece]))))
        return joined(made, poolings, texts)

    def _demands(self, encoder: Encoder, evalset: EvalSet) -> dict[Role, _Demands]:
        """What the planned needs ask of an eval set: whole documents, passages, or both, and the other side."""
        sides: dict[str, tuple[Sequence[str], list[Pooling]]] = {}
        for (_, chunking), need in self._needs.get(identity(encoder), {}).items():
            texts = self._cut(need, chunking, evalset.documents.texts)
            if texts is not None:
                sides.setdefault(chunking, (texts, []))[1].append(need.pooling)
        poolings = {identity(p): p for _, own in sides.values() for p in own}
        asking, documents = (evalset.queries.texts, [*poolings.values()]), [*sides.values()]
        if not evalset.searched:
            return {"text": [*documents, asking]}
        return {"document": documents, "query": [asking]}

    def _cut(self, need: Need, name: str, texts: Sequence[str]) -> Sequence[str] | None:
        """The texts a need has encoded: whole, or their passages; None where they cannot be cut."""
        if need.chunking is None:
            return texts
        cut, encoder = need.chunking.cut, need.encoder

        def passages() -> Sequence[str] | None:
            try:
                return cut(texts, encoder).texts
            except PART_ERRORS:
                return None

        return self._passages_of.of(texts, (name, identity(encoder)), passages)

    def _asked(self, encoder: Encoder, role: Role, demands: _Demands) -> tuple[Asked, dict[Shelf, Pooling]]:
        home = self._home(encoder)
        keys = [self._keys(encoder, role, texts) for texts, _ in demands]
        side = np.repeat(np.arange(len(demands)), np.array([len(own) for own in keys], dtype=np.int64))
        poolings = {home.shelf(identity(p)): p for _, own in demands for p in own}
        needed = {
            shelf: np.isin(side, [i for i, (_, own) in enumerate(demands) if pooling in own])
            for shelf, pooling in poolings.items()
        }
        lengths = (len(text) for texts, _ in demands for text in texts)
        return asked_for(np.concatenate([np.empty(0, dtype="S16"), *keys]), lengths, needed), poolings

    def _beside(self, encoder: Encoder, pooling: Pooling, role: Role) -> list[Pooling]:
        """The pooling, and those that are planned for the same texts."""
        needs = self._needs.get(identity(encoder), {}) if encoder.traits().pooling else {}
        own, chunkings = identity(pooling), {chunking for p, chunking in needs if p == identity(pooling)}
        same = {p: n.pooling for (p, chunking), n in needs.items() if role != "document" or chunking in chunkings}
        return [pooling, *(p for name, p in same.items() if name != own)]

    def _keys(self, encoder: Encoder, role: Role, texts: Sequence[str]) -> Keys:
        """A text is one entry whatever its role, save where a model reads queries in a way of its own."""
        prompt = encoder.prompt(role)
        apart = encoder.traits().gives != "vector" or getattr(encoder, "role_options", None)
        mark = f"{role}|{prompt}" if apart else prompt
        return self._keys_of.of(texts, mark, lambda: text_keys(mark, texts))

    def _home(self, part: Encoder | Reranker) -> Home:
        bare = part if isinstance(part, Reranker) else part.bare()
        name = identity(bare)
        if name not in self._homes:
            gives = "score" if isinstance(bare, Reranker) else bare.traits().gives
            dtype = "float32" if gives in ("sparse", "score") else self.dtype
            self._homes[name] = Home(self.folder, bare, self.device, dtype, gives in ("vectors", "sparse"))
        return self._homes[name]


def _independent(part: Any) -> bool:
    """Whether a text's result does not depend on the texts beside it (an API's), so that small pieces can be stored."""
    return bool(getattr(part, "independent", False))


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
