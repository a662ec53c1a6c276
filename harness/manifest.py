"""The manifest of a sweep: the declared family, the keys of its records, the policy, the data and the machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from harness.launch import Job
from harness.parts import digest
from harness.plan import Plan, Variant, sweep_name
from harness.store import read_json, write_json
from harness.timing import machine
from harness.types import EvalSet

FILE = "sweep.json"


def manifest_of(plan: Plan, jobs: Sequence[Job], evalsets: Mapping[str, EvalSet], command: str) -> dict[str, Any]:
    """All but the variants: what was asked, on which data, under which policy, on which machine."""
    config = jobs[0].config
    failures = [dict(f.labels) | {"task": f.task, "status": f.status, "reason": f.reason} for f in plan.failures]
    return {
        "schema": 1,
        "sweep": sweep_name(jobs),
        "command": command,
        "policy": config["policy"],
        "evalsets": {name: _about(evalset) for name, evalset in evalsets.items()},
        "unplanned": failures,
        "excluded": plan.excluded,
        "merged": plan.merged,
        "machine": machine(),
        "timing": dict(config["timing"]),
    }


def variant_entry(variant: Variant, quality: str, timings: Mapping[str, str]) -> dict[str, Any]:
    """One variant of the family: labels, identities, and the keys of its records."""
    return dict(variant.labels) | {
        "task": variant.task,
        "batch_size": variant.batch_size,
        "device": variant.device,
        "candidate_id": variant.candidate_id,
        "model_sha256": _model_sha256(variant),
        "card": dict(variant.card),
        "quality": quality,
        "timings": dict(timings),
    }


def _about(evalset: EvalSet) -> dict[str, Any]:
    judged = int(np.unique(evalset.qrels.query[evalset.qrels.grade > 0]).size)
    return {
        "sha256": evalset.sha256,
        "type": evalset.type,
        "documents": len(evalset.documents),
        "queries": len(evalset.queries),
        "scored_queries": judged,
        "judgements": len(evalset.qrels.grade),
        "languages": list(evalset.languages),
        "weight": evalset.weight,
        "guard": evalset.guard,
        "label_source": evalset.label_source,
        "exclude_self": evalset.exclude_self,
        "notes": [dict(n._asdict()) for n in evalset.notes],
    }


def _model_sha256(variant: Variant) -> str:
    contents = [dict(need.encoder.content()) for need in variant.retriever.needs()]
    if len(contents) == 1 and "model.safetensors" in contents[0]:
        return contents[0]["model.safetensors"]
    return digest(contents) if contents else ""


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Keep the date of the first run of the same family; another family or policy starts anew."""
    path = folder / FILE
    before = read_json(path) if path.exists() else {}
    same = {k: v for k, v in before.items() if k not in ("created", "command")}
    unchanged = same == {k: v for k, v in manifest.items() if k != "command"}
    created = before["created"] if unchanged else datetime.now(UTC).isoformat(timespec="seconds")
    write_json(path, manifest | {"created": created} | ({"command": before["command"]} if unchanged else {}))
