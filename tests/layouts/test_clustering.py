"""Texts and the groups they belong to, on one level or several."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import homogeneity_score, v_measure_score

from harness.sampling import sampled
from harness.types import HarnessError
from tests.layouts.making import found, made, read, write


def rows(*pairs: tuple[str, Any]) -> list[dict[str, Any]]:
    return [{"text": text, "label": label} for text, label in pairs]


CLEAN = rows(("a", "x"), ("b", "y"), ("c", "x"), ("d", "y"))


@pytest.mark.parametrize("extension", [".jsonl", ".csv", ".parquet"])
def test_texts_are_documents_with_one_level_of_labels(tmp_path: Path, extension: str) -> None:
    evalset = read("clustering", write(tmp_path / f"t{extension}", CLEAN))
    assert evalset.documents.texts == ("a", "b", "c", "d") and len(evalset.queries) == 0 and evalset.scored == 4
    assert evalset.targets["label"].tolist() == [[0], [1], [0], [1]] and evalset.targets["label"].dtype == np.int32
    assert evalset.targets["group"].tolist() == [0, 0, 0, 0]
    assert set(found(evalset)) == {"power"}


@pytest.mark.parametrize("extension", [".jsonl", ".csv", ".parquet"])
def test_a_list_of_labels_gives_levels_and_a_shorter_one_has_none_on_the_last(tmp_path: Path, extension: str) -> None:
    lists = [["mail", "spam"], ["mail", "quota"], ["pay"], ["pay", "quota"], ["pay", "spam"]]
    table = [{"text": f"t{i}", "labels": labels} for i, labels in enumerate(lists)]
    evalset = read("clustering", write(tmp_path / f"t{extension}", table))
    assert evalset.targets["label"].tolist() == [[0, 1], [0, 0], [1, -1], [1, 0], [1, 1]]


def test_a_label_in_brackets_is_a_label(tmp_path: Path) -> None:
    evalset = made("clustering", tmp_path, rows(("a", "[bug]"), ("b", "[bug]"), ("c", "idea"), ("d", "idea")))
    assert evalset.targets["label"].ravel().tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("label", [None, [], ["x", None], ["x", ""], 0.5, True])
def test_a_text_without_a_proper_label_is_named_with_its_line(tmp_path: Path, label: Any) -> None:
    with pytest.raises(HarnessError, match=r"test\.jsonl:5 has"):
        made("clustering", tmp_path, [*CLEAN, *rows(("e", label))])


def test_one_label_for_all_one_for_each_and_no_text_are_errors(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r'every text has the label "x"; expected at least two'):
        made("clustering", tmp_path, rows(("a", "x"), ("b", "x")))
    with pytest.raises(HarnessError, match=r"each text has a label of its own"):
        made("clustering", tmp_path, rows(("a", "x"), ("b", "y")))
    with pytest.raises(HarnessError, match=r"on level 2: every text has the label"):
        made("clustering", tmp_path, rows(("a", ["x", "z"]), ("b", ["y", "z"]), ("c", ["x"]), ("d", ["y"])))
    with pytest.raises(HarnessError, match=r"is empty"):
        made("clustering", tmp_path, [])


def test_a_label_with_one_text_is_told_with_its_share_of_the_entropy(tmp_path: Path) -> None:
    note = found(made("clustering", tmp_path, [*CLEAN, *rows(("e", "z"))]))["single-example-labels"]
    entropy = -(0.4 * np.log(0.4) * 2 + 0.2 * np.log(0.2))
    assert note.count == 1 and f"{-0.2 * np.log(0.2) / entropy:.1%}" in note.effect


def test_copies_with_other_labels_cap_the_v_measure_as_scikit_learn_computes_it(tmp_path: Path) -> None:
    table = rows(("a", "x"), ("a", "y"), ("a", "x"), ("b", "y"), ("b", "z"), ("c", "z"), ("c", "z"))
    note = found(made("clustering", tmp_path, table))["contradicting-texts"]
    labels, texts = [row["label"] for row in table], [row["text"] for row in table]
    homogeneity = homogeneity_score(labels, texts)
    most = float(note.effect.rpartition(" ")[2])
    assert note.count == 2 and most == pytest.approx(2 * homogeneity / (1 + homogeneity), abs=5e-5)
    assert most > v_measure_score(labels, texts), "clusters of equal texts alone are not complete"


def test_copies_with_the_same_label_and_empty_texts_are_counted(tmp_path: Path) -> None:
    notes = found(made("clustering", tmp_path, [*CLEAN, *rows(("a", "x"), (" ", "y"))]))
    assert notes["duplicate-texts"].count == 1 and "text-5" in notes["duplicate-texts"].message
    assert notes["empty-texts"].count == 1 and "contradicting-texts" not in notes


def test_a_sample_keeps_texts_with_their_labels(tmp_path: Path) -> None:
    whole = made("clustering", tmp_path, rows(*((f"{label}{i}", label) for i in range(8) for label in "xy")))
    few = sampled(whole, 6, None)
    assert few.scored == 6 and len(few.targets["group"]) == 6
    assert [text[0] for text in few.documents.texts] == ["xy"[i] for i in few.targets["label"].ravel()]


def test_stackoverflow_is_read_whole(shared: Path) -> None:
    evalset = read("clustering", shared / "other" / "clustering" / "stackoverflow")
    assert evalset.scored == 20000 and len({*evalset.targets["label"].ravel().tolist()}) == 20
    assert found(evalset)["duplicate-texts"].count == 15
