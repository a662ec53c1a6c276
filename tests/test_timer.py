"""What is timed together, what becomes of one that fails, and what the records hold."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.bench import Bench, Todo
from harness.encoders.hashing import Hashing
from harness.forward import StoredVectors
from harness.indexes.flat import Flat
from harness.meters import Watch
from harness.plan import Variant
from harness.poolings.mean import Mean
from harness.quantizers.float32 import FittedFloat32, Float32
from harness.reductions.truncate import Truncate
from harness.retrievers.bm25 import Bm25
from harness.retrievers.dense import Dense
from harness.scenarios.index import Index
from harness.scenarios.query import Query
from harness.scenarios.serve import Serve
from harness.scenarios.start import Start
from harness.staging import model_mb, spread, steps
from harness.subjects import Scenario, Subject, Taken
from harness.timer import Timer
from harness.types import EvalSet, Record, Texts
from tests.encoders.probed import Probed
from tests.material import small_pairs, small_set

SET = small_set()


@dataclass(frozen=True)
class Noted:
    """A scenario that notes who was together, calls everybody once and takes no time. `refused`: an error for several."""

    asked: list[list[str]] = field(default_factory=list)
    refused: bool = False
    documents: int = 6

    def measure(self, subjects: Mapping[str, Subject]) -> dict[str, Taken]:
        self.asked.append(list(subjects))
        if self.refused and len(subjects) > 1:
            raise RuntimeError("not together")
        stages: dict[str, list[str]] = {name: [] for name in subjects}
        for name, subject in subjects.items():
            subject.load()
            subject.call(0, stages[name].append)
            if subject.fill:
                subject.fill()
        return {
            n: Taken(
                np.full((3, 2), 0.5), {stage: np.full((3, 2), 0.1) for stage in stages[n]}, values={"first_ms": 1.0}
            )
            for n in subjects
        }


def dense(encoder: Any = Hashing(), **more: Any) -> Dense:  # noqa: B008  frozen
    return Dense(encoder, Mean(), Truncate(), Float32(), Flat(), **more)


def variant(retriever: Any = None, batch_size: int | None = 2) -> Variant:
    labels = {"model": "m", "pooling": "mean", "dim": "full", "quantization": "float32"}
    return Variant(retriever or dense(), SET.name, batch_size, "cpu", labels, {})


def timed(
    folder: Path,
    kind: str,
    todos: Mapping[str, Variant],
    scenario: Scenario,
    available: Callable[[], float] = lambda: 1.0,
) -> dict[str, Record]:
    names = {"encode": "query", "search": "query"}
    needs = [need for v in todos.values() for need in v.retriever.needs()]
    source = StoredVectors(folder, "cpu", needs, lambda _: None)
    timer = Timer({names.get(kind, kind): scenario}, source, {SET.name: SET}, Watch, available)
    return timer.measured({key: Todo(kind, v) for key, v in todos.items()})


def test_several_models_are_measured_in_the_same_rounds(tmp_path: Path) -> None:
    scenario = Noted()
    todos = {f"k{seed}": variant(dense(Hashing(seed=seed))) for seed in range(3)}
    found = timed(tmp_path, "encode", todos, scenario)
    assert scenario.asked == [["k0", "k1", "k2"]]
    assert [r.status for r in found.values()] == ["ok"] * 3
    record = found["k1"]
    assert record.values["together"] == 3 and record.labels == {"kind": "encode"}
    assert {"busy_elsewhere", "stolen", "clock_gap_s", "load_before", "load_after"} <= set(record.values)
    assert record.values["tokens_per_query"] == 2.0, "every query has two words"


def test_no_more_are_added_once_half_of_the_memory_is_taken_and_the_others_come_next(tmp_path: Path) -> None:
    free = iter([100.0, 80.0, 49.0, 100.0, 80.0, 70.0])
    scenario = Noted()
    todos = {f"k{seed}": variant(dense(Hashing(seed=seed))) for seed in range(4)}
    found = timed(tmp_path, "encode", todos, scenario, lambda: next(free))
    assert scenario.asked == [["k0", "k1"], ["k2", "k3"]] and set(found) == set(todos)


def test_one_that_cannot_be_made_ready_is_tried_by_itself_and_the_others_are_measured(tmp_path: Path) -> None:
    scenario = Noted()
    StoredVectors(tmp_path, "cpu", variant(dense(Probed())).retriever.needs(), lambda _: None)
    broken = replace(Probed(), unfit="open")
    todos = {"a": variant(), "b": variant(dense(broken)), "c": variant(dense(Hashing(seed=1)))}
    found = timed(tmp_path, "encode", todos, scenario)
    assert {key: r.status for key, r in found.items()} == {"a": "ok", "b": "failed", "c": "ok"}
    assert found["b"].reason == "RuntimeError: out of memory" and "open" in found["b"].provenance["traceback"]
    assert scenario.asked == [["a"], ["c"]]


def test_where_several_fail_together_each_is_measured_by_itself(tmp_path: Path) -> None:
    scenario = Noted(refused=True)
    found = timed(tmp_path, "encode", {"a": variant(), "b": variant(dense(Hashing(seed=1)))}, scenario)
    assert scenario.asked == [["a", "b"], ["a"], ["b"]]
    assert all(r.status == "ok" and r.values["together"] == 1 for r in found.values())


def test_starts_that_fail_together_are_left_to_fresh_processes(tmp_path: Path) -> None:
    scenario = Noted(refused=True)
    todos = {"a": variant(batch_size=2), "b": variant(batch_size=4)}
    assert timed(tmp_path, "start", todos, scenario) == {} and len(scenario.asked) == 1
    (record,) = timed(tmp_path, "start", {"a": variant(dense(Probed(unfit="encode")))}, Noted()).values()
    assert record.status == "failed" and "device-side assert" in record.reason


def test_a_model_that_tells_its_stages_apart_is_timed_stage_by_stage(tmp_path: Path) -> None:
    found = timed(tmp_path, "encode", {"a": variant(dense(Probed())), "b": variant()}, Noted())
    staged = [name for name in found["a"].arrays if name != "seconds"]
    assert staged == ["stage tokenise", "stage forward", "stage pool"]
    assert list(found["b"].arrays) == ["seconds"]


def test_a_batch_that_did_not_fit_is_said_with_the_one_that_did(tmp_path: Path) -> None:
    todos = {"small": variant(dense(Probed()), 2), "large": variant(dense(Probed()), 16)}
    found = timed(tmp_path, "index", todos, Noted())
    assert (found["small"].values["batch_used"], found["large"].values["batch_used"]) == (2, 4)
    assert not any("fit" in line for line in found["small"].warnings)
    assert "indexing: batch 16 did not fit; 4 used" in found["large"].warnings


def test_how_many_documents_a_call_takes_is_a_batch_sizes_own_whatever_shares_its_group(tmp_path: Path) -> None:
    class Sized(Noted):
        def measure(self, subjects: Mapping[str, Subject]) -> dict[str, Taken]:
            return {n: Taken(np.full(3, 0.5), values={"documents": one.documents}) for n, one in subjects.items()}

    todos = {"small": variant(batch_size=2), "large": variant(batch_size=16)}
    found = timed(tmp_path, "index", todos, Sized())
    assert {name: record.values["documents"] for name, record in found.items()} == {"small": 6, "large": 32}
    assert found["small"].values["together"] == 2


def test_what_a_search_builds_only_when_asked_is_built_before_the_clock_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Asked(Noted):
        def measure(self, subjects: Mapping[str, Subject]) -> dict[str, Taken]:
            happened.append("measured")
            return super().measure(subjects)

    happened: list[str] = []

    def slow(name: str, whole: Callable[..., Any]) -> Callable[..., Any]:
        def called(*given: Any) -> Any:
            happened.append(name)
            time.sleep(0.05)
            return whole(*given)

        return called

    monkeypatch.setattr(Float32, "fit", slow("fitted", Float32.fit))
    monkeypatch.setattr(FittedFloat32, "deployed", slow("built", FittedFloat32.deployed))
    for kind in ("search", "serve"):
        happened.clear()
        (record,) = timed(tmp_path, kind, {"a": variant()}, Asked()).values()
        assert record.status == "ok" and happened == ["fitted", "built", "measured"], record.reason
        assert kind == "serve" or record.values["index_build_s"] > 0.1, "what slept so long took no less"


def test_a_corpus_smaller_than_the_batch_is_no_batch_that_did_not_fit(tmp_path: Path) -> None:
    found = timed(tmp_path, "index", {"a": variant(dense(Probed(fitting=4096)), 512)}, Noted())
    assert found["a"].values["batch_used"] == 36 and not any("fit" in line for line in found["a"].warnings)


def test_a_start_holds_the_models_bytes_and_says_where_its_process_is_no_fresh_one(tmp_path: Path) -> None:
    (record,) = timed(tmp_path, "start", {"a": variant(dense(Probed()), 8)}, Noted()).values()
    assert record.values["model_mb"] == 3.0 and record.values["batch_used"] == 4
    assert any("not in a fresh process" in line for line in record.warnings)
    assert "start: batch 8 did not fit; 4 used" in record.warnings


def test_samples_of_a_clock_that_stood_still_are_no_number(tmp_path: Path) -> None:
    class Still(Noted):
        def measure(self, subjects: Mapping[str, Subject]) -> dict[str, Taken]:
            return {name: Taken(np.zeros((3, 2))) for name in subjects}

    (record,) = timed(tmp_path, "encode", {"a": variant()}, Still()).values()
    assert record.status == "failed" and not record.values and not record.arrays
    assert record.reason.startswith("6 of 6 durations are no times above 0: the clock stood still or jumped")


def test_a_retriever_without_a_model_is_built_searched_and_started(tmp_path: Path) -> None:
    words = variant(Bm25(), None)
    for kind, values in (("index", {}), ("search", {}), ("start", {}), ("serve", {})):
        (record,) = timed(tmp_path, kind, {"w": words}, Noted()).values()
        assert record.status == "ok" and values.items() <= record.values.items(), record.reason


def test_served_is_the_whole_query(tmp_path: Path) -> None:
    (record,) = timed(tmp_path, "serve", {"a": variant(dense(Probed()))}, Noted()).values()
    assert list(record.arrays) == ["seconds", "stage tokenise", "stage forward", "stage pool", "stage search"]


class OnDisk:
    """An encoder that is files: weights, and what is none."""

    def __init__(self, folder: Path) -> None:
        self.place = folder
        for name, size in (("model.safetensors", 2000), ("config.json", 700), ("onnx/own.onnx", 500)):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(b"x" * size)

    file = "onnx/own.onnx"

    def folder(self) -> Path:
        return self.place

    def content(self) -> dict[str, str]:
        return {"config.json": "1", "graph": "2"}


def test_a_models_bytes_are_those_it_holds_also_where_layers_keep_weights_in_a_layout_of_their_own() -> None:
    import torch

    class Loaded:
        model = torch.nn.Sequential(torch.nn.Linear(10, 5), torch.nn.BatchNorm1d(5), torch.nn.Identity())

    before = model_mb(Loaded(), None)
    assert before == pytest.approx(
        4e-6 * (50 + 5 + 4 * 5) + 8e-6
    )  # a norm's weight, bias, mean, variance and its count
    Loaded.model[2].packed = torch.zeros(100, dtype=torch.bfloat16)
    assert model_mb(Loaded(), None) == pytest.approx(before + 200e-6)


def test_a_model_that_does_not_show_its_weights_has_the_bytes_of_the_files_that_count(tmp_path: Path) -> None:
    assert model_mb(object(), OnDisk(tmp_path)) == 500e-6
    assert model_mb(object(), object()) is None, "no weights that anybody could weigh"


# Which places of a corpus are asked for -------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 4, 10, 100, 323])
def test_every_request_comes_once_and_any_beginning_is_spread_over_all(n: int) -> None:
    order = spread(n)
    assert sorted(order) == list(range(n))
    for first in range(4, n, 7):
        gaps = np.diff(sorted(order[:first]))
        assert gaps.max() <= 4 * n / first, "no stretch is left out"


def test_steps_go_from_the_first_to_the_last() -> None:
    assert steps(100, 5) == [0, 24, 49, 74, 99] and steps(3, 50) == [0, 1, 2]


# What there is to measure ---------------------------------------------------------------------------------------------

ALL: dict[str, Any] = {"query": Query(), "index": Index(), "start": Start(), "serve": Serve()}


def keys(given: Variant, evalset: EvalSet = SET, **scenarios: Any) -> dict[str, str]:
    return Bench(scenarios or ALL).keys(given, evalset)


def test_each_scenario_has_its_kinds() -> None:
    assert set(keys(variant())) == {"search", "serve", "encode", "index", "start"}
    assert set(keys(variant(Bm25(), None))) == {"search", "serve", "index", "start"}
    assert set(keys(variant(), small_pairs())) == {"encode", "index", "start"}, "nothing is searched"
    assert set(keys(variant(), query=Query())) == {"search", "encode"}
    assert Bench({}).keys(variant(), SET) == {}


def test_a_setting_of_one_scenario_leaves_the_others_keys_alone() -> None:
    before, after = keys(variant()), keys(variant(), **ALL | {"serve": Serve(50.0)})
    assert {kind for kind in before if before[kind] != after[kind]} == {"serve"}
    after = keys(variant(), **ALL | {"query": Query(calls=51)})
    assert {kind for kind in before if before[kind] != after[kind]} == {"encode", "search"}


def test_a_key_holds_the_machine_the_data_the_device_and_what_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys(variant())
    for other in (
        keys(replace(variant(), device="cuda")),
        keys(variant(), replace(SET, documents=Texts(SET.documents.ids, ("other",) * 40))),
    ):
        assert not set(before.values()) & set(other.values())
    rows = {kind for kind, key in keys(variant(batch_size=4)).items() if key != before[kind]}
    assert rows == {"index", "start"}, "a batch size is no part of a query"
    rows = {kind for kind, key in keys(variant(dense(similarity="dot"))).items() if key != before[kind]}
    assert rows == {"search", "serve"}, "encoding knows nothing of the search"
    monkeypatch.setattr("harness.bench.machine", lambda: {"processor": "another"})
    assert not set(before.values()) & set(keys(variant()).values())


def grouped(*given: Variant) -> list[list[tuple[str, int]]]:
    groups = Bench(ALL).groups([(one, SET) for one in given], lambda _: True)
    return [[(todo.kind, todo.variant.batch_size or 0) for todo in group.values()] for group in groups]


def test_batch_sizes_of_one_model_stay_together_and_its_start_is_last() -> None:
    assert grouped(variant(batch_size=8), variant(batch_size=1), variant(batch_size=32)) == [
        [("encode", 8)], [("search", 8)], [("index", 1), ("index", 8), ("index", 32)],
        [("start", 1), ("start", 8), ("start", 32)], [("serve", 8)],
    ]  # fmt: skip


def test_eight_take_turns_at_once_and_whole_models_only() -> None:
    models = [variant(dense(Hashing(seed=seed)), size) for seed in range(9) for size in (1, 8, 32)]
    found = grouped(*models)
    assert [len(g) for g in found if g[0][0] == "encode"] == [8, 1]
    assert [len(g) for g in found if g[0][0] == "index"] == [3] * 9, "what is lost with one is little"
    assert [len(g) for g in found if g[0][0] == "start"] == [3] * 9
    assert [len(g) for g in found if g[0][0] == "serve"] == [1] * 9


def test_what_is_known_is_not_measured_again() -> None:
    bench, known = Bench(ALL), set(keys(variant()).values())
    assert bench.groups([(variant(), SET)], lambda key: key not in known) == []
