"""`harness plan`: what would run and cost; nothing is run and nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.encoders.hashing import Hashing, OpenHashing
from harness.forecast import Range, Sketch, Step, forecast
from harness.forward import Work
from harness.launch import compose
from harness.parts import identity
from harness.plan import make_plan
from harness.poolings.native import Native
from harness.preview import plan_sweep
from harness.progress import Watch
from harness.protocols import Need
from harness.rehearsal import rehearsed
from harness.types import HarnessError
from harness.worker import Probed
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


def test_without_a_probe_no_model_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(self: Hashing, device: str) -> None:
        raise AssertionError("opened")

    monkeypatch.setattr(Hashing, "open", opened)
    assert "10 texts" in planned("model=hashing", probe=False)


def test_timings_make_a_plan_longer() -> None:
    without, quick = (planned("model=hashing", t) for t in ("timing=none", "timing=quick"))
    assert without != quick


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
        "sweep": "s", "headline": "h", "pending": {"k": variant}, "remembered": 0, "failures": (), "steps": [step],
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


def test_half_precision_halves_the_disk() -> None:
    text = forecast(sketch(Work(1_000_000, 1000), Probed(1, 1000, 64, 5e8), item_bytes=2))
    assert line(text, "disk") == "disk        300 MB"


def test_ranges_add_up() -> None:
    assert Range(1, 2).plus(Range(3, 5)) == (4, 7)


def test_a_rehearsal_says_nothing_where_the_width_is_not_known() -> None:
    (variant,) = make_plan(compose(["task=tiny", "model=hashing", "dim=65"])).variants
    widths: Mapping[str, int] = {identity(Hashing()): 64}
    assert "does not fit" in rehearsed(variant, widths)
    assert rehearsed(variant, {}) == ""
