"""The machines that the timings of a sweep were taken on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.table import Sweep

_MET = ("processor", "cores", "memory_gb", "threads", "accelerator", "system")  # what makes two machines unlike


def machines(sweep: Sweep) -> list[str]:
    """A readable name of each machine that a timing of the sweep comes from, sorted; empty where nothing was timed.

    More than one means that speeds cannot be compared: a sweep that was copied and gone on with elsewhere. Versions of
    libraries make no other machine. Timings that do not say where they were taken are passed over.
    """
    keys = {key for variant in sweep.manifest["variants"] for key in variant["timings"].values()}
    taken = (sweep.records[key] for key in keys if key in sweep.records)
    found = (record.provenance.get("machine") for record in taken if record.status == "ok")
    return sorted({_name(about) for about in found if about})


def _name(about: Mapping[str, Any]) -> str:
    processor, cores, memory, threads, accelerator, system = (about.get(key, "unknown") for key in _MET)
    beside = "no accelerator" if accelerator == "none" else accelerator
    return f"{processor}, {cores} cores, {memory} GB, {threads} threads, {beside}, {system}"
