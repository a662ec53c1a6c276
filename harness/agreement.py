"""What stands beside a speed: how a faster path's vectors and score agree with those of float32, in words."""

from __future__ import annotations

from collections.abc import Mapping
from math import floor
from typing import Any

from harness.wording import metric, signed

_FASTER = {"bfloat16", "float16", "onnx", "openvino"}  # as the labels of models and pipelines name them
_UNMEASURED = "parity not measured"


def agreement(row: Mapping[str, Any]) -> str:
    """`lowest cosine 0.99981, nDCG@10 +0.0004`; `parity not measured` of a faster path without it; empty for float32.

    row: of a sweep's table. The cosine, of all texts compared, is rounded down: only equal vectors have 1.
    """
    cosine, difference = row["parity_cosine"], row["parity_difference"]
    if cosine is None and difference is None:
        return _UNMEASURED if _FASTER & set(f"{row['model']} {row['retriever']}".split()) else ""
    name = metric(str(row["main"] or "main_score"))
    near = "cosine not measured" if cosine is None else f"lowest cosine {floor(cosine * 1e5) / 1e5:.5f}"
    return f"{near}, {name} {'not compared' if difference is None else signed(difference, 4)}"
