"""Texts with several rows come back whole, in order and with their counts, or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.cache import entries
from harness.ragged import Ragged, chosen
from harness.shard import read_shard
from harness.shelf import Incomplete, Shelf, text_keys
from harness.types import Vectors


def many(*counts: int, d: int = 3, start: int = 0) -> Vectors:
    """Rows that count up, so that each is its own; text i has 10 + i tokens of 20 + i."""
    rows = np.arange(start, start + sum(counts) * d, dtype=np.float32).reshape(-1, d)
    n = np.arange(len(counts), dtype=np.int32)
    return Vectors(rows, n + 10, n + 20, np.array(counts, dtype=np.int32))


def keys_of(n: int) -> np.ndarray:
    return text_keys("", [f"text {i}" for i in range(n)])


def same(found: Vectors, expected: Vectors) -> None:
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)
        assert mine is not None and theirs is not None and mine.dtype == theirs.dtype


def test_rows_come_back_under_their_texts_in_any_order_and_as_often_as_asked(tmp_path: Path) -> None:
    shelf, stored = Ragged(tmp_path), many(3, 1, 2)
    shelf.append(keys_of(3), stored)
    same(shelf.load(keys_of(3)), stored)
    found = shelf.load(keys_of(3)[[2, 0, 2, 1]])
    assert found.counts is not None and found.counts.tolist() == [2, 3, 2, 1]
    assert found.rows[:, 0].tolist() == [12, 15, 0, 3, 6, 12, 15, 9]
    assert (found.tokens.tolist(), found.full_tokens.tolist()) == ([12, 10, 12, 11], [22, 20, 22, 21])
    same(found, chosen(stored, np.array([2, 0, 2, 1])))


def test_no_texts_have_no_rows(tmp_path: Path) -> None:
    shelf = Ragged(tmp_path)
    for d in (0, 3):
        found = shelf.load(keys_of(0))
        assert found.rows.shape == (0, d)
        assert found.counts is not None and found.counts.shape == found.tokens.shape == (0,)
        shelf.append(keys_of(1), many(2))
    assert chosen(many(2), np.empty(0, dtype=np.int64)).rows.shape == (0, 3)


def test_a_text_without_counts_has_one_row(tmp_path: Path) -> None:
    shelf = Ragged(tmp_path)
    shelf.append(keys_of(2), many(1, 1)._replace(counts=None))
    same(shelf.load(keys_of(2)), many(1, 1))


def test_half_precision_keeps_counts_that_it_could_not_write(tmp_path: Path) -> None:
    counts = [2049, 70_001]
    rows = np.ones((sum(counts), 1), dtype=np.float32)
    shelf = Ragged(tmp_path, "float16")
    shelf.append(keys_of(2), Vectors(rows, *(np.array([5, 6], dtype=np.int32),) * 2, np.array(counts, dtype=np.int32)))
    found = Ragged(tmp_path, "float16").load(keys_of(2))
    assert found.counts is not None and found.counts.tolist() == counts
    np.testing.assert_array_equal(found.rows, rows)


def test_texts_of_many_shards_are_served_together(tmp_path: Path) -> None:
    draw, n = np.random.default_rng(3), 400
    stored, shelf = many(*draw.integers(1, 40, n), d=2), Ragged(tmp_path)
    for part in np.array_split(draw.permutation(n), 5):
        shelf.append(keys_of(n)[part], chosen(stored, part))
    order = draw.integers(0, n, 1000)
    same(Ragged(tmp_path).load(keys_of(n)[order]), chosen(stored, order))


def test_a_key_at_the_very_end_has_its_rows_at_the_beginning(tmp_path: Path) -> None:
    key = np.frombuffer(b"\xff" * 16, dtype="S16")
    shelf = Ragged(tmp_path)
    shelf.append(key, many(300))
    np.testing.assert_array_equal(shelf.load(key).rows, many(300).rows)


def test_a_text_is_missing_as_a_whole(tmp_path: Path) -> None:
    shelf = Ragged(tmp_path)
    shelf.append(keys_of(2), many(3, 4))
    assert shelf.missing(keys_of(3)).tolist() == [False, False, True]
    with pytest.raises(Incomplete, match="1 of 3"):
        shelf.load(keys_of(3))


def test_a_damaged_shard_costs_its_texts_and_no_other(tmp_path: Path) -> None:
    shelf = Ragged(tmp_path)
    shelf.append(keys_of(2), many(3, 4))
    (path,) = tmp_path.glob("*.shard")
    shelf.append(text_keys("", ["other"]), many(2))
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(Incomplete):
        shelf.load(keys_of(2))
    assert shelf.dropped == [path.name]
    assert shelf.missing(keys_of(2)).all()
    assert not shelf.missing(text_keys("", ["other"])).any()
    shelf.append(keys_of(2), many(3, 4))
    same(shelf.load(keys_of(2)), many(3, 4))


def test_of_two_copies_with_other_counts_one_is_served_whole(tmp_path: Path) -> None:
    one, two = Ragged(tmp_path), Ragged(tmp_path)
    one.append(keys_of(1), many(5, start=100))
    two.append(keys_of(1), many(2))
    found = Ragged(tmp_path).load(keys_of(1))
    assert found.rows[:, 0].tolist() in ([0, 3], [100, 103, 106, 109, 112])


def test_a_shard_holds_a_texts_rows_side_by_side(tmp_path: Path) -> None:
    Ragged(tmp_path).append(keys_of(50), many(*[4] * 50))
    shard = read_shard(next(tmp_path.glob("*.shard")))
    assert shard is not None
    assert shard.tokens[::5].tolist() == [[4, -1]] * 50


def test_the_cache_counts_rows_and_not_what_says_how_many_there_are(tmp_path: Path) -> None:
    for _ in range(2):
        Ragged(tmp_path / "vectors" / "m" / "p").append(keys_of(2), many(3, 4), "e document")
    Shelf(tmp_path / "vectors" / "m" / "q").append(keys_of(2), many(1, 1), "e document")
    assert [(e.pooling, e.vectors) for e in entries(tmp_path)] == [("p", 7), ("q", 2)]
