"""Products in bfloat16: their margin is never exceeded, and the ranking they lead to is the float32 one."""

from __future__ import annotations

import numpy as np
import pytest

from harness.halved import HalfProducts, furthest
from harness.indexes import flat
from harness.indexes.flat import Flat
from tests.material import unit


def rows_of(n: int, d: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


@pytest.mark.parametrize("d", [1, 2, 31, 384])
@pytest.mark.parametrize("length", [1e-5, 1.0, 3e4])
def test_no_product_is_further_off_than_half_the_margin(d: int, length: float) -> None:
    documents = np.float32(length) * rows_of(400, d, d)
    queries = np.asarray(unit(rows_of(30, d, d + 1)), dtype=np.float32)
    reach = float(np.linalg.norm(documents.astype(np.float64), axis=1).max())
    halved = HalfProducts(queries, reach, furthest(documents))
    scores = np.empty((30, 400), dtype=np.float32)
    halved.fill(scores, documents, 0)
    exact = queries.astype(np.float64) @ documents.T.astype(np.float64)
    assert (np.abs(scores - exact) <= (halved.margin[:, None] + halved.share * np.abs(exact)) / 2).all()
    assert halved.holds(queries, documents)
    assert halved.margin.max() < 0.05 * reach, "and it is no blank cheque"


def test_products_that_are_further_off_are_noticed() -> None:
    documents, queries = rows_of(50, 8, 0), np.asarray(unit(rows_of(3, 8, 1)), dtype=np.float32)
    halved = HalfProducts(queries, float(np.linalg.norm(documents, axis=1).max()), furthest(documents))
    halved.queries = halved.queries.roll(1, 0)
    assert not halved.holds(queries, documents)


@pytest.mark.parametrize("kind", ["spread", "copies", "near copies", "all alike", "opposite", "long and short", "zero"])
def test_the_ranking_is_that_of_float32(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    documents, queries = rows_of(3000, 24, 5), rows_of(80, 24, 6)
    if kind == "copies":
        documents[1000:2000] = documents[:1000]
    elif kind == "near copies":
        documents[1000:2000] = documents[:1000] * (1 + np.float32(1e-6) * rows_of(1000, 1, 7))
    elif kind == "all alike":
        documents = documents[:1] + np.float32(1e-3) * documents
    elif kind == "opposite":
        documents = -np.abs(documents)
        queries = np.abs(queries)
    elif kind == "long and short":
        documents *= np.float32(10) ** rows_of(3000, 1, 8)
    elif kind == "zero":
        documents[::3] = 0
    excluded = np.where(np.arange(80) % 2, np.arange(80), -1).astype(np.int32)
    ids = [f"d{i * 7919 % 3000}" for i in range(3000)]
    monkeypatch.setattr(flat, "hardware_has_bfloat16", lambda _: False)
    wanted = Flat().build(documents, ids, "dot").search(queries, 50, excluded)
    monkeypatch.setattr(flat, "hardware_has_bfloat16", lambda _: True)
    monkeypatch.setattr(flat, "_MANY_SCORES", 1)
    built = Flat(block=300_000).build(documents, ids, "dot")
    found = built.search(queries, 50, excluded)
    assert built.moved is not None, "bfloat16 was used"
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)
