"""The laws that every part of every room keeps; a part without an example here fails."""

from __future__ import annotations

import dataclasses
import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.chunkings.words import Words
from harness.encoders.api import Api
from harness.encoders.hashing import Hashing
from harness.encoders.onnx import Onnx
from harness.encoders.openvino import Openvino
from harness.encoders.provider import Provider
from harness.indexes.flat import Flat
from harness.indexes.hnsw import Hnsw
from harness.indexes.ivf import Ivf
from harness.metrics.mrr import Mrr
from harness.metrics.ndcg import Ndcg
from harness.parts import ROOMS, available, build, describe, identity, is_part, name_of
from harness.poolings.cls import Cls
from harness.poolings.concat import Concat
from harness.poolings.mean import Mean
from harness.poolings.native import Native
from harness.quantizers.binary import Binary
from harness.quantizers.float32 import Float32
from harness.quantizers.int8 import Int8
from harness.quantizers.opq import Opq
from harness.quantizers.pq import Pq
from harness.ranking import judge
from harness.reductions.pca import Pca
from harness.reductions.random_projection import RandomProjection
from harness.reductions.truncate import Truncate
from harness.reductions.whiten import Whiten
from harness.rerankers.api import ApiReranker
from harness.rerankers.word_overlap import WordOverlap
from harness.retrievers.bm25 import Bm25
from harness.retrievers.dense import Dense
from harness.retrievers.funnel import Funnel
from harness.retrievers.hybrid import Hybrid
from harness.retrievers.in_passages import InPassages
from harness.retrievers.late_interaction import LateInteraction
from harness.retrievers.learned_sparse import LearnedSparse
from harness.retrievers.rerank import Rerank
from harness.scenarios.index import Index
from harness.scenarios.query import Query
from harness.scenarios.serve import Serve
from harness.spaces import prepared
from harness.tasktypes.classification import Classification
from harness.tasktypes.clustering import Clustering
from harness.tasktypes.pair_classification import PairClassification
from harness.tasktypes.reranking import Reranking
from harness.tasktypes.retrieval import Retrieval
from harness.types import Comparison, Inapplicable
from tests.material import Encoding, clustered, qrels_of, ranking_of, small_set
from tests.tasktypes.small import SMALL

