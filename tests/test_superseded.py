"""Records that a change has put out of use: kept, marked, never in the new table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.encoders.hashing import Hashing
from harness.superseded import comparable, retired, superseded
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
    assert entries()[-1]["because"] == ["prompts, parameters or code of hashing changed"]
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
    (entry,) = superseded(old, new, "now", lambda key: True)
    assert entry["because"] == [f"libraries changed (bm25s {old['machine']['versions']['bm25s']} -> 99)"]


def test_other_candidates_under_the_same_name_are_not_marked() -> None:
    sweep("model=hashing", "sweep=s")
    sweep("model=bm25", "sweep=s")
    assert entries() == []


# Families by hand ----------------------------------------------------------------------------------------------


def manifest(*models: tuple[str, str], data: str = "d", versions: str = "1") -> dict[str, Any]:
    """A manifest of one eval set with (label, content) of each model; records are named by content and data."""
    variants = [
        {"model": label, "retriever": "dense", "pooling": "native", "dim": "full", "quantization": "int8",
         "index": "flat", "task": "t", "batch_size": 8, "device": "cpu", "candidate_id": content,
         "model_sha256": content, "card": {}, "quality": f"{content}-{data}", "timings": {}}
        for label, content in models
    ]  # fmt: skip
    about = {"evalsets": {"t": {"sha256": data}}, "machine": {"versions": {"numpy": versions}}, "policy": {}}
    return about | {"variants": variants, "superseded": [], "retired": []}


def told(*family: dict[str, Any], known: Sequence[str] | None = None) -> list[tuple[str, list[str], list[str]]]:
    """Label, records and reasons of what the last of these manifests says, each written over the one before it."""

    def there(key: str) -> bool:
        return known is None or key in known

    before = family[0]
    for now in family[1:]:
        marks = superseded(before, now, "now", there), retired(before, now, there)
        before = now | {"superseded": marks[0], "retired": marks[1]}
    return [(e["model"], e["records"], e["because"]) for e in before["superseded"]]


def test_of_two_models_of_one_name_the_one_that_changed_is_marked() -> None:
    a, b, c = ("w/m@aaaaaa", "a"), ("w/m@bbbbbb", "b"), ("w/m@cccccc", "c")
    assert told(manifest(a, b), manifest(a, c)) == [("w/m@bbbbbb", ["b-d"], ["files of w/m@bbbbbb changed"])]
    assert told(manifest(a, b), manifest(c, b)) == [("w/m@aaaaaa", ["a-d"], ["files of w/m@aaaaaa changed"])]
    assert [m[:2] for m in told(manifest(a, b), manifest(c, ("w/m@dddddd", "e"), data="new"))] == [
        ("w/m@aaaaaa", ["a-d"]),
        ("w/m@bbbbbb", ["b-d"]),
    ]


def test_a_second_model_of_the_name_changes_a_label_and_supersedes_nothing() -> None:
    one, both = manifest(("w/m", "a")), [("w/m@bbbbbb", "b"), ("w/m@aaaaaa", "a")]
    assert told(one, manifest(*both)) == []
    assert told(one, manifest(*both, data="new")) == [("w/m", ["a-d"], ["eval set t changed"])]


def test_changed_parameters_of_two_models_of_one_name_are_told_apart_by_label_and_not_by_order() -> None:
    before = manifest(("w/m@aaaaaa", "a"), ("w/m@bbbbbb", "b"))
    now = manifest(("w/m@bbbbbb", "b2"), ("w/m@aaaaaa", "a2"))
    for variant in (*before["variants"], *now["variants"]):
        variant["model_sha256"] = variant["model"]
    assert {tuple(m[2]) for m in told(before, now)} == {
        (f"prompts, parameters or code of w/m@{mark} changed",) for mark in ("aaaaaa", "bbbbbb")
    }


def test_a_model_that_is_left_out_is_not_superseded_by_its_namesake() -> None:
    both, alone = manifest(("w/m@aaaaaa", "a"), ("w/m@bbbbbb", "b")), manifest(("w/m", "b"))
    assert told(both, alone, alone) == []
    changed = manifest(("w/m", "c"))
    assert told(both, alone, alone, changed, changed) == [("w/m", ["b-d"], ["files of w/m changed"])]
    assert told(both, alone, changed, both)[-1] == ("w/m", ["c-d"], ["files of w/m changed"])
    a, b, c, x = (f"w/m@{digit * 6}" for digit in "abcd")
    three, two, new = manifest((x, "x"), (a, "a"), (b, "b")), manifest((a, "a"), (b, "b")), manifest((a, "a"), (c, "c"))
    assert [m[0] for m in told(three, two, new)] == [b], "the latest of two predecessors"


def test_an_at_sign_of_the_models_own_name_is_no_mark() -> None:
    assert told(manifest(("m@v1", "a")), manifest(("m@v2", "b"))) == []


def test_a_model_that_comes_back_changed_is_marked_though_others_ran_in_between() -> None:
    first, other, back = manifest(("w/m1", "a")), manifest(("w/m2", "b")), manifest(("w/m1", "c"))
    marked = ("w/m1", ["a-d"], ["files of w/m1 changed"])
    assert told(first, other) == []
    assert told(first, other, back) == [marked]
    assert told(first, other, other, manifest(("w/m3", "x")), back, back) == [marked]
    assert told(first, other, first) == []
    assert told(first, other, back, manifest(("w/m2", "e"))) == [marked, ("w/m2", ["b-d"], ["files of w/m2 changed"])]
    other, late = (manifest((m, m), data="new", versions="2") for m in ("w/m2", "w/m1"))
    assert told(first, other, late)[0][2] == [
        "eval set t changed",
        "files of w/m1 changed",
        "libraries changed (numpy 1 -> 2)",
    ]


def test_what_is_retired_has_a_record_and_no_successor_and_no_card() -> None:
    before, now = manifest(("m1", "a"), ("m2", "b"), ("m3", "c")), manifest(("m3", "c"))
    (family,) = retired(before, now, lambda key: key != "b-d")
    assert [v["model"] for v in family["variants"]] == ["m1"] and "card" not in family["variants"][0]
    assert retired({**now, "retired": [family]}, manifest(("m1", "z"), ("m3", "c")), lambda key: True) == []


def test_only_results_that_lie_on_disk_are_superseded() -> None:
    before, now = manifest(("m1", "a"), ("m2", "b")), manifest(("m1", "c"), ("m2", "e"))
    assert [m[0] for m in told(before, now, known=["b-d"])] == ["m2"]
    assert told(before, now, known=[]) == []


def test_planned_results_that_never_ran_are_neither_counted_nor_announced() -> None:
    sweep(*WORDS)
    path = Path("results/s/sweep.json")
    gone = next(v for v in json.loads(path.read_text())["variants"] if v["model"] == "bm25")
    Path(f"results/s/records/{gone['quality']}.record").unlink()
    write_task(documents=DOCUMENTS | {"d1": "changed"})
    said: list[str] = []
    sweep(*WORDS, said=said)
    assert [e["model"] for e in entries()] == ["hashing"]
    assert "eval set tiny changed: 1 earlier results are superseded; their records are kept" in said


def test_a_model_that_comes_back_changed_is_marked_in_the_manifest_on_disk() -> None:
    sweep("model=hashing", "sweep=s")
    sweep("model=bm25", "sweep=s")
    sweep("model=hashing", "sweep=s", "+model.prompts.query='q: '")
    assert [(e["model"], e["because"]) for e in entries()] == [
        ("hashing", ["prompts, parameters or code of hashing changed"])
    ]


@pytest.mark.parametrize("lost", ["variants", "evalsets", "machine", "policy", "device", "timings", "sha256"])
def test_a_manifest_of_another_shape_is_no_earlier_manifest(lost: str) -> None:
    sweep(*WORDS)
    path = Path("results/s/sweep.json")
    old = json.loads(path.read_text())
    assert comparable(old)
    for place in (old, *old["variants"], *old["evalsets"].values()):
        if lost in place and (lost != "sha256" or "documents" in place):
            del place[lost]
    path.write_text(json.dumps(old | {"created": "long ago"}))
    sweep(*WORDS)
    new = json.loads(path.read_text())
    assert new["created"] != "long ago" and comparable(new) and new["superseded"] == []
