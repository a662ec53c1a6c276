"""Models that give several rows a text, and models whose texts do not depend on one another, through the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest

from harness.encoders.hashing import Hashing
from harness.forward import StoredVectors
from harness.poolings.native import Native
from harness.shard import read_shard
from harness.types import Advanced, Encoded, Event, HarnessError, Role, Traits

TEXTS = ["red apple pie", "", "plum", "green pear", "plum", "a b c d e f g h"]
ENCODED: list[list[str]] = []


@dataclass(frozen=True)
class Words:
    """A row for each word of a text, and one for a text without words: its length and the word's."""

    gives: Literal["vector", "vectors", "sparse"] = "vectors"
    prefix: str = ""

    def content(self) -> Mapping[str, str]:
        return {}

    def traits(self) -> Traits:
        return Traits("dot", "", 0, (), self.gives)

    def prompt(self, role: Role) -> str:
        return self.prefix if role == "query" else ""

    def bare(self) -> Words:
        return replace(self, prefix="")

    def open(self, device: str) -> Any:
        return OpenWords(self)


class OpenWords:
    spoil: Callable[[Encoded], Encoded] = staticmethod(lambda encoded: encoded)

    def __init__(self, part: Words) -> None:
        self.part = part

    def encode(self, texts: Sequence[str], role: Role, poolings: Any, batch_size: int | None) -> Encoded:
        ENCODED.append(list(texts))
        words = [(self.part.prompt(role) + t).split() or [""] for t in texts]
        rows = np.array([(len(text), len(w), 4097.0) for text, own in zip(texts, words, strict=True) for w in own])
        counts = np.array([len(own) for own in words], dtype=np.int32)
        return self.spoil(Encoded((rows.astype(np.float32),) * len(poolings), counts, counts + 1, counts))


@pytest.fixture(autouse=True)
def _nothing_encoded() -> None:
    ENCODED.clear()


def source(folder: Path, tell: Callable[[Event], None] = lambda _: None, dtype: str = "float32") -> StoredVectors:
    return StoredVectors(folder, "cpu", (), tell, dtype)


def encoded(folder: Path, encoder: Words = Words(), texts: Sequence[str] = TEXTS, role: Role = "document") -> list[Any]:  # noqa: B008
    found = source(folder).vectors(encoder, Native(), role, texts)
    return [None if column is None else column.tolist() for column in found]


def direct(texts: Sequence[str] = TEXTS) -> list[Any]:
    found = Words().open("cpu").encode(texts, "document", [Native()], None)
    ENCODED.clear()
    return [found.vectors[0].tolist(), found.tokens.tolist(), found.full_tokens.tolist(), found.counts.tolist()]


def test_every_text_gets_its_rows_in_order_whether_encoded_or_read(tmp_path: Path) -> None:
    assert encoded(tmp_path) == direct()
    ENCODED.clear()
    assert encoded(tmp_path) == direct()
    assert encoded(tmp_path, texts=[]) == [[], [], [], []]
    assert encoded(tmp_path, texts=TEXTS[::-1]) == direct(TEXTS[::-1])
    assert ENCODED == []


@pytest.mark.parametrize("batch", [1, 2, 1000])
@pytest.mark.parametrize("characters", [1, 10, 100_000])
def test_batches_and_pieces_change_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int, characters: int
) -> None:
    monkeypatch.setattr("harness.filling._STORE_TEXTS", batch)
    monkeypatch.setattr("harness.filling._SIGN_CHARACTERS", characters)
    assert encoded(tmp_path) == direct()


def test_one_changed_text_is_encoded_alone_and_a_repeated_one_once(tmp_path: Path) -> None:
    encoded(tmp_path)
    assert sorted(text for batch in ENCODED for text in batch) == sorted(set(TEXTS))
    ENCODED.clear()
    encoded(tmp_path, texts=[*TEXTS, "new"])
    assert ENCODED == [["new"]]


def test_a_prompt_is_part_of_what_is_stored(tmp_path: Path) -> None:
    encoded(tmp_path)
    assert encoded(tmp_path, Words(prefix="find me "), role="query")[3] == [5, 2, 3, 4, 3, 10]
    assert encoded(tmp_path) == direct()