DENSE = Dense(Hashing(), Native(), Truncate(), Float32(), Flat())
# Parts that cannot be made without arguments, and further instances of those that can.
EXAMPLES: Mapping[str, tuple[Any, ...]] = {
    "retrievers.dense": (
        DENSE,
        Dense(Hashing(24), Mean(), Truncate(16), Binary(), Flat(7), "dot", 3),
        Dense(Hashing(24, prompts={"query": "q "}), Mean(), Truncate(16), Int8(0.9), Flat(), "cosine"),
    ),
    "retrievers.bm25": (Bm25(), Bm25(method="bm25+", stemmer="none", stopwords="none", k1=0.9, b=0.4)),
    "retrievers.hybrid": (
        Hybrid((Bm25(), DENSE)),
        Hybrid((Bm25(), Bm25(k1=0.9), Rerank(DENSE, WordOverlap(), 7)), "z-score", depth=7, weights=(1.0, 2.0, 0.5)),
        Hybrid((Bm25(), DENSE), "min-max"),
    ),
    "retrievers.rerank": (Rerank(Bm25(), WordOverlap(), 8), Rerank(Hybrid((Bm25(), DENSE)), WordOverlap())),
    "retrievers.funnel": (
        Funnel(Dense(Hashing(), Native(), Truncate(4), Float32(), Flat()), DENSE, 9),
        Funnel(Bm25(), DENSE),
    ),
    "retrievers.in_passages": (
        InPassages(Bm25(), Words(3, 1)),
        InPassages(DENSE, Words(2, 0), "mean", depth=10),
        InPassages(DENSE, Words(2, 1), "top", 2, 7),
    ),
    "retrievers.late_interaction": (
        LateInteraction(Hashing(24, gives="vectors"), Native()),
        LateInteraction(Hashing(16, max_tokens=3, gives="vectors"), Native(), "float16"),
    ),
    "retrievers.learned_sparse": (LearnedSparse(Hashing(gives="sparse"), Native()),),
    "tasktypes.retrieval": (Retrieval((Ndcg(3), Mrr(2))),),
    "tasktypes.reranking": (Reranking(), Reranking((Ndcg(3), Mrr(2)), "map_at_10")),
    "tasktypes.classification": (Classification(n_experiments=2), Classification("f1", n_experiments=2)),
    "tasktypes.clustering": (
        Clustering(max_documents_per_cluster=50, n_clusters=2),
        Clustering("ami", max_fraction_of_documents_to_embed=0.5, max_documents_per_cluster=50, n_clusters=2),
    ),
    "tasktypes.pair_classification": (PairClassification(), PairClassification("max_accuracy")),
    "poolings.concat": (Concat((Cls(), Mean())),),
    "reductions.truncate": (Truncate(), Truncate(5)),
    "reductions.pca": (Pca(), Pca(5)),
    "reductions.whiten": (Whiten(), Whiten(5)),
    "reductions.random_projection": (RandomProjection(), RandomProjection(5, 1)),
    "quantizers.int8": (Int8(), Int8(0.9), Int8(symmetric=True)),
    "quantizers.pq": (Pq(6, 5), Pq(1, 3)),
    "quantizers.opq": (Opq(4, 3), Opq(1, 2)),
    "encoders.api": (
        Api("tiny", "http://localhost/v1"),
        Api("tiny", "http://localhost/v1", "TINY_KEY", 8, max_batch=3),
    ),
    "encoders.provider": (
        Provider("voyage/voyage-3.5"),
        Provider("cohere/embed-v4.0", dims=256, role_options={"query": {"input_type": "search_query"}}, price=0.12),
    ),
    "rerankers.api": (
        ApiReranker("tiny", "http://localhost/v1"),
        ApiReranker("tiny", "http://localhost", "TINY_KEY", "tei", 512),
    ),
    "indexes.flat": (Flat(), Flat(50)),
    "scenarios.query": (Query(), Query(5, 200, 2.0, 0)),
    "scenarios.index": (Index(), Index(5, 512)),
    "scenarios.serve": (Serve(), Serve(20.0, 1000, 7)),
    "indexes.hnsw": (Hnsw(), Hnsw(4, 20, 12)),
    "indexes.ivf": (Ivf(), Ivf(5, 2)),
    "encoders.onnx": (Onnx("some/place"), Onnx("some/place", "onnx/model.onnx", "cls", {"query": "find "}, 128, "dot")),
    "encoders.openvino": (
        Openvino("some/place"),
        Openvino("some/place", "openvino_model.xml", "mean", dtype="bfloat16"),
    ),
    "encoders.hashing": (Hashing(), Hashing(8, 3, 4, {"query": "find ", "document": "read "})),
}
OTHER = {  # another value of a nested part
    Hashing: Hashing(dim=5, seed=9), Native: Mean(), Mean: Native(), Truncate: Truncate(3), Float32: Binary(),
    Binary: Float32(), Int8: Int8(0.5), Flat: Flat(123), Bm25: Bm25(k1=1.1), Dense: Bm25(), Hybrid: DENSE, Words: Words(77),
    WordOverlap: ApiReranker("other", "http://localhost"),
}  # fmt: skip
CLASSES = [(f"{room}.{name}", cls) for room in ROOMS for name, cls in available(room).items()]


def examples(name: str, cls: type) -> tuple[Any, ...]:
    if name in EXAMPLES:
        return EXAMPLES[name]
    needed = [f for f in dataclasses.fields(cls) if f.default is f.default_factory is dataclasses.MISSING]
    if any(get_type_hints(cls)[f.name] is not str for f in needed):
        return ()
    return (cls(**{f.name: "some/place" for f in needed}),)


PARTS = [pytest.param(part, id=f"{name}-{i}") for name, cls in CLASSES for i, part in enumerate(examples(name, cls))]


def of(room: str) -> list[Any]:
    return [p for p in PARTS if p.id is not None and p.id.startswith(f"{room}.")]


