"""The mark of each quantization on a plot, so that colour is never its only sign; the colour of each model."""

from __future__ import annotations

from collections.abc import Iterable

_SHAPES = {
    "float32": ("o", "circle"), "float16": ("^", "triangle"), "bfloat16": ("<", "triangle to the left"),
    "int8": ("s", "square"), "uint8": ("h", "hexagon"), "int4": ("p", "pentagon"), "binary": ("D", "diamond"),
    "pq": ("P", "plus"), "opq": ("X", "cross"), "-": ("v", "triangle pointing down"),
}  # fmt: skip
_OTHER = ("*", "star")
SERIES = tuple(f"s{i}" for i in range(8))


def shape_of(quantization: str) -> str:
    """Marker of a quantization; its rescored form, and one with its own parameters, has the same one."""
    return _SHAPES.get(_method(quantization), _OTHER)[0]


def legend(quantizations: Iterable[str]) -> str:
    """What each mark stands for, of those that these quantizations have: `circle: float32; square: int8`."""
    methods = {_method(q) for q in quantizations}
    named = [f"{word}: {'nothing to quantize' if m == '-' else m}" for m, (_, word) in _SHAPES.items() if m in methods]
    others = sorted(methods - set(_SHAPES))
    return "; ".join([*named, f"{_OTHER[1]}: {', '.join(others)}"] if others else named)


def tones(models: Iterable[str]) -> dict[str, str]:
    """The colour of each model, by name: the same in every plot of these models."""
    return {model: SERIES[number % len(SERIES)] for number, model in enumerate(sorted(set(models)))}


def _method(quantization: str) -> str:
    return quantization.split("+")[0].split(" ")[0]
