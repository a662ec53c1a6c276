"""PCA and PQ through the harness against scikit-learn and faiss used directly, on the same stored vectors.

python benchmarks/compression.py RESULTS_FOLDER SWEEP EVALSET_FOLDER reads the vectors that a sweep has left in its
store, computes each row once more with the library alone, and prints nDCG@10 of both.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from sklearn.decomposition import PCA

from harness.evalsets import open_evalset
from harness.forward import StoredVectors
from harness.metrics.ndcg import Ndcg
from harness.parts import build
from harness.ranking import best, id_order, judge, stacked
from harness.table import read_sweep, rows
from harness.types import EvalSet, Floats


def _unit(rows: Floats) -> Floats:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def _score(data: EvalSet, documents: Floats, queries: Floats) -> float:
    order, everything = id_order(data.documents.ids), np.arange(len(documents))
    exact = np.round(queries.astype(np.float64) @ documents.astype(np.float64).T, 9)
    ranking = stacked([best(everything, scores, order, 100) for scores in exact])
    return float(Ndcg(10).score(judge(ranking, data.qrels)).mean())


def _directly(row: dict[str, Any], documents: Floats, queries: Floats) -> tuple[Floats, Floats] | None:
    """What the library alone makes of a model's vectors for a row of the table; None for rows of another kind."""
    if row["reduction"].startswith("pca") and row["quantization"] == "float32":
        pca = PCA(row["dim"], svd_solver="full").fit(documents)
        return _unit(pca.transform(documents)), _unit(pca.transform(queries))
    if row["quantization"] == "pq" and row["reduction"] == "truncate" and row["dim"] == documents.shape[1]:
        pieces = int(row["bytes_per_doc"])
        threads = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(1)
        index = faiss.IndexPQ(documents.shape[1], pieces, 8)
        index.train(_unit(documents))
        faiss.omp_set_num_threads(threads)
        return index.sa_decode(index.sa_encode(_unit(documents))), _unit(queries)
    return None


def main(results: Path, name: str, folder: Path) -> None:
    """Print one line for each row that the libraries can make."""
    sweep, data = read_sweep(results / name), open_evalset(str(folder), [])
    for row in rows(sweep):
        if row["status"] != "ok" or row["retriever"] != "dense" or row["data_sha256"] != data.sha256:
            continue
        key = next(v["quality"] for v in sweep.manifest["variants"] if v["candidate_id"] == row["candidate_id"])
        part = build(json.loads(json.dumps(sweep.records[key].provenance["candidate"])))
        source = StoredVectors(results / "store", "cpu", part.needs(), lambda _: None)
        sides = [
            source.vectors(part.encoder, part.pooling, role, texts).rows
            for role, texts in (("document", data.documents.texts), ("query", data.queries.texts))  # type: ignore[arg-type]
        ]
        made = _directly(row, *sides)
        if made is not None:
            other = _score(data, *made)
            what = f"{row['reduction']} {row['dim']} {row['quantization']}"
            print(f"{what}: ours {row['ndcg_at_10']:.5f}, library {other:.5f}, {row['ndcg_at_10'] - other:+.5f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
