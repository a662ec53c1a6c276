"""Which combinations a sweep keeps: pairing, keeping, leaving out; wrong rules are said and never ignored."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from harness.grid import paired, pruned
from harness.launch import Job, compose
from harness.plan import make_plan
from harness.types import HarnessError


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")


def composed(*words: str) -> list[Job]:
    return compose(["task=tiny", "model=hashing", *words])


def shown(jobs: list[Job], *options: str) -> list[tuple[object, ...]]:
    return [tuple(job.choices.get(o, job.config.get(o)) for o in options) for job in jobs]


def refused(*words: str) -> str:
    with pytest.raises(HarnessError) as caught:
        pruned(composed(*words))
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Pairing -------------------------------------------------------------------------------------------------------


def test_paired_values_are_walked_together_and_combined_with_what_is_swept() -> None:
    jobs = composed("dim=8,16", "grid.pair=[{quantization: [float32, int8, int8], rescore: [0, 0, 4]}]")
    each = [("float32", 0), ("int8", 0), ("int8", 4)]
    assert shown(jobs, "dim", "quantization", "rescore") == [(d, q, r) for d in (8, 16) for q, r in each]


def test_two_pairings_are_combined_with_each_other() -> None:
    jobs = composed("grid.pair=[{dim: [8, 16], batch_size: [1, 2]}, {pooling: [cls, mean]}]")
    assert shown(jobs, "dim", "batch_size", "pooling") == [
        (8, 1, "cls"), (8, 1, "mean"), (16, 2, "cls"), (16, 2, "mean"),
    ]  # fmt: skip


def test_an_experiment_file_holds_pairs_and_rules() -> None:
    Path("configs/experiment").mkdir(parents=True)
    Path("configs/experiment/mine.yaml").write_text("""# @package _global_
hydra: {sweeper: {params: {dim: "8,16"}}}
grid:
  pair:
    - quantization: [float32, int8]
      +model.seed: [0, 1]
  only: [{dim: 8}, {quantization: int8}]
