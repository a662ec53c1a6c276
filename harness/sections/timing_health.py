"""How the speeds were taken and how far they can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from harness.disturbance import rounds, spread
from harness.measurements import Measurement, measurements
from harness.page import fill
from harness.page.grid import Column, grid
from harness.report import Report
from harness.speeds import stages
from harness.timing import P99_SAMPLES
from harness.types import Doubles
from harness.warned import causes, kind_of, verdict
from harness.wording import counted, enumerated, number, percent, searched, whole

_CALLS = ("encode", "search")
_ENERGY = ("joules", "joules_per_call", "joules_per_doc")


@dataclass(frozen=True)
class TimingHealth:
    """Settings, spread, what else ran, the machine and every warning; in a fold the measurements, at most `most`."""

    most: int = 200
    position: ClassVar[int] = 90
    nav: ClassVar[str] = "Timing health"

    def render(self, report: Report) -> str:
        """The section; without any measurement it says so."""
        every = measurements(report.manifest, report.records)
        lines = [line for line in every if line.kind in (*_CALLS, "index")]
        return fill(
            "timing_health.html",
            grid=grid(_COLUMNS, lines[: self.most]),
            shown=len(lines[: self.most]),
            left_out=len(lines) - len(lines[: self.most]),
            unsearched=any(not searched(about["type"]) for about in report.manifest["evalsets"].values()),
            remembered=any(row["peak_rss_mb"] is not None for row in report.rows),
            facts=_facts(report, every) if every else [],
            machine=_machine(report.manifest["machine"]),
            untimed=not _settings(report.manifest["timing"]),
            verdict=verdict(every) if every else (),
            causes=causes(every),
        )


def _seconds(line: Measurement) -> Doubles:
    """Raw samples, float64 [repeats, calls]."""
    seconds = np.asarray(line.record.arrays["seconds"], dtype=np.float64)
    return seconds if seconds.ndim == 2 else seconds[:, None]


def _p99(line: Measurement) -> str | None:
    """Milliseconds of one call, or why that is not said; of single calls alone."""
    seconds = _seconds(line)
    if line.kind not in _CALLS:
        return None
    if seconds.size < P99_SAMPLES:
        return f"withheld, {counted(seconds.size, 'sample')}"
    return number(float(np.percentile(seconds, 99)) * 1000)


def _value(key: str) -> Any:
    return lambda line: line.record.values.get(key)


def _counted(line: Measurement) -> str:
    return "{} × {}".format(*_seconds(line).shape)


def _stages(line: Measurement) -> str | None:
    return ", ".join(f"{name} {number(ms)}" for name, ms in stages(line.record).items()) or None


def _marked(line: Measurement) -> str | None:
    return "!" if line.record.warnings else None


_COLUMNS = (
    Column("Of", "ascending", None, lambda line: line.label),
    Column("What", "ascending", None, kind_of),
    Column("Eval set", "ascending", None, lambda line: line.task),
    Column("Median (ms)", "ascending", number, lambda line: float(np.median(rounds(line.record))) * 1000),
    Column("p99 (ms)", "ascending", None, _p99),
    Column("Repeats × calls", "ascending", None, _counted),
    Column("Spread", "descending", percent, lambda line: spread(line.record)),
    Column("Warning", "descending", None, _marked),
    Column("Stages (ms)", "ascending", None, _stages),
    Column("First call (ms)", "descending", number, _value("first_ms")),
    Column("Warm-up calls", "descending", str, _value("warmup_calls")),
    Column("Load", "descending", number, _value("load_before")),
    Column("Used by others", "descending", percent, _value("busy_elsewhere")),
    Column("Stolen", "descending", percent, _value("stolen")),
    Column("Taken in turn", "descending", str, _value("together")),
    Column("Joules per call", "ascending", number, _value("joules_per_call")),
)


def _facts(report: Report, lines: Sequence[Measurement]) -> list[tuple[str, str]]:
    """What holds for all measurements together."""
    settings = _settings(report.manifest["timing"])
    widest = max((spread(line.record) for line in lines if len(_seconds(line)) > 1), default=None)
    found = [
        ("Measurements", f"{whole(len(lines))}, each shared by every row it applies to"),
        ("Settings", "; ".join(settings) or "not recorded"),
        ("Widest spread of repeats", "not repeated" if widest is None else f"{percent(widest)} of the median"),
        ("99th percentile", _percentile(report, lines)),
        ("Order", _order(lines)),
        ("Load while measuring", _loads(lines)),
        ("Used by other programs", _share(lines, "busy_elsewhere")),
        ("Taken by a hypervisor", _share(lines, "stolen")),
        ("Clocks", _clocks(lines)),
        ("Energy", _energy(lines)),
    ]
    return [(name, text) for name, text in found if text]


def _settings(timing: Mapping[str, Any]) -> list[str]:
    """What was asked for: `query (calls 50, repeats 3)` a scenario, or the one scenario of sweeps of before."""
    if "scenario" in timing:
        values = {key: value for key, value in timing.items() if key != "scenario"}
        return [] if timing["scenario"] == "none" else [_setting(str(timing["scenario"]), values)]
    return [_setting(name, node) for name, node in timing.items() if isinstance(node, Mapping)]


def _setting(name: str, values: Mapping[str, Any]) -> str:
    own = {key.replace("_", " "): value for key, value in values.items() if not key.startswith("_")}
    told = [f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}" for key, value in own.items()]
    return f"{name} ({', '.join(told)})" if told else name


def _percentile(report: Report, lines: Sequence[Measurement]) -> str:
    """Of a query; the sweep's rows withhold it under so many samples."""
    samples = [_seconds(line).size for line in lines if line.kind in _CALLS]
    if not samples:
        return ""
    known = sum(row["query_p99_ms"] is not None for row in report.rows)
    if known:
        return f"from {_range(samples)} samples of a query; withheld under {P99_SAMPLES}"
    return f"withheld: {_range(samples)} samples of a query, {P99_SAMPLES} are needed (timing=full)"


