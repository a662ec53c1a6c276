"""Speeds of a row, from the timings that its variant names: latency by stage, rates, start, memory, energy, service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from harness.timing import latency
from harness.types import Record

_ENCODING = ("encode", "tokenise", "forward", "pool")  # what happens to a query before it is searched for
_NEAR = 0.95  # of the best rate


def speeds(timings: Mapping[str, Record | None]) -> dict[str, Any]:
    """What the timings of a variant say, by row key; keys that nothing was measured for are absent.

    timings: the records by kind (`encode`, `encode-2`, `search`, `index`, `start`, `serve` ...), None for one that is
    not there. A number that takes several of them needs all of them, and none that failed.
    """
    taken = {kind: record if record and sound(kind, record) else None for kind, record in timings.items()}
    found = _rates(_of(taken, "index")) | _start(_of(taken, "start")) | _service(taken.get("serve"))
    return found | _query(taken) | _first(taken)


def sound(kind: str, record: Record) -> bool:
    """Whether a timing was taken and says what its kind is for: durations above 0 in their shape, and its numbers.

    A clock that jumped, a scenario of another package or an edited record may leave others; no speed is known then.
    """
    if record.status != "ok":
        return False
    name = kind.partition("-")[0]
    seconds = np.asarray(record.arrays.get("seconds", []))
    shaped = seconds.size > 0 and seconds.dtype.kind == "f" and seconds.ndim == (1 if name == "index" else 2)
    if not shaped or not ((seconds > 0) & np.isfinite(seconds)).all():
        return False
    told = {value: record.values[value] for value in _NUMBERS if record.values.get(value) is not None}
    return all(map(_above_0, told.values())) and (name != "index" or "docs_per_s" in told)


def _above_0(value: Any) -> bool:
    return isinstance(value, int | float) and 0 < value < float("inf")


_NUMBERS = ("docs_per_s", "documents", "tokens_per_s", "load_s", "first_ms", "peak_rss_mb")


def _of(taken: Mapping[str, Record | None], *names: str) -> dict[str, Record | None]:
    """The timings of these kinds, one for each model of a pipeline."""
    return {kind: record for kind, record in taken.items() if kind.partition("-")[0] in names}


def _present(known: Mapping[str, Record | None]) -> dict[str, Record]:
    """The records, if there are some and none is missing; else nothing."""
    found = {kind: record for kind, record in known.items() if record is not None}
    return found if len(found) == len(known) else {}


def _query(taken: Mapping[str, Record | None]) -> dict[str, Any]:
    """Latency of one query: encode + search of the same query; a set that is not searched has no search to time."""
    parts = _present(_of(taken, "encode", "search"))
    if not parts:
        return {}
    seconds = {kind: np.asarray(record.arrays["seconds"]) for kind, record in parts.items()}
    calls = min(each.shape[1] for each in seconds.values())  # a slow stage was given fewer
    found: dict[str, Any] = dict(latency(sum(each[:, :calls] for each in seconds.values())))  # type: ignore[arg-type]
    found.pop("samples")
    encoding = {kind: record for kind, record in parts.items() if kind != "search"}
    found["encode_p50_ms"] = _total(_ms(seconds[kind]) for kind in encoding)
    found["stages_p50_ms"] = _stated(encoding.values(), parts.get("search"))
    found["tokens_per_query"] = _total(record.values.get("tokens_per_query") for record in encoding.values())
    found["joules_per_query"] = _total(record.values.get("joules_per_call") for record in parts.values())
    if "search" in parts:
        found["search_p50_ms"] = _ms(seconds["search"])
        found["index_build_s"] = parts["search"].values.get("index_build_s")
    return found


def _first(taken: Mapping[str, Record | None]) -> dict[str, Any]:
    """Milliseconds of the first query: of the models as fresh processes took them (else as the timing of queries did),
    and of the search; a fresh process without a model searches itself.
    """
    starts, queries = _of(taken, "start"), _of(taken, "encode", "search")
    alone = starts and not any(kind != "search" for kind in queries)
    asked = starts if alone else starts | {kind: r for kind, r in queries.items() if kind == "search" or not starts}
    parts = _present(asked)
    return {"first_query_ms": _total(record.values.get("first_ms") for record in parts.values())} if parts else {}


def _start(starts: Mapping[str, Record | None]) -> dict[str, Any]:
    """Loading and memory, of all models of a pipeline, which one service holds together.

    The peak is the largest that one model's process reached, and beside it what loading each of the others took; on a
    GPU, the others' weights.
    """
    values = [record.values for record in _present(starts).values()]
    if not values:
        return {}
    found: dict[str, Any] = {key: _total(one.get(key) for one in values) for key in ("load_s", "model_mb")}
    found["peak_rss_mb"] = _together(values, "peak_rss_mb", "loaded_mb")
    found["peak_vram_mb"] = _together(values, "peak_vram_mb", "model_mb")
    return found


def _together(values: Sequence[Mapping[str, Any]], peak: str, held: str) -> float | None:
    """The largest peak of one beside what all the others hold; None where something it takes is not known."""
    beside = [_total(other.get(held) for other in values if other is not one) if values[1:] else 0.0 for one in values]
    both = [_total((one.get(peak), more)) for one, more in zip(values, beside, strict=True)]
    known = [mb for mb in both if mb is not None]
    return max(known) if len(known) == len(both) else None


def _service(serve: Record | None) -> dict[str, Any]:
    """The highest rate of queries that was sustained, 0 where not even the lowest was, and its p99."""
    if serve is None:
        return {}
    rate = serve.values.get("rate_per_s")
    return {"serve_rate_per_s": rate or 0.0, "serve_p99_ms": serve.values.get("p99_ms") if rate else None}


def _rates(known: Mapping[str, Record | None]) -> dict[str, Any]:
    """Documents and tokens a second through all models of a candidate, one after the other."""
    taken = list(_present(known).values())
    if not taken:
        return {}
    rates = [record.values for record in taken]
    seconds = sum(1 / values["docs_per_s"] for values in rates)
    slowest = _total(_slowest(values) for values in rates)
    used = [values["batch_used"] for values in rates if values.get("batch_used")]
    found: dict[str, Any] = {
        "docs_per_s": 1 / seconds,
        "docs_per_s_spread": max(map(_apart, taken)) / seconds,
        "docs_per_s_lower": 1 / slowest if slowest else None,
        "batch_used": min(used, default=None),
        "joules_per_doc": _total(values.get("joules_per_doc") for values in rates),
    }
    if all("tokens_per_s" in values for values in rates):
        found["tokens_per_s"] = sum(v["tokens_per_s"] / v["docs_per_s"] for v in rates) / seconds
    return found


def _slowest(index: Mapping[str, Any]) -> float | None:
    """Seconds a document takes at the upper 95 % bound of the rounds; None where one round bounds nothing."""
    upper, documents = index.get("seconds_upper"), index.get("documents")
    return upper / documents if upper and documents else None


def _apart(index: Record) -> float:
    """How far the rounds of indexing lie apart, as a share of their median."""
    rounds = index.arrays["seconds"]
    return float(np.ptp(rounds) / np.median(rounds))


def _total(values: Iterable[float | None]) -> float | None:
    """Their sum; None where there is none, or one is not known."""
    found = list(values)
    known = [float(value) for value in found if value is not None]
    return sum(known) if known and len(known) == len(found) else None


def _ms(seconds: Any) -> float:
    return float(np.median(seconds) * 1000)


def _stated(encoding: Iterable[Record], search: Record | None) -> str:
    """`tokenise 0.31 + forward 6.2 + pool 0.1 + search 0.4`: the typical milliseconds of each stage of a query.

    What a model does not split is its `encode`.
    """
    named: dict[str, float] = {}
    for record in encoding:
        for name, ms in (stages(record) or {"encode": _ms(record.arrays["seconds"])}).items():
            named[name] = named.get(name, 0.0) + ms
    named |= stages(search) if search else {}
    return " + ".join(f"{name} {ms:.3g}" for name, ms in named.items())


def in_steps(stages_p50_ms: str | None) -> bool:
    """Whether a query takes more than encoding and one search, from that text."""
    names = {stage.rpartition(" ")[0] for stage in (stages_p50_ms or "").split(" + ")}
    return bool(names - {"", "search", *_ENCODING})


def stages(record: Record) -> dict[str, float]:
    """Typical milliseconds of each stage of a timing, by name."""
    return {k.removeprefix("stage "): _ms(v) for k, v in record.arrays.items() if k.startswith("stage ")}


def knee(rates: Mapping[int, float]) -> int | None:
    """The smallest batch size whose rate lies within 5 % of the best; None of fewer than two sizes."""
    best = max(rates.values(), default=0.0)
    return min(size for size, rate in rates.items() if rate >= _NEAR * best) if len(rates) > 1 else None
