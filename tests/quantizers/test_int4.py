"""Four-bit scalar quantization."""

from __future__ import annotations

import numpy as np
import pytest

from harness.quantizers.int4 import Int4
from harness.quantizers.int8 import Int8
from harness.types import Inapplicable
from tests.material import clustered, overlap, top


def test_two_levels_share_a_byte_the_first_in_its_low_half() -> None:
    documents = np.array([[0.0, -1.0, 5.0], [1.5, 2.0, 5.0], [0.3, 1.0, 5.0]], np.float32)
    fitted = Int4().fit(documents)
    codes = fitted.encode(documents)
    assert codes.dtype == np.uint8
    assert codes.tolist() == [[0x00, 0], [0xFF, 0], [0xA3, 0]]  # the third dimension never changes
    np.testing.assert_allclose(fitted.decode(codes), documents, atol=1e-6)
    assert fitted.overhead_bytes == 3 * 2 * 4


@pytest.mark.parametrize("dim", [1, 2, 7, 64])
def test_decoding_is_off_by_half_a_step_at_most_for_odd_and_even_dimensions(dim: int) -> None:
    documents = clustered(200, 64, 1)[:, :dim]
    fitted = Int4().fit(documents)
    codes = fitted.encode(documents)
    assert codes.shape == (200, (dim + 1) // 2)
    error = np.abs(fitted.decode(codes) - documents)
    assert (error <= fitted.levels.step * 0.5001).all()
    assert (error.max(axis=0) > fitted.levels.step * 0.4).all(), "16 levels, not more"


def test_codes_are_packed_as_those_of_faiss() -> None:
    faiss = pytest.importorskip("faiss")
    documents = clustered(200, 7, 1)
    fitted = Int4().fit(documents)
    codes = fitted.encode(documents)
    index = fitted.deployed(fitted.decode(codes), "dot")
    theirs = faiss.vector_to_array(index.codes).reshape(200, -1)  # type: ignore[union-attr]
    assert np.array_equal(codes, theirs)


def test_it_ranks_worse_than_eight_bits_and_far_better_than_chance() -> None:
    documents, queries = clustered(2000, 64, 1, spread=1.0), clustered(80, 64, 2, spread=1.0)
    four, eight = Int4().fit(documents), Int8().fit(documents)
    kept = [overlap(top(documents, queries), top(f.decode(f.encode(documents)), queries)) for f in (four, eight)]
    assert 0.6 < kept[0] < kept[1] - 0.05


def test_values_outside_the_range_are_clipped_and_no_documents_do_not_apply() -> None:
    fitted = Int4().fit(np.array([[0.0, 0.0], [1.5, 1.5]], np.float32))
    assert fitted.encode(np.array([[-9, 9], [9, -9]], np.float32)).tolist() == [[0xF0], [0x0F]]
    with pytest.raises(Inapplicable, match="int4 needs documents"):
        Int4().fit(np.zeros((0, 4), np.float32))
