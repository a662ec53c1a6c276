"""How numbers, names and sizes read to a person: on the page, in the record, in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ABSENT = "–"
_METRICS = {
    "ndcg": "nDCG", "ndcg_condensed": "condensed nDCG", "recall": "Recall", "mrr": "MRR", "map": "MAP",
    "precision": "Precision", "hit_rate": "Hit rate", "judged": "Judged",
}  # fmt: skip
_LIMITS = {
    "query_p95_ms": "query p95", "bytes_per_doc": "bytes per document", "index_bytes": "index size",
    "price_per_million_tokens": "price per million tokens", "max_tokens": "maximum tokens", "languages": "languages",
    "licences": "licence", "remote_code": "remote code",
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


def counted(count: int, noun: str) -> str:
    """A number of things: `1 candidate`, `12 candidates`."""
    return f"{whole(count)} {noun}{'' if count == 1 else 's'}"


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
    if 0 < share < 0.005:
        return "under 1 %"
    return "over 99 %" if 0.995 < share < 1 else f"{share:.0%}".replace("%", " %")


def set_name(name: str, sample: str) -> str:
    """An eval set's name, with what a smoke test kept of it where it is sub-sampled."""
    return f"{name} [{sample}]" if sample else name


def metric(key: str) -> str:
    """A metric key as the field writes it: `ndcg_at_10` is nDCG@10; `none` (nothing was scored) is score."""
    name, at, k = key.partition("_at_")
    if key == "none":
        return "score"
    shown = _METRICS.get(name, name.replace("_", " "))
    return f"{shown}@{k}" if at else shown


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
    units = {"query_p95_ms": f"{value:g} ms", "bytes_per_doc": f"{whole(value)} B", "index_bytes": size(value)}
    return f"{name} at most {units.get(key, str(value))}"
