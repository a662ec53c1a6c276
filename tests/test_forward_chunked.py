"""Of each eval set exactly what the planned needs ask for goes through the model: whole, in passages, or both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.encoders.hashing import Hashing, OpenHashing
from harness.forward import StoredVectors, Work
from harness.parts import identity
from harness.poolings.max import Max
from harness.poolings.mean import Mean
from harness.poolings.native import Native
from harness.protocols import Chunking, Encoder, Need, Passages, Pooling
from harness.shelf import text_keys
from harness.types import EvalSet, HarnessError, Inapplicable, Qrels, Texts

CUTS: list[int] = []


@dataclass(frozen=True)
class Letters:
    """Passages of so many letters."""

    size: int

    def cut(self, texts: Sequence[str], encoder: Encoder | None) -> Passages:
        CUTS.append(self.size)
        if self.size < 1:
            raise Inapplicable("no letters")
        pieces = [[t[i : i + self.size] for i in range(0, max(1, len(t)), self.size)] for t in texts]
        owner = np.repeat(np.arange(len(texts), dtype=np.int32), [len(own) for own in pieces])
        return Passages(tuple(p for own in pieces for p in own), owner)


def evalset(*documents: str, queries: Sequence[str] = ("query",)) -> EvalSet:
    sides = [Texts(tuple(str(i) for i in range(len(texts))), tuple(texts)) for texts in (documents, queries)]
    return EvalSet("e", "retrieval", *sides, Qrels(*(np.zeros(1, dtype=np.int32) for _ in range(3))))


DATA = evalset("aabb", "cc", "aabbcc")


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The texts of each forward pass, sorted."""
    passes: list[tuple[str, ...]] = []
    encode = OpenHashing.encode
    monkeypatch.setattr(OpenHashing, "encode", lambda *g: (passes.append(tuple(sorted(g[1]))), encode(*g))[1])
    CUTS.clear()
    return passes


def source(folder: Path, *wanted: tuple[Pooling, Chunking | None], **more: Any) -> StoredVectors:
    return StoredVectors(folder, "cpu", [Need(Hashing(), p, c) for p, c in wanted], lambda _: None, **more)


def held(folder: Path, pooling: Pooling, texts: Sequence[str]) -> list[bool]:
    """Which texts lie on the shelf of a pooling."""
    one = source(folder)._home(Hashing()).shelf(identity(pooling))
    return (~one.missing(text_keys("", texts))).tolist()


def test_where_all_is_chunked_no_whole_document_is_encoded(tmp_path: Path, seen: list[Any]) -> None:
    one = source(tmp_path, (Native(), Letters(2)))
    assert one.missing(Hashing(), DATA) == Work(4, 11)
    one.fill(Hashing(), DATA)
    assert seen == [("aa", "bb", "cc"), ("query",)]
    assert one.missing(Hashing(), DATA) == Work(0, 0)


def test_whole_and_in_passages_of_two_lengths_is_one_pass_and_each_text_goes_through_once(
    tmp_path: Path, seen: list[Any]
) -> None:
    one = source(tmp_path, (Native(), None), (Native(), Letters(2)), (Native(), Letters(4)))
    expected = ("aa", "aabb", "aabbcc", "bb", "cc")
    assert one.missing(Hashing(), DATA) == Work(6, sum(map(len, expected)) + 5)
    one.fill(Hashing(), DATA)
    assert seen == [expected, ("query",)]


def test_a_pooling_is_stored_for_what_it_needs_and_no_more(tmp_path: Path, seen: list[Any]) -> None:
    one = source(tmp_path, (Native(), None), (Max(), Letters(2)), (Mean(), None), (Mean(), Letters(2)))
    one.fill(Hashing(), DATA)
    assert len(seen) == 2
    texts = ["aabb", "aabbcc", "cc", "aa", "bb", "query"]  # cc is a document and a passage
    assert held(tmp_path, Native(), texts) == [True, True, True, False, False, True]
    assert held(tmp_path, Max(), texts) == [False, False, True, True, True, True]
    assert held(tmp_path, Mean(), texts) == [True] * 6
    for pooling, asked in ((Native(), DATA.documents.texts), (Max(), Letters(2).cut(DATA.documents.texts, None).texts)):
        rows = one.vectors(Hashing(), pooling, "document", asked).rows
        np.testing.assert_array_equal(rows, Hashing().open("cpu").encode(asked, "document", [pooling], None).vectors[0])


