"""What the parts of each room can do: one protocol a room, and the fitted or loaded objects they return."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from harness.types import (
    Comparison,
    Doubles,
    Encoded,
    EvalSet,
    Evaluation,
    Floats,
    Ints,
    Judged,
    Ranking,
    RawSet,
    Role,
    Traits,
    Vectors,
)  # fmt: skip


class Pooling(Protocol):
    """`native` is True only for the part that leaves pooling to the model's own modules."""

    native: ClassVar[bool]

    def pool(self, states: Any, mask: Any) -> Any:
        """Float [n, t, d] token states and bool [n, t] mask (numpy or torch) -> [n, d] of the same kind."""
        ...


class OpenEncoder(Protocol):
    """A loaded model."""

    def encode(self, texts: Sequence[str], role: Role, poolings: Sequence[Pooling], batch_size: int | None) -> Encoded:
        """One forward pass over the texts, prompts added; Inapplicable where a pooling does not fit the model.

        `batch_size` None leaves the batches to the encoder, which knows what is quick.
        """
        ...


class Encoder(Protocol):
    """A model that turns texts into vectors. All but `open` answers without loading weights."""

    def content(self) -> Mapping[str, str]:
        """The content that decides the vectors: file hashes, or hub id and commit; never a path or a name."""
        ...

    def traits(self) -> Traits: ...

    def prompt(self, role: Role) -> str:
        """The text put before each query or document, empty for none."""
        ...

    def bare(self) -> Encoder:
        """The same encoder without its prompts: the store keys a vector by this and by prompt and text."""
        ...

    def open(self, device: str) -> OpenEncoder: ...


@runtime_checkable
class Spanning(Protocol):
    """An encoder that says where its tokens lie, so that texts can be cut at their borders."""

    def spans(self, texts: Sequence[str]) -> Sequence[Ints]:
        """For each text int32 [t, 2], where its tokens begin and end in characters, special tokens left out.

        From the tokenizer alone, without a prompt and without a limit; Inapplicable where the model's is not known.
        """
        ...


class OpenReranker(Protocol):
    """A loaded model that reads query and document together."""

    def score(self, queries: Sequence[str], documents: Sequence[str]) -> Floats:
        """float32 [n], the model's own score of each pair `queries[i]`, `documents[i]`; higher is more relevant."""
        ...


@runtime_checkable
class Reranker(Protocol):
    """A model that scores pairs of texts. `content` and `limit` answer without loading weights."""

    def content(self) -> Mapping[str, str]: ...

    def limit(self) -> int:
        """Tokens of query and document together that it reads; 0 where there is no limit or it is not known."""
        ...

    def rerank(self, device: str) -> OpenReranker:
        """Load it."""
        ...


@runtime_checkable
class PairCounting(Protocol):
    """A reranker that knows how long pairs are before its cut, and what of the model's own is `overridden`."""

    def pair_tokens(self, queries: Sequence[str], documents: Sequence[str]) -> Ints:
        """int32 [n], special tokens counted, without loading weights; Inapplicable where it is not known."""
        ...

    def overridden(self) -> Sequence[str]: ...


class VectorSource(Protocol):
    """Where retrievers get vectors: the store, filled by forward passes where something is missing.

    The rows are a fresh matrix that the caller owns and may change.
    """

    def vectors(self, encoder: Encoder, pooling: Pooling, role: Role, texts: Sequence[str]) -> Vectors: ...

    def pairs(self, reranker: Reranker, queries: Sequence[str], documents: Sequence[str]) -> Floats:
        """float32 [n] scores of parallel texts, kept in the store like vectors."""
        ...

    def reranking(self, reranker: Reranker) -> OpenReranker:
        """The loaded model, for timing: nothing is remembered."""
        ...

    def evalset(self, name: str) -> EvalSet:
        """Another eval set that a part names, to be fitted on."""
        ...


class Passages(NamedTuple):
    """Texts cut into passages: the passages of the first text first; int32 [p], the position of each one's text."""

    texts: tuple[str, ...]
    owner: Ints


class Chunking(Protocol):
    def cut(self, texts: Sequence[str], encoder: Encoder | None) -> Passages:
        """Passages in the order of the texts, at least one each; `encoder` None where nothing encodes (BM25)."""
        ...


