"""The machines that the timings of a sweep were taken on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.table import Sweep

About = Mapping[str, Any]
_NAME = ("processor", "cores", "memory_gb", "threads", "accelerator", "system")


def machines(sweep: Sweep) -> list[str]:
    """A readable name of each machine that a timing of the sweep comes from, sorted; empty where nothing was timed.

    More than one means that speeds cannot be compared: a sweep that was copied and gone on with elsewhere. Versions of
    libraries make no other machine. Timings that do not say where they were taken are passed over.
    """
    return named(met(sweep))


def met(sweep: Sweep) -> list[About]:
    """What the timings of the sweep say of their machines, one entry or more for each."""
    keys = {key for variant in sweep.manifest["variants"] for key in variant["timings"].values()}
    taken = (sweep.records[key] for key in sorted(keys) if key in sweep.records)
    found = (record.provenance.get("machine") for record in taken if record.status == "ok")
    return [about for about in found if about]


def named(abouts: Sequence[About]) -> list[str]:
    """Names of unlike machines, sorted; of several only the processor and what they differ in.

    What a record of before does not say (`_WORDS` beyond `_NAME`) makes it no other machine.
    """
    apart = [key for key in _WORDS if _differs(key, abouts)]
    if not apart:
        return [", ".join(_WORDS[key](about, abouts) for key in _NAME) for about in abouts[:1]]
    shown = ["processor", *(key for key in apart if key != "processor")]
    return sorted({", ".join(_word(key, about, abouts) for key in shown) for about in abouts})


def _differs(key: str, abouts: Sequence[About]) -> bool:
    """Whether two of those that say it say different things."""
    said = [about.get(key, "unknown") for about in abouts if key in about or key in _NAME]
    return any(other != said[0] for other in said[1:])


def _word(key: str, about: About, abouts: Sequence[About]) -> str:
    return _WORDS[key](about, abouts) if key in about or key in _NAME else f"{key} not said"


def _flags(about: About, abouts: Sequence[About]) -> str:
    """Those that not all have."""
    sets = [set(other["flags"]) for other in abouts if "flags" in other]
    apart = set.union(*sets) - set.intersection(*sets)
    own = apart & set(about["flags"])
    return f"with {' '.join(sorted(own))}" if own else f"without {' '.join(sorted(apart))}"


def _environment(about: About, abouts: Sequence[About]) -> str:
    """Those variables that not all have set alike."""
    told = [other["environment"] for other in abouts if "environment" in other]
    apart = [name for name in sorted({n for each in told for n in each}) if len({each.get(name) for each in told}) > 1]
    own = about["environment"]
    return ", ".join(f"{name}={own[name]}" if name in own else f"{name} not set" for name in apart)


def _saying(text: str, key: str, without: str = "") -> Callable[[About, Sequence[About]], str]:
    """Words around a value; `without` for "none" and nothing."""

    def say(about: About, _: Sequence[About]) -> str:
        value = about.get(key, "unknown")
        return without if without and value in ("none", None) else text.format(value)

    return say


# What makes two machines unlike, and how it is said.
_WORDS: Mapping[str, Callable[[About, Sequence[About]], str]] = {
    "processor": _saying("{}", "processor"),
    "cores": _saying("{} cores", "cores"),
    "memory_gb": _saying("{} GB", "memory_gb"),
    "threads": _saying("{} threads", "threads"),
    "accelerator": _saying("{}", "accelerator", "no accelerator"),
    "system": _saying("{}", "system"),
    "sockets": _saying("sockets: {}", "sockets", "sockets not said"),
    "quota_cores": _saying("a quota of {:g} cores", "quota_cores", "no quota"),
    "gpu_memory_gb": _saying("a GPU of {} GB", "gpu_memory_gb", "no GPU"),
    "driver": _saying("driver {}", "driver", "no driver"),
    "flags": _flags,
    "environment": _environment,
}
