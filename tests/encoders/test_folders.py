"""Models of every make, read from a folder: our vectors are those of sentence-transformers."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.encoders.sentence_transformer import SentenceTransformer
from harness.modelfolder import pooling_of
from harness.parts import identity
from harness.poolings.cls import Cls
from harness.poolings.last import Last
from harness.poolings.max import Max
from harness.poolings.mean import Mean
from harness.poolings.native import Native
from harness.types import HarnessError, Inapplicable
from tests.encoders.folders import TEXTS, bert, decoder, model2vec, saved, static
from tests.material import unit

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore")]

PROMPTS = {"query": "query: ", "document": "document: a "}
OVERRIDES = [(Mean(), "mean"), (Cls(), "cls"), (Max(), "max"), (Last(), "lasttoken")]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    import torch
    from sentence_transformers.sentence_transformer.modules import Dense, Normalize

    at = tmp_path_factory.mktemp("models")
    plain, causal = bert(at / "plain"), decoder(at / "causal")
    torch.manual_seed(5)
    default = saved(at / "default", plain, "mean", prompts={"x": "reset "}, default_prompt_name="x")
    config = json.loads((default / "config_sentence_transformers.json").read_text())
    (default / "config_sentence_transformers.json").write_text(json.dumps(config | {"prompts": {"x": "reset "}}))
    return {
        "plain": plain,
        "cls": saved(at / "cls", plain, "cls", [Normalize()]),
        "decoder": saved(at / "decoder", causal, "lasttoken", prompts={"query": "find: "}, similarity_fn_name="dot"),
        "prompts": saved(at / "prompts", plain, "mean", prompts=PROMPTS),
        "default": default,
        "instructor": saved(at / "instructor", plain, "mean", prompts=PROMPTS, include_prompt=False),
        "causal-instructor": saved(at / "causal-instructor", causal, "mean", prompts=PROMPTS, include_prompt=False),
        "dense": saved(at / "dense", plain, "mean", [Dense(16, 6), Normalize()]),
        "weighted": saved(at / "weighted", plain, "weightedmean"),
        "static": static(at / "static"),
        "model2vec": model2vec(at / "model2vec"),
    }


ALL = [
    "plain", "cls", "decoder", "prompts", "default", "instructor", "causal-instructor", "dense", "weighted", "static",
    "model2vec",
]  # fmt: skip
STATIC = ("static", "model2vec")


def theirs(folder: Path) -> Any:
    from sentence_transformers import SentenceTransformer as Model

    return Model(str(folder), device="cpu", local_files_only=True)


def ours(folder: Path, role: Any, pooling: Any = Native(), batch_size: int = 3, **more: Any) -> np.ndarray:  # noqa: B008
    part = SentenceTransformer(path=str(folder), **more)
    return part.open("cpu").encode(TEXTS, role, [pooling], batch_size).vectors[0]


@pytest.mark.parametrize("name", [name for name in ALL if name != "default"])
def test_queries_and_documents_equal_encode_query_and_encode_document(folders: dict[str, Path], name: str) -> None:
    model = theirs(folders[name])
    for role, encode in (("query", model.encode_query), ("document", model.encode_document)):
        vectors = ours(folders[name], role)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(vectors, encode(TEXTS), atol=2e-6, err_msg=role)


def test_a_default_prompt_is_used_as_encode_does_where_the_model_names_none_for_the_role(
    folders: dict[str, Path],
) -> None:
    # sentence-transformers 6 has encode and encode_query disagree here: the latter adds nothing.
    for role in ("query", "document"):
        np.testing.assert_allclose(ours(folders["default"], role), theirs(folders["default"]).encode(TEXTS), atol=2e-6)


@pytest.mark.parametrize(("prompts", "used"), [
    ({"query": "q: ", "passage": "p: "}, "p: "), ({"corpus": "c: "}, "c: "), ({"document": "", "passage": "p: "}, ""),
    ({"query": "q: "}, ""),
])  # fmt: skip
def test_a_document_takes_the_prompt_that_models_define_under_several_names(
    tmp_path: Path, prompts: Any, used: str
) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "config_sentence_transformers.json").write_text(json.dumps({"prompts": prompts}))
    assert SentenceTransformer(path=str(tmp_path)).prompt("document") == used


@pytest.mark.parametrize("name", ALL)
def test_batch_size_does_not_change_a_vector(folders: dict[str, Path], name: str) -> None:
    whole = ours(folders[name], "query", batch_size=100)
    for size in (1, 2):
        np.testing.assert_allclose(ours(folders[name], "query", batch_size=size), whole, atol=2e-6)


@pytest.mark.parametrize("name", ALL)
def test_encoding_twice_gives_the_same_bytes_and_prompts_are_added_once(folders: dict[str, Path], name: str) -> None:
    model = SentenceTransformer(path=str(folders[name])).open("cpu")
    first = model.encode(TEXTS, "query", [Native()], 4)
    model.encode(TEXTS, "document", [Native()], 2)
    second = model.encode(TEXTS, "query", [Native()], 4)
    assert first.vectors[0].tobytes() == second.vectors[0].tobytes()
    assert first.tokens.tolist() == second.tokens.tolist()


@pytest.mark.parametrize(("pooling", "mode"), OVERRIDES)
@pytest.mark.parametrize("name", ["cls", "decoder", "prompts", "dense"])
def test_an_overridden_pooling_equals_the_same_model_built_with_it(
    folders: dict[str, Path], name: str, pooling: Any, mode: str
) -> None:
    from sentence_transformers.sentence_transformer.modules import Pooling

    model = theirs(folders[name])
    model[1] = Pooling(16, mode)
    np.testing.assert_allclose(ours(folders[name], "query", pooling), model.encode_query(TEXTS), atol=2e-6)


@pytest.mark.parametrize(("pooling", "mode"), OVERRIDES)
@pytest.mark.parametrize("name", ["instructor", "causal-instructor"])
def test_an_overridden_pooling_leaves_out_the_prompt_where_the_model_does(
    folders: dict[str, Path], name: str, pooling: Any, mode: str
) -> None:
    from sentence_transformers.sentence_transformer.modules import Pooling

    model = theirs(folders[name])
    model[1] = Pooling(16, mode, include_prompt=False)
    kept = [i for i, text in enumerate(TEXTS) if text]  # with nothing after the prompt there is nothing to pool
    np.testing.assert_allclose(ours(folders[name], "query", pooling)[kept], model.encode_query(TEXTS)[kept], atol=2e-6)


def test_poolings_of_one_pass_are_those_of_passes_of_their_own(folders: dict[str, Path]) -> None:
    model = SentenceTransformer(path=str(folders["cls"])).open("cpu")
    poolings = [Native(), *(pooling for pooling, _ in OVERRIDES)]
    together = model.encode(TEXTS, "query", poolings, 3).vectors
    for pooling, vectors in zip(poolings, together, strict=True):
        assert model.encode(TEXTS, "query", [pooling], 3).vectors[0].tobytes() == vectors.tobytes()
    assert not np.allclose(together[0], together[1], atol=1e-3)


def test_a_static_model_has_no_tokens_to_pool(folders: dict[str, Path]) -> None:
    for name in STATIC:
        with pytest.raises(Inapplicable, match="pooling=native"):
            ours(folders[name], "query", Mean())


@pytest.mark.parametrize("name", ALL)
def test_tokens_are_counted_before_and_after_the_cut(folders: dict[str, Path], name: str) -> None:
    model = theirs(folders[name])
    encoded = SentenceTransformer(path=str(folders[name])).open("cpu").encode(TEXTS, "query", [Native()], 2)
    prompt = SentenceTransformer(path=str(folders[name])).prompt("query")
    if name in STATIC:
        counts = [len(model.tokenizer.encode(prompt + t, add_special_tokens=False).ids) for t in TEXTS]
        assert encoded.tokens.tolist() == encoded.full_tokens.tolist() == counts
        return
    full = [len(model.tokenizer(prompt + t, truncation=False)["input_ids"]) for t in TEXTS]
    assert encoded.full_tokens.tolist() == full
    assert encoded.tokens.tolist() == [min(n, model.max_seq_length) for n in full]
    assert (encoded.full_tokens > encoded.tokens).any()


@pytest.mark.parametrize("name", ALL)
def test_what_a_model_says_of_itself_is_what_it_does_once_loaded(folders: dict[str, Path], name: str) -> None:
    traits, model = SentenceTransformer(path=str(folders[name])).traits(), theirs(folders[name])
    assert traits.similarity == {"decoder": "dot"}.get(name, "cosine")
    assert traits.max_tokens == (0 if name in STATIC else model.max_seq_length)
    poolings = {"cls": "cls", "decoder": "last", "weighted": "weighted_mean", "static": "", "model2vec": ""}
    assert traits.pooling == poolings.get(name, "mean")
    assert traits.warnings == ()


def test_the_models_own_prompts_are_used_and_an_override_is_said(folders: dict[str, Path]) -> None:
    own = SentenceTransformer(path=str(folders["prompts"]))
    assert (own.prompt("query"), own.prompt("document")) == ("query: ", "document: a ")
    other = SentenceTransformer(path=str(folders["prompts"]), prompts={"query": "", "document": "document: a "})
    assert other.traits().warnings == ("the query prompt '' overrides the model's own 'query: '",)
    np.testing.assert_allclose(
        ours(folders["prompts"], "query", prompts={"query": ""}),
        theirs(folders["prompts"]).encode(TEXTS, prompt=""),
        atol=2e-6,
    )
    assert SentenceTransformer(path=str(folders["default"])).prompt("query") == "reset "


def test_a_shorter_limit_is_kept_and_said(folders: dict[str, Path]) -> None:
    part = SentenceTransformer(path=str(folders["cls"]), max_tokens=6)
    encoded = part.open("cpu").encode(TEXTS, "query", [Native()], 2)
    assert encoded.tokens.max() == 6
    assert part.traits().max_tokens == 6
    assert part.traits().warnings == ("max_tokens=6 overrides the model's own limit of 24",)
    model = theirs(folders["cls"])
    model.max_seq_length = 6
    np.testing.assert_allclose(encoded.vectors[0], model.encode(TEXTS), atol=2e-6)


@pytest.mark.parametrize(
    ("name", "max_tokens", "said"),
    [
        ("cls", -1, "max_tokens=-1"), ("cls", 2, "no room for text beside 2 special tokens"), ("cls", 65, "only 64 positions"),
        ("static", 9, "leave max_tokens out"), ("model2vec", 9, "leave max_tokens out"),
    ],
)  # fmt: skip
def test_a_limit_that_the_model_cannot_have_is_one_line(
    folders: dict[str, Path], name: str, max_tokens: int, said: str
) -> None:
    with pytest.raises(HarnessError, match=said) as caught:
        ours(folders[name], "query", max_tokens=max_tokens)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", ["cls", "decoder", "static", "model2vec"])
def test_half_precision_on_a_cpu_gives_nearly_the_same_float32_rows(
    folders: dict[str, Path], name: str, dtype: str
) -> None:
    kept = [i for i, text in enumerate(TEXTS) if text]  # float16 cannot normalise the zeros of a text without tokens
    rows, expected = (ours(folders[name], "query", dtype=d)[kept] for d in (dtype, "float32"))
    assert rows.dtype == np.float32
    assert (unit(rows) * unit(expected)).sum(axis=1).min() > 0.995


@pytest.mark.parametrize("side", ["left", "right"])
def test_last_pooling_is_right_whichever_side_is_padded(folders: dict[str, Path], tmp_path: Path, side: str) -> None:
    copy = Path(shutil.copytree(folders["decoder"], tmp_path / side))
    config = copy / "tokenizer_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"padding_side": side}))
    assert theirs(copy).tokenizer.padding_side == side
    for pooling in (Native(), Last()):
        together, alone = ours(copy, "query", pooling, 6), ours(copy, "query", pooling, 1)
        np.testing.assert_allclose(together, alone, atol=2e-6)
        np.testing.assert_allclose(together, ours(folders["decoder"], "query", Native(), 1), atol=2e-6)


def test_a_prompt_left_out_of_the_mean_on_demand(folders: dict[str, Path]) -> None:
    model = theirs(folders["prompts"])
    model.set_pooling_include_prompt(False)
    vectors = ours(folders["prompts"], "query", pool_prompt=False)
    kept = [i for i, text in enumerate(TEXTS) if text]
    np.testing.assert_allclose(vectors[kept], model.encode_query(TEXTS)[kept], atol=2e-6)


def test_two_folders_of_one_name_with_other_weights_are_two_models(tmp_path: Path) -> None:
    first, second = (saved(tmp_path / str(i) / "model", bert(tmp_path / f"raw{i}", seed=i), "mean") for i in (1, 2))
    assert first.name == second.name
    assert identity(SentenceTransformer(path=str(first))) != identity(SentenceTransformer(path=str(second)))
    assert not np.allclose(ours(first, "query"), ours(second, "query"), atol=1e-2)


def test_the_same_weights_under_another_path_are_the_same_model(folders: dict[str, Path], tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folders["cls"], tmp_path / "elsewhere"))
    (copy / "README.md").write_text("another card")
    own = identity(SentenceTransformer(path=str(folders["cls"])))
    assert identity(SentenceTransformer(path=str(copy))) == own
    (copy / "sentence_bert_config.json").write_text('{"max_seq_length": 7}')
    assert identity(SentenceTransformer(path=str(copy))) != own


def test_every_file_that_decides_vectors_is_part_of_the_identity(folders: dict[str, Path], tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folders["dense"], tmp_path / "copy"))
    seen = {identity(SentenceTransformer(path=str(copy)))}
    files = [p for p in sorted(copy.rglob("*")) if p.is_file() and p.name != "README.md"]
    assert len(files) >= 8
    for file in files:
        file.write_bytes(file.read_bytes() + b" ")
        seen.add(identity(SentenceTransformer(path=str(copy))))
    assert len(seen) == len(files) + 1


def test_weights_whose_sha256_differs_are_refused_before_they_are_loaded(folders: dict[str, Path]) -> None:
    own = hashlib.sha256((folders["cls"] / "model.safetensors").read_bytes()).hexdigest()
    SentenceTransformer(path=str(folders["cls"]), sha256=own).content()
    wrong = SentenceTransformer(path=str(folders["cls"]), sha256="0" * 64)
    for call in (wrong.content, lambda: wrong.open("cpu"), lambda: identity(wrong)):
        with pytest.raises(HarnessError, match=f"has sha256 {own}, expected 0000"):
            call()


def test_a_folder_that_is_no_model_is_one_line(tmp_path: Path, folders: dict[str, Path]) -> None:
    with pytest.raises(HarnessError, match="no such folder"):
        SentenceTransformer(path=str(tmp_path / "none")).traits()
    with pytest.raises(HarnessError, match="not a model folder"):
        SentenceTransformer(path=str(tmp_path)).content()
    with pytest.raises(HarnessError, match="no weights to read"):
        SentenceTransformer().content()
    broken = Path(shutil.copytree(folders["cls"], tmp_path / "broken"))
    (broken / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(HarnessError, match="broken cannot be loaded") as caught:
        SentenceTransformer(path=str(broken)).open("cpu")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": True}, "mean+max"),
        ({"pooling_mode_lasttoken": True}, "last"), ({"pooling_mode": "lasttoken"}, "last"),
        ({"pooling_mode_mean_sqrt_len_tokens": True}, "mean_sqrt_len"),
        ({"pooling_mode": "mean_sqrt_len_tokens"}, "mean_sqrt_len"),
        ({"pooling_mode_weightedmean_tokens": True}, "weighted_mean"), ({"pooling_mode": ["cls", "max"]}, "cls+max"),
    ],
)  # fmt: skip
def test_a_models_pooling_is_read_in_the_old_and_the_new_spelling(tmp_path: Path, config: Any, name: str) -> None:
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps(config))
    modules = [{"path": "", "type": "sentence_transformers.models.Transformer"},
               {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]  # fmt: skip
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    assert pooling_of(tmp_path) == name
