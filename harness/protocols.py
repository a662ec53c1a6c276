"""What the parts of each room can do: one protocol a room, and the fitted or loaded objects they return."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from harness.types import (
    Doubles,
    Encoded,
    EvalSet,
    Evaluation,
    Event,
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


class VectorSource(Protocol):
    """Where retrievers get vectors: the store, filled by forward passes where something is missing.

    The rows are a fresh matrix that the caller owns and may change.
    """

    def vectors(self, encoder: Encoder, pooling: Pooling, role: Role, texts: Sequence[str]) -> Vectors: ...


class Reduction(Protocol):
    def fit(self, documents: Floats) -> FittedReduction: ...


class FittedReduction(Protocol):
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


class Index(Protocol):
    def build(self, documents: Rows, ids: Sequence[str]) -> BuiltIndex: ...


class BuiltIndex(Protocol):
    def search(self, queries: Floats, k: int, excluded: Ints) -> Ranking:
        """The k best by inner product; `excluded` int32 [q] names one document a query never gets (-1: none)."""
        ...


class Need(NamedTuple):
    """One forward-pass product a retriever asks for."""

    encoder: Encoder
    pooling: Pooling


@runtime_checkable
class Retriever(Protocol):
    """A whole way of ranking a corpus for queries; retrievers may hold other retrievers."""

    def needs(self) -> Sequence[Need]: ...

    def prepare(self, evalset: EvalSet, source: VectorSource) -> Searcher: ...


class Searcher(Protocol):
    """A retriever with its corpus indexed.

    `facts` are measured numbers (index_bytes, bytes_per_doc, disk_bytes ...), `warnings` what a reader must know.
    """

    facts: Mapping[str, float]
    warnings: tuple[str, ...]

    def rank(self, k: int) -> Ranking: ...

    def probe(self, query: int, k: int) -> None:
        """Search for one query as a service would, from text or stored query vector; for timing only."""
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


class Batch(NamedTuple):
    """Jobs that share a process, one after another; each is asked for when the one before it has its outcome."""

    name: str
    jobs: Iterable[Any]


class Done(NamedTuple):
    """A job and what `work` made of it, or `Lost` where its process did not survive."""

    job: Any
    outcome: Any


class Start(Protocol):
    """What makes a process ready to work; it is sent there, so it and the jobs must survive pickling."""

    def __call__(self, tell: Callable[[Event], None], lane: int) -> Callable[[Any], Any]:
        """The work of one process; `lane` counts the processes that run at once, from 0."""
        ...


class Desk(NamedTuple):
    """The caller's side: `tell` takes events, `tick` is called about twice a second, `logs` is a folder, `lanes` is
    how many devices there are to work on.
    """

    tell: Callable[[Event], None]
    tick: Callable[[], None]
    logs: Path
    lanes: int = 1


class Executor(Protocol):
    def run(self, batches: Sequence[Batch], start: Start, desk: Desk) -> Iterator[Done]:
        """Every job's outcome as they finish; one job's failure never stops another.

        Closing it stops the work; a job with a true `keeps` stores as it goes and gets time to store what is in hand.
        """
        ...
