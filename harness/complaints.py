"""What is broken in a file: readers stop at the first such row, unless the data doctor collects them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from harness.types import HarnessError

SHOWN = 5


class Broken(HarnessError):
    """A HarnessError about data, with the code that `harness validate` gives it; its line begins with its place."""

    def __init__(self, line: str, code: str = "unreadable") -> None:
        super().__init__(line)
        self.code = code


class Complaints:
    """How many rows each code was met in, with the first five lines."""

    def __init__(self) -> None:
        self.count: dict[str, int] = {}
        self.first: dict[str, list[str]] = {}
        self._seen: set[int] = set()

    def add(self, error: Broken) -> None:
        """Count it, once however often its line is read."""
        if (seen := hash((error.code, str(error)))) in self._seen:
            return
        self._seen.add(seen)
        self.count[error.code] = self.count.get(error.code, 0) + 1
        lines = self.first.setdefault(error.code, [])
        if len(lines) < SHOWN:
            lines.append(str(error))

    def __bool__(self) -> bool:
        return bool(self.count)


_collected: ContextVar[Complaints | None] = ContextVar("collected", default=None)


@contextmanager
def collecting() -> Iterator[Complaints]:
    """Within it readers go on behind a broken row, which `complain` counts here; the row itself is left out."""
    found = Complaints()
    token = _collected.set(found)
    try:
        yield found
    finally:
        _collected.reset(token)


def renamed(change: Callable[[str], str]) -> None:
    """Lines that were collected so far, changed: files of an archive are read from where it was unpacked."""
    found = _collected.get()
    for lines in found.first.values() if found else ():
        lines[:] = map(change, lines)


def complain(error: HarnessError) -> None:
    """Raise the error, or count it where complaints are being collected; what is not `Broken` is always raised."""
    found = _collected.get()
    if found is None or not isinstance(error, Broken):
        raise error
    found.add(error)
