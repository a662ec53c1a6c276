"""Eight-bit scalar quantization, as a vector store uses it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.quantizers.int8 import Int8
from harness.quantizers.uint8 import Uint8
from harness.types import Floats, Inapplicable
from tests.material import clustered, overlap, top

DOCUMENTS, QUERIES = clustered(2000, 64, 1, spread=1.0), clustered(80, 64, 2, spread=1.0)
EXACT = top(DOCUMENTS, QUERIES)


def kept(vectors: Floats, queries: Floats = QUERIES) -> float:
    return overlap(EXACT, top(vectors, queries))


def levels_of(bits: int) -> Floats:
    """Documents rounded to 2^bits levels between each dimension's minimum and maximum, and back."""
    low, high = DOCUMENTS.min(axis=0), DOCUMENTS.max(axis=0)
    step = (high - low) / (2**bits - 1)
    result: Floats = np.rint((DOCUMENTS - low) / step) * step + low
    return result


def test_codes_run_from_minus_128_at_the_minimum_to_127_at_the_maximum_of_each_dimension() -> None:
    documents = np.array([[0.0, -1.0], [2.55, 1.55], [1.0, 0.0]], np.float32)
    fitted = Int8().fit(documents)
    codes = fitted.encode(documents)
    assert codes.dtype == np.int8
    assert codes.tolist() == [[-128, -128], [127, 127], [-28, -28]]
    np.testing.assert_allclose(fitted.decode(codes), documents, atol=1e-6)
    assert fitted.overhead_bytes == 2 * 2 * 4


def test_a_value_outside_the_range_is_clipped_and_never_wraps_round() -> None:
    fitted = Int8().fit(np.array([[0.0], [2.55]], np.float32))
    assert fitted.encode(np.array([[-5.0], [1e6]], np.float32)).tolist() == [[-128], [127]]


def test_a_dimension_that_never_changes_is_kept_exactly() -> None:
    documents = np.array([[0.25, 1.0], [0.25, 2.0]], np.float32)
    fitted = Int8().fit(documents)
    assert fitted.decode(fitted.encode(documents))[:, 0].tolist() == [0.25, 0.25]


def test_decoding_is_off_by_half_a_step_at_most() -> None:
    fitted = Int8().fit(DOCUMENTS)
    error = np.abs(fitted.decode(fitted.encode(DOCUMENTS)) - DOCUMENTS)
    assert (error <= fitted.step * 0.5001).all()


def test_clipping_takes_quantiles_of_both_tails() -> None:
    documents = np.arange(101, dtype=np.float32)[:, None]
    fitted = Int8(clip=0.9).fit(documents)
    assert fitted.low.tolist() == [5.0]
    np.testing.assert_allclose(fitted.low + fitted.step * 255, [95.0], rtol=1e-6)
    assert fitted.encode(documents[[0, 5, 95, 100]]).ravel().tolist() == [-128, -128, 127, 127]


@pytest.mark.parametrize("clip", [0.9, 0.99, 0.1])
def test_ranges_are_the_same_whether_columns_are_sorted_together_or_one_by_one(clip: float) -> None:
    low, high = np.quantile(DOCUMENTS, [(1 - clip) / 2, 1 - (1 - clip) / 2], axis=0)
    fitted = Int8(clip).fit(DOCUMENTS)
    assert np.array_equal(fitted.low, low.astype(np.float32))
    assert np.array_equal(fitted.step, (high - low).astype(np.float32) / np.float32(255))


def test_queries_stay_as_they_are() -> None:
    assert Int8().fit(DOCUMENTS).query(QUERIES).tobytes() == QUERIES.tobytes()


def test_it_keeps_the_float_top_10_and_eight_bits_beat_four() -> None:
    fitted = Int8().fit(DOCUMENTS)
    ours = kept(fitted.decode(fitted.encode(DOCUMENTS)))
    assert ours >= 0.98
    assert ours > kept(levels_of(4)) + 0.05


