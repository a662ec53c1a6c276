"""The encoder that needs no download."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from harness.encoders.hashing import Hashing
from harness.poolings.last import Last
from harness.poolings.mean import Mean
from harness.poolings.native import Native
from harness.sparse import unpacked
from harness.types import Floats, Inapplicable


def vectors(texts: list[str], part: Hashing = Hashing(), role: str = "query") -> Floats:  # noqa: B008
    return part.open("cpu").encode(texts, role, [Native()], 8).vectors[0]  # type: ignore[arg-type]


def test_texts_that_share_words_are_near_and_its_vectors_have_length_one() -> None:
    rows = vectors(["reset the printer", "printer reset", "quarterly invoice"], Hashing(512))
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    assert rows[0] @ rows[1] > 0.7
    assert abs(rows[0] @ rows[2]) < 0.2


def test_the_vectors_are_the_same_in_another_process() -> None:
    code = (
        "from harness.encoders.hashing import Hashing; from harness.poolings.native import Native;"
        "print(Hashing(8, seed=3).open('cpu').encode(['a b'], 'query', [Native()], 1).vectors[0].tobytes().hex())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == vectors(["a b"], Hashing(8, seed=3)).tobytes().hex()


def test_another_seed_or_width_gives_other_vectors() -> None:
    assert not np.allclose(vectors(["a"], Hashing(seed=1)), vectors(["a"], Hashing(seed=2)))
    assert vectors(["a"], Hashing(5)).shape == (1, 5)
    with pytest.raises(Inapplicable, match="dim=0"):
        Hashing(0).open("cpu")


def test_prompts_are_text_before_the_text_of_their_role() -> None:
    part = Hashing(prompts={"query": "find "})
    assert vectors(["car"], part).tobytes() == vectors(["find car"]).tobytes()
    assert vectors(["car"], part, "document").tobytes() == vectors(["car"]).tobytes()
    assert part.bare() == Hashing()


def test_texts_are_cut_at_the_limit_and_both_counts_are_told() -> None:
    encoded = Hashing(max_tokens=2).open("cpu").encode(["a b c", "a b", ""], "query", [Native(), Last()], 2)
    assert encoded.tokens.tolist() == [2, 2, 1]
    assert encoded.full_tokens.tolist() == [3, 2, 1]
    assert encoded.vectors[0][0].tobytes() == encoded.vectors[0][1].tobytes()
    assert (
        encoded.vectors[1][0].tobytes()
        == Hashing().open("cpu").encode(["b"], "query", [Mean()], 1).vectors[0][0].tobytes()
    )
    assert np.isfinite(encoded.vectors[0]).all()


def test_a_vector_for_each_word_or_the_weights_of_words() -> None:
    texts = ["a red car", "", "red red red wagon"]
    apart = Hashing(8, max_tokens=3, gives="vectors").open("cpu").encode(texts, "query", [Native()], None)
    assert apart.counts is not None and apart.counts.tolist() == apart.tokens.tolist() == [3, 1, 3]
    assert np.allclose(np.linalg.norm(apart.vectors[0], axis=1), 1)
    assert np.array_equal(apart.vectors[0][1], apart.vectors[0][4])
    weighed = Hashing(gives="sparse").open("cpu").encode(texts, "query", [Native()], None)
    assert weighed.counts is not None
    terms = unpacked(weighed.vectors[0], weighed.counts, 2**16)
    assert np.diff(terms.indptr).tolist() == [3, 0, 2]
    assert sorted(terms[[2]].data) == pytest.approx([np.log(2), np.log(4)])
    assert (terms[[0]] @ terms[[2]].T).toarray() == pytest.approx(np.log(2) * np.log(4))
    for gives in ("vectors", "sparse"):
        with pytest.raises(Inapplicable, match="pooling=native"):
            Hashing(gives=gives).open("cpu").encode(texts, "query", [Mean()], None)
