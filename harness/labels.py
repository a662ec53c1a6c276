"""What candidates are called; identity never comes from here."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from harness.assembly import Assembled, fitted_on, folder_label, rescore_of
from harness.launch import Job
from harness.parts import name_of
from harness.protocols import Reranker, Retriever

_NOT = "-"
_ENCODED = ("pooling", "prompt")  # what says something of any model that encodes
_PLACES = ("path", "id", "reference", "base_url", "key_variable", "card", "prompts", "_target_")


def labels_of(job: Job, found: Assembled | None = None) -> dict[str, Any]:
    """What a candidate is called in tables; without what was assembled, what a combination that failed was to be."""
    config, choices = job.config, job.choices
    dense = found is None or _holds_dense(found.part)
    encoded = dense or bool(found and found.part.needs())
    made = {
        "pooling": _chosen(job, "pooling"),
        "dim": config["dim"],
        "quantization": _chosen(job, "quantization") + _rescored(config),
        "index": _chosen(job, "index"),
        "reduction": _chosen(job, "reduction") + (f" fitted on {fitted_on(config)}" if fitted_on(config) else ""),
        "prompt": _chosen(job, "prompt"),
    }
    passages = _chosen(job, "chunking") + (f" {config['aggregate']}" if choices["chunking"] != "none" else "")
    return {
        "model": " ".join((_model_label(config["model"], choices["model"]), *_shaped(job))) + _unusual(config, found),
        "retriever": _way(job, found),
        **{name: value if dense or (encoded and name in _ENCODED) else _NOT for name, value in made.items()},
        "chunking": passages,
    }


def _holds_dense(part: Any) -> bool:
    """Whether dimension, quantization and index mean anything: somewhere inside one vector a text is searched."""
    if isinstance(part, tuple):
        return any(map(_holds_dense, part))
    if not isinstance(part, Retriever):
        return False
    return name_of(part) == "dense" or any(_holds_dense(getattr(part, f.name)) for f in dataclasses.fields(part))  # type: ignore[arg-type]


def _rerankers(part: Any) -> list[Any]:
    """Every one in a retriever and its members."""
    if isinstance(part, Reranker):
        return [part]
    if isinstance(part, tuple):
        return [one for member in part for one in _rerankers(member)]
    held = dataclasses.fields(part) if isinstance(part, Retriever) else ()  # type: ignore[arg-type]
    return [one for f in held for one in _rerankers(getattr(part, f.name))]


def _way(job: Job, found: Assembled | None) -> str:
    """`dense`, or a pipeline's name with its members and whatever was set by hand."""
    if found is None:
        return "dense" if job.choices["retriever"] == "native" else job.choices["retriever"]
    if job.choices["retriever"] == "native":
        return found.called
    return " ".join((found.called, *_set(job, "retriever", ("first", "second", "of", "reranker"))))


def _chosen(job: Job, group: str) -> str:
    return " ".join((job.choices[group], *_set(job, group, ())))


def _set(job: Job, group: str, shown: tuple[str, ...]) -> list[str]:
    """Parameters of a group's YAML that were set on the command line or are swept; `shown` are read elsewhere."""
    words = [word.lstrip("+").partition("=") for word in job.overrides]
    own = [(key.removeprefix(f"{group}."), value) for key, _, value in words if key.startswith(f"{group}.")]
    return [f"{key}={value}" for key, value in dict(own).items() if key.partition(".")[0] not in shown]


def _rescored(config: Mapping[str, Any]) -> str:
    if not rescore_of(config):
        return ""
    by = "" if config["rescore_with"] == "float32" else f" {config['rescore_with']}"
    return f"+rescore{rescore_of(config)}{by}"


def _unusual(config: Mapping[str, Any], found: Assembled | None) -> str:
    """The dtype and similarity where they are not the default, so that rows which differ in them read apart."""
    encoders = [need.encoder for need in (found.part.needs() if found else ())]
    models = [*encoders, *_rerankers(found.part if found else ())]
    used = {getattr(model, "dtype", "float32") for model in models} - {"float32"}
    similarity = {config["similarity"]} - {"native"} if encoders else set()
    return "".join(f" {word}" for word in (*sorted(used), *similarity))


def _model_label(node: Mapping[str, Any], choice: str) -> str:
    if choice.startswith("local") and node.get("path"):
        return folder_label(node["path"])
    if choice in ("onnx", "openvino"):
        return f"{folder_label(node.get('path', ''))} {choice}"
    return str(node["id"]) if choice == "api" else choice


def _shaped(job: Job) -> list[str]:
    """What was set of the model beside where it lies."""
    return [word for word in _set(job, "model", _PLACES) if not word.startswith("prompts")]
