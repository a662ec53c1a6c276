"""The reranker that needs no weights."""

import pytest

from harness.rerankers.word_overlap import WordOverlap


@pytest.mark.parametrize(
    ("query", "document", "share"),
    [
        ("red car", "a red car", 1), ("red car", "Red, blue", 0.5), ("red red car boat", "red", 1 / 3),
        ("red", "", 0), ("", "red", 0), ("?!", "?!", 0), ("Straße", "STRASSE", 1),
    ],
)  # fmt: skip
def test_a_score_is_the_share_of_the_querys_words(query: str, document: str, share: float) -> None:
    assert WordOverlap().rerank("cpu").score([query], [document])[0] == pytest.approx(share)


def test_sides_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        WordOverlap().rerank("cpu").score(["a", "b"], ["a"])
