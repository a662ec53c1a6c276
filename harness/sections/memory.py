"""What each candidate takes in memory, beside the limits: the model, a process that serves it, the index."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from harness.page import fill
from harness.page.grid import Column, grid
from harness.report import Entry, Report
from harness.wording import enumerated, limit, size, whole


@dataclass(frozen=True)
class Memory:
    """One line a candidate, the `most` best and the pick, with the limits that each is over."""

    most: int = 40
    position: ClassVar[int] = 58
    nav: ClassVar[str] = ""

    def render(self, report: Report) -> str:
        """The section, empty where no peak and no size of a model was measured."""
        pick, keys = report.decision["pick"], report.keys
        entries = [e for e in report.entries if e["score"] is not None]
        if not any(_held(e, key) is not None for e in entries for key in ("memory_mb", "vram_mb", "model_mb")):
            return ""
        shown = [e for at, e in enumerate(entries) if at < self.most or e["id"] == pick]
        lines = grid(
            _columns(report.decision["policy"]["limits"]),
            [(e, e["id"] == pick) for e in shown],
            lambda line: keys[line[0]["id"]],
            lambda line: "chosen" if line[1] else "",
        )
        return fill("memory.html", grid=lines, left_out=len(entries) - len(shown))


_KINDS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "model_mb": ("Model (MB)", whole),
    "memory_mb": ("Peak memory (MB)", whole),
    "vram_mb": ("Peak GPU memory (MB)", whole),
    "index_bytes": ("Index", size),
}


def _held(entry: Entry, key: str) -> float | None:
    value: float | None = entry["costs"].get(key)
    return value


def _columns(limits: Mapping[str, Any]) -> list[Column]:
    """Each kind of memory with its limit in the heading, and in words which are over."""
    given = {key: limits[key] for key in _KINDS if limits.get(key) is not None}

    def over(line: tuple[Entry, bool]) -> str | None:
        known = ((key, _held(line[0], key), most) for key, most in given.items())
        return enumerated([limit(key) for key, value, most in known if value is not None and value > most]) or None

    kinds = [
        Column(
            f"{name}, limit {write(given[key])}" if key in given else name,
            "ascending",
            write,
            lambda line, key=key: _held(line[0], key),  # type: ignore[misc]
        )
        for key, (name, write) in _KINDS.items()
    ]
    return [
        Column("Configuration", "ascending", None, _name),
        *kinds,
        Column("Over its limit", "ascending", None, over),
    ]


def _name(line: tuple[Entry, bool]) -> str:
    entry, chosen = line
    return f"▶ {entry['label']}" if chosen else str(entry["label"])
