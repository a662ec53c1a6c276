"""Late-interaction models of every layout: our vectors are those of sentence-transformers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.encoders.multi_vector import MultiVector
from harness.parts import identity
from harness.poolings.mean import Mean
from harness.poolings.native import Native
from harness.types import Encoded, HarnessError, Inapplicable
from tests.encoders.folders import TEXTS, bert, late, pylate, saved, stanford

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore")]

FIXED, LEAST = {"strategy": "fixed", "length": 12}, {"strategy": "min", "length": 8, "attend": True}
PROMPTS = {"query": "query: ", "document": "document: "}
WITH_PROJECTION = ["plain", "expanding", "least", "pylate", "stanford"]
BARE = ["trunk", "transformer"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    at = tmp_path_factory.mktemp("models")
    plain = bert(at / "transformer")
    return {
        "transformer": plain,
        "trunk": saved(at / "trunk", plain, "mean"),
        "plain": late(at / "plain", plain),
        "expanding": late(at / "expanding", plain, FIXED, prompts=PROMPTS, lengths={"document_length": 15}),
        "least": late(at / "least", plain, LEAST),
        "pylate": pylate(at / "pylate", plain),
        "stanford": stanford(at / "stanford", plain),
    }


def theirs(folder: Path) -> Any:
    from sentence_transformers import MultiVectorEncoder

    return MultiVectorEncoder(str(folder), device="cpu", local_files_only=True)


def ours(folder: Path, role: Any, batch_size: int = 3, **more: Any) -> Encoded:
    return MultiVector(path=str(folder), **more).open("cpu").encode(TEXTS, role, [Native()], batch_size)


def both(folder: Path, model: Any, **more: Any) -> None:
    for role, encode in (("query", model.encode_query), ("document", model.encode_document)):
        expected = encode(TEXTS, convert_to_numpy=True)
        encoded = ours(folder, role, **more)
        assert encoded.counts is not None and encoded.counts.tolist() == [len(rows) for rows in expected]
        assert encoded.vectors[0].dtype == np.float32
        np.testing.assert_allclose(encoded.vectors[0], np.concatenate(expected), atol=1e-5, err_msg=role)


@pytest.mark.parametrize("name", WITH_PROJECTION)
def test_queries_and_documents_equal_encode_query_and_encode_document(folders: dict[str, Path], name: str) -> None:
    both(folders[name], theirs(folders[name]))


@pytest.mark.parametrize("name", BARE)
def test_a_folder_without_a_projection_is_read_without_one_and_says_so(folders: dict[str, Path], name: str) -> None:
    import torch

    said = "no projection layer in this folder: token states are used as they are"
    part = MultiVector(path=str(folders[name]))
    assert part.traits().warnings == (said,)
    torch.manual_seed(1)
    first = part.open("cpu").encode(TEXTS, "query", [Native()], 2)
    torch.manual_seed(2)
    assert first.vectors[0].tobytes() == ours(folders[name], "query", 2).vectors[0].tobytes()
    model = theirs(folders["transformer"])
    states = [module for module in model if type(module).__name__ != "Dense"]
    both(folders[name], type(model)(modules=states, device="cpu"))
    assert first.vectors[0].shape[1] == 16


@pytest.mark.parametrize("name", WITH_PROJECTION)
def test_a_projection_of_the_folders_own_is_used_without_a_word(folders: dict[str, Path], name: str) -> None:
    assert MultiVector(path=str(folders[name])).traits().warnings == ()
    assert ours(folders[name], "query").vectors[0].shape[1] == (5 if name == "stanford" else 6)


@pytest.mark.parametrize("name", WITH_PROJECTION + BARE)
def test_what_a_model_says_of_itself_is_what_it_does_once_loaded(folders: dict[str, Path], name: str) -> None:
    part, model = MultiVector(path=str(folders[name])), theirs(folders[name])
    traits = part.traits()
    assert (traits.similarity, traits.pooling, traits.gives) == ("dot", "", "vectors")
    assert traits.max_tokens == (model[0].document_length or model.max_seq_length)
    assert {role: part.prompt(role) for role in PROMPTS} == {role: model.prompts[role] for role in PROMPTS}
    assert traits.max_tokens == {"expanding": 15, "pylate": 18, "stanford": 16}.get(name, 24)


@pytest.mark.parametrize("name", WITH_PROJECTION + BARE)
def test_neither_batch_size_nor_the_other_texts_change_a_row(folders: dict[str, Path], name: str) -> None:
    model = MultiVector(path=str(folders[name])).open("cpu")
    for role in ("query", "document"):
        whole = model.encode(TEXTS, role, [Native()], 100)
        for size in (1, 2, None):
            again = model.encode(TEXTS, role, [Native()], size)
            assert np.array_equal(again.counts, whole.counts)
            np.testing.assert_allclose(again.vectors[0], whole.vectors[0], atol=2e-6)
        turned = model.encode(TEXTS[::-1], role, [Native()], 2)
        assert np.array_equal(turned.counts[::-1], whole.counts)
        last = turned.vectors[0][-whole.counts[0] :]
        np.testing.assert_allclose(last, whole.vectors[0][: whole.counts[0]], atol=2e-6)


def test_queries_are_filled_up_and_documents_lose_their_punctuation(folders: dict[str, Path]) -> None:
    queries, documents = (ours(folders["expanding"], role) for role in ("query", "document"))
    assert queries.counts.tolist() == [12] * len(TEXTS)
    assert documents.counts.tolist() == [n - 1 for n in documents.tokens]  # the colon of `document: `
    plain = ours(folders["plain"], "query")
    assert plain.counts.tolist() == plain.tokens.tolist()


@pytest.mark.parametrize("name", WITH_PROJECTION + BARE)
def test_tokens_are_counted_before_and_after_the_cut_without_what_fills_a_query_up(
    folders: dict[str, Path], name: str
) -> None:
    model, part = theirs(folders[name]), MultiVector(path=str(folders[name]))
    limits = {
        "query": {"expanding": 12, "pylate": 10, "stanford": 9}.get(name, 24),
        "document": part.traits().max_tokens,
    }
    for role, limit in limits.items():
        full = [len(model.tokenizer(part.prompt(role) + t, truncation=False)["input_ids"]) for t in TEXTS]
        encoded = ours(folders[name], role)
        assert encoded.full_tokens.tolist() == full
        assert encoded.tokens.tolist() == [min(n, limit) for n in full]
        assert (encoded.full_tokens > encoded.tokens).any()


def test_a_shorter_limit_is_that_of_documents_and_said(folders: dict[str, Path]) -> None:
    part = MultiVector(path=str(folders["expanding"]), max_tokens=9)
    assert part.traits().max_tokens == 9
    assert part.traits().warnings == ("max_tokens=9 overrides the model's own limit of 15",)
    model = theirs(folders["expanding"])
    model[0].document_length = 9
    both(folders["expanding"], model, max_tokens=9)
    assert ours(folders["expanding"], "query", max_tokens=9).tokens.max() == 12


@pytest.mark.parametrize(("limit", "said"), [(-1, "max_tokens=-1"), (2, "no room for text")])
def test_a_limit_that_holds_no_text_is_refused(folders: dict[str, Path], limit: int, said: str) -> None:
    with pytest.raises(HarnessError, match=said):
        MultiVector(path=str(folders["plain"]), max_tokens=limit).open("cpu")


@pytest.mark.parametrize("name", ["expanding", "pylate", "stanford"])
def test_other_prompts_than_the_models_own_are_used_and_said(folders: dict[str, Path], name: str) -> None:
    part = MultiVector(path=str(folders[name]), prompts={"query": ""})
    own = MultiVector(path=str(folders[name]))
    assert part.traits().warnings == (f"the query prompt '' overrides the model's own {own.prompt('query')!r}",)
    assert part.prompt("document") == own.prompt("document")
    bare = theirs(folders[name]).encode_query(TEXTS, prompt="", convert_to_numpy=True)
    np.testing.assert_allclose(
        ours(folders[name], "query", prompts={"query": ""}).vectors[0], np.concatenate(bare), atol=1e-5
    )
    assert identity(part.bare()) == identity(own.bare()) != identity(part)


def test_token_vectors_are_never_pooled(folders: dict[str, Path]) -> None:
    model = MultiVector(path=str(folders["plain"])).open("cpu")
    with pytest.raises(Inapplicable, match="keeps all token vectors; use pooling=native"):
        model.encode(TEXTS, "query", [Native(), Mean()], 2)
    twice = model.encode(TEXTS, "query", [Native(), Native()], 2)
    assert twice.vectors[0].tobytes() == twice.vectors[1].tobytes()


def test_tokens_are_found_in_a_text_without_reading_weights(folders: dict[str, Path]) -> None:
    for name in ("plain", "stanford"):
        (spans,) = MultiVector(path=str(folders[name])).spans(["the quick fox"])
        assert spans.tolist() == [[0, 3], [4, 9], [10, 13]]


def test_every_file_that_decides_vectors_is_part_of_the_identity(folders: dict[str, Path], tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folders["stanford"], tmp_path / "copy"))
    part = MultiVector(path=str(copy))
    assert identity(part) == identity(MultiVector(path=str(folders["stanford"])))
    own = json.loads((copy / "artifact.metadata").read_text())
    (copy / "artifact.metadata").write_text(json.dumps(own | {"query_maxlen": 11}))
    assert identity(MultiVector(path=str(copy))) != identity(MultiVector(path=str(folders["stanford"])))
    with pytest.raises(HarnessError, match="changed while the sweep ran"):
        part.open("cpu")


def test_a_folder_that_is_no_model_is_one_line(tmp_path: Path, folders: dict[str, Path]) -> None:
    with pytest.raises(HarnessError, match="no weights to read"):
        MultiVector().traits()
    with pytest.raises(HarnessError, match="has sha256"):
        MultiVector(path=str(folders["transformer"]), sha256="0" * 64).content()
    broken = Path(shutil.copytree(folders["plain"], tmp_path / "broken"))
    (broken / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(HarnessError, match="broken cannot be loaded") as caught:
        MultiVector(path=str(broken)).open("cpu")
    assert "\n" not in str(caught.value)
