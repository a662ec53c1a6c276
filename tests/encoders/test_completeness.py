"""Folders that lack weights or a tokenizer: what transformers would make up in their place is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.encoders.multi_vector import MultiVector
from harness.encoders.sentence_transformer import SentenceTransformer
from harness.encoders.sparse_encoder import Sparse
from harness.types import HarnessError
from tests.encoders.folders import bert, decoder, late, masked, model2vec, pylate, saved, splade, stanford, static

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore")]

QUERY = "encoder.layer.1.attention.self.query.weight"
OF = {"plain": SentenceTransformer, "dense": SentenceTransformer, "decoder": SentenceTransformer, "late": MultiVector,
      "stanford": MultiVector, "splade": Sparse, "lm": Sparse, "free": Sparse}  # fmt: skip
SOUND = {**OF, "static": SentenceTransformer, "model2vec": SentenceTransformer, "pylate": MultiVector}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    from sentence_transformers.sentence_transformer.modules import Dense

    at = tmp_path_factory.mktemp("models")
    plain, lm = bert(at / "plain"), masked(at / "lm", bert(at / "for-lm"))
    return {
        "plain": plain,
        "dense": saved(at / "dense", plain, "mean", [Dense(16, 6)]),
        "decoder": decoder(at / "decoder"),
        "static": static(at / "static"),
        "model2vec": model2vec(at / "model2vec"),
        "late": late(at / "late", plain),
        "pylate": pylate(at / "pylate", plain),
        "stanford": stanford(at / "stanford", plain),
        "lm": lm,
        "splade": splade(at / "splade", lm),
        "free": splade(at / "free", lm, free=True),
    }


def without(folder: Path, copy: Path, lost: Callable[[str], bool]) -> Path:
    """A copy of a folder whose weights of such names are gone."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(folder, copy)
    (file,) = [f for f in copy.rglob("model.safetensors") if "embeddings" in str(sorted(load_file(f)))]
    weights = load_file(file)
    kept = {name: tensor for name, tensor in weights.items() if not lost(name)}
    assert len(kept) < len(weights)
    save_file(kept, file, metadata={"format": "pt"})
    return copy


def refusal(kind: Any, folder: Path) -> str:
    with pytest.raises(HarnessError) as caught:
        kind(path=str(folder)).open("cpu")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("name", "kind"), SOUND.items())
def test_what_is_whole_is_read(folders: dict[str, Path], name: str, kind: Any) -> None:
    for dtype in ("float32", "bfloat16"):
        kind(path=str(folders[name]), dtype=dtype).open("cpu")


@pytest.mark.parametrize("name", ["plain", "dense", "late", "stanford", "lm", "splade", "free"])
def test_a_weight_that_is_missing_is_named(folders: dict[str, Path], tmp_path: Path, name: str) -> None:
    said = refusal(OF[name], without(folders[name], tmp_path / "short", lambda w: w.endswith(QUERY)))
    assert said.startswith("short: 1 of ")
    assert f"(first: {QUERY})" in said.replace("bert.", "")


def test_layers_that_only_the_settings_know_are_missing(folders: dict[str, Path], tmp_path: Path) -> None:
    deep = Path(shutil.copytree(folders["plain"], tmp_path / "deep"))
    config = json.loads((deep / "config.json").read_text())
    (deep / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 4}))
    said = refusal(SentenceTransformer, deep)
    assert "deep: 32 of 71 weights are missing from the file (first: encoder.layer.2." in said
    assert said.endswith("Fetch the model again")


