"""Lists: every kind under all its names, every entry with a line, nothing of the user's is run for it."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from harness import commands
from harness.catalogue import Wanted, benchmarks_text, listing, tasks, tasks_text
from harness.launch import shipped
from harness.types import HarnessError

GROUPS = sorted(path.name for path in shipped("configs").iterdir() if path.is_dir())


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def line(kind: str, name: str) -> str:
    return next(found for found in listing(kind).splitlines() if found.split()[0] == name)


def own(folder: Path, group: str, name: str, text: str) -> None:
    (folder / "configs" / group).mkdir(parents=True, exist_ok=True)
    (folder / "configs" / group / f"{name}.yaml").write_text(text)


@pytest.mark.parametrize("group", GROUPS)
def test_every_group_is_counted_and_has_a_line_for_each_yaml(elsewhere: Path, group: str) -> None:
    (kind, count) = re.findall(rf"^  (\w+) +(\d+)  .*\b{group}=NAME$", listing(None), re.M)[0]
    assert listing(kind) == listing(group)
    names = sorted(path.stem for path in (shipped("configs") / group).glob("*.yaml"))
    assert [found.split()[0] for found in listing(group).splitlines()] == names and len(names) == int(count)
    assert all(len(found.split()) > 1 for found in listing(group).splitlines()), "each says what it is"


@pytest.mark.parametrize(
    ("group", "room"), [("quantization", "quantizers"), ("index", "indexes"), ("pooling", "poolings")]
)
def test_a_group_is_found_under_the_name_of_its_room(elsewhere: Path, group: str, room: str) -> None:
    assert listing(group) == listing(room)


def test_models_show_their_facts_tasks_their_type_and_rooms_their_parts(elsewhere: Path) -> None:
    assert line("models", "labse").endswith("sentence-transformers/LaBSE  apache-2.0  768 dims")
    assert "model.path=FOLDER" in line("models", "local")
    assert "stand-in" in line("model", "hashing"), "its comment, not its docstring"
    assert "bm25s" in line("models", "bm25"), "no comment: its part's docstring"
    assert "retrieval" in line("tasks", "helpdesk") and "nDCG" in line("metrics", "ndcg")


def test_an_unknown_kind_gets_the_nearest(elsewhere: Path) -> None:
    with pytest.raises(HarnessError, match="Did you mean models"):
        listing("modls")


def test_a_yaml_of_the_user_joins_the_list_and_wins(elsewhere: Path) -> None:
    own(elsewhere, "policy", "strict", "# Ours only. More of it.\nname: strict\n")
    own(elsewhere, "model", "bm25", "# Mine\n_target_: x.y.Z\n")
    assert line("policies", "strict").split(maxsplit=1)[1] == "Ours only."
    assert line("models", "bm25").endswith("Mine")
    own(elsewhere, "flavour", "sweet", "sugar: 3\n")
    assert line("flavours", "sweet").endswith("sugar: 3") and "flavours        1" in listing(None)


def test_code_of_the_user_is_not_run_for_a_list(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(elsewhere))
    (elsewhere / "foreign_part.py").write_text("raise RuntimeError('was run')\n")
    own(elsewhere, "model", "ours", "_target_: foreign_part.Ours\n")
    own(elsewhere, "model", "gone", "_target_: harness.encoders.no_such_part.Gone\n")
    assert "ours" in listing("models") and "gone" in listing("models") and "foreign_part" not in sys.modules


@pytest.mark.parametrize("text", ["a: [", "- list", "", "card: 3"])
def test_a_broken_yaml_of_the_user_does_not_spoil_the_list(elsewhere: Path, text: str) -> None:
    own(elsewhere, "model", "ours", text)
    assert "ours" in listing("models") and "bm25" in listing("models")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("registry")


def test_public_tasks_are_listed_by_type_and_language(elsewhere: Path, kept: Path) -> None:
    found = {one.name: one for one in tasks(kept, Wanted("retrieval", "de"))}
    assert found["mteb/GermanDPR"].languages == ["deu"] and "helpdesk" not in found and "mteb/SciFact" not in found
    assert all(one.type == "retrieval" and "deu" in one.languages and not one.refusal for one in found.values())
    assert tasks(kept, Wanted("retrieval", "deu")) == list(found.values())
    assert "helpdesk" in {one.name for one in tasks(kept, Wanted("retrieval", "eng"))}
    text = tasks_text(kept, Wanted("retrieval", "deu"))
    assert re.search(r"mteb/GermanDPR +retrieval +deu +ndcg_at_10 +(on the hub|here)$", text, re.M)


def test_what_cannot_run_is_listed_on_demand_with_the_reason(elsewhere: Path, kept: Path) -> None:
    assert "mteb/MindSmallReranking" not in tasks_text(kept, Wanted())
    assert re.search(r"mteb/MindSmallReranking .*of its own making$", tasks_text(kept, Wanted(everything=True)), re.M)


def test_a_benchmark_lists_its_own_tasks(elsewhere: Path, kept: Path) -> None:
    found = tasks(kept, Wanted(benchmark="mteb/nanobeir"))
    assert len(found) == 13 and found == tasks(kept, Wanted(benchmark="NanoBEIR"))
    line = next(one for one in benchmarks_text(kept).splitlines() if "MTEB(eng, v2)" in one)
    assert line.split()[0] == "mteb/mteb-eng-v2" and line.endswith("40 of 41 tasks")


def test_lists_are_json_on_demand(elsewhere: Path, kept: Path) -> None:
    rows = json.loads(tasks_text(kept, Wanted("summarization"), as_json=True))
    assert {"name": "mteb/SummEval", "type": "summarization"}.items() <= next(
        r for r in rows if "SummEval" in r["name"]
    ).items()
    named = {row["name"]: row for row in json.loads(benchmarks_text(kept, as_json=True))}
    assert named["mteb/nanobeir"]["runnable"] == 13 and len(named["mteb/nanobeir"]["tasks"]) == 13


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Wanted(type="retreival"), "type 'retreival' is not known. Did you mean retrieval"),
        (Wanted(language="zz"), "language 'zz' is in no task"),
        (Wanted(benchmark="nanobier"), "no benchmark 'nanobier'. Did you mean nanobeir"),
        (Wanted("summarization", "deu", "nanobeir"), "no task is of this type, in this language and of this benchmark"),
    ],
)
def test_a_list_of_nothing_is_one_line(elsewhere: Path, kept: Path, wanted: Wanted, said: str) -> None:
    with pytest.raises(HarnessError, match=said):
        tasks(kept, wanted)


@pytest.mark.parametrize("kind", ["benchmarks", "models"])
@pytest.mark.parametrize("words", [("--type", "sts"), ("--language", "xx"), ("--all",)], ids=lambda words: words[0])
def test_what_narrows_tasks_is_refused_for_other_lists(elsewhere: Path, kind: str, words: tuple[str, ...]) -> None:
    with pytest.raises(HarnessError, match=f"list {kind}: --type, --language, --benchmark and --all are for tasks"):
        commands.list_([kind, *words])
