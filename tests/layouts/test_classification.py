"""Texts with labels to learn and labels to tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.sampling import sampled
from harness.types import EvalSet, HarnessError
from tests.layouts.making import found, read, write

TRAIN = [("reset it", "password"), ("pay it", "invoice"), ("new login", "password"), ("bill", "invoice")]
TEST = [("forgot login", "password"), ("which bill", "invoice")]


def rows(pairs: list[tuple[str, Any]]) -> list[dict[str, Any]]:
    return [{"text": text, "label": label} for text, label in pairs]


def both(folder: Path, test: list[tuple[str, Any]], train: list[tuple[str, Any]], **more: Any) -> EvalSet:
    write(folder / "test.jsonl", rows(test))
    write(folder / "train.jsonl", rows(train))
    return read("classification", folder, **more)


def test_test_texts_are_queries_training_texts_documents_and_labels_are_numbered_by_their_text(tmp_path: Path) -> None:
    evalset = both(tmp_path, TEST, [*TRAIN, ("meet", "call")])
    assert evalset.queries.texts == ("forgot login", "which bill") and len(evalset.documents) == 5
    assert evalset.targets["label"].tolist() == [2, 1]  # call, invoice, password
    assert evalset.targets["document_label"].tolist() == [2, 1, 2, 1, 0]


def test_integers_are_labels_too_and_sort_as_text(tmp_path: Path) -> None:
    evalset = both(tmp_path, [("a", 2), ("b", 10)], [("c", 2), ("d", "10")])
    assert evalset.targets["label"].tolist() == [1, 0] and evalset.targets["document_label"].tolist() == [1, 0]


@pytest.mark.parametrize("label", [None, 1.5, True, "", {}, []])
def test_anything_else_is_named_with_its_line(tmp_path: Path, label: Any) -> None:
    with pytest.raises(HarnessError, match=r"train\.jsonl:5 has"):
        both(tmp_path, TEST, [*TRAIN, ("x", label)])


def test_several_labels_for_one_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"train\.jsonl:5 has 2 labels"):
        both(tmp_path, TEST, [*TRAIN, ("x", ["a", "b"])])


def test_without_two_tables_the_line_says_which_there_are(tmp_path: Path) -> None:
    path = write(tmp_path / "test.jsonl", rows(TEST))
    with pytest.raises(HarnessError, match=r"has no train; it has test\. Both test and train"):
        read("classification", tmp_path)
    with pytest.raises(HarnessError, match=r"is one table; classification needs two, test and train"):
        read("classification", path)
    with pytest.raises(HarnessError, match=r"split: train is what classification learns from"):
        read("classification", tmp_path, split="train")
    write(tmp_path / "train.jsonl", rows(TRAIN))
    with pytest.raises(HarnessError, match=r"has no dev; it has test, train"):
        read("classification", tmp_path, split="dev")


def test_one_class_or_no_text_on_either_side_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r'test\.jsonl: every text has the label "password"'):
        both(tmp_path, TEST[:1], TRAIN)
    with pytest.raises(HarnessError, match=r'train\.jsonl: every text has the label "invoice"'):
        both(tmp_path, TEST, TRAIN[1:2])
    with pytest.raises(HarnessError, match=r"test\.jsonl is empty"):
        both(tmp_path, [], TRAIN)


def test_test_labels_that_training_never_shows_at_all_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(
        HarnessError, match=r'no label of test comes in train: "call", "meeting" there, "invoice", "pass'
    ):
        both(tmp_path, [("ring", "call"), ("meet", "meeting")], TRAIN)


def test_a_long_label_is_cut(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r'every text has the label "x{40}"; expected'):
        both(tmp_path, [("ring", "x" * 10_000)], TRAIN)


def test_a_clean_set_has_nothing_but_counts(tmp_path: Path) -> None:
    test = [(f"{text} {i}", label) for i in range(2) for text, label in TEST]
    notes = found(both(tmp_path, test, [(f"{text} {i}", label) for i in range(4) for text, label in TRAIN]))
    assert set(notes) == {"power"} and "adds 0.2500 to the accuracy" in notes["power"].effect


def test_a_label_that_training_never_shows_caps_accuracy(tmp_path: Path) -> None:
    note = found(both(tmp_path, [*TEST, ("ring", "call"), ("rang", "call")], TRAIN))["unknown-labels"]
    assert (note.count, note.effect) == (2, "accuracy at most 0.5000")
    assert note.place.endswith("test.jsonl:3") and '"call"' in note.message


def test_labels_with_one_example_say_what_rests_on_it(tmp_path: Path) -> None:
    notes = found(both(tmp_path, [*TEST, ("ring", "call")], [*TRAIN, ("meet", "call")]))
    assert notes["single-example-labels"].count == 1
    assert notes["single-example-labels"].effect.startswith("33.3% of the test texts")
    assert notes["single-test-labels"].count == 3 and "1/3 of macro-F1" in notes["single-test-labels"].effect
    assert notes["few-example-labels"].message.startswith("3 of 3 labels have fewer than 8")
    assert "few-example-labels" not in found(both(tmp_path, TEST, TRAIN, settings={"samples_per_label": 2}))


def test_labels_that_differ_in_case_or_space_alone_are_told(tmp_path: Path) -> None:
    note = found(both(tmp_path, TEST, [*TRAIN, ("x", "Password "), ("y", "Password ")]))["label-spelling"]
    assert note.count == 1 and '"Password ", "password"' in note.message


def test_contradictions_copies_and_empty_texts_are_counted(tmp_path: Path) -> None:
    test = [*TEST, ("same", "password"), ("same", "password"), ("same", "invoice"), ("", "invoice")]
    notes = found(both(tmp_path, test, [*TRAIN, ("both", "password"), ("both", "invoice")]))
    assert notes["contradicting-texts"].effect == f"accuracy at most {5 / 6:.4f}"
    assert notes["confusing-training"].count == 1 and notes["confusing-training"].effect.startswith("33.3%")
    assert notes["empty-texts"].count == 1 and "test-6" in notes["empty-texts"].message
    copies = found(both(tmp_path, [*TEST, TEST[0]], TRAIN))["duplicate-texts"]
    assert copies.count == 1 and "test-3" in copies.message


def test_test_texts_that_stand_in_training_are_counted_with_their_labels(tmp_path: Path) -> None:
    test = [*TEST, ("Reset  IT", "password"), ("bill", "password")]
    note = found(both(tmp_path, test, TRAIN))["train-test-overlap"]
    assert note.count == 2 and note.effect == "25.0% of the answers may be learnt by heart; 1 differ in label there"


def test_a_sample_cuts_test_texts_alone(tmp_path: Path) -> None:
    whole = both(tmp_path, [(f"{label}{i}", label) for i in range(9) for label in ("a", "b")], [("x", "a"), ("y", "b")])
    few = sampled(whole, 6, None)
    assert few.documents == whole.documents and len(few.targets["document_label"]) == 2
    assert [text[0] for text in few.queries.texts] == ["ab"[i] for i in few.targets["label"]] and few.scored == 6


def test_banking77_is_read_whole(shared: Path) -> None:
    evalset = read("classification", shared / "other" / "classification" / "banking77")
    assert (evalset.scored, len(evalset.documents), len({*evalset.targets["label"].tolist()})) == (3080, 10003, 77)
    assert found(evalset)["train-test-overlap"].count == 7