def test_bare_integer_codes_would_rank_otherwise() -> None:
    fitted = Int8().fit(DOCUMENTS)
    codes = fitted.encode(DOCUMENTS)
    bare = kept(codes.astype(np.float32), fitted.encode(QUERIES).astype(np.float32))
    assert bare < 0.9
    assert kept(fitted.decode(codes)) > bare + 0.08


def test_calibrating_on_each_chunk_would_give_other_codes() -> None:
    once = Int8().fit(DOCUMENTS).encode(DOCUMENTS)
    each = np.concatenate([Int8().fit(part).encode(part) for part in np.split(DOCUMENTS, 20)])
    assert (once != each).mean() > 0.5


@pytest.mark.parametrize("clip", [0.0, -1.0, 1.01, float("nan")])
def test_a_clip_outside_its_range_does_not_apply(clip: float) -> None:
    with pytest.raises(Inapplicable, match="clip"):
        Int8(clip).fit(DOCUMENTS)


def test_no_documents_is_nothing_to_calibrate_on() -> None:
    with pytest.raises(Inapplicable, match="documents"):
        Int8().fit(np.zeros((0, 4), np.float32))


def test_symmetric_codes_stand_for_themselves_times_one_127th_of_the_largest_magnitude() -> None:
    documents = np.array([[0.0, -2.54, 0], [1.27, 1.27, 0], [-0.1, 0.0, 0]], np.float32)
    fitted = Int8(symmetric=True).fit(documents)
    codes = fitted.encode(documents)
    assert codes.dtype == np.int8
    assert codes.tolist() == [[0, -127, 0], [127, 64, 0], [-10, 0, 0]]
    assert fitted.decode(codes)[0].tolist()[::2] == [0, 0], "zero stays zero"
    np.testing.assert_allclose(fitted.decode(codes), documents, atol=0.0101)
    assert fitted.encode(documents * 9).tolist()[1] == [127, 127, 0]
    assert fitted.overhead_bytes == 3 * 4


def test_symmetric_ranges_can_be_clipped_and_cost_little() -> None:
    documents = np.array([[*range(-50, 0), *range(1, 52)]], np.float32).T
    clipped = Int8(clip=0.9, symmetric=True).fit(documents)
    np.testing.assert_allclose(clipped.step * 127, np.quantile(np.abs(documents), 0.9))
    fitted = Int8(symmetric=True).fit(DOCUMENTS)
    assert kept(fitted.decode(fitted.encode(DOCUMENTS))) >= 0.97
    with pytest.raises(Inapplicable, match="documents"):
        Int8(symmetric=True).fit(np.zeros((0, 4), np.float32))


@pytest.mark.parametrize(("part", "precision"), [(Int8(), "int8"), (Uint8(), "uint8")])
def test_ranges_and_codes_are_those_of_sentence_transformers_but_for_their_rounding_down(
    part: Any, precision: Any
) -> None:
    from sentence_transformers.util.quantization import quantize_embeddings

    ranges = np.vstack([DOCUMENTS.min(axis=0), DOCUMENTS.max(axis=0)])
    fitted = part.fit(DOCUMENTS)
    np.testing.assert_array_equal(fitted.low, ranges[0])
    theirs = quantize_embeddings(DOCUMENTS, precision, ranges=ranges)
    ours = fitted.encode(DOCUMENTS)
    assert ours.dtype == theirs.dtype
    assert set(np.unique(ours.astype(int) - theirs)) == {0, 1}
    half_a_step_up = quantize_embeddings(DOCUMENTS + fitted.step / 2, precision, ranges=ranges)
    assert (ours == half_a_step_up).mean() > 0.9999


def test_unsigned_codes_are_the_signed_ones_128_higher_and_mean_the_same() -> None:
    signed, unsigned = Int8().fit(DOCUMENTS), Uint8().fit(DOCUMENTS)
    codes = unsigned.encode(DOCUMENTS)
    assert np.array_equal(codes, signed.encode(DOCUMENTS).astype(int) + 128)
    assert np.array_equal(unsigned.decode(codes), signed.decode(signed.encode(DOCUMENTS)))
    with pytest.raises(Inapplicable, match="uint8 needs documents"):
        Uint8().fit(np.zeros((0, 4), np.float32))
