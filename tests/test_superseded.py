"""Records that a change has put out of use: kept, marked, never in the new table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.encoders.hashing import Hashing
from harness.superseded import superseded
from tests.sweeping import DOCUMENTS, QRELS, sweep, table_of, write_task


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    write_task()


def entries() -> list[dict[str, object]]:
    return json.loads(Path("results/s/sweep.json").read_text())["superseded"]


WORDS = ("model=hashing,bm25", "sweep=s")


def test_a_changed_eval_set_supersedes_what_was_scored_on_it_and_says_why() -> None:
    write_task("other", qrels=QRELS[:2])
    words = ("model=hashing,bm25", "task=tiny,other", "sweep=s")
    sweep(*words)
    assert entries() == []
    before = {p.name: p.read_bytes() for p in Path("results/s/records").iterdir()}
    write_task(documents=DOCUMENTS | {"d1": "changed"})
    said: list[str] = []
    outcome = sweep(*words, said=said)
    assert outcome.computed == 2, "the other eval set is as it was"
    assert [e["because"] for e in entries()] == [["eval set tiny changed"]] * 2
    assert "eval set tiny changed: 2 earlier results are superseded; their records are kept" in said
    now = {p.name: p.read_bytes() for p in Path("results/s/records").iterdir()}
    assert before.items() <= now.items() and len(now) == 6
    gone = {key for e in entries() for key in e["records"]}
    assert len(gone) == 2 and all(f"{key}.record" in before for key in gone)
    assert len(table_of(outcome)) == 4


def test_a_change_that_is_taken_back_is_no_longer_marked() -> None:
    sweep(*WORDS)
    write_task(documents=DOCUMENTS | {"d1": "changed"})
    sweep(*WORDS)
    assert len(entries()) == 2
    write_task()
    assert sweep(*WORDS).computed == 0
    assert [e["because"] for e in entries()] == [["eval set tiny changed"]] * 2
    named = {v["quality"] for v in json.loads(Path("results/s/sweep.json").read_text())["variants"]}
    assert named.isdisjoint(key for e in entries() for key in e["records"])


def test_model_files_prompts_and_metrics_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    sweep("model=hashing", "sweep=s")
    sweep("model=hashing", "sweep=s", "+model.prompts.query='q: '")
    assert entries()[-1]["because"] == ["prompts or parameters of hashing changed"]
    monkeypatch.setattr(Hashing, "content", lambda self: {"weights": "new"})
    sweep("model=hashing", "sweep=s", "+model.prompts.query='q: '")
    assert entries()[-1]["because"] == ["files of hashing changed"]
    sweep("model=hashing", "sweep=s", "+model.prompts.query='q: '", "store_dtype=float16")
    assert entries()[-1]["because"] == ["metrics, stored precision or scoring changed"]
    assert len(entries()) == 3


def test_a_changed_library_is_named_with_both_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    sweep("model=bm25", "sweep=s")
    path = Path("results/s/sweep.json")
    old = json.loads(path.read_text())
    new = json.loads(path.read_text())
    new["machine"]["versions"]["bm25s"] = "99"
    new["variants"][0]["quality"] = "other"
    (entry,) = superseded(old, new, "now")
    assert entry["because"] == [f"libraries changed (bm25s {old['machine']['versions']['bm25s']} -> 99)"]


def test_other_candidates_under_the_same_name_are_not_marked() -> None:
    sweep("model=hashing", "sweep=s")
    sweep("model=bm25", "sweep=s")
    assert entries() == []
