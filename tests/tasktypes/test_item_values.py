"""The values of single items: their mean is the score, their spread what another draw of items would show."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from harness.encoders.hashing import Hashing
from harness.indexes.flat import Flat
from harness.metrics.mrr import Mrr
from harness.metrics.ndcg import Ndcg
from harness.parts import find
from harness.poolings.native import Native
from harness.quantizers.binary import Binary
from harness.quantizers.float32 import Float32
from harness.reductions.truncate import Truncate
from harness.retrievers.bm25 import Bm25
from harness.retrievers.dense import Dense
from harness.spaces import prepared
from harness.tasktypes.reranking import Reranking
from harness.types import EvalSet, Evaluation, Texts
from tests.material import Encoding, Listed
from tests.tasktypes.small import (
    SMALL,
    named,
    small_alike,
    small_bitext,
    small_candidates,
    small_classes,
    small_summaries,
    small_topics,
)  # fmt: skip

WHOLE = Dense(Hashing(), Native(), Truncate(), Float32(), Flat())
COARSE = Dense(Hashing(), Native(), Truncate(3), Binary(), Flat())


def ours(data: EvalSet, dense: Dense = WHOLE, **settings: object) -> Evaluation:
    return find("tasktypes", data.type)(**settings).evaluate(data, prepared(dense, data, Encoding()))


def test_pairs_have_the_jackknife_pseudo_values_of_the_highest_average_precision() -> None:
    from sklearn.metrics import average_precision_score

    for dense in (WHOLE, COARSE):  # the latter has many ties
        data = small_alike()
        label, space = data.targets["label"], prepared(dense, data, Encoding())
        a, b = (space.vectors(side.texts, "text") for side in (data.queries, data.documents))
        kinds = [(a * b).sum(axis=1), -np.abs(a - b).sum(axis=1), -np.linalg.norm(a - b, axis=1)]
        kinds.append(kinds[0] / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1))
        kinds = [np.round(one, 6) for one in kinds]

        def best(kept: np.ndarray) -> float:
            return max(average_precision_score(label[kept], one[kept]) for one in kinds)  # noqa: B023

        everything = np.arange(40)
        by_hand = [40 * best(everything) - 39 * best(np.delete(everything, i)) for i in everything]
        values = ours(data, dense).per_query["max_ap"]
        np.testing.assert_allclose(values, np.array(by_hand) + best(everything) - np.mean(by_hand), atol=1e-6)


def test_of_a_single_pair_that_is_alike_nothing_is_left_without_it_and_its_value_is_the_mean() -> None:
    data = small_alike()
    one = (np.arange(40) == 7).astype(np.int32)
    found = ours(replace(data, targets={"label": one})).per_query["max_ap"]
    assert np.isfinite(found).all()
    assert found[7] == pytest.approx(found.mean())


def test_the_best_threshold_has_each_pair_on_its_side_or_not() -> None:
    found = ours(small_alike(), main="max_accuracy")
    assert set(found.per_query["max_accuracy"].tolist()) == {0.0, 1.0}
    assert found.per_query["max_accuracy"].mean() == pytest.approx(ours(small_alike()).facts["max_accuracy"])


def test_a_text_has_the_f1_of_its_translation() -> None:
    """Three texts: the first two both take the first translation, the third finds its own."""
    data = named(
        "bitext", ["printer paper", "router", "vpn signal"], ["printer paper", "printer paper jam", "vpn signal"],
        {"gold": np.arange(3, dtype=np.int32)},
    )  # fmt: skip
    found = ours(data)
    assert found.per_query["f1"].tolist() == pytest.approx([2 / 3, 0.0, 1.0])
    assert found.per_query["accuracy"].tolist() == [1.0, 0.0, 1.0]
    assert ours(data, main="precision").per_query["precision"].tolist() == pytest.approx([1 / 2, 0.0, 1.0])


def test_texts_with_several_nearest_ones_are_counted_and_said_whether_or_not_their_translation_is_among_them() -> None:
    """The first finds its translation twice, the third two others that are equal, one of them the second's."""
    data = named(
        "bitext", ["paper", "router", "toner", "paper", "router"], ["paper", "router cable", "router"],
        {"gold": np.array([0, 1, 2], np.int32)},
    )  # fmt: skip
    found = ours(data, main="accuracy")
    assert found.facts["tied_queries"] == 3
    assert (found.facts["tie_lowest"], found.facts["tie_highest"]) == (0.0, pytest.approx(2 / 3))
    assert any(
        "3 of 3 texts have several others as near" in line and "0.0000 and 0.6667" in line for line in found.warnings
    )
    clear = ours(small_bitext())
    assert clear.facts["tied_queries"] == 0 and not clear.warnings
    assert clear.facts["tie_lowest"] == clear.facts["tie_highest"] == pytest.approx(clear.per_query["f1"].mean())


