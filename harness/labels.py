"""What candidates are called; identity never comes from here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.launch import Job
from harness.parts import name_of
from harness.protocols import Retriever

_VECTOR_ONLY = "-"


def labels_of(job: Job, retriever: Retriever | None) -> dict[str, Any]:
    """What a candidate is called in tables: model, retriever, pooling, dim, quantization, index."""
    config, choices = job.config, job.choices
    dense = retriever is None or bool(retriever.needs())
    quantization = choices["quantization"] + (f"+rescore{rescore_of(config)}" if rescore_of(config) else "")
    return {
        "model": _model_label(config["model"], choices["model"]) + _unusual(config, retriever),
        "retriever": name_of(retriever) if retriever else "dense",
        "pooling": choices["pooling"] if dense else _VECTOR_ONLY,
        "dim": config["dim"] if dense else _VECTOR_ONLY,
        "quantization": quantization if dense else _VECTOR_ONLY,
        "index": choices["index"] if dense else _VECTOR_ONLY,
    }


def _unusual(config: Mapping[str, Any], retriever: Retriever | None) -> str:
    """The dtype and similarity where they are not the default, so that rows which differ in them read apart."""
    encoders = [need.encoder for need in (retriever.needs() if retriever else ())]
    used = {getattr(encoder, "dtype", "float32") for encoder in encoders} - {"float32"}
    similarity = {config["similarity"]} - {"native"} if encoders else set()
    return "".join(f" {word}" for word in (*sorted(used), *similarity))


def _model_label(node: Mapping[str, Any], choice: str) -> str:
    if choice == "local" and node.get("path"):
        return "/".join(Path(str(node["path"])).parts[-2:]).lstrip("/")
    return str(node["id"]) if choice == "api" else choice


def rescore_of(config: Mapping[str, Any]) -> Any:
    """The factor given; 0 where the codes are the float vectors, which rescoring would only store twice."""
    exact = config["quantization"].get("_target_") == "harness.quantizers.float32.Float32"
    return 0 if exact and type(config["rescore"]) is int and config["rescore"] > 0 else config["rescore"]
