"""Which texts go through a model together, and what becomes of a batch that does not fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.types import HarnessError, first_line

BUDGETS = {"cpu": 4096, "cuda": 65536}  # tokens in a batch, where no size is asked for
_SAID = ("out of memory", "not enough memory", "can't allocate memory", "failed to allocate", "bad_alloc")
_Texts = NDArray[np.int64]
_Made = TypeVar("_Made")


_Item = TypeVar("_Item")
_BLOCK = 4096  # texts that are tokenised while a GPU works on those before them


def ahead(device: str, texts: Sequence[str], read: Callable[[list[str]], _Item]) -> Iterator[tuple[_Texts, _Item]]:
    """Positions of texts, int [n], and what `read` makes of them.

    All at once on a CPU, whose cores a forward pass takes anyway; else in blocks, the longest texts first, the next one
    read in a thread while the caller works.
    """
    if device == "cpu" or len(texts) <= _BLOCK:
        yield np.arange(len(texts)), read(list(texts))
        return
    order = np.argsort([-len(text) for text in texts], kind="stable")
    blocks = [order[start : start + _BLOCK] for start in range(0, len(order), _BLOCK)]
    with ThreadPoolExecutor(1) as thread:
        coming = [thread.submit(read, [texts[i] for i in blocks[0]])]
        for block, after in zip_longest(blocks, blocks[1:]):
            if after is not None:
                coming.append(thread.submit(read, [texts[i] for i in after]))
            yield block, coming.pop(0).result()


class Batching(Generic[_Made]):
    """One forward pass after another over texts of like length.

    size: texts in a batch; None: as many as fit a number of tokens, padding counted (larger batches leave the caches of
    a CPU, smaller ones leave a GPU idle). A batch that does not fit into memory is halved, and none after it is larger.
    """

    def __init__(self, size: int | None, device: str = "cpu") -> None:
        self.device = device
        self.size = size
        self.budget = BUDGETS.get(device.partition(":")[0], BUDGETS["cpu"])

    @property
    def used(self) -> int:
        """Texts in a full batch as they fitted; 0 where no size was asked for."""
        return self.size or 0

    def run(self, lengths: NDArray[np.integer], forward: Callable[[_Texts], _Made]) -> Iterator[tuple[_Texts, _Made]]:
        """Positions of texts with so many tokens, int [n], and what `forward` makes of them; the longest come first.

        HarnessError where a single text does not fit.
        """
        order = np.argsort(-lengths, kind="stable")
        start = 0
        while start < len(order):
            longest = max(1, int(lengths[order[start]]))
            rows = order[start : start + (self.size or max(1, self.budget // longest))]
            made, reason = _fitting(forward, rows)
            if made is not None:
                yield rows, made
                start += len(rows)
            elif len(rows) > 1:
                self._halve(len(rows), longest)
            else:
                raise HarnessError(
                    f"one text of {longest} tokens does not fit into the memory of {self.device}; lower "
                    f"model.max_tokens or take dtype=bfloat16 ({reason})"
                )

    def _halve(self, texts: int, longest: int) -> None:
        if self.size:
            self.size = texts // 2
        self.budget = longest * (texts // 2)
        if self.device.startswith("cuda"):
            import torch

            torch.cuda.empty_cache()


def _fitting(forward: Callable[[_Texts], _Made], rows: _Texts) -> tuple[_Made | None, str]:
    """What `forward` makes; None and the reason where memory does not suffice, its tensors let go with the error."""
    try:
        return forward(rows), ""
    except (MemoryError, RuntimeError, HarnessError) as error:
        if not out_of_memory(error):
            raise
        return None, first_line(error)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch, numpy, ONNX Runtime or OpenVINO says that memory did not suffice."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(said in text for said in _SAID)
