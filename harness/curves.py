"""Rates of indexing against batch size, a curve a model: what the page draws and tells of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from harness.disturbance import noisy_rows
from harness.measurements import series
from harness.report import Report
from harness.table import Row
from harness.types import Record


class Curve(NamedTuple):
    """A model's rates: one row a batch size, smallest first, of the eval set that it is slowest on; lost: why none.

    noisy: of which batch sizes the timing was disturbed.
    """

    name: str
    model: str
    rows: Sequence[Row]
    lost: Mapping[int, str]
    noisy: frozenset[int] = frozenset()

    @property
    def best(self) -> Row:
        """Of the sizes that fitted, if any did."""
        fitted = [row for row in self.rows if used_instead(row) is None] or self.rows
        return max(fitted, key=lambda row: row["docs_per_s"])

    @property
    def knee(self) -> Row | None:
        """None where noise may have put it there."""
        return None if self.doubtful else next((row for row in self.rows if row["knee"]), None)

    @property
    def doubtful(self) -> bool:
        """Whether a timing was disturbed, or rounds at the knee overlap those at the next smaller batch."""
        at = next((at for at, row in enumerate(self.rows) if row["knee"]), None)
        if at is None:
            return False
        knee, smaller = self.rows[at], self.rows[at - 1] if at else None
        return bool(self.noisy) or (smaller is not None and _high(smaller) >= _low(knee))

    @property
    def sizes(self) -> list[int]:
        """Batch sizes that were tried, ascending."""
        return sorted({*(row["batch_size"] or 0 for row in self.rows), *self.lost})


def _high(row: Row) -> float:
    return float(row["docs_per_s"] + (row["docs_per_s_spread"] or 0.0) / 2)


def _low(row: Row) -> float:
    return float(row["docs_per_s"] - (row["docs_per_s_spread"] or 0.0) / 2)


def curves_of(report: Report) -> list[Curve]:
    """One a model, pooling and what else its rate depends on; pipelines over it that are as fast are not repeated."""
    several = len({row["device"] for row in report.rows if row["device"]}) > 1
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in report.rows:
        if row["docs_per_s"] is not None:
            groups.setdefault(_called(row, several), []).append(row)
    lost = _lost(report.manifest, report.records, several)
    noisy = noisy_rows(report.manifest, report.records, "index")
    models = [model for model, _ in groups]
    found: dict[Any, Curve] = {}
    for (model, name), rows in groups.items():
        slowest = _slowest(rows)
        short = model if models.count(model) == 1 else name
        doubtful = {r["batch_size"] for r in slowest if (r["candidate_id"], r["task"], r["batch_size"]) in noisy}
        curve = Curve(short, model, slowest, lost.get(name, {}), frozenset(doubtful))
        found.setdefault((model, *((row["batch_size"], row["docs_per_s"]) for row in slowest)), curve)
    places: dict[str, int] = {}
    for entry in report.entries:
        places.setdefault(entry["model"], len(places))
    return sorted(found.values(), key=lambda curve: (places.get(curve.model, len(places)), curve.name))


def _called(labels: Mapping[str, Any], several: bool) -> tuple[str, str]:
    device = f" · {labels['device']}" if several and labels["device"] else ""
    return str(labels["model"]), series(labels) + device


def _slowest(rows: Iterable[Row]) -> list[Row]:
    """One row for each batch size, of the eval set whose best rate is the lowest; of several the least like float32."""
    sets: dict[str, dict[int, list[Row]]] = {}
    for row in rows:
        sets.setdefault(row["task"], {}).setdefault(row["batch_size"] or 0, []).append(row)
    slowest = min(sets.values(), key=lambda sizes: max(row["docs_per_s"] for same in sizes.values() for row in same))
    return [min(slowest[size], key=lambda row: row["parity_difference"] or 0.0) for size in sorted(slowest)]


def _lost(manifest: Mapping[str, Any], records: Mapping[str, Record], several: bool) -> dict[str, dict[int, str]]:
    """By curve and batch size: why a rate could not be measured."""
    found: dict[str, dict[int, str]] = {}
    for variant in manifest["variants"]:
        for kind, key in variant["timings"].items():
            record = records.get(key)
            if kind.startswith("index") and record is not None and record.status != "ok" and variant["batch_size"]:
                found.setdefault(_called(variant, several)[1], {})[variant["batch_size"]] = record.reason
    return found


def used_instead(row: Row) -> int | None:
    """The batch size that was used instead of the one asked for, where that did not fit."""
    used = row["batch_used"]
    return int(used) if used and row["batch_size"] and used < row["batch_size"] else None
