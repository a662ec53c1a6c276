"""Tiny data sets in the forms in which public tasks lie on the hub, for a hub of our own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from harness.registry import registry

Rows = Sequence[Mapping[str, Any]]
WORDS = ["account", "printer", "invoice", "network", "password", "monitor", "cable", "refund", "update", "laptop"]


def _line(i: int, extra: str = "") -> str:
    return f"{WORDS[i % 10]} {WORDS[(3 * i + 1) % 10]} {WORDS[(i * i) % 10]} {extra}".strip()


RETRIEVAL: Mapping[str, Rows] = {
    "corpus/corpus": [
        {"_id": f"d{i}", "title": WORDS[i % 10] if i % 2 else "", "text": f" {_line(i)} "} for i in range(12)
    ],
    "queries/queries": [{"_id": f"q{i}", "text": _line(i, "help")} for i in range(5)],
    "default/test": [{"query-id": f"q{i}", "corpus-id": f"d{i + j}", "score": 2 - j} for i in range(4) for j in (0, 1)]
    + [{"query-id": "q0", "corpus-id": "gone", "score": 1}],
}
RERANKING: Mapping[str, Rows] = {
    "corpus/test": [{"_id": f"d{i}", "title": "", "text": _line(i)} for i in range(9)],
    "queries/test": [{"_id": f"q{i}", "text": _line(i, "please")} for i in range(3)],
    "default/test": [{"query-id": f"q{i}", "corpus-id": f"d{2 * i}", "score": 1} for i in range(3)],
    "top_ranked/test": [{"query-id": f"q{i}", "corpus-ids": ["d1", f"d{2 * i}", "d7", "d3"]} for i in range(3)],
}
STS: Mapping[str, Rows] = {
    "default/test": [
        {"sentence1": _line(i), "sentence2": _line(i + i % 3), "score": float(5 - 2 * (i % 3)), "split": "test"}
        for i in range(12)
    ]
}
TATOEBA: Mapping[str, Rows] = {
    "default/test": [
        {"sentence1": _line(i + (i % 3 == 0), lang), "sentence2": _line(i), "lang": lang}
        for lang in ("deu-eng", "fra-eng")
        for i in range(8)
    ]
}
BUCC: Mapping[str, Rows] = {
    "de-en/test": [
        {
            "sentence1": [_line(i) for i in range(6)],
            "sentence2": [_line(i, "en") for i in range(9)],
            "gold": [[1, 2], [4, 4], [6, 9]],
        }
    ]
}
CLASSIFICATION: Mapping[str, Rows] = {
    f"default/{split}": [
        {"text": f"{WORDS[i % 3]} {_line(i)} {split}", "label": i % 3, "label_text": WORDS[i % 3]} for i in range(n)
    ]
    for split, n in (("train", 36), ("test", 12))
}
CLUSTERING: Mapping[str, Rows] = {
    "default/test": [
        {"sentences": [_line(i + 5 * s) for i in range(12)], "labels": [WORDS[i % 3] for i in range(12)]}
        for s in (0, 1)
    ]
}
PAIRS: Mapping[str, Rows] = {
    "default/test": [
        {
            "sent1": [_line(i) for i in range(10)],
            "sent2": [_line(i + i % 2, f"more{i}") for i in range(10)],
            "labels": [int(i % 3 > 0) for i in range(10)],
        }
    ]
}
SUMMARIES: Mapping[str, Rows] = {
    "default/test": [
        {
            "text": _line(t),
            "human_summaries": [_line(t, "short"), _line(t + 1)],
            "machine_summaries": [_line(t + k) for k in range(4)],
            "relevance": [4.0, 3.5, 1.0 + t, 2.0],
        }
        for t in range(3)
    ]
}
SETS: Mapping[str, Mapping[str, Rows]] = {
    "SciFact": RETRIEVAL, "AskUbuntuDupQuestions": RERANKING, "STSBenchmark": STS, "Tatoeba/deu-eng": TATOEBA,
    "BUCC/de-en": BUCC, "Banking77Classification": CLASSIFICATION, "TwentyNewsgroupsClustering": CLUSTERING,
    "TwitterURLCorpus": PAIRS, "SummEvalSummarization.v2": SUMMARIES,
}  # fmt: skip


def published(tables: Mapping[str, Rows]) -> dict[str, str]:
    """The files of a data set, with a card that names its configurations."""
    found: dict[str, list[str]] = {}
    for place in tables:
        found.setdefault(place.partition("/")[0], []).append(place.partition("/")[2])
    card = ["---", "configs:"]
    for name, splits in found.items():
        card += [f"- config_name: {name}", "  data_files:"]
        for split in splits:
            card += [f"  - split: {split}", f"    path: {name}/{split}.jsonl"]
    files = {f"{place}.jsonl": "".join(json.dumps(row) + "\n" for row in rows) for place, rows in tables.items()}
    return {"README.md": "\n".join([*card, "---", ""]), **files}


def on_the_hub(names: Sequence[str]) -> dict[str, tuple[str, dict[str, str]]]:
    """The data sets of tasks at the revisions that mteb asks for, as `Hub` takes them."""
    known = registry(None)
    entries = {name: known.tasks[name.partition("/")[0]] for name in names}
    return {entry.path: (entry.revision, published(SETS[name])) for name, entry in entries.items()}