def test_documents_are_cut_once_for_counting_and_filling(tmp_path: Path, seen: list[Any]) -> None:
    one = source(tmp_path, (Native(), Letters(2)), (Max(), Letters(2)), (Max(), Letters(3)))
    for _ in range(3):
        one.missing(Hashing(), DATA)
        one.fill(Hashing(), DATA)
    assert sorted(CUTS) == [2, 3]


def test_a_chunking_that_does_not_apply_is_left_to_its_variants(tmp_path: Path, seen: list[Any]) -> None:
    one = source(tmp_path, (Native(), Letters(0)), (Max(), Letters(2)))
    assert one.missing(Hashing(), DATA) == Work(4, 11)
    one.fill(Hashing(), DATA)
    assert seen == [("aa", "bb", "cc"), ("query",)]
    alone = source(tmp_path / "alone", (Native(), Letters(0)))
    assert alone.missing(Hashing(), DATA) == Work(0, 0)
    alone.fill(Hashing(), DATA)
    assert len(seen) == 2


def test_an_encoder_that_nothing_needs_has_nothing_to_encode(tmp_path: Path, seen: list[Any]) -> None:
    one = source(tmp_path, (Native(), None))
    assert one.missing(Hashing(seed=1), DATA) == Work(0, 0)
    one.fill(Hashing(seed=1), DATA)
    assert seen == []


def test_without_a_pass_before_it_a_variant_encodes_what_shares_its_texts(tmp_path: Path, seen: list[Any]) -> None:
    one = source(tmp_path, (Native(), Letters(2)), (Max(), Letters(2)), (Mean(), None))
    one.vectors(Hashing(), Native(), "document", ["aa", "bb"])
    one.vectors(Hashing(), Native(), "query", ["q"])
    assert [held(tmp_path, p, ["aa", "q"]) for p in (Native(), Max(), Mean())] == [
        [True] * 2,
        [True] * 2,
        [False, True],
    ]
    assert len(seen) == 2


@dataclass(frozen=True)
class Broken:
    """A pooling that fails."""

    native: bool = field(default=False, init=False)

    def pool(self, states: Any, mask: Any) -> Any:
        raise ValueError("no")


def test_a_failure_over_passages_is_met_again_at_once(tmp_path: Path, seen: list[Any]) -> None:
    one = source(tmp_path, (Broken(), Letters(2)))
    with pytest.raises(ValueError, match="no"):
        one.fill(Hashing(), DATA)
    passes = len(seen)
    with pytest.raises(ValueError, match="no"):
        one.vectors(Hashing(), Broken(), "document", list(Letters(2).cut(DATA.documents.texts, None).texts))
    assert len(seen) == passes


def test_an_eval_set_is_had_by_its_name(tmp_path: Path) -> None:
    one = source(tmp_path, sets={"dev": DATA})
    assert one.evalset("dev") is DATA
    with pytest.raises(HarnessError, match="no eval set named 'dew' has been read. Did you mean dev?"):
        one.evalset("dew")
    with pytest.raises(HarnessError, match="no eval set named 'dev' has been read.$"):
        source(tmp_path).evalset("dev")


def test_keys_of_texts_long_gone_are_never_taken_for_others(tmp_path: Path) -> None:
    one = source(tmp_path)
    for i in range(60):
        texts = [f"{i} {j}" for j in range(3)]
        rows = one.vectors(Hashing(), Native(), "document", texts).rows
        np.testing.assert_array_equal(
            rows, Hashing().open("cpu").encode(texts, "document", [Native()], None).vectors[0]
        )
        del texts
