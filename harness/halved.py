"""Products in bfloat16 that find every candidate a float32 product would; quicker where the hardware has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.ranking import blocks
from harness.types import Floats

_UNIT = 2.0**-8  # largest relative error of a number rounded to bfloat16's 8 bits
_LAST_BIT = 2.0**-23
_SPARE = 1.01  # over norms taken in float32
_SEEN = 256  # documents


def hardware_has_bfloat16(device: str) -> bool:
    """Whether the device multiplies bfloat16 itself (CPU: AVX512-BF16 or AMX; CUDA: from compute capability 8)."""
    import torch

    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    flags: Mapping[str, Any] = torch.cpu.get_capabilities() if device == "cpu" else {}
    return bool(flags.get("avx512_bf16") or flags.get("amx_bf16"))


def furthest(documents: Floats) -> float:
    """How far rounding to bfloat16 moves one of float32 [n, d] rows at most (L2)."""
    return max(float(_moved(documents[block]).max()) for block in blocks(len(documents)))


class HalfProducts:
    """q.d of queries of length 1 with documents no longer than `reach`, none of them moved further than `moved`.

    By Cauchy-Schwarz a product of rounded vectors is wrong by at most |q - q'| |d| + |q'| |d - d'|, with the norms
    that were measured; adding up in float32 and rounding the sum once more come to that. A score may lie under the
    k-th best by twice what both may be wrong: float32 [q] `margin`, and `share` of the k-th best score itself.
    """

    def __init__(self, queries: Floats, reach: float, moved: float) -> None:
        import torch

        self.queries = torch.from_numpy(queries).bfloat16()
        lengths = self.queries.float().norm(dim=1).numpy()
        rounded = _moved(queries) * reach + lengths * moved
        added = queries.shape[1] * _LAST_BIT * reach
        self.margin: Floats = (2 * _SPARE * (rounded + added) * (1 + 2 * _UNIT)).astype(np.float32)
        self.share = 2 * _SPARE * _UNIT * (1 + _UNIT)

    def fill(self, scores: Floats, documents: Floats, _: int, /) -> None:
        """float32 [q, b] `scores` of float32 [b, d] documents."""
        import torch

        torch.from_numpy(scores).copy_(self.queries @ torch.from_numpy(documents).bfloat16().T)

    def holds(self, queries: Floats, documents: Floats) -> bool:
        """Whether this machine's products were seen to be no further off than they may be."""
        some = documents[:_SEEN]
        scores = np.empty((len(queries), len(some)), dtype=np.float32)
        self.fill(scores, some, 0)
        exact = queries.astype(np.float64) @ some.T.astype(np.float64)
        allowed = (self.margin[:, None] + self.share * np.abs(exact)) / 2
        return bool((np.abs(scores - exact) <= allowed).all())


def _moved(rows: Floats) -> Floats:
    """float32 [n]: how far rounding moves each row."""
    import torch

    plain = torch.from_numpy(rows)
    moved: Floats = (plain - plain.bfloat16().float()).norm(dim=1).numpy()
    return moved
