"""What is known of a model beside its scores: its YAML's card, its own files, and mteb's registry."""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from harness.modelfolder import inside_package
from harness.parts import digest
from harness.store import read_json, write_json
from harness.types import EvalSet, HarnessError

# What mteb can add; where the card and the weights say all of it, mteb is not imported (that takes seconds).
_FROM_MTEB = ("licence", "languages", "max_tokens", "dims", "parameters", "training_sets")
_LISTS = ("languages", "training_sets", "matryoshka")
_BUFFERS = ("I64", "I32", "BOOL")  # position ids and the like
# How mteb names what was made from a public set: NanoMSMARCORetrieval, NQ-PL, FEVERHardNegatives.v2.
_FRONT = re.compile(r"^(multilingual[-_ ]?)?nano[-_ ]?(?=.)")
_BACK = re.compile(
    r"(?<=.)(\.v\d+|[-_ ]?(retrieval|reranking|hardnegatives)|[-_ ](de|en|es|fa|fr|it|ja|ko|nl|pl|pt|ru|vn|zh))$"
)


def card_of(part: Any, given: Mapping[str, Any], folder: Path | None) -> dict[str, Any]:
    """The facts of one model; `card_source` says of each where it is from: yaml, model, weights or mteb.

    `part`: an encoder, a reranker, or anything with an `id`. `given`: the card of its YAML, which wins over all but
    the limit that the model itself gives in `traits` or `limit`. What is still missing comes from the weight files
    (`parameters`, `model_bytes`), then from mteb's registry under the hub id, also where the files are read from a
    copy of the model. mteb is offline and slow to import, so its answer is kept in `folder`, if one is given. What
    nobody knows is absent; None in the YAML means the same and keeps mteb from being asked. An unknown model is no
    error; a list that is none is a HarnessError.
    """
    for key in _LISTS:
        if not isinstance(given.get(key) or [], list | tuple):
            raise HarnessError(f"card.{key}={given[key]}: expected a list such as [{given[key]}]")
    weights = weights_of(part)
    hub_id = str(getattr(part, "id", "") or "")
    known = {*given, *weights, *(own := _limit(part))}
    asked = hub_id and not known.issuperset(_FROM_MTEB)
    sources = {
        "mteb": registered(hub_id, folder) if asked else {},
        "weights": weights,
        "yaml": given,
        "model": own | ({"id": hub_id} if hub_id else {}),
    }
    facts = {key: value for held in sources.values() for key, value in held.items()}
    return facts | {"card_source": {key: name for name, held in sources.items() for key in held if key != "id"}}


