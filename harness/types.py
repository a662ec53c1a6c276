"""The values and errors that cross rooms. Imports numpy and nothing else of weight."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int32]
Role = Literal["query", "document", "text"]  # text: neither asks nor answers, as in sts or clustering
Similarity = Literal["cosine", "dot", "euclidean", "manhattan"]
Comparison = Literal["dot", "euclidean", "manhattan"]  # what an index computes; cosine is dot over unit vectors
Status = Literal["ok", "skipped", "failed"]


class HarnessError(Exception):
    """A mistake the user can mend: printed as one line, without a traceback; the process exits with `exit_code`."""

    exit_code = 1


class Inapplicable(HarnessError):
    """A part that does not apply to its input; a sweep records the variant as skipped, with this reason."""


class Unavailable(HarnessError):
    """Something outside this machine or installation could not be had: a hub, an endpoint, an optional package."""


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its type where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@dataclass(frozen=True)
class Texts:
    """Texts in file order with their unique ids; `texts[i]` belongs to `ids[i]`."""

    ids: tuple[str, ...]
    texts: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.ids) != len(self.texts):
            raise ValueError(f"{len(self.ids)} ids for {len(self.texts)} texts")

    def __len__(self) -> int:
        return len(self.ids)


class Judgement(NamedTuple):
    """One line of a qrels file: ids as written, an integer grade, and the `file:line` it came from."""

    query_id: str
    document_id: str
    grade: int
    place: str


class RawSet(NamedTuple):
    """What a format reads, before ids are resolved: `notes` count everything that was dropped or merged."""

    documents: Texts
    queries: Texts
    judgements: tuple[Judgement, ...]
    notes: tuple[Note, ...] = ()


class Qrels(NamedTuple):
    """Relevance judgements as three parallel arrays, one entry for each judged pair; empty where nothing is judged.

    query: int32 [j], position in `EvalSet.queries`.
    document: int32 [j], position in `EvalSet.documents`; -1 for a document that the corpus lacks. Such a
    judgement stays: trec_eval counts a missing relevant document in the denominators, and so do we.
    grade: int32 [j]; above 0 is relevant.
    """

    query: Ints
    document: Ints
    grade: Ints


NO_QRELS = Qrels(*(np.empty(0, dtype=np.int32) for _ in range(3)))


class Note(NamedTuple):
    """One finding about data: what was met, where, how often, what it does to the score, how to mend it.

    `level` is error, warning or info; `place` is `file:line` or empty; `count` cases; `example` is one, shortened.
    """

    code: str
    level: str
    place: str
    message: str
    effect: str = ""
    fix: str = ""
    count: int = 1  # type: ignore[assignment]  # hides tuple.count, which nobody calls on a note
    example: str = ""


@dataclass(frozen=True)
class EvalSet:
    """Corpus, queries and judgements, with what the manifest says of them; `sample` says what a smoke test kept.

    `instruction` fills templates such as e5-mistral's, `prompts` (by role) replace the models' own on this set,
    `public` is the public set that this is (`NAME`, `NAME/SUBSET`, either with `@SPLIT`), `settings` its task type's.
    What texts are scored against beside qrels is in `targets`, as `harness/layouts/__init__.py` lists by type.
    """

    name: str
    type: str
    documents: Texts
    queries: Texts
    qrels: Qrels
    languages: tuple[str, ...] = ()
    weight: float = 1.0
    guard: bool = False
    label_source: str = "unknown"
    exclude_self: bool = False
    notes: tuple[Note, ...] = ()
    source: str = ""
    sample: str = ""
    instruction: str = ""
    prompts: Mapping[Role, str] = field(default_factory=dict)
    public: str = ""
    split: str = "test"
    targets: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def searched(self) -> bool:
        """Whether documents are ranked for queries; otherwise both sides are plain texts."""
        return self.type in ("retrieval", "reranking")

    @property
    def sides(self) -> tuple[tuple[Role, Texts], ...]:
        """Documents, then queries, each with the role in which a model reads them."""
        roles: tuple[Role, Role] = ("document", "query") if self.searched else ("text", "text")
        return (roles[0], self.documents), (roles[1], self.queries)

    @property
    def scored(self) -> int:
        """How many items have a score of their own: queries, pairs, texts."""
        if self.searched:
            return int(np.unique(self.qrels.query[self.qrels.grade > 0]).size)
        if self.type == "summarization":
            return int(np.unique(self.targets["text"]).size)
        return len(self.documents if self.type == "clustering" else self.queries)

    @cached_property
    def sha256(self) -> str:
        """Hash of everything a score depends on: ids, texts, qrels, targets, `exclude_self`; not names or weights."""
        digest = hashlib.sha256(f"{self.type}|{self.exclude_self}".encode())
        for part in (self.documents, self.queries):
            for item, text in zip(part.ids, part.texts, strict=True):
                for value in (item, text):
                    raw = value.encode("utf-8", "surrogatepass")
                    digest.update(len(raw).to_bytes(8, "little") + raw)
            digest.update(b"|")
        for column in self.qrels:
            digest.update(np.ascontiguousarray(column, dtype="<i4").tobytes() + b"|")
        for name, values in sorted(self.targets.items()):
            exact = np.ascontiguousarray(values, dtype="<f8" if values.dtype.kind == "f" else "<i4")
            digest.update(f"{name}{exact.shape}|".encode() + exact.tobytes())
        return digest.hexdigest()


class Encoded(NamedTuple):
    """What one forward pass gives for some texts.

    vectors: for each pooling asked for, in that order, float32 [n, d]; where a text has several rows (`Traits.gives`),
    float32 [rows, d], those of the first text first.
    tokens: int32 [n], tokens that were encoded; full_tokens: int32 [n], tokens before the cut at the maximum.
    counts: int32 [n], rows of each text; None where each has one.
    """

    vectors: tuple[Floats, ...]
    tokens: Ints
    full_tokens: Ints
    counts: Ints | None = None


class Traits(NamedTuple):
    """What a model says of itself, known without loading its weights.

    pooling: name of its own pooling, empty if it has no token
    states; max_tokens: 0 where there is no limit or it is not known; warnings: overrides a reader must know of.
    gives: `vector` (one row a text), `vectors` (a row for each token, for MaxSim) or `sparse` (weights of terms, packed
    in rows as `sparse.packed` says).
    """

    similarity: Similarity
    pooling: str
    max_tokens: int
    warnings: tuple[str, ...] = ()
    gives: Literal["vector", "vectors", "sparse"] = "vector"


class Said(NamedTuple):
    """One line that a user should see while a job runs."""

    line: str


class Working(NamedTuple):
    """So many characters went through a model; they are not stored yet."""

    characters: int


class Advanced(NamedTuple):
    """So many texts that went through a model are stored now."""

    texts: int


class Unwritable(HarnessError):
    """A disk that is full or may not be written: the whole sweep stops, since no job would keep what it does."""


Event = Said | Working | Advanced


class Vectors(NamedTuple):
    """float32 [n, d] rows in the order of the texts asked for, with int32 [n] token counts (see `Encoded`)."""

    rows: Floats
    tokens: Ints
    full_tokens: Ints
    counts: Ints | None = None


class Ranking(NamedTuple):
    """The first k documents for each query, best first, ties broken by document id descending.

    documents: int32 [q, k], positions in `EvalSet.documents`, -1 where fewer than k were found.
    scores: float64 [q, k], non-increasing along k; -inf where documents is -1.
    complete: bool [q], True where no document outside the k ties with the last of them.
    """

    documents: Ints
    scores: Doubles
    complete: NDArray[np.bool_]


class Judged(NamedTuple):
    """A ranking seen through judgements; only queries with a relevant document, in eval-set order.

    query: int32 [n], positions in `EvalSet.queries`.
    grades: int32 [n, k], grade of each ranked document, -1 where unjudged; `found`: bool [n, k], a document is there.
    ideal: int32 [n, m], all positive grades of the query in descending order, 0-padded.
    """

    query: Ints
    grades: Ints
    found: NDArray[np.bool_]
    ideal: Ints


class Evaluation(NamedTuple):
    """What a task type gives for one candidate on one eval set.

    per_query: metric key -> float64 [n] in the order of `query_ids`; the mean of `main` is the score, other metrics may
    be each item's influence (see `influence`). top: int32 [n, 10] best documents, [n, 0] where nothing is ranked;
    `unscored`: ids and top of queries without a relevant document; `facts`: named numbers (other metrics, ties, bytes).
    """

    main: str
    query_ids: tuple[str, ...]
    per_query: Mapping[str, Doubles]
    top: Ints
    facts: Mapping[str, float]
    warnings: tuple[str, ...] = ()
    unscored: tuple[tuple[str, ...], Ints] | None = None


@dataclass(frozen=True)
class Record:
    """One candidate on one eval set (`kind="quality"`), one measurement of speed (`timing`), or one map (`space`).

    `key` is the identity of everything that decides the content. `values` are numbers, `arrays` are per-query
    scores or raw samples; a skipped or failed record has a `reason` and neither.
    """

    key: str
    kind: Literal["quality", "timing", "space"]
    status: Status
    labels: Mapping[str, Any]
    values: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    reason: str = ""
    warnings: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
