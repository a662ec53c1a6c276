"""Which spaces of a sweep are mapped, from the store alone, and that a map is made once."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness import atlas
from harness.table import Sweep, read_sweep
from harness.types import Record
from tests.sweeping import DOCUMENTS, sweep, write_task


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_task()


def entries(*words: str) -> tuple[Sweep, list[dict[str, Any]]]:
    found = read_sweep(sweep("space=sample", *words).folder)
    return found, found.manifest["spaces"]


def records(found: Sweep) -> Sequence[Record]:
    return [record for record in found.records.values() if record.kind == "space"]


def test_a_space_is_mapped_once_whatever_is_made_of_its_vectors() -> None:
    found, spaces = entries("model=hashing", "pooling=native,max", "dim=8,16", "quantization=float32,binary")
    assert {space["name"]: len(space["candidates"]) for space in spaces} == {"hashing · native": 4, "hashing · max": 4}
    assert {record.key for record in records(found)} == {space["key"] for space in spaces}
    assert [record.arrays["map"].shape for record in records(found)] == [(10, 2)] * 2
    of_all = next(record for record in records(found) if record.labels["model"] == "hashing · native")
    assert of_all.arrays["dims"].tolist() == [16, 32, 64], "the vectors of the model, not of a candidate"


def test_a_second_run_computes_nothing_and_changes_no_file() -> None:
    words = ("model=hashing,bm25", "dim=8,16", "space=sample")
    first = sweep(*words)
    left = [space for space in read_sweep(first.folder).manifest["spaces"] if not space["key"]]
    assert [(space["name"], space["reason"]) for space in left] == [("bm25", "has no vectors")]
    before = {p: p.read_bytes() for p in Path("results").rglob("*") if p.is_file()}
    second = sweep(*words)
    assert (first.computed, second.computed, second.encoded) == (4, 0, 0)
    assert {p: p.read_bytes() for p in Path("results").rglob("*") if p.is_file()} == before


def test_a_map_asked_for_later_encodes_nothing() -> None:
    without = read_sweep(sweep("model=hashing", "sweep=s").folder)
    assert (without.manifest["spaces"], records(without)) == ([], [])
    said: list[str] = []
    outcome = sweep("space=sample", "model=hashing", "sweep=s", said=said)
    assert (outcome.computed, outcome.encoded) == (1, 0)
    assert "mapped the space of hashing · native" in said


def test_a_changed_corpus_is_mapped_anew() -> None:
    _, before = entries("model=hashing", "sweep=s")
    write_task(documents=DOCUMENTS | {"d1": "something else altogether"})
    _, after = entries("model=hashing", "sweep=s")
    assert before[0]["key"] != after[0]["key"]


def test_what_gives_no_single_vectors_is_left_out_with_the_reason() -> None:
    found, spaces = entries("model=hashing", "+model.gives=vector,vectors,sparse")
    assert [bool(space["key"]) for space in spaces] == [True, False, False]
    assert {space["reason"] for space in spaces[1:]} == set(atlas._MANY.values())
    assert len(records(found)) == 1


def test_passages_are_no_space_of_documents() -> None:
    _, spaces = entries("model=hashing", "chunking=words")
    assert [(space["key"], space["reason"]) for space in spaces] == [("", "its documents are cut into passages")]


def test_vectors_that_were_deleted_are_said_and_not_made_again() -> None:
    sweep("model=hashing", "sweep=s")
    shutil.rmtree(Path("results/store"))
    outcome = sweep("space=sample", "model=hashing", "sweep=s")
    assert outcome.encoded == 0
    spaces = read_sweep(outcome.folder).manifest["spaces"]
    assert [(space["key"], space["reason"]) for space in spaces] == [("", "its vectors of tiny are no longer stored")]


def test_the_best_are_mapped_and_the_others_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atlas, "MODELS", 1)
    found, spaces = entries("model=hashing", "pooling=native,max,cls")
    best = max((r for r in found.records.values() if r.kind == "quality"), key=lambda r: r.values["main_score"])
    assert spaces[0]["name"] == f"hashing · {best.labels['pooling']}"
    assert [space["reason"] for space in spaces[1:]] == ["only the 1 best are mapped"] * 2


def test_sets_of_a_sweep_share_a_map() -> None:
    write_task("other", documents={f"{k}x": f"{text} again" for k, text in DOCUMENTS.items()}, qrels=[("q1", "d1x", 1)])
    found, spaces = entries("model=hashing", "task=tiny,other")
    assert len(spaces) == 1
    record = found.records[spaces[0]["key"]]
    assert set(record.values["sets"]) == {"tiny", "other"}
    assert sorted(record.values["groups"]) == ["other", "tiny"]
