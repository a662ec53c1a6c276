"""Vectors from the store, or from one forward pass that yields every pooling the plan asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.parts import digest, identity
from harness.protocols import Encoder, Need, OpenEncoder, Pooling
from harness.store import Keys, Shelf, text_keys
from harness.timing import versions
from harness.types import EvalSet, HarnessError, Role, Vectors

_STORE_BATCH = 1024  # texts between two writes: what a kill can cost
_ENCODE_BATCH = 32
_PART_ERRORS = (HarnessError, ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


class StoredVectors:
    """A `VectorSource` over one store folder; keeps one model open at a time.

    `encoded` counts the texts that went through a model; `say` gets one line for each thing a user should know.
    """

    def __init__(self, folder: Path, device: str, needs: Iterable[Need], say: Callable[[str], None]) -> None:
        self.folder = folder
        self.device = device
        self.say = say
        self.encoded = 0
        self._poolings: dict[str, dict[str, Pooling]] = {}
        for need in needs:
            self._poolings.setdefault(identity(need.encoder), {})[identity(need.pooling)] = need.pooling
        self._shelves: dict[Path, Shelf] = {}
        self._open: tuple[str, OpenEncoder] | None = None

    def vectors(self, encoder: Encoder, pooling: Pooling, role: Role, texts: Sequence[str]) -> Vectors:
        """float32 [n, d] in the order of `texts`; encodes what the store lacks and keeps it."""
        keys = text_keys(encoder.prompt(role), texts)
        shelf = self._shelf(encoder, pooling)
        missing = shelf.missing(keys)
        for name in shelf.dropped:
            self.say(f"store: {name} was damaged; its texts are encoded again")
        shelf.dropped.clear()
        if missing.any():
            self._fill(encoder, pooling, role, texts, (keys, missing))
        return shelf.load(keys)

    def count_missing(self, need: Need, evalset: EvalSet) -> int:
        """Distinct texts of an eval set that no stored vector answers."""
        missing = 0
        for role, texts in _sides(evalset):
            keys = np.unique(text_keys(need.encoder.prompt(role), texts))
            missing += int(self._shelf(need.encoder, need.pooling).missing(keys).sum())
        return missing

    def opened(self, encoder: Encoder) -> OpenEncoder:
        """The loaded model; the one before it is let go."""
        name = identity(encoder)
        if self._open is None or self._open[0] != name:
            self._open = None
            self._open = (name, encoder.open(self.device))
        return self._open[1]

    def _fill(
        self, encoder: Encoder, pooling: Pooling, role: Role, texts: Sequence[str], todo: tuple[Keys, NDArray[np.bool_]]
    ) -> None:
        keys, missing = todo
        _, first = np.unique(keys, return_index=True)
        rows = np.sort(first[missing[first]])
        model, poolings = self.opened(encoder), self._together(encoder, pooling, keys[rows])
        for i in range(0, len(rows), _STORE_BATCH):
            part = rows[i : i + _STORE_BATCH]
            chosen = [texts[j] for j in part]
            try:
                encoded = model.encode(chosen, role, poolings, _ENCODE_BATCH)
            except _PART_ERRORS:
                if len(poolings) == 1:
                    raise
                poolings = [pooling]  # another planned pooling may be at fault; it fails in its own turn
                encoded = model.encode(chosen, role, poolings, _ENCODE_BATCH)
            self.encoded += len(part)
            for one, vectors in zip(poolings, encoded.vectors, strict=True):
                if np.isfinite(vectors).all():
                    self._shelf(encoder, one).append(keys[part], Vectors(vectors, encoded.tokens, encoded.full_tokens))
                elif one is pooling:
                    raise HarnessError("the model gives vectors that are not finite (NaN or inf). Try dtype=float32")

    def _together(self, encoder: Encoder, pooling: Pooling, keys: Keys) -> list[Pooling]:
        """The pooling asked for, then the other planned ones that lack some of these texts."""
        planned = self._poolings.get(identity(encoder), {}) if encoder.traits().pooling else {}
        others = [p for key, p in planned.items() if key != identity(pooling)]
        return [pooling, *(p for p in others if self._shelf(encoder, p).missing(keys).any())]

    def _shelf(self, encoder: Encoder, pooling: Pooling) -> Shelf:
        name = digest([identity(encoder.bare()), self.device.partition(":")[0], versions()])
        folder = self.folder / "vectors" / name / identity(pooling)
        return self._shelves.setdefault(folder, Shelf(folder))


def _sides(evalset: EvalSet) -> tuple[tuple[Role, Sequence[str]], ...]:
    return ("document", evalset.documents.texts), ("query", evalset.queries.texts)


def resolve_device(name: str) -> str:
    """`auto` becomes the best device present; a device that is absent is a HarnessError that names what there is."""
    import torch

    present = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        present.append("mps")
    if name == "auto":
        return present[1] if len(present) > 1 else "cpu"
    if name not in present and f"{name}:0" not in present:
        raise HarnessError(f"device={name} is not on this machine; it has {', '.join(present)}. Use device=auto")
    return name
