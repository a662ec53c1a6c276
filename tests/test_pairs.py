"""A pair of texts is scored once, and its score is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.cache import entries, prune
from harness.encoders.hashing import Hashing
from harness.filling import asked_for, store_batches
from harness.forward import StoredVectors
from harness.pairs import pair_keys
from harness.shelf import text_keys
from harness.types import Advanced, Event, HarnessError, Working

QUERIES, DOCUMENTS = ["cat", "cat", "dog", "cat"], ["a cat", "a", "", "a cat"]
SCORED: list[tuple[str, str]] = []


@dataclass(frozen=True)
class Lengths:
    """Scores a pair by its lengths, and writes down that it did; `spoil` edits what it gives."""

    scale: float = 1.0

    def content(self) -> dict[str, str]:
        return {}

    def limit(self) -> int:
        return 0

    def rerank(self, device: str) -> Any:
        return OpenLengths(self)


class OpenLengths:
    spoil: Callable[[Any], Any] = staticmethod(lambda scores: scores)

    def __init__(self, part: Lengths) -> None:
        self.part = part

    def score(self, queries: Sequence[str], documents: Sequence[str]) -> Any:
        SCORED.extend(zip(queries, documents, strict=True))
        pairs = zip(queries, documents, strict=True)
        return self.spoil(np.array([self.part.scale * (10 * len(q) + len(d)) for q, d in pairs], dtype=np.float32))


@pytest.fixture(autouse=True)
def _nothing_scored() -> None:
    SCORED.clear()


def source(folder: Path, tell: Callable[[Event], None] = lambda _: None) -> StoredVectors:
    return StoredVectors(folder, "cpu", (), tell, "float16")


def test_scores_stand_in_the_order_of_the_pairs_and_each_pair_is_scored_once(tmp_path: Path) -> None:
    one = source(tmp_path)
    scores = one.pairs(Lengths(), QUERIES, DOCUMENTS)
    assert scores.dtype == np.float32
    assert scores.tolist() == [35, 31, 30, 35]
    assert sorted(SCORED) == [("cat", "a"), ("cat", "a cat"), ("dog", "")]
    assert source(tmp_path).pairs(Lengths(), QUERIES[::-1], DOCUMENTS[::-1]).tolist() == [35, 30, 31, 35]
    assert one.pairs(Lengths(), ["dog", "dog"], ["", "new"]).tolist() == [30, 33]
    assert SCORED[3:] == [("dog", "new")]


def test_scores_are_kept_in_full_precision_whatever_vectors_are(tmp_path: Path) -> None:
    reranker = Lengths(scale=4097 / 31)
    first = source(tmp_path).pairs(reranker, ["cat"], ["a"])
    assert first.tolist() == source(tmp_path).pairs(reranker, ["cat"], ["a"]).tolist() == [4097.0]


def test_no_pairs_have_no_scores(tmp_path: Path) -> None:
    assert source(tmp_path).pairs(Lengths(), [], []).shape == (0,)
    with pytest.raises(HarnessError, match="2 queries and 1 documents"):
        source(tmp_path).pairs(Lengths(), ["a", "b"], ["c"])


def test_another_reranker_has_scores_of_its_own(tmp_path: Path) -> None:
    one = source(tmp_path)
    assert one.pairs(Lengths(), ["cat"], ["a"]).tolist() == [31]
    assert one.pairs(Lengths(2.0), ["cat"], ["a"]).tolist() == [62]


def test_query_and_document_cannot_be_read_as_another_pair() -> None:
    keys = pair_keys(["a", "ab", "", "1|a"], ["bc", "c", "abc", "bc"])
    assert len(set(keys.tolist())) == 4


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s: s[:-1], r"shape \(2,\) for 3 pairs"),
        (lambda s: s[:, None], r"shape \(3, 1\) for 3 pairs"),
        (lambda s: np.where(s > 34, np.nan, s), "not finite"),
        (lambda s: s * np.inf, "not finite"),
    ],
)
def test_scores_that_cannot_be_are_refused_and_never_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Any], Any], message: str
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(OpenLengths, "spoil", staticmethod(spoil))
        with pytest.raises(HarnessError, match=message):
            source(tmp_path).pairs(Lengths(), QUERIES, DOCUMENTS)
    assert not list(tmp_path.rglob("*.shard"))
    assert source(tmp_path).pairs(Lengths(), QUERIES, DOCUMENTS).tolist() == [35, 31, 30, 35]


def failing(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """The call after so many is interrupted."""
    calls, score = iter(range(100)), OpenLengths.score

    def once(self: OpenLengths, *given: Any) -> Any:
        if next(calls) == after:
            raise KeyboardInterrupt
        return score(self, *given)

    monkeypatch.setattr(OpenLengths, "score", once)


def test_what_was_scored_before_a_kill_is_kept_and_the_rest_is_scored_in_the_same_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.filling._STORE_TEXTS", 2)
    queries, documents = ["q"] * 7, ["x" * i for i in range(7)]
    source(tmp_path / "whole").pairs(Lengths(), queries, documents)
    whole = list(SCORED)
    SCORED.clear()
    with monkeypatch.context() as patched:
        failing(patched, after=2)
        with pytest.raises(KeyboardInterrupt):
            source(tmp_path / "killed").pairs(Lengths(), queries, documents)
    assert whole[:4] == SCORED
    source(tmp_path / "killed").pairs(Lengths(), queries, documents)
    assert whole == SCORED


def test_a_group_shares_store_batches_in_an_order_of_its_own_and_is_cut_only_where_it_fills_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("harness.filling._STORE_TEXTS", 4)
    pairs = [(query, "x" * n) for n in range(1, 7) for query in "abc" if query == "c" or n <= 2]

    def cut(pairs: list[tuple[str, str]]) -> list[list[tuple[str, str]]]:
        queries, documents = [q for q, _ in pairs], [d for _, d in pairs]
        keys = pair_keys(queries, documents)
        asked = asked_for(keys, map(len, documents), {}, text_keys("", queries))
        return [[pairs[asked.at[i]] for i in part] for part in store_batches(asked, small=True)]

    parts = cut(pairs)
    assert sorted(pair for part in parts for pair in part) == sorted(pairs)
    by_query = [[query, [len(d) for part in parts for q, d in part if q == query]] for query in "abc"]
    assert by_query == [["a", [2, 1]], ["b", [2, 1]], ["c", [6, 5, 4, 3, 2, 1]]]
    assert [sum(any(q == query for q, _ in part) for part in parts) for query in "abc"] == [1, 1, 2]
    assert cut(pairs[::-1]) == parts


def test_a_long_batch_shows_signs_of_life_and_says_what_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.filling._SIGN_CHARACTERS", 10)
    heard: list[Event] = []
    source(tmp_path, heard.append).pairs(Lengths(), QUERIES, DOCUMENTS)
    assert heard == [Working(0), Working(0), Advanced(0)]


def test_a_reranker_takes_the_place_of_the_open_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []
    for kind, verb in ((Hashing, "open"), (Lengths, "rerank")):
        monkeypatch.setattr(kind, verb, lambda self, device: opened.append(type(self).__name__) or object())
    one = source(tmp_path)
    one.opened(Hashing())
    first = one.reranking(Lengths())
    assert one.reranking(replace(Lengths())) is first
    one.reranking(Lengths(2.0)), one.opened(Hashing())
    assert opened == ["Hashing", "Lengths", "Lengths", "Hashing"]


def test_a_damaged_file_of_scores_is_scored_again(tmp_path: Path) -> None:
    source(tmp_path).pairs(Lengths(), QUERIES, DOCUMENTS)
    (path,) = tmp_path.rglob("*.shard")
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    heard: list[Any] = []
    assert source(tmp_path, heard.append).pairs(Lengths(), QUERIES, DOCUMENTS).tolist() == [35, 31, 30, 35]
    assert len(SCORED) == 6
    assert heard[0].line == f"store: {path.name} was damaged; its texts are encoded again"


def test_the_cache_shows_scores_and_prunes_them(tmp_path: Path) -> None:
    source(tmp_path).pairs(Lengths(), QUERIES, DOCUMENTS)
    (found,) = entries(tmp_path)
    assert (found.model, found.pooling, found.vectors, found.dtype) == ("test_pairs", "pairs", 3, "float32")
    assert prune(tmp_path, model="test_pairs").files == 1
    assert entries(tmp_path) == []
    assert source(tmp_path).pairs(Lengths(), ["cat"], ["a"]).tolist() == [31]
