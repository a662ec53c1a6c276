"""mteb run directly, without our adapter: its own classes over plain vectors, and rows as its data sets have them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from harness.types import EvalSet, Floats

Encode = Callable[[Sequence[str]], Floats]


class PlainModel:
    """An encoder as a user of mteb writes one."""

    def __init__(self, encode: Encode) -> None:
        from mteb.models.model_meta import ModelMeta

        self._encode = encode
        self.mteb_model_meta = ModelMeta.create_empty({"name": "peer/plain"})

    def encode(self, inputs: Any, **_: Any) -> Floats:
        return self._encode([text for batch in inputs for text in batch["text"]])

    def similarity(self, a: Any, b: Any) -> Any:
        from mteb.similarity_functions import cos_sim

        return cos_sim(a, b)

    def similarity_pairwise(self, a: Any, b: Any) -> Any:
        from mteb.similarity_functions import pairwise_cos_sim

        return pairwise_cos_sim(a, b)


def task_for(kind: str, base: Any, main: str, **settings: Any) -> Any:
    from mteb.abstasks.task_metadata import TaskMetadata

    about = TaskMetadata(
        name="Peer", description="peer", type=kind, main_score=main, eval_langs=["eng-Latn"], eval_splits=["test"],
        dataset={"path": "peer/peer", "revision": "1"},
    )  # fmt: skip
    return type("Peer", (base,), {"metadata": about, **settings})()


def score(
    evalset: EvalSet, encode: Encode, name: str = "", columns: Mapping[str, str] | None = None, **settings: Any
) -> Mapping[str, Any]:
    """mteb's scores for an eval set; name: a task of its registry, whose columns have other names, else its class."""
    import mteb

    rows = _ROWS[evalset.type](evalset)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        task = mteb.get_task(name) if name else task_for(*_classes(evalset), **settings)
        return _run(task, rows.rename_columns(columns) if columns else rows, encode, "test")


def cross_validated(evalset: EvalSet, encode: Encode, name: str) -> Mapping[str, Any]:
    import mteb

    rows = {"text": evalset.queries.texts, "label": evalset.targets["label"].tolist()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _run(mteb.get_task(name), _rows(evaluation=rows), encode, "evaluation")


def _run(task: Any, rows: Any, encode: Encode, split: str) -> Mapping[str, Any]:
    task.dataset, task.data_loaded, task.hf_subsets = {"default": rows}, True, ["default"]
    return task.evaluate(PlainModel(encode), split, encode_kwargs={})["default"]


def _classes(evalset: EvalSet) -> tuple[str, Any, str]:
    import mteb.abstasks as all_of
    from mteb.abstasks import clustering_legacy
    from mteb.abstasks.text.bitext_mining import AbsTaskBitextMining
    from mteb.abstasks.text.summarization import AbsTaskSummarization

    if evalset.type == "clustering" and len(np.unique(evalset.targets["group"])) > 1:
        return "Clustering", clustering_legacy.AbsTaskClusteringLegacy, "v_measure"
    return {
        "sts": ("STS", all_of.AbsTaskSTS, "cosine_spearman"),
        "pair_classification": ("PairClassification", all_of.AbsTaskPairClassification, "max_ap"),
        "bitext": ("BitextMining", AbsTaskBitextMining, "f1"),
        "classification": ("Classification", all_of.AbsTaskClassification, "accuracy"),
        "clustering": ("Clustering", all_of.AbsTaskClustering, "v_measure"),
        "summarization": ("Summarization", AbsTaskSummarization, "cosine_spearman"),
        "reranking": ("Reranking", all_of.AbsTaskRetrieval, "map_at_1000"),
    }[evalset.type]


def _rows(**splits: Mapping[str, Any]) -> Any:
    from datasets import Dataset, DatasetDict

    return DatasetDict({name: Dataset.from_dict(dict(columns)) for name, columns in splits.items()})


def _pairs(data: EvalSet, column: str, target: str) -> Any:
    sides = {"sentence1": data.queries.texts, "sentence2": data.documents.texts}
    return _rows(test={**sides, column: data.targets[target].tolist()})


def _bitext(data: EvalSet) -> Any:
    """Line by line, as mteb wants it: the texts that nobody asks for are at the end of one side alone."""
    gold = list(enumerate(data.targets["gold"].tolist()))
    return {"test": {"sentence1": list(data.queries.texts), "sentence2": list(data.documents.texts), "gold": gold}}


def _classification(data: EvalSet) -> Any:
    return _rows(
        test={"text": data.queries.texts, "label": data.targets["label"].tolist()},
        train={"text": data.documents.texts, "label": data.targets["document_label"].tolist()},
    )


def _clustering(data: EvalSet) -> Any:
    label, group = data.targets["label"], data.targets["group"]
    if len(np.unique(group)) == 1:
        known = [[one for one in row if one >= 0] for row in label.tolist()]
        return _rows(test={"sentences": data.documents.texts, "labels": known})
    sets = [np.flatnonzero(group == one) for one in np.unique(group)]
    texts = [[data.documents.texts[i] for i in members] for members in sets]
    return _rows(test={"sentences": texts, "labels": [label[members, 0].tolist() for members in sets]})


def _summaries(data: EvalSet) -> Any:
    targets, numbers = data.targets, np.unique(data.targets["text"])
    owned = [np.flatnonzero(targets["text"] == n) for n in numbers]
    by_people = [np.flatnonzero(targets["document_text"] == n) for n in numbers]
    return _rows(
        test={
            "text": [f"the source of text {n}" for n in numbers],
            "machine_summaries": [[data.queries.texts[i] for i in rows] for rows in owned],
            "human_summaries": [[data.documents.texts[i] for i in rows] for rows in by_people],
            "relevance": [targets["score"][rows].tolist() for rows in owned],
        }
    )


def _reranking(data: EvalSet) -> Any:
    from datasets import Dataset

    """Of the queries with a positive alone: where all judgements are 0 mteb scores 0, where there are none it skips."""
    qrels: dict[str, dict[str, int]] = {}
    for query, document, grade in zip(*(column.tolist() for column in data.qrels), strict=True):
        qrels.setdefault(data.queries.ids[query], {})[data.documents.ids[document]] = grade
    qrels = {query: judged for query, judged in qrels.items() if any(judged.values())}
    ranked = {
        query: [data.documents.ids[d] for d in row if d >= 0]
        for query, row in zip(data.queries.ids, data.targets["candidates"].tolist(), strict=True)
    }
    corpus, queries = (
        Dataset.from_dict({"id": list(side.ids), "text": list(side.texts)}) for side in (data.documents, data.queries)
    )
    return {"test": {"corpus": corpus, "queries": queries, "relevant_docs": qrels, "top_ranked": ranked}}


_ROWS: Mapping[str, Callable[[EvalSet], Any]] = {
    "sts": lambda data: _pairs(data, "score", "score"),
    "pair_classification": lambda data: _pairs(data, "labels", "label"),
    "bitext": _bitext, "classification": _classification, "clustering": _clustering, "summarization": _summaries,
    "reranking": _reranking,
}  # fmt: skip
