"""Cross-encoders: tiny random ones, made on the fly."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.batching import BUDGETS
from harness.parts import identity
from harness.protocols import PairCounting
from harness.rerankers.cross_encoder import CrossEncoder
from harness.types import HarnessError, Inapplicable
from tests.encoders.folders import TEXTS, bert

QUERIES = [q for q in TEXTS for _ in TEXTS]
DOCUMENTS = TEXTS * len(TEXTS)


def made(folder: Path, labels: int = 1, seed: int = 0) -> Path:
    """A BERT of 16 dimensions with a classifier of so many labels, whose scores differ widely."""
    import torch
    from tokenizers import Tokenizer, processors
    from transformers import AutoConfig, BertForSequenceClassification

    bert(folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(folder / "tokenizer.json"))
    config = AutoConfig.from_pretrained(folder)
    config.num_labels = labels
    config.initializer_range = 0.5
    torch.manual_seed(seed)
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("cross") / "tiny")


@pytest.fixture(scope="module")
def scores(folder: Path) -> Any:
    return CrossEncoder(path=str(folder)).rerank("cpu").score(QUERIES, DOCUMENTS)


def test_scores_are_the_logits_of_sentence_transformers(folder: Path, scores: Any) -> None:
    import torch
    from sentence_transformers import CrossEncoder as Model

    model = Model(str(folder), device="cpu")
    pairs = list(zip(QUERIES, DOCUMENTS, strict=True))
    expected = model.predict(pairs, activation_fn=torch.nn.Identity(), show_progress_bar=False)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, atol=1e-4)
    assert (abs(expected) > 1).any(), "no probabilities"
    assert expected.std() > 0.1


def test_a_score_does_not_depend_on_the_batch(folder: Path, scores: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = CrossEncoder(path=str(folder)).rerank("cpu")
    alone = [model.score([q], [d])[0] for q, d in zip(QUERIES[::5], DOCUMENTS[::5], strict=True)]
    np.testing.assert_allclose(alone, scores[::5], atol=1e-5)
    np.testing.assert_allclose(model.score(QUERIES[::-1], DOCUMENTS[::-1])[::-1], scores, atol=1e-5)
    monkeypatch.setitem(BUDGETS, "cpu", 30)
    np.testing.assert_allclose(model.score(QUERIES, DOCUMENTS), scores, atol=1e-5)
    assert model.score([], []).shape == (0,)


def test_a_tokenizer_that_pads_to_a_fixed_length_costs_nothing_and_changes_nothing(
    folder: Path, scores: Any, tmp_path: Path
) -> None:
    padded = made(tmp_path / "padded")
    file = padded / "tokenizer.json"
    tokenizer = json.loads(file.read_text())
    tokenizer["padding"] = {
        "strategy": {"Fixed": 24}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0,
        "pad_token": "[PAD]",
    }  # fmt: skip
    file.write_text(json.dumps(tokenizer))
    model = CrossEncoder(path=str(padded)).rerank("cpu")
    widths: list[int] = []
    forward = model.model[0].forward
    model.model[0].forward = lambda f, **more: (widths.append(f["input_ids"].shape[1]), forward(f, **more))[1]
    assert model.score(["fox"], ["fox"]).shape == (1,)
    assert widths[0] < 10
    np.testing.assert_allclose(model.score(QUERIES, DOCUMENTS), scores, atol=1e-5)


def test_the_limit_is_the_models_own_unless_given(folder: Path, scores: Any) -> None:
    assert CrossEncoder(path=str(folder)).limit() == 24
    short = CrossEncoder(path=str(folder), max_tokens=8)
    assert short.limit() == 8
    cut = short.rerank("cpu").score(QUERIES, DOCUMENTS)
    long = np.array([len(q + d) > 60 for q, d in zip(QUERIES, DOCUMENTS, strict=True)])
    assert not np.allclose(cut[long], scores[long], atol=1e-3)
    for wrong, message in ((-1, "max_tokens=-1"), (65, "only 64 positions"), (3, "no room for text")):
        with pytest.raises(HarnessError, match=message):
            CrossEncoder(path=str(folder), max_tokens=wrong).rerank("cpu")


def test_pairs_are_counted_before_the_cut_as_the_loaded_model_reads_them_and_without_its_weights(
    folder: Path, tmp_path: Path
) -> None:
    part = CrossEncoder(path=str(folder), max_tokens=8)
    model = part.rerank("cpu").model
    read = model.tokenizer(QUERIES, DOCUMENTS, padding=False, truncation=False)["input_ids"]
    bare = Path(shutil.copytree(folder, tmp_path / "bare"))
    (bare / "model.safetensors").unlink()
    counted = CrossEncoder(path=str(bare), max_tokens=8).pair_tokens(QUERIES, DOCUMENTS)
    assert isinstance(part, PairCounting)
    assert counted.dtype == np.int32
    assert counted.tolist() == [len(ids) for ids in read]
    assert part.pair_tokens(["fox", ""], ["the fox", ""]).tolist() == [1 + 2 + 3, 3], "three special tokens a pair"
    assert part.pair_tokens([], []).shape == (0,)
    with pytest.raises(ValueError, match="shorter"):
        part.pair_tokens(["fox", "fox"], ["fox"])


@pytest.mark.parametrize(("default", "modules", "tokens"), [(None, True, 5), ("short", True, 7), ("short", False, 5)])
def test_the_prompt_that_the_model_reads_is_counted(
    folder: Path, tmp_path: Path, default: str | None, modules: bool, tokens: int
) -> None:
    from sentence_transformers import CrossEncoder as Model

    prompts = {"query": "fox " * 9, "short": "the fox "}
    Model(str(folder), device="cpu", prompts=prompts, default_prompt_name=default).save(str(tmp_path / "saved"))
    if not modules:
        (tmp_path / "saved" / "modules.json").unlink()
    part = CrossEncoder(path=str(tmp_path / "saved"))
    model, widths = part.rerank("cpu").model, list[int]()
    forward = model[0].forward
    model[0].forward = lambda f, **more: (widths.append(f["input_ids"].shape[1]), forward(f, **more))[1]
    model.predict([("fox", "fox")], show_progress_bar=False)
    assert part.pair_tokens(["fox"], ["fox"]).tolist() == widths == [tokens]


def test_pairs_in_a_chat_template_or_without_a_tokenizer_are_not_counted(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    (copy / "chat_template.jinja").write_text("Judge: {{ messages }}")
    with pytest.raises(Inapplicable, match="copy reads pairs through a chat template"):
        CrossEncoder(path=str(copy)).pair_tokens(["fox"], ["fox"])
    (copy / "chat_template.jinja").unlink()
    (copy / "tokenizer.json").unlink()
    with pytest.raises(Inapplicable, match="copy has no tokenizer that can be read"):
        CrossEncoder(path=str(copy)).pair_tokens(["fox"], ["fox"])


def test_a_limit_that_replaces_the_models_own_is_said(folder: Path) -> None:
    said = {n: CrossEncoder(path=str(folder), max_tokens=n).overridden() for n in (0, 24, 8)}
    assert said == {0: (), 24: (), 8: ("max_tokens=8 overrides the reranker's own limit of 24",)}


def test_a_model_is_its_content_and_not_its_place(folder: Path, tmp_path: Path) -> None:
    copy, other = made(tmp_path / "copy"), made(tmp_path / "other", seed=1)
    parts = [CrossEncoder(path=str(place)) for place in (folder, copy, other)]
    assert identity(parts[0]) == identity(parts[1]) != identity(parts[2])
    assert identity(parts[0]) != identity(CrossEncoder(path=str(folder), dtype="bfloat16"))


def test_files_that_change_after_they_were_hashed_are_refused(tmp_path: Path) -> None:
    part = CrossEncoder(path=str(made(tmp_path / "tiny")))
    part.content()
    made(tmp_path / "tiny", seed=3)
    with pytest.raises(HarnessError, match="changed while the sweep ran"):
        part.rerank("cpu")


def test_a_model_without_a_trained_head_is_refused_as_its_scores_would_be_random(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="is no cross-encoder: its config.json names BertModel.*model=local"):
        CrossEncoder(path=str(bert(tmp_path / "plain"))).rerank("cpu")


def test_classes_are_no_ranking(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="gives 3 scores a pair"):
        CrossEncoder(path=str(made(tmp_path / "classes", labels=3))).rerank("cpu")


def test_a_folder_that_is_missing_or_damaged_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="no such folder"):
        CrossEncoder(path=str(tmp_path / "gone")).rerank("cpu")
    with pytest.raises(HarnessError, match="path: FOLDER or an id"):
        CrossEncoder().content()
    damaged = made(tmp_path / "damaged")
    (damaged / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(HarnessError, match="damaged cannot be loaded as a cross-encoder") as caught:
        CrossEncoder(path=str(damaged)).rerank("cpu")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "lost", ["classifier.bias", "bert.pooler.dense.weight", "bert.encoder.layer.1.output.dense.bias"]
)
def test_a_weight_that_is_missing_is_refused_the_head_and_its_pooler_too(tmp_path: Path, lost: str) -> None:
    from safetensors.torch import load_file, save_file

    short = made(tmp_path / "short")
    weights = load_file(short / "model.safetensors")
    save_file({n: t for n, t in weights.items() if n != lost}, short / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(HarnessError, match=f"short: 1 of 41 weights are missing from the file \\(first: {lost}\\)"):
        CrossEncoder(path=str(short)).rerank("cpu")


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    mute = made(tmp_path / "mute")
    for file in mute.glob("*token*.json"):
        file.unlink()
    with pytest.raises(HarnessError, match="no tokenizer in mute"):
        CrossEncoder(path=str(mute)).rerank("cpu")
