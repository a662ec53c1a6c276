"""Folders with a graph for OpenVINO."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from harness.graphfolder import GraphEncoder, OpenGraph
from harness.types import HarnessError, Inapplicable, Unavailable, first_line

_PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}


@dataclass(frozen=True)
class Openvino(GraphEncoder):
    """A model.onnx or openvino_model.xml that OpenVINO runs on the CPU, with as many threads as torch would have.

    `dtype` is what it multiplies in; left alone, OpenVINO would take bfloat16 wherever the processor has it.
    """

    dtype: Literal["float32", "bfloat16"] = "float32"

    def open(self, device: str) -> OpenGraph:
        """Load the graph; Unavailable without openvino, HarnessError where the folder is no encoder."""
        if device != "cpu":
            raise Inapplicable(f"openvino runs on the CPU here, not on device={device}")
        return OpenGraph(self, _Compiled(self.unchanged(), _PRECISIONS[self.dtype]))


class _Compiled:
    errors: tuple[type[Exception], ...] = (RuntimeError,)

    def __init__(self, file: Path, precision: str) -> None:
        import torch

        settings = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": torch.get_num_threads()}
        try:
            self.model: Any = _runtime().Core().compile_model(str(file), "CPU", settings)
        except RuntimeError as error:
            raise HarnessError(f"{file.parent.name}/{file.name} is no graph: {first_line(error)}") from error
        self.inputs: Mapping[str, Any] = {i.get_any_name(): i.get_element_type().to_dtype() for i in self.model.inputs}
        self.outputs: Mapping[str, int] = {
            name: o.partial_shape.rank.get_length() for o in self.model.outputs for name in sorted(o.names)
        }

    def run(self, feeds: Mapping[str, NDArray[Any]], names: Sequence[str]) -> list[NDArray[Any]]:
        made = self.model(dict(feeds))
        return [made[name] for name in names]


def _runtime() -> Any:
    try:
        import openvino
    except ImportError as error:
        raise Unavailable("OpenVINO graphs need openvino: pip install 'embedding-harness[openvino]'") from error
    return openvino
