"""One pass of the tokenizer against the model's own `preprocess`, on tiny models of several kinds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.features import Once, Preprocess, placed, reader_of
from tests.encoders.folders import TEXTS, bert, decoder, saved, static

pytestmark = pytest.mark.filterwarnings("ignore")
MORE = [*TEXTS, "the quick brown fox " * 30, " Fox\n"]


def model_of(folder: Path) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


@pytest.fixture(scope="module", params=["bert", "decoder"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp(request.param)
    made = {"bert": bert, "decoder": decoder}[request.param](folder / "transformer")
    return model_of(saved(folder / "model", made, "mean"))


@pytest.mark.parametrize("prompt", ["", "query: "])
def test_features_and_counts_are_those_of_preprocess(model: Any, prompt: str) -> None:
    quick, own = Once(model).read(MORE, prompt), Preprocess(model).read(MORE, prompt)
    np.testing.assert_array_equal(quick.full, own.full)
    np.testing.assert_array_equal(quick.lengths, own.lengths)
    assert quick.full.max() > quick.lengths.max() == model.max_seq_length
    for rows in ([3, 0, 2], [1], [6, 1]):
        found, wanted = quick.features(np.asarray(rows)), own.features(np.asarray(rows))
        assert set(found) == set(wanted)
        assert all(found[k].equal(v) if hasattr(v, "equal") else found[k] == v for k, v in wanted.items())


def test_a_reader_that_was_seen_to_be_right_is_the_quick_one(model: Any) -> None:
    assert isinstance(reader_of(model, ["query: "]), Once)


@pytest.mark.parametrize("extra", ["changed", "more", "failing"])
def test_a_model_that_reads_in_a_way_of_its_own_keeps_it(
    model: Any, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = model.preprocess

    def preprocess(texts: Any, prompt: Any = None) -> Any:
        if extra == "failing":
            raise ValueError("no text")
        if extra == "changed":
            return own([text.strip() + " fox" for text in texts], prompt=prompt)
        found = own(texts, prompt=prompt)
        return found | {"position_ids": found["attention_mask"].cumsum(dim=1)}

    monkeypatch.setattr(model, "preprocess", preprocess)
    assert isinstance(reader_of(model, []), Preprocess)


def test_static_models_are_left_to_preprocess(tmp_path: Path) -> None:
    model = model_of(static(tmp_path))
    assert isinstance(reader_of(model, []), Preprocess)


def test_features_are_placed_and_what_is_no_tensor_stays(model: Any) -> None:
    import torch

    found = placed({"input_ids": torch.ones(1, 2), "modality": "text"}, torch.device("cpu"))
    assert found["modality"] == "text" and found["input_ids"].device.type == "cpu"
