"""How results are named on the public leaderboard: its data sets, and a candidate as model, revision and experiment."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

OWN = "in-house"  # the organisation of models, and the first word of sets, that are on no leaderboard
UNKNOWN_REVISION = "no_revision_available"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_UNSAFE = re.compile(r"[^A-Za-z0-9._+=-]+")
_UNPRINTABLE = re.compile(r"[^ -~]")
_LONGEST = 80
_PLAIN = {
    "retriever": ("dense", "bm25", "late_interaction", "learned_sparse"), "pooling": ("native",), "dim": ("full",),
    "quantization": ("float32",), "index": ("flat",), "reduction": ("truncate",), "prompt": ("native",),
    "chunking": ("none",),
}  # fmt: skip
_SEARCHING = ("retrieval", "reranking")  # what reads queries and documents; the rest reads texts
_BLANK = "{instruction}"
_SETTINGS = {"dtype": "float32", "max_tokens": 0, "similarity": "native"}


class PublicName(NamedTuple):
    """Which part of a public task a set is."""

    task: str
    subset: str = "default"
    split: str = "test"


class Entry(NamedTuple):
    """A candidate as the leaderboard files it; `experiment` is what sets it apart from the plain model, else empty."""

    model: str
    revision: str
    experiment: Mapping[str, str]


def public_name(text: str) -> PublicName:
    """`NAME`, `NAME/SUBSET`, either with `@SPLIT`, as `EvalSet.public` has it."""
    whole, _, split = text.partition("@")
    task, _, subset = whole.partition("/")
    return PublicName(task, subset or "default", split or "test")


def entry_of(
    variant: Mapping[str, Any], candidate: Mapping[str, Any], about: Mapping[str, Any], usual: str = ""
) -> Entry:
    """Where a candidate stands: a variant of a sweep's manifest, and the description that its record has.

    A model of a hub keeps its id, any other is `in-house/LABEL`. The revision is the one that was asked for; of files
    in a folder or package, or where none was named, the hash of the weights. `about` is what the manifest says of the
    eval set: prompts of its own, and an instruction other than the `usual` one of its public task, that a model's texts
    were read with make an experiment, named by a hash, since texts stay here.
    """
    hub_id = str(variant["card"].get("id") or "")
    public = _HUB_ID.fullmatch(hub_id) is not None
    encoders = list(_encoders(candidate))
    named = {str(e["revision"]) for e in encoders if e.get("revision") and not e.get("path") and not e.get("package")}
    revision = named.pop() if len(named) == 1 == len(encoders) else variant["model_sha256"]
    experiment = _labelled(variant) | _settings(candidate, encoders) | _of_set(candidate, about, usual)
    if public:
        experiment |= {k: v for k, v in _words(variant["model"]) if k not in experiment}
    model = hub_id if public else f"{OWN}/{safe(variant['model'])}"
    told = {key: _told(value) for key, value in experiment.items()}
    return Entry(model, safe(revision or UNKNOWN_REVISION), told)


def safe(text: Any) -> str:
    """A name that may stand in a path anywhere: ASCII, no separator, at most 80 characters.

    What had to be changed ends with a piece of its hash, so two names never become one.
    """
    return _marked(str(text), _UNSAFE.sub("_", str(text)).strip("._"))


def _told(text: str) -> str:
    """A value of an experiment, readable; mteb itself keeps separators out of the folder that it names after it."""
    return _marked(text, _UNPRINTABLE.sub("_", text))


def _marked(text: str, kept: str) -> str:
    if kept and kept == text and len(kept) <= _LONGEST:
        return kept
    return f"{kept[: _LONGEST - 9]}-{_hash(text)}".lstrip("-")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def distinct(names: Iterable[str]) -> dict[str, str]:
    """Safe names by name; those that differ in case alone, which some file systems cannot tell apart, get a hash."""
    made = {name: safe(name) for name in names}
    folded = [short.casefold() for short in made.values()]
    clashing = {short for short in folded if folded.count(short) > 1}
    return {n: safe(f"{n}/") if short.casefold() in clashing else short for n, short in made.items()}


def _labelled(variant: Mapping[str, Any]) -> dict[str, str]:
    odd = {k: variant.get(k) for k, plain in _PLAIN.items() if variant.get(k) not in ("-", None, *plain)}
    return {"embed_dim" if k == "dim" else k: str(value) for k, value in odd.items()}  # mteb's word for it


def _settings(candidate: Mapping[str, Any], encoders: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """What an encoder or the search was set to, where it is not what models come with."""
    found: dict[str, list[str]] = {}
    for node in (candidate, *encoders):
        for key, usual in _SETTINGS.items():
            if node.get(key, usual) != usual:
                found.setdefault(key, []).append(str(node[key]))
    return {key: "+".join(dict.fromkeys(values)) for key, values in found.items()}


def _of_set(candidate: Mapping[str, Any], about: Mapping[str, Any], usual: str) -> dict[str, str]:
    """What the eval set put before the texts, where the candidate took it."""
    roles = ("query", "document") if about.get("type") in _SEARCHING else ("text",)
    used = [(role, str(given[role])) for given in _prompts(candidate) for role in roles if given.get(role) is not None]
    wanted, instruction = about.get("prompts") or {}, str(about.get("instruction") or "")
    own = {(role, text) for role, text in used if wanted.get(role) == text or _BLANK in wanted.get(role, "")}
    found = {"set_prompts": repr(sorted(own))} if own else {}
    if instruction and instruction != usual and any(instruction in text for _, text in used):
        found["set_instruction"] = instruction
    return {key: _hash(text) for key, text in found.items()}


def _prompts(node: Any) -> Iterator[Mapping[str, Any]]:
    """The prompts by role of all models inside a description, those of plug-ins too."""
    if isinstance(node, Mapping):
        if isinstance(node.get("prompts"), Mapping):
            yield node["prompts"]
        node = list(node.values())
    if isinstance(node, list | tuple):
        for inner in node:
            yield from _prompts(inner)


def _words(label: str) -> Iterator[tuple[str, str]]:
    """`pool_prompt=false` and the like in a model's label."""
    for word in label.split()[1:]:
        key, equals, value = word.partition("=")
        if equals and key.isidentifier():
            yield key, value


def _encoders(node: Any) -> Iterator[Mapping[str, Any]]:
    """Descriptions of all encoders inside a description."""
    if isinstance(node, Mapping):
        if str(node.get("_target_", "")).startswith("harness.encoders."):
            yield node
        node = list(node.values())
    if isinstance(node, list | tuple):
        for inner in node:
            yield from _encoders(inner)
