"""`harness init`: a filled example of each kind, or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.launch import compose, shipped
from harness.manifests import TYPES
from harness.scaffold import SWEEP, scaffold
from harness.types import HarnessError
from harness.validate import headline, opened, validate


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("kind", TYPES)
def test_each_type_becomes_a_set_that_a_run_finds_by_name_and_that_has_no_flaw(kind: str, tmp_path: Path) -> None:
    text = scaffold(Path("tasks/mine"), kind)
    evalset = opened("mine", "", [shipped("tasks"), tmp_path / "tasks"])
    assert (evalset.name, evalset.type, evalset.languages[-1]) == ("mine", kind, "en")
    levels = {note.level for note in validate(evalset)}
    assert levels <= ({"info", "warning"} if kind == "retrieval" else {"info"}) and 8 <= evalset.scored <= 150
    assert "wrote tasks/mine/task.yaml" in text and "harness validate tasks/mine\n" in text
    assert text.splitlines()[-1].endswith(" task=mine") and "move" not in text
    assert not list((tmp_path / "tasks").rglob("README.md"))


@pytest.mark.parametrize("kind", TYPES)
def test_every_key_that_the_comments_show_is_one_that_a_manifest_takes(kind: str, tmp_path: Path) -> None:
    """Commented keys are taken in, one set at a time: a slip in an example is a slip in every set made from it."""
    scaffold(Path("tasks/mine"), kind)
    file = tmp_path / "tasks" / "mine" / "task.yaml"
    lines = file.read_text(encoding="utf-8").splitlines()
    shown = [line[2:] for line in lines[1:] if line.startswith("# ")]
    assert [line.partition(":")[0] for line in shown][-2:] == ["public", "prompts"]
    file.write_text("\n".join([*(line for line in lines if not line.startswith("# ")), *shown]), encoding="utf-8")
    assert opened("tasks/mine", "", []).type == kind


def test_a_sweep_is_an_experiment_that_composes(tmp_path: Path) -> None:
    text = scaffold(Path("configs/experiment/nightly"), SWEEP)
    assert text.splitlines()[-1] == "harness run experiment=nightly"
    jobs = compose(["experiment=nightly"])
    assert {str(job.config["task"]) for job in jobs} == {"helpdesk"} and len(jobs) == 3 * 2 * 2
    assert jobs[0].config["policy"]["margin"] == 0.02 and not any(jobs[0].config["timing"].values())
    with pytest.raises(HarnessError, match=r"configs/experiment/nightly\.yaml is there already"):
        scaffold(Path("configs/experiment/nightly.yaml"), SWEEP)


def test_an_unknown_kind_names_the_nearest_and_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"--type clusterin is not known\. Did you mean clustering"):
        scaffold(Path("tasks/mine"), "clusterin")
    assert not list(tmp_path.iterdir())


def test_a_place_that_is_taken_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(HarnessError, match=r"full is there already: it has notes\.txt"):
        scaffold(Path("full"), "sts")
    with pytest.raises(HarnessError, match=r"notes\.txt is there already"):
        scaffold(Path("full/notes.txt"), "sts")
    assert [p.name for p in tmp_path.rglob("*")] == ["full", "notes.txt"]


@pytest.mark.parametrize("name", ["..", "tasks/a b", "tasks/a,b", "tasks/-x", "x=1"])
def test_a_name_that_a_run_could_not_say_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"expected a name of letters, digits"):
        scaffold(Path(name), "sts")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["sts", SWEEP])
@pytest.mark.parametrize("there", [False, True])
def test_a_name_too_long_for_the_disk_is_one_line_and_leaves_nothing(there: bool, kind: str, tmp_path: Path) -> None:
    if there:
        (tmp_path / "tasks").mkdir()
    for name in ("x" * 300, "x" * 252, "x" * 300 + "/y"):
        if kind == "sts" and name == "x" * 252:
            continue  # the longest folder that a disk takes; a sweep's has .yaml behind it
        with pytest.raises(HarnessError, match="cannot be written: File name too long") as caught:
            scaffold(Path("tasks") / name, kind)
        assert "\n" not in str(caught.value)
    assert [p.name for p in tmp_path.rglob("*")] == ["tasks"] * there


def test_an_empty_folder_is_filled_and_one_outside_tasks_says_where_to_move_it(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "move empty into a folder tasks/" in scaffold(Path("empty"), "bitext")
    assert sorted(p.name for p in (tmp_path / "empty").iterdir()) == ["task.yaml", "test.jsonl"]


@pytest.mark.parametrize("before", [False, True])
def test_what_cannot_be_written_whole_leaves_nothing_behind(
    before: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if before:
        (tmp_path / "deep" / "mine").mkdir(parents=True)
    written = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.name == "train.jsonl":
            written(path, data[:10])
            raise OSError(28, "No space left on device")
        return written(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(HarnessError, match=r"train\.jsonl cannot be written: No space left on device"):
        scaffold(Path("deep/mine"), "classification")
    assert [p.name for p in tmp_path.rglob("*")] == (["deep", "mine"] if before else [])


def test_the_bundled_sets_have_a_headline_of_their_own() -> None:
    lines = {path.name: headline(opened(str(path), "", [])) for path in shipped("tasks").glob("helpdesk*")}
    assert lines == {
        "helpdesk": "320 documents, 150 queries, 8280 judgements",
        "helpdesk-sts": "40 pairs", "helpdesk-pairs": "36 pairs",
        "helpdesk-intents": "42 test texts, 56 training texts, 7 labels",
        "helpdesk-topics": "54 texts, 6 labels",
        "helpdesk-bitext": "40 sentences, 40 to find their translations among",
        "helpdesk-rerank": "18 queries, 77 candidates, 113 judgements",
        "helpdesk-summaries": "8 texts, 40 machine and 16 human summaries",
    }  # fmt: skip
