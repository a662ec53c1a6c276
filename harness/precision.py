"""`dtype=auto`: bfloat16 where the hardware multiplies it, once it is seen to give this model's vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.parts import digest, identity
from harness.protocols import Encoder, Need
from harness.store import read_json, write_json
from harness.timing import versions
from harness.types import EvalSet, Floats, HarnessError

# Rounding to 8 bits of mantissa costs a sound model about 0.0002 of cosine; a model that overflows or was trained
# for another precision loses far more.
_LEAST_COSINE = 0.999
_DOCUMENTS, _QUERIES = 32, 16


class Parity(NamedTuple):
    """The lowest cosine between bfloat16 and float32 vectors of the same texts, and how many texts that were."""

    cosine: float
    texts: int

    @property
    def holds(self) -> bool:
        """Whether the faster vectors stand for the others."""
        return self.cosine >= _LEAST_COSINE

    @property
    def said(self) -> str:
        """One clause for records and the page."""
        return f"lowest cosine to float32 {self.cosine:.5f} over {self.texts} texts"


def hardware_has_bfloat16(device: str) -> bool:
    """Whether the device multiplies bfloat16 itself (CPU: AVX512-BF16 or AMX; CUDA: from compute capability 8)."""
    import torch

    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    flags: Mapping[str, Any] = torch.cpu.get_capabilities() if device == "cpu" else {}
    return bool(flags.get("avx512_bf16") or flags.get("amx_bf16"))


class Parities:
    """Verdicts remembered in a store, by encoder, data, kind of device and libraries."""

    def __init__(self, store: Path, device: str) -> None:
        self.folder = store / "parity"
        self.device = device

    def known(self, encoder: Encoder, evalset: EvalSet) -> Parity | None:
        """The verdict on an encoder as it is without its dtype; None where it was never measured."""
        path = self._path(encoder, evalset)
        try:
            return Parity(**read_json(path))
        except (HarnessError, TypeError):  # absent or damaged: measured again
            return None

    def measured(self, need: Need, evalset: EvalSet) -> Parity:
        """The remembered verdict, or a new one: both precisions on texts spread over the eval set."""
        if found := self.known(need.encoder, evalset):
            return found
        found = _measured(need, evalset, self.device)
        write_json(self._path(need.encoder, evalset), found._asdict())
        return found

    def _path(self, encoder: Encoder, evalset: EvalSet) -> Path:
        plain = replace(encoder, dtype="float32")  # type: ignore[type-var]
        key = digest([identity(plain), evalset.sha256, self.device.partition(":")[0], versions()])
        return self.folder / f"{key}.json"


def _measured(need: Need, evalset: EvalSet, device: str) -> Parity:
    counts = (_DOCUMENTS, _QUERIES)
    sides = [(role, _spread(side.texts, n)) for (role, side), n in zip(evalset.sides, counts, strict=True) if len(side)]
    found: list[list[Floats]] = []
    for dtype in ("float32", "bfloat16"):
        model = replace(need.encoder, dtype=dtype).open(device)  # type: ignore[type-var]
        found.append([model.encode(t, role, [need.pooling], None).vectors[0] for role, t in sides])
    cosines = [_cosine(plain, fast) for plain, fast in zip(*found, strict=True)]
    lowest = float(np.min(np.concatenate(cosines)))
    return Parity(lowest if np.isfinite(lowest) else -1.0, sum(len(t) for _, t in sides))


def _spread(texts: tuple[str, ...], n: int) -> list[str]:
    return [texts[int(i)] for i in np.linspace(0, len(texts) - 1, min(n, len(texts)))]


def _cosine(a: Floats, b: Floats) -> Floats:
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    result: Floats = (a * b).sum(axis=1) / norms
    return result
