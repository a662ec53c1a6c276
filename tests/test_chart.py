"""The record of one space, measured on hand-made vectors."""

import numpy as np
import pytest

from harness import chart as charts
from harness.chart import chart, part_of
from harness.geometry import unit
from harness.survey import surveyed
from harness.types import Doubles, Floats, Record
from tests.test_survey import plain, searched

EVALSET = searched(documents=60, queries=25, second=30)
SAMPLE = surveyed(EVALSET, 400, 200)


def vectors(noise: float = 0.1) -> Floats:
    """Query i lies beside its two answers."""
    rng = np.random.default_rng(5)
    documents = rng.normal(size=(60, 20))
    documents[30:55] = documents[:25] + rng.normal(0, noise, (25, 20))
    queries = documents[:25] + rng.normal(0, noise, (25, 20))
    return np.concatenate([documents, queries]).astype(np.float32)


def charted(rows: Floats) -> Record:
    return chart("m", [part_of("set", EVALSET, SAMPLE, rows)])


def by_hand(rows: Floats) -> tuple[Doubles, Doubles]:
    table = unit(rows) @ unit(rows).T
    answered = np.zeros((25, 60), dtype=bool)
    answered[np.arange(25), np.arange(25)] = answered[np.arange(25), np.arange(30, 55)] = True
    cosines = table[60:, :60]
    return cosines[answered], cosines[~answered]


def test_close_pairs_have_the_means_and_the_auc_of_numpy() -> None:
    record = charted(vectors())
    found = record.values["sets"]["set"]
    related, random = by_hand(vectors())
    assert found["related"] == pytest.approx(related.mean())
    assert found["random"] == pytest.approx(random.mean())
    assert found["auc"] == pytest.approx((related[:, None] > random).mean(), abs=1e-9)
    assert found["auc"] == pytest.approx(1)
    assert found["overlap"] == 0.0
    directions = unit(vectors())[:60]
    table = directions @ directions.T
    assert abs(found["anisotropy"]) < 0.2
    assert found["anisotropy"] == pytest.approx(table[np.triu_indices(60, 1)].mean())
    assert (found["related_pairs"], found["random_pairs"]) == (50, 25 * 58)


def test_vectors_without_order_separate_nothing() -> None:
    rows = np.random.default_rng(2).normal(size=(85, 20)).astype(np.float32)
    found = charted(rows).values["sets"]["set"]
    assert found["auc"] == pytest.approx(0.5, abs=0.1)
    assert found["overlap"] == pytest.approx(0.5, abs=0.2)


def test_a_shift_that_all_vectors_share_is_seen_as_anisotropy() -> None:
    assert charted(vectors() + 5).values["sets"]["set"]["anisotropy"] > 0.9


def test_the_same_vectors_give_the_same_record() -> None:
    one, two = charted(vectors()), charted(vectors())
    assert one.values == two.values
    assert {k: a.tobytes() for k, a in one.arrays.items()} == {k: a.tobytes() for k, a in two.arrays.items()}
    assert one.arrays["map"].shape == (85, 2)


def test_zero_and_nan_vectors_are_left_out_and_counted() -> None:
    rows = vectors()
    rows[3], rows[7, 2], rows[70] = 0, np.nan, 0
    record = charted(rows)
    found = record.values["sets"]["set"]
    assert found["without_direction"] == 3
    assert found["related_pairs"] == 50 - 4
    assert record.arrays["map"].shape == (82, 2)
    assert np.isfinite(record.arrays["prefix"]).all()


def test_a_space_without_any_direction_says_nothing() -> None:
    record = charted(np.full((85, 20), np.nan, dtype=np.float32))
    found = record.values["sets"]["set"]
    assert {found[k] for k in ("anisotropy", "related", "random", "overlap", "auc")} == {None}
    assert "map" not in record.arrays
    assert "here are 0" in record.values["no_map"]


def test_equal_vectors_have_no_map_and_chance_separation() -> None:
    record = charted(np.ones((85, 20), dtype=np.float32))
    found = record.values["sets"]["set"]
    assert (found["anisotropy"], found["auc"]) == (pytest.approx(1), 0.5)
    assert "here are 1 of 20" in record.values["no_map"]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_set_of_few_texts_is_said_and_does_not_crash(count: int) -> None:
    evalset = plain("clustering", count, 0, label=[[0]] * count)
    rows = np.eye(count, 4, dtype=np.float32)
    record = chart("m", [part_of("few", evalset, surveyed(evalset, 400, 200), rows)])
    assert f"here are {count} of 4" in record.values["no_map"]
    assert record.values["sets"]["few"]["auc"] is None
    assert record.values["sets"]["few"]["anisotropy"] == (None if count == 1 else 0.0)


def test_several_sets_share_one_map_and_are_its_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    topics = plain("clustering", 40, 0, label=[[i % 2] for i in range(40)])
    rows = np.random.default_rng(4).normal(size=(40, 20)).astype(np.float32)
    parts = [
        part_of("search", EVALSET, SAMPLE, vectors()),
        part_of("topics", topics, surveyed(topics, 400, 200), rows),
    ]
    record = chart("m", parts)
    assert record.values["groups"] == ["search", "topics"]
    assert np.bincount(record.arrays["group"]).tolist() == [85, 40]
    assert record.arrays["map"].shape == (125, 2)
    assert record.arrays["related"].shape == (2, 100)
    assert set(record.values["sets"]) == {"search", "topics"}
    monkeypatch.setattr(charts, "DOCUMENTS", 20)
    monkeypatch.setattr(charts, "QUERIES", 12)
    assert np.bincount(chart("m", parts).arrays["group"]).tolist() == [10 + 6, 10], "each set has its share of points"
