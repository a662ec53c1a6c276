"""Languages other than declared, and texts that short models do not read to the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.checks.sides import long_texts, other_languages
from harness.checks.study import Unchecked
from harness.evalsets import load
from harness.tongues import known, stranger
from harness.types import EvalSet, Note
from tests.test_validate import made

ENGLISH = "the price of this book is not what I have been told by the shop"
GERMAN = "der Preis von diesem Buch ist nicht das was mir in dem Laden gesagt wurde"
RUSSIAN = "это не то что я думал об этой книге когда был в магазине"


@pytest.mark.parametrize(
    ("text", "languages", "verdict"),
    [
        (ENGLISH, ["en"], ""),
        (ENGLISH, ["de"], "en"),
        (GERMAN, ["en"], "de"),
        (GERMAN, ["en", "deu"], ""),
        (GERMAN, ["pl"], None),  # no stop words of Polish are at hand: nothing is guessed within a script
        (RUSSIAN, ["en"], "Cyrillic script"),
        (RUSSIAN, ["ru"], ""),
        ("日本語の文章はここにあります。読めますか。", ["ja"], ""),
        ("日本語の文章はここにあります。読めますか。", ["en"], "ja"),
        ("이 문장은 한국어로 쓰여 있습니다 그렇지요", ["en"], "ko"),
        ("the book", ["de"], None),
        ("", ["en"], None),
        ("12345 67890 3.14", ["en"], None),
        ("stack overflow null pointer exception java lang string index", ["de"], None),
    ],
)
def test_a_text_is_judged_by_script_and_stop_words_and_short_ones_not_at_all(
    text: str, languages: list[str], verdict: str | None
) -> None:
    assert stranger(text, languages) == verdict


def test_a_language_that_nothing_is_known_of_is_said() -> None:
    assert known("en-US") and known("zh") and not known("xx")
    (said,) = other_languages(declared(["xx"], [ENGLISH], [ENGLISH]))
    assert said == Unchecked("whether the texts are in the declared languages: nothing is known here of xx")
    (said,) = other_languages(declared([], [ENGLISH], [ENGLISH]))
    assert isinstance(said, Unchecked) and "none are declared" in said.what


def declared(languages: list[str], documents: list[str], queries: list[str]) -> EvalSet:
    evalset = made(documents, queries, [(i, i, 1) for i in range(len(queries))])
    return EvalSet(**{**vars(evalset), "languages": tuple(languages)})


def test_queries_in_another_language_are_counted_with_the_scored_queries_they_are() -> None:
    found = list(other_languages(declared(["en"], [ENGLISH] * 8, [GERMAN] * 3 + [ENGLISH] * 4 + ["short"])))
    (note,) = found
    assert isinstance(note, Note)
    assert note.code == "other-language" and note.count == 3
    assert note.message.startswith("3 of 7 queries that tell their language are not in en but in de (3); 1 more of 8")
    assert note.effect == "3 of 8 scored queries ask in it: their scores tell of another language"


def test_foreign_documents_count_by_the_queries_that_they_answer() -> None:
    (note,) = other_languages(declared(["en"], [GERMAN] * 4 + [ENGLISH] * 8, [ENGLISH] * 5))
    assert isinstance(note, Note)
    assert note.effect.startswith("4 of 5 scored queries have a relevant document in it")


def test_two_foreign_texts_are_no_finding_and_short_texts_are_said_to_tell_nothing() -> None:
    assert list(other_languages(declared(["en"], [GERMAN] * 2 + [ENGLISH] * 8, [ENGLISH]))) == []
    assert list(other_languages(declared(["en"], [ENGLISH], ["abc"]))) == [
        Unchecked("the language of the queries: too short to tell")
    ]


def test_long_documents_are_counted_with_the_words_that_are_not_read() -> None:
    evalset = made([" ".join(["w"] * 300), " ".join(["w"] * 100), " ".join(["w"] * 600)], ["x"], [(0, 0, 1)])
    (note,) = long_texts(evalset)
    assert isinstance(note, Note)
    assert (
        note.message == "66.7% of 3 documents have more than 256 words; 33.3% of 3 documents have more than 512 words"
    )
    # (300-256 + 600-256) / 1000 and (600-512) / 1000
    assert note.effect.startswith("models of 256 tokens miss at least 38.8% of the words, of 512 8.8%; 1 of 1 scored")
    assert note.place == 'document "d2"'


def test_characters_count_where_no_spaces_part_the_words() -> None:
    (note,) = long_texts(made(["日" * 300], ["x"], [(0, 0, 1)]))
    assert isinstance(note, Note) and note.count == 1
    assert list(long_texts(made(["日" * 256], ["x"], [(0, 0, 1)]))) == []


@pytest.mark.real
@pytest.mark.parametrize(("name", "language", "found"), [("xquad-de", "de", 0), ("xquad-de", "en", 2),
                                                         ("xquad-en", "en", 0), ("xquad-de-to-en", "en", 1)])  # fmt: skip
def test_real_sets_are_in_the_language_that_they_are_in(shared: Path, name: str, language: str, found: int) -> None:
    evalset = load({"path": str(shared / "retrieval" / name), "languages": [language]}, Path("m.yaml"))
    assert len([one for one in other_languages(evalset) if isinstance(one, Note)]) == found
