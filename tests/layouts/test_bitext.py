"""Sentences and their translations: what the reader takes, and the best score that repeats leave."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from sklearn.metrics import accuracy_score, f1_score

from harness.sampling import sampled
from harness.types import EvalSet, HarnessError
from tests.layouts.making import found, made, read


def pairs(*texts: tuple[str, str]) -> list[dict[str, str]]:
    return [{"sentence1": one, "sentence2": other} for one, other in texts]


CLEAN = pairs(("eins", "one"), ("zwei", "two"), ("drei", "three"))


def test_each_row_is_the_translation_of_its_own(tmp_path: Path) -> None:
    evalset = made("bitext", tmp_path, CLEAN)
    assert (evalset.queries.texts, evalset.documents.texts) == (("eins", "zwei", "drei"), ("one", "two", "three"))
    assert evalset.targets["gold"].tolist() == [0, 1, 2] and evalset.scored == 3
    assert set(found(evalset)) == {"power"}


def test_one_side_alone_or_one_pair_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r'has no field "sentence2"'):
        made("bitext", tmp_path, [{"sentence1": "eins"}, {"sentence1": "zwei"}])
    with pytest.raises(HarnessError, match=r"has one pair, which no model can miss"):
        made("bitext", tmp_path, CLEAN[:1])
    with pytest.raises(HarnessError, match=r"is empty"):
        made("bitext", tmp_path, [])


def test_one_language_is_an_error_twice_the_same_a_warning_two_are_right(tmp_path: Path) -> None:
    levels = {"de": "error", "de,de": "warning", "de,en": None}
    for given, level in levels.items():
        note = found(made("bitext", tmp_path, CLEAN, languages=given.split(","))).get("one-language")
        assert (note.level if note else None) == level


def best(evalset: EvalSet) -> tuple[float, float]:
    """The highest accuracy and F1 over every way to answer: equal sentences alike, and one and the same of equal answers."""
    texts, gold = evalset.documents.texts, evalset.targets["gold"]
    equal = [[i for i, other in enumerate(texts) if other == text] for text in dict.fromkeys(texts)]
    asked = sorted(set(evalset.queries.texts))
    scores = []
    for taken in product(*equal):
        for choice in product(taken, repeat=len(asked)):
            said = dict(zip(asked, choice, strict=True))
            predicted = [said[text] for text in evalset.queries.texts]
            f1 = f1_score(gold, predicted, average="weighted", zero_division=0)
            scores.append((accuracy_score(gold, predicted), f1))
    return max(a for a, _ in scores), max(f for _, f in scores)


@pytest.mark.parametrize(
    "texts",
    [
        pairs(("a", "x"), ("b", "x"), ("c", "y")),
        pairs(("a", "x"), ("a", "y"), ("b", "x"), ("c", "z")),
        pairs(("a", "x"), ("a", "x"), ("a", "x"), ("b", "y")),
        pairs(("a", "x"), ("a", "y"), ("a", "z"), ("b", "z")),
    ],
)
def test_the_best_score_left_by_repeats_is_that_of_trying_every_answer(
    tmp_path: Path, texts: list[dict[str, str]]
) -> None:
    evalset = made("bitext", tmp_path, texts)
    accuracy, f1 = best(evalset)
    note = found(evalset)["duplicate-sentences"]
    assert note.effect == f"of equal texts one at most is found: accuracy at most {accuracy:.4f}, and F1 no higher"
    assert f1 <= accuracy + 1e-12


def test_equal_sides_and_empty_sides_are_counted(tmp_path: Path) -> None:
    notes = found(made("bitext", tmp_path, [*CLEAN, *pairs(("OK", "OK"), ("vier", " "))]))
    assert notes["equal-texts"].level == "warning" and "20.0% of the score" in notes["equal-texts"].effect
    assert notes["empty-pairs"].count == 1 and "pair-5" in notes["empty-pairs"].message


def test_a_sample_keeps_sentences_with_their_translations_and_searches_among_those(tmp_path: Path) -> None:
    whole = made("bitext", tmp_path, pairs(*((f"de{i}", f"en{i}") for i in range(12))))
    few = sampled(whole, 5, None)
    translations = [few.documents.texts[i] for i in few.targets["gold"]]
    assert len(few.documents) == 5
    assert [t[2:] for t in few.queries.texts] == [t[2:] for t in translations]


def test_a_file_of_one_language_pair_is_read(shared: Path) -> None:
    evalset = read("bitext", shared / "other" / "bitext" / "tatoeba" / "deu-eng.jsonl")
    assert evalset.scored == 1000 and "duplicate-sentences" not in found(evalset)
    folder = shared / "other" / "bitext" / "tatoeba"
    assert read("bitext", folder, split="fra-eng").scored == 1000
    with pytest.raises(HarnessError, match=r"has no test; it has deu-eng, fra-eng, rus-eng, spa-eng"):
        read("bitext", folder)
