"""`dtype=auto`: bfloat16 only where the hardware has it and the vectors stay the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import precision, run
from harness.poolings.native import Native
from harness.precision import Parities, Parity, hardware_has_bfloat16
from harness.protocols import Need
from harness.table import read_sweep
from harness.types import EvalSet, Qrels, Texts
from tests.encoders.halving import Halving, OpenHalving
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
    assert found.texts == 32 + 1
    assert 0.9 < found.cosine < precision._LEAST_COSINE
    assert not found.holds
    assert Parities(tmp_path, "cpu").measured(Need(Halving(0.0), Native()), evalset()).cosine == pytest.approx(1)


def test_a_cosine_just_short_of_a_thousandth_does_not_hold(tmp_path: Path) -> None:
    found = Parities(tmp_path, "cpu").measured(Need(Halving(0.1), Native()), evalset())
    assert 0.99 < found.cosine < 0.999
    assert not found.holds
    assert Parity(0.9991, 48).holds and not Parity(0.9989, 48).holds


def test_a_verdict_is_remembered_for_the_model_and_the_data(tmp_path: Path) -> None:
    parities = Parities(tmp_path, "cpu")
    assert parities.known(Halving(0.2), evalset()) is None
    found = parities.measured(Need(Halving(0.2), Native()), evalset())
    assert parities.known(Halving(0.2), evalset()) == found
    assert parities.known(Halving(0.2, "float32"), evalset()) == found, "one verdict a model, whatever its dtype"
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


def test_an_explicit_bfloat16_is_taken_as_asked() -> None:
    (row,) = table_of(sweep("model=unsound", "trusted=[tests]", "sweep=s"))
    assert row["model"] == "unsound bfloat16"


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
