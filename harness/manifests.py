"""What a manifest in a `tasks` folder may say, checked; every mistake is a line with its remedy."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from harness.archives import in_archive
from harness.parts import available, build, did_you_mean, find
from harness.reading import listing, shown
from harness.registry import PREFIX
from harness.types import HarnessError, Role

HEAVIEST = 1e9  # weight of an eval set: beside more, nothing is left of the others
TYPES = (
    "retrieval", "reranking", "sts", "classification", "clustering", "pair_classification", "bitext", "summarization",
)  # fmt: skip
LABEL_SOURCES = ("bm25-top10", "clicks", "human-pool", "synthetic", "unknown")
KEYS = (
    "name", "type", "format", "path", "split", "columns", "languages", "weight", "guard", "label_source",
    "exclude_self", "public", "instruction", "prompts", "settings",
)  # fmt: skip
_BOUNDS: Mapping[str, tuple[float, float]] = {
    "samples_per_label": (1, 100_000), "n_experiments": (1, 1000), "n_clusters": (1, 1000),
    "max_documents_per_cluster": (2, 10_000_000), "k_mean_batch_size": (1, 10_000_000), "seed": (0, 2**32 - 1),
    "max_fraction_of_documents_to_embed": (1e-6, 1),
}  # fmt: skip
_LONGEST = 200  # characters of a name, which every line about the set repeats
_METRIC = re.compile(r"([a-z_]+)_at_([1-9][0-9]{0,5})")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


@dataclass(frozen=True)
class Manifest:
    """A manifest, checked. `path` is the file or folder as found, which may lie in a zip (see `archives.in_archive`),
    or the name of a public set, `mteb/NAME`.

    `exclude_self` None means: decide from the data.
    """

    name: str
    type: str
    format: str
    path: Path
    split: str
    columns: Mapping[str, str]
    languages: tuple[str, ...]
    weight: float
    guard: bool
    label_source: str
    exclude_self: bool | None
    public: str
    instruction: str
    prompts: Mapping[Role, str]
    settings: Mapping[str, Any]


def checked(manifest: Mapping[str, Any], where: Path) -> Manifest:
    """The manifest that lies in a file `where`; HarnessError for an unknown key or a value of the wrong kind."""
    at = shown(where)
    for key in manifest:
        if key not in KEYS:
            raise HarnessError(f"{at}: unknown key {key!r}. {did_you_mean(str(key), KEYS)}")
    kind = _one_of(manifest, "type", TYPES, "retrieval", at)
    name = _string(manifest, "name", where.stem, at)
    if len(name) > _LONGEST:
        raise HarnessError(f"{at}: name: {name[:40]}... has {len(name)} characters; expected at most {_LONGEST}.")
    weight = manifest.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight <= HEAVIEST:
        raise HarnessError(f"{at}: weight: {weight!r:.40}: expected a number above 0, at most {HEAVIEST:,.0f}.")
    exclude_self = _one_of(manifest, "exclude_self", ("auto", True, False), "auto", at)
    return Manifest(
        name=name, type=kind,
        format=_one_of(manifest, "format", ("auto", *available("formats")), "auto", at), path=_path(manifest, where),
        split=_string(manifest, "split", "test", at), columns=_columns(manifest, at),
        languages=_languages(manifest, at), weight=float(weight),
        guard=_one_of(manifest, "guard", (True, False), False, at),
        label_source=_one_of(manifest, "label_source", LABEL_SOURCES, "unknown", at),
        exclude_self=None if exclude_self == "auto" else exclude_self,
        public=_optional(manifest, "public", at), instruction=_optional(manifest, "instruction", at),
        prompts=_prompts(manifest, at), settings=_settings(manifest, kind, at),
    )  # fmt: skip


def _string(manifest: Mapping[str, Any], key: str, default: str, at: str) -> str:
    value = manifest.get(key, default)
    if not isinstance(value, str) or not value:
        raise HarnessError(f"{at}: {key}: {value!r}: expected text; put numbers in quotes.")
    return value


def _optional(manifest: Mapping[str, Any], key: str, at: str) -> str:
    return _string(manifest, key, "", at) if key in manifest else ""


def _one_of(manifest: Mapping[str, Any], key: str, known: Sequence[Any], default: Any, at: str) -> Any:
    value = manifest.get(key, default)
    # 1 == True in Python, and `guard: 1` is a slip: the type counts too.
    if any(value == k and type(value) is type(k) for k in known):
        return value
    names = [str(k).lower() if isinstance(k, bool) else k for k in known]
    raise HarnessError(f"{at}: {key}: {value!r} is not known. {did_you_mean(str(value), names)}")


def _columns(manifest: Mapping[str, Any], at: str) -> dict[str, str]:
    value = manifest.get("columns") or {}
    if not isinstance(value, Mapping) or not all(isinstance(v, str) for pair in value.items() for v in pair):
        raise HarnessError(f"{at}: columns: {value!r}: expected names such as {{query: question, document: body}}.")
    return dict(value)


def _prompts(manifest: Mapping[str, Any], at: str) -> dict[Role, str]:
    """Texts by role; an empty one is the wish for no prompt."""
    value = manifest.get("prompts") or {}
    if not isinstance(value, Mapping) or not all(isinstance(text, str) for text in value.values()):
        raise HarnessError(f'{at}: prompts: {value!r}: expected texts such as {{query: "query: ", document: ""}}.')
    for role in value:
        if role not in get_args(Role):
            raise HarnessError(f"{at}: prompts: {role!r} is not known. {did_you_mean(str(role), get_args(Role))}")
    return dict(value)


def _settings(manifest: Mapping[str, Any], kind: str, at: str) -> dict[str, Any]:
    """Parameters of the task type, checked by building it and against their bounds."""
    value = manifest.get("settings") or {}
    if not isinstance(value, Mapping) or "_target_" in value or (value and kind == "retrieval"):
        raise HarnessError(
            f"{at}: settings: {value!r:.100}: expected parameters of the type, such as {{max_score: 10}}."
        )
    part = find("tasktypes", kind)
    try:
        if value:
            _check_settings(kind, value, build({**value, "_target_": f"{part.__module__}.{part.__name__}"}))
    except HarnessError as error:
        raise HarnessError(f"{at}: settings: {error}") from error
    except OverflowError as error:
        raise HarnessError(f"{at}: settings: {value!r:.100}: a number is too large.") from error
    return dict(value)


def _check_settings(kind: str, given: Mapping[str, Any], part: Any) -> None:
    """HarnessError for what fits the type of a parameter but not its meaning; part: built from what is given."""
    if kind == "reranking":
        _check_ranking(given)
    for name, (low, high) in _BOUNDS.items():
        value = getattr(part, name, None)
        if value is not None and not low <= value <= high:
            raise HarnessError(f"{name}: {value!r:.60}: expected a number from {low:g} to {high:.10g}.")
    if hasattr(part, "min_score"):
        low, high = part.min_score, part.max_score
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise HarnessError(f"min_score: {low:g}, max_score: {high:g}: expected two numbers, the first the smaller.")


def _check_ranking(given: Mapping[str, Any]) -> None:
    """HarnessError for more than the metric that decides, or an unknown one."""
    for name in given:
        if name != "main":
            raise HarnessError(f"{name!r:.60} is not known. Known: main. Other metrics are those of the run.")
    named = _METRIC.fullmatch(given["main"])
    metrics = available("metrics")
    if not named or named[1] not in metrics:
        near = did_you_mean(given["main"].partition("_at_")[0], metrics)
        raise HarnessError(f"main: {given['main']!r:.60}: expected such as map_at_1000. {near}")


def _languages(manifest: Mapping[str, Any], at: str) -> tuple[str, ...]:
    value = manifest.get("languages") or []
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise HarnessError(f"{at}: languages: {value!r}: expected a list such as [en, de].")
    for code in value:
        # YAML reads the code of Norwegian as false.
        if code is False:
            raise HarnessError(f'{at}: languages: YAML reads no as false; write "no" in quotes.')
        if not isinstance(code, str) or not _LANGUAGE.fullmatch(code):
            raise HarnessError(f"{at}: languages: {code!r} is no language code; expected some such as en.")
    return tuple(value)


def _path(manifest: Mapping[str, Any], where: Path) -> Path:
    given = Path(_optional(manifest, "path", shown(where))).expanduser()
    if "path" not in manifest:
        raise HarnessError(f"{shown(where)} has no path; say where the data lies, for example `path: ./data`.")
    beside = where.parent / given
    for path in (beside, given):
        if path.exists() or in_archive(path):
            return path
    if str(given).startswith(PREFIX):
        return given
    looked = f"{shown(beside)} does not exist" + ("" if given.is_absolute() else f", nor does {given} from here")
    raise HarnessError(f"{shown(where)}: path: {looked}. In {shown(where.parent)}, {listing(where.parent)}.")