def _range(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return whole(low) if low == high else f"{whole(low)} to {whole(high)}"


def _known(lines: Sequence[Measurement], *keys: str) -> list[float]:
    found = (line.record.values.get(key) for line in lines for key in keys)
    return [float(value) for value in found if value is not None and not np.isnan(value)]


def _order(lines: Sequence[Measurement]) -> str:
    """How many were taken round by round in turn, where the records say it."""
    together = _known(lines, "together")
    if not together:
        return ""
    most = int(max(together))
    in_turn = f"rounds of up to {most} measurements in turn, so that drift meets them alike"
    return in_turn if most > 1 else "one after another"


def _loads(lines: Sequence[Measurement]) -> str:
    loads = _known(lines, "load_before", "load_after")
    return (
        f"{min(loads):g} to {max(loads):g} (mean of one minute, with the sweep's own work)" if loads else "not recorded"
    )


def _share(lines: Sequence[Measurement], key: str) -> str:
    """The highest share of the cores' time; sweeps of before do not know it."""
    shares = _known(lines, key)
    if not shares:
        return "not recorded"
    return f"at most {percent(max(shares))} of the cores' time" if max(shares) else "nothing"


def _clocks(lines: Sequence[Measurement]) -> str:
    gaps = _known(lines, "clock_gap_s")
    return f"two clocks agreed within {number(max(gaps) * 1000)} ms" if gaps else "not compared"


def _energy(lines: Sequence[Measurement]) -> str:
    """Which counters were read, what each measurement took stands beside it; sweeps of before did not look."""
    if not any("busy_elsewhere" in line.record.values for line in lines):
        return "not recorded"
    if not _known(lines, *_ENERGY):
        return "not reported by this machine"
    read = sorted({str(text) for line in lines if (text := line.record.values.get("joules_of"))})
    return f"read from {enumerated(read)}" if read else "read"


def _machine(machine: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The fingerprint: what makes two machines unlike, and the versions."""
    memory = f", {machine['gpu_memory_gb']} GB" if machine.get("gpu_memory_gb") else ""
    sockets = f" in {counted(machine['sockets'], 'socket')}" if machine.get("sockets") else ""
    driver = [f"{name} {machine[name]}" for name in ("driver", "cuda") if machine.get(name)]
    variables = [f"{name}={value}" for name, value in sorted((machine.get("environment") or {}).items())]
    versions = [f"{name} {v}" for name, v in sorted(machine["versions"].items()) if v != "absent"]
    found = [
        ("Processor", f"{machine['processor']}, {counted(machine['cores'], 'core')}{sockets}"),
        ("Instructions", ", ".join(machine.get("flags") or ())),
        ("Highest clock", f"{whole(machine['frequency_mhz'])} MHz" if machine.get("frequency_mhz") else ""),
        ("Memory", f"{machine['memory_gb']} GB"),
        ("Threads", ", ".join([f"{machine['threads']} used", *variables])),
        ("Accelerator", ", ".join([f"{machine['accelerator']}{memory}", *driver])),
        ("System", f"{machine['system']}, Python {machine['python']}"),
        ("Versions", ", ".join(versions)),
    ]
    return [(name, text) for name, text in found if text]
