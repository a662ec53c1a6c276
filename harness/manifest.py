"""The manifest of a sweep: the declared family, the keys of its records, the policy, the data and the machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness import __version__
from harness.fingerprint import machine
from harness.health import health
from harness.launch import Job
from harness.plan import Plan, Variant, sweep_name
from harness.policy import read_policy
from harness.store import read_json, write_json
from harness.superseded import comparable, retired, said, superseded
from harness.types import EvalSet, HarnessError, Note

FILE = "sweep.json"
_MOVING = {"command": "", "spaces": []}  # what the same sweep may say otherwise; spaces are known at its end


def manifest_of(plan: Plan, jobs: Sequence[Job], evalsets: Mapping[str, EvalSet], command: str) -> dict[str, Any]:
    """All but the variants: what was asked, on which data, under which policy, on which machine."""
    config = jobs[0].config
    failures = [dict(f.labels) | {"task": f.task, "status": f.status, "reason": f.reason} for f in plan.failures]
    return {
        "schema": 1,
        "sweep": sweep_name(jobs),
        "command": command,
        "harness": __version__,
        "policy": config["policy"],
        "evalsets": {name: _about(evalset, config) for name, evalset in evalsets.items()},
        "unplanned": failures,
        "excluded": plan.excluded,
        "merged": plan.merged,
        "machine": machine(),
        "timing": dict(config["timing"]),
        "report": dict(config["report"]),
        "spaces": [],
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


def _about(evalset: EvalSet, config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "sha256": evalset.sha256,
        "type": evalset.type,
        "public": evalset.public,
        "hub": _hub(evalset),
        "split": evalset.public.partition("@")[2] or evalset.split,
        "documents": len(evalset.documents),
        "queries": len(evalset.queries),
        "queries_sha256": _texts_sha256(evalset.queries.texts),
        "scored_queries": evalset.scored,
        "judgements": len(evalset.qrels.grade),
        "languages": list(evalset.languages),
        "weight": evalset.weight,
        "guard": evalset.guard,
        "label_source": evalset.label_source,
        "exclude_self": evalset.exclude_self,
        "sample": evalset.sample,
        "prompts": dict(evalset.prompts),
        "instruction": evalset.instruction,
        "notes": [dict(note._asdict()) for note in _notes(evalset, config)],
    }


def _texts_sha256(texts: Sequence[str]) -> str:
    """The same for the same texts in any order and under any ids; empty without a text."""
    return hashlib.sha256(json.dumps(sorted(texts)).encode()).hexdigest() if texts else ""


def _notes(evalset: EvalSet, config: Mapping[str, Any]) -> list[Note]:
    """The data doctor's findings; without examples, which are texts, where pages may show none."""
    found = health(evalset, Path(config["store_dir"]) / "doctor")
    return [n if config["report"]["query_text"] == "full" else n._replace(example="") for n in found]


def _hub(evalset: EvalSet) -> str:
    """The data set on the hub that mteb's loader read, as its registry names it; empty for data from anywhere else.

    Public sets alone have the registry's main score or task in `settings` and a source that is no path: their loader
    refuses to run where a folder of that name lies.
    """
    brought = evalset.settings.keys() & {"main", "task"}
    return evalset.source if evalset.public and brought and not Path(evalset.source).exists() else ""


def _model_sha256(variant: Variant) -> str:
    """sha256 of the weights file, or of all content hashes where there is not just one; empty without a model."""
    contents = [dict(need.encoder.content()) for need in variant.retriever.needs()]
    weights = [v for content in contents for k, v in content.items() if k.endswith(".safetensors")]
    if len(weights) == 1:
        return weights[0]
    return hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest() if contents else ""


def write_manifest(folder: Path, manifest: dict[str, Any], say: Callable[[str], object]) -> None:
    """Write it with the date of the family's first run, the date its policy was changed since, and what it replaces."""
    path = folder / FILE
    before = _before(path)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    keys = {path.stem for path in (folder / "records").glob("*.record")}
    gone = superseded(before, manifest, now, keys.__contains__) if before else []
    former = retired(before, manifest, keys.__contains__) if before else []
    for line in said(gone, now):
        say(line)
    if before and _members(before) != _members(manifest):
        say(f"{folder.name} held other candidates; their records are kept, table and page show these from now on")
    if before and _family(before) != _family(manifest):
        before = {}
    changed = before.get("policy_changed", "")
    if before and _policy(before) != _policy(manifest):
        changed = now
    dated = manifest | {"created": before.get("created", now), "policy_changed": changed}
    dated |= {"superseded": gone, "retired": former}
    same = before and {**before, **_MOVING} == {**dated, **_MOVING}
    write_json(path, dated | ({"command": before["command"]} if same else {}))


def _before(path: Path) -> dict[str, Any]:
    """The manifest that lies there; empty where there is none, or none that can be read and compared."""
    try:
        found = read_json(path)
    except HarnessError:
        return {}
    return found if "policy" in found and comparable(found) else {}


def _family(manifest: Mapping[str, Any]) -> Any:
    """Which candidates on which data: what makes two runs the same sweep."""
    variants = sorted([v["candidate_id"], v["task"], v["batch_size"] or 0] for v in manifest["variants"])
    return variants, {name: about["sha256"] for name, about in manifest["evalsets"].items()}


def _members(manifest: Mapping[str, Any]) -> Any:
    """Which candidates by what they are called."""
    return sorted(
        {(str(v["model"]), str(v["pooling"]), str(v["dim"]), v["quantization"]) for v in manifest["variants"]}
    )


def _policy(manifest: Mapping[str, Any]) -> Any:
    """The policy with its defaults; as it stands where another version wrote it."""
    try:
        return read_policy(manifest["policy"])
    except HarnessError:
        return manifest["policy"]
