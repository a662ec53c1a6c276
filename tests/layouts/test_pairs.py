"""Pairs with a score, and pairs that are alike or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.sampling import sampled
from harness.types import HarnessError
from tests.layouts.making import found, made, read, write

KINDS = ("sts", "pair_classification")
TARGET = {"sts": "score", "pair_classification": "label"}


def rows(kind: str, *pairs: tuple[str, str, Any]) -> list[dict[str, Any]]:
    return [{"sentence1": one, "sentence2": other, TARGET[kind]: value} for one, other, value in pairs]


PAIRS = rows("sts", ("a", "b", 0.5), ("c", "d", 5.0), ("e", "f", 2.0))


@pytest.mark.parametrize("extension", [".jsonl", ".csv", ".parquet"])
def test_first_texts_are_queries_second_ones_documents_in_every_file_kind(tmp_path: Path, extension: str) -> None:
    evalset = read("sts", write(tmp_path / f"t{extension}", PAIRS))
    assert (evalset.queries.texts, evalset.documents.texts) == (("a", "c", "e"), ("b", "d", "f"))
    assert evalset.targets["score"].tolist() == [0.5, 5.0, 2.0]
    assert (evalset.scored, evalset.sides[0][0]) == (3, "text")


def test_columns_rename_by_role_and_a_wrong_name_is_one_line(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", [{"q1": "a", "q2": "b", "dup": 1}, {"q1": "c", "q2": "d", "dup": 0}])
    names = {"first": "q1", "second": "q2", "label": "dup"}
    assert read("pair_classification", path, columns=names).targets["label"].tolist() == [1, 0]
    with pytest.raises(HarnessError, match=r'has no field "label"; it has "dup"'):
        read("pair_classification", path, columns={"first": "q1", "second": "q2"})
    with pytest.raises(HarnessError, match=r"columns.score: no such column"):
        read("pair_classification", path, columns={**names, "score": "dup"})


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ((1, 0), [1, 0]),
        ((True, False), [1, 0]),
        (("0", "1"), [0, 1]),
        (("True", "false"), [1, 0]),
        ((1.0, 0.0), [1, 0]),
    ],
)
def test_a_label_is_a_number_or_a_truth_value(tmp_path: Path, values: tuple[Any, Any], labels: list[int]) -> None:
    evalset = made("pair_classification", tmp_path, rows("pair_classification", *zip("ac", "bd", values, strict=True)))
    assert evalset.targets["label"].tolist() == labels and evalset.targets["label"].dtype == np.int32


@pytest.mark.parametrize("value", [2, -1, "yes", 0.5, [1], ""])
def test_any_other_label_is_named_with_its_line(tmp_path: Path, value: Any) -> None:
    with pytest.raises(HarnessError, match=r"test\.jsonl:2 has the label .*; expected 0 or 1"):
        made("pair_classification", tmp_path, rows("pair_classification", ("a", "b", 1), ("c", "d", value)))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (5.5, "beyond 0 to 5"),
        (-1, "beyond 0 to 5"),
        ("high", "expected a number"),
        (None, "no value"),
        (True, "number"),
    ],
)
def test_a_score_beyond_the_scale_or_none_at_all_is_named_with_its_line(
    tmp_path: Path, value: Any, message: str
) -> None:
    with pytest.raises(HarnessError, match=rf"test\.jsonl:2 has .*{message}"):
        made("sts", tmp_path, rows("sts", ("a", "b", 1), ("c", "d", value)))


def test_the_scale_comes_from_the_settings(tmp_path: Path) -> None:
    pairs = rows("sts", ("a", "b", -1), ("c", "d", 10), ("e", "f", 4))
    assert made("sts", tmp_path, pairs, settings={"min_score": -1, "max_score": 10}).scored == 3


def test_two_pairs_have_no_correlation_but_1_or_minus_1(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"test\.jsonl: expected at least 3 pairs, .* it has 2\."):
        made("sts", tmp_path, PAIRS[:2])


@pytest.mark.parametrize("score", [int("9" * 400), "x" * 10_000])
def test_a_score_that_no_float_holds_is_one_short_line(tmp_path: Path, score: Any) -> None:
    with pytest.raises(HarnessError, match=r"test\.jsonl:2 has .* expected a number") as raised:
        made("sts", tmp_path, rows("sts", ("a", "b", 1), ("c", "d", score), ("e", "f", 2)))
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 300


@pytest.mark.parametrize("closed", ["", "]" * 100_000])
def test_lists_too_deep_to_read_are_one_line(tmp_path: Path, closed: str) -> None:
    (tmp_path / "test.jsonl").write_text('{"sentence1": ' + "[" * 100_000 + closed + "}\n")
    with pytest.raises(HarnessError, match=r"test\.jsonl:1 is not JSON"):
        read("sts", tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_one_value_for_all_an_empty_table_and_an_unknown_split_are_errors(tmp_path: Path, kind: str) -> None:
    with pytest.raises(HarnessError, match=r"every pair has"):
        made(kind, tmp_path, rows(kind, ("a", "b", 1), ("c", "d", 1)))
    with pytest.raises(HarnessError, match=r"is empty"):
        made(kind, tmp_path / "none", [])
    write(tmp_path / "dev.jsonl", rows(kind, ("a", "b", 1), ("c", "d", 0), ("e", "f", 0)))
    with pytest.raises(HarnessError, match=r"has no train; it has dev, test"):
        read(kind, tmp_path, split="train")
    assert read(kind, tmp_path, split="dev").scored == 3
    write(tmp_path / "dev.csv", rows(kind, ("a", "b", 1)))
    with pytest.raises(HarnessError, match=r"has both dev.jsonl and dev.csv"):
        read(kind, tmp_path, split="dev")


@pytest.mark.parametrize("kind", KINDS)
def test_a_clean_set_has_nothing_but_counts(tmp_path: Path, kind: str) -> None:
    notes = found(made(kind, tmp_path, rows(kind, ("a", "b", 1), ("c", "d", 0), ("e", "f", 0))))
    assert set(notes) == {"power"} | ({"chance"} if kind == "pair_classification" else set())
    assert notes["power"].count == 3


def test_chance_is_the_share_of_alike_pairs(tmp_path: Path) -> None:
    pairs = rows("pair_classification", ("a", "b", 1), ("c", "d", 0), ("e", "f", 0), ("g", "h", 0))
    note = found(made("pair_classification", tmp_path, pairs))["chance"]
    assert note.effect == "by chance average precision is 0.250, and one answer for all is right in 0.750"


@pytest.mark.parametrize("kind", KINDS)
def test_empty_texts_copies_and_contradictions_are_counted_either_way_round(tmp_path: Path, kind: str) -> None:
    pairs = rows(kind, ("a", "b", 1), ("b", "a", 0), ("a", "b", 1), ("x", " ", 0), ("same", "same", 0), ("y", "z", 0))
    notes = found(made(kind, tmp_path, pairs))
    assert notes["contradicting-pairs"].count == 1 and "pair-2" in notes["contradicting-pairs"].message
    assert notes["duplicate-pairs"].count == 1 and "pair-3" in notes["duplicate-pairs"].message
    assert notes["empty-pairs"].count == 1 and "pair-4" in notes["empty-pairs"].message
    assert notes["equal-texts"].level == "warning" and "1 of them are not labelled so" in notes["equal-texts"].effect


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_keeps_texts_and_values_together(tmp_path: Path, kind: str) -> None:
    whole = made(kind, tmp_path, rows(kind, *((f"a{i}", f"b{i}", i % 2) for i in range(20))))
    few = sampled(whole, 7, None)
    assert few.scored == 7 and few.sample == "7 of 20 items"
    for one, other, value in zip(few.queries.texts, few.documents.texts, few.targets[TARGET[kind]], strict=True):
        assert one[1:] == other[1:] and value == int(one[1:]) % 2
    assert set(few.queries.ids) < set(sampled(whole, 9, None).queries.ids)
    assert sampled(whole, 20, None) is whole


def test_the_shared_sets_are_read_whole(shared: Path) -> None:
    mrpc = read("pair_classification", shared / "other" / "pairclassification" / "mrpc")
    assert (mrpc.scored, int(mrpc.targets["label"].sum())) == (1725, 1147)
    german = read("sts", shared / "other" / "sts" / "stsb-de")
    assert german.scored == 1379 and found(german)["equal-texts"].count == 15
