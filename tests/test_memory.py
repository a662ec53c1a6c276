"""The most memory that was held, whether the system keeps it or a thread looks."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from harness.memory import Peak, can_reset, rss_mb, vram_peak_mb


def held() -> None:
    """80 MB, written to and given back."""
    kept = np.ones(10_000_000)
    assert kept[-1] == 1


@pytest.mark.skipif(not can_reset(), reason="the system does not keep the peak")
def test_what_was_given_back_before_the_end_is_in_the_peak_and_the_next_block_begins_anew() -> None:
    before = rss_mb()
    with Peak() as peak:
        held()
    assert not peak.sampled
    assert before + 70 < peak.mb < before + 200
    with Peak() as after:
        pass
    assert after.mb < peak.mb - 60, "the peak of the block before is forgotten"


@pytest.mark.skipif(not can_reset(), reason="the system does not keep the peak")
def test_what_was_held_before_the_block_is_not_in_its_peak() -> None:
    peak = Peak()
    held()
    with peak:
        before = rss_mb()
    assert peak.mb < before + 60


def test_where_the_system_does_not_keep_it_a_thread_looks(tmp_path: Path) -> None:
    seen = threading.Event()
    told = iter([100.0, 350.0])

    def rss() -> float:
        value = next(told, None)
        if value is None:
            seen.set()
        return 200.0 if value is None else value

    with Peak(tmp_path, rss) as peak:
        assert seen.wait(30)
    assert peak.sampled and peak.mb == 350.0
    assert not any(thread.name == peak._thread.name for thread in threading.enumerate())


def status(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "status").write_text(text)
    return folder


def test_a_peak_is_read_in_kibibytes_and_given_in_megabytes(tmp_path: Path) -> None:
    process = status(tmp_path / "p", "Name:\tx\nVmHWM:\t  500000 kB\nVmRSS:\t 1 kB\n")
    (process / "clear_refs").touch()
    with Peak(process, lambda: 100.0) as peak:
        pass
    assert not peak.sampled and peak.mb == 512.0
    assert (process / "clear_refs").read_text() == "5"


def test_what_is_held_at_the_end_is_never_over_the_peak(tmp_path: Path) -> None:
    process = status(tmp_path / "p", "VmHWM:\t  1000 kB\n")
    (process / "clear_refs").touch()
    with Peak(process, lambda: 100.0) as peak:
        pass
    assert peak.mb == 100.0


@pytest.mark.parametrize("text", ["", "VmRSS:\t 1 kB\n", "VmHWM:\n", "VmHWM:\t many kB\n"])
def test_a_system_that_does_not_say_its_peak_is_looked_at(tmp_path: Path, text: str) -> None:
    process = status(tmp_path / "p", text)
    (process / "clear_refs").touch()
    assert not can_reset(process) and Peak(process).sampled


def test_a_peak_that_cannot_begin_anew_is_not_believed(tmp_path: Path) -> None:
    process = status(tmp_path / "p", "VmHWM:\t  9000000 kB\n")
    with Peak(process, lambda: 100.0) as peak:
        pass
    assert peak.sampled and peak.mb == 100.0, "9 GB may have been held long before"
    assert not (process / "clear_refs").exists()


def test_resident_memory_is_in_megabytes() -> None:
    before = rss_mb()
    kept = np.ones(10_000_000)
    assert 70 < rss_mb() - before < 100 and kept[0] == 1


def test_a_processor_has_no_memory_of_a_gpu() -> None:
    assert vram_peak_mb("cpu") is None and vram_peak_mb("mps") is None