@pytest.mark.parametrize("main", ["f1", "precision", "recall", "accuracy"])
def test_every_choice_among_the_nearest_texts_scores_within_the_bounds(main: str) -> None:
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    coarse = replace(COARSE, reduction=Truncate(6))
    data, gold = small_bitext(), small_bitext().targets["gold"]
    space = prepared(coarse, data, Encoding())
    asked, held = (space.vectors(side.texts, "text") for side in (data.queries, data.documents))
    alike = np.round((asked @ held.T) / np.linalg.norm(asked, axis=1)[:, None] / np.linalg.norm(held, axis=1), 5)
    nearest = [np.flatnonzero(row == row.max()) for row in alike]
    draw, met = np.random.default_rng(1), []
    right = [g if g in some else some[0] for g, some in zip(gold, nearest, strict=True)]
    wrong = [next((i for i in some if i != g), g) for g, some in zip(gold, nearest, strict=True)]
    for chosen in (right, wrong, *([draw.choice(some) for some in nearest] for _ in range(300))):
        scores = precision_recall_fscore_support(gold, chosen, average="weighted", zero_division=0)
        scores = dict(zip(("precision", "recall", "f1"), scores, strict=False)) | {
            "accuracy": accuracy_score(gold, chosen)
        }
        met.append(scores[main])
    facts = ours(data, coarse, main=main).facts
    assert facts["tied_queries"] == sum(len(some) > 1 for some in nearest) > 5
    assert facts["tie_lowest"] <= min(met) + 1e-9 and max(met) - 1e-9 <= facts["tie_highest"]
    if main in ("recall", "accuracy"):
        assert (facts["tie_lowest"], facts["tie_highest"]) == (pytest.approx(min(met)), pytest.approx(max(met)))


def test_the_order_of_translations_candidates_and_pairs_changes_no_score() -> None:
    lines = small_bitext()
    mixed = np.random.default_rng(1).permutation(26)
    texts = Texts(*(tuple(column[i] for i in mixed) for column in (lines.documents.ids, lines.documents.texts)))
    moved = replace(lines, documents=texts, targets={"gold": np.argsort(mixed)[lines.targets["gold"]].astype(np.int32)})
    assert np.array_equal(ours(moved).per_query["f1"], ours(lines).per_query["f1"])

    lists = small_candidates()
    other = np.random.default_rng(2).permuted(lists.targets["candidates"], axis=1)
    for dense in (WHOLE, COARSE):
        first, second = (
            ours(replace(lists, targets={"candidates": one}), dense) for one in (lists.targets["candidates"], other)
        )
        assert np.array_equal(first.per_query["map_at_1000"], second.per_query["map_at_1000"])

    pairs = small_alike()
    turned = replace(
        pairs, queries=Texts(pairs.queries.ids[::-1], pairs.queries.texts[::-1]),
        documents=Texts(pairs.documents.ids[::-1], pairs.documents.texts[::-1]),
        targets={"label": pairs.targets["label"][::-1].copy()},
    )  # fmt: skip
    np.testing.assert_allclose(ours(turned).per_query["max_ap"], ours(pairs).per_query["max_ap"][::-1], atol=1e-9)


def test_a_text_has_the_share_of_classifiers_that_were_right_and_f1_is_that_of_scikit_learn() -> None:
    values = ours(small_classes(), n_experiments=4).per_query["accuracy"]
    assert set(np.round(values * 4, 9).tolist()) <= {0, 1, 2, 3, 4}
    found = ours(small_classes(), main="f1")
    assert found.per_query["f1"].mean() == pytest.approx(ours(small_classes()).facts["f1"])
    assert 0 < found.per_query["f1"].std() < 1


def test_a_text_adds_to_the_v_measure_what_a_little_more_weight_of_its_copies_would() -> None:
    """By hand: every copy in the one draw counts 50 times, and those of one text 51 times."""
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.metrics import v_measure_score

    data = small_topics()
    found = ours(data, max_documents_per_cluster=200, n_clusters=1)
    rows = prepared(WHOLE, data, Encoding()).vectors(data.documents.texts, "text")
    drawn = np.array(Random(42).choices(range(40), k=200))
    clusters = MiniBatchKMeans(4, batch_size=512, n_init=1, random_state=42).fit_predict(rows[drawn])
    label = data.targets["label"][drawn, 0]
    whole = v_measure_score(label, clusters)
    copies = [50 + (drawn == text) for text in range(40)]
    heavier = np.array([v_measure_score(np.repeat(label, n), np.repeat(clusters, n)) for n in copies])
    assert found.query_ids == tuple(f"d{i:02}" for i in range(40))
    np.testing.assert_allclose(found.per_query["v_measure"], whole + 40 * (heavier - whole) * 50, atol=0.02)


