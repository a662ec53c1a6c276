"""What a person sees while a sweep runs: permanent lines, counts, and how long it may still take."""

from __future__ import annotations

import sys
import time
import unicodedata
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple, Self, TextIO

from harness.wording import percent

_HEARTBEAT_S = 60
_DRAW_S = 0.2
_EVIDENCE_S = 5
_HALF_LIFE_S = 60
_JOB_S = 0.2  # at most, for a job before any has ended
_STYLES = {"failed": "red", "skipped": "yellow"}


class Watch:
    """Who is told how a sweep goes; this one shows nothing. Leaving it as a context manager closes it."""

    def say(self, line: str) -> None:
        """A permanent line: a finding, a warning, a headline."""

    def expect(self, what: str, jobs: int, work: float) -> None:
        """A phase begins: its name, the jobs still to do, the characters of text to encode (0 for none)."""

    def advance(self, work: float) -> None:
        """So many characters were encoded."""

    def forgo(self, work: float) -> None:
        """So many characters will not be encoded: their forward pass failed."""

    def finished(self, line: str, status: str) -> None:
        """A job ended with its permanent line; status is ok, skipped or failed."""

    def tick(self) -> None:
        """Time has passed: called about twice a second while jobs run."""

    def close(self) -> None:
        """Leave the terminal clean; may be called twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def watch_for(stream: TextIO, plain: bool, clock: Callable[[], float] = time.monotonic) -> Watch:
    """A live display where `stream` is a terminal and `plain` is not asked for, else plain lines. `clock`: seconds."""
    return Plain(stream, clock) if plain or not stream.isatty() else Live(stream, clock)


class Lines(Watch):
    """Keeps permanent lines in a list and shows nothing: for tests."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines

    def say(self, line: str) -> None:
        """Append the line."""
        self.lines.append(line)

    def finished(self, line: str, status: str) -> None:  # noqa: ARG002 - the line says it
        """Append the line."""
        self.lines.append(line)


class Plain(Watch):
    """One line for each finished job, and at most each minute a heartbeat: counts, share encoded, time left."""

    def __init__(self, stream: TextIO, clock: Callable[[], float]) -> None:
        self._stream, self._clock = stream, clock
        self._phase = _Phase("", 0, 0, clock())
        self._beat = clock()

    def say(self, line: str) -> None:
        """Write the line."""
        self._write(_one_line(line))

    def expect(self, what: str, jobs: int, work: float) -> None:
        """Count from zero."""
        self._phase = _Phase(what, jobs, work, self._clock())
        self._beat = self._clock()

    def advance(self, work: float) -> None:
        """Count what was encoded."""
        self._phase.advance(work, self._clock())

    def forgo(self, work: float) -> None:
        """Wait for less."""
        self._phase.work -= work

    def finished(self, line: str, status: str) -> None:
        """Count the job and write its line."""
        self._phase.end(status, self._clock())
        self._write(_one_line(line), status)

    def tick(self) -> None:
        """Write the heartbeat when it is due."""
        now = self._clock()
        if self._phase.jobs_left and now - self._beat >= _HEARTBEAT_S:
            self._beat = now
            self._write(" · ".join(filter(None, [self._phase.counts(now), self._phase.left(now)])))

    def _write(self, line: str, status: str = "") -> None:  # noqa: ARG002 - what is plain has no colour
        self._stream.write(f"{line}\n")
        self._stream.flush()


class Live(Plain):
    """Permanent lines scroll above one bar and one line of counts, which are gone after `close`."""

    def __init__(self, stream: TextIO, clock: Callable[[], float]) -> None:
        super().__init__(stream, clock)
        from rich.console import Console
        from rich.live import Live as Display

        self._console = Console(file=stream)
        # Without a thread of its own: `tick` draws. A stray warning on stderr scrolls above as well.
        self._display = Display(
            console=self._console, get_renderable=self._bottom, auto_refresh=False, transient=True,
            redirect_stdout=False, redirect_stderr=stream is sys.stderr,
        )  # fmt: skip
        self._drawn = clock()

    def expect(self, what: str, jobs: int, work: float) -> None:
        """Count from zero and show the bar if there is anything to do."""
        super().expect(what, jobs, work)
        if jobs:
            self._display.start()
            self._console.show_cursor(True)  # a killed process could not bring it back
        self._draw()

    def tick(self) -> None:
        """Draw anew, however often it is called."""
        if self._clock() - self._drawn >= _DRAW_S:
            self._draw()

    def close(self) -> None:
        """Take the bar away."""
        self._display.stop()

    def _draw(self) -> None:
        self._drawn = self._clock()
        if self._display.is_started:
            self._display.refresh()

    def _bottom(self) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        now = self._clock()
        top = Table.grid(padding=(0, 1), expand=True)
        top.add_column(ratio=1)
        top.add_column(no_wrap=True)
        top.add_row(ProgressBar(total=1, completed=self._phase.share()), Text(self._phase.left(now)))
        return Group(top, Text(self._phase.counts(now)))

    def _write(self, line: str, status: str = "") -> None:
        from rich.text import Text

        self._console.print(Text(line, _STYLES.get(status, "")))  # a Text is never read as markup


