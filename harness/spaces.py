"""Vectors of single texts as a candidate keeps them: reduced, scaled, quantized; for the types that rank nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from harness.codes import coded, operand
from harness.parts import name_of
from harness.protocols import Encoder, FittedQuantizer, FittedReduction, Pooling, Searcher, VectorSource
from harness.ranking import blocks, check_finite
from harness.types import NO_QRELS, EvalSet, Floats, HarnessError, Inapplicable, Role, Similarity, Texts


class Space(Protocol):
    """A candidate ready to give vectors; everything that is estimated was fitted before, on the documents alone.

    facts, warnings: as a `Searcher` has them.
    """

    similarity: Similarity
    facts: Mapping[str, float]
    warnings: tuple[str, ...]

    def vectors(self, texts: Sequence[str], role: Role) -> Floats:
        """float32 [n, d]: what stands for the texts in a comparison.

        Of documents and plain texts what their codes decode to, of queries what is compared with such codes.
        """
        ...


@runtime_checkable
class Embedding(Protocol):
    """A retriever whose texts have one vector each."""

    def embed(self, evalset: EvalSet, source: VectorSource) -> Space:
        """Fit on the eval set's documents."""
        ...


def prepared(retriever: object, evalset: EvalSet, source: VectorSource) -> Searcher | Space:
    """What the eval set's task type evaluates; Inapplicable where a retriever has no vectors and they are needed."""
    if evalset.searched:
        found: Searcher = retriever.prepare(evalset, source)  # type: ignore[attr-defined]
        return found
    return _embedding(retriever, evalset.type).embed(evalset, source)


def space_for(retriever: object, texts: Sequence[str], source: VectorSource) -> Space:
    """A candidate's `Space` without an eval set, fitted on texts such as it will hold, read as documents.

    HarnessError without texts: fitted on what it is asked for, call by call, a text's vector would depend on the batch.
    """
    if not texts:
        raise HarnessError("no texts to fit on: give some of the kind that this candidate will hold, all at once")
    documents = Texts(tuple(str(i) for i in range(len(texts))), tuple(texts))
    evalset = EvalSet("given texts", "retrieval", documents, Texts((), ()), NO_QRELS)
    return _embedding(retriever, "a space").embed(evalset, source)


def _embedding(retriever: object, what: str) -> Embedding:
    if not isinstance(retriever, Embedding):
        raise Inapplicable(
            f"{what} compares vectors of single texts; {name_of(retriever)} has none. Take a model that gives one "
            "vector a text, without chunking and without a second stage"
        )
    return retriever


class FittedSpace:
    """A `Space` over stored vectors."""

    def __init__(
        self,
        source: VectorSource,
        made: tuple[Encoder, Pooling],
        fitted: tuple[FittedReduction, FittedQuantizer],
        similarity: Similarity,
        said: tuple[Mapping[str, float], tuple[str, ...]] = ({}, ()),
    ) -> None:
        self.source, self.similarity = source, similarity
        self.encoder, self.pooling = made
        self.reduction, self.quantizer = fitted
        self.facts, self.warnings = said

    def vectors(self, texts: Sequence[str], role: Role) -> Floats:
        """See `Space`."""
        rows = self.source.vectors(self.encoder, self.pooling, role, texts).rows
        check_finite(rows, role)
        found = shortened(rows, self.reduction, self.similarity)
        if role == "query":
            return self.quantizer.query(found)
        for block in blocks(len(found)):
            found[block] = self.quantizer.decode(self.quantizer.encode(found[block]))
        return found


def shortened(rows: Floats, reduction: FittedReduction, similarity: Similarity) -> Floats:
    """float32 [n, d] rows, reduced and then of length 1 where the similarity is cosine; untouched by no reduction.

    Classifiers and clusters see the length of a vector, so a model that does not normalise keeps it, as in mteb.
    """
    one = rows[:1]
    return rows if reduction.apply(one) is one else operand(rows, reduction, similarity)


def stored_bytes(quantizer: FittedQuantizer, documents: Floats) -> dict[str, float]:
    """What float32 [n, d] documents take as codes, under the names of a searcher's facts."""
    codes = coded(quantizer, documents)
    memory = float(codes.nbytes + quantizer.overhead_bytes)
    per_document = codes.nbytes / len(documents)
    return {
        "index_bytes": memory, "ram_bytes": memory, "rescoring_bytes": 0.0, "bytes_per_doc": per_document,
        "dimensions": float(documents.shape[1]),
    }  # fmt: skip