def combined(cards: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One card for all models of a pipeline: what a limit must hold for all of them; None where one says nothing."""
    if len(cards) == 1:
        return dict(cards[0])
    card: dict[str, Any] = {"licences": [c.get("licence") for c in cards]}
    card |= {"id": " + ".join(ids)} if (ids := [c["id"] for c in cards if c.get("id")]) else {}
    if all(card["licences"]):
        card["licence"] = " + ".join(dict.fromkeys(card["licences"]))
    if all(c.get("languages") for c in cards):
        spoken = [set(c["languages"]) for c in cards if "multilingual" not in c["languages"]]
        card["languages"] = sorted(set.intersection(*spoken)) if spoken else ["multilingual"]
    for key, join in (("price_per_million_tokens", sum), ("parameters", sum), ("model_bytes", sum)):
        values = [c.get(key) for c in cards]
        card[key] = None if any(v is None for v in values) else join(values)
    limits = [c.get("max_tokens") for c in cards]
    if all(limit is not None for limit in limits):
        card["max_tokens"] = min((limit for limit in limits if limit), default=0)  # 0: of any length
    trained = [c["training_sets"] for c in cards if c.get("training_sets")]
    card |= {"training_sets": sorted({name for names in trained for name in names})} if trained else {}
    return card | ({"remote_code": True} if any(c.get("remote_code") for c in cards) else {})


def trained_on(card: Mapping[str, Any], evalset: EvalSet) -> str:
    """The warning that a model saw this set in its training, by the set's `public` name, else its own; else empty.

    Names are compared without regard to case, `-`, `_` and spaces. A variant counts as the set that it was made from:
    `Nano...`, `...HardNegatives`, `....v2`, `...-PL` and other translations, with or without `Retrieval` or
    `Reranking`. Where the training sets are not known, nothing is said.
    """
    name = re.split("[/@]", evalset.public)[0] or evalset.name  # subsets and splits are listed by none
    listed = card.get("training_sets") or ()
    same = [one for one in listed if _folded(one) == _folded(name)]
    kin = [one for one in listed if _root(one) == _root(name)]
    if not kin:
        return ""
    what = f"{name} is" if same else f"{name} goes back to the same data as {kin[0]}, which is"
    model = card.get("id") or "this model"
    return f"{what} in the training list of {model}: its score here says little about new data"


def weights_of(part: Any) -> dict[str, int]:
    """`parameters` and `model_bytes` of the weight files of a part, from their headers alone.

    Empty where the files are not on this machine; without `parameters` where they are not safetensors. Whole-number
    buffers, such as position ids, are no parameters. Never asks the network.
    """
    folder = _folder(part)
    if folder is None or not (files := _weight_files(part, folder)):
        return {}
    headers = tuple((str(f), f.stat().st_mtime_ns) for f in files if f.suffix == ".safetensors")
    counted = _elements(headers) if headers else 0
    return {"model_bytes": sum(f.stat().st_size for f in files)} | ({"parameters": counted} if counted else {})


def registered(hub_id: str, folder: Path | None) -> dict[str, Any]:
    """What mteb's registry says of a hub id, in the words of our cards; empty where it does not know the model."""
    kept = folder / f"{digest([hub_id, _mteb_version()])}.json" if folder else None
    if kept and kept.exists():
        try:
            return dict(read_json(kept)["facts"])
        except (HarnessError, KeyError, TypeError):  # damaged: asked again
            pass
    facts = _ask_mteb(hub_id)
    if kept and _mteb_version():
        write_json(kept, {"id": hub_id, "mteb": _mteb_version(), "facts": facts})
    return facts


def families(names: Iterable[str]) -> list[str]:
    """One name, a short one, of every group of names that `trained_on` takes for variants of one set; sorted.

    Single letters are left out: some entries of mteb have a name spelt out by mistake.
    """
    plainest: dict[str, str] = {}
    for name in sorted((n for n in names if len(n) > 1), key=lambda name: ("-" in name, len(name), name)):
        plainest.setdefault(_root(name), name)
    return sorted(plainest.values(), key=str.casefold)


def _limit(part: Any) -> dict[str, int]:
    """The tokens that the model itself says it reads; nothing for those that say none."""
    try:
        limit = part.traits().max_tokens if hasattr(part, "traits") else part.limit() if hasattr(part, "limit") else 0
    except HarnessError:
        return {}
    return {"max_tokens": limit} if limit > 0 else {}


def _folder(part: Any) -> Path | None:
    if path := getattr(part, "path", ""):
        return Path(path).expanduser()
    if (package := getattr(part, "package", "")) and (folder := inside_package(package)):
        return folder
    return _cached(part.id, getattr(part, "revision", "") or None) if "/" in str(getattr(part, "id", "")) else None


def _weight_files(part: Any, folder: Path) -> list[Path]:
    """The graph that a part names with the data beside it; else the safetensors files of its content, else its .bin."""
    if graph := getattr(part, "file", ""):
        main = folder / graph
        beside = sorted(main.parent.glob(f"{main.stem}.*"))
        return [f for f in beside if f.name.startswith(main.name) or (main.suffix, f.suffix) == (".xml", ".bin")]
    try:
        files = [folder / name for name in part.content()]
    except HarnessError:  # files that cannot be read are the forward pass's to complain about
        return []
    there = {suffix: [f for f in files if f.suffix == suffix and f.is_file()] for suffix in (".safetensors", ".bin")}
    return there[".safetensors"] or there[".bin"]


@cache
def _cached(hub_id: str, revision: str | None) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(hub_id, revision=revision, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, OSError):
        return None


@cache
def _elements(files: tuple[tuple[str, int], ...]) -> int:
    from safetensors import SafetensorError, safe_open

    total = 0
    for path, _ in files:
        try:
            with safe_open(path, framework="numpy") as file:
                slices = [file.get_slice(name) for name in file.keys()]  # noqa: SIM118  it is no mapping
                total += sum(math.prod(one.get_shape()) for one in slices if one.get_dtype() not in _BUFFERS)
        except (SafetensorError, OSError):
            return 0
    return total


def _mteb_version() -> str:
    try:
        return version("mteb")
    except PackageNotFoundError:
        return ""


def _ask_mteb(hub_id: str) -> dict[str, Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import mteb

            meta = mteb.get_model_meta(hub_id)
            training = meta.get_training_datasets()
    except (ImportError, KeyError):
        return {}
    wide = meta.embed_dim if isinstance(meta.embed_dim, Sequence) else [meta.embed_dim] if meta.embed_dim else []
    endless = meta.max_tokens is not None and math.isinf(meta.max_tokens)
    facts = {
        "licence": meta.license,
        "languages": _codes(meta.languages) if meta.languages else None,
        "max_tokens": None if meta.max_tokens is None or endless else int(meta.max_tokens),
        "dims": max(wide, default=None),
        "matryoshka": sorted(wide, reverse=True) if len(wide) > 1 else None,
        "parameters": meta.n_parameters,
        "training_sets": None if training is None else families(training),
    }
    return {key: value for key, value in facts.items() if value is not None}


def _codes(languages: Iterable[str]) -> list[str]:
    """mteb's `deu-Latn` as `de`; three letters where there is no code of two; no programming languages."""
    import mteb.languages

    table = Path(mteb.languages.__file__).with_name("iso_639_1_to_3.json")
    shorter = {three: two for two, three in json.loads(table.read_text(encoding="utf-8")).items()}
    names = [name.partition("-")[0] for name in languages if not name.endswith("-Code")]
    return list(dict.fromkeys(shorter.get(name, name) for name in names))


def _folded(name: str) -> str:
    return re.sub(r"[-_\s]", "", name.casefold())


@cache
def _root(name: str) -> str:
    """The name of the set that this one was made from, folded."""
    rest = _FRONT.sub("", name.casefold())
    while (shorter := _BACK.sub("", rest)) != rest:
        rest = shorter
    return _folded(rest)
