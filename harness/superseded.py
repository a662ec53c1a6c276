"""Which records a changed eval set, model, prompt or library has put out of use, and why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Entry = dict[str, Any]
_LABELS = ("model", "retriever", "pooling", "dim", "quantization", "index", "task", "batch_size")
_COMPARED = (*_LABELS, "device", "candidate_id", "model_sha256", "quality", "timings")
_MARK = re.compile(r"(@[0-9a-f]{6})+$")  # what a plan adds to labels that would be equal


def comparable(manifest: Mapping[str, Any]) -> bool:
    """Whether a manifest has what is compared here; those of other versions may not."""
    machine, sets, variants = (manifest.get(key) for key in ("machine", "evalsets", "variants"))
    if not (isinstance(machine, Mapping) and isinstance(sets, Mapping) and isinstance(variants, list)):
        return False
    tasks = {name for name, about in sets.items() if isinstance(about, Mapping) and "sha256" in about}
    return all(isinstance(v, Mapping) and v.keys() >= set(_COMPARED) and v["task"] in tasks for v in variants)


def superseded(
    before: Mapping[str, Any], now: Mapping[str, Any], when: str, known: Callable[[str], bool]
) -> list[Entry]:
    """Entries of two manifests of one folder: records that the earlier named and this one replaces.

    Each has the labels of its variant, the keys of the records, `since` and `because`. Entries of the earlier
    manifest stay, but for records that are in use again (a change that was taken back). `known` says of a key
    whether there is a record: what was planned and never run is not superseded.
    """
    used = {key for v in now["variants"] for key in _keys(v)}
    found = [dict(entry) for entry in before.get("superseded", [])]
    for earlier, old, new in _pairs(before, now):
        if gone := sorted(key for key in {*_keys(old)} - used if known(key)):
            reasons = _because(earlier, now, old, new)
            found.append({k: old[k] for k in _LABELS} | {"records": gone, "since": when, "because": reasons})
    kept = [entry | {"records": [key for key in entry["records"] if key not in used]} for entry in found]
    return [entry for entry in kept if entry["records"]]


def retired(before: Mapping[str, Any], now: Mapping[str, Any], known: Callable[[str], bool]) -> list[Entry]:
    """Earlier families, short, with only those recorded variants that have no successor yet; one may still come."""
    found = []
    succeeded = {id(old) for _, old, _ in _pairs(before, now)}
    for earlier in _families(before):
        left = [v for v in earlier["variants"] if id(v) not in succeeded and any(map(known, _keys(v)))]
        if left:
            found.append({
                "variants": [{k: v[k] for k in _COMPARED} for v in left],
                "evalsets": {v["task"]: {"sha256": earlier["evalsets"][v["task"]]["sha256"]} for v in left},
                "machine": {"versions": earlier["machine"].get("versions", {})},
            })  # fmt: skip
    return found


def _families(before: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [before, *before.get("retired", [])]


def _pairs(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], Entry, Entry]]:
    """Family, variant and its successor of the same name: first those plainly the same, then by order.

    A successor has one predecessor, the latest; so a model that was left out is not replaced by its namesake.
    """
    free: dict[tuple[str, ...], list[Entry]] = {}
    for new in now["variants"]:
        free.setdefault(_name(new), []).append(new)
    waiting = [(family, old) for family in _families(before) for old in family["variants"]]
    pairs = []
    for any_will_do in (False, True):
        unmatched = []
        for family, old in waiting:
            rivals = free.get(_name(old), [])
            same = [n for n in rivals if any_will_do or any(n[k] == old[k] for k in ("model", "candidate_id"))]
            if same:
                rivals.remove(same[0])
                pairs.append((family, old, same[0]))
            else:
                unmatched.append((family, old))
        waiting = unmatched
    return pairs


def said(entries: Sequence[Entry], when: str) -> list[str]:
    """One line for each reason that is new."""
    counted = Counter(reason for entry in entries if entry["since"] == when for reason in entry["because"])
    return [f"{reason}: {n} earlier results are superseded; their records are kept" for reason, n in counted.items()]


def _name(variant: Mapping[str, Any]) -> tuple[str, ...]:
    return _MARK.sub("", str(variant["model"])), *(str(variant[key]) for key in _LABELS[1:])


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
        found = [f"prompts, parameters or code of {model} changed"]
    if not found and old["quality"] == new["quality"]:
        found = ["machine or timing settings changed"]
    return found or ["metrics, stored precision or scoring changed"]


def _changed(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    return ", ".join(f"{k} {before.get(k, 'absent')} -> {v}" for k, v in now.items() if before.get(k) != v)
