"""The timings of a sweep, each once, with what it was taken on: for the sections that show how speeds came about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from harness.types import Record
from harness.wording import called, searched, set_name

_OF_CANDIDATES = ("search", "serve")


class Measurement(NamedTuple):
    """A timing: kind (`encode`, `search`, `index`, `start`, `serve`), what it was taken on, eval set, variant, record.

    label: the candidate, or the model with what of a candidate its speed depends on. text: it is a text that was
    encoded, of a set that nothing is searched in, and no query.
    """

    kind: str
    label: str
    task: str
    text: bool
    variant: Mapping[str, Any]
    record: Record


def measurements(manifest: Mapping[str, Any], records: Mapping[str, Record], *kinds: str) -> list[Measurement]:
    """Those of these kinds that came to an end, by kind, label and eval set; without kinds, of every kind."""
    found = {one.record.key: one for one in _every(manifest, records) if not kinds or one.kind in kinds}
    return sorted(found.values(), key=lambda one: (one.kind, one.label, one.task))


def _every(manifest: Mapping[str, Any], records: Mapping[str, Record]) -> Iterator[Measurement]:
    """Of variants that share a timing the first one's comes last, and so is the one that is kept."""
    sets = manifest["evalsets"]
    for variant in reversed(manifest["variants"]):
        about = sets[variant["task"]]
        for name, key in variant["timings"].items():
            record = records.get(key)
            if record is not None and record.status == "ok":
                kind = name.partition("-")[0]
                text = kind == "encode" and not searched(about["type"])
                task = set_name(variant["task"], about["sample"])
                yield Measurement(kind, _label(variant, name), task, text, variant, record)


def _label(variant: Mapping[str, Any], name: str) -> str:
    """What a timing was taken on, as short as tells it from the others of its kind."""
    kind, _, place = name.partition("-")
    if kind in _OF_CANDIDATES:
        return called(variant)
    whole = {} if kind == "index" else {"chunking": None}
    parts = [
        series({**variant, **whole, "retriever": None}),
        f"model {place} of {variant['retriever']}" if place else "",
    ]
    if kind == "index" and variant["batch_size"]:
        parts.append(f"batch {variant['batch_size']}")
    return " · ".join(part for part in parts if part)


def series(labels: Mapping[str, Any]) -> str:
    """A candidate's label without what its rate of indexing does not depend on: dimension, quantization, index."""
    return called({**labels, "dim": None, "quantization": None, "index": None, "reduction": None})
