"""The faiss index that would serve the codes finds what the product over decoded codes finds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.parts import available, find
from harness.quantizers.binary import Binary
from harness.quantizers.float32 import Float32
from harness.quantizers.int4 import Int4
from harness.quantizers.int8 import Int8
from harness.quantizers.opq import Opq
from harness.quantizers.pq import Pq
from harness.types import Comparison, Floats
from tests.material import clustered, overlap

pytest.importorskip("faiss")
DOCUMENTS, QUERIES = clustered(600, 42, 1), clustered(30, 42, 2)
GIVEN = {"pq": Pq(14, 5), "opq": Opq(14, 5)}
PARTS = [GIVEN[name] if name in GIVEN else find("quantizers", name)() for name in available("quantizers")]


def scores_of(decoded: Floats, asked: Floats, comparison: Comparison) -> Floats:
    if comparison == "dot":
        return asked @ decoded.T
    order = 2 if comparison == "euclidean" else 1
    return -np.linalg.norm(asked[:, None] - decoded[None], ord=order, axis=2)


@pytest.mark.parametrize("comparison", ["dot", "euclidean", "manhattan"])
@pytest.mark.parametrize("part", [*PARTS, Int8(symmetric=True)], ids=str)
def test_its_top_10_is_that_of_the_decoded_codes(part: Any, comparison: Comparison) -> None:
    fitted = part.fit(DOCUMENTS)
    decoded, asked = fitted.decode(fitted.encode(DOCUMENTS)), fitted.query(QUERIES)
    index = fitted.deployed(decoded, comparison)
    if comparison == "manhattan" and not isinstance(part, Float32 | Binary):
        assert index is None
        return
    _, found = index.search(asked, 10)
    assert found.shape == (30, 10)
    assert found.dtype == np.int64
    scores = scores_of(decoded, asked, comparison)
    tenth = np.sort(scores, axis=1)[:, -10, None]
    reached = np.take_along_axis(scores, found, axis=1)
    assert (reached >= tenth - 1e-4).mean() > 0.99, "up to ties, what faiss finds is among the ten best"
    assert all(len(set(row)) == 10 for row in found.tolist())


@pytest.mark.parametrize("comparison", ["dot", "euclidean"])
def test_an_index_of_other_codes_would_be_noticed(comparison: Comparison) -> None:
    four, eight = Int4().fit(DOCUMENTS), Int8().fit(DOCUMENTS)
    found = [
        [set(row) for row in f.deployed(f.decode(f.encode(DOCUMENTS)), comparison).search(QUERIES, 10)[1].tolist()]
        for f in (four, eight)
    ]
    assert overlap(*found) < 0.97


def test_hamming_distances_are_those_of_the_packed_bits_for_odd_dimensions() -> None:
    fitted = Binary().fit(DOCUMENTS)
    codes = fitted.encode(DOCUMENTS)
    distances, found = fitted.deployed(fitted.decode(codes), "dot").search(fitted.query(QUERIES), 5)
    bits = (QUERIES >= 0)[:, None] != (DOCUMENTS >= 0)[None]
    np.testing.assert_array_equal(distances, np.take_along_axis(bits.sum(axis=2), found, axis=1))
