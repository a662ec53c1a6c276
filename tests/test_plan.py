"""Jobs become distinct variants; nothing is lost, nothing is merged that differs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.encoders.hashing import Hashing
from harness.launch import compose
from harness.metrics.ndcg import Ndcg
from harness.metrics.recall import Recall
from harness.plan import Plan, Variant, common_config, make_plan, quality_key, sweep_name
from harness.tasktypes.retrieval import Retrieval
from harness.types import EvalSet, HarnessError, Qrels, Texts, Unavailable


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")


def planned(*words: str) -> Plan:
    jobs = compose(["task=tiny", *words])
    common_config(jobs)
    return make_plan(jobs)


def refused(*words: str) -> str:
    with pytest.raises(HarnessError) as caught:
        planned(*words)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_bm25_is_one_variant_whatever_is_swept_of_vectors() -> None:
    plan = planned("model=bm25,hashing", "dim=8,16", "batch_size=1,8")
    assert [v.labels["model"] for v in plan.variants].count("bm25") == 1
    assert len(plan.variants) == 5 and plan.merged == 3
    bm25 = plan.variants[0]
    assert bm25.batch_size is None and {bm25.labels[k] for k in ("pooling", "dim", "quantization", "index")} == {"-"}


def test_batch_size_makes_a_variant_and_not_a_candidate() -> None:
    plan = planned("model=hashing", "batch_size=1,8")
    assert len(plan.variants) == 2 and len({v.candidate_id for v in plan.variants}) == 1
    assert len(plan.needs()) == 1


@pytest.mark.parametrize(
    "words", [["dim=8,16"], ["quantization=float32,int8"], ["quantization=int8", "rescore=0,4"], ["similarity=cosine,dot"], ["pooling=native,cls"], ["+model.seed=0,1"]],
)  # fmt: skip
def test_whatever_decides_the_ranking_makes_a_candidate(words: list[str]) -> None:
    plan = planned("model=hashing", *words)
    assert len({v.candidate_id for v in plan.variants}) == 2
    assert len({str(sorted(v.labels.items(), key=str)) for v in plan.variants}) == 2, "labels must tell them apart"


def test_rescoring_float_vectors_by_themselves_is_no_candidate_of_its_own() -> None:
    plan = planned("model=hashing", "quantization=float32", "rescore=0,4")
    assert [v.labels["quantization"] for v in plan.variants] == ["float32"]
    assert plan.merged == 1


def test_dimension_and_quantization_share_one_forward_pass() -> None:
    plan = planned("model=hashing", "dim=8,full", "quantization=float32,int8", "pooling=native,cls")
    assert len(plan.variants) == 8 and len(plan.needs()) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rescore=many"], "Dense.rescore"),
        (["similarity=cosin"], "similarity"),
        (["+model.dimm=8"], "Did you mean dim"),
        (["+quantization.clip=0.9"], "no parameter 'clip'"),
        (["model._target_=os.system"], "not a part"),
        (["model._target_=harness.encoders.hashing.Hashin"], "Hashin"),
        (["~model._target_"], "_target_"),
    ],
)
def test_a_wrong_parameter_is_one_line(words: list[str], said: str) -> None:
    assert said in refused("model=hashing", *words)


@pytest.mark.parametrize(
    ("swept", "said"),
    [
        ("dim=abc,[8,16],8.5", "Truncate.dim"),
        ("batch_size=0,1.5,true,many", "batch_size="),
        ("retry=true,Failed,all", "retry="),
        ("max_cost=0,-1,nan,abc", "max_cost=.*expected a number above 0"),
    ],
)
def test_each_wrong_value_of_a_number_is_one_line(swept: str, said: str) -> None:
    for job in compose(["task=tiny", "model=hashing", swept]):
        with pytest.raises(HarnessError, match=said):
            make_plan([job] if common_config([job]) else [])


def test_a_wrong_parameter_in_one_job_of_a_sweep_stops_before_anything_runs() -> None:
    assert "Truncate.dim" in refused("model=hashing", "dim=8,abc")


@pytest.mark.parametrize(
    "word", ["device=cpu,auto", "policy.margin=0.01,0.03", "results_dir=a,b", "retry=null,failed", "timing=none,quick"]
)
def test_what_holds_for_a_whole_sweep_cannot_be_swept(word: str) -> None:
    assert word.partition("=")[0].partition(".")[0] in refused("model=hashing", word)


# Models out of reach -------------------------------------------------------------------------------------------


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    def content(self: Hashing) -> dict[str, str]:
        if self.seed:
            raise Unavailable(f"model {self.seed} cannot be reached")
        return {"algorithm": "a"}

    monkeypatch.setattr(Hashing, "content", content)


@pytest.mark.usefixtures("unreachable")
def test_a_model_out_of_reach_is_a_failure_and_the_others_stay() -> None:
    plan = planned("model=hashing", "+model.seed=0,1", "dim=8,16", "batch_size=1,8")
    assert len(plan.variants) == 4
    assert {f.status for f in plan.failures} == {"failed"} and "cannot be reached" in plan.failures[0].reason
    assert {f.labels["dim"] for f in plan.failures} == {8, 16}


@pytest.mark.usefixtures("unreachable")
def test_two_models_out_of_reach_are_two_failures_though_their_labels_are_equal() -> None:
    plan = planned("model=hashing", "+model.seed=0,1,2")
    assert {f.reason for f in plan.failures} == {"model 1 cannot be reached", "model 2 cannot be reached"}
    assert plan.merged == 0


@pytest.mark.usefixtures("unreachable")
def test_alone_a_model_out_of_reach_is_an_error() -> None:
    assert "cannot be reached" in refused("model=hashing", "+model.seed=1")


# Names ---------------------------------------------------------------------------------------------------------


def test_two_models_of_one_name_keep_one_label_each_over_all_their_variants() -> None:
    plan = planned("model=hashing", "+model.seed=0,1", "quantization=float32,int8")
    names = {v.retriever.encoder.seed: set() for v in plan.variants}  # type: ignore[attr-defined]
    for v in plan.variants:
        names[v.retriever.encoder.seed].add(v.labels["model"])  # type: ignore[attr-defined]
    assert all(len(found) == 1 for found in names.values())
    assert names[0] != names[1]


@dataclass(frozen=True)
class Clustering(Retrieval):
    """Another task type with the same metrics."""


RETRIEVAL = Retrieval((Ndcg(10),))
ONE = Texts(("x",), ("text",))
DATA = EvalSet("e", "retrieval", ONE, ONE, Qrels(*np.zeros((3, 1), dtype=np.int32)))


def key_of(variant: Variant, tasktype: Any = RETRIEVAL, store_dtype: str = "float32", data: EvalSet = DATA) -> str:
    return quality_key(variant, data, tasktype, store_dtype)


def test_the_metrics_their_order_and_the_task_type_are_part_of_a_quality_key() -> None:
    (variant,) = planned("model=hashing").variants
    metrics = (Ndcg(10),), (Ndcg(5),), (Recall(10),), (Ndcg(10), Recall(10)), (Recall(10), Ndcg(10))
    tasktypes = [Retrieval(each) for each in metrics] + [Clustering(metrics[0])]
    assert len({key_of(variant, tasktype) for tasktype in tasktypes}) == len(tasktypes)


def test_the_kind_of_device_is_part_of_a_quality_key_and_its_number_is_not() -> None:
    plan = planned("model=hashing")
    cpu, cuda, second, mps = (key_of(plan.on(d).variants[0]) for d in ("cpu", "cuda:0", "cuda:1", "mps"))
    assert len({cpu, cuda, mps}) == 3
    assert cuda == second


def test_stored_precision_data_and_candidate_are_part_of_a_quality_key_and_the_batch_size_is_not() -> None:
    one, same, other = planned("model=hashing", "batch_size=1,8").variants + planned("model=hashing", "dim=8").variants
    assert key_of(one) == key_of(same)
    changed = replace(DATA, queries=Texts(("q",), ("changed",)))
    keys = key_of(one), key_of(other), key_of(one, store_dtype="float16"), key_of(one, data=changed)
    assert len(set(keys)) == 4


def test_a_sweep_is_named_as_given_or_after_its_experiment_or_after_what_is_swept() -> None:
    assert sweep_name(compose(["sweep=mine", "model=hashing"])) == "mine"
    assert sweep_name(compose(["sweep=2026", "model=hashing"])) == "2026"
    assert sweep_name(compose(["experiment=quickstart", "model=bm25", "dim=full", "quantization=int8", "batch_size=1"])) == "quickstart"  # fmt: skip
    one, other = (sweep_name(compose(["task=tiny", "model=hashing", w])) for w in ("dim=8", "dim=16"))
    assert one != other and one.startswith("tiny-")
    assert one == sweep_name(compose(["dim=8", "model=hashing", "task=tiny", "results_dir=x", "retry=failed"]))


def test_a_sweep_name_that_is_no_plain_folder_name_is_refused() -> None:
    for job in compose(["sweep=../up,a/b,/abs,.hidden,store,..", "model=hashing"]):
        with pytest.raises(HarnessError, match="sweep="):
            sweep_name([job])