def kept_offline(part: Any, folder: Path) -> Any:
    """The part, reading a model folder made up here where it would need one."""
    if not hasattr(part, "path") or not hasattr(part, "content"):
        return part
    folder.mkdir(exist_ok=True)
    for name in ("config.json", getattr(part, "file", "config.json")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")
    return dataclasses.replace(part, path=str(folder))


def another(value: Any, hint: Any) -> Any:
    """A valid value of the field's type that differs from this one."""
    if is_part(value):
        return OTHER[type(value)]
    if get_origin(hint) is Literal:
        return next(v for v in get_args(hint) if v != value)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1 if isinstance(value, int) else value / 2 or 1.0
    if isinstance(value, tuple):
        return (*value, Ndcg(77))
    if isinstance(value, str):
        return 3 if int in get_args(hint) else value + "x"
    return {"query": "another "}


@pytest.mark.parametrize(("name", "cls"), CLASSES, ids=[name for name, _ in CLASSES])
def test_every_part_has_an_example(name: str, cls: type) -> None:
    assert examples(name, cls), f"{name} needs arguments: add an example of it to EXAMPLES"
    assert all(type(part) is cls for part in examples(name, cls))


@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_built_again_from_its_description(part: Any) -> None:
    node = describe(part)
    assert set(node) == {"_target_"} | {f.name for f in dataclasses.fields(part)}
    assert build(json.loads(json.dumps(node))) == part


@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_frozen_and_has_no_state_but_its_parameters(part: Any) -> None:
    assert is_part(part)
    names = {f.name for f in dataclasses.fields(part)}
    for name in (*names, "something_else"):
        with pytest.raises((dataclasses.FrozenInstanceError, TypeError)):
            setattr(part, name, None)
    assert set(vars(part)) == names


@pytest.mark.parametrize("part", PARTS)
def test_an_identity_is_stable_and_changes_with_every_parameter_that_is_no_place(part: Any, tmp_path: Path) -> None:
    part = kept_offline(part, tmp_path / "model")
    own, hints = identity(part), get_type_hints(type(part))
    assert own == identity(build(json.loads(json.dumps(describe(part)))))
    for f in dataclasses.fields(part):
        changed = dataclasses.replace(part, **{f.name: another(getattr(part, f.name), hints[f.name])})
        if f.metadata.get("identity", True):
            assert identity(changed) != own, f.name
        elif not hasattr(part, "content"):  # where a model lies decides what it is: see the encoders' own tests
            assert identity(changed) == own, f.name


@pytest.mark.parametrize("part", PARTS)
def test_parts_of_different_classes_are_different(part: Any, tmp_path: Path) -> None:
    part = kept_offline(part, tmp_path / "model")
    others = [p.values[0] for p in PARTS if type(p.values[0]) is not type(part)]
    folders = [kept_offline(other, tmp_path / "model") for other in others]
    assert identity(part) not in {identity(other) for other in folders}


def sealed(array: NDArray[Any]) -> NDArray[Any]:
    """The array, protected against edits."""
    array.flags.writeable = False
    return array


DOCUMENTS, QUERIES = sealed(clustered(90, 24, 1)), sealed(clustered(20, 24, 2))


def in_chunks(call: Any, rows: NDArray[Any], size: int) -> NDArray[Any]:
    return np.concatenate([call(rows[i : i + size]) for i in range(0, len(rows), size)])


@pytest.mark.parametrize("part", of("poolings"))
def test_a_pooling_treats_each_text_by_itself_and_edits_nothing(part: Any) -> None:
    if part.native:
        with pytest.raises(TypeError):
            part.pool(None, None)
        return
    draw = np.random.default_rng(3)
    states = sealed(draw.normal(size=(6, 5, 4)).astype(np.float32))
    mask = sealed(np.arange(5) < np.array([5, 3, 1, 4, 2, 5])[:, None])
    pooled = part.pool(states, mask)
    assert pooled.shape == (6, 4 * len(getattr(part, "of", [part])))
    assert pooled.dtype == np.float32
    assert pooled.tobytes() == part.pool(states, mask).tobytes()
    for i in range(6):
        assert pooled[i].tobytes() == part.pool(states[i : i + 1], mask[i : i + 1])[0].tobytes()


@pytest.mark.parametrize("part", of("reductions"))
def test_a_reduction_is_fitted_once_and_applied_row_by_row(part: Any) -> None:
    fitted = part.fit(DOCUMENTS)
    before, reduced = pickle.dumps(fitted), fitted.apply(QUERIES)
    fitted.apply(DOCUMENTS * 3)
    assert pickle.dumps(fitted) == before
    assert 0 < fitted.variance_kept <= 1
    assert reduced.dtype == np.float32
    assert reduced.tobytes() == fitted.apply(QUERIES).tobytes() == part.fit(DOCUMENTS).apply(QUERIES).tobytes()
    for size in (1, 7, 1000):
        assert in_chunks(fitted.apply, QUERIES, size).tobytes() == reduced.tobytes()


@pytest.mark.parametrize("part", of("quantizers"))
def test_a_quantizer_is_fitted_once_and_codes_do_not_depend_on_chunks(part: Any) -> None:
    fitted = part.fit(DOCUMENTS)
    before, codes, asked = pickle.dumps(fitted), fitted.encode(DOCUMENTS), fitted.query(QUERIES)
    fitted.encode(QUERIES * 5)
    fitted.query(DOCUMENTS)
    assert pickle.dumps(fitted) == before
    assert codes.tobytes() == part.fit(DOCUMENTS).encode(DOCUMENTS).tobytes()
    for size in (1, 13, 1000):
        assert in_chunks(fitted.encode, DOCUMENTS, size).tobytes() == codes.tobytes()
        assert in_chunks(fitted.query, QUERIES, size).tobytes() == asked.tobytes()
        assert in_chunks(fitted.decode, codes, size).tobytes() == fitted.decode(codes).tobytes()
    assert fitted.decode(codes).shape == DOCUMENTS.shape
    assert fitted.decode(codes).dtype == asked.dtype == np.float32
    assert fitted.overhead_bytes >= 0


@pytest.mark.parametrize("comparison", get_args(Comparison))
@pytest.mark.parametrize("part", of("indexes"))
def test_an_index_answers_each_query_by_itself(part: Any, comparison: Comparison) -> None:
    ids, none = [f"d{i}" for i in range(len(DOCUMENTS))], np.full(len(QUERIES), -1, np.int32)
    built = part.build(DOCUMENTS, ids, comparison)
    whole = built.search(QUERIES, 8, none)
    again = part.build(DOCUMENTS, ids, comparison)
    assert again.overhead_bytes == built.overhead_bytes >= 0
    assert all(a.tobytes() == b.tobytes() for a, b in zip(whole, again.search(QUERIES, 8, none), strict=True))
    for i in range(len(QUERIES)):
        one = built.search(QUERIES[i : i + 1], 8, none[:1])
        assert np.array_equal(one.documents[0], whole.documents[i])
        assert np.array_equal(one.scores[0], whole.scores[i])


@pytest.mark.parametrize("part", of("retrievers"))
def test_a_retriever_ranks_alike_whatever_the_batch_the_other_queries_and_the_depth(part: Any) -> None:
    data = small_set()
    ranking = part.prepare(data, Encoding(32)).rank(12)
    for batch_size in (1, 5):
        again = part.prepare(data, Encoding(batch_size)).rank(12)
        assert all(np.array_equal(a, b) for a, b in zip(ranking, again, strict=True))
    alone = dataclasses.replace(data, queries=type(data.queries)(data.queries.ids[4:5], data.queries.texts[4:5]))
    assert np.array_equal(part.prepare(alone, Encoding()).rank(12).documents[0], ranking.documents[4])
    for k in (5, 11, 30):
        deeper = part.prepare(data, Encoding()).rank(k).documents
        both = min(k, 12)
        assert np.array_equal(deeper[:, :both], ranking.documents[:, :both]), "the depth asked for changes no rank"


@pytest.mark.parametrize("part", of("retrievers"))
def test_a_retriever_does_not_depend_on_the_order_of_the_documents(part: Any) -> None:
    data = small_set()
    mixed = np.random.default_rng(6).permutation(40)
    side = type(data.documents)(
        *(tuple(column[i] for i in mixed) for column in (data.documents.ids, data.documents.texts))
    )
    first = part.prepare(data, Encoding()).rank(12).documents
    second = part.prepare(dataclasses.replace(data, documents=side), Encoding()).rank(12).documents
    assert np.array_equal(np.where(second >= 0, mixed[second], -1), first)


@pytest.mark.parametrize("part", of("retrievers"))
def test_a_retriever_scores_each_document_by_itself_or_says_that_it_cannot(part: Any) -> None:
    searcher = part.prepare(small_set(), Encoding())
    candidates = np.random.default_rng(9).permuted(np.tile(np.arange(40, dtype=np.int32), (9, 1)), axis=1)
    candidates[:, ::5] = -1
    try:
        scores = searcher.score(sealed(candidates))
    except Inapplicable:
        with pytest.raises(Inapplicable):
            searcher.probe_score(0, candidates[0, 1:3], lambda _: None)
        return
    assert scores.dtype == np.float64
    assert np.array_equal(scores == -np.inf, candidates == -1)
    assert np.array_equal(searcher.score(candidates[:, ::-1]), scores[:, ::-1])
    assert np.array_equal(searcher.score(candidates[:, 1:2]), scores[:, 1:2])
    laps: list[str] = []
    one = searcher.probe_score(4, candidates[4, 1:4], laps.append)
    np.testing.assert_allclose(one, scores[4, 1:4], atol=1e-5)
    assert laps


@pytest.mark.parametrize("part", of("retrievers"))
def test_a_probe_finds_different_documents_but_never_the_querys_own_and_laps_each_stage(part: Any) -> None:
    data = small_set()
    ids = (*data.documents.ids[:3], "q2", *data.documents.ids[4:])
    data = dataclasses.replace(data, documents=dataclasses.replace(data.documents, ids=ids), exclude_self=True)
    searcher = part.prepare(data, Encoding())
    laps: list[str] = []
    found = searcher.probe(2, 10, laps.append)
    assert 0 < len(found) <= 10
    assert len(set(found.tolist())) == len(found)
    assert set(found.tolist()) <= set(range(40)) - {3}
    assert laps
    again: list[str] = []
    assert np.array_equal(searcher.probe(2, 10, again.append), found)
    assert again == laps


@pytest.mark.parametrize("part", of("metrics"))
def test_a_metric_scores_each_query_by_itself_and_looks_no_deeper_than_it_says(part: Any) -> None:
    draw = np.random.default_rng(4)
    names = [f"d{i}" for i in range(60)]
    queries = [f"q{i}" for i in range(15)]
    grades = {
        q: {d: int(draw.integers(-1, 4)) for d in draw.choice(names, 20, replace=False)} | {"d0": 1} for q in queries
    }
    run = {q: {d: float(draw.integers(6)) for d in draw.choice(names, 50, replace=False)} for q in queries[1:]}
    seen = judge(ranking_of(run, queries, names, 200), qrels_of(grades, queries, names))
    sealed(seen.grades)
    scores = part.score(seen)
    assert scores.dtype == np.float64
    assert scores.shape == (15,)
    assert scores.tobytes() == part.score(seen).tobytes()
    assert np.all((scores[1:] >= 0) & (scores[1:] <= 1))
    for i in range(15):
        assert np.array_equal(
            part.score(type(seen)(*(column[i : i + 1] for column in seen)))[0], scores[i], equal_nan=True
        )
    depth = getattr(part, "depth", part.k)
    cut = part.score(judge(ranking_of(run, queries, names, depth), qrels_of(grades, queries, names)))
    assert np.array_equal(cut, scores, equal_nan=True)


@pytest.mark.parametrize("part", of("metrics"))
def test_a_metrics_key_carries_its_depth_and_is_its_own(part: Any) -> None:
    assert part.key.endswith(f"_at_{part.k}")
    assert dataclasses.replace(part, k=7).key.endswith("_at_7")
    assert sum(p.values[0].key.rpartition("_at_")[0] == part.key.rpartition("_at_")[0] for p in of("metrics")) == 1


@pytest.mark.parametrize("part", of("tasktypes"))
def test_a_task_type_gives_the_same_evaluation_twice(part: Any) -> None:
    evalset = SMALL.get(name_of(part), small_set)()
    ready = prepared(Bm25() if evalset.searched else DENSE, evalset, Encoding())
    first, second = (part.evaluate(evalset, ready) for _ in range(2))
    assert {k: v.tobytes() for k, v in first.per_query.items()} == {k: v.tobytes() for k, v in second.per_query.items()}
    assert first.facts == second.facts
    assert first.top.tobytes() == second.top.tobytes()


TEXTS = ["a red car", "", "the fast train with a red wheel", "boat", "a red car"]


@pytest.mark.parametrize("part", [p for p in of("encoders") if isinstance(p.values[0], Hashing)])
def test_an_encoder_gives_the_same_bytes_whatever_the_batch(part: Any) -> None:
    model, poolings = part.open("cpu"), [p.values[0] for p in of("poolings")]
    whole = model.encode(TEXTS, "query", poolings, 5)
    assert np.array_equal(whole.vectors[0][0], whole.vectors[0][4])
    for size in (1, 2, 100):
        again = part.open("cpu").encode(TEXTS, "query", poolings, size)
        assert [v.tobytes() for v in again.vectors] == [v.tobytes() for v in whole.vectors]
        assert again.tokens.tobytes() == whole.tokens.tobytes()
    turned = model.encode(TEXTS[::-1], "query", poolings, 2)
    assert [v[::-1].tobytes() for v in turned.vectors] == [v.tobytes() for v in whole.vectors]
    for i, pooling in enumerate(poolings):
        assert model.encode(TEXTS, "query", [pooling], 3).vectors[0].tobytes() == whole.vectors[i].tobytes(), name_of(
            pooling
        )


@pytest.mark.parametrize("part", [p for p in of("rerankers") if isinstance(p.values[0], WordOverlap)])
def test_a_reranker_gives_a_pair_the_same_score_whatever_its_company(part: Any) -> None:
    model = part.rerank("cpu")
    queries = [q for q in TEXTS for _ in TEXTS]
    whole = model.score(queries, TEXTS * len(TEXTS))
    assert whole.dtype == np.float32
    assert whole.shape == (len(queries),)
    assert len(set(whole.tolist())) > 1
    for i, query in enumerate(queries):
        assert model.score([query], [TEXTS[i % len(TEXTS)]])[0] == whole[i]
    assert model.score([], []).shape == (0,)
