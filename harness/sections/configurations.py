"""Every configuration: a candidate at one batch size on one device, over all eval sets; failures with their reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from harness.agreement import agreement
from harness.candidates import candidate_of
from harness.page import fill
from harness.page.grid import Column, cell
from harness.report import Entry, Report
from harness.table import Row
from harness.wording import called, enumerated, metric, number, percent, score, searched, set_name, signed, whole


@dataclass(frozen=True)
class Configurations:
    """One line a configuration, best candidates first; sorted, filtered and widened in the browser, readable without.

    lean: how many of the lines a page shows that would be too large with all of them.
    """

    lean: int = 200
    position: ClassVar[int] = 60
    nav: ClassVar[str] = "All configurations"

    def render(self, report: Report) -> str:
        """The section; every sweep has one."""
        lines = _lines(report)
        shown = lines[: self.lean] if report.lean else lines
        remarks = sorted({w for line in shown for w in line.warnings})
        places = {remark: place for place, remark in enumerate(remarks, start=1)}
        basic, keys, faster = _basic(report), report.keys, any(map(agreement, report.rows))
        extra = [*([_AGREEMENT] if faster else []), *_extra(report), *(c for c in _WHERE_KNOWN if _any(c, lines))]
        looks, margin = _looks(shown, report.decision["pick"]), report.decision["policy"]["margin"]
        return fill(
            "configurations.html",
            lines=[
                _shown(line, look, margin, basic, extra)
                | {"key": keys.get(line.entry["id"], "") if line.entry else "", "remarks": _at(line, places)}
                for line, look in zip(shown, looks, strict=True)
            ],
            left_out=len(lines) - len(shown),
            basic=basic,
            extra=extra,
            faster=faster,
            remarks=remarks,
            lost=_lost(lines),
            published=report.published,
            notes=report.published_notes,
        )


class _Line(NamedTuple):
    """The rows of one configuration, one for each eval set, and its candidate's entry in the decision."""

    label: str
    entry: Entry | None
    rows: Sequence[Row]

    @property
    def finished(self) -> bool:
        return all(row["status"] == "ok" for row in self.rows)

    @property
    def warnings(self) -> list[str]:
        return sorted({warning for row in self.rows for warning in row["warnings"]})

    def of_entry(self, *keys: str) -> Any:
        """A value of the entry, by a path of keys; None where the configuration did not finish or has none."""
        value: Any = self.entry if self.finished else None
        for key in keys:
            value = value.get(key) if value else None
        return value

    def known(self, key: str) -> list[Any]:
        return [row[key] for row in self.rows if row[key] is not None]


def _lines(report: Report) -> list[_Line]:
    entries = {e["id"]: e for e in report.entries}
    places = {e["id"]: place for place, e in enumerate(report.entries)}
    several = len({row["device"] for row in report.rows if row["device"]}) > 1
    found = []
    for rows in report.configurations:
        candidate, batch, device = candidate_of(rows[0]), rows[0]["batch_size"], rows[0]["device"]
        label = f"{called(rows[0])} · {device}" if several and device else called(rows[0])
        line = _Line(label, entries.get(candidate), rows)
        place = (not line.finished, places.get(candidate, len(places)), batch or 0, str(device))
        found.append((place, label, line))
    return [line for *_, line in sorted(found, key=lambda known: known[:2])]


def _basic(report: Report) -> list[Column]:
    """What is shown at once; the reason comes after these."""
    name = metric(report.decision["metric"])
    several = len(report.decision["evalsets"]) > 1
    return [
        Column("Batch", "ascending", str, lambda line: line.rows[0]["batch_size"] or None),
        Column(f"Weighted mean {name}" if several else name, "descending", score, _decided("score")),
        Column("Difference", "descending", signed, _decided("difference")),
        Column("At worst", "descending", signed, _decided("lower")),
        Column("p95 (ms)", "ascending", number, _decided("costs", "query_p95_ms")),
        Column("B/doc", "ascending", whole, _decided("costs", "bytes_per_doc")),
        Column("docs/s", "descending", number, _least("docs_per_s")),
        Column("Judged@10", "descending", percent, _least("judged_at_10")),
    ]


def _extra(report: Report) -> list[Column]:
    """What a reader can add."""
    sets = report.manifest["evalsets"]
    own = [(set_name(task, about["sample"]), task) for task, about in sets.items() if len(sets) > 1]
    means = ("recall_at_10", "recall_at_100", "mrr_at_10")
    return [
        *(Column(heading, "descending", score, _of_set(task)) for heading, task in own),
        *(Column(metric(key), "descending", score, _mean(report, key)) for key in means),
        Column("p50 (ms)", "ascending", number, _most("query_p50_ms")),
        Column("p99 (ms)", "ascending", number, _most("query_p99_ms")),
        Column("Index bytes", "ascending", whole, _most("index_bytes")),
        Column("tokens/s", "descending", number, _least("tokens_per_s")),
        Column("Cost per million documents", "ascending", number, _decided("costs", "cost_per_million_docs")),
        Column("Cost per million queries", "ascending", number, _decided("costs", "cost_per_million_queries")),
        *(Column(heading, order, write, _decided(key)) for heading, key, order, write in _COMPARED),
        Column("Overlap@10", "descending", score, _least("overlap_at_10")),
        Column("Device", "ascending", None, lambda line: line.rows[0]["device"]),
        Column("Candidate id", "ascending", None, lambda line: line.rows[0]["candidate_id"]),
    ]


