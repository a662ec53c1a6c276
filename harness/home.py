"""What the store holds of one model: a folder of shelves, and a description for people and `harness cache`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.parts import describe, digest, identity, name_of
from harness.ragged import Ragged
from harness.shelf import Shelf
from harness.store import read_json, write_json
from harness.timing import versions
from harness.types import HarnessError


class Home:
    """The folder of one model, kind of device, set of library versions and dtype on disk.

    `part`: an encoder without its prompts, or a reranker. `several`: whether a text has several rows.
    """

    def __init__(self, store: Path, part: Any, device: str, dtype: str, several: bool = False) -> None:
        wanted = [identity(part), device.partition(":")[0], versions(), dtype]
        self.folder = store / "vectors" / digest(wanted)
        self.part = part
        self.device = device
        self.dtype = dtype
        self.several = several
        self._shelves: dict[str, Shelf] = {}
        self._dated = False
        self._described: set[str] = set()

    def shelf(self, name: str) -> Shelf:
        """The shelf of that name."""
        if name not in self._shelves:
            self._shelves[name] = (Ragged if self.several else Shelf)(self.folder / name, self.dtype)
        return self._shelves[name]

    def mark_used(self) -> None:
        """Date the vectors, once a process, so that old ones can be pruned."""
        today = datetime.now(UTC).date().isoformat()
        about = {} if self._dated else _read(self._about)
        if about and about.get("used") != today:
            write_json(self._about, about | {"used": today})
        self._dated = True

    def describe(self, names: Mapping[str, str]) -> None:
        """Say what the shelves are called, by name; identity never comes from here."""
        if names.keys() <= self._described and self._about.exists():
            return
        part, known = self.part, _read(self._about).get("poolings", {})
        label = getattr(part, "id", "") or Path(getattr(part, "path", "")).name or name_of(part)
        about = {"model": label, "encoder": describe(part), "device": self.device, "dtype": self.dtype}
        about |= {"poolings": known | dict(names), "versions": versions()}
        write_json(self._about, about | {"used": datetime.now(UTC).date().isoformat()})
        self._described |= names.keys()

    @property
    def _about(self) -> Path:
        return self.folder / "about.json"


def _read(path: Path) -> dict[str, Any]:
    """Empty where it is absent or damaged: it is for people alone."""
    try:
        return read_json(path)
    except HarnessError:
        return {}
