"""Learned sparse models: our weights are those of sentence-transformers."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.encoders.sparse_encoder import Sparse
from harness.parts import identity
from harness.poolings.mean import Mean
from harness.poolings.native import Native
from harness.retrievers.learned_sparse import LearnedSparse
from harness.sparse import unpacked
from harness.types import Encoded, HarnessError, Inapplicable
from tests.encoders.folders import TEXTS, bert, masked, saved, splade
from tests.material import Encoding, evalset

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore")]

PROMPTS = {"query": "query: ", "document": "document: "}
ALL = ["lm", "splade", "prompts", "few", "free"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    at = tmp_path_factory.mktemp("models")
    plain = bert(at / "transformer")
    lm = masked(at / "lm", plain)
    return {
        "transformer": plain,
        "dense": saved(at / "dense", plain, "mean"),
        "lm": lm,
        "splade": splade(at / "splade", lm),
        "prompts": splade(at / "prompts", lm, prompts=PROMPTS),
        "few": splade(at / "few", lm, max_active_dims=7),
        "free": splade(at / "free", lm, free=True),
    }


def theirs(folder: Path) -> Any:
    from sentence_transformers import SparseEncoder

    return SparseEncoder(str(folder), device="cpu", local_files_only=True)


def ours(folder: Path, role: Any, batch_size: int | None = 3, **more: Any) -> Encoded:
    return Sparse(path=str(folder), **more).open("cpu").encode(TEXTS, role, [Native()], batch_size)


def weights(encoded: Encoded, width: int) -> Any:
    assert encoded.counts is not None and encoded.vectors[0].dtype == np.float32
    return unpacked(encoded.vectors[0], encoded.counts, width).toarray()


def both(folder: Path, model: Any, **more: Any) -> None:
    for role, encode in (("query", model.encode_query), ("document", model.encode_document)):
        expected = encode(TEXTS, convert_to_sparse_tensor=False).numpy()
        found = weights(ours(folder, role, **more), expected.shape[1])
        np.testing.assert_allclose(found, expected, atol=1e-5, err_msg=role)
        assert 0 < (found > 0).mean() < 0.999


@pytest.mark.parametrize("name", ALL)
def test_queries_and_documents_equal_encode_query_and_encode_document(folders: dict[str, Path], name: str) -> None:
    both(folders[name], theirs(folders[name]))


def test_a_model_with_a_query_path_of_its_own_takes_it_for_queries_alone(folders: dict[str, Path]) -> None:
    queries, documents = (ours(folders["free"], role) for role in ("query", "document"))
    assert weights(queries, 200).astype(bool).sum(axis=1)[1] == 0  # an empty query has no term and no special token
    assert weights(documents, 200).astype(bool).sum(axis=1)[1] > 0
    assert queries.full_tokens.tolist() == [n - 2 for n in documents.full_tokens]


@pytest.mark.parametrize("name", ALL)
def test_a_ranking_is_that_of_the_models_own_similarity(folders: dict[str, Path], name: str) -> None:
    model, part = theirs(folders[name]), Sparse(path=str(folders[name]))
    documents, queries = {f"d{i}": t for i, t in enumerate(TEXTS)}, {"q0": "a fox", "q1": "the printer is offline"}
    data = evalset(documents, queries, {})
    found = LearnedSparse(part, Native()).prepare(data, Encoding(4))
    scores = model.similarity(model.encode_query([*queries.values()]), model.encode_document(TEXTS)).numpy()
    everything = np.tile(np.arange(len(TEXTS), dtype=np.int32), (2, 1))
    np.testing.assert_allclose(found.score(everything), scores, atol=1e-4)
    ranking = found.rank(len(TEXTS))
    assert np.array_equal(np.sort(-ranking.scores), -ranking.scores)
    assert [(row >= 0).sum() for row in ranking.documents] == [(row > 0).sum() for row in scores]


@pytest.mark.parametrize("name", ALL)
def test_neither_batch_size_nor_the_other_texts_change_a_weight(folders: dict[str, Path], name: str) -> None:
    model = Sparse(path=str(folders[name])).open("cpu")
    for role in ("query", "document"):
        whole = weights(model.encode(TEXTS, role, [Native()], 100), 200)
        for size in (1, 2, None):
            np.testing.assert_allclose(weights(model.encode(TEXTS, role, [Native()], size), 200), whole, atol=2e-6)
        turned = weights(model.encode(TEXTS[::-1], role, [Native()], 2), 200)
        np.testing.assert_allclose(turned[::-1], whole, atol=2e-6)


@pytest.mark.parametrize("name", ALL)
def test_what_a_model_says_of_itself_is_what_it_does_once_loaded(folders: dict[str, Path], name: str) -> None:
    part, model = Sparse(path=str(folders[name])), theirs(folders[name])
    traits = part.traits()
    assert (traits.similarity, traits.pooling, traits.gives) == (model.similarity_fn_name, "", "sparse")
    assert traits.max_tokens == 24
    assert {role: part.prompt(role) for role in PROMPTS} == {role: model.prompts[role] for role in PROMPTS}
    said = ("no settings of a sparse model in this folder: read as SPLADE with maximum pooling",)
    assert traits.warnings == (said if name == "lm" else ())


@pytest.mark.parametrize("name", ["lm", "splade", "prompts", "free"])
def test_tokens_are_counted_before_and_after_the_cut(folders: dict[str, Path], name: str) -> None:
    tokenizer, part = theirs(folders[name]).tokenizer, Sparse(path=str(folders[name]))
    full = [len(tokenizer(part.prompt("document") + t, truncation=False)["input_ids"]) for t in TEXTS]
    encoded = ours(folders[name], "document")
    assert encoded.full_tokens.tolist() == full
    assert encoded.tokens.tolist() == [min(n, 24) for n in full]


def test_a_shorter_limit_is_kept_and_said(folders: dict[str, Path]) -> None:
    part = Sparse(path=str(folders["splade"]), max_tokens=6)
    assert part.traits().max_tokens == 6
    assert part.traits().warnings == ("max_tokens=6 overrides the model's own limit of 24",)
    model = theirs(folders["splade"])
    model.max_seq_length = 6
    both(folders["splade"], model, max_tokens=6)


@pytest.mark.parametrize(("limit", "said"), [(-1, "max_tokens=-1"), (2, "no room for text")])
def test_a_limit_that_holds_no_text_is_refused(folders: dict[str, Path], limit: int, said: str) -> None:
    with pytest.raises(HarnessError, match=said):
        Sparse(path=str(folders["splade"]), max_tokens=limit).open("cpu")


def test_other_prompts_than_the_models_own_are_used_and_said(folders: dict[str, Path]) -> None:
    part = Sparse(path=str(folders["prompts"]), prompts={"query": "fox "})
    assert part.traits().warnings == ("the query prompt 'fox ' overrides the model's own 'query: '",)
    expected = theirs(folders["prompts"]).encode_query(TEXTS, prompt="fox ", convert_to_sparse_tensor=False).numpy()
    found = weights(ours(folders["prompts"], "query", prompts={"query": "fox "}), expected.shape[1])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert identity(part.bare()) == identity(Sparse(path=str(folders["prompts"])).bare())


def test_terms_are_never_pooled(folders: dict[str, Path]) -> None:
    with pytest.raises(Inapplicable, match="weighs terms.*pooling=native"):
        Sparse(path=str(folders["splade"])).open("cpu").encode(TEXTS, "query", [Mean()], 2)


@pytest.mark.parametrize("name", ["transformer", "dense"])
def test_a_folder_that_would_get_an_untrained_layer_is_refused(folders: dict[str, Path], name: str) -> None:
    part = Sparse(path=str(folders[name]))
    for call in (part.traits, lambda: part.open("cpu")):
        with pytest.raises(HarnessError, match=f"{name} is no sparse model"):
            call()


def test_tokens_are_found_in_a_text_by_the_documents_tokenizer(folders: dict[str, Path]) -> None:
    for name in ("splade", "free"):
        assert [len(s) for s in Sparse(path=str(folders[name])).spans(["a fox", ""])] == [2, 0]


def test_a_damaged_folder_is_one_line(tmp_path: Path, folders: dict[str, Path]) -> None:
    broken = Path(shutil.copytree(folders["splade"], tmp_path / "broken"))
    (broken / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(HarnessError, match="broken cannot be loaded"):
        Sparse(path=str(broken)).open("cpu")
