"""Search by one vector a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from harness.parts import name_of
from harness.protocols import (
    BuiltIndex,
    Encoder,
    FittedQuantizer,
    Index,
    Need,
    Pooling,
    Quantizer,
    Reduction,
    VectorSource,
)  # fmt: skip
from harness.ranking import best, check_finite, id_order, own_documents, settled, stacked
from harness.types import EvalSet, Floats, Inapplicable, Ints, Ranking, Vectors


@dataclass(frozen=True)
class Dense:
    """Encoder, pooling, reduction, quantization and index in a row; everything fitted on the documents alone.

    `similarity` is the model's own unless named; cosine normalises before quantizing. `rescore` above 0 ranks the
    first `rescore` x `served` documents again by the float vectors, which then count as stored; those behind keep
    the order of the codes. `served` is how many results a query returns, so the shortlist is that of a service and
    does not grow with the deepest metric that is asked for.
    """

    encoder: Encoder
    pooling: Pooling
    reduction: Reduction
    quantizer: Quantizer
    index: Index
    similarity: Literal["native", "cosine", "dot"] = "native"
    rescore: int = 0
    served: int = 10

    def needs(self) -> Sequence[Need]:
        """The one forward pass this candidate asks for."""
        return (Need(self.encoder, self.pooling),)

    def prepare(self, evalset: EvalSet, source: VectorSource) -> DenseSearcher:
        """Encode both sides, fit on the documents, build the index; Inapplicable from any part passes through."""
        if self.rescore < 0:
            raise Inapplicable(f"rescore={self.rescore}: use 0 for none, or a multiple of the results such as 4")
        similarity = self._similarity()
        documents = source.vectors(self.encoder, self.pooling, "document", evalset.documents.texts)
        queries = source.vectors(self.encoder, self.pooling, "query", evalset.queries.texts)
        check_finite(documents.rows, "document")
        check_finite(queries.rows, "query")
        reduction = self.reduction.fit(documents.rows)
        sides = _Sides(*(_scaled(reduction.apply(side.rows), similarity) for side in (documents, queries)))
        return DenseSearcher(self, evalset, sides, _cut(documents), self._warnings(similarity, documents))

    def _similarity(self) -> str:
        chosen = self.encoder.traits().similarity if self.similarity == "native" else self.similarity
        if chosen not in ("cosine", "dot"):
            raise Inapplicable(f"similarity {chosen} is not searched yet; use similarity=cosine or similarity=dot")
        return chosen

    def _warnings(self, similarity: str, documents: Vectors) -> tuple[str, ...]:
        traits = self.encoder.traits()
        pooling = name_of(self.pooling)
        found = list(traits.warnings)
        if not self.pooling.native and pooling != traits.pooling:
            found.append(f"pooling {pooling} overrides the model's own ({traits.pooling})")
        if similarity != traits.similarity:
            found.append(f"similarity {similarity} differs from the model's own ({traits.similarity})")
        cut = _cut(documents)
        if cut["documents_cut"] > 0:
            found.append(
                f"{cut['documents_cut']:.1%} of documents are longer than the model's limit of {traits.max_tokens} "
                f"tokens; {cut['tokens_cut']:.1%} of all tokens were cut"
            )
        return tuple(found)


class _Sides(NamedTuple):
    documents: Floats
    queries: Floats


class DenseSearcher:
    """A fitted `Dense` over one eval set: codes as stored, float operands as searched."""

    def __init__(
        self, part: Dense, evalset: EvalSet, sides: _Sides, cut: Mapping[str, float], warnings: tuple[str, ...]
    ) -> None:
        self.shortlist = part.rescore * part.served
        self.sides = sides
        self.excluded = own_documents(evalset)
        self.order = id_order(evalset.documents.ids)
        self.quantizer: FittedQuantizer = part.quantizer.fit(sides.documents)
        codes = self.quantizer.encode(sides.documents)
        self.built: BuiltIndex = part.index.build(self.quantizer.decode(codes), evalset.documents.ids)
        self.warnings = warnings
        self.facts: Mapping[str, float] = {**cut, **self._sizes(codes.nbytes)}

    def rank(self, k: int) -> Ranking:
        """The k best for every query."""
        return self._search(self.sides.queries, self.excluded, k)

    def probe(self, query: int, k: int) -> None:
        """One query's search from its float vector: quantize the query, search, rescore."""
        self._search(self.sides.queries[query : query + 1], self.excluded[query : query + 1], k)

    def _search(self, queries: Floats, excluded: Ints, k: int) -> Ranking:
        coded = self.built.search(self.quantizer.query(queries), max(k, self.shortlist), excluded)
        if not self.shortlist:
            return coded
        rows = [Ranking(*row) for row in zip(*coded, strict=True)]
        return stacked([self._rescored(row, query, k) for row, query in zip(rows, queries, strict=True)])

    def _rescored(self, row: Ranking, query: Floats, k: int) -> Ranking:
        head = row.documents[: self.shortlist]
        head = head[head >= 0]
        documents = self.sides.documents[head].astype(np.float64)
        largest = float(np.linalg.norm(query)) * float(np.linalg.norm(documents, axis=1).max(initial=0))
        ranked = best(head, settled(documents @ query.astype(np.float64), largest), self.order, min(k, self.shortlist))
        if k <= self.shortlist:
            return ranked
        tail = row.scores[self.shortlist :]
        below = tail - tail[0] + ranked.scores[-1] - 1 if np.isfinite(tail[0]) else tail
        return Ranking(
            np.concatenate([ranked.documents, row.documents[self.shortlist :]]),
            np.concatenate([ranked.scores, below]),
            row.complete,
        )

    def _sizes(self, code_bytes: int) -> Mapping[str, float]:
        documents = self.sides.documents
        copy = documents.nbytes if self.shortlist else 0
        memory = code_bytes + self.quantizer.overhead_bytes
        return {
            "index_bytes": float(memory + copy),
            "ram_bytes": float(memory),
            "rescoring_bytes": float(copy),
            "bytes_per_doc": (code_bytes + copy) / len(documents),
            "dimensions": float(documents.shape[1]),
        }


def _cut(documents: Vectors) -> Mapping[str, float]:
    longer = documents.full_tokens > documents.tokens
    full = int(documents.full_tokens.sum())
    share = 1 - int(documents.tokens.sum()) / full if full else 0.0
    return {"documents_cut": float(longer.mean()), "tokens_cut": share}


def _scaled(vectors: Floats, similarity: str) -> Floats:
    if similarity == "dot":
        return vectors
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(norms == 0, 1, norms), dtype=np.float32)
