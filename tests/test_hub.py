"""What the local cache of public data holds, sound or damaged, without a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.hub import kept, loaded
from harness.registry import registry
from harness.types import Unavailable


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from datasets import config
    from huggingface_hub import constants

    monkeypatch.setattr(config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(config, "HF_DATASETS_CACHE", tmp_path / "datasets")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path


def asked(name: str, subset: str = "default", split: str = "test") -> str:
    with pytest.raises(Unavailable) as caught:
        loaded(name, subset, split, print)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("about", ["", "{", "[" * 100_000], ids=["empty", "open", "deep"])
def test_a_damaged_cache_is_named_with_what_is_wrong(cache: Path, about: str) -> None:
    entry = registry(None).tasks["STSBenchmark"]
    whole = cache / "datasets" / "mteb___stsbenchmark-sts"
    folder = whole / "default" / "0.0.0" / entry.revision
    folder.mkdir(parents=True)
    (folder / "dataset_info.json").write_text(about)
    said = asked("STSBenchmark")
    assert f"cannot be read from the local cache, {whole} (" in said and "is not in the local cache" not in said
    assert "Error: " in said and "delete that folder" in said and said.endswith("unset it to fetch it")


def test_a_damaged_card_names_no_configuration(cache: Path) -> None:
    entry = registry(None).tasks["STSBenchmark"]
    (cache / "datasets" / "mteb___stsbenchmark-sts" / "default" / "0.0.0" / entry.revision).mkdir(parents=True)
    card = cache / "hub" / "datasets--mteb--stsbenchmark-sts" / "snapshots" / entry.revision / "README.md"
    card.parent.mkdir(parents=True)
    card.write_text("---\nconfigs: [\n---\n")
    assert kept(entry.path, entry.revision) == ("default",)


def test_the_whole_name_is_said(cache: Path) -> None:
    said = asked("Tatoeba", "deu-eng", "dev")
    assert said.startswith("mteb/Tatoeba/deu-eng@dev: ") and f"is not in the local cache, {cache}" in said
