"""Lists of documents around centroids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from harness.approximate import Approximate, metric_of
from harness.corpus import Corpus
from harness.protocols import Rows
from harness.ranking import blocks
from harness.types import Comparison, Floats, Inapplicable

_TRAINED_ON = 64  # documents a list: faiss wants 39 to 256, and 1,000,000 documents shall not be held twice
_ID_BYTES = 8


@dataclass(frozen=True)
class Ivf:
    """Inverted file: k-means sorts the documents into lists, and a query looks into the `probes` nearest (faiss).

    `lists` 0 stands for four times the square root of the number of documents. Where there are fewer lists than
    `probes`, all are looked into, and nothing is missed. Centroids are trained on at most 64 documents a list, drawn
    with a fixed seed, as is their start, so the same input gives the same lists.
    """

    lists: int = 0
    probes: int = 8
    exact: ClassVar[bool] = False

    def build(self, documents: Rows, ids: Sequence[str], comparison: Comparison) -> Approximate:
        """Lists over float32 [n, d] documents, of which faiss keeps a copy; HarnessError if a value is not finite."""
        import faiss

        lists = self._lists(len(documents))
        corpus = Corpus(documents, ids, comparison)
        metric = metric_of(comparison)
        centroids = faiss.IndexFlat(documents.shape[1], metric)
        index = faiss.IndexIVFFlat(centroids, documents.shape[1], lists, metric)
        index.cp.min_points_per_centroid = 1  # else faiss writes a line of its own to the terminal
        index.nprobe = self.probes
        index.train(_sample(corpus, lists))
        for block in blocks(len(corpus)):
            index.add(np.ascontiguousarray(corpus.scaled[block]))
        return Approximate(corpus, index, int(centroids.sa_code_size() * lists + _ID_BYTES * (len(documents) + lists)))

    def _lists(self, documents: int) -> int:
        if self.probes < 1:
            raise Inapplicable(f"ivf: probes={self.probes} looks into no list; use 1 or more, such as 8")
        if self.lists < 0:
            raise Inapplicable(
                f"ivf: lists={self.lists}; use 0 for four times the square root of the documents, or more"
            )
        if self.lists > documents:
            raise Inapplicable(f"ivf: lists={self.lists} of {documents} documents leaves lists empty; use fewer, or 0")
        return self.lists or min(documents, round(4 * documents**0.5))


def _sample(corpus: Corpus, lists: int) -> Floats:
    wanted = min(len(corpus), _TRAINED_ON * lists)
    rows = np.random.default_rng(0).choice(len(corpus), size=wanted, replace=False)
    return np.ascontiguousarray(corpus.scaled[np.sort(rows)])
