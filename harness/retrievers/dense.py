"""Search by one vector a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.parts import name_of
from harness.protocols import (
    BuiltIndex,
    Encoder,
    FittedQuantizer,
    FittedReduction,
    Index,
    Need,
    Pooling,
    Quantizer,
    Reduction,
    Rows,
    VectorSource,
)  # fmt: skip
from harness.ranking import best, blocks, check_finite, check_varied, id_order, own_documents, settled, stacked
from harness.types import EvalSet, Floats, Inapplicable, Ranking, Vectors

_HELD_TWICE = 2**29  # bytes: beside 1,000,000 x 384 floats and their codes, another such matrix breaks 3 GiB


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
        check_varied(documents.rows, "document")
        reduction = self.reduction.fit(documents.rows)
        sides = _Sides(*(_operand(side.rows, reduction, similarity) for side in (documents, queries)))
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


class Decoded:
    """`Rows` of codes, decoded whenever they are asked for."""

    def __init__(self, codes: NDArray[Any], quantizer: FittedQuantizer, dim: int) -> None:
        self.codes = codes
        self.quantizer = quantizer
        self.shape = (len(codes), dim)

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: slice | NDArray[np.integer], /) -> Floats:
        return self.quantizer.decode(self.codes[rows])

    def into(self, matrix: Floats) -> Floats:
        """float32 [n, d] `matrix`, filled with all rows."""
        for block in blocks(len(self)):
            matrix[block] = self[block]
        return matrix


class DenseSearcher:
    """A fitted `Dense` over one eval set; it owns the sides.

    Searched are the codes, decoded: in place of the float documents, or, where rescoring keeps those, beside them.
    What is too large to hold twice is decoded block by block in every `rank`.
    """

    def __init__(
        self, part: Dense, evalset: EvalSet, sides: _Sides, cut: Mapping[str, float], warnings: tuple[str, ...]
    ) -> None:
        self.index = part.index
        self.ids = evalset.documents.ids
        self.shortlist = part.rescore * part.served
        self.sides = sides
        self.excluded = own_documents(evalset)
        self.order = id_order(self.ids)
        self.quantizer: FittedQuantizer = part.quantizer.fit(sides.documents)
        codes = _coded(self.quantizer, sides.documents)
        self.warnings = warnings
        self.facts: Mapping[str, float] = {**cut, **self._sizes(codes.nbytes)}
        self.searched = self._decoded(codes)
        self.built: BuiltIndex = self.index.build(self.searched, self.ids)

    def rank(self, k: int) -> Ranking:
        """The k best for every query."""
        return self._search(self.built, slice(None), k)

    def probe(self, query: int, k: int) -> None:
        """One query's search from its float vector: quantize the query, search, rescore."""
        self._search(self._built_for_one, slice(query, query + 1), k)

    @cached_property
    def _built_for_one(self) -> BuiltIndex:
        """Over decoded documents that are held whatever they take: no service decodes a corpus for one query."""
        if not isinstance(self.searched, Decoded):
            return self.built
        return self.index.build(self.searched.into(np.empty_like(self.sides.documents)), self.ids)

    def _decoded(self, codes: NDArray[Any]) -> Rows:
        documents = self.sides.documents
        decoded = Decoded(codes, self.quantizer, documents.shape[1])
        if not self.shortlist or codes is documents:
            return decoded.into(documents)
        return decoded if documents.nbytes > _HELD_TWICE else decoded.into(np.empty_like(documents))

    def _search(self, built: BuiltIndex, some: slice, k: int) -> Ranking:
        queries = self.sides.queries[some]
        coded = built.search(self.quantizer.query(queries), max(k, self.shortlist), self.excluded[some])
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


def _operand(rows: Floats, reduction: FittedReduction, similarity: str) -> Floats:
    """float32 [n, d] rows, reduced and scaled, in the front of their own memory."""
    width = reduction.apply(rows[:1]).shape[1]  # never over d, so what is overwritten has been read
    result = rows.reshape(-1)[: len(rows) * width].reshape(-1, width)
    for block in blocks(len(rows)):
        result[block] = _scaled(reduction.apply(rows[block]), similarity)
    return result


def _coded(quantizer: FittedQuantizer, documents: Floats) -> NDArray[Any]:
    """Codes of float32 [n, d]; the documents themselves where those are their own codes."""
    sample = quantizer.encode(documents[:1])
    if np.may_share_memory(sample, documents):
        return documents
    codes = np.empty((len(documents), sample.shape[1]), dtype=sample.dtype)
    for block in blocks(len(documents)):
        codes[block] = quantizer.encode(documents[block])
    return codes


def _scaled(vectors: Floats, similarity: str) -> Floats:
    if similarity == "dot":
        return vectors
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(norms == 0, 1, norms), dtype=np.float32)
