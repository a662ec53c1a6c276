"""Sweeps whose models run in processes of their own: what kills one leaves the others alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from harness.decide import decide
from harness.policy import read_policy
from harness.report import write_report
from harness.table import read_sweep
from tests.sweeping import sweep, table_of, write_task

pytestmark = pytest.mark.processes

LOCAL = ("executor=local", "trusted=[tests]", "model=hashing,raises,killed,hangs", "executor.timeout_s=3", "sweep=s")
ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    write_task()
    folder = Path("configs/model")
    folder.mkdir(parents=True)
    for how in ("raises", "killed", "hangs", "fine"):
        (folder / f"{how}.yaml").write_text(
            f"_target_: tests.encoders.misbehaving.Misbehaving\nhow: {how}\ncard: {{licence: mit}}\n"
        )


def test_a_model_that_raises_one_that_is_killed_and_one_that_hangs_fail_and_the_rest_finish() -> None:
    said: list[str] = []
    outcome = sweep(*LOCAL, "quantization=float32,int8", said=said)
    assert (outcome.done, outcome.failed) == (2, 6)
    reasons = {row["model"]: row["reason"] for row in table_of(outcome)}
    assert reasons["raises"] == "RuntimeError: CUDA error: device-side assert triggered"
    assert reasons["killed"] == "killed (SIGKILL), most likely for lack of memory"
    assert reasons["hangs"] == "timeout: nothing finished or stored for 3 s (executor.timeout_s)"
    found = read_sweep(outcome.folder).records.values()
    (killed, *_) = [r for r in found if r.labels["model"] == "killed"]
    assert "encoding 6 texts" in killed.provenance["last_lines"]
    assert Path(killed.provenance["log"]).read_text().count("encoding 6 texts") == 2, (
        "both variants, one pass, two tries"
    )
    (raised, *_) = [r for r in found if r.labels["model"] == "raises"]
    assert "device-side assert" in raised.provenance["traceback"]
    page = page_of(outcome.folder)
    for reason in ("device-side assert", "killed (SIGKILL)", "timeout: nothing finished"):
        assert reason in page
    again = sweep(*LOCAL, "quantization=float32,int8")
    assert (again.computed, again.failed) == (0, 6), "failed jobs are tried again only when asked"


def page_of(folder: Path) -> str:
    found = read_sweep(folder)
    return write_report(found, decide(found, read_policy(found.manifest["policy"])), Path("page")).read_text()


def test_one_process_and_inline_give_the_same_records() -> None:
    words = ("model=hashing,bm25", "dim=8,16", "quantization=float32,binary", "pooling=native,max")
    inline = sweep(*words, "results_dir=a")
    local = sweep(*words, "results_dir=b", "executor=local", "executor.workers=2")
    assert local.encoded == inline.encoded == 10
    assert {p.name: p.read_bytes() for p in (inline.folder / "records").iterdir()} == {
        p.name: p.read_bytes() for p in (local.folder / "records").iterdir()
    }


def test_timings_are_taken_in_a_process_of_their_own() -> None:
    outcome = sweep(
        "executor=local",
        "model=hashing",
        "timing=quick",
        "timing.query.calls=3",
        "timing.query.seconds=0",
        "timing.query.warmup=1",
        "timing.index.documents=4",
    )
    (row,) = table_of(outcome)
    assert row["query_p50_ms"] > 0 and row["docs_per_s"] > 0
    assert row["peak_rss_mb"] > 0 and not any("fresh process" in warning for warning in row["warnings"])
    assert {"timing.log", "start-hashing.log"} <= {path.name for path in (outcome.folder / "logs").iterdir()}


def test_what_a_process_does_not_survive_is_measured_again_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("configs/model/fragile.yaml").write_text(
        "_target_: tests.encoders.misbehaving.Misbehaving\nhow: fragile\ncard: {licence: mit}\n"
    )
    outcome = sweep(
        "executor=local", "trusted=[tests]", "model=fragile", "batch_size=2,4", "timing=quick", "timing.query=null",
        "timing.index.documents=4", "sweep=s",
    )  # fmt: skip
    found = read_sweep(outcome.folder)
    state = {
        (kind, v["batch_size"]): found.records[key].status
        for v in found.manifest["variants"]
        for kind, key in v["timings"].items()
    }
    assert state == {("index", 2): "ok", ("index", 4): "failed", ("start", 2): "ok", ("start", 4): "failed"}
    (lost, *_) = [r for r in found.records.values() if r.status == "failed"]
    assert "killed (SIGKILL)" in lost.reason and outcome.failed == 2


def started(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "harness.cli", "run", "task=tiny", "timing=none", "trusted=[tests]", *words]
    where = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=where, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def worker_of(process: subprocess.Popen[str]) -> psutil.Process:
    """The worker, once it encodes."""
    for _ in range(600):
        if list(Path("results").glob("s/logs/hangs-*.log")) and any(
            "encoding" in path.read_text() for path in Path("results").glob("s/logs/hangs-*.log")
        ):
            return max(psutil.Process(process.pid).children(recursive=True), key=lambda p: p.memory_info().rss)
        time.sleep(0.1)
    raise AssertionError("no worker began to encode")


def gone(process: psutil.Process) -> bool:
    try:
        process.wait(10)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return False
    return True


def test_an_interrupt_ends_130_and_says_how_to_go_on_and_a_second_one_ends_at_once() -> None:
    process = started("model=hangs", "sweep=s")
    worker = worker_of(process)
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    assert process.poll() is None, "it waits for what is in hand"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Continue with: harness run task=tiny" in said
    assert gone(worker)


def test_a_worker_ends_with_its_parent() -> None:
    process = started("model=hangs", "sweep=s")
    worker = worker_of(process)
    process.kill()
    process.wait()
    assert gone(worker)


def test_some_failed_is_exit_2_with_the_command_that_tries_them_again() -> None:
    process = started("model=fine,raises", "sweep=s")
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "harness run task=tiny timing=none 'trusted=[tests]' model=fine,raises sweep=s retry=failed" in out
