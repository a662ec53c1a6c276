"""Machine summaries with their scores, beside people's summaries of the same texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.sampling import sampled
from harness.types import HarnessError
from tests.layouts.making import found, made, read, write


def row(scores: list[float], human: int = 1, **more: Any) -> dict[str, Any]:
    machine = [f"machine {i}" for i in range(len(scores))]
    one = {"human_summaries": [f"human {i}" for i in range(human)], "machine_summaries": machine, "relevance": scores}
    return one | more


@pytest.mark.parametrize("extension", [".jsonl", ".csv", ".parquet"])
def test_machine_summaries_are_queries_human_ones_documents_each_with_its_text(tmp_path: Path, extension: str) -> None:
    evalset = read("summarization", write(tmp_path / f"t{extension}", [row([1, 2.5, 4], 2), row([5, 0], 1)]))
    assert evalset.targets["score"].tolist() == [1, 2.5, 4, 5, 0] and evalset.scored == 2
    assert evalset.targets["text"].tolist() == [0, 0, 0, 1, 1]
    assert evalset.targets["document_text"].tolist() == [0, 0, 1]
    assert evalset.queries.ids[3:] == ("text-2-machine-1", "text-2-machine-2")
    assert evalset.documents.texts == ("human 0", "human 1", "human 0")


def test_columns_rename_human_machine_and_score(tmp_path: Path) -> None:
    rows = [{"h": ["a"], "m": ["b", "c", "d"], "fluency": [1, 2, 4]}]
    columns = {"human": "h", "machine": "m", "score": "fluency"}
    assert made("summarization", tmp_path, rows, columns=columns).targets["score"].tolist() == [1, 2, 4]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (row([1, 2]) | {"relevance": [1]}, "lists of unequal length: 2 in .machine_summaries. and 1 in .relevance."),
        (row([1, 6]), "the score 6, beyond 0 to 5"),
        (row([1, 2], human=0), "0 human and 2 machine summaries"),
        (row([1]), "1 human and 1 machine summaries"),
        (row([1, 2]) | {"relevance": [1, "2"]}, "no list of numbers"),
        (row([1, 2]) | {"relevance": [1, True]}, "no list of numbers"),
        (row([1, 2]) | {"relevance": [1, float("nan")]}, "no list of numbers"),
        (row([1, 2]) | {"relevance": 3}, "no list of numbers"),
        (row([1, 2]) | {"relevance": [1, int("9" * 400)]}, "no list of numbers"),
        (row([1, 2]) | {"relevance": "[" * 100_000}, "no list of numbers"),
        (row([1, 2]) | {"human_summaries": "[" * 100_000}, "no list of texts"),
        (row([1, 2]) | {"human_summaries": "one text"}, "no list of texts"),
        ({"machine_summaries": ["a"], "relevance": [1]}, "no field .human_summaries."),
    ],
)
def test_a_broken_row_is_named_with_its_line(tmp_path: Path, broken: dict[str, Any], message: str) -> None:
    with pytest.raises(HarnessError, match=rf"test\.jsonl:2 has {message}"):
        made("summarization", tmp_path, [row([1, 2]), broken])


def test_no_text_with_unlike_scores_or_no_text_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"the scores of each text are all the same"):
        made("summarization", tmp_path, [row([2, 2]), row([3, 3, 3])])
    with pytest.raises(HarnessError, match=r"is empty"):
        made("summarization", tmp_path, [])
    with pytest.raises(HarnessError, match=r"no text has 3 machine summaries; of two the correlation is 1 or -1"):
        made("summarization", tmp_path, [row([1, 2]), row([3, 1])])


def test_the_scale_comes_from_the_settings(tmp_path: Path) -> None:
    evalset = made("summarization", tmp_path, [row([-1, 7, 100])], settings={"min_score": -1, "max_score": 100})
    assert evalset.targets["score"].tolist() == [-1, 7, 100]


def test_texts_that_no_order_tells_apart_and_empty_or_contradicting_summaries_are_counted(tmp_path: Path) -> None:
    same = row([1, 2, 3]) | {"machine_summaries": ["same", "same", ""]}
    notes = found(made("summarization", tmp_path, [row([2, 2, 2]), row([1, 3]), same]))
    assert notes["level-scores"].effect == "left out: scores are means over 2 of 3 texts"
    assert notes["two-summaries"].count == 1
    assert (
        notes["contradicting-summaries"].count == 1 and "text-3-machine-2" in notes["contradicting-summaries"].message
    )
    assert notes["empty-summaries"].count == 1 and notes["power"].message == "3 texts are scored"


def test_a_clean_set_has_nothing_but_its_count(tmp_path: Path) -> None:
    assert set(found(made("summarization", tmp_path, [row([1, 2, 3])]))) == {"power"}


def test_a_sample_keeps_whole_texts_and_numbers_them_again(tmp_path: Path) -> None:
    rows = [row([i, i + 0.5, i + 1][: 2 + i % 2], 1 + i % 2) for i in range(4)]
    whole = made("summarization", tmp_path, rows)
    few = sampled(whole, 2, None)
    assert few.scored == 2 and {*few.targets["text"].tolist()} == {*few.targets["document_text"].tolist()} == {0, 1}
    for new in (0, 1):
        kept = few.targets["text"] == new
        old = int(few.queries.ids[kept.argmax()].split("-")[1]) - 1
        assert few.targets["score"][kept].tolist() == whole.targets["score"][whole.targets["text"] == old].tolist()
        humans = [i for i, owner in zip(few.documents.ids, few.targets["document_text"], strict=True) if owner == new]
        assert all(name.startswith(f"text-{old + 1}-human-") for name in humans) and len(humans) == 1 + old % 2


def test_summeval_is_read_whole(shared: Path) -> None:
    evalset = read("summarization", shared / "other" / "summarization" / "summeval")
    assert (evalset.scored, len(evalset.queries), len(evalset.documents)) == (100, 1600, 1100)
