"""Several lists made one."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from harness.encoders.hashing import Hashing
from harness.indexes.flat import Flat
from harness.parts import build, describe
from harness.poolings.native import Native
from harness.quantizers.float32 import Float32
from harness.reductions.truncate import Truncate
from harness.rerankers.word_overlap import WordOverlap
from harness.retrievers.bm25 import Bm25
from harness.retrievers.dense import Dense
from harness.retrievers.hybrid import Hybrid
from harness.retrievers.rerank import Rerank
from harness.types import EvalSet, HarnessError, Inapplicable
from tests.material import Encoding, Listed, evalset, small_set

DATA = evalset(dict.fromkeys("abcd", ""), {"q": "what"}, {"q": {"a": 1}})


def scored(*lists: Mapping[str, float], data: EvalSet = DATA, **more: Any) -> list[tuple[str, float]]:
    """Documents of the only query with their fused scores, best first."""
    part = Hybrid(tuple(Listed({"q": found}) for found in lists), **more)
    ranking = part.prepare(data, Encoding()).rank(6)
    found = zip(ranking.documents[0], ranking.scores[0], strict=True)
    return [(data.documents.ids[i], pytest.approx(s)) for i, s in found if i >= 0]


def test_reciprocal_ranks_are_added_by_cormacks_formula() -> None:
    fused = scored({"a": 9, "b": 8, "c": 7}, {"c": 0.3, "a": 0.1})
    assert fused == [("a", 1 / 61 + 1 / 62), ("c", 1 / 63 + 1 / 61), ("b", 1 / 62)]
    assert scored({"a": 9, "b": 8}, {"b": 1}, k=0) == [("b", 1 / 2 + 1), ("a", 1)]


def test_equal_scores_of_a_member_take_ranks_by_id_descending() -> None:
    assert scored({"a": 1, "b": 1}, {"d": 1}, weights=(2, 1)) == [("b", 1 / 61), ("a", 1 / 62), ("d", 0.5 / 61)]


def test_min_max_adds_scores_between_0_and_1_and_what_is_not_listed_counts_0() -> None:
    fused = scored({"a": 10, "b": 6, "c": 2}, {"c": 0.9, "b": 0.5}, fusion="min-max")
    assert fused == [("c", 0 + 1), ("a", 1 + 0), ("b", 0.5 + 0)], "equal sums by id descending"


def test_z_scores_are_added_and_what_is_not_listed_counts_as_the_lowest() -> None:
    fused = scored({"a": 3, "b": 2, "c": 1}, {"b": 5, "a": 3}, fusion="z-score")
    high = (3 - 2) / np.sqrt(2 / 3)
    assert fused == [("b", 0 + 1), ("a", high - 1), ("c", -high - 1)]


@pytest.mark.parametrize(("fusion", "constant"), [("min-max", 1.0), ("z-score", 0.0)])
def test_a_list_of_equal_scores_or_of_one_document_is_no_division_by_zero(fusion: Any, constant: float) -> None:
    spread = {"min-max": {"c": 1.0, "d": 0.0}, "z-score": {"c": 1.0, "d": -1.0}}[fusion]
    lowest = min(spread.values())
    for equal in ({"a": 7, "b": 7}, {"b": 7}):
        fused = dict(scored(equal, {"c": 4, "d": 2}, fusion=fusion))
        missing = 0.0  # a constant list tells no document from another by z-score
        assert fused["b"] == constant + lowest
        assert fused["c"] == missing + spread["c"]


@pytest.mark.parametrize("fusion", ["rrf", "min-max", "z-score"])
def test_a_member_that_finds_nothing_leaves_the_others_as_they_are(fusion: Any) -> None:
    assert [d for d, _ in scored({}, {"c": 4, "a": 2, "d": 1}, fusion=fusion)] == ["c", "a", "d"]
    assert scored({}, {}, fusion=fusion) == []


def test_only_the_first_depth_documents_of_a_member_count() -> None:
    assert scored({"a": 9, "b": 8, "c": 7}, {"d": 1}, depth=1) == [("d", 1 / 61), ("a", 1 / 61)]
    fused = scored({"a": 9, "b": 5, "c": 1}, {"b": 9, "c": 0, "d": -9}, fusion="min-max", depth=2)
    assert fused == [("b", 0 + 1), ("a", 1), ("c", 0)], "normalised over the list that is cut"


def test_behind_the_members_lists_the_ranking_is_padded_and_complete() -> None:
    ranking = Hybrid((Listed({"q": {"a": 2}}), Listed({"q": {"b": 1}}))).prepare(DATA, Encoding()).rank(4)
    assert ranking.documents.tolist() == [[1, 0, -1, -1]]
    assert np.isneginf(ranking.scores[0, 2:]).all()
    assert ranking.complete.tolist() == [True]
    cut = Hybrid((Listed({"q": {"a": 2}}), Listed({"q": {"b": 1}}))).prepare(DATA, Encoding()).rank(1)
    assert cut.complete.tolist() == [False], "a and b tie"


def test_sums_in_another_order_tie() -> None:
    lists = [{d: -i for i, d in enumerate(order)} for order in ("abc", "bca", "cab")]
    assert scored(*lists) == [(d, 1 / 61 + 1 / 62 + 1 / 63) for d in "cba"]


def test_weights_are_relative_and_fixed() -> None:
    lists = {"a": 9, "b": 5}, {"b": 9, "c": 3}
    assert scored(*lists, fusion="min-max", weights=(3, 1)) == [("a", 1), ("b", 1 / 3), ("c", 0)]
    assert scored(*lists, weights=(0, 2)) == [("b", 1 / 61), ("c", 1 / 62), ("a", 0)]
    for fusion in ("rrf", "min-max", "z-score"):
        assert scored(*lists, fusion=fusion, weights=(7, 7)) == scored(*lists, fusion=fusion)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"of": ()}, "hybrid of 0 fuses nothing"),
        ({"of": (Bm25(),)}, "hybrid of 1 fuses nothing"),
        ({"depth": 0}, "depth=0: expected a whole number of at least 1"),
        ({"k": -1}, "k=-1: expected a whole number of at least 0"),
        ({"weights": (1.0,)}, r"weights=\[1.0\]: expected 2 numbers"),
        ({"weights": (1.0, -0.5)}, "at least 0"),
        ({"weights": (0.0, 0.0)}, "not all 0"),
        ({"weights": (1.0, float("nan"))}, "expected 2 numbers"),
        ({"weights": (1.0, 2.0), "tune_on": "dev"}, "weights and tune_on"),
    ],
)
def test_a_hybrid_that_makes_no_sense_is_refused_in_one_line(change: dict[str, Any], message: str) -> None:
    part = dataclasses.replace(Hybrid((Bm25(), Bm25(k1=0.9))), **change)
    with pytest.raises(HarnessError, match=message) as caught:
        part.prepare(small_set(), Encoding())
    assert "\n" not in str(caught.value)


def test_a_hybrid_cannot_score_documents_by_themselves() -> None:
    searcher = Hybrid((Bm25(), Bm25(k1=0.9))).prepare(small_set(), Encoding())
    with pytest.raises(Inapplicable, match="put it first and not second"):
        searcher.score(np.zeros((9, 1), dtype=np.int32))


def test_members_are_built_from_nested_nodes_and_wrong_ones_are_refused() -> None:
    part = Hybrid((Bm25(), Dense(Hashing(), Native(), Truncate(), Float32(), Flat())), weights=(1.0, 2.0))
    node = json.loads(json.dumps(describe(part)))
    assert build(node) == part
    assert build({**node, "weights": [1, 2]}) == part
    with pytest.raises(HarnessError, match=r"Hybrid.of"):
        build({**node, "of": [describe(Flat())]})


def test_needs_facts_and_warnings_are_those_of_the_members() -> None:
    dense = Dense(Hashing(), Native(), Truncate(), Float32(), Flat())
    assert Hybrid((Bm25(), dense)).needs() == dense.needs()
    members = (
        Listed(
            {}, {"index_bytes": 5, "bytes_per_doc": 2, "documents_cut": 0.1, "dimensions": 4, "recall": 1}, ("one",)
        ),
        Listed({}, {"index_bytes": 7, "bytes_per_doc": 3, "documents_cut": 0.3, "recall": 0.9}, ("two", "three")),
    )
    searcher = Hybrid(members).prepare(DATA, Encoding())
    assert searcher.facts == {"index_bytes": 12, "bytes_per_doc": 5, "documents_cut": 0.3, "dimensions": 4}
    assert searcher.warnings == ("material 1: one", "material 2: two", "material 2: three")


def test_a_probe_is_the_members_probes_and_the_fusion() -> None:
    part = Hybrid((Bm25(), Bm25(k1=0.9), Dense(Hashing(), Native(), Truncate(), Float32(), Flat())), depth=9)
    searcher = part.prepare(small_set(), Encoding())
    ranked, laps = searcher.rank(5).documents, list[str]()
    assert [searcher.probe(i, 5, laps.append).tolist() for i in range(9)] == ranked.tolist()
    assert laps[:4] == ["bm25 1: search", "bm25 2: search", "dense: search", "fuse"]


class TestTuning:
    """Weights chosen on another set."""

    RIGHT = {"dev": {"a": 2, "z": 1}, "q": {"a": 2, "z": 1}}
    WRONG = {"dev": {"z": 2, "a": 1}, "q": {"z": 2, "a": 1}}
    DOCUMENTS = {"a": "", "z": ""}
    TEST = evalset(DOCUMENTS, {"q": "a test question"}, {"q": {"z": 1}})
    DEV = evalset(DOCUMENTS, {"dev": "another question"}, {"dev": {"a": 1}})

    def tuned(self, *members: Any, dev: EvalSet = DEV, **more: Any) -> Any:
        return Hybrid(members, tune_on="dev", **more).prepare(self.TEST, Encoding(sets={"dev": dev}))

    @pytest.mark.parametrize("fusion", ["rrf", "min-max", "z-score"])
    def test_the_first_weights_from_equal_on_that_rank_the_other_set_best_are_taken(self, fusion: Any) -> None:
        searcher = self.tuned(Listed(self.RIGHT), Listed(self.WRONG), fusion=fusion)
        assert {k: searcher.facts[k] for k in ("weight_1", "weight_2")} == {"weight_1": 0.6, "weight_2": 0.4}
        assert searcher.rank(2).documents.tolist() == [[0, 1]], "though the set that is scored would like the other"

    def test_the_weights_that_were_chosen_are_told_beside_the_scores(self) -> None:
        searcher = self.tuned(Listed(self.RIGHT), Listed(self.WRONG))
        first, second = searcher.names
        assert searcher.warnings[0] == f"weights chosen on dev: {first} 0.6, {second} 0.4"
        searcher.rank(2)
        assert len([w for w in searcher.warnings if "weights" in w]) == 1, "told once, however often it searched"
        fixed = Hybrid((Listed(self.RIGHT), Listed(self.WRONG)), weights=(1.0, 2.0)).prepare(self.TEST, Encoding())
        assert not any("weights" in w for w in fixed.warnings)

    def test_members_that_are_equally_good_get_equal_weights(self) -> None:
        assert self.tuned(Listed(self.RIGHT), Listed(self.RIGHT)).facts == {"weight_1": 0.5, "weight_2": 0.5}

    def test_three_weights_are_tenths_that_sum_to_1(self) -> None:
        facts = self.tuned(Listed(self.WRONG), Listed(self.RIGHT), Listed(self.WRONG)).facts
        assert facts == {"weight_1": 0.2, "weight_2": 0.6, "weight_3": 0.2}, "the right one must outweigh both others"

    @pytest.mark.parametrize("text", ["a test question", " A  Test question "])
    def test_a_set_that_shares_a_query_with_the_scored_one_is_refused(self, text: str) -> None:
        with pytest.raises(Inapplicable, match=r"tune_on=dev: 1 of its queries .*'a test question'.*Use another set"):
            self.tuned(Listed({}), Listed({}), dev=evalset(self.DOCUMENTS, {"x": "else", "y": text}, {"x": {"a": 1}}))

    def test_a_set_without_relevant_documents_is_refused(self) -> None:
        for grades in ({}, {"dev": {"a": 0}}):
            with pytest.raises(Inapplicable, match="no query has a relevant document"):
                self.tuned(Listed({}), Listed({}), dev=evalset(self.DOCUMENTS, {"dev": "else"}, grades))


def test_scores_of_two_scales_in_one_list_are_not_fused_by_score() -> None:
    reranked = Rerank(Bm25(), WordOverlap(), depth=5)
    with pytest.raises(
        Inapplicable, match="z-score needs scores on one scale, and rerank gives its own to the first 5"
    ):
        Hybrid((reranked, Bm25()), "z-score", depth=20).prepare(small_set(), Encoding())
    Hybrid((reranked, Bm25()), "z-score", depth=5).prepare(small_set(), Encoding())
    Hybrid((reranked, Bm25()), "rrf", depth=20).prepare(small_set(), Encoding())