def test_a_damaged_shard_is_encoded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.filling._STORE_TEXTS", 2)
    expected = direct()
    encoded(tmp_path)
    path = min(tmp_path.rglob("*.shard"))
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    whole = list(ENCODED)
    ENCODED.clear()
    assert encoded(tmp_path) == expected
    assert len(ENCODED) == 1 and ENCODED[0] in whole


def test_two_sources_of_one_folder_see_each_others_rows(tmp_path: Path) -> None:
    one, two = source(tmp_path), source(tmp_path)
    one.vectors(Words(), Native(), "document", TEXTS[:3])
    two.vectors(Words(), Native(), "document", TEXTS[2:])
    ENCODED.clear()
    for each in (one, two):
        assert each.vectors(Words(), Native(), "document", TEXTS).rows.tolist() == direct()[0]
    assert ENCODED == []


def test_after_a_kill_the_same_texts_share_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.filling._STORE_TEXTS", 2)
    encoded(tmp_path / "whole")
    whole = list(ENCODED)
    ENCODED.clear()
    calls, encode = iter(range(9)), OpenWords.encode

    def dying(self: OpenWords, *given: Any) -> Encoded:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return encode(self, *given)

    with monkeypatch.context() as patched:
        patched.setattr(OpenWords, "encode", dying)
        with pytest.raises(KeyboardInterrupt):
            encoded(tmp_path / "killed")
    assert whole[:1] == ENCODED
    expected = direct()
    assert encoded(tmp_path / "killed") == expected
    assert whole[1:] == ENCODED


def test_term_weights_stay_exact_in_a_store_of_half_precision(tmp_path: Path) -> None:
    half = source(tmp_path, dtype="float16")
    assert half.vectors(Words("sparse"), Native(), "document", ["plum"]).rows.tolist() == [[4, 4, 4097]]
    assert half.vectors(Words("vectors"), Native(), "document", ["plum"]).rows.tolist() == [[4, 4, 4096]]
    dtypes = {shard.head.dtype for path in tmp_path.rglob("*.shard") if (shard := read_shard(path))}
    assert dtypes == {"float16", "float32"}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda e: e._replace(vectors=(e.vectors[0][:-1],)), "returned 14 vectors for 5 texts that have 15"),
        (lambda e: e._replace(counts=e.counts[:-1]), "returned 4 vectors for 5 texts"),
        (lambda e: e._replace(counts=e.counts - (e.counts == 1)), "no vector for 2 of 5 texts"),
        (lambda e: e._replace(counts=None), "returned 15 vectors for 5 texts that have 5"),
        (lambda e: e._replace(vectors=(e.vectors[0] * np.nan,)), "not finite"),
    ],
)
def test_rows_that_are_not_as_counted_are_refused_and_never_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Encoded], Encoded], message: str
) -> None:
    monkeypatch.setattr(OpenWords, "spoil", staticmethod(spoil))
    with pytest.raises(HarnessError, match=message):
        encoded(tmp_path)
    assert not list(tmp_path.rglob("*.shard"))


def test_several_rows_from_a_model_of_one_vector_a_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="one vector a text"):
        encoded(tmp_path, Words("vector"))


@dataclass(frozen=True)
class Remote(Hashing):
    """Texts behind a service: one does not depend on another."""

    independent: ClassVar[bool] = True

    def bare(self) -> Remote:
        return replace(self, prompts={})


@pytest.mark.parametrize(("encoder", "stored"), [(Hashing(), 0), (Remote(), 2)])
def test_of_a_service_what_was_answered_before_it_failed_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: Hashing, stored: int
) -> None:
    monkeypatch.setattr("harness.filling._SIGN_CHARACTERS", 4)
    real, calls, heard = encoder.open("cpu"), iter(range(9)), list[Event]()

    class Failing:
        def encode(self, *given: Any) -> Encoded:
            if next(calls) == 2:
                raise HarnessError("429")
            return real.encode(*given)

    one = source(tmp_path, heard.append)
    monkeypatch.setattr(one, "opened", lambda _: Failing())
    with pytest.raises(HarnessError, match="429"):
        one.vectors(encoder, Native(), "document", ["aaaa", "bbbb", "cccc", "dddd"])
    assert sum(event.texts for event in heard if isinstance(event, Advanced)) == stored
