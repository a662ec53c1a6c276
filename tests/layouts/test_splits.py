"""Where rows come from: one table, a folder of tables, a saved dataset."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from datasets import Dataset, DatasetDict

from harness.types import HarnessError
from tests.layouts.making import read, write

ROWS = [{"text": "a", "label": "x"}, {"text": "b", "label": "y"}, {"text": "c", "label": "x"}]


def test_a_saved_dataset_dict_is_its_splits(tmp_path: Path) -> None:
    both = DatasetDict({"train": Dataset.from_list(ROWS), "test": Dataset.from_list(ROWS[:2])})
    both.save_to_disk(str(tmp_path / "saved"))
    write(tmp_path / "plain" / "train.jsonl", ROWS)
    write(tmp_path / "plain" / "test.jsonl", ROWS[:2])
    assert read("classification", tmp_path / "saved").sha256 == read("classification", tmp_path / "plain").sha256
    with pytest.raises(HarnessError, match=r"has no dev; it has train, test"):
        read("clustering", tmp_path / "saved", split="dev")


def test_a_saved_dataset_is_one_table_lists_and_all(tmp_path: Path) -> None:
    rows = [{"query": "q", "positive": ["a"], "negative": ["b", "c"]}]
    Dataset.from_list(rows).save_to_disk(str(tmp_path / "saved"))
    evalset = read("reranking", tmp_path / "saved")
    assert evalset.sha256 == read("reranking", write(tmp_path / "t.jsonl", rows)).sha256
    with pytest.raises(HarnessError, match=r"saved is one table; classification needs two"):
        read("classification", tmp_path / "saved")


def test_a_row_of_a_saved_dataset_is_named_by_its_number(tmp_path: Path) -> None:
    Dataset.from_list([{"text": "a", "label": 1.5}]).save_to_disk(str(tmp_path / "saved"))
    with pytest.raises(HarnessError, match=r"saved:1 has the label 1\.5"):
        read("clustering", tmp_path / "saved")


def test_a_damaged_saved_dataset_is_one_line(tmp_path: Path) -> None:
    Dataset.from_list(ROWS).save_to_disk(str(tmp_path / "saved"))
    for file in (tmp_path / "saved").glob("*.arrow"):
        file.write_bytes(b"no arrow")
    with pytest.raises(HarnessError, match=r"cannot be read as a saved dataset"):
        read("clustering", tmp_path / "saved")


def test_gzipped_tables_are_split_by_their_stem(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "test.jsonl.gz", "wt") as file:
        file.write("".join(json.dumps(row) + "\n" for row in ROWS))
    assert read("clustering", tmp_path).scored == 3


def test_a_folder_without_a_table_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(HarnessError, match=r"has no table such as test\.jsonl; it has notes\.txt"):
        read("clustering", tmp_path)
