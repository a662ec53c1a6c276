"""How numbers, names and sizes read to a person: on the page, in the record, in the terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

ABSENT = "–"
_METRICS = {
    "ndcg": "nDCG", "ndcg_condensed": "condensed nDCG", "recall": "Recall", "mrr": "MRR", "map": "MAP",
    "precision": "Precision", "hit_rate": "Hit rate", "judged": "Judged", "spearman": "Spearman", "pearson": "Pearson",
    "ap": "average precision", "f1": "F1", "f1_weighted": "weighted F1", "v_measure": "V-measure", "ami": "AMI",
}  # fmt: skip
_SIMILARITIES = ("cosine", "dot", "euclidean", "manhattan", "similarity")
_SCORED = {
    "retrieval": "query", "reranking": "query", "sts": "pair", "pair_classification": "pair", "bitext": "sentence",
    "classification": "text", "clustering": "text", "summarization": "source text",
}  # fmt: skip
_LIMITS = {
    "query_p95_ms": "query p95", "bytes_per_doc": "bytes per document", "index_bytes": "index size",
    "memory_mb": "peak memory", "vram_mb": "peak GPU memory", "model_mb": "model size", "docs_per_s": "indexing rate",
    "serve_rate_per_s": "rate of queries", "price_per_million_tokens": "price per million tokens",
    "max_tokens": "maximum tokens", "languages": "languages", "licences": "licence", "remote_code": "remote code",
}  # fmt: skip


# What a label leaves out: it is so unless said otherwise.
_USUAL = {
    "retriever": ("dense", "bm25", "late_interaction", "learned_sparse"),
    "index": ("flat",), "reduction": ("truncate",), "prompt": ("native",), "chunking": ("none",),
}  # fmt: skip
_WORDS = {"prompt": "prompt ", "chunking": "chunks "}


def called(labels: Mapping[str, Any]) -> str:
    """`model · pooling · dim · quantization` without what does not apply, then what is unusual (retriever ...)."""
    main = [str(labels[k]) for k in ("model", "pooling", "dim", "quantization") if labels[k] not in ("-", None)]
    more = [
        _WORDS.get(key, "") + str(labels[key])
        for key, usual in _USUAL.items()
        if labels.get(key) not in ("-", None, *usual)
    ]
    return " · ".join(main + more)


def score(value: float | None, digits: int = 3) -> str:
    """A quality score."""
    return ABSENT if value is None else f"{value:.{digits}f}"


def signed(value: float | None, digits: int = 3) -> str:
    """A difference with its sign; a true minus, no sign on what rounds to zero."""
    if value is None:
        return ABSENT
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")


def number(value: float | None) -> str:
    """A measurement with about three digits that mean something."""
    if value is None:
        return ABSENT
    if abs(value) >= 100:
        return whole(value)
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3f}"


def whole(value: float | None) -> str:
    """A whole number in groups of three."""
    return ABSENT if value is None else f"{value:,.0f}".replace(",", "\u202f")


def plural(noun: str) -> str:
    """Several of a thing: `candidates`, `queries`."""
    return f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"


def counted(count: int, noun: str) -> str:
    """A number of things: `1 candidate`, `12 candidates`."""
    return f"{whole(count)} {noun if count == 1 else plural(noun)}"


def category(kind: str) -> str:
    """A task type as the field writes it: `pair classification`, `STS`."""
    return {"sts": "STS", "bitext": "bitext mining"}.get(kind, kind.replace("_", " "))


def searched(kind: str) -> bool:
    """Whether sets of a task type rank documents; only those have judged documents and a search that takes time."""
    return _SCORED.get(kind) == "query"


def item(evalsets: Mapping[str, Mapping[str, Any]]) -> str:
    """What has a score of its own in these eval sets (as a manifest has them): `query`, `pair` ..., else `item`."""
    nouns = {_SCORED.get(about["type"], "item") for about in evalsets.values()}
    return nouns.pop() if len(nouns) == 1 else "item"


def scored(evalsets: Mapping[str, Mapping[str, Any]]) -> str:
    """How many items have a score of their own: `60 queries and 300 pairs`."""
    counts: dict[str, int] = {}
    for about in evalsets.values():
        noun = _SCORED.get(about["type"], "item")
        counts[noun] = counts.get(noun, 0) + about["scored_queries"]
    return enumerated([counted(count, noun) for noun, count in counts.items()])


def enumerated(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def held(about: Mapping[str, Any]) -> str:
    """What an eval set of a manifest holds: `500 documents, 60 scored queries`, `300 scored pairs`."""
    items = counted(about["scored_queries"], f"scored {_SCORED.get(about['type'], 'item')}")
    first = "training text" if about["type"] == "classification" else "document"
    beside = searched(about["type"]) or first != "document"
    return f"{counted(about['documents'], first)}, {items}" if beside else items


def unsteady(entry: Mapping[str, Any], speed: str) -> float:
    """How far the repeats of a candidate's query_p95_ms or docs_per_s lie apart, as a share of it, if over a fifth.

    entry: a candidate of a decision. Else 0, as where records of before there was a spread do not tell it.
    """
    value, spread = {**entry["costs"], "docs_per_s": entry["docs_per_s"]}[speed], entry["costs"].get(f"{speed}_spread")
    share = spread / value if spread and value else 0.0
    return share if share > _UNSTEADY else 0.0


_UNSTEADY = 0.20


def latency(evalsets: Mapping[str, Mapping[str, Any]]) -> str:
    """What a query's 95th percentile is called: where no set is searched, it is that of encoding one text."""
    return _LIMITS["query_p95_ms"] if any(searched(e["type"]) for e in evalsets.values()) else "encoding p95"


