"""Scores of plain mteb on a plain sentence-transformers model, from the JSONL files of ../shared/data/other.

python benchmarks/peer_tasks.py MODEL_FOLDER DATA_FOLDER [NAME ...] prints `name metric score`; the harness's own are
those of `harness verify benchmarks/golden/shared.csv`. Nothing of the harness is imported: the peer reads the files,
makes mteb's own task classes and lets mteb's own wrapper encode. Clustering takes all texts (mteb's default: 4 %).
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mteb.abstasks as classes
from datasets import Dataset, DatasetDict, disable_progress_bars
from mteb.abstasks.task_metadata import TaskMetadata
from mteb.abstasks.text.bitext_mining import AbsTaskBitextMining
from mteb.abstasks.text.summarization import AbsTaskSummarization
from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper
from sentence_transformers import SentenceTransformer

Rows = list[dict[str, Any]]


def _read(path: Path) -> Rows:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _task(base: type, kind: str, main: str, **settings: Any) -> Any:
    about = TaskMetadata(
        name=f"Peer{kind}", description="peer", type=kind, main_score=main, eval_langs=["eng-Latn"],
        eval_splits=["test"], dataset={"path": "peer/peer", "revision": "1"},
    )  # fmt: skip
    return type(f"Peer{kind}", (base,), {"metadata": about, **settings})()


def _columns(task: Any, **splits: Rows) -> Any:
    task.dataset = {"default": DatasetDict({name: Dataset.from_list(rows) for name, rows in splits.items()})}
    task.data_loaded = True
    return task


def _sts(file: Path) -> Any:
    return _columns(_task(classes.AbsTaskSTS, "STS", "cosine_spearman"), test=_read(file / "test.jsonl"))


def _pairs(file: Path) -> Any:
    rows = [{**row, "labels": row["label"]} for row in _read(file / "test.jsonl")]
    return _columns(_task(classes.AbsTaskPairClassification, "PairClassification", "max_ap"), test=rows)


def _classification(file: Path) -> Any:
    task = _task(classes.AbsTaskClassification, "Classification", "accuracy")
    return _columns(task, test=_read(file / "test.jsonl"), train=_read(file / "train.jsonl"))


def _clustering(file: Path) -> Any:
    rows = [{"sentences": row["text"], "labels": row["label"]} for row in _read(file / "test.jsonl")]
    everything = {"max_fraction_of_documents_to_embed": None}
    return _columns(_task(classes.AbsTaskClustering, "Clustering", "v_measure", **everything), test=rows)


def _bitext(file: Path) -> Any:
    return _columns(_task(AbsTaskBitextMining, "BitextMining", "f1"), test=_read(file))


def _summaries(file: Path) -> Any:
    task = _task(AbsTaskSummarization, "Summarization", "cosine_spearman", min_score=0, max_score=5)
    return _columns(task, test=_read(file / "test.jsonl"))


def _reranking(file: Path) -> Any:
    task = _task(classes.AbsTaskRetrieval, "Reranking", "map_at_1000")
    rows = _read(file / "test.jsonl")
    texts = {
        text: f"d{i}" for i, text in enumerate(dict.fromkeys(t for r in rows for t in r["positive"] + r["negative"]))
    }
    queries = [{"id": f"q{i}", "text": row["query"]} for i, row in enumerate(rows)]
    graded = [({texts[t]: 0 for t in r["negative"]} | {texts[t]: 1 for t in r["positive"]}) for r in rows]
    task.dataset = {"default": {"test": {
        "corpus": Dataset.from_list([{"id": name, "title": "", "text": text} for text, name in texts.items()]),
        "queries": Dataset.from_list(queries),
        "relevant_docs": {q["id"]: grades for q, grades in zip(queries, graded, strict=True)},
        "top_ranked": {q["id"]: list(grades) for q, grades in zip(queries, graded, strict=True)},
    }}}  # fmt: skip
    task.data_loaded = True
    return task


_MAKERS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "stsb-en": (_sts, "sts/stsb-en"), "stsb-de": (_sts, "sts/stsb-de"), "sts16": (_sts, "sts/sts16"),
    "mrpc": (_pairs, "pairclassification/mrpc"), "banking77": (_classification, "classification/banking77"),
    "stackoverflow": (_clustering, "clustering/stackoverflow"), "wikiqa": (_reranking, "reranking/wikiqa"),
    "summeval-v2": (_summaries, "summarization/summeval"),
    **{f"tatoeba-{pair}": (_bitext, f"bitext/tatoeba/{pair}.jsonl") for pair in ("deu-eng", "fra-eng", "spa-eng", "rus-eng")},
}  # fmt: skip


def scores(model: Any, data: Path, names: list[str]) -> Iterator[tuple[str, str, float]]:
    """Name, main metric and score of each task."""
    for name in names or list(_MAKERS):
        make, place = _MAKERS[name]
        task = make(data / place)
        found = task.evaluate(model, "test", encode_kwargs={"batch_size": 32})
        yield name, task.metadata.main_score, float(found["default"]["main_score"])


def main() -> None:
    """See above."""
    disable_progress_bars()
    logging.getLogger("mteb").setLevel(logging.ERROR)
    model = SentenceTransformerEncoderWrapper(SentenceTransformer(sys.argv[1], device="cpu"))
    for name, metric, score in scores(model, Path(sys.argv[2]), sys.argv[3:]):
        print(f"{name} {metric} {score:.9f}", flush=True)


if __name__ == "__main__":
    main()
