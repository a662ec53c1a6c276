"""`harness doctor`: what the machine is and what can be measured on it."""

from __future__ import annotations

import pytest

from harness import doctor
from harness.commands import doctor as command
from harness.energy import Counter


def facts() -> dict[str, str]:
    lines = (line.split(maxsplit=1) for line in command([]).text.splitlines())
    return {line[0]: line[1] if len(line) > 1 else "" for line in lines}


def test_every_fact_of_the_machine_has_a_line_and_versions_come_last() -> None:
    found = facts()
    assert {"processor", "flags", "cores", "sockets", "environment", "driver", "device", "bfloat16", "load"} <= set(
        found
    )
    assert list(found)[-1] == "faiss-cpu" and found["cores"].isdecimal()


@pytest.mark.parametrize(("has", "said"), [(True, "in hardware on cpu"), (False, "not in hardware")])
def test_it_says_whether_the_hardware_multiplies_bfloat16(
    monkeypatch: pytest.MonkeyPatch, has: bool, said: str
) -> None:
    monkeypatch.setattr(doctor, "hardware_has_bfloat16", lambda device: has)
    monkeypatch.setattr(doctor, "resolve_devices", lambda device: ["cpu"])
    assert facts()["bfloat16"].startswith(said)


def test_it_says_what_of_energy_and_memory_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "processor_counters", lambda: {"package-0": Counter(1.0, 9.0)})
    monkeypatch.setattr(doctor, "can_reset", lambda: False)
    text = command([]).text
    assert "energy         package-0" in text and "peak memory    looked for every 2 ms" in text
    monkeypatch.setattr(doctor, "processor_counters", dict)
    monkeypatch.setattr(doctor, "can_reset", lambda: True)
    text = command([]).text
    assert "energy         none of the processor" in text and "peak memory    exact" in text


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (6.61, "6.61 on 2 cores: busy, timings taken now would mislead; close other programs"),
        (0.2, "0.20 on 2 cores"),
        (float("nan"), "not said by the system"),
    ],
)
def test_a_load_has_a_verdict(now: float, said: str) -> None:
    assert doctor.load_text(now, 2) == said
