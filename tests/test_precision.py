"""What a faster path costs, told beside it; `dtype=auto`: bfloat16 only where the vectors stay the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import precision, run
from harness.halved import hardware_has_bfloat16
from harness.indexes.flat import Flat
from harness.parts import identity
from harness.poolings.native import Native
from harness.precision import Parities, Parity, in_float32
from harness.protocols import Need
from harness.quantizers.float16 import Float16
from harness.reductions.truncate import Truncate
from harness.retrievers.bm25 import Bm25
from harness.retrievers.dense import Dense
from harness.retrievers.hybrid import Hybrid
from harness.retrievers.rerank import Rerank
from harness.table import read_sweep
from harness.types import EvalSet, HarnessError, Qrels, Texts
from tests.encoders.halving import Exported, Halving, OpenHalving, Rereading, Sparser
from tests.sweeping import DOCUMENTS, QUERIES, sweep, table_of, write_task

WORDS = ("trusted=[tests]", "dtype=auto", "sweep=s")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    monkeypatch.setattr(run, "hardware_has_bfloat16", lambda device: True)
    write_task()
    Path("configs/model").mkdir(parents=True)
    for name, turn in (("sound", 0.02), ("unsound", 0.2)):
        Path(f"configs/model/{name}.yaml").write_text(
            f"_target_: tests.encoders.halving.Halving\nturn: {turn}\ndtype: bfloat16\n"
        )


def evalset() -> EvalSet:
    texts = Texts(tuple(map(str, range(50))), tuple(f"text number {i}" for i in range(50)))
    return EvalSet("e", "retrieval", texts, Texts(("q",), ("text",)), Qrels(*np.zeros((3, 1), dtype=np.int32)))


def test_parity_is_the_lowest_cosine_over_texts_spread_over_both_sides(tmp_path: Path) -> None:
    found = Parities(tmp_path, "cpu").measured(Need(Halving(0.2), Native()), evalset())
    assert found is not None and found.texts == 32 + 1
    assert 0.9 < found.cosine < precision.LEAST_COSINE
    assert not found.holds
    same = Parities(tmp_path, "cpu").measured(Need(Halving(0.0), Native()), evalset())
    assert same is not None and same.cosine == pytest.approx(1)


def test_a_cosine_just_short_of_a_thousandth_does_not_hold(tmp_path: Path) -> None:
    found = Parities(tmp_path, "cpu").measured(Need(Halving(0.1), Native()), evalset())
    assert found is not None
    assert 0.99 < found.cosine < 0.999
    assert not found.holds
    assert Parity(0.9991, 48).holds and not Parity(0.9989, 48).holds


def test_a_verdict_is_remembered_for_the_model_and_the_data(tmp_path: Path) -> None:
    parities = Parities(tmp_path, "cpu")
    assert parities.known(Halving(0.2), evalset()) is None
    found = parities.measured(Need(Halving(0.2), Native()), evalset())
    assert parities.known(Halving(0.2), evalset()) == found
    assert parities.known(Halving(0.2, "float16"), evalset()) is None, "another precision"
    assert parities.measured(Need(Halving(0.2, "float32"), Native()), evalset()) is None, "that is the reference"
    assert parities.known(Halving(0.3), evalset()) is None
    assert Parities(tmp_path, "cuda:1").known(Halving(0.2), evalset()) is None


def test_vectors_that_are_not_numbers_do_not_hold() -> None:
    assert not Parity(-1.0, 3).holds


def test_a_sound_model_runs_in_bfloat16_and_the_record_says_so() -> None:
    outcome = sweep("model=sound", *WORDS)
    (row,) = table_of(outcome)
    assert row["model"] == "sound bfloat16"
    assert any("dtype=auto chose bfloat16; lowest cosine to float32 0.99" in w for w in row["warnings"])
    assert sweep("model=sound", *WORDS).computed == 0


def test_an_unsound_model_goes_back_to_float32_in_the_same_run_and_in_later_ones() -> None:
    said: list[str] = []
    outcome = sweep("model=unsound,sound", "dim=8,16", *WORDS, said=said)
    assert (outcome.done, outcome.failed) == (4, 0)
    assert {row["model"] for row in table_of(outcome)} == {"unsound", "sound bfloat16"}
    assert outcome.encoded == 2 * (len(DOCUMENTS) + len(QUERIES)), "the refused precision went through no pass"
    assert sum("unsound bfloat16: dtype=auto goes back to float32; lowest cosine" in line for line in said) == 1
    again = sweep("model=unsound,sound", "dim=8,16", *WORDS)
    assert (again.computed, again.encoded) == (0, 0)
    assert read_sweep(again.folder).manifest["superseded"] == []


def test_without_the_hardware_auto_is_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "hardware_has_bfloat16", lambda device: False)
    (row,) = table_of(sweep("model=unsound", *WORDS))
    assert row["model"] == "unsound"


def test_an_explicit_bfloat16_is_taken_as_asked_and_told_what_it_costs() -> None:
    said: list[str] = []
    (row,) = table_of(sweep("model=unsound", "trusted=[tests]", "sweep=s", said=said))
    assert row["model"] == "unsound bfloat16" and not any("goes back" in line for line in said)
    assert 0.9 < row["parity_cosine"] < 0.999 and row["parity_difference"] is None
    told, missing = row["warnings"][-2:]
    assert told.startswith("lowest cosine to float32 0.9") and told.endswith(
        "under 0.999: these are not the vectors of the model in float32"
    )
    assert missing.startswith("unsound bfloat16: add dtype=float32") and missing.endswith("difference in nDCG@10")


def plain(name: str, turn: float) -> None:
    Path(f"configs/model/{name}.yaml").write_text(
        f"_target_: tests.encoders.halving.Halving\nturn: {turn}\ndtype: float32\n"
    )


def test_beside_the_cosine_stands_the_difference_to_the_same_in_float32_where_it_ran() -> None:
    plain("slow", 0.2)
    plain("other", 0.3)
    found = table_of(sweep("model=unsound,slow,other", "dim=16,64", "trusted=[tests]", "sweep=s"))
    rows = {(row["model"], row["dim"]): row for row in found}
    for dim in (16, 64):
        fast, slow = rows["unsound bfloat16", dim], rows["slow", dim]
        assert fast["parity_difference"] == pytest.approx(fast["main_score"] - slow["main_score"])
        assert not any("add dtype=float32" in w for w in fast["warnings"])
        assert slow["parity_cosine"] is None and slow["parity_difference"] is None
    assert {rows["unsound bfloat16", dim]["parity_cosine"] for dim in (16, 64)} == {
        rows["unsound bfloat16", 16]["parity_cosine"]
    }


def test_the_dtype_of_a_row_is_in_its_label() -> None:
    plain("slow", 0.02)
    found = table_of(sweep("model=sound,slow", "trusted=[tests]", "sweep=s"))
    assert {row["model"] for row in found} == {"sound bfloat16", "slow"}
    again = table_of(
        sweep(
            "model=hashing",
            "retriever=rerank",
            "retriever.reranker={_target_: tests.encoders.halving.Rereading, dtype: bfloat16}",
            "trusted=[tests]",
            "sweep=r",
        )
    )
    assert [row["model"] for row in again] == ["hashing bfloat16"]
    assert again[0]["parity_cosine"] is None and "add dtype=float32" in again[0]["warnings"][-1]


def test_where_parity_cannot_be_measured_the_score_stands_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    encode = OpenHalving.encode

    def too_large(self: OpenHalving, *given: Any) -> Any:
        if self.part.dtype == "float32":
            raise RuntimeError("out of memory")
        return encode(self, *given)

    monkeypatch.setattr(OpenHalving, "encode", too_large)
    outcome = sweep("model=sound", "trusted=[tests]", "sweep=s")
    (row,) = table_of(outcome)
    assert (outcome.done, outcome.failed) == (1, 0)
    assert row["parity_cosine"] is None and row["main_score"] > 0
    assert any("stands without parity: the cosine to float32 could not be measured" in w for w in row["warnings"])


def test_weights_that_would_not_fit_in_float32_are_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "weights_of", lambda encoder: {"parameters": 10**15})
    with pytest.raises(HarnessError, match=r"the weights in float32 take 4000000\.0 GB, and .* GB are free"):
        Parities(tmp_path, "cpu").measured(Need(Halving(0.2), Native()), evalset())
    assert precision._check_room(Halving(0.2), "cpu") is None, "it was asked for as it is"  # type: ignore[func-returns-value]


# Exported graphs -------------------------------------------------------------------------------------------------


def exported(reference: str) -> Exported:
    return Exported(0.2, "float32", reference)


def test_a_graph_is_held_against_the_model_that_it_names(tmp_path: Path) -> None:
    found = Parities(tmp_path, "cpu").measured(Need(exported("model"), Native()), evalset())
    assert found is not None and not found.holds
    assert Parities(tmp_path, "cpu").measured(Need(exported(""), Native()), evalset()) is None
    assert identity(exported("model")) == identity(exported("")), "a place"


def test_a_graph_without_a_name_says_how_to_give_one() -> None:
    Path("configs/model/graph.yaml").write_text(
        "_target_: tests.encoders.halving.Exported\nturn: 0.2\ndtype: float32\nreference: ''\n"
    )
    plain("model", 0.2)
    words = ("trusted=[tests]", "sweep=s")
    (row,) = table_of(sweep("model=graph", *words))
    assert row["parity_cosine"] is None
    assert any("stands without parity: name the model" in w and "model.reference=FOLDER" in w for w in row["warnings"])
    named = sweep("model=graph", "model.reference=model", *words)
    assert (named.computed, named.encoded) == (1, 0), "scored anew from the same vectors"
    (row,) = table_of(named)
    assert 0.9 < row["parity_cosine"] < 0.999
    Path("configs/model/named.yaml").write_text(
        "_target_: tests.encoders.halving.Exported\nturn: 0.2\ndtype: float32\nreference: model\n"
    )
    both = {row["model"]: row for row in table_of(sweep("model=named,model", *words))}
    assert both["named"]["parity_difference"] == pytest.approx(
        both["named"]["main_score"] - both["model"]["main_score"]
    )


def test_in_float32_replaces_every_model_of_a_pipeline_and_nothing_else() -> None:
    def pipeline(dtype: str) -> Rerank:
        dense = Dense(Halving(0.2, dtype), Native(), Truncate(), Float16(), Flat())
        return Rerank(Hybrid((dense, Bm25())), Rereading(dtype), 5)

    assert in_float32(pipeline("bfloat16")) == pipeline("float32") == in_float32(pipeline("float32"))


def test_term_weights_are_compared_term_by_term(tmp_path: Path) -> None:
    found = Parities(tmp_path, "cpu").measured(Need(Sparser(), Native()), evalset())
    assert found is not None and found.cosine == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(("a", "b", "cosine"), [
    ([[1.0, 0.0]], [[1.0, 1.0]], 0.5**0.5), ([[0.0, 0.0]], [[0.0, 0.0]], 1.0), ([[0.0, 0.0]], [[1.0, 0.0]], np.nan),
])  # fmt: skip
def test_a_row_of_zeros_is_like_another_and_like_nothing_else(a: Any, b: Any, cosine: float) -> None:
    found = precision._cosine(np.asarray(a, np.float32), np.asarray(b, np.float32))
    np.testing.assert_allclose(found, [cosine], rtol=1e-6)


def test_vectors_of_another_width_are_not_compared() -> None:
    with pytest.raises(HarnessError, match="not one model"):
        precision._cosine(np.ones((2, 3), np.float32), np.ones((2, 4), np.float32))


def test_the_hardware_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": False, "amx_bf16": False})
    assert not hardware_has_bfloat16("cpu")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    assert hardware_has_bfloat16("cpu")
    assert not hardware_has_bfloat16("mps")


def test_where_it_cannot_be_checked_bfloat16_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    encode = OpenHalving.encode

    def too_large(self: OpenHalving, *given: Any) -> Any:
        if self.part.dtype == "float32":
            raise RuntimeError("out of memory")
        return encode(self, *given)

    monkeypatch.setattr(OpenHalving, "encode", too_large)
    outcome = sweep("model=sound,bm25", *WORDS)
    assert (outcome.done, outcome.failed, outcome.encoded) == (1, 1, 0)
    (reason,) = [row["reason"] for row in table_of(outcome) if row["status"] == "failed"]
    assert reason == "dtype=auto could not be checked: out of memory"
