"""Names of public sets to parts, and jobs on them to jobs on each."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.evalsets import load_task
from harness.expansion import expanded
from harness.launch import compose, shipped
from harness.plan import sweep_name, tasktype_of
from harness.portions import part_of, parts_of
from harness.progress import Watch
from harness.registry import Registry, registry
from harness.run import ground_of
from harness.types import EvalSet, HarnessError
from tests.material import evalset


@pytest.fixture(scope="module")
def known() -> Registry:
    return registry(None)


def tasks(known: Registry, name: str, *languages: str) -> list[str]:
    return [part.task for part in parts_of(name, known, languages).kept]


@pytest.mark.parametrize(
    ("name", "task", "public"),
    [
        ("mteb/SciFact", "mteb/SciFact", "SciFact"),
        ("mteb/SCIFACT@train", "mteb/SciFact@train", "SciFact@train"),
        (
            "mteb/STSBenchmarkMultilingualSTS/de",
            "mteb/STSBenchmarkMultilingualSTS/de",
            "STSBenchmarkMultilingualSTS/de",
        ),
        ("mteb/tatoeba/DEU-eng", "mteb/Tatoeba/deu-eng", "Tatoeba/deu-eng"),
        ("mteb/MSMARCO", "mteb/MSMARCO@dev", "MSMARCO@dev"),
        ("mteb/MSMARCO@test", "mteb/MSMARCO@test", "MSMARCO"),
        ("mteb/sts22/de@train", "mteb/STS22/de@train", "STS22/de@train"),
        ("mteb/STS17/en-de@test", "mteb/STS17/en-de", "STS17/en-de"),
    ],
)
def test_a_name_and_its_short_form_stand_for_the_same_part(known: Registry, name: str, task: str, public: str) -> None:
    part = part_of(name, known)
    assert (part.task, part.public) == (task, public) and part_of(task, known) == part


def test_a_task_stands_for_all_its_subsets_and_languages_narrow_them(known: Registry) -> None:
    assert len(tasks(known, "mteb/Tatoeba")) == len(known.tasks["Tatoeba"].subsets)
    assert tasks(known, "mteb/Tatoeba", "deu", "eng") == ["mteb/Tatoeba/deu-eng"]
    assert tasks(known, "mteb/Tatoeba", "de", "en", "fra") == ["mteb/Tatoeba/deu-eng", "mteb/Tatoeba/fra-eng"]
    assert tasks(known, "mteb/STS17", "eng") == ["mteb/STS17/en-en"]
    assert tasks(known, "mteb/Tatoeba/fra-eng", "deu") == ["mteb/Tatoeba/fra-eng"], "what is named stays"


def test_a_benchmark_stands_for_its_tasks_with_its_own_splits_and_subsets(known: Registry) -> None:
    found = parts_of("mteb/mteb-eng-v2", known)
    names = [part.task for part in found.kept]
    assert len(names) == 40 and {"mteb/STS17/en-en", "mteb/MTOPDomainClassification/en"} <= set(names)
    assert found.left_out == (f"MindSmallReranking: {known.tasks['MindSmallReranking'].refusal}",)
    assert len(tasks(known, "mteb/nanobeir")) == 13
    beir = tasks(known, "mteb/BEIR")
    assert "mteb/CQADupstackAndroidRetrieval" in beir and "mteb/CQADupstackRetrieval" not in beir
    assert "mteb/MSMARCO@dev" in beir


def test_an_aggregate_stands_for_its_members(known: Registry) -> None:
    assert len(tasks(known, "mteb/CQADupstackRetrieval")) == 12


@pytest.mark.parametrize(
    ("name", "languages", "said"),
    [
        ("mteb/NanoBIER", (), "no task or benchmark 'NanoBIER'. Did you mean NanoBEIR"),
        ("mteb/", (), "no task or benchmark ''. See harness list tasks"),
        ("mteb/@test", (), "no task or benchmark ''. See harness list tasks"),
        ("mteb/SciFact@", (), "'mteb/SciFact@': expected one split behind @"),
        ("mteb/SciFact@@", (), "'mteb/SciFact@@': expected one split behind @"),
        ("mteb/Tatoeba@test/deu-eng", (), "a subset comes before it"),
        ("mteb/SciFact/de", (), "mteb/SciFact has no subsets; leave out /de"),
        ("mteb/Tatoeba/deu", (), "has no subset 'deu'; each has two languages. Take mteb/Tatoeba/deu-eng$"),
        ("mteb/Tatoeba/de", (), "has no subset 'de'; each has two languages. Take mteb/Tatoeba/deu-eng$"),
        ("mteb/Tatoeba/deu-eg", (), "has no subset 'deu-eg'. Take mteb/Tatoeba/deu-eng or"),
        ("mteb/STSBenchmarkMultilingualSTS/deu", (), "no subset 'deu'. Take mteb/STSBenchmarkMultilingualSTS/de$"),
        ("mteb/NanoBEIR@dev", (), "a benchmark has splits of its own; leave out @dev"),
        ("mteb/Tatoeba", ("deu",), "no subset is in deu alone. With one of them and another: mteb/Tatoeba/deu-eng"),
        ("mteb/SciFact", ("deu",), "no subset is in deu alone. Leave out languages"),
        ("mteb/SciFact", ("xxx",), "language 'xxx' is in no task of mteb"),
        ("mteb/FollowIR", (), "its type, InstructionReranking, is none of"),
    ],
)
def test_what_stands_for_nothing_is_one_line(known: Registry, name: str, languages: tuple[str, ...], said: str) -> None:
    with pytest.raises(HarnessError, match=said) as caught:
        parts_of(name, known, languages)
    assert "\n" not in str(caught.value)


def test_jobs_are_spelt_out_in_order_and_the_sweep_keeps_its_name(tmp_path: Path) -> None:
    jobs = compose(["-m", "model=bm25,hashing", "task=mteb/tatoeba,helpdesk,mteb/nanobeir", "languages=[deu,eng]"])
    lines: list[str] = []
    found = expanded(jobs, tmp_path, lines.append)
    assert [job.config["task"] for job in found[:3]] == [
        "mteb/Tatoeba/deu-eng",
        "helpdesk",
        "mteb/NanoArguAnaRetrieval@train",
    ]
    assert len(found) == 2 * (1 + 1 + 13) and lines == ["mteb/nanobeir: 13 sets"]
    assert {sweep_name([job]) for job in found} == {sweep_name(jobs)}


def test_other_jobs_are_left_alone_and_need_no_registry(tmp_path: Path) -> None:
    jobs = compose(["task=helpdesk"])
    assert expanded(jobs, tmp_path / "registry", print) == jobs and not list(tmp_path.iterdir())


@pytest.mark.parametrize("task", ["helpdesk", "mteb/Tatoeba/deu-eng"])
def test_languages_are_checked_and_said_to_narrow_nothing_where_they_do_not(tmp_path: Path, task: str) -> None:
    lines: list[str] = []
    found = expanded(compose([f"task={task}", "languages=[fra]"]), tmp_path, lines.append)
    assert [job.config["task"] for job in found] == [task] and "languages narrows names such as" in "".join(lines)
    with pytest.raises(HarnessError, match="language 'xx' is in no task of mteb"):
        expanded(compose([f"task={task}", "languages=[xx]"]), tmp_path, print)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("MTEB/SciFact", r"Did you mean mteb/SciFact\?"),
        ("BEIR/SciFact", r"Did you mean beir/scifact\?"),
        ("scifact", r"Did you mean mteb/SciFact or beir/scifact\?"),
        ("Tatoeba", r"Did you mean mteb/Tatoeba\?"),
        ("mteb", r"Public sets are called mteb/NAME and beir/NAME\.$"),
        ("helpdsk", r"Did you mean helpdesk.* Public sets are called mteb/NAME"),
    ],
)
def test_a_public_set_without_its_prefix_is_told_how_it_is_called(
    tmp_path_factory: pytest.TempPathFactory, name: str, hint: str
) -> None:
    store = tmp_path_factory.getbasetemp() / "listed"
    registry(store / "registry")
    with pytest.raises(HarnessError, match=hint) as caught:
        load_task(name, [shipped("tasks")], store / "evalsets")
    assert "\n" not in str(caught.value)


def test_a_registry_that_is_not_kept_is_not_made_for_a_hint(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"no task named 'Tatoeba'.*Public sets are called"):
        load_task("Tatoeba", [shipped("tasks")], tmp_path / "evalsets")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ranks", ["x", "-1", "null", "true", "1.5"])
def test_ranks_to_keep_are_checked_where_nothing_is_ranked(ranks: str) -> None:
    with pytest.raises(HarnessError, match=r"keep_ranks=.*: expected a whole number of at least 1"):
        ground_of(compose(["task=helpdesk-sts", f"keep_ranks={ranks}"]), Watch())


def test_a_limit_on_documents_is_refused_where_nothing_is_searched() -> None:
    with pytest.raises(HarnessError, match=r"limit_docs=1: no eval set here is searched, so set limit_queries"):
        ground_of(compose(["task=helpdesk-sts", "limit_docs=1"]), Watch())
    mixed = ground_of(compose(["-m", "task=helpdesk-sts,helpdesk", "limit_docs=1"]), Watch())
    assert set(mixed.tasks) == {"helpdesk", "helpdesk-sts"}


def test_the_name_of_a_benchmark_makes_a_safe_folder() -> None:
    assert sweep_name(compose(["task='mteb/MTEB(eng, v2)'"])).startswith("mteb-MTEB-eng-v2-")


def test_languages_must_be_a_list(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"languages=deu: expected a list of codes such as languages=\[deu,eng\]"):
        expanded(compose(["task=mteb/Tatoeba", "languages=deu"]), tmp_path, print)


def test_a_public_sets_main_score_comes_first_and_once(tmp_path: Path) -> None:
    from dataclasses import replace

    plain: EvalSet = evalset({"d": "text"}, {"q": "text"}, {"q": {"d": 1}})
    (job,) = compose([])
    configured = [metric.key for metric in tasktype_of(job, plain).metrics]
    for main in ("mrr_at_5", "recall_at_100"):
        keys = [m.key for m in tasktype_of(job, replace(plain, settings={"main": main})).metrics]
        assert keys == [main, *(key for key in configured if key != main)]
    assert [m.key for m in tasktype_of(job, replace(plain, settings={"main": "ndcg_at_10"})).metrics] == configured
