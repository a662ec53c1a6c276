"""Half and full precision."""

from __future__ import annotations

import numpy as np
import pytest

from harness.quantizers.float16 import Float16
from harness.quantizers.float32 import Float32
from harness.types import Inapplicable
from tests.material import clustered, overlap, top


def test_full_precision_is_the_vectors_themselves() -> None:
    documents = clustered(20, 6, 1)
    fitted = Float32().fit(documents)
    assert fitted.decode(fitted.encode(documents)).tobytes() == documents.tobytes() == fitted.query(documents).tobytes()
    assert fitted.encode(documents).nbytes == 20 * 6 * 4


def test_full_precision_codes_are_float32_whatever_comes_in() -> None:
    assert Float32().fit(np.zeros((2, 2))).encode(np.ones((2, 2))).dtype == np.float32


def test_half_precision_rounds_documents_and_leaves_queries() -> None:
    documents, queries = clustered(900, 32, 1), clustered(40, 32, 2)
    fitted = Float16().fit(documents)
    codes = fitted.encode(documents)
    assert codes.dtype == np.float16
    assert codes.nbytes == 900 * 32 * 2
    assert fitted.decode(codes).dtype == np.float32
    assert 0 < np.abs(fitted.decode(codes) - documents).max() < 2**-11
    assert fitted.query(queries).tobytes() == queries.tobytes()
    assert overlap(top(documents, queries), top(fitted.decode(codes), queries)) > 0.99


def test_half_precision_refuses_what_it_cannot_hold_instead_of_storing_infinity() -> None:
    fitted = Float16().fit(np.array([[65504.0, -65504.0]], np.float32))
    assert fitted.encode(np.array([[65504.0, -65504.0]], np.float32)).tolist() == [[65504.0, -65504.0]]
    for value in (65600.0, -1e30):
        with pytest.raises(Inapplicable, match="65504"):
            Float16().fit(np.array([[0.0, value]], np.float32))