class Pace(NamedTuple):
    """Units done and the seconds they took: in all, and of late, where a minute halves what lies before it."""

    units: float = 0
    seconds: float = 0
    late_units: float = 0
    late_seconds: float = 0

    def plus(self, units: float, seconds: float) -> Pace:
        """With so many more units, done in so many seconds."""
        fade = 0.5 ** (seconds / _HALF_LIFE_S)
        late = fade * self.late_units + units, fade * self.late_seconds + seconds
        return Pace(self.units + units, self.seconds + seconds, *late)

    def needed(self, units: float) -> tuple[float, float]:
        """Seconds for so many more units, at the faster and at the slower of the two rates."""
        ends = units * self.seconds / self.units, units * self.late_seconds / self.late_units
        return min(ends), max(ends)


def eta(encoded: Pace, ended: Pace, work_left: float, jobs_left: int, silence: float = 0) -> tuple[float, float] | None:
    """Seconds a phase may still take, at least and at most; None until there is evidence.

    encoded: characters; ended: jobs; silence: seconds since either moved. Evidence is five seconds of work, some of
    it encoding as long as encoding is left. Characters are counted, not texts, because the longest texts are encoded
    first; what is left costs its characters at the rate of encoding plus its jobs at the rate of jobs (0.2 s each at
    most before one has ended). The ends are the rate of all the time and that of late, which part where texts
    get shorter or another model begins. Both move apart by half the share of time still to go: by half at the start,
    by nothing at the end. A silence counts down from both, and may last as long again.
    """
    seconds = encoded.seconds + ended.seconds
    known = encoded.units or (ended.units and not work_left)
    if seconds < _EVIDENCE_S or not known:
        return None
    encoding = encoded.needed(work_left) if work_left else (0.0, 0.0)
    scoring = ended.needed(jobs_left) if ended.units else (0.0, _JOB_S * jobs_left)
    low, high = encoding[0] + scoring[0], encoding[1] + scoring[1]
    left = (low + high) / 2
    margin = 0.5 * left / (seconds + left)
    return max(0.0, low * (1 - margin) - silence), max(silence, high * (1 + margin) - silence)


class _Phase:
    """Counts of one phase, and how fast it goes: seconds between two events count for the later one."""

    def __init__(self, what: str, jobs: int, work: float, now: float) -> None:
        self.what, self.jobs, self.work = what, jobs, work
        self.begun = self.moved = now
        self.states: Counter[str] = Counter()
        self.encoded = self.ended = Pace()

    @property
    def jobs_left(self) -> int:
        return max(0, self.jobs - self.states.total())

    def advance(self, work: float, now: float) -> None:
        self.encoded = self.encoded.plus(work, now - self.moved)
        self.moved = now

    def end(self, status: str, now: float) -> None:
        self.states[status] += 1
        self.ended = self.ended.plus(1, now - self.moved)
        self.moved = now

    def share(self) -> float:
        """How full the bar is: encoding, being most of the time, makes nine tenths of it."""
        ended = 1 - self.jobs_left / max(1, self.jobs)
        return 0.9 * self._encoded_share() + 0.1 * ended if self.work else ended

    def counts(self, now: float) -> str:
        states = {"ok": "done", "failed": "failed", "skipped": "skipped"}
        ended = [f"{self.states[s]} {word}" for s, word in states.items() if self.states[s] or s == "ok"]
        parts = [f"{self.what}: {', '.join(ended)} of {self.jobs}"]
        parts += [f"encoded {percent(self._encoded_share())}"] if self.work else []
        return " · ".join([*parts, f"{_as_clock(now - self.begun)} elapsed"])

    def left(self, now: float) -> str:
        """How long it may still take; empty while nothing is known or left."""
        work = max(0.0, self.work - self.encoded.units)
        found = eta(self.encoded, self.ended, work, self.jobs_left, now - self.moved)
        return f"{spoken_range(*found)} left" if found and self.jobs_left else ""

    def _encoded_share(self) -> float:
        return min(1.0, self.encoded.units / self.work)  # a killed process encodes its last batch twice


def spoken(seconds: float) -> str:
    """A time as said aloud: under 10 s, 40 s, 4 min, 3 h 04 m."""
    if seconds < 10:
        return "under 10 s"
    if (tens := 10 * round(seconds / 10)) < 120:
        return f"{tens} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} m" if hours else f"{minutes} min"


def spoken_range(low: float, high: float) -> str:
    """Two times in seconds as one range: 4-6 min, 40 s to 3 min, up to 40 s; one time where they read the same."""
    if low < 10 <= high:
        return f"up to {spoken(high)}"
    first, last = spoken(low), spoken(high)
    if first == last:
        return last
    number, _, unit = first.partition(" ")
    same = unit in ("s", "min") and last.endswith(f" {unit}")
    return f"{number}-{last}" if same else f"{first} to {last}"


def _as_clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def clean(text: str) -> str:
    """Without control characters other than newline and tab, so that a name cannot steer the terminal."""
    return "".join(
        c if c in "\n\t" or c.isprintable() or unicodedata.category(c) == "Zs" else "\N{REPLACEMENT CHARACTER}"
        for c in text
    )


def _one_line(text: str) -> str:
    return clean(" ".join(text.splitlines()))
