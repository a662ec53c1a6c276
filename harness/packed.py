"""Linear layers whose weights lie as the CPU's matrix kernels read them: the same numbers, sooner.

torch hands float32 products to MKL, which on AMD processors reaches about two thirds of what oneDNN does there, and
lays bfloat16 weights out anew in every call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
import torch

from harness.types import Floats

# How far outputs may move, of the largest number: float32 sums in another order stay far below.
_APART = {torch.float32: 1e-5, torch.bfloat16: 3e-2}
_Model = TypeVar("_Model", bound=torch.nn.Module)


class PackedLinear(torch.nn.Module):
    """A `torch.nn.Linear` for inference on a CPU, in oneDNN's layout of weights; `after`: none, or gelu of the sums."""

    def __init__(self, layer: torch.nn.Linear, after: str = "none") -> None:
        super().__init__()
        self.after = after
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.packed = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach())
        self.bias = layer.bias

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """[..., in] -> [..., out]."""
        made: torch.Tensor = torch.ops.mkldnn._linear_pointwise(states, self.packed, self.bias, self.after, [], "none")
        return made


def packed(load: Callable[[], _Model], look: Callable[[_Model], Floats]) -> _Model:
    """The model that `load` gives, its linear layers packed where this machine can.

    `look` gives some outputs, float [n, d]: where they change, or a module reads a weight that is no longer there, the
    model is loaded again and stays as it is.
    """
    model = load()
    if not _packable(model):
        return model
    apart = _APART[_layers(model)[0].weight.dtype]
    before = look(model)
    _pack(model)
    try:
        after = look(model)
    except (AttributeError, RuntimeError, TypeError):
        return load()
    return model if np.allclose(after, before, rtol=0, atol=apart * float(np.abs(before).max())) else load()


def _layers(model: torch.nn.Module) -> list[torch.nn.Linear]:
    return [module for module in model.modules() if type(module) is torch.nn.Linear]


def _packable(model: torch.nn.Module) -> bool:
    layers = _layers(model)
    alike = {(layer.weight.device.type, layer.weight.dtype) for layer in layers}
    return len(alike) == 1 and alike <= {("cpu", dtype) for dtype in _dtypes()}


def _dtypes() -> list[torch.dtype]:
    """What this machine's oneDNN multiplies."""
    library, there = cast(Any, torch.backends.mkldnn), cast(Any, torch.ops.mkldnn)
    if not (library.is_available() and hasattr(there, "_linear_pointwise")):
        return []
    return [torch.float32, *([torch.bfloat16] if there._is_mkldnn_bf16_supported() else [])]


def _pack(model: torch.nn.Module) -> None:
    if _ends_in_gelu(model):  # the half of a transformer's feed-forward block that transformers names so
        model.dense = PackedLinear(cast(torch.nn.Linear, model.dense), "gelu")
        model.intermediate_act_fn = torch.nn.Identity()
    for name, module in model.named_children():
        if type(module) is torch.nn.Linear:
            setattr(model, name, PackedLinear(module))
        else:
            _pack(module)


def _ends_in_gelu(module: torch.nn.Module) -> bool:
    """Whether a linear layer and the exact GELU are all that is in it; tanh's approximation is another function."""
    layer, function = (getattr(module, name, None) for name in ("dense", "intermediate_act_fn"))
    exact = getattr(function, "act", None) is torch.nn.functional.gelu
    return type(layer) is torch.nn.Linear and exact and len(list(module.children())) == 2
