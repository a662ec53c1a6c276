"""A graph of near neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from harness.approximate import Approximate, metric_of
from harness.corpus import Corpus
from harness.protocols import Rows
from harness.types import Comparison, Inapplicable

_ENTRY_BYTES, _OFFSET_BYTES = 4, 8  # a link or a level; where a document's links begin


@dataclass(frozen=True)
class Hnsw:
    """Hierarchical navigable small world graph (Malkov and Yashunin, arXiv:1603.09320), as faiss has it.

    Each document is linked to `m` others, twice as many in the lowest layer; `ef_construction` and `ef_search` are how
    many documents are kept in hand while one is put in and while a query is answered; the latter is raised to k + 2
    where it is lower. From faiss 1.15.1 on the same input gives the same graph with any number of threads.
    """

    m: int = 32
    ef_construction: int = 200
    ef_search: int = 64
    exact: ClassVar[bool] = False

    def build(self, documents: Rows, ids: Sequence[str], comparison: Comparison) -> Approximate:
        """Graph over float32 [n, d] documents, of which faiss keeps a copy; HarnessError if a value is not finite.

        They are put in all at once, for a graph that grows by blocks finds less; rows on demand are then held whole.
        """
        import faiss

        self._check()
        corpus = Corpus(documents, ids, comparison)
        index = faiss.IndexHNSWFlat(documents.shape[1], self.m, metric_of(comparison))
        index.hnsw.efConstruction = self.ef_construction
        index.hnsw.efSearch = self.ef_search
        index.add(np.ascontiguousarray(corpus.scaled[:]))
        return Approximate(corpus, index, _overhead_bytes(index.hnsw), beam=self.ef_search)

    def _check(self) -> None:
        if self.m < 2:
            raise Inapplicable(f"hnsw: m={self.m} links nothing; use 2 or more, such as 32")
        for name in ("ef_construction", "ef_search"):
            if getattr(self, name) < 1:
                raise Inapplicable(
                    f"hnsw: {name}={getattr(self, name)} keeps nothing in hand; use 1 or more, such as 64"
                )


def _overhead_bytes(graph: Any) -> int:
    return int(_ENTRY_BYTES * (graph.neighbors.size() + graph.levels.size()) + _OFFSET_BYTES * graph.offsets.size())
