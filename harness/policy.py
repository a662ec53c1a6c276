"""What "best" means: limits, margin, reference, order of cost. Checked before it is used."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from harness.manifests import HEAVIEST, TYPES
from harness.parts import did_you_mean
from harness.types import HarnessError

_MONEY = ("price_per_million_tokens", "cost_per_million_docs", "cost_per_million_queries")
AT_MOST = ("query_p95_ms", "bytes_per_doc", "index_bytes", "memory_mb", "vram_mb", "model_mb", *_MONEY)
AT_LEAST = ("docs_per_s", "serve_rate_per_s")
LIMITS = (*AT_MOST, *AT_LEAST, "max_tokens", "languages", "licences", "remote_code")
COSTS = ("bytes_per_doc", "query_p95_ms", "price_per_million_tokens", "index_bytes", *_MONEY[1:], "memory_mb")
UNNAMED = ("best", "any")  # references that the data choose
MOST_DRAWS, LEAST_MARGIN, DEAREST = 100_000, 1e-6, 1e9
PRICES = ("machine_per_hour", "per_million_tokens", "currency")


@dataclass(frozen=True)
class Policy:
    """Limits are never relaxed. `margin` is in units of the main metric; `draws` and `seed` fix the bootstrap.

    limits: by name, of those that have a value; the rates are the least that is allowed, other numbers the most.
    reference: a candidate that is named before, `best` (the best observed) or `any`: close enough is then only what is
    proven to lie within the margin of every candidate that may be the best, the best observed included.
    allow_sample: whether to decide on sub-sampled eval sets at all. category_weights: weight of each task type in the
    score; without any, every eval set has its own weight. weights: of eval sets by name, in place of the manifests'.
    prices: `machine_per_hour` (None where unknown), `per_million_tokens` (model -> price, in place of the card's) and
    `currency`, the unit of all of them.
    """

    name: str = "default"
    margin: float = 0.02
    reference: str = "best"
    confidence: float = 0.95
    order: tuple[str, ...] = COSTS[:3]
    limits: Mapping[str, Any] = field(default_factory=dict)
    draws: int = 2000
    seed: int = 20260101
    allow_sample: bool = False
    category_weights: Mapping[str, float] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    prices: Mapping[str, Any] = field(default_factory=lambda: _prices(None))


def read_policy(node: Mapping[str, Any]) -> Policy:
    """The policy of a config node, defaults where it says nothing; unknown names and wrong values are HarnessErrors."""
    known = {f.name for f in fields(Policy)}
    for key in node:
        if key not in known:
            raise HarnessError(f"policy has no {key!r}. {did_you_mean(str(key), known)}")
    given = dict(node) | {"limits": _limits(node.get("limits")), "order": _order(node.get("order", COSTS[:3]))}
    given |= {"weights": _weights("weights", node.get("weights")), "prices": _prices(node.get("prices"))}
    given["category_weights"] = _category_weights(node.get("category_weights"))
    # YAML reads an id of digits as a number.
    if isinstance(node.get("reference"), int):
        given["reference"] = str(node["reference"])
    policy = Policy(**given)
    _check("name", policy.name, isinstance(policy.name, str), "text")
    _check("reference", policy.reference, isinstance(policy.reference, str), "best, any, or a candidate's label or id")
    wide = _number(policy.margin, 0) and LEAST_MARGIN <= policy.margin < 1
    _check("margin", policy.margin, wide, f"a number of at least {LEAST_MARGIN:g} and below 1")
    sure = _number(policy.confidence, 0.5) and policy.confidence < 1
    _check("confidence", policy.confidence, sure, "a number above 0.5 and below 1")
    drawn = _whole(policy.draws, 200) and policy.draws <= MOST_DRAWS
    _check("draws", policy.draws, drawn, f"a whole number of at least 200, at most {MOST_DRAWS:,}")
    seen = policy.draws * (1 - policy.confidence) >= 1 - 1e-9
    _check("confidence", policy.confidence, seen, f"at most {1 - 1 / policy.draws:g} with {policy.draws} draws")
    _check("seed", policy.seed, _whole(policy.seed, 0), "a whole number of at least 0")
    _check("allow_sample", policy.allow_sample, isinstance(policy.allow_sample, bool), "true or false")
    return policy


def _order(value: Any) -> tuple[str, ...]:
    order = _names(value)
    _check("order", value, order is not None, "a list of costs")
    for key in order or ():
        if key not in COSTS:
            raise HarnessError(f"policy.order has {key!r}. {did_you_mean(key, COSTS)}")
    if not order:
        raise HarnessError(f"policy.order is empty; name at least one of {', '.join(COSTS)}")
    return order


def _limits(value: Any) -> dict[str, Any]:
    _check("limits", value, value is None or isinstance(value, Mapping), "names and values")
    limits = dict(value or {})
    for key, limit in limits.items():
        if key not in LIMITS:
            raise HarnessError(f"policy.limits has no {key!r}. {did_you_mean(str(key), LIMITS)}")
        if limit is None:
            continue
        if key in ("languages", "licences"):
            limits[key] = list(_names(limit) or ())
            _check(f"limits.{key}", limit, bool(limits[key]), "a list of names, or null for no limit")
        elif key == "remote_code":
            _check(f"limits.{key}", limit, isinstance(limit, bool), "true or false")
        else:
            _check(f"limits.{key}", limit, _number(limit, 0), "a number above 0, or null for no limit")
    return {key: limit for key, limit in limits.items() if limit is not None}  # one policy, whoever lists the nulls


def _category_weights(value: Any) -> dict[str, float]:
    found = _weights("category_weights", value)
    for kind in found:
        if kind not in TYPES:
            raise HarnessError(f"policy.category_weights has no {kind!r}. {did_you_mean(kind, TYPES)}")
    return found


def _weights(key: str, value: Any) -> dict[str, float]:
    """Names and their weights, without those that are null."""
    _check(key, value, value is None or isinstance(value, Mapping), f"{_NAMED[key]} and numbers")
    for name, weight in (value or {}).items():
        sound = weight is None or (_number(weight, 0) and weight <= HEAVIEST)
        _check(f"{key}.{name}", weight, sound, f"a number above 0, at most {HEAVIEST:,.0f}, or null")
    return {str(name): float(weight) for name, weight in (value or {}).items() if weight is not None}


_NAMED = {"category_weights": "task types", "weights": "names of eval sets"}


def _prices(value: Any) -> dict[str, Any]:
    """The price table, whole: what it does not say is unknown, and money is US dollars."""
    _check("prices", value, value is None or isinstance(value, Mapping), f"values of {', '.join(PRICES)}")
    given = dict(value or {})
    for key in given:
        if key not in PRICES:
            raise HarnessError(f"policy.prices has no {key!r}. {did_you_mean(str(key), PRICES)}")
    hour, tokens, currency = (given.get(key) for key in PRICES)
    sound = hour is None or (_number(hour, 0) and hour <= DEAREST)
    _check("prices.machine_per_hour", hour, sound, f"a number above 0, at most {DEAREST:,.0f}, or null")
    _check("prices.per_million_tokens", tokens, tokens is None or isinstance(tokens, Mapping), "models and prices")
    for model, price in (tokens or {}).items():
        sound = _number(price, -1e-300) and price <= DEAREST
        _check(f"prices.per_million_tokens.{model}", price, sound, f"a number of at least 0, at most {DEAREST:,.0f}")
    _check("prices.currency", currency, currency is None or isinstance(currency, str), "a name such as USD")
    prices = {str(model): float(price) for model, price in (tokens or {}).items()}
    return {"machine_per_hour": hour, "per_million_tokens": prices, "currency": currency or "USD"}


def check_categories(policy: Policy, types: Iterable[str]) -> None:
    """HarnessError where categories have weights and one of these task types, which are in the sweep, has none."""
    unnamed = sorted(set(types) - set(policy.category_weights))
    if policy.category_weights and unnamed:
        named = ", ".join(policy.category_weights)
        raise HarnessError(
            f"policy.category_weights names {named}; the sweep also has {', '.join(unnamed)}: give each a weight above "
            "0, or leave its eval sets out"
        )


def check_sets(policy: Policy, names: Iterable[str]) -> None:
    """HarnessError where the policy weighs an eval set that the sweep does not have."""
    known = list(names)
    for name in policy.weights:
        if name not in known:
            raise HarnessError(f"policy.weights has no eval set {name!r} in this sweep. {did_you_mean(name, known)}")


def set_weights(policy: Policy, evalsets: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Share of each eval set in the score; together 1, whatever the weights sum to.

    evalsets: `type` and `weight` of each; the policy's `weights` come first. With category weights the score is their
    weighted mean over categories of the weighted mean of the sets inside each; without, the weighted mean of the sets.
    See `check_categories` and `check_sets`.
    """
    check_categories(policy, [about["type"] for about in evalsets.values()])
    own = {name: policy.weights.get(name, float(about["weight"])) for name, about in evalsets.items()}
    if policy.category_weights:
        inside: dict[str, float] = {}
        for name, about in evalsets.items():
            inside[about["type"]] = inside.get(about["type"], 0.0) + own[name]
        for name, about in evalsets.items():
            own[name] *= policy.category_weights[about["type"]] / inside[about["type"]]
    whole = sum(own.values())
    return {name: weight / whole for name, weight in own.items()}


def _check(key: str, value: Any, sound: bool, expected: str) -> None:
    if not sound:
        raise HarnessError(f"policy.{key}={value!r}: expected {expected}")


def _names(value: Any) -> tuple[str, ...] | None:
    """Names as a tuple; one name is a list of one, anything else None."""
    values = [value] if isinstance(value, str) else value
    sound = isinstance(values, list | tuple) and all(isinstance(v, str) for v in values)
    return tuple(values) if sound else None


def _number(value: Any, above: float) -> bool:
    """Whether it is a number above another that a float can hold."""
    return isinstance(value, int | float) and not isinstance(value, bool) and above < value <= sys.float_info.max


def _whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def named_by(reference: str, label: str) -> bool:
    """Whether a reference is a label or its first parts; a model's own name may hold a slash (folders, hub ids)."""
    wanted, parts = (
        f"{'/'.join(p.strip() for p in text.replace('·', '/').split('/'))}/" for text in (reference, label)
    )
    return parts.startswith(wanted)


def overridden(before: Mapping[str, Any], words: Sequence[str], composed: Mapping[str, Any]) -> Mapping[str, Any]:
    """A policy's node with the values that words such as `policy.margin=0.01` name, taken from what they compose to.

    A word `policy=NAME` takes that policy as a whole.
    """
    if any(word.startswith("policy=") for word in words):
        return composed
    node: dict[str, Any] = json.loads(json.dumps(before))
    for word in words:
        *outer, last = word.partition("=")[0].lstrip("+~").split(".")[1:]
        source, target = composed, node
        for key in outer:
            source, target = source[key], target.setdefault(key, {})
        target[last] = source.get(last)
    return node
