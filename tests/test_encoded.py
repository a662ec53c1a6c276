"""Vectors that are not finite are refused, with the first text that has them."""

from __future__ import annotations

import numpy as np
import pytest

from harness.encoded import joined
from harness.poolings.cls import Cls
from harness.poolings.native import Native
from harness.types import Encoded, HarnessError

TEXTS = ["one", "two", "three " * 20, "four\nlines", "five"]


def passed(counts: list[int], bad: list[int], columns: int = 1) -> Encoded:
    rows = np.ones((sum(counts), 4), np.float32)
    rows[bad, 2] = np.nan
    n, many = np.ones(len(counts), np.int32), np.array(counts, np.int32)
    return Encoded((rows, *[np.ones_like(rows)] * (columns - 1)), n, n, None if max(counts) == 1 else many)


def test_the_first_text_is_named_in_its_first_60_characters_on_one_line() -> None:
    passes = [passed([1, 1], []), passed([1, 1, 1], [0, 1])]
    with pytest.raises(HarnessError, match="for 2 of 5 texts, first 'three three .*model.dtype=float32") as caught:
        joined(passes, [Native()], TEXTS)
    assert repr(("three " * 20)[:60]) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_rows_of_a_text_are_counted_as_one_text() -> None:
    with pytest.raises(HarnessError, match=r"for 1 of 5 texts, first 'four\\nlines'"):
        joined([passed([2, 1], []), passed([3, 2, 1], [3, 4])], [Native()], TEXTS)


def test_a_pooling_whose_vectors_are_finite_is_kept_beside_one_whose_are_not() -> None:
    found = joined([passed([1] * 5, [1], columns=2)], [Cls(), Native()], TEXTS)
    assert list(found) == [Native()]


def test_passes_of_different_widths_are_no_one_model() -> None:
    passes = [
        Encoded((np.ones((1, width), dtype=np.float32),), *[np.ones(1, dtype=np.int32)] * 2) for width in (32, 33)
    ]
    with pytest.raises(HarnessError, match="of 33 dimensions and before of 32: not one model. Check the endpoint"):
        joined(passes, [Native()], ["a", "b"])
