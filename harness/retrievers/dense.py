"""Search by one vector a text."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.codes import Decoded, check_sides, coded, compared, comparison_of, cut, operand
from harness.parts import find, name_of, place
from harness.pipelines import continued, reordered
from harness.protocols import (
    BuiltIndex,
    Encoder,
    FittedQuantizer,
    FittedReduction,
    Index,
    Lap,
    Need,
    Pooling,
    Quantizer,
    Reduction,
    Rows,
    VectorSource,
)  # fmt: skip
from harness.ranking import check_finite, id_order, own_documents, scored, stacked
from harness.spaces import FittedSpace, Space, shortened, stored_bytes
from harness.types import (
    Doubles,
    EvalSet,
    Floats,
    Inapplicable,
    Ints,
    Ranking,
    Similarity,
    Vectors,
)

_HELD_TWICE = 2**29  # bytes: beside 1,000,000 x 384 floats and their codes, another such matrix breaks 3 GiB
_FIRST = 10
_NO_SEARCH = "nothing is searched here, so rescoring and the index have no part in this score"
_INSTEAD = {"vectors": "retriever=late_interaction", "sparse": "retriever=learned_sparse"}


@dataclass(frozen=True)
class Dense:
    """Encoder, pooling, reduction, quantization and index in a row; everything fitted on the documents alone.

    `similarity` is the model's own unless named; cosine normalises before quantizing. `rescore` above 0 ranks the
    first `rescore` x `served` documents again by what `rescorer` keeps of the float vectors (float32: all), which
    then counts as stored; those behind keep the order of the codes. `served` is how many results a query returns, so
    the shortlist is that of a service and does not grow with the deepest metric that is asked for. With `fit_on`, the
    name of another eval set, the reduction is fitted on that set's documents; `fit_sha256` is that set's content.
    """

    encoder: Encoder
    pooling: Pooling
    reduction: Reduction
    quantizer: Quantizer
    index: Index
    similarity: Literal["native", "cosine", "dot", "euclidean", "manhattan"] = "native"
    rescore: int = 0
    served: int = 10
    rescorer: Quantizer | None = None
    fit_on: str = place("")
    fit_sha256: str = ""

    def needs(self) -> Sequence[Need]:
        """The one forward pass this candidate asks for."""
        return (Need(self.encoder, self.pooling),)

    def prepare(self, evalset: EvalSet, source: VectorSource) -> DenseSearcher:
        """Encode both sides, fit on the documents, build the index; Inapplicable from any part passes through."""
        self._check()
        documents = source.vectors(self.encoder, self.pooling, "document", evalset.documents.texts)
        queries = source.vectors(self.encoder, self.pooling, "query", evalset.queries.texts)
        empty = check_sides(documents.rows, queries.rows)
        similarity = self._similarity()
        reduction = self._reduced(documents.rows, source)
        sides = _Sides(*(operand(side.rows, reduction, similarity) for side in (documents, queries)))
        facts = {**cut(documents), "variance_kept": reduction.variance_kept}
        warnings = (*self._warnings(similarity, documents), *empty)
        return DenseSearcher(self, evalset, sides, facts, warnings)

    def embed(self, evalset: EvalSet, source: VectorSource) -> Space:
        """The same candidate for single texts: index and rescoring have no part in it."""
        self._check()
        sides = [source.vectors(self.encoder, self.pooling, role, side.texts) for role, side in evalset.sides if side]
        documents = sides[0]
        empty = check_sides(documents.rows, sides[1].rows if len(sides) > 1 else documents.rows[:0])
        similarity, lost = self._similarity(), cut(documents)
        idle = (_NO_SEARCH,) if self.rescore or not self.index.exact else ()
        reduction = self._reduced(documents.rows, source)
        kept = shortened(documents.rows, reduction, similarity)
        quantizer = self.quantizer.fit(kept)
        coarse = (warning,) if (warning := getattr(quantizer, "warning", "")) else ()
        warnings = (*self._warnings(similarity, documents), *empty, *idle, *coarse)
        facts = {**lost, "variance_kept": reduction.variance_kept, **stored_bytes(quantizer, kept)}
        made, fitted = (self.encoder, self.pooling), (reduction, quantizer)
        return FittedSpace(source, made, fitted, similarity, (facts, warnings))

    def _check(self) -> None:
        gives = self.encoder.traits().gives
        if gives != "vector":
            raise Inapplicable(f"this model gives {gives}, not one vector a text; use {_INSTEAD[gives]}")
        if self.rescore < 0:
            raise Inapplicable(f"rescore={self.rescore}: use 0 for none, or a multiple of the results such as 4")

    def _similarity(self) -> Similarity:
        return self.encoder.traits().similarity if self.similarity == "native" else self.similarity

    def _reduced(self, documents: Floats, source: VectorSource) -> FittedReduction:
        if not self.fit_on:
            return self.reduction.fit(documents)
        role, side = source.evalset(self.fit_on).sides[0]
        others = source.vectors(self.encoder, self.pooling, role, side.texts).rows
        check_finite(others, f"{self.fit_on} document")
        return self.reduction.fit(others)

    def _warnings(self, similarity: str, documents: Vectors) -> tuple[str, ...]:
        traits = self.encoder.traits()
        pooling = "+".join(name_of(one) for one in getattr(self.pooling, "of", (self.pooling,)))
        found = list(traits.warnings)
        if not self.pooling.native and pooling != traits.pooling:
            found.append(f"pooling {pooling} overrides the model's own ({traits.pooling})")
        if similarity != traits.similarity:
            found.append(f"similarity {similarity} differs from the model's own ({traits.similarity})")
        lost = cut(documents)
        if lost["documents_cut"] > 0:
            found.append(
                f"{lost['documents_cut']:.1%} of documents are longer than the model's limit of {traits.max_tokens} "
                f"tokens; {lost['tokens_cut']:.1%} of all tokens were cut"
            )
        return tuple(found)


class _Sides(NamedTuple):
    documents: Floats
    queries: Floats


class DenseSearcher:
    """A fitted `Dense` over one eval set; it owns the sides.

    Searched are the codes, decoded: in place of the float documents, or, where rescoring keeps those, beside them.
    What is too large to hold twice is decoded block by block in every `rank`.
    """

    def __init__(
        self, part: Dense, evalset: EvalSet, sides: _Sides, facts: Mapping[str, float], warnings: tuple[str, ...]
    ) -> None:
        self.part = part
        self.ids = evalset.documents.ids
        self.shortlist = min(part.rescore * part.served, len(self.ids))
        self.comparison = comparison_of(part._similarity())
        self.sides = sides
        self.excluded = own_documents(evalset)
        self.order = id_order(self.ids)
        self.warnings = warnings
        start = time.perf_counter()
        self.quantizer: FittedQuantizer = part.quantizer.fit(sides.documents)
        if warning := getattr(self.quantizer, "warning", ""):
            self.warnings = (*warnings, warning)
        codes = coded(self.quantizer, sides.documents)
        copy = self._keep_for_rescoring()
        self.searched = self._decoded(codes)
        self.built: BuiltIndex = part.index.build(self.searched, self.ids, self.comparison)
        self.build_s = time.perf_counter() - start
        self.facts: Mapping[str, float] = {**facts, **self._sizes(codes.nbytes, copy)}

    def rank(self, k: int) -> Ranking:
        """The k best for every query.

        Of an index that can miss documents the first ones are those that a service gets, which asks for `served`;
        `facts` then hold their recall.
        """
        queries = self.quantizer.query(self.sides.queries)
        found = self.built.search(queries, max(k, self.shortlist), self.excluded)
        if not self.part.index.exact:
            served = self.built.search(queries, max(self.part.served, self.shortlist), self.excluded)
            self.facts = {**self.facts, "index_recall_at_10": self._recall(served, queries)}
            found = continued(served, found)
        if not self.shortlist:
            return found
        rows = [Ranking(*row) for row in zip(*found, strict=True)]
        return stacked([self._rescored(row, query, k) for row, query in zip(rows, self.sides.queries, strict=True)])

    def score(self, candidates: Ints) -> Doubles:
        """Exact scores, by the rescoring copy where there is one, else by the codes."""
        return scored(candidates, self._exact)

    def probe(self, query: int, k: int, lap: Lap) -> Ints:
        """One query's search from its float vector, in the index that faiss has for such codes; then rescoring."""
        one = slice(query, query + 1)
        vector = self.quantizer.query(self.sides.queries[one])
        own = int(self.excluded[query])
        found: Ints = np.asarray(self._served(vector, max(k, self.shortlist) + (own >= 0), one), dtype=np.int32)
        found = found[(found >= 0) & (found != own)]
        lap("search")
        if self.shortlist:
            head = found[: self.shortlist]
            found = head[np.argsort(-self.probe_score(query, head, _quietly), kind="stable")]
            lap("rescore")
        return found[:k]

    def probe_score(self, query: int, documents: Ints, lap: Lap) -> Doubles:
        """Exact scores of some documents."""
        scores = self._exact(query, documents)
        lap("score")
        return scores

    def _exact(self, query: int, documents: Ints) -> Doubles:
        rows, vector = self.searched, self.quantizer.query(self.sides.queries[query : query + 1])[0]
        if self.shortlist:
            rows, vector = self.sides.documents, self.sides.queries[query]
        return compared(vector, rows[documents], self.comparison)

    def _served(self, vector: Floats, k: int, one: slice) -> NDArray[Any]:
        if self._deployed is None:
            return np.asarray(self._built_for_one.search(vector, k, self.excluded[one]).documents[0])
        return np.asarray(self._deployed.search(vector, min(k, len(self.ids)))[1][0])

    @cached_property
    def _deployed(self) -> Any:
        return self.quantizer.deployed(self._held, self.comparison) if self.part.index.exact else None

    @cached_property
    def _built_for_one(self) -> BuiltIndex:
        if not (isinstance(self.searched, Decoded) and self.part.index.exact):
            return self.built
        return self.part.index.build(self._held, self.ids, self.comparison)

    @property
    def _held(self) -> Floats:
        """Decoded documents in memory, whatever they take: no service decodes a corpus for one query."""
        if isinstance(self.searched, Decoded):
            return self.searched.into(np.empty(self.searched.shape, dtype=np.float32))
        return self.searched[:]

    def _keep_for_rescoring(self) -> int:
        """Turn the float documents into what rescoring reads, and give its bytes."""
        documents = self.sides.documents
        if not self.shortlist:
            return 0
        if self.part.rescorer is None:
            return documents.nbytes
        kept = self.part.rescorer.fit(documents)
        codes = coded(kept, documents)
        if codes is not documents:
            Decoded(codes, kept, documents.shape[1]).into(documents)
        return codes.nbytes

    def _decoded(self, codes: NDArray[Any]) -> Rows:
        documents = self.sides.documents
        decoded = Decoded(codes, self.quantizer, documents.shape[1])
        if not self.shortlist or codes is documents:
            return decoded.into(documents)
        return decoded if documents.nbytes > _HELD_TWICE else decoded.into(np.empty_like(documents))

    def _recall(self, found: Ranking, queries: Floats) -> float:
        """Share of the exact first ten that the index finds."""
        exact = find("indexes", "flat")().build(self.searched, self.ids, self.comparison)
        wanted = exact.search(queries, _FIRST, self.excluded).documents
        hits = (wanted[:, :, None] == found.documents[:, None, :_FIRST]).any(axis=2) & (wanted >= 0)
        return float(hits.sum() / (wanted >= 0).sum())

    def _rescored(self, row: Ranking, query: Floats, k: int) -> Ranking:
        head = row.documents[: self.shortlist]
        scores = compared(query, self.sides.documents[head], self.comparison)
        return reordered(row, scores, self.order, k)

    def _sizes(self, code_bytes: int, copy: int) -> Mapping[str, float]:
        memory = code_bytes + self.quantizer.overhead_bytes + self.built.overhead_bytes
        return {
            "index_bytes": float(memory + copy),
            "ram_bytes": float(memory),
            "rescoring_bytes": float(copy),
            "bytes_per_doc": (code_bytes + copy + self.built.overhead_bytes) / len(self.ids),
            "dimensions": float(self.sides.documents.shape[1]),
        }


def _quietly(_: str) -> None:
    """A stage inside a stage is not timed apart."""
