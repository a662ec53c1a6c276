"""Which records a changed eval set, model, prompt or library has put out of use, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

Entry = dict[str, Any]
_LABELS = ("model", "retriever", "pooling", "dim", "quantization", "index", "task", "batch_size")


def superseded(before: Mapping[str, Any], now: Mapping[str, Any], when: str) -> list[Entry]:
    """Entries of two manifests of one folder: records that the earlier named and this one replaces.

    Each has the labels of its variant, the keys of the records, `since` and `because`. Entries of the earlier
    manifest stay, but for records that are in use again (a change that was taken back).
    """
    successors = {_name(v): v for v in now["variants"]}
    used = {key for v in now["variants"] for key in _keys(v)}
    found = [dict(entry) for entry in before.get("superseded", [])]
    for old in before["variants"]:
        new = successors.get(_name(old))
        if new is not None and (gone := sorted(set(_keys(old)) - used)):
            reasons = _because(before, now, old, new)
            found.append({k: old[k] for k in _LABELS} | {"records": gone, "since": when, "because": reasons})
    kept = [entry | {"records": [key for key in entry["records"] if key not in used]} for entry in found]
    return [entry for entry in kept if entry["records"]]


def said(entries: Sequence[Entry], when: str) -> list[str]:
    """One line for each reason that is new."""
    counted = Counter(reason for entry in entries if entry["since"] == when for reason in entry["because"])
    return [f"{reason}: {n} earlier results are superseded; their records are kept" for reason, n in counted.items()]


def _name(variant: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(variant[key]) for key in _LABELS)


def _keys(variant: Mapping[str, Any]) -> list[str]:
    return [variant["quality"], *variant["timings"].values()]


def _because(
    before: Mapping[str, Any], now: Mapping[str, Any], old: Mapping[str, Any], new: Mapping[str, Any]
) -> list[str]:
    task, model = old["task"], old["model"]
    libraries = _changed(before["machine"].get("versions", {}), now["machine"].get("versions", {}))
    checks = {
        f"eval set {task} changed": before["evalsets"][task]["sha256"] != now["evalsets"][task]["sha256"],
        f"files of {model} changed": old["model_sha256"] != new["model_sha256"],
        f"libraries changed ({libraries})": bool(libraries),
        f"device of {model} changed": old["device"] != new["device"],
    }
    found = [reason for reason, holds in checks.items() if holds]
    if not found and old["candidate_id"] != new["candidate_id"]:
        found = [f"prompts or parameters of {model} changed"]
    if not found and old["quality"] == new["quality"]:
        found = ["machine or timing settings changed"]
    return found or ["metrics, stored precision or scoring changed"]


def _changed(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    return ", ".join(f"{k} {before.get(k, 'absent')} -> {v}" for k, v in now.items() if before.get(k) != v)