class Reduction(Protocol):
    def fit(self, documents: Floats) -> FittedReduction: ...


class FittedReduction(Protocol):
    """`variance_kept`: share of the fitted documents' variance that the shorter vectors hold; 1.0 where all stay."""

    @property
    def variance_kept(self) -> float: ...

    def apply(self, vectors: Floats) -> Floats: ...


class Rows(Protocol):
    """Float32 [n, d] that may be made on demand, so that it need not lie in memory whole; a numpy array is one."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice | NDArray[np.integer], /) -> Floats: ...


class Quantizer(Protocol):
    def fit(self, documents: Floats) -> FittedQuantizer: ...


class FittedQuantizer(Protocol):
    """Codes as stored, and the two float operands whose inner product ranks as the vector store itself does."""

    def encode(self, documents: Floats) -> NDArray[Any]: ...

    def decode(self, codes: NDArray[Any]) -> Floats: ...

    def query(self, queries: Floats) -> Floats: ...

    @property
    def overhead_bytes(self) -> int: ...

    def deployed(self, documents: Floats, comparison: Comparison) -> Deployed | None:
        """The faiss index that serves such codes, over decoded float32 [n, d]: for its latency, never for a score.

        None where faiss has none for this comparison.
        """
        ...


class Deployed(Protocol):
    """An index as faiss has it."""

    def search(self, queries: Any, k: int, /) -> Any:
        """float32 [q, d] -> scores [q, k] and positions int64 [q, k]."""
        ...


class Index(Protocol):
    """`exact` is True where nothing can be missed."""

    exact: ClassVar[bool]

    def build(self, documents: Rows, ids: Sequence[str], comparison: Comparison) -> BuiltIndex: ...


class BuiltIndex(Protocol):
    """`overhead_bytes`: what the index takes beside the documents' codes (links, lists, centroids)."""

    @property
    def overhead_bytes(self) -> int: ...

    def search(self, queries: Floats, k: int, excluded: Ints) -> Ranking:
        """The k best: by inner product, or by the distance, whose negative is then the score.

        `excluded` int32 [q] names one document a query never gets (-1: none).
        """
        ...


Lap = Callable[[str], None]  # takes the name of the stage that has just ended


class Need(NamedTuple):
    """One forward-pass product a retriever asks for; `chunking` None: documents are encoded whole."""

    encoder: Encoder
    pooling: Pooling
    chunking: Chunking | None = None


@runtime_checkable
class Retriever(Protocol):
    """A whole way of ranking a corpus for queries; retrievers may hold other retrievers."""

    def needs(self) -> Sequence[Need]: ...

    def prepare(self, evalset: EvalSet, source: VectorSource) -> Searcher: ...


class Searcher(Protocol):
    """A retriever with its corpus indexed.

    `facts` are measured numbers (index_bytes, bytes_per_doc, disk_bytes ...), `warnings` what a reader must know; where
    `rank` finds out more, they hold it afterwards.
    """

    facts: Mapping[str, float]
    warnings: tuple[str, ...]

    def rank(self, k: int) -> Ranking: ...

    def score(self, candidates: Ints) -> Doubles:
        """float64 [q, c] scores of int32 [q, c] documents, a row a query; -inf where a candidate is -1.

        Inapplicable where documents have no score by themselves.
        """
        ...

    def probe(self, query: int, k: int, lap: Lap) -> Ints:
        """Search for one query as a service would, from its text or stored query vector; for timing only.

        Gives positions of at most k documents; calls `lap` after each stage.
        """
        ...

    def probe_score(self, query: int, documents: Ints, lap: Lap) -> Doubles:
        """float64 [c] scores of int32 [c] documents for one query, as a service would have them; for timing only."""
        ...


class Metric(Protocol):
    @property
    def key(self) -> str: ...

    def score(self, judged: Judged) -> Doubles: ...


class TaskType(Protocol):
    def evaluate(self, evalset: EvalSet, searcher: Searcher) -> Evaluation: ...


class Format(Protocol):
    @staticmethod
    def claims(path: str) -> bool:
        """Whether the file or folder looks like this format; used by `format: auto`."""
        ...

    def read(self) -> RawSet: ...


class Section(Protocol):
    def render(self, report: Any) -> str: ...
