"""From one job's options to its retriever: the model's own way of ranking, or a pipeline of several."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_type_hints

from harness.account import check_cap
from harness.launch import yaml_of, yamls
from harness.parts import build, did_you_mean, digest, find, identity, name_of, part_at
from harness.precision import reference_of
from harness.prompts import APART, plain, prompted, read_as
from harness.protocols import Encoder, Reranker, Retriever
from harness.types import EvalSet, HarnessError, Inapplicable, Unavailable

Config = Mapping[str, Any]
Card = Mapping[str, Any]
_OWN = "model"
_WAY = {"vector": "dense", "vectors": "late_interaction", "sparse": "learned_sparse"}
_ROOMS = {"pooling": "pooling", "reduction": "reduction", "quantizer": "quantization", "index": "index"}
_UNFITTED = ("harness.reductions.truncate.", "harness.reductions.random_projection.")
_GROUPS = {*_ROOMS.values(), "model", "chunking", "prompt", "retriever"}
_DTYPES = ("float32", "float16", "bfloat16", "auto")


class Assembled(NamedTuple):
    """A part, what it is called, the cards of all models in it, and what a reader must know of how it was made."""

    part: Any
    called: str
    cards: tuple[Card, ...] = ()
    cautions: tuple[str, ...] = ()


class Assembly:
    """Builds retrievers; each model node is built once and shared, so its files are hashed once.

    `fast` says of an encoder under `dtype=auto` whether bfloat16 is taken; `sets` are eval sets by name, for prompts,
    instructions and what is fitted elsewhere; `card` completes what a YAML says of a model.
    """

    def __init__(
        self,
        fast: Callable[[Encoder], bool] = lambda _: False,
        sets: Mapping[str, EvalSet] | None = None,
        card: Callable[[Any, Card], Card] = lambda _, given: given,
    ) -> None:
        self.fast, self.sets, self.card = fast, sets or {}, card
        self._known: dict[str, Any] = {}

    def of(self, config: Config, name: str = "") -> Assembled:
        """The retriever that a job's options describe, `name` the YAML of its pipeline.

        HarnessError, or one of its kinds, where they describe none.
        """
        node, around = config["retriever"], config.get("_around", ())
        if not node.get("_target_"):
            return self._own(config)
        if name and name in around:
            raise HarnessError(
                f"retriever {name} holds itself ({' > '.join((*around, name))}); take it out of one of them"
            )
        return self._pipeline(node, {**config, "_around": (*around, name)}, name)

    def _pipeline(self, node: Config, config: Config, name: str = "") -> Assembled:
        """Members and models go where the retriever's fields have their types, options where they have their names."""
        cls = part_at(node["_target_"], config["trusted"])
        members: list[Assembled] = []
        given = dict(node)
        for field, hint in get_type_hints(cls).items():
            if get_args(hint)[:1] == (Retriever,):
                members += (held := [self._member(spec, config) for spec in _listed(node, field)])
                given[field] = tuple(one.part for one in held)
            elif hint is Retriever or hint is Reranker:
                made = self._member if hint is Retriever else self._reranker
                members.append(made(node.get(field), config))
                given[field] = members[-1].part
            elif hint is Encoder and field not in node:
                members.append(self._encoder(config, cls))
                given[field] = members[-1].part
            elif field not in node:
                given |= self._option(field, config)
        if "tune_on" in node:
            given |= {"tuned_sha256": self._content(node["tune_on"])}
        part = build(given, config["trusted"])
        cards = tuple(card for m in members for card in m.cards)
        cautions = tuple(dict.fromkeys(c for m in members for c in m.cautions))
        return Assembled(part, _called(name or name_of(part), members), cards, cautions)

    def _option(self, name: str, config: Config) -> dict[str, Any]:
        """A field that one of the job's options decides; nothing for any other."""
        if name in _ROOMS:
            return {name: config[_ROOMS[name]]}
        if name in ("similarity", "rescore"):
            return {name: rescore_of(config) if name == "rescore" else config[name]}
        if name == "rescorer" and config["rescore_with"] != "float32" and rescore_of(config):
            return {name: yaml_of("quantization", str(config["rescore_with"]))}
        if name == "fit_on" and fitted_on(config):
            return {"fit_on": fitted_on(config), "fit_sha256": self._content(fitted_on(config))}
        return {}

    def _content(self, name: Any) -> str:
        return self.sets[str(name)].sha256 if name else ""

    def _member(self, spec: Any, config: Config) -> Assembled:
        """`model`, the name of a YAML of configs/retriever or configs/model, a node, or options to replace."""
        alone = {**config, "retriever": {}}
        if isinstance(spec, Mapping):
            if "_target_" in spec:
                part = build(spec, config["trusted"])
                return Assembled(part, name_of(part))
            words = " ".join(f"{k}={v}" for k, v in spec.items())
            return self.of(_replaced(alone, spec), str(spec.get("retriever", "")))._replace(called=words)
        if spec == _OWN:
            return self.of(alone)
        if spec in yamls("retriever"):
            return self.of({**alone, "retriever": yaml_of("retriever", spec)}, spec)
        if spec in yamls("model"):
            return self.of({**alone, "model": yaml_of("model", spec)})._replace(called=spec)
        known = [_OWN, *yamls("retriever"), *yamls("model")]
        raise HarnessError(f"retriever: no member {spec!r}. {did_you_mean(str(spec), known)}")

    def _reranker(self, spec: Any, config: Config) -> Assembled:
        """The name of a YAML of configs/reranker, a node, or a name with values for it: {name: local, path: FOLDER}."""
        given = dict(spec) if isinstance(spec, Mapping) else {"name": spec}
        name = str(given.pop("name", ""))
        node = (yaml_of("reranker", name) if "_target_" not in given else {}) | given
        if unset := [k for k, v in node.items() if v == "???"]:
            raise HarnessError(
                f"reranker {name} needs {unset[0]}: retriever.reranker={{name: {name}, {unset[0]}: ...}}"
            )
        part = self._built({k: v for k, v in node.items() if k not in APART}, config)
        called = folder_label(node["path"]) if name == "local" else name or name_of(part)
        return Assembled(part, called, (self._card(part, node.get("card") or {}),))

    def _own(self, config: Config) -> Assembled:
        """The model's own way: what its encoder gives decides, unless the model is a retriever itself."""
        found = self._model(config)
        if not isinstance(found.part, Retriever):
            way = _WAY[found.part.traits().gives]
            node = {"_target_": _target(find("retrievers", way))}
            found = self._pipeline(node, config)._replace(called=way)
        if not (config["chunking"] or {}).get("_target_"):
            return found
        aggregate, top = _aggregate(config["aggregate"])
        node = {"_target_": _target(find("retrievers", "in_passages")), "of": found.part}
        part = build(node | {"chunking": config["chunking"], "aggregate": aggregate, "top": top}, config["trusted"])
        return found._replace(part=part)

    def _encoder(self, config: Config, cls: type) -> Assembled:
        found = self._model(config)
        if isinstance(found.part, Retriever):
            raise Inapplicable(f"{found.called} ranks by itself; {cls.__name__} needs a model that gives vectors")
        return found

    def _model(self, config: Config) -> Assembled:
        """The encoder, or the retriever, of the job's model."""
        node, evalset = config["model"], self.sets.get(str(config["task"]))
        prompts, cautions = prompted(node, config, evalset)
        part, more = read_as(self._built({k: v for k, v in node.items() if k not in APART} | prompts, config), evalset)
        cautions += more
        if node.get("caution"):
            cautions += (str(node["caution"]),)
        return Assembled(part, name_of(part), (self._card(part, node.get("card") or {}),), cautions)

    def _card(self, part: Any, given: Card) -> Card:
        """What the YAML says and is known of the model; what the part itself says (tokens it reads) counts most."""
        # A model that runs here costs no tokens; what an endpoint charges is unknown unless its card says it.
        known = {"price_per_million_tokens": None if _elsewhere(part) else 0.0} | dict(self.card(part, given))
        if getattr(part, "trust_remote_code", False):
            known["remote_code"] = True
        if isinstance(part, Retriever):
            known["max_tokens"] = 0  # it reads words, however many
        limit = part.traits().max_tokens if hasattr(part, "traits") else 0
        read = {"max_tokens": limit} if hasattr(part, "traits") and (limit or not _elsewhere(part)) else {}
        return known | read

    def _built(self, node: Config, config: Config) -> Any:
        price = ((config["model"].get("card") or {}).get("price_per_million_tokens")) or 0.0
        key = digest([node, config["dtype"], config["max_cost"], price])
        if key not in self._known:
            self._known[key] = self._new(node, config, price)
        return self._known[key]

    def _new(self, node: Config, config: Config, price: float) -> Any:
        if "_target_" not in node:
            raise HarnessError("this model's YAML has no _target_; see configs/model/ for examples")
        if isinstance(node.get("base_url"), str):
            node = {**node, "base_url": node["base_url"].rstrip("/")}  # one address, one model
        if config["dtype"] not in _DTYPES:
            raise HarnessError(f"dtype={config['dtype']}: expected {', '.join(_DTYPES)}")
        auto = config["dtype"] == "auto"
        own = {f.name for f in dataclasses.fields(part_at(node["_target_"], config["trusted"]))}
        node = {k: v for k, v in node.items() if k != "prompts" or k in own}  # what ranks by words takes none
        checked = node["_target_"].startswith(
            "harness.encoders.sentence_transformer."
        )  # bfloat16 is, before auto takes it
        if "dtype" in own and "dtype" not in node:
            node = {**node, "dtype": ("bfloat16" if checked else "float32") if auto else config["dtype"]}
        check_cap(config["max_cost"])
        if "max_cost" in own and config["max_cost"] is not None:
            node = {"price": price, **node, "max_cost": config["max_cost"]}
            if not node["price"]:
                raise HarnessError("max_cost needs a price: add card.price_per_million_tokens to the model's YAML")
        part = plain(build(node, config["trusted"]))
        if config["max_cost"] is not None and "max_cost" not in own and _elsewhere(part):
            raise HarnessError(
                f"max_cost={config['max_cost']} cannot hold for {getattr(part, 'id', name_of(part))}: what its service "
                "charges is not counted. Leave max_cost out, or take a model that runs here"
            )
        _read(part)
        slow = auto and getattr(part, "dtype", "") == "bfloat16" and not self.fast(part)
        return dataclasses.replace(part, dtype="float32") if slow else part


