"""Half and full precision."""

from __future__ import annotations

import numpy as np
import pytest

from harness.quantizers.bfloat16 import Bfloat16
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


EDGES = [0.0, -0.0, 1.0, 1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-20, 1e-40, 3.3e38, -65600.0, 2 / 3]


def test_bfloat16_rounds_as_torch_does_ties_to_even_included() -> None:
    import torch

    documents = np.vstack([clustered(300, 10, 1), np.array([EDGES], np.float32)])
    fitted = Bfloat16().fit(documents)
    codes = fitted.encode(documents)
    theirs = torch.from_numpy(documents).to(torch.bfloat16)
    assert codes.dtype == np.uint16
    assert np.array_equal(codes, theirs.view(torch.uint16).numpy())
    assert np.array_equal(fitted.decode(codes), theirs.to(torch.float32).numpy())
    assert codes.nbytes == 301 * 10 * 2
    assert fitted.decode(codes).dtype == np.float32
    assert fitted.query(documents).tobytes() == documents.tobytes()


def test_bfloat16_loses_more_than_half_precision_and_still_keeps_the_float_top_10() -> None:
    documents, queries = clustered(900, 32, 1), clustered(40, 32, 2)
    exact, kept = top(documents, queries), []
    for part in (Float16(), Bfloat16()):
        fitted = part.fit(documents)
        kept.append(overlap(exact, top(fitted.decode(fitted.encode(documents)), queries)))
    assert 0.95 < kept[1] < kept[0]


def test_bfloat16_refuses_what_would_become_infinity() -> None:
    limit = np.uint32(0x7F7F7FFF).view(np.float32)
    fitted = Bfloat16().fit(np.array([[limit, -limit]], np.float32))
    assert np.isfinite(fitted.decode(fitted.encode(np.array([[limit, -limit]], np.float32)))).all()
    for sign in (1, -1):
        with pytest.raises(Inapplicable, match="bfloat16"):
            Bfloat16().fit(np.array([[0, sign * np.nextafter(limit, np.float32(np.inf))]], np.float32))
