"""`harness plan`: what would run and cost; nothing is run and nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.encoders.hashing import Hashing, OpenHashing
from harness.forecast import Range, Sketch, Step, Timing, forecast
from harness.forward import Work
from harness.launch import compose
from harness.parts import identity
from harness.plan import make_plan
from harness.poolings.native import Native
from harness.preview import plan_sweep
from harness.progress import Watch
from harness.protocols import Need
from harness.quantizers.int8 import Int8
from harness.rehearsal import rehearsed
from harness.types import HarnessError
from harness.worker import Probed
from tests.material import small_pairs, small_set
from tests.sweeping import sweep, write_task


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    write_task()


def planned(*words: str, probe: bool = True) -> str:
    return plan_sweep(compose(["task=tiny", "timing=none", "executor=inline", *words]), Watch(), probe)


def test_a_plan_writes_nothing_and_says_what_runs_and_what_is_remembered() -> None:
    words = ("model=hashing", "dim=8,16", "sweep=s")
    text = planned(*words)
    assert not Path("results").exists()
    assert "remembered  0, to run 2, not applicable 0" in text
    assert "hashing on tiny, pooling native: 10 texts" in text
    assert text.splitlines()[-1].endswith("nothing was run")
    sweep(*words)
    text = planned(*words, "quantization=float32,int8")
    assert "remembered  2, to run 2" in text
    assert "forward passes  none" in text


def test_variants_that_do_not_apply_are_named_with_the_reason_before_anything_runs() -> None:
    text = planned("model=hashing", "dim=8,64,65,100", "quantization=float32,int8")
    assert "to run 4, not applicable 4" in text
    assert "not applicable (2): hashing · native · 65 · float32 ...: dim=65 does not fit: the model has 64" in text


def test_it_agrees_with_what_the_run_then_skips() -> None:
    words = (
        "model=hashing,bm25",
        "dim=64,65",
        "similarity=native,cosine",
        "rescore=0,4,-1",
        "quantization=float32,binary",
    )
    said = planned(*words)
    assert f"not applicable {sweep(*words).skipped}" in said


def test_a_model_that_fails_its_probe_is_named_and_its_time_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: OpenHashing, *given: Any) -> None:
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(OpenHashing, "encode", broken)
    text = planned("model=hashing,bm25")
    assert "a probe failed: CUDA out of memory" in text
    assert "and the forward passes of hashing" in text


@pytest.mark.parametrize("error", [AttributeError, OSError, MemoryError])
def test_a_part_with_a_bug_is_left_to_the_run(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    def bug(*_: Any) -> None:
        raise error("no attribute")

    monkeypatch.setattr(Int8, "fit", bug)
    assert "to run 1, not applicable 0" in planned("model=hashing", "quantization=int8", probe=False)


def test_a_store_of_a_newer_version_is_refused_and_left_as_it_is() -> None:
    sweep("model=hashing")
    Path("results/store/store.json").write_text('{"schema": 999}')
    for shard in Path("results/store").rglob("*.shard"):
        shard.write_bytes(b"of a newer version")
    before = sorted(Path("results").rglob("*"))
    with pytest.raises(HarnessError, match="newer version"):
        planned("model=hashing")
    assert sorted(Path("results").rglob("*")) == before


@pytest.mark.parametrize("option", ["results_dir", "store_dir", "reports_dir"])
def test_a_folder_that_cannot_be_written_is_refused_before_and_nothing_is_made(
    option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("file").write_text("")
    with pytest.raises(HarnessError, match=f"^{option}=file/deep/er: .*file is a file"):
        planned("model=hashing", f"{option}=file/deep/er")
    monkeypatch.setattr("os.access", lambda path, mode: path.name != "shut")
    Path("shut").mkdir()
    with pytest.raises(HarnessError, match=f"^{option}=shut/deep: .*shut cannot be written"):
        planned("model=hashing", f"{option}=shut/deep")
    assert not list(Path("shut").iterdir())


def test_a_model_without_vectors_adds_no_values_to_the_grid_it_does_not_have() -> None:
    text = planned("model=hashing,bm25", "dim=8,16", probe=False)
    assert line(text, "  model").split() == ["model", "hashing,", "bm25"]
    assert line(text, "  dim").split() == ["dim", "8,", "16"]
    text = planned("model=hashing,bm25", probe=False)
    assert not [one for one in text.splitlines() if one.startswith(("  dim", "  pooling", "  batch_size"))]


def test_a_search_is_timed_by_what_it_multiplies(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Sketch] = []
    monkeypatch.setattr("harness.preview.forecast", lambda sketch: seen.append(sketch) or "")
    planned("model=hashing,bm25", "timing=quick")
    found = {(t.model, t.flop) for t in seen[0].timings}
    assert ("", 2.0 * 6 * 64) in found and ("hashing", 0) in found and ("bm25", 0) in found


def test_without_a_probe_no_model_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(self: Hashing, device: str) -> None:
        raise AssertionError("opened")

    monkeypatch.setattr(Hashing, "open", opened)
    assert "10 texts" in planned("model=hashing", probe=False)


def test_timings_make_a_plan_longer() -> None:
    without, quick = (planned("model=hashing", t) for t in ("timing=none", "timing=quick"))
    assert without != quick


def test_every_measurement_is_counted_and_every_process_that_starts_for_one() -> None:
    words = ("model=hashing,bm25", "dim=8,16", "batch_size=1,8", "timing=serve")
    text = planned(*words, probe=False)
    # encode 1, search 3, serve 3, index 2 and a build, start 2 and a build; hashing and bm25 start a process each
    assert line(text, "timings") == "timings     13 measurements, 2 fresh starts among them"
    assert not [one for one in planned(*words[:-1], probe=False).splitlines() if one.startswith("timings")]


def test_a_reference_that_names_no_model_is_refused_now() -> None:
    with pytest.raises(HarnessError, match="no such model"):
        planned("model=hashing", "policy.reference=bge")


# Arithmetic ----------------------------------------------------------------------------------------------------


def sketch(work: Work, probed: Probed | str | None, **more: Any) -> Sketch:
    write_task()
    (variant,) = make_plan(compose(["task=tiny", "model=hashing", "timing=none"])).variants
    need = Need(Hashing(), Native())
    step = Step(need, "hashing", "tiny", ("native", "max"), work, probed)
    held: dict[str, Any] = {
        "sweep": "s", "headline": "h", "pending": {"k": variant}, "remembered": 0, "failed": 0, "failures": (), "steps": [step],
        "evalsets": {"tiny": _small()}, "widths": {identity(Hashing()): 64}, "item_bytes": 4, "timings": [],
    }  # fmt: skip
    return Sketch(**(held | more))


def _small() -> Any:
    from harness.evalsets import load_task

    return load_task("tiny", [Path("tasks")])


def line(text: str, name: str) -> str:
    return next(one for one in text.splitlines() if one.startswith(name))


def test_time_is_the_characters_at_the_probed_rate_and_disk_the_rows_of_every_pooling() -> None:
    text = forecast(sketch(Work(1_000_000, 3_600_000_000), Probed(10, 1_000_000, 64, 5e8)))
    assert line(text, "time") == "time        48 min to 1 h 18 m"
    assert line(text, "disk") == "disk        560 MB"  # 1,000,000 x 2 x (64 x 4 + 24)


def test_a_timed_search_of_a_large_corpus_takes_longer() -> None:
    text = forecast(sketch(Work(0, 0), Probed(0, 1, 64, 5e8), timings=[Timing("", 1000, 2e9)]))
    assert line(text, "time") == "time        10 s to 4 min"  # 1000 times 10 ms and 2 ms, 200 ms and 20 ms


def test_a_timing_takes_at_least_its_seconds_and_a_fresh_start_the_loading() -> None:
    quick = Timing("hashing", 10, 0.0, 6000.0)
    text = forecast(sketch(Work(0, 0), Probed(600, 1e9, 64, 5e8), timings=[quick]))
    assert line(text, "time") == "time        1 h 50 m"  # loading, and a hundred minutes of calls
    start = Timing("hashing", 10, fresh=True)
    text = forecast(sketch(Work(0, 0), Probed(600, 1e9, 64, 5e8), timings=[start] * 6))
    assert line(text, "time") == "time        1 h 10 m to 1 h 11 m"


def test_half_precision_halves_the_disk() -> None:
    text = forecast(sketch(Work(1_000_000, 1000), Probed(1, 1000, 64, 5e8), item_bytes=2))
    assert line(text, "disk") == "disk        300 MB"


def test_ranges_add_up() -> None:
    assert Range(1, 2).plus(Range(3, 5)) == (4, 7)


def test_a_rehearsal_says_nothing_where_the_width_is_not_known() -> None:
    (variant,) = make_plan(compose(["task=tiny", "model=hashing", "dim=65"])).variants
    widths: Mapping[str, int] = {identity(Hashing()): 64}
    assert "does not fit" in rehearsed(variant, widths, small_set())
    assert rehearsed(variant, {}, small_set()) == ""
    (words,) = make_plan(compose(["task=tiny", "model=bm25"])).variants
    assert rehearsed(words, {}, small_set()) == "" and "bm25 has none" in rehearsed(words, {}, small_pairs())


def test_a_store_of_an_older_version_counts_as_empty_and_is_left_as_it_is() -> None:
    old = Path("results/store/vectors/0123/4567")
    old.mkdir(parents=True)
    (old / "a.shard").write_bytes(b"x" * 1000)
    sweep_folder = Path("results/store")
    before = sorted(str(p) for p in sweep_folder.rglob("*"))
    assert "10 texts" in planned("model=hashing")
    assert sorted(str(p) for p in sweep_folder.rglob("*")) == before
