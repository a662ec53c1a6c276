"""nDCG@10 of plain sentence-transformers on a BEIR folder: native pooling and prompts, scored by pytrec_eval.

python benchmarks/peer_st.py MODEL_FOLDER EVALSET_FOLDER; the harness's own number is that of
`harness run model=local model.path=MODEL_FOLDER task=NAME`. The peer reads the files and ranks by itself.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytrec_eval
from sentence_transformers import SentenceTransformer

_TOP = 100


def _lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _qrels(path: Path) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        found.setdefault(query, {})[document] = int(grade)
    return found


def _run(model: SentenceTransformer, folder: Path) -> dict[str, dict[str, float]]:
    documents, queries = _lines(folder / "corpus.jsonl"), _lines(folder / "queries.jsonl")
    texts = [f"{d.get('title') or ''} {d['text']}".strip() for d in documents]
    sides = [
        model.encode_document(texts, normalize_embeddings=True),
        model.encode_query([q["text"] for q in queries], normalize_embeddings=True),
    ]
    scores = sides[1].astype(np.float64) @ sides[0].astype(np.float64).T
    best = np.argsort(-scores, axis=1)[:, :_TOP]
    return {
        q["_id"]: {documents[d]["_id"]: float(row[d]) for d in top}
        for q, row, top in zip(queries, scores, best, strict=True)
    }


def _ndcg(run: Mapping[str, Mapping[str, float]], qrels: Mapping[str, Mapping[str, int]]) -> tuple[float, int]:
    scored = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut.10"}).evaluate(run)
    asked = [query for query, judged in qrels.items() if max(judged.values()) > 0]
    return float(np.mean([scored[query]["ndcg_cut_10"] for query in asked])), len(asked)


if __name__ == "__main__":
    where, data = Path(sys.argv[1]), Path(sys.argv[2])
    plain = SentenceTransformer(str(where), device="cpu", local_files_only=True)
    score, queries = _ndcg(_run(plain, data), _qrels(data / "qrels" / "test.tsv"))
    print(f"{where.name} on {data.name}: nDCG@10 {score:.5f} over {queries} queries")