def test_a_text_that_a_level_lacks_has_that_levels_mean() -> None:
    draws = {"max_documents_per_cluster": 60, "n_clusters": 1}
    label = np.stack([np.arange(40) % 4, np.where(np.arange(40) < 20, -1, np.arange(40) % 2)], axis=1).astype(np.int32)
    alone, both = (
        ours(replace(small_topics(), targets={"label": columns, "group": np.zeros(40, np.int32)}), **draws)
        for columns in (label[:, :1], label)
    )
    upper, values = alone.per_query["v_measure"], both.per_query["v_measure"]
    second = 2 * values.mean() - upper.mean()
    assert values[:20] == pytest.approx((upper[:20] + second) / 2)
    assert np.std(2 * values[20:] - upper[20:]) > 0.01


def test_where_mteb_embeds_some_texts_these_are_the_items_and_a_warning_says_how_many() -> None:
    draws = {"max_documents_per_cluster": 60, "n_clusters": 3}
    found = ours(small_topics(), max_fraction_of_documents_to_embed=0.5, **draws)
    assert len(found.query_ids) == len(set(found.query_ids)) == 20
    assert any("20 of 40 texts were embedded" in line for line in found.warnings)
    assert not ours(small_topics(), **draws).warnings


def test_adjusted_mutual_information_has_a_value_for_each_draw_and_says_so() -> None:
    found = ours(small_topics(), main="ami", max_documents_per_cluster=60, n_clusters=3)
    assert found.query_ids == ("draw-0", "draw-1", "draw-2")
    assert any("intervals tell of other draws" in line for line in found.warnings)


def test_texts_whose_scores_are_all_equal_are_left_out_and_counted() -> None:
    found = ours(small_summaries())
    assert found.query_ids == ("text-0", "text-1", "text-2", "text-3", "text-4")
    assert found.facts["texts_left_out"] == 1
    assert any("1 of 6 texts are left out" in line for line in found.warnings)


def test_a_text_whose_summaries_are_all_as_near_has_the_mean_so_that_candidates_stay_comparable() -> None:
    data = small_summaries()
    texts = list(data.queries.texts)
    texts[5:10] = [texts[5]] * 5
    found = ours(replace(data, queries=replace(data.queries, texts=tuple(texts))))
    values = found.per_query["cosine_spearman"]
    assert len(found.query_ids) == 5
    assert values[1] == pytest.approx(np.delete(values, 1).mean())
    assert any("1 of 5 texts are skipped" in line for line in found.warnings)
    untouched = ours(data).per_query["cosine_spearman"]
    assert values[2:] == pytest.approx(untouched[2:])


def test_candidates_alone_are_ranked_and_equal_scores_go_by_document_id_descending() -> None:
    data = named("reranking", ["a", "b", "c"], ["x", "y"], {"candidates": np.array([[0, 1], [1, -1]], np.int32)})
    data = replace(data, qrels=type(data.qrels)(*np.array([[0, 0, 1], [1, 1, 1], [1, 2, 1]], np.int32).T.copy()))
    ready = Listed({"q00": {"d02": 9.0}}).prepare(data, Encoding())
    found = Reranking((Mrr(2), Ndcg(10)), "map_at_10").evaluate(data, ready)
    assert list(found.per_query) == ["map_at_10", "mrr_at_2", "ndcg_at_10"]
    assert found.per_query["map_at_10"].tolist() == [1 / 2, 1 / 2]  # second of two; the other right one is not listed
    assert found.top.tolist()[0] == [1, 0] + [-1] * 8
    assert found.facts["tied_queries"] == 1


def test_a_query_without_a_relevant_candidate_is_counted_and_words_rank_candidates_too() -> None:
    data = small_candidates()
    found = Reranking((Ndcg(10),)).evaluate(data, Bm25().prepare(data, Encoding()))
    assert found.main == "map_at_1000"
    assert found.facts["queries"] == 11
    assert found.facts["queries_left_out"] == 1


@pytest.mark.parametrize("kind", [kind for kind in SMALL if kind != "reranking"])
def test_pairing_two_candidates_item_by_item_is_possible(kind: str) -> None:
    settings = {"max_documents_per_cluster": 50, "n_clusters": 2} if kind == "clustering" else {}
    first, second = (ours(SMALL[kind](), dense, **settings) for dense in (WHOLE, COARSE))
    assert first.query_ids == second.query_ids
    assert first.per_query[first.main].shape == (len(first.query_ids),)
    assert first.top.shape == (len(first.query_ids), 0)
