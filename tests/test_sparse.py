"""Weights of terms as rows of one width."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from harness.sparse import packed, unpacked, width_of
from harness.types import HarnessError


def weights(*texts: dict[int, float], width: int = 40_000) -> csr_array:
    matrix = np.zeros((len(texts), width), dtype=np.float32)
    for row, terms in zip(matrix, texts, strict=True):
        row[list(terms)] = list(terms.values())
    return csr_array(matrix)


def test_a_row_holds_64_ids_and_then_64_weights() -> None:
    rows, counts = packed(weights({7: 0.5, 30_522: 2.0}, {}))
    assert rows.shape == (2, 128) and rows.dtype == np.float32
    assert counts.tolist() == [1, 1] and counts.dtype == np.int32
    assert rows[0, :3].tolist() == [7, 30_522, 0]
    assert rows[0, 64:67].tolist() == [0.5, 2.0, 0]
    assert not rows[1].any()


@pytest.mark.parametrize(("terms", "rows"), [(0, 1), (1, 1), (64, 1), (65, 2), (128, 2), (129, 3)])
def test_a_text_takes_as_many_rows_as_its_terms_need_and_at_least_one(terms: int, rows: int) -> None:
    text = {3 * i: 1.0 + i for i in range(terms)}
    assert packed(weights({5: 1.0}, text, {6: 1.0}))[1].tolist() == [1, rows, 1]


def test_what_was_packed_comes_back_as_it_was() -> None:
    draw = np.random.default_rng(0)
    matrix = draw.random((50, 3000), dtype=np.float32) * (draw.random((50, 3000)) < draw.random((50, 1)) / 8)
    matrix[[0, 13, 49]] = 0
    rows, counts = packed(csr_array(matrix))
    back = unpacked(rows, counts, 3000)
    assert back.dtype == np.float32
    assert np.array_equal(back.toarray(), matrix)
    assert width_of(rows) == 1 + np.flatnonzero(matrix.any(axis=0)).max()
    assert np.array_equal(unpacked(rows, counts, width_of(rows)).toarray(), matrix[:, : width_of(rows)])


def test_each_text_is_packed_by_itself() -> None:
    matrix = weights(dict.fromkeys(range(70), 1.0), {}, {9: 2.0})
    rows = packed(matrix)[0]
    assert np.array_equal(rows, np.concatenate([packed(matrix[[i]])[0] for i in range(3)]))


@pytest.mark.parametrize("bad", [-0.5, np.nan, np.inf])
def test_a_weight_that_no_sparse_model_gives_is_refused(bad: float) -> None:
    with pytest.raises(HarnessError, match="negative or not finite"):
        packed(weights({1: 1.0, 2: bad}))


def test_more_terms_than_float32_can_number_are_refused() -> None:
    packed(csr_array((1, 2**24)))
    with pytest.raises(HarnessError, match="more terms"):
        packed(csr_array((1, 2**24 + 1)))


def test_rows_that_hold_no_term_weights_are_refused() -> None:
    rows, counts = packed(weights(dict.fromkeys(range(2000, 2100), 1.0), {3: 1.0}))
    rounded = rows.astype(np.float16).astype(np.float32)  # ids above 2048 lose their last digits
    fraction, unsorted = rows.copy(), rows.copy()
    fraction[0, 0] += 0.5
    unsorted[0, :64] = unsorted[0, 63::-1]
    for damaged in (rounded, fraction, unsorted):
        with pytest.raises(HarnessError, match="damaged"):
            unpacked(damaged, counts, 40_000)
    with pytest.raises(HarnessError, match="damaged"):
        unpacked(rows, counts, 2099)
