"""Where weights lie: a hub snapshot is read only when it is whole."""

import json

import pytest

from harness import modelfolder
from harness.types import HarnessError, Unavailable


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """A cached snapshot and a hub that does not answer."""
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    folder = tmp_path / "snapshots" / "abc"
    (folder / "1_Pooling").mkdir(parents=True)
    modules = [
        {"type": "sentence_transformers.models.Transformer", "path": ""},
        {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"},
        {"type": "sentence_transformers.models.Normalize", "path": "2_Normalize"},
    ]
    for name, text in {
        "modules.json": json.dumps(modules),
        "config.json": "{}",
        "1_Pooling/config.json": '{"pooling_mode_cls_token": true}',
        "model.safetensors": "weights",
    }.items():
        (folder / name).write_text(text)

    def download(hub_id, revision=None, local_files_only=False):
        if not local_files_only:
            raise LocalEntryNotFoundError("offline")
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    modelfolder.snapshot.cache_clear()
    yield folder
    modelfolder.snapshot.cache_clear()


def test_a_whole_snapshot_is_read_without_the_network(cached):
    assert modelfolder.snapshot("a/b", None, "") == cached


@pytest.mark.parametrize(
    ("name", "said"), [("modules.json", "modules.json"), ("1_Pooling/config.json", "1_Pooling"), ("model.safetensors", "weights")]
)  # fmt: skip
def test_a_snapshot_that_lacks_a_file_is_refused_in_one_line(cached, name, said):
    (cached / name).unlink()
    with pytest.raises(Unavailable, match=said):
        modelfolder.snapshot("a/b", None, "")


def test_the_hash_of_a_cached_large_file_is_its_name(tmp_path):
    blob = tmp_path / "blobs" / ("ab" * 32)
    blob.parent.mkdir()
    blob.write_text("never read")
    folder = tmp_path / "snapshots"
    folder.mkdir()
    (folder / "model.safetensors").symlink_to(blob)
    assert modelfolder.hashes_of(folder) == {"model.safetensors": "ab" * 32}


def test_files_behind_a_linked_folder_count_and_keep_their_names(tmp_path):
    weights, model = tmp_path / "weights", tmp_path / "model"
    weights.mkdir()
    model.mkdir()
    (weights / "model.safetensors").write_text("one")
    (model / "0_Transformer").symlink_to(weights)
    (model / "1_Again").symlink_to(weights)
    before = modelfolder.hashes_of(model)
    assert list(before) == ["0_Transformer/model.safetensors", "1_Again/model.safetensors"]
    (weights / "model.safetensors").write_text("other")
    assert modelfolder.hashes_of(model)["0_Transformer/model.safetensors"] not in before.values()


def test_links_that_lead_back_up_or_round_in_a_circle_end(tmp_path):
    model, outside = tmp_path / "models" / "mine", tmp_path / "outside"
    (model / "inner").mkdir(parents=True)
    (outside / "a").mkdir(parents=True)
    (outside / "b").mkdir()
    (tmp_path / "models" / "neighbour").write_text("not this model's")
    (model / "inner" / "weights").write_text("w")
    (outside / "b" / "more").write_text("m")
    for link, target in {
        model / "inner" / "up": model,
        model / "beside": model.parent,
        model / "itself": model / "itself",
        model / "away": outside / "a",
        outside / "a" / "b": outside / "b",
        outside / "b" / "a": outside / "a",
    }.items():
        link.symlink_to(target)
    assert list(modelfolder.hashes_of(model)) == ["away/b/more", "inner/weights"]


def test_hidden_files_read_mes_and_other_runtimes_are_no_content(tmp_path):
    for name in ("a.json", "README.md", ".gitattributes", ".cache/x", "onnx/model.onnx", "inner/openvino/x", "inner/b"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert list(modelfolder.hashes_of(tmp_path)) == ["a.json", "inner/b"]


def test_broken_json_of_a_model_is_one_line(cached):
    (cached / "config.json").write_text("{")
    with pytest.raises(HarnessError, match="config.json of the model is not JSON"):
        modelfolder.settings(cached / "config.json")


@pytest.mark.parametrize("text", ["{}", "[]", "[1, 2]", '[{"idx": 0}]', '"Transformer"', '[{"type": ""}]'])
def test_a_list_of_modules_that_is_none_is_refused_in_one_line_wherever_it_is_read(cached, text):
    (cached / "modules.json").write_text(text)
    reads = [modelfolder.modules_of, modelfolder.pooling_of, modelfolder.transformer_of, modelfolder.limit_of]
    for read in (*reads, lambda _: modelfolder.snapshot("a/b", None, "")):
        with pytest.raises(HarnessError, match="abc/modules.json is no list of modules"):
            read(cached)


@pytest.mark.parametrize("text", ["[]", "3", '"mean"', "null", "[[1, 2]]"])
def test_settings_that_are_no_object_are_one_line(cached, text):
    (cached / "1_Pooling" / "config.json").write_text(text)
    with pytest.raises(HarnessError, match="1_Pooling/config.json of the model is no JSON object"):
        modelfolder.pooling_of(cached)


def test_a_cross_encoder_is_told_from_a_model_by_its_head_or_by_what_saved_it(cached):
    modelfolder.check_no_reranker(cached)
    (cached / "config.json").write_text('{"architectures": ["BertForSequenceClassification"]}')
    modelfolder.check_no_reranker(cached)  # modules.json says how the states become a vector
    (cached / "config_sentence_transformers.json").write_text('{"model_type": "CrossEncoder"}')
    with pytest.raises(HarnessError, match="abc is a cross-encoder: it scores pairs; use retriever=rerank "):
        modelfolder.check_no_reranker(cached)
    (cached / "config_sentence_transformers.json").unlink()
    (cached / "modules.json").unlink()
    with pytest.raises(HarnessError, match=r"retriever.reranker=\{name: local, path: FOLDER\}"):
        modelfolder.check_no_reranker(cached)
    (cached / "config.json").write_text('{"architectures": ["BertModel"]}')
    modelfolder.check_no_reranker(cached)


def test_a_pooling_file_without_a_list_of_modules_is_read_and_nothing_is_guessed_without_one(tmp_path):
    assert modelfolder.stated_pooling(tmp_path) == ""
    assert modelfolder.pooling_of(tmp_path) == "mean", "as sentence-transformers pools a plain folder"
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    assert modelfolder.stated_pooling(tmp_path) == "cls"


def test_a_limit_that_no_model_can_have_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"max_position_embeddings": 512}')
    assert [modelfolder.chosen_limit(tmp_path, n) for n in (0, 7, 512)] == [512, 7, 512]
    for wrong in (-1, 513):
        with pytest.raises(HarnessError, match=f"max_tokens={wrong}"):
            modelfolder.chosen_limit(tmp_path, wrong)
    modelfolder.check_room(0, 2)
    modelfolder.check_room(3, 2)
    with pytest.raises(HarnessError, match="max_tokens=2 leaves no room"):
        modelfolder.check_room(2, 2)


def test_a_similarity_that_is_not_known_is_refused(tmp_path):
    assert modelfolder.similarity_of(tmp_path) == "cosine"
    (tmp_path / "config_sentence_transformers.json").write_text('{"similarity_fn_name": "jaccard"}')
    with pytest.raises(HarnessError, match="'jaccard': give model.similarity"):
        modelfolder.similarity_of(tmp_path)
