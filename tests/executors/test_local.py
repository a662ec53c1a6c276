"""Jobs in processes of their own: what kills one fails one job."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.execution import Batch, Desk, Done, Lost
from harness.executors.inline import Inline
from harness.executors.local import Local
from harness.process import uninterrupted
from harness.types import Advanced, Event, HarnessError, Said, Working

pytestmark = pytest.mark.processes


class Keeping(str):
    """A job that stores as it goes."""

    keeps = True


@dataclass(frozen=True)
class Start:
    """Work whose jobs say what happens to the process; each start leaves a file."""

    folder: Path

    def __call__(self, tell: Callable[[Event], None], lane: int) -> Callable[[Any], Any]:  # noqa: C901
        (self.folder / f"start-{os.getpid()}").touch()

        def work(job: str) -> Any:  # noqa: C901
            (self.folder / f"{job}-{time.monotonic_ns()}").touch()
            if job == "say":
                tell(Said("hello"))
                tell(Advanced(3))
            if job == "kill":
                print("loading weights", flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
            if job == "crash":
                os.kill(os.getpid(), signal.SIGSEGV)
            if job == "exit":
                sys.exit(7)
            if job == "hang":
                time.sleep(600)
            if job == "slow":
                for _ in range(600):
                    time.sleep(0.05)
                    tell(Working(1))
                    tell(Advanced(1))
            if job == "eat":
                held = bytearray(600_000_000)
                time.sleep(600)
                return len(held)
            if job == "large":
                return bytes(20_000_000)
            if job == "odd":
                os.kill(os.getpid(), signal.SIGRTMIN + 3)
            if job.startswith("once") and len(list(self.folder.glob(f"{job}-*"))) == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            return lane, os.getpid()

        return work


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., list[Done]]:
    """Outcomes of batches of jobs; `run.heard` are the events."""
    heard: list[Event] = []
    ticks: list[None] = []

    def execute(part: Any, *batches: list[str], lanes: int = 1) -> list[Done]:
        desk = Desk(heard.append, lambda: ticks.append(None), tmp_path / "logs", lanes)
        return list(part.run([Batch(f"b{i}", jobs) for i, jobs in enumerate(batches)], Start(tmp_path), desk))

    execute.heard = heard  # type: ignore[attr-defined]
    execute.folder = tmp_path  # type: ignore[attr-defined]
    return execute


def test_a_batch_shares_one_process_and_the_next_has_its_own(run: Any) -> None:
    found = run(Local(), ["a", "b"], ["c"])
    (_, a), (_, b), (_, c) = (done.outcome for done in found)
    assert [done.job for done in found] == ["a", "b", "c"]
    assert a == b != c
    assert os.getpid() not in (a, c)


def test_what_a_process_says_is_heard(run: Any) -> None:
    run(Local(), ["say"])
    assert run.heard == [Said("hello"), Advanced(3)]


def test_a_killed_process_fails_its_job_and_the_rest_go_on(run: Any) -> None:
    found = run(Local(), ["a", "kill", "b"])
    assert [done.job for done in found] == ["a", "kill", "b"]
    lost = found[1].outcome
    assert isinstance(lost, Lost)
    assert lost.reason == "killed (SIGKILL), most likely for lack of memory"
    assert lost.last_lines.splitlines()[-1] == "loading weights"
    assert Path(lost.log).read_text().count("loading weights") == 2  # it was given a second try
    assert lost.last_lines.count("loading weights") == 1  # of the last process alone
    assert not isinstance(found[2].outcome, Lost)


def test_a_job_killed_once_is_tried_again_and_succeeds(run: Any) -> None:
    found = run(Local(), ["once", "a"])
    assert not any(isinstance(done.outcome, Lost) for done in found)


@pytest.mark.parametrize(
    ("job", "reason", "log"), [("crash", "SIGSEGV", "Segmentation fault"), ("exit", "exit code 7", "")]
)
def test_other_ends_are_named(run: Any, job: str, reason: str, log: str) -> None:
    lost = run(Local(), [job])[0].outcome
    assert reason in lost.reason
    assert log in lost.last_lines


def test_a_job_that_hangs_is_stopped_and_its_log_says_where(run: Any) -> None:
    found = run(Local(timeout_s=1), ["hang", "a"])
    lost = found[0].outcome
    assert lost.reason == "timeout: nothing finished or stored for 1 s (executor.timeout_s)"
    assert "test_local.py" in lost.last_lines
    assert not isinstance(found[1].outcome, Lost)


def test_a_process_over_its_memory_is_stopped(run: Any) -> None:
    lost = run(Local(memory_gb=0.5), ["eat"])[0].outcome
    assert lost.reason == "out of memory: its process held over 0.5 GB (executor.memory_gb)"


def test_a_job_that_keeps_nothing_is_not_waited_for(tmp_path: Path) -> None:
    begun = time.monotonic()

    def interrupted() -> None:
        if list(tmp_path.glob("hang-*")):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(Local().run([Batch("one", ["hang"])], Start(tmp_path), Desk(print, interrupted, tmp_path / "logs")))
    assert time.monotonic() - begun < 30
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.2])
def test_a_process_killed_while_it_starts_is_started_again(tmp_path: Path, delay: float) -> None:
    killed: list[int] = []

    def kill_once() -> None:
        for child in multiprocessing.active_children():
            if not killed and child.pid:
                time.sleep(delay)
                killed.append(child.pid)
                os.kill(child.pid, signal.SIGKILL)

    big = Large(tmp_path, bytes(5_000_000))
    (done,) = Local().run([Batch("one", ["a"])], big, Desk(print, kill_once, tmp_path / "logs"))
    assert killed and not isinstance(done.outcome, Lost)


@dataclass(frozen=True)
class Large(Start):
    """A start that does not fit the buffer of a pipe."""

    ballast: bytes = b""


def test_a_process_killed_while_it_answers_fails_its_job_alone(tmp_path: Path) -> None:
    def kill_mid_message() -> None:
        if list(tmp_path.glob("large-*")):
            for child in multiprocessing.active_children():
                time.sleep(0.3)
                os.kill(child.pid or 0, signal.SIGKILL)

    desk = Desk(print, kill_mid_message, tmp_path / "logs")
    found = list(Local().run([Batch("one", ["large"]), Batch("two", ["odd"])], Start(tmp_path), desk))
    assert [done.job for done in found] == ["large", "odd"]
    assert "killed" in found[1].outcome.reason


def test_a_job_that_cannot_be_sent_fails_alone(run: Any) -> None:
    found = run(Local(), [lambda: None, "a"])
    assert "cannot be sent to a process" in found[0].outcome.reason
    assert not isinstance(found[1].outcome, Lost)


def test_an_interrupt_while_a_process_starts_is_kept_until_it_has() -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            reached.append(True)
    assert reached
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_several_workers_run_at_once_on_lanes_of_their_own(run: Any) -> None:
    found = run(Local(workers=2), ["a"], ["b"], ["c"])
    assert sorted(done.job for done in found) == ["a", "b", "c"]
    assert {done.outcome[0] for done in found} == {0, 1}
    assert {done.outcome[0] for done in run(Local(), ["a"], ["b"], lanes=2)} == {0, 1}


def test_the_next_job_is_asked_for_after_the_outcome_was_seen(tmp_path: Path) -> None:
    seen: list[str] = []

    def jobs() -> Iterator[str]:
        yield "a"
        seen.append("asked")
        yield "b"

    desk = Desk(lambda _: None, lambda: None, tmp_path / "logs")
    for part in (Local(), Inline()):
        seen.clear()
        for done in part.run([Batch("one", jobs())], Start(tmp_path), desk):
            seen.append(done.job)
        assert seen == ["a", "asked", "b"]


def test_an_empty_batch_starts_no_process(run: Any) -> None:
    assert run(Local(), [], ["a"], [])[0].job == "a"
    assert len(list(run.folder.glob("start-*"))) == 1


def test_an_interrupt_lets_the_process_reach_its_next_word_and_then_ends_it(tmp_path: Path) -> None:
    heard: list[Event] = []

    def interrupted(event: Event) -> None:
        heard.append(event)
        if event == Advanced(1) and heard.count(event) == 3:
            raise KeyboardInterrupt

    desk = Desk(interrupted, lambda: None, tmp_path / "logs")
    with pytest.raises(KeyboardInterrupt):
        list(Local().run([Batch("one", [Keeping("slow"), "b"])], Start(tmp_path), desk))
    assert isinstance(heard[-1], Said)
    assert heard[-1].line.startswith("stopping")
    assert not list(tmp_path.glob("b-*"))
    assert multiprocessing.active_children() == []


def test_closed_between_jobs_it_ends_the_process(tmp_path: Path) -> None:
    outcomes = Local().run([Batch("one", ["a", "b"])], Start(tmp_path), Desk(print, lambda: None, tmp_path / "logs"))
    with closing(outcomes):  # type: ignore[type-var]
        assert next(iter(outcomes)).job == "a"
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("part", [Local(workers=0), Local(timeout_s=0), Local(memory_gb=-1)])
def test_numbers_that_make_no_sense_are_refused(run: Any, part: Local) -> None:
    with pytest.raises(HarnessError, match="expected a number above 0"):
        run(part, ["a"])
