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

from harness.encoders.hashing import Hashing
from harness.indexes.flat import Flat
from harness.metrics.mrr import Mrr
from harness.metrics.ndcg import Ndcg
from harness.parts import ROOMS, available, build, describe, identity, is_part, name_of
from harness.poolings.mean import Mean
from harness.poolings.native import Native
from harness.quantizers.binary import Binary
from harness.quantizers.float32 import Float32
from harness.quantizers.int8 import Int8
from harness.ranking import judge
from harness.reductions.truncate import Truncate
from harness.retrievers.bm25 import Bm25
from harness.retrievers.dense import Dense
from harness.tasktypes.retrieval import Retrieval
from tests.material import Encoding, clustered, qrels_of, ranking_of, small_set

# Parts that cannot be made without arguments, and further instances of those that can.
EXAMPLES: Mapping[str, tuple[Any, ...]] = {
    "retrievers.dense": (
        Dense(Hashing(), Native(), Truncate(), Float32(), Flat()),
        Dense(Hashing(24), Mean(), Truncate(16), Binary(), Flat(7), "dot", 3),
        Dense(Hashing(24, prompts={"query": "q "}), Mean(), Truncate(16), Int8(0.9), Flat(), "cosine"),
    ),
    "retrievers.bm25": (Bm25(), Bm25(method="bm25+", stemmer="none", stopwords="none", k1=0.9, b=0.4)),
    "tasktypes.retrieval": (Retrieval((Ndcg(3), Mrr(2))),),
    "reductions.truncate": (Truncate(), Truncate(5)),
    "quantizers.int8": (Int8(), Int8(0.9)),
    "encoders.hashing": (Hashing(), Hashing(8, 3, 4, {"query": "find ", "document": "read "})),
}
OTHER = {  # another value of a nested part
    Hashing: Hashing(dim=5, seed=9), Native: Mean(), Mean: Native(), Truncate: Truncate(3), Float32: Binary(),
    Binary: Float32(), Int8: Int8(0.5), Flat: Flat(123),
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
    (folder / "config.json").write_text("{}")
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
        return value + 1 if isinstance(value, int) else value / 2
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
    assert pooled.shape == (6, 4)
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


@pytest.mark.parametrize("part", of("indexes"))
def test_an_index_answers_each_query_by_itself(part: Any) -> None:
    built = part.build(DOCUMENTS, [f"d{i}" for i in range(len(DOCUMENTS))])
    none = np.full(len(QUERIES), -1, np.int32)
    whole = built.search(QUERIES, 8, none)
    assert all(np.array_equal(a, b) for a, b in zip(whole, built.search(QUERIES, 8, none), strict=True))
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
    searcher = Bm25().prepare(small_set(), Encoding())
    first, second = (part.evaluate(small_set(), searcher) for _ in range(2))
    assert {k: v.tobytes() for k, v in first.per_query.items()} == {k: v.tobytes() for k, v in second.per_query.items()}
    assert first.facts == second.facts
    assert first.top.tobytes() == second.top.tobytes()


TEXTS = ["a red car", "", "the fast train with a red wheel", "boat", "a red car"]


@pytest.mark.parametrize("part", [p for p in of("encoders") if isinstance(p.values[0], Hashing)])
def test_an_encoder_gives_the_same_bytes_whatever_the_batch(part: Any) -> None:
    model, poolings = (
        part.open("cpu"),
        [build({"_target_": f"{c.__module__}.{c.__name__}"}) for c in available("poolings").values()],
    )
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
