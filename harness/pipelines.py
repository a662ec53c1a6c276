"""What retrievers made of retrievers share: two stages in a row, and what several members say, put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.parts import name_of
from harness.protocols import Lap, Searcher
from harness.ranking import best, stacked
from harness.types import Doubles, HarnessError, Ints, Ranking

_SUMMED = ("bytes_per_doc", "pairs_per_query")
_SHARES = ("documents_cut", "tokens_cut", "pairs_cut", "pair_tokens_cut")


class Scorer(Protocol):
    """The half of a `Searcher` that scores documents which another one has found."""

    facts: Mapping[str, float]
    warnings: tuple[str, ...]

    def score(self, candidates: Ints) -> Doubles: ...  # noqa: D102

    def probe_score(self, query: int, documents: Ints, lap: Lap) -> Doubles: ...  # noqa: D102


class TwoStage:
    """Ranks by `first`, then orders the first `depth` documents of each query again by the scores of `second`.

    Those behind keep the order of the first stage, their scores moved below every reordered one. `depth` is fixed, so
    the shortlist is that of a service and does not grow with the deepest metric that is asked for. `names` are those of
    the stages, for laps and warnings; `order` is `id_order` of the corpus.
    """

    def __init__(
        self, first: Searcher, second: Scorer, depth: int, names: Sequence[str], order: NDArray[np.int64]
    ) -> None:
        self.stages = (first, second)
        self.depth = depth
        self.names = names
        self.order = order
        self._tell()

    def _tell(self) -> None:
        self.facts: Mapping[str, float] = together([stage.facts for stage in self.stages])
        self.warnings: tuple[str, ...] = named(self.names, [stage.warnings for stage in self.stages])

    def rank(self, k: int) -> Ranking:
        """The k best for every query."""
        first, second = self.stages
        listed = first.rank(max(k, self.depth))
        scores = second.score(listed.documents[:, : self.depth])
        rows = [Ranking(*row) for row in zip(*listed, strict=True)]
        self._tell()
        return stacked([reordered(row, new, self.order, k) for row, new in zip(rows, scores, strict=True)])

    def score(self, candidates: Ints) -> Doubles:
        """Those of the second stage."""
        scores = self.stages[1].score(candidates)
        self._tell()
        return scores

    def probe(self, query: int, k: int, lap: Lap) -> Ints:
        """Both stages for one query, each with its own laps."""
        first, second = self.stages
        found = first.probe(query, max(k, self.depth), within(self.names[0], lap))
        head = found[: self.depth]
        scores = second.probe_score(query, head, within(self.names[1], lap))
        head = head[np.lexsort((-self.order[head], -scores))]
        return np.concatenate([head, found[self.depth :]])[:k]

    def probe_score(self, query: int, documents: Ints, lap: Lap) -> Doubles:
        """The second stage alone."""
        return self.stages[1].probe_score(query, documents, within(self.names[1], lap))


def reordered(row: Ranking, scores: Doubles, order: NDArray[np.int64], k: int) -> Ranking:
    """One query's ranking with its first documents ordered by new scores, cut to k.

    scores: float64 [depth] of the first documents, ignored where there is none; order: `id_order` of the corpus. The
    scores of those behind are shifted to begin 1 below the last of the new ones, so their order and their ties stay.
    """
    depth = len(scores)
    head = row.documents[:depth]
    known = head >= 0
    ranked = best(head[known], scores[known], order, min(k, depth))
    if k <= depth:
        return ranked
    tail = row.scores[depth:k]
    below = tail - tail[0] + ranked.scores[-1] - 1 if np.isfinite(tail[0]) else tail
    documents = np.concatenate([ranked.documents, row.documents[depth:k]])
    return Ranking(documents, np.concatenate([ranked.scores, below]), row.complete)


def continued(head: Ranking, deep: Ranking) -> Ranking:
    """A ranking of many queries to the depth of `deep`, that begins with `head`, a shallower search of the same index.

    An approximate index asked for more looks further and may find other first documents than a service is given.
    """
    return stacked([_continued(Ranking(*h), Ranking(*d)) for h, d in zip(zip(*head), zip(*deep), strict=True)])  # noqa: B905


def _continued(head: Ranking, deep: Ranking) -> Ranking:
    k = len(deep.documents)
    first = head.documents >= 0
    rest = (deep.documents >= 0) & ~np.isin(deep.documents, head.documents[first])
    documents = np.concatenate([head.documents[first], deep.documents[rest]])[:k]
    last = head.scores[first][-1] if first.any() else 0.0
    scores = np.concatenate([head.scores[first], np.minimum(deep.scores[rest], last)])[:k]
    missing = k - len(documents)
    return Ranking(
        np.pad(documents, (0, missing), constant_values=-1),
        np.pad(scores, (0, missing), constant_values=-np.inf),
        deep.complete,
    )


def together(members: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Facts of retrievers that are deployed together.

    Bytes and pairs add up, since a deployment stores and reads what each member does; of the shares of cut text the
    largest counts; any other fact stays where one member alone has it.
    """
    found: dict[str, list[float]] = {}
    for facts in members:
        for name, value in facts.items():
            found.setdefault(name, []).append(value)
    return {n: _joined(n, values) for n, values in found.items() if len(values) == 1 or _joins(n)}


def _joins(name: str) -> bool:
    return name.endswith("_bytes") or name in _SUMMED + _SHARES


def _joined(name: str, values: Sequence[float]) -> float:
    return max(values) if name in _SHARES else sum(values)


def named(names: Sequence[str], warnings: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """The members' warnings, each after its member's name; without one where the name is empty."""
    return tuple(f"{name}: {one}" if name else one for name, own in zip(names, warnings, strict=True) for one in own)


def names_of(parts: Sequence[Any]) -> list[str]:
    """The parts' names, numbered where one occurs twice: `bm25`, `dense 1`, `dense 2`."""
    plain = [name_of(part) for part in parts]
    return [f"{n} {plain[: i + 1].count(n)}" if plain.count(n) > 1 else n for i, n in enumerate(plain)]


def within(name: str, lap: Lap) -> Lap:
    """A lap for an inner retriever, whose stages are then called `name: stage`."""
    return (lambda stage: lap(f"{name}: {stage}")) if name else lap


def check_positive(name: str, value: int) -> None:
    """HarnessError unless the value is at least 1."""
    if value < 1:
        raise HarnessError(f"{name}={value}: expected a whole number of at least 1")