def size(value: float | None) -> str:
    """Bytes in decimal units."""
    if value is None:
        return ABSENT
    for unit in ("B", "KB", "MB"):
        if abs(value) < 1000:
            return f"{number(value) if unit != 'B' else whole(value)} {unit}"
        value /= 1000
    return f"{number(value)} GB"


def percent(share: float | None) -> str:
    """A share in whole percent; what is neither none nor all never reads as 0 or 100."""
    if share is None:
        return ABSENT
    if 0 < share <= 0.005:
        return "under 1 %"
    return "over 99 %" if 0.995 <= share < 1 else f"{share:.0%}".replace("%", " %")


def legible(text: str) -> str:
    """The text as a cell can show it: inert, and cut in the middle where words, or all of it, are too long."""
    if len(text) > _WORD:
        text = _cut(re.sub(rf"\S{{{_WORD + 1},}}", lambda found: _cut(found[0], _WORD), text), _TEXT)
    return inert(text)


def inert(text: str) -> str:
    """The text with U+FFFD for control characters and for marks that turn the direction of what follows them."""
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text)


_WORD, _TEXT = 120, 1500  # most characters without a space, and in all
_UNSAFE = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def _cut(text: str, most: int) -> str:
    half = most // 2
    return text if len(text) <= most else f"{text[:half]}…{text[-half:]}"


def set_name(name: str, sample: str) -> str:
    """An eval set's name, with what a smoke test kept of it where it is sub-sampled."""
    return f"{name} [{sample}]" if sample else name


def metric(key: str) -> str:
    """A metric key as the field writes it: `ndcg_at_10` is nDCG@10, `cosine_spearman` Spearman (cosine).

    `none` (nothing was scored) is score, `max_ap` (the best of all similarities) average precision.
    """
    name, at, k = key.partition("_at_")
    similarity, _, measure = name.partition("_")
    if similarity in _SIMILARITIES and measure:
        return f"{metric(measure)} ({similarity})"
    if similarity == "max" and measure:
        name = measure
    if key == "none":
        return "score"
    shown = _METRICS.get(name, name.replace("_", " "))
    return f"{shown}@{k}" if at else shown


def averaged(decision: Mapping[str, Any]) -> str:
    """What a decision's score is: `mean nDCG@10`; of one set whose metric is no mean of items, the metric alone."""
    sets, name = decision["evalsets"], metric(decision["metric"])
    return f"mean {name}" if len(sets) > 1 or item(sets) == "query" else name


def limit(key: str, value: Any = None) -> str:
    """A limit's name, with its value and unit where one is given."""
    name = _LIMITS.get(key, key.replace("_", " "))
    if value is None:
        return name
    if key == "remote_code":
        return "remote code allowed" if value else "no remote code"
    if isinstance(value, list | tuple):
        return f"{name} {', '.join(map(str, value))}"
    if key == "max_tokens":
        return f"at least {whole(value)} tokens"
    if key in _RATES:
        return f"{name} at least {value:g} {_RATES[key]}"
    units = {"query_p95_ms": f"{value:g} ms", "bytes_per_doc": f"{whole(value)} B", "index_bytes": size(value)}
    memory = f"{value:g} MB" if key.endswith("_mb") else str(value)
    return f"{name} at most {units.get(key, memory)}"


_RATES = {"docs_per_s": "documents a second", "serve_rate_per_s": "a second"}  # of which a limit is the least
