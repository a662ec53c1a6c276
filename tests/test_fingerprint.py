"""What a machine says of itself, from what systems write down, and the same in every process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.fingerprint import driver, environment, flags, highest_mhz, machine, processor, quota_cores, sockets
from harness.parts import digest

X86 = """processor\t: 0
model name\t: Big CPU @ 2.0GHz
cpu MHz\t\t: 2596.148
flags\t\t: fpu sse2 avx avx2 fma avx512f avx512_bf16 avx512_vnni amx_bf16 amx_tile hypervisor

processor\t: 1
model name\t: Big CPU @ 2.0GHz
flags\t\t: fpu sse2 avx
"""
ARM = "processor\t: 0\nBogoMIPS\t: 243.75\nFeatures\t: fp asimd sve asimddp bf16 i8mm\nCPU part\t: 0xd40\n"


def test_flags_are_those_that_kernels_choose_by_in_one_order() -> None:
    assert flags(X86) == ["avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16"]
    assert flags(ARM) == ["asimd", "asimddp", "bf16", "i8mm", "sve"]
    assert flags("") == [] and flags("flags\t:\n") == []


def test_a_processor_is_named_as_the_system_does() -> None:
    assert processor(X86) == "Big CPU @ 2.0GHz"
    assert processor(ARM) != "" and processor("") != ""


@pytest.mark.parametrize(
    ("text", "cores"),
    [("200000 100000", 2.0), ("150000 100000\n", 1.5), ("max 100000", None), ("", None), ("1 0", None)],
)
def test_the_quota_of_a_container_is_in_cores(text: str, cores: float | None) -> None:
    assert quota_cores(text) == cores


def test_sockets_and_frequency_come_from_the_cores(tmp_path: Path) -> None:
    for core, (package, khz) in enumerate([("0", "3500000"), ("0", "3400000"), ("1", "none"), ("1", "2000000")]):
        folder = tmp_path / f"cpu{core}"
        (folder / "topology").mkdir(parents=True)
        (folder / "cpufreq").mkdir()
        (folder / "topology/physical_package_id").write_text(f"{package}\n")
        (folder / "cpufreq/cpuinfo_max_freq").write_text(f"{khz}\n")
    assert (sockets(tmp_path), highest_mhz(tmp_path)) == (2, 3500)
    assert (sockets(tmp_path / "absent"), highest_mhz(tmp_path / "absent")) == (None, None)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\nGCC version: 12.2.0",
            "550.54.15",
        ),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  560.35.03  Release Build  (dvs)", "560.35.03"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  570.124.06  Release", "570.124.06"),
        ("", None),
        ("GCC version: 12.2.0", None),
    ],
)
def test_the_driver_is_read_from_its_kernel_module(text: str, version: str | None) -> None:
    assert driver(text) == version


def test_only_variables_that_steer_threads_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in environment():
        monkeypatch.delenv(name)
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "true")
    monkeypatch.setenv("SOME_API_KEY", "secret")
    monkeypatch.setenv("MKL_NUM_THREADS", "")
    assert environment() == {}
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    assert environment() == {"OMP_NUM_THREADS": "3", "TOKENIZERS_PARALLELISM": "false"}


def test_the_machine_is_the_same_in_another_process_and_can_be_written() -> None:
    here = machine()
    assert json.loads(json.dumps(here)) == here
    assert here["cores"] >= 1 and here["threads"] >= 1 and here["memory_gb"] >= 1
    said = "import torch; from harness.fingerprint import machine; from harness.parts import digest; print(digest(machine()))"
    code = said.replace("import torch;", f"import torch; torch.set_num_threads({here['threads']});")
    there = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert there.stdout.strip() == digest(here)
