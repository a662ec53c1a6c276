"""What a scenario is given to measure, and what it gives back: the values between the clock and the models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from harness.protocols import Lap, Pooling
from harness.types import Doubles, Floats, Role

Clock = Callable[[], float]
Wait = Callable[[float], None]


def nothing() -> None:
    """Loads nothing."""


@dataclass(frozen=True)
class Subject:
    """Something that serves requests: `call(i, lap)` serves the i-th of `requests` and ends its stages with `lap`.

    documents, tokens: what one call goes through; 0 where that is no part of the question. load: what must be done
    before the first call, once; later calls of it do nothing. fill: takes the most memory that serving can take; None
    where loading does.
    """

    call: Callable[[int, Lap], object]
    requests: int = 1
    documents: int = 0
    tokens: int = 0
    load: Callable[[], object] = nothing
    fill: Callable[[], object] | None = None


@dataclass(frozen=True)
class Taken:
    """One subject's raw samples.

    seconds: float64 [repeats, calls]; [repeats] where a round is one call. stages: the same shape for each stage that
    the calls named. arrays: what else was measured, float64. values: numbers and short texts for the record. warnings:
    why the samples may mislead.
    """

    seconds: Doubles
    stages: Mapping[str, Doubles] = field(default_factory=dict)
    arrays: Mapping[str, Doubles] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@runtime_checkable
class Scenario(Protocol):
    """A way of measuring; its parameters say how long and how often."""

    def measure(self, subjects: Mapping[str, Subject]) -> dict[str, Taken]:
        """Samples of every subject, taken in turn round by round, so that drift of the machine meets all alike."""
        ...


@runtime_checkable
class Probing(Protocol):
    """A loaded model that can say where the time of one text goes."""

    def probe(self, text: str, role: Role, pooling: Pooling, lap: Lap) -> Floats:
        """float32 [d], the vector of one text; calls `lap` after the stages tokenise, forward and pool."""
        ...
