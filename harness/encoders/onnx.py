"""Folders with a graph for ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.graphfolder import GraphEncoder, OpenGraph
from harness.types import HarnessError, Inapplicable, Unavailable, first_line

_DTYPES = {"tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(float)": np.float32, "tensor(bool)": np.bool_}
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


@dataclass(frozen=True)
class Onnx(GraphEncoder):
    """A model.onnx that ONNX Runtime runs, int8 graphs included, with as many threads as torch would have."""

    def open(self, device: str) -> OpenGraph:
        """Load the graph; Unavailable without onnxruntime, HarnessError where the folder is no encoder."""
        return OpenGraph(self, _Session(self.unchanged(), device))


class _Session:
    def __init__(self, file: Path, device: str) -> None:
        runtime = _runtime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = _threads(), 1
        options.log_severity_level = 4  # what goes wrong is raised
        self.errors = _errors()
        try:
            self.session = runtime.InferenceSession(str(file), options, providers=[_provider(runtime, device)])
        except self.errors as error:
            raise HarnessError(f"{file.parent.name}/{file.name} is no graph: {first_line(error)}") from error
        self.inputs: Mapping[str, Any] = {i.name: _DTYPES.get(i.type, np.int64) for i in self.session.get_inputs()}
        self.outputs: Mapping[str, int] = {o.name: len(o.shape) for o in self.session.get_outputs()}

    def run(self, feeds: Mapping[str, NDArray[Any]], names: Sequence[str]) -> list[NDArray[Any]]:
        made: list[NDArray[Any]] = self.session.run(list(names), dict(feeds))
        return made


def _runtime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise Unavailable("ONNX graphs need onnxruntime: pip install 'embedding-harness[onnx]'") from error
    return onnxruntime


def _errors() -> tuple[type[Exception], ...]:
    """What the runtime raises: classes of its own without a common one."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return tuple(c for c in vars(state).values() if isinstance(c, type) and issubclass(c, Exception))


def _provider(runtime: Any, device: str) -> str:
    provider = _PROVIDERS.get(device.partition(":")[0], device)
    if provider not in runtime.get_available_providers():
        raise Inapplicable(
            f"the installed onnxruntime cannot use device={device}; use device=cpu, or install its GPU build"
        )
    return provider


def _threads() -> int:
    import torch

    return torch.get_num_threads()