def test_weights_under_names_of_which_none_is_known_are_all_missing(folders: dict[str, Path], tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    strange = Path(shutil.copytree(folders["plain"], tmp_path / "strange"))
    weights = load_file(strange / "model.safetensors")
    renamed = {f"x_{name}".replace(".", "_"): tensor for name, tensor in weights.items()}
    save_file(renamed, strange / "model.safetensors", metadata={"format": "pt"})
    assert "strange: 37 of 39 weights are missing" in refusal(SentenceTransformer, strange)  # the pooler is not asked


@pytest.mark.parametrize("name", ["plain", "dense", "late"])
def test_a_pooler_that_nothing_reads_may_be_missing(folders: dict[str, Path], tmp_path: Path, name: str) -> None:
    OF[name](path=str(without(folders[name], tmp_path / "bare", lambda w: "pooler" in w))).open("cpu")


def test_the_head_of_a_masked_language_model_may_not(folders: dict[str, Path], tmp_path: Path) -> None:
    short = without(folders["lm"], tmp_path / "short", lambda w: "transform.dense" in w)
    assert "2 of " in refusal(Sparse, short)


def test_files_in_torchs_own_format_are_judged_alike(folders: dict[str, Path], tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    old = Path(shutil.copytree(folders["plain"], tmp_path / "old"))
    weights = load_file(old / "model.safetensors")
    (old / "model.safetensors").unlink()
    torch.save(weights, old / "pytorch_model.bin")
    SentenceTransformer(path=str(old)).open("cpu")
    torch.save({n: t for n, t in weights.items() if n != QUERY}, old / "pytorch_model.bin")
    assert f"old: 1 of 39 weights are missing from the file (first: {QUERY})" in refusal(SentenceTransformer, old)


def test_a_projection_that_lacks_a_weight_is_one_line(folders: dict[str, Path], tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    short = Path(shutil.copytree(folders["dense"], tmp_path / "short"))
    (file,) = short.glob("2_Dense/model.safetensors")
    save_file({n: t for n, t in load_file(file).items() if "bias" not in n}, file)
    assert "short cannot be loaded as a model: " in refusal(SentenceTransformer, short)


@pytest.mark.parametrize("name", list(OF))
def test_a_folder_without_a_tokenizer_is_refused(folders: dict[str, Path], tmp_path: Path, name: str) -> None:
    mute = Path(shutil.copytree(folders[name], tmp_path / "mute"))
    for file in [f for f in mute.rglob("*token*.json") if f.name != "config.json"]:
        file.unlink()
    said = refusal(OF[name], mute)
    assert said.startswith("no tokenizer in mute") or "instantiate the backend tokenizer" in said


def test_added_tokens_make_no_tokenizer(folders: dict[str, Path], tmp_path: Path) -> None:
    mute = Path(shutil.copytree(folders["decoder"], tmp_path / "mute"))
    (mute / "tokenizer.json").unlink()
    tag = {"content": "<call>", "special": False, "lstrip": False, "rstrip": False, "normalized": False}
    own = {"tokenizer_class": "Qwen2Tokenizer", "added_tokens_decoder": {"0": tag}, "pad_token": "<pad>"}
    (mute / "tokenizer_config.json").write_text(json.dumps(own))
    assert refusal(SentenceTransformer, mute).startswith("no tokenizer in mute")


def test_a_pooling_without_a_mode_or_a_size_is_one_line(folders: dict[str, Path], tmp_path: Path) -> None:
    empty = Path(shutil.copytree(folders["dense"], tmp_path / "empty"))
    (empty / "1_Pooling" / "config.json").write_text("{}")
    assert "empty cannot be loaded as a model: Pooling" in refusal(SentenceTransformer, empty)


@pytest.mark.parametrize("kind", [SentenceTransformer, MultiVector])
def test_a_cross_encoder_is_no_model(folders: dict[str, Path], tmp_path: Path, kind: Any) -> None:
    cross = Path(shutil.copytree(folders["plain"], tmp_path / "cross"))
    config = json.loads((cross / "config.json").read_text())
    (cross / "config.json").write_text(json.dumps(config | {"architectures": ["BertForSequenceClassification"]}))
    with pytest.raises(HarnessError, match="cross is a cross-encoder: it scores pairs"):
        kind(path=str(cross)).traits()
    assert "use retriever=rerank" in refusal(kind, cross)