""")
    jobs = pruned(composed("experiment=mine"))
    assert shown(jobs, "dim", "quantization") == [(8, "float32"), (8, "int8"), (16, "int8")]
    assert [job.config["model"]["seed"] for job in jobs] == [0, 1, 1]


def test_paired_texts_arrive_as_they_were_written() -> None:
    texts = ["64", "1,2", "a b", "it's", "", "null", "true", "{x: 1}", "ends in \\"]
    Path("configs/experiment").mkdir(parents=True)
    Path("configs/experiment/mine.yaml").write_text(
        f"# @package _global_\ngrid: {{pair: [{{dtype: {json.dumps(texts)}, dim: {[*range(9)]}}}]}}\n"
    )
    assert shown(composed("experiment=mine"), "dtype", "dim") == list(zip(texts, range(9), strict=True))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["grid.pair=[{dim: [8]}]", "dim=8,16"], "dim is paired in grid.pair and has values elsewhere"),
        (["grid.pair=[{quantization: [int9]}]"], "Did you mean int8"),
        (["grid.pair=[{quantization: [8]}]"], "must be a string"),
        (["grid.pair=[{modell: [bm25]}]"], "Did you mean model"),
        (["grid.pair=[{model.seed: [8]}]"], "+model.seed"),
        (["grid=3"], "grid: 3 is not understood"),
    ],
)
def test_a_wrong_word_in_a_pairing_is_one_line_that_helps(words: list[str], said: str) -> None:
    assert said in refused(*words)


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        ({"pair": [{"dim": [8, 16], "rescore": [0]}]}, "dim has 2, rescore has 1"),
        ({"pair": [{"dim": [], "rescore": []}]}, "dim has 0"),
        ({"pair": [{"dim": 8}]}, "expected lists of one length"),
        ({"pair": [{"+task": ["a"]}]}, "task is paired in grid.pair and has values elsewhere; keep one of the two"),
        ({"pair": [{"dim": [8]}, {"dim": [16]}]}, "dim is paired"),
        ({"pair": [{"hydra.job.chdir": [True]}]}, "hydra.job.chdir belongs to hydra"),
        ({"pair": {"dim": [8]}}, "grid.pair"),
        ({"pair": [{}]}, "grid.pair"),
        ({"pair": [{1: [8]}]}, "grid.pair"),
        ({"pair": 3}, "grid.pair=3"),
        ({"onyl": []}, "grid: 'onyl' is not understood; expected lists named exclude, only, pair"),
    ],
)
def test_a_wrong_pairing_is_one_line_that_helps(grid: object, said: str) -> None:
    with pytest.raises(HarnessError, match=re.escape(said)):
        paired(grid, {"task"})


# Rules ---------------------------------------------------------------------------------------------------------


def test_excluded_combinations_are_left_out_and_counted() -> None:
    jobs = compose(["task=tiny", "model=hashing,bm25", "dim=8,16,32", "grid.exclude=[{model: hashing, dim: [8, 16]}]"])
    plan = make_plan(jobs)
    assert [(v.labels["model"], v.labels["dim"]) for v in plan.variants] == [("hashing", 32), ("bm25", "-")]
    assert plan.excluded == 2


def test_only_keeps_what_fits_one_of_its_rules_and_exclude_still_counts() -> None:
    jobs = composed(
        "dim=8,16,32", "quantization=float32,int8",
        "grid.only=[{dim: [8, 32], quantization: int8}, {dim: 16}]", "grid.exclude=[{dim: 32}]",
    )  # fmt: skip
    assert shown(pruned(jobs), "dim", "quantization") == [(8, "int8"), (16, "float32"), (16, "int8")]
    assert make_plan(jobs).excluded == 3


def test_a_rule_may_name_what_is_paired_and_what_is_not_swept() -> None:
    pair = "grid.pair=[{quantization: [int8, int8], rescore: [0, 4]}]"
    assert shown(pruned(composed(pair, "grid.exclude=[{rescore: 4, batch_size: 32}]")), "rescore") == [(0,)]
    assert "no job has batch_size=1. Known: 32" in refused(pair, "grid.only=[{rescore: 4, batch_size: 1}]")


def ruled(grid: object) -> list[Job]:
    return pruned([Job({"task": "tiny", "dim": 8, "grid": grid}, {"model": "hashing", "quantization": "int8"}, ())])


@pytest.mark.parametrize("name", ["exclude", "only"])
@pytest.mark.parametrize(
    "rules",
    [[{"modell": "hashing"}], {"model": "hashing"}, ["model"], [{"model": "hashing"}, 3], [{}], [{1: "hashing"}]],
)
def test_a_wrong_rule_is_one_line_and_never_ignored(name: str, rules: object) -> None:
    with pytest.raises(HarnessError, match=f"^grid.{name}.*(expected a list|Did you mean model)"):
        ruled({name: rules})


def test_an_unknown_option_is_said_though_the_rest_of_its_rule_does_not_fit() -> None:
    with pytest.raises(HarnessError, match="Did you mean quantization"):
        ruled({"exclude": [{"model": "bm25", "quantisation": "int8"}]})


@pytest.mark.parametrize("more", [{}, {"only": [{"dim": 8}]}])
def test_leaving_nothing_is_refused(more: dict[str, object]) -> None:
    with pytest.raises(HarnessError, match="leave nothing to run"):
        ruled({"exclude": [{"model": "hashing"}], **more})


@pytest.mark.parametrize("name", ["exclude", "only"])
@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("{dim: fulll}", "no job has dim=fulll. Did you mean full?"),
        ("{dim: [7, 9]}", "no job has dim=[7, 9]. Known: 16, 64, full."),
        ("{dim: 64, quantization: int9}", "no job has quantization=int9. Did you mean int8?"),
        ("{dim: 16, quantization: int8}", "no job has dim=16 and quantization=int8 together."),
        ("{dim: []}", "no job has dim=[]."),
    ],
)
def test_a_rule_that_fits_no_job_is_refused_with_what_there_is(name: str, rule: str, said: str) -> None:
    pairs = "grid.pair=[{dim: [full, 64, 16], quantization: [int8, int8, float32]}]"
    assert f"grid.{name}: {said}" in refused(pairs, f"grid.{name}=[{{dim: 64}}, {rule}]")


def test_one_value_of_a_list_that_fits_is_enough() -> None:
    assert shown(pruned(composed("dim=8,16", "grid.exclude=[{dim: [16, 999]}]")), "dim") == [(8,)]


def test_the_quickstarts_rules_fit() -> None:
    assert 0 < len(pruned(compose(["experiment=quickstart"]))) < len(compose(["experiment=quickstart"]))


def test_an_experiment_that_is_narrowed_on_the_command_line_keeps_its_rules() -> None:
    kept = pruned(compose(["experiment=quickstart", "model=bm25", "dim=full,64"]))
    assert {job.choices["model"] for job in kept} == {"bm25"}
