"""What a person sees while a sweep runs: exact lines without a terminal, a clean screen with one."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from typing import Any

import pytest

from harness.progress import Lines, Live, Pace, Plain, Watch, clean, eta, spoken, spoken_range, watch_for


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    """A stream that is a terminal, and what stands on its screen."""

    def isatty(self) -> bool:
        return True

    def screen(self) -> list[str]:
        lines, row, column = [""], 0, 0
        for piece in re.findall(r"\x1b\[\??[\d;]*[A-Za-z]|[^\x1b]", self.getvalue()):
            if piece == "\n":
                row, column = row + 1, 0
                lines += [""] * (row == len(lines))
            elif piece == "\r":
                column = 0
            elif piece == "\x1b[2K":
                lines[row] = ""
            elif re.fullmatch(r"\x1b\[\d+A", piece):
                row -= int(piece[2:-1])
            elif len(piece) == 1:
                lines[row] = lines[row][:column].ljust(column) + piece + lines[row][column + 1 :]
                column += 1
            else:
                assert piece[-1] in "mhl", piece
        return [line.rstrip() for line in lines]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    return Terminal()


def shows_cursor(terminal: Terminal) -> bool:
    text = terminal.getvalue()
    return text.rfind("\x1b[?25h") >= text.rfind("\x1b[?25l")


def some_events(watch: Watch, clock: Clock) -> None:
    """Half of the encoding in 100 s, a job that ends and two that do not come to a score."""
    watch.say("3 candidates on helpdesk")
    watch.expect("scoring", 4, 2000)
    for _ in range(10):
        clock.now += 10
        watch.advance(100)
        watch.tick()
    watch.finished("bm25 on helpdesk: ndcg_at_10 0.5000", "ok")
    watch.finished("mini on helpdesk: FAILED out of memory", "failed")
    watch.finished("mini · 999 on helpdesk: SKIPPED it has 384 dimensions", "skipped")
    clock.now += 25
    watch.tick()


def test_without_a_terminal_there_are_permanent_lines_and_heartbeats_and_nothing_else() -> None:
    stream, clock = io.StringIO(), Clock()
    with watch_for(stream, plain=False, clock=clock) as watch:
        some_events(watch, clock)
    # At 60 s: 1400 characters left at 10 a second are 140 s, and 0.2 s at most for each of 4 jobs; 35 % either way.
    assert stream.getvalue().splitlines() == [
        "3 candidates on helpdesk",
        "scoring: 0 done of 4 · encoded 30 % · 1:00 elapsed · 90 s to 3 min left",
        "bm25 on helpdesk: ndcg_at_10 0.5000",
        "mini on helpdesk: FAILED out of memory",
        "mini · 999 on helpdesk: SKIPPED it has 384 dimensions",
        "scoring: 1 done, 1 failed, 1 skipped of 4 · encoded 50 % · 2:05 elapsed · 50-100 s left",
    ]


def test_a_heartbeat_comes_at_most_once_a_minute_and_only_while_something_is_to_be_done() -> None:
    stream, clock = io.StringIO(), Clock()
    watch = Plain(stream, clock)
    for _ in range(600):  # no phase yet: the plan's probes run so
        clock.now += 0.5
        watch.tick()
    assert stream.getvalue() == ""
    watch.expect("timing", 2, 0)
    for _ in range(359):
        clock.now += 0.5
        watch.tick()
    assert stream.getvalue().splitlines() == [f"timing: 0 done of 2 · {m}:00 elapsed" for m in (1, 2)]
    watch.finished("a", "ok")
    watch.finished("b", "ok")
    clock.now += 600
    watch.tick()
    assert stream.getvalue().splitlines()[2:] == ["a", "b"]


def test_plain_wins_over_a_terminal_and_a_terminal_gets_the_live_display(terminal: Terminal) -> None:
    assert type(watch_for(terminal, plain=True)) is Plain
    assert type(watch_for(terminal, plain=False)) is Live
    assert type(watch_for(io.StringIO(), plain=False)) is Plain


def test_live_shows_what_ended_above_one_bar_and_one_line_of_counts(terminal: Terminal) -> None:
    clock = Clock()
    watch = Live(terminal, clock)
    some_events(watch, clock)
    *above, bar, counts = terminal.screen()
    assert above == [
        "3 candidates on helpdesk",
        "bm25 on helpdesk: ndcg_at_10 0.5000",
        "mini on helpdesk: FAILED out of memory",
        "mini · 999 on helpdesk: SKIPPED it has 384 dimensions",
    ]
    # 66 of 80 columns are bar; 0.9 x 1000/2000 characters and 0.1 x 3/4 jobs fill 34.65 of them.
    assert bar == "━" * 34 + "╸" + "━" * 31 + " 50-100 s left"
    assert counts == "scoring: 1 done, 1 failed, 1 skipped of 4 · encoded 50 % · 2:05 elapsed"


def test_live_leaves_the_permanent_lines_alone_on_the_screen_and_the_cursor_visible(terminal: Terminal) -> None:
    clock = Clock()
    with Live(terminal, clock) as watch:
        some_events(watch, clock)
        watch.expect("timing", 1, 0)
        watch.finished("timed search: mini on helpdesk", "ok")
    watch.close()
    watch.say("and what comes after")
    lines = [line for line in terminal.screen() if line]
    assert lines[-2:] == ["timed search: mini on helpdesk", "and what comes after"] and len(lines) == 6
    assert shows_cursor(terminal)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_live_is_closed_by_an_exception_and_by_ctrl_c(terminal: Terminal, error: type[BaseException]) -> None:
    def sweep() -> None:
        with Live(terminal, Clock()) as watch:
            watch.expect("scoring", 2, 100)
            watch.finished("one", "ok")
            raise error

    with pytest.raises(error):
        sweep()
    assert [line for line in terminal.screen() if line] == ["one"] and shows_cursor(terminal)


def test_a_process_that_is_killed_has_not_hidden_the_cursor(terminal: Terminal) -> None:
    Live(terminal, Clock()).expect("scoring", 2, 100)
    assert "scoring: 0 done of 2" in terminal.screen()[-1] and shows_cursor(terminal)


def test_live_shows_a_failure_before_any_tick(terminal: Terminal) -> None:
    watch = Live(terminal, Clock())
    watch.expect("scoring", 2, 100)
    watch.finished("mini: FAILED killed (SIGKILL); log results/s/logs/mini.log", "failed")
    assert terminal.screen()[0] == "mini: FAILED killed (SIGKILL); log results/s/logs/mini.log"


def test_live_draws_no_more_than_five_times_a_second_however_often_it_is_called(terminal: Terminal) -> None:
    clock = Clock()
    watch = Live(terminal, clock)
    watch.expect("scoring", 1000, 100)
    before = len(terminal.getvalue())
    for _ in range(100):
        clock.now += 0.001
        watch.tick()
    assert len(terminal.getvalue()) == before
    clock.now += 0.2
    watch.tick()
    assert len(terminal.getvalue()) > before


def test_nothing_to_do_shows_no_bar(terminal: Terminal) -> None:
    with Live(terminal, Clock()) as watch:
        watch.expect("scoring", 0, 0)
        watch.tick()
    assert terminal.getvalue() == ""


def test_a_phase_without_jobs_after_one_with_jobs_is_drawn_too(terminal: Terminal) -> None:
    watch = Live(terminal, Clock())
    watch.expect("scoring", 1, 10)
    watch.expect("scoring", 0, 0)
    assert terminal.screen()[-1] == "scoring: 0 done of 0 · 0:00 elapsed"


def test_no_color_takes_the_colour_and_leaves_the_words(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing() -> Terminal:
        shown = Terminal()
        Live(shown, Clock()).finished("mini: FAILED", "failed")
        return shown

    coloured = failing()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[31m" in coloured.getvalue() and "\x1b[31m" not in failing().getvalue()
    assert coloured.screen() == failing().screen() == ["mini: FAILED", ""]


@pytest.mark.parametrize("kind", [Plain, Live])
def test_a_name_can_neither_steer_the_terminal_nor_colour_it_nor_forge_a_line(kind: Any, terminal: Terminal) -> None:
    watch = kind(terminal, Clock())
    watch.finished("\x1b[2J[red]evil[/red] :boom:\x07\r\nharness: all is well\x9b1A \u202eabc", "ok")
    watch.say("[bold]x\x00\udc80")
    assert terminal.getvalue() == (
        "\ufffd[2J[red]evil[/red] :boom:\ufffd harness: all is well\ufffd1A \ufffdabc\n[bold]x\ufffd\ufffd\n"
    )


def test_clean_keeps_every_script_and_every_space() -> None:
    text = "bge · größe 模型\u3000x 1\u202f000\u00a0B\tcell\nline 😀"
    assert clean(text) == text
    assert clean("a\x1b\x7f\x85\u2028\u200e\u202eb") == "a" + "\ufffd" * 6 + "b"


def test_lines_keeps_what_is_permanent_and_takes_everything_else() -> None:
    lines: list[str] = []
    with Lines(lines) as watch:
        some_events(watch, Clock())
    assert [line.split()[0] for line in lines] == ["3", "bm25", "mini", "mini"]


def steady(units: float, seconds: float) -> Pace:
    return Pace(units, seconds, units, seconds)


@pytest.mark.parametrize(
    ("done", "expected"),
    [
        (100, (49.5, 130.5)),  # 90 s to go, nine tenths of the time: 45 % either way
        (500, (37.5, 62.5)),  # 50 s, half of the time: 25 %
        (900, (9.5, 10.5)),  # 10 s, a tenth of the time: 5 %
    ],
)
def test_a_steady_encoding_is_foreseen_ever_more_closely(done: float, expected: tuple[float, float]) -> None:
    assert eta(steady(done, done / 10), Pace(), 1000 - done, 0) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("encoded", "ended", "work_left"),
    [
        (Pace(), Pace(), 100),  # nothing was done
        (steady(50, 4.9), Pace(), 100),  # too short
        (Pace(), steady(3, 60), 100),  # jobs ended, but no text was encoded and some must be
        (Pace(), Pace(), 0),  # jobs to do, and none has ended
    ],
)
def test_without_evidence_nothing_is_foreseen(encoded: Pace, ended: Pace, work_left: float) -> None:
    assert eta(encoded, ended, work_left, 5) is None


def test_the_rate_of_late_is_one_end_and_that_of_all_the_time_the_other() -> None:
    found = eta(Pace(1000, 100, 100, 20), Pace(), 500, 0)  # 50 s at the one, 100 s at the other; 75 of 175 s to go
    margin = 0.5 * 75 / 175
    assert found == pytest.approx((50 * (1 - margin), 100 * (1 + margin)))


def test_after_encoding_the_rate_of_jobs_counts_alone() -> None:
    found = eta(steady(1e6, 900), steady(10, 100), 0, 10)  # 10 jobs of 10 s; 100 of 1100 s to go
    assert found == pytest.approx((100 * (1 - 1 / 22), 100 * (1 + 1 / 22)))


def test_what_jobs_cost_is_a_guess_until_one_has_ended() -> None:
    low, high = eta(steady(500, 50), Pace(), 500, 20)  # 50 s of encoding, and 0 to 4 s for the jobs
    margin = 0.5 * 52 / 102
    assert (low, high) == pytest.approx((50 * (1 - margin), 54 * (1 + margin)))


def test_a_silence_counts_down_and_then_lasts_as_long_again() -> None:
    assert eta(steady(500, 50), Pace(), 500, 0, silence=10) == pytest.approx((27.5, 52.5))
    assert eta(steady(500, 50), Pace(), 500, 0, silence=100) == (0, 100)


def test_a_minute_halves_what_lies_before_it() -> None:
    pace = Pace().plus(600, 60).plus(60, 60)
    assert pace == pytest.approx((660, 120, 360, 90))
    assert pace.needed(66) == pytest.approx((12, 16.5))


def test_a_night_of_silence_leaves_a_rate() -> None:
    assert Pace().plus(600, 60).plus(1, 1e6).needed(1) == pytest.approx((1000060 / 601, 1e6))


def test_more_than_was_expected_is_all_and_not_more(terminal: Terminal) -> None:
    clock = Clock()
    watch = Plain(terminal, clock)
    watch.expect("scoring", 1, 100)
    clock.now += 60
    watch.advance(0)  # a batch of empty texts
    watch.advance(120)  # a killed process encoded one batch twice
    watch.tick()
    assert terminal.getvalue() == "scoring: 0 done of 1 · encoded 100 % · 1:00 elapsed · under 10 s left\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "under 10 s"), (9.9, "under 10 s"), (10, "10 s"), (44, "40 s"), (59, "60 s"), (114, "110 s"),
        (116, "2 min"), (240, "4 min"), (3569, "59 min"), (3571, "1 h 00 m"), (11040, "3 h 04 m"), (180000, "50 h 00 m"),
    ],
)  # fmt: skip
def test_a_time_is_spoken_as_a_person_says_it(seconds: float, text: str) -> None:
    assert spoken(seconds) == text


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (240, 360, "4-6 min"), (20, 40, "20-40 s"), (2, 8, "under 10 s"), (3, 40, "up to 40 s"), (238, 243, "4 min"),
        (60, 180, "60 s to 3 min"), (3600, 18000, "1 h 00 m to 5 h 00 m"), (3000, 4000, "50 min to 1 h 07 m"),
    ],
)  # fmt: skip
def test_a_range_is_spoken_as_a_person_says_it(low: float, high: float, text: str) -> None:
    assert spoken_range(low, high) == text


def test_rich_is_imported_for_the_live_display_alone() -> None:
    script = "import io, sys; from harness.progress import *; watch_for(io.StringIO(), True); sys.exit('rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
