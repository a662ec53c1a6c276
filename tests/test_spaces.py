"""Vectors of single texts as a candidate keeps them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.encoders.hashing import Hashing
from harness.indexes.flat import Flat
from harness.indexes.hnsw import Hnsw
from harness.parts import available, find
from harness.poolings.native import Native
from harness.protocols import Reduction
from harness.quantizers.binary import Binary
from harness.quantizers.float32 import Float32
from harness.quantizers.int8 import Int8
from harness.quantizers.opq import Opq
from harness.quantizers.pq import Pq
from harness.reductions.pca import Pca
from harness.reductions.truncate import Truncate
from harness.retrievers.bm25 import Bm25
from harness.retrievers.dense import Dense
from harness.spaces import prepared, space_for
from harness.types import Floats, HarnessError, Inapplicable, Role, Vectors
from tests.material import WORDS, Encoding, small_pairs

DRAW = np.random.default_rng(3)
TEXTS = tuple(dict.fromkeys(" ".join(DRAW.choice(WORDS, size=1 + i % 7)) for i in range(200)))
OTHERS = tuple(" ".join(DRAW.choice(WORDS, size=5)) for _ in range(20))
PIECES = {"pq": Pq(m=4, nbits=4), "opq": Opq(m=4, nbits=4)}
QUANTIZERS = [PIECES[name] if name in PIECES else find("quantizers", name)() for name in available("quantizers")]
ROLES: tuple[Role, ...] = ("query", "document", "text")


def dense(quantizer: Any, reduction: Reduction | None = None, encoder: Any = None, **more: Any) -> Dense:
    return Dense(encoder or Hashing(), Native(), reduction or Truncate(), quantizer, more.pop("index", Flat()), **more)


class Fixed:
    """A source that gives the rows it was made with, whatever the role, for texts named by their position."""

    def __init__(self, rows: Any) -> None:
        self.rows = np.asarray(rows, dtype=np.float32)

    def vectors(self, encoder: Any, pooling: Any, role: Role, texts: Any) -> Vectors:
        found = self.rows[[int(text) for text in texts]]
        return Vectors(found, np.ones(len(texts), np.int32), np.ones(len(texts), np.int32))


@pytest.mark.parametrize("reduction", [Truncate(), Truncate(16), Pca(8)], ids=["full", "cut", "pca"])
@pytest.mark.parametrize("quantizer", QUANTIZERS, ids=lambda part: type(part).__name__)
@pytest.mark.parametrize("role", ROLES)
def test_a_texts_vector_is_its_own_in_any_company_and_order_and_a_second_time(
    quantizer: Any, reduction: Reduction, role: Role
) -> None:
    space = space_for(dense(quantizer, reduction), TEXTS, Encoding())
    whole = space.vectors(OTHERS, role)
    assert np.array_equal(space.vectors(OTHERS, role), whole)
    assert np.array_equal(space.vectors(OTHERS[::-1], role)[::-1], whole)
    assert np.array_equal(np.concatenate([space.vectors([text], role) for text in OTHERS]), whole)
    assert whole.dtype == np.float32 and len(np.unique(whole, axis=0)) > 10


@pytest.mark.parametrize("quantizer", QUANTIZERS, ids=lambda part: type(part).__name__)
def test_what_is_fitted_knows_the_documents_alone(quantizer: Any) -> None:
    made = small_pairs()
    part = dense(quantizer, Truncate(16))
    first = part.embed(made, Encoding())
    other = part.embed(type(made)("b", "sts", made.documents, made.documents, made.qrels), Encoding())
    assert np.array_equal(first.vectors(OTHERS, "text"), other.vectors(OTHERS, "text"))


def test_int8_and_half_the_dimensions_by_hand() -> None:
    rows = np.array([[3, 4, 7], [4, -3, 9], [0, 5, 1], [1, 0, 2]], dtype=np.float32)
    space = space_for(dense(Int8(), Truncate(2)), ["0", "1", "2"], Fixed(rows))  # type: ignore[arg-type]
    low, high = np.array([0, -0.6]), np.array([0.8, 1])  # of (.6, .8), (.8, -.6) and (0, 1)
    step = (high - low) / 255
    by_hand = low + np.rint((np.array([[0.6, 0.8], [1, 0]]) - low) / step).clip(0, 255) * step
    assert space.vectors(["0", "3"], "text") == pytest.approx(by_hand, abs=1e-6)
    assert by_hand[1, 0] == pytest.approx(0.8), "beyond the documents' range is its end"
    assert space.vectors(["0", "3"], "query") == pytest.approx(np.array([[0.6, 0.8], [1, 0]])), "queries stay floats"
    assert space.facts["bytes_per_doc"] == 2


def test_bits_are_compared_with_bits_whatever_the_role() -> None:
    rows = [[3.0, -4], [-1, 0], [0, 0]]
    space = space_for(dense(Binary()), ["0", "1"], Fixed(rows))  # type: ignore[arg-type]
    for role in ROLES:
        assert space.vectors(["0", "1", "2"], role).tolist() == [[1, -1], [-1, 1], [1, 1]]


def test_a_prompt_goes_with_its_role_and_documents_are_what_is_fitted_on() -> None:
    encoder = Hashing(prompts={"query": "ask ", "document": "say ", "text": "plain "})
    space = space_for(dense(Float32(), encoder=encoder), TEXTS, Encoding())
    bare = space_for(dense(Float32()), TEXTS, Encoding())
    for role, prompt in encoder.prompts.items():
        assert np.array_equal(space.vectors(["car"], role), bare.vectors([f"{prompt}car"], "text"))
    fitted = space_for(dense(Int8(), encoder=encoder), TEXTS, Encoding()).quantizer  # type: ignore[attr-defined]
    said = space_for(dense(Int8()), [f"say {text}" for text in TEXTS], Encoding()).quantizer  # type: ignore[attr-defined]
    assert np.array_equal(fitted.low, said.low)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_vectors_that_are_not_finite_are_refused_when_fitted_on_and_when_asked_for(broken: float) -> None:
    rows: Floats = np.array([[1, 0], [0, 1], [broken, 0]], dtype=np.float32)
    with pytest.raises(HarnessError, match="1 of 3 document vectors are not finite"):
        space_for(dense(Binary()), ["0", "1", "2"], Fixed(rows))  # type: ignore[arg-type]
    space = space_for(dense(Binary()), ["0", "1"], Fixed(rows))  # type: ignore[arg-type]
    with pytest.raises(HarnessError, match="1 of 2 text vectors are not finite"):
        space.vectors(["0", "2"], "text")


def test_zero_vectors_are_counted_and_stay_zero() -> None:
    rows = [[1.0, 0], [0, 1], [0, 0], [1, 1]]
    space = space_for(dense(Float32()), ["0", "1", "2", "3"], Fixed(rows))  # type: ignore[arg-type]
    assert any("1 of 4 document vectors are zero" in warning for warning in space.warnings)
    assert space.vectors(["2"], "text").tolist() == [[0, 0]]


def test_without_texts_nothing_is_fitted_call_by_call() -> None:
    with pytest.raises(HarnessError, match="^no texts to fit on"):
        space_for(dense(Int8()), [], Encoding())


def test_what_has_no_vectors_of_single_texts_is_one_line() -> None:
    with pytest.raises(Inapplicable, match="^sts compares vectors of single texts; bm25 has none. Take a model "):
        prepared(Bm25(), small_pairs(), Encoding())
    with pytest.raises(Inapplicable, match="bm25 has none"):
        space_for(Bm25(), TEXTS, Encoding())
    with pytest.raises(Inapplicable, match="not one vector a text"):
        prepared(dense(Float32(), encoder=Hashing(gives="vectors")), small_pairs(), Encoding())


def test_index_and_rescoring_have_no_part_in_the_vectors_and_rescoring_says_so() -> None:
    plain = dense(Int8()).embed(small_pairs(), Encoding())
    other = dense(Int8(), index=Hnsw(), rescore=4).embed(small_pairs(), Encoding())
    assert np.array_equal(plain.vectors(OTHERS, "text"), other.vectors(OTHERS, "text"))
    assert other.facts == plain.facts
    assert [w for w in other.warnings if w not in plain.warnings] == [
        "nothing is searched here, so rescoring and the index have no part in this score"
    ]
