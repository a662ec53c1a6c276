"""Datasets saved on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.formats.huggingface import HuggingFace
from harness.types import HarnessError

datasets = pytest.importorskip("datasets", reason="needs the package datasets")
CORPUS = {"_id": ["d1", "d2"], "title": ["T", ""], "text": ["a", "b"]}
QUERIES = {"_id": ["q1"], "text": ["what"]}
QRELS = {"query-id": ["q1"], "corpus-id": ["d2"], "score": [1.0]}


@pytest.fixture(autouse=True)
def no_progress_bars() -> None:
    datasets.disable_progress_bars()


def table(values: dict[str, list[Any]]) -> Any:
    return datasets.Dataset.from_dict(values)


def check(path: Path) -> None:
    assert HuggingFace.claims(str(path))
    raw = HuggingFace(path=str(path)).read()
    assert raw.documents.texts == ("T a", "b")
    assert raw.queries.ids == ("q1",)
    assert [(j.query_id, j.document_id, j.grade) for j in raw.judgements] == [("q1", "d2", 1)]


def test_a_folder_of_configurations_is_read_as_the_hub_lays_it_out(tmp_path: Path) -> None:
    datasets.DatasetDict(corpus=table(CORPUS)).save_to_disk(tmp_path / "corpus")
    datasets.DatasetDict(queries=table(QUERIES)).save_to_disk(tmp_path / "queries")
    other = {"query-id": ["q1"], "corpus-id": ["d1"], "score": [1]}
    datasets.DatasetDict(test=table(QRELS), dev=table(other)).save_to_disk(tmp_path / "default")
    check(tmp_path)


def test_plain_datasets_as_subfolders_are_read(tmp_path: Path) -> None:
    for name, values in (("corpus", CORPUS), ("queries", QUERIES), ("qrels", QRELS)):
        table(values).save_to_disk(tmp_path / name)
    check(tmp_path)


def test_a_dataset_dict_with_the_three_keys_is_read(tmp_path: Path) -> None:
    datasets.DatasetDict(corpus=table(CORPUS), queries=table(QUERIES), qrels=table(QRELS)).save_to_disk(tmp_path / "s")
    check(tmp_path / "s")


@pytest.mark.parametrize("split", ["", "test"])
def test_a_single_dataset_or_split_is_read_as_pairs(tmp_path: Path, split: str) -> None:
    one = table({"query": ["a", "a"], "document": ["x", "y"]})
    (datasets.DatasetDict({split: one}) if split else one).save_to_disk(tmp_path / "s")
    raw = HuggingFace(path=str(tmp_path / "s")).read()
    assert (len(raw.queries), len(raw.documents), len(raw.judgements)) == (1, 2, 2)


def test_a_missing_part_or_split_is_named_with_what_there_is(tmp_path: Path) -> None:
    datasets.DatasetDict(corpus=table(CORPUS), queries=table(QUERIES), dev=table(QRELS)).save_to_disk(tmp_path / "s")
    with pytest.raises(HarnessError, match=r"has no qrels or default or test; it has corpus, queries, dev"):
        HuggingFace(path=str(tmp_path / "s")).read()
    assert len(HuggingFace(path=str(tmp_path / "s"), split="dev").read().judgements) == 1


def test_a_row_without_its_field_is_named_with_its_number(tmp_path: Path) -> None:
    table({"query": ["a", None], "document": ["x", "y"]}).save_to_disk(tmp_path / "s")
    with pytest.raises(HarnessError, match=r's:2 has no value in the field "query"'):
        HuggingFace(path=str(tmp_path / "s")).read()


def test_a_folder_that_is_no_dataset_is_refused(tmp_path: Path) -> None:
    assert not HuggingFace.claims(str(tmp_path))
    with pytest.raises(HarnessError, match="has no test; it has nothing"):
        HuggingFace(path=str(tmp_path)).read()