def fitted_on(config: Config) -> str:
    """The eval set on which the reduction is fitted; empty where that is the corpus itself, or nothing is fitted."""
    plain = str(config["reduction"].get("_target_")).startswith(_UNFITTED)
    given = str(config["fit_on"] or "")
    return "" if plain or given == str(config["task"]) else given


def folder_label(path: Any) -> str:
    """The last two names of a folder's path: enough to tell folders apart in most places."""
    return "/".join(Path(str(path)).parts[-2:]).lstrip("/")


def rescore_of(config: Config) -> Any:
    """The factor given; 0 where the codes are the float vectors, which rescoring would only store twice."""
    exact = config["quantization"].get("_target_") == "harness.quantizers.float32.Float32"
    return 0 if exact and type(config["rescore"]) is int and config["rescore"] > 0 else config["rescore"]


def _called(name: str, members: Sequence[Assembled]) -> str:
    """`rerank(bm25, ms-marco-minilm-l-12-v2)`; the job's own encoder is named by the model's label."""
    inside = [m.called for m in members if isinstance(m.part, Retriever | Reranker)]
    return f"{name}({', '.join(inside)})" if inside else name


def _target(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _listed(node: Config, field: str) -> Sequence[Any]:
    value = node.get(field)
    if not isinstance(value, list | tuple) or not value:
        raise HarnessError(f"retriever.{field}={value}: expected a list of members such as [bm25, model]")
    return value


def _replaced(config: Config, spec: Config) -> dict[str, Any]:
    """The job's options with some of them replaced; the name of a YAML stands for what it holds."""
    found = dict(config)
    for key, value in spec.items():
        if key not in config:
            raise HarnessError(f"retriever: a member cannot set {key!r}. {did_you_mean(str(key), config)}")
        found[key] = yaml_of(key, value) if key in _GROUPS and isinstance(value, str) else value
        if key in ("reduction", "dim") and "dim" in found["reduction"]:
            found["reduction"] = {**found["reduction"], "dim": found["dim"]}
    return found


def _aggregate(value: Any) -> tuple[str, int]:
    top = re.fullmatch(r"(max|mean|top([1-9]\d*))", str(value))
    if not top:
        raise HarnessError(f"aggregate={value}: expected max, mean, or top and a number, such as top3")
    return ("top", int(top[2])) if top[2] else (str(value), 1)


def _read(part: Any) -> None:
    """Read the hashes and the files that say what a model is: what is missing or broken shows before anything runs.

    Unavailable, so that one model's folder does not stop a sweep of others.
    """
    try:
        identity(part)
        if hasattr(part, "traits"):
            part.traits()
            identity(reference_of(part))
    except HarnessError as error:
        if type(error) is HarnessError:
            raise Unavailable(str(error)) from error
        raise


def _elsewhere(part: Any) -> bool:
    """Whether the model is a service's."""
    return hasattr(part, "base_url")
