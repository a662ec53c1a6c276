"""Scores are paired by the ids of their items, whatever order a record has them in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.alignment import aligned, item_ids
from harness.candidates import candidates
from harness.decide import decide
from harness.policy import Policy
from harness.table import Sweep, rows
from harness.types import HarnessError
from tests.on_disk import keep, with_ids
from tests.small_sweep import small_sweep

KEY = "q1-helpdesk"  # of large, int8


def shuffled(sweep: Sweep) -> Sweep:
    """The second candidate's items in another order, with everything that belongs to them."""
    record = sweep.records[KEY]
    order = np.random.default_rng(1).permutation(60)
    moved = replace(record, arrays={name: values[order] for name, values in record.arrays.items()})
    return sweep._replace(records={**sweep.records, KEY: moved})


def ranked(sweep: Sweep) -> Sweep:
    """Every query ranks ten documents of its own."""
    top = np.arange(600, dtype=np.int32).reshape(60, 10)
    made = {
        k: replace(r, arrays={**r.arrays, "top": top}) if r.kind == "quality" else r for k, r in sweep.records.items()
    }
    return sweep._replace(records=made)


def test_the_order_of_items_in_a_record_changes_no_score_no_overlap_and_no_decision(tmp_path: Path) -> None:
    plain = keep(with_ids(ranked(small_sweep())), tmp_path / "unit")
    other = keep(shuffled(with_ids(ranked(small_sweep()))), tmp_path / "again" / "unit")
    assert item_ids(other.records[KEY]) == [f"q{i}" for i in range(60)]
    for one, two in zip(candidates(plain), candidates(other), strict=True):
        np.testing.assert_array_equal(one.scores["helpdesk"], two.scores["helpdesk"])
    assert rows(plain) == rows(other) and rows(other)[1]["overlap_at_10"] == 1.0
    policy = Policy(draws=300)
    assert decide(plain, policy) == decide(other, policy)


def test_other_items_are_one_line_with_the_candidate_and_give_no_overlap(tmp_path: Path) -> None:
    sweep = with_ids(small_sweep())
    record = sweep.records[KEY]
    strange = replace(record, arrays={**record.arrays, "query_ids": np.asarray([f"x{i}" for i in range(60)])})
    kept = keep(sweep._replace(records={**sweep.records, KEY: strange}), tmp_path / "unit")
    with pytest.raises(HarnessError, match=r"helpdesk: large · mean · 768 · int8 was scored on other items .*run the"):
        candidates(kept)
    assert rows(kept)[1]["overlap_at_10"] is None


def test_records_without_ids_keep_their_place_and_what_is_of_other_queries_stays() -> None:
    sweep = small_sweep()
    assert aligned(sweep.manifest["variants"], sweep.records) == sweep.records
    sweep = with_ids(sweep)
    record = sweep.records[KEY]
    unscored = np.arange(60)
    back = {name: values[::-1] for name, values in record.arrays.items()}
    turned = replace(record, arrays=back | {"unscored_ids": unscored, "short": np.arange(3), "whole": np.asarray(4.0)})
    found = aligned(sweep.manifest["variants"], {**sweep.records, KEY: turned})[KEY]
    np.testing.assert_array_equal(found.arrays["ndcg_at_10"], record.arrays["ndcg_at_10"])
    np.testing.assert_array_equal(found.arrays["unscored_ids"], unscored)
    np.testing.assert_array_equal(found.arrays["short"], np.arange(3))