_COMPARED = (
    ("p (Holm)", "p_value", "ascending", score), ("Effect (sd)", "effect", "descending", signed),
    ("Wins", "wins", "descending", whole), ("Ties", "ties", "descending", whole),
    ("Losses", "losses", "ascending", whole), ("Detectable", "detectable", "ascending", score),
    ("Verdict", "verdict", "ascending", None),
)  # fmt: skip


_Value = Callable[[_Line], Any]


def _decided(*keys: str) -> _Value:
    return lambda line: line.of_entry(*keys)


def _least(key: str) -> _Value:
    return lambda line: min(line.known(key), default=None)


def _most(key: str) -> _Value:
    return lambda line: max(line.known(key), default=None)


def _of_set(task: str) -> _Value:
    return lambda line: next((row["main_score"] for row in line.rows if row["task"] == task), None)


def _mean(report: Report, key: str) -> _Value:
    """Weighted over the searched sets, as the score is over all; None where one of them has no value."""
    about = report.decision["evalsets"]

    def mean(line: _Line) -> float | None:
        known = [(about[row["task"]]["share"], row[key]) for row in line.rows if searched(row["task_type"])]
        total = sum(share for share, _ in known)
        if not total or any(value is None for _, value in known):
            return None
        return float(sum(share * value for share, value in known) / total)

    return mean


def _agreement(line: _Line) -> str | None:
    """Of a faster path; over several eval sets, where its cosine is lowest."""
    told = [(row["parity_cosine"] or -1.0, text) for row in line.rows if (text := agreement(row))]
    return min(told)[1] if told else None


_AGREEMENT = Column("Against float32", "descending", None, _agreement)
_WHERE_KNOWN = (
    Column("Peak memory (MB)", "ascending", whole, _most("peak_rss_mb")),
    Column("Peak GPU memory (MB)", "ascending", whole, _most("peak_vram_mb")),
    Column("Model (MB)", "ascending", whole, _most("model_mb")),
    Column("First query (ms)", "ascending", number, _most("first_query_ms")),
    Column("Served queries/s", "descending", number, _least("serve_rate_per_s")),
    Column("p99 when served (ms)", "ascending", number, _most("serve_p99_ms")),
    Column("Joules per query", "ascending", number, _most("joules_per_query")),
    Column("Joules per document", "ascending", number, _most("joules_per_doc")),
)


def _any(column: Column, lines: Sequence[_Line]) -> bool:
    return any(column.value(line) is not None for line in lines)


def _at(line: _Line, places: dict[str, int]) -> list[int]:
    return [places[warning] for warning in line.warnings]


def _looks(lines: Sequence[_Line], pick: str | None) -> list[str]:
    """How each row looks: of the pick, of what did not finish, of the candidate of the row above."""
    found, before = [], None
    for line in lines:
        own = line.entry["id"] if line.entry else None
        look = "lost" if not line.finished else "chosen" if own is not None and own == pick else ""
        found.append(f"{look} again".strip() if own is not None and own == before else look)
        before = own
    return found


def _shown(line: _Line, look: str, margin: float, basic: Sequence[Column], extra: Sequence[Column]) -> dict[str, Any]:
    chosen = look.startswith("chosen")
    return {
        "label": line.label,
        "passes": line.of_entry("difference") is not None,
        "chosen": chosen,
        "look": look,
        "basic": [_cell(column, line) for column in basic],
        "why_not": _why_not(line, chosen, margin),
        "extra": [_cell(column, line) for column in extra],
    }


def _cell(column: Column, line: _Line) -> tuple[str, str]:
    """What is written, nothing where there is no value, and the number behind it where that says more."""
    found = cell(column, line)
    return ("", "") if column.value(line) is None else (found.text, found.exact)


def _why_not(line: _Line, chosen: bool, margin: float) -> str:
    if line.finished:
        return "the pick" if chosen else _short(line.entry, margin) if line.entry else ""
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in line.rows:
        if row["status"] != "ok":
            state = "" if row["status"] == "missing" else row["status"]
            reasons.setdefault((state, row["reason"]), []).append(set_name(row["task"], row["sample"]))
    several = len(line.rows) > 1
    return "; ".join(
        ": ".join(text for text in (state + (f" on {enumerated(sets)}" if several else ""), reason) if text.strip())
        for (state, reason), sets in reasons.items()
    )


def _short(entry: Entry, margin: float) -> str:
    """Why an entry is not the pick, without the number that stands in the column At worst."""
    outside = entry["difference"] is not None and not entry["proven"] and entry["lower"] <= -margin
    return "not within the margin" if outside else str(entry["why_not"])


def _lost(lines: Sequence[_Line]) -> list[tuple[str, str, list[str]]]:
    """What did not finish, by what happened: state, reason, labels; the most frequent first."""
    found: dict[tuple[str, str], list[str]] = {}
    for line in lines:
        for state, reason in sorted({(r["status"], r["reason"]) for r in line.rows if r["status"] != "ok"}):
            found.setdefault((state, reason), []).append(line.label)
    ordered = sorted(found.items(), key=lambda known: (-len(known[1]), known[0]))
    return [(state, reason, list(dict.fromkeys(labels))) for (state, reason), labels in ordered]
