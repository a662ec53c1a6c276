"""From words to jobs: everything a user may type, and what they are told when it is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from omegaconf import OmegaConf

from harness.launch import compose, shipped
from harness.types import HarnessError


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")


def refused(*words: str) -> str:
    with pytest.raises(HarnessError) as caught:
        compose(words)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_one_run_is_a_batch_of_one_with_the_defaults() -> None:
    (job,) = compose(["model=hashing"])
    assert job.config["dim"] == "full" and job.config["batch_size"] == 32
    assert job.choices["model"] == "hashing" and job.choices["quantization"] == "float32"
    assert job.overrides == ("model=hashing",)
    assert job.config["reduction"]["dim"] == "full" and job.config["store_dir"] == "results/store"


def test_several_values_are_every_combination() -> None:
    jobs = compose(["model=hashing,bm25", "dim=8,16", "quantization=float32,int8"])
    found = {(j.choices["model"], j.config["dim"], j.choices["quantization"]) for j in jobs}
    assert len(jobs) == 8 and len(found) == 8
    assert {j.config["reduction"]["dim"] for j in jobs} == {8, 16}


@pytest.mark.parametrize(("at", "flag"), [(0, "-m"), (1, "--multirun"), (2, "-m")])
def test_the_multirun_flag_may_stand_anywhere(at: int, flag: str) -> None:
    words = ["model=hashing", "dim=8,16"]
    assert len(compose([*words[:at], flag, *words[at:]])) == 2


def test_composing_leaves_no_files_behind(tmp_path: Path) -> None:
    compose(["model=hashing,bm25"])
    with pytest.raises(HarnessError):
        compose(["model=hashin"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ["model=hashing,bm25", "pooling=native,cls", "quantization=int8", "dim=8,full", "similarity=dot"],
        ["model=all-minilm-l6-v2", "+model.prompts={query: 'q: '}", "~metrics", "results_dir=a,b", "+model.card.x=1"],
        ["model=local", "model.path=${results_dir}/m,/there", "policy.limits={query_p95_ms:3}", "task='a,b',c"],
        ["+model={n:1},{n:2,m:3}", "++model.n=2,3", "rescore=${batch_size}", "timing=none,full"],
        ["experiment=mine", "reduction.dim=5,6", "hydra.job.name=other"],
        ["experiment=mine,quickstart", "pooling=cls,mean"],
    ],
)
def test_every_job_is_what_hydra_composes_of_its_words_alone(words: list[str]) -> None:
    experiment(
        "defaults: [{override /policy: default}]\n"
        "hydra: {sweeper: {params: {model: 'hashing,bm25', +model.note: x, dim: 9}}}\n"
        "task: t-${batch_size}\nbatch_size: 7\npolicy: {margin: 0.5}\n"
        "grid: {pair: [{pooling: [cls, mean], rescore: [0, 4]}]}\n"
    )
    jobs = compose(words)
    assert len(jobs) >= 2 and len({job.overrides for job in jobs}) == len(jobs)
    with initialize_config_dir(str(shipped("configs")), version_base="1.3"):
        for job in (jobs[0], *jobs[-3:]):
            alone = hydra_compose("config", list(job.overrides), return_hydra_config=True)
            assert job.choices == {k: str(v) for k, v in alone.hydra.runtime.choices.items()}
            own = OmegaConf.masked_copy(alone, [key for key in alone if key != "hydra"])
            assert job.config == OmegaConf.to_container(own, resolve=True)


def test_a_list_is_one_value_and_not_a_sweep() -> None:
    (job,) = compose(["trusted=[a,b]", "policy.limits.licences=[mit,apache-2.0]"])
    assert job.config["trusted"] == ["a", "b"]
    assert job.config["policy"]["limits"]["licences"] == ["mit", "apache-2.0"]


def experiment(text: str, name: str = "mine") -> None:
    folder = Path("configs/experiment")
    folder.mkdir(parents=True)
    (folder / f"{name}.yaml").write_text("# @package _global_\n" + text)


def test_an_experiment_in_the_working_directory_is_a_sweep_without_a_flag() -> None:
    experiment("hydra: {sweeper: {params: {model: 'hashing,bm25', batch_size: '1,8'}}}\ntask: other\n")
    jobs = compose(["experiment=mine"])
    assert len(jobs) == 4
    assert {j.config["task"] for j in jobs} == {"other"}
    assert {j.choices["experiment"] for j in jobs} == {"mine"}
    assert [j.config["batch_size"] for j in compose(["experiment=mine", "batch_size=2", "model=bm25"])] == [2]


def test_the_quickstart_is_what_the_demo_promises() -> None:
    jobs = compose(["experiment=quickstart", "quantization=float32", "batch_size=1"])
    assert {j.choices["model"] for j in jobs} == {"bm25", "wordllama", "all-minilm-l6-v2"}
    assert {j.config["dim"] for j in jobs} == {"full", 192, 128, 96, 64}


def test_an_experiment_that_does_not_exist_is_refused_and_not_ignored() -> None:
    assert "quickstart" in refused("experiment=quickstrat")


def test_a_configs_folder_in_the_working_directory_extends_the_built_in_ones() -> None:
    Path("configs/model").mkdir(parents=True)
    Path("configs/model/ours.yaml").write_text("_target_: harness.encoders.hashing.Hashing\ndim: 5\n")
    Path("configs/policy").mkdir()
    Path("configs/policy/strict.yaml").write_text("margin: 0.001\n")
    ours, built_in = compose(["model=ours,hashing", "policy=strict"])
    assert ours.config["model"]["dim"] == 5 and "dim" not in built_in.config["model"]
    assert ours.config["policy"] == {"margin": 0.001}
    assert "Did you mean ours" in refused("model=our")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["modle=hashing"], "Did you mean model"),
        (["model=hashng"], "Did you mean hashing"),
        (["quantization=int9"], "Did you mean int8"),
        (["pooling=men"], "Did you mean mean"),
        (["timing=quik"], "Did you mean quick"),
        (["policy=defualt"], "Did you mean default"),
        (["batchsize=1"], "Did you mean batch_size"),
        (["policy.margn=0.1"], "Did you mean policy.margin"),
        (["policy.limits.query_p95=20"], "Did you mean policy.limits.query_p95_ms"),
        (["timing.query.repeat=2"], "Did you mean timing.query.repeats"),
        (["timing.calls=2"], "timing.calls is no more; use timing.query.calls"),
        (["timing.scenario=none"], "timing.scenario is no more; use timing=none, quick, full or serve"),
        (["timing=none", "timing.query.calls=2"], "not go with the timing that is chosen, but with timing=full,quick,"),
        (["timing.serve.limit_ms=20"], "but with timing=serve"),
        (["executor.timeout=3"], "unknown option 'executor.timeout'. Did you mean executor.timeout_s? "),
        (["executor.memory=3"], "Did you mean executor.memory_gb? "),
        (["grid.onlyy=[{dim: 8}]"], "Did you mean grid.only"),
        (["grid.exclude={dim:64}"], "grid.exclude: expected a list such as grid.exclude=[{"),
        (["store_dir="], "store_dir=: expected a folder"),
        (["results_dir=null"], "results_dir=: expected a folder"),
        (["reports_dir=a,' '"], "reports_dir= : expected a folder"),
        (["store_dir=3"], "store_dir=3: expected a folder"),
        (["model=hashing", "model.dim=8"], "+model.dim="),
        (["model=local"], "model.path=VALUE"),
        (["--jsno"], "--jsno"),
        (["-x"], "-x"),
        (["garbage"], "garbage"),
        (["dim=[1"], "dim=[1"),
        (["+model=hashing"], "model"),
        (["pooling=3"], "must be a string"),
    ],
)
def test_a_wrong_word_is_one_line_that_helps(words: list[str], said: str) -> None:
    assert said in refused(*words)


def test_a_broken_yaml_of_the_user_is_one_line_that_names_it() -> None:
    Path("configs/model").mkdir(parents=True)
    Path("configs/model/ours.yaml").write_text("_target_: [unclosed\n")
    assert "ours.yaml" in refused("model=ours")


def test_a_missing_interpolation_is_one_line() -> None:
    Path("configs/model").mkdir(parents=True)
    Path("configs/model/ours.yaml").write_text("_target_: x\nid: ${nowhere}\n")
    assert "nowhere" in refused("model=ours")


def test_composing_twice_in_one_process_does_not_mix_the_jobs() -> None:
    compose(["model=bm25,hashing"])
    assert json.dumps(compose(["model=hashing"])[0].config) == json.dumps(compose(["model=hashing"])[0].config)
    assert len(compose(["model=hashing"])) == 1


@pytest.mark.parametrize(
    "node",
    [
        "callbacks: {e: {_target_: numpy.savetxt, fname: PWNED, X: [1, 2]}}",
        "job_logging: {version: 1, handlers: {e: {(): numpy.savetxt, fname: PWNED, X: [1, 2]}}}",
        "launcher: {_target_: numpy.savetxt}",
    ],
)
def test_an_experiment_cannot_make_hydra_run_foreign_code(node: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs" / "experiment").mkdir(parents=True)
    (tmp_path / "configs" / "experiment" / "evil.yaml").write_text(f"# @package _global_\nhydra:\n  {node}\n")
    with pytest.raises(HarnessError, match="refused"):
        compose(["experiment=evil", "model=bm25"])
    assert not (tmp_path / "PWNED").exists()


def test_a_yaml_cannot_trust_a_package_by_itself(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs" / "experiment").mkdir(parents=True)
    (tmp_path / "configs" / "experiment" / "sly.yaml").write_text("# @package _global_\ntrusted: [evil]\n")
    with pytest.raises(HarnessError, match="add trusted="):
        compose(["experiment=sly", "model=bm25"])
    assert compose(["experiment=sly", "model=bm25", "trusted=[mine]"])[0].config["trusted"] == ["mine"]
