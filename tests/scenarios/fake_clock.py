"""Time that passes only when it is told to."""

from __future__ import annotations

from collections.abc import Callable

from harness.protocols import Lap
from harness.subjects import Subject


class FakeClock:
    """Seconds; `calls` keeps the name and the number of every call in order."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[tuple[str, int]] = []

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        """Sleep, exactly."""
        assert seconds > 0
        self.now += seconds

    def taking(self, *durations: float, name: str = "") -> Callable[[int, Lap], None]:
        """A call that takes these durations in turn, the last one for ever, in one stage called `work`."""
        made: list[int] = []

        def call(number: int, lap: Lap) -> None:
            self.now += durations[min(len(made), len(durations) - 1)]
            made.append(number)
            self.calls.append((name, number))
            lap("work")

        return call

    def subject(self, *durations: float, name: str = "", requests: int = 3, documents: int = 0) -> Subject:
        """A subject whose calls take these durations."""
        return Subject(self.taking(*durations, name=name), requests, documents)
