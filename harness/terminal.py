"""What a person reads in the terminal: plain text from values; nothing is printed here."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from harness.launch import shipped, yamls
from harness.markdown import plain, table
from harness.progress import clean, spoken
from harness.table import KEYS, MORE, Row
from harness.types import HarnessError, Note
from harness.wording import counted, inert, limit, metric, set_name, signed

_TEXT_COLUMNS = {
    "task": "eval set", "model": "model", "retriever": "retriever", "pooling": "pooling", "dim": "dim",
    "quantization": "quant.", "index": "index", "reduction": "reduction", "prompt": "prompt", "chunking": "chunking",
    "device": "device", "batch_size": "batch", "main": "metric", "main_score": "score",
    "ndcg_at_10": "nDCG@10", "recall_at_10": "R@10",
    "recall_at_100": "R@100", "mrr_at_10": "MRR@10", "map_at_100": "MAP@100", "judged_at_10": "judged",
    "overlap_at_10": "overlap", "query_p50_ms": "p50 ms", "query_p95_ms": "p95 ms", "docs_per_s": "docs/s",
    "bytes_per_doc": "B/doc", "status": "status",
}  # fmt: skip
_WHERE_THEY_VARY = ("retriever", "index", "reduction", "prompt", "chunking", "device")
_PUBLISHED, _BEST = 3, 8  # shown at the end of a run
_GUARDED = ("=", "+", "-", "@")


def write_table(rows: Sequence[Row], form: str, path: Path | None) -> str:
    """Rows as text, md, csv, jsonl or parquet; written to `path` if given (then the result is empty), else returned."""
    if form == "parquet" and path is None:
        raise HarnessError("table --format parquet needs -o FILE")
    try:
        if form in ("csv", "parquet"):
            return _frame(rows, form, path)
        text = {"text": _aligned, "md": _markdown, "jsonl": _jsonl}[form](rows)
        if path is None:
            return text
        path.write_text(text + "\n", encoding="utf-8", errors="replace")
    except OSError as error:
        raise HarnessError(f"{path} cannot be written ({error.strerror or error})") from error
    return ""


def _jsonl(rows: Sequence[Row]) -> str:
    return "\n".join(json.dumps({k: _finite(row[k]) for k in KEYS + MORE}) for row in rows)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _frame(rows: Sequence[Row], form: str, path: Path | None) -> str:
    import pandas as pd

    frame = pd.DataFrame([{k: row[k] for k in KEYS + MORE} for row in rows], columns=list(KEYS + MORE))
    frame["warnings"] = ["; ".join(w) for w in frame["warnings"]]
    frame["dim"] = [None if row["dim"] is None else str(row["dim"]) for row in rows]
    frame = frame.astype({"batch_size": "Int64", "queries": "Int64"})  # whole numbers also beside cells without one
    if form == "parquet":
        frame.to_parquet(path)
        return ""
    text = frame.map(guarded).to_csv(path, index=False)
    return (text or "").rstrip("\n")


def guarded(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula gets a quote in front; numbers never do."""
    if not isinstance(value, str) or value in ("", "-"):
        return value
    text = value.replace("\r\n", "\n").replace("\r", "\n")  # the csv module leaves a lone carriage return unquoted
    return inert(f"'{text}" if text[0] in _GUARDED or text[0] < " " else text)


def _cells(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    elsewhere = all(row["main"] in _TEXT_COLUMNS for row in rows if row["main_score"] is not None)
    named = [k for k in _TEXT_COLUMNS if not (elsewhere and k in ("main", "main_score"))]
    shown = [k for k in named if _tells(k, [row[k] for row in rows])]
    return [_TEXT_COLUMNS[k] for k in shown], [[_cell(k, row) for k in shown] for row in rows]


def _tells(key: str, values: Sequence[Any]) -> bool:
    """Whether a column says anything; of what is the same in most sweeps, only where the rows differ in it."""
    if key == "status":
        return any(value != "ok" for value in values)
    known = {str(value) for value in values if value not in (None, "-")}
    return len(known) > 1 if key in _WHERE_THEY_VARY else any(value is not None for value in values)


def _cell(key: str, row: Row) -> str:
    value = row[key]
    if key == "status" and row["reason"]:
        return inert(" ".join(f"{value}: {row['reason']}".split()))
    if value is None:
        return ""
    if key == "task":
        value = set_name(str(value), row["sample"])
    if key == "main":
        value = metric(value)
    if isinstance(value, float):
        if key in ("docs_per_s", "bytes_per_doc"):
            return f"{value:.0f}"
        return f"{value:.2f}" if key.endswith("_ms") else f"{value:.4f}"
    return inert(" ".join(str(value).splitlines()))


def _aligned(rows: Sequence[Row]) -> str:
    head, body = _cells(rows)
    return columns(head, body)


def columns(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A table in plain text: numbers to the right, words to the left."""
    widths = [max(len(row[i]) for row in [head, *body]) for i in range(len(head))]
    numeric = [all(_is_number(row[i]) for row in body) for i in range(len(head))]
    lines = [
        "  ".join(c.rjust(w) if n else c.ljust(w) for c, w, n in zip(row, widths, numeric, strict=True))
        for row in [head, *body]
    ]
    return "\n".join(line.rstrip() for line in lines)


def _is_number(cell: str) -> bool:
    return not cell or cell.lstrip("-").replace(".", "", 1).isdigit()


def _markdown(rows: Sequence[Row]) -> str:
    head, body = _cells(rows)
    return table([plain(name) for name in head], [[plain(cell) for cell in line] for line in body])


def summary(
    outcome: Any, decision: Mapping[str, Any], paths: Sequence[Path], words: str, published: Sequence[Row] = ()
) -> str:
    """The end of a run: counts, the candidates that matter, the pick, what others published, failures, paths."""
    counts = f"{outcome.done} done, {outcome.failed} failed, {outcome.skipped} skipped"
    work = f"{outcome.computed} computed, {outcome.encoded} texts encoded" if outcome.computed else "nothing computed"
    failed = _lost([c for c in decision["candidates"] if c["score"] is None])
    if outcome.failed:
        failed.append(f"          try these again: harness run {words} retry=failed")
        failed.append(f"          what they wrote last: {outcome.folder / 'logs'}")
    names = ("Report", "Decision", "")
    where = [f"{name:10} {path}" for name, path in zip(names, paths, strict=True)]
    return "\n".join(
        [
            f"Sweep {outcome.folder.name} finished in {spoken(outcome.seconds)}: {counts} ({work})",
            decision_text(decision),
            *_summary_lines(decision["summary"]),
            *_published(published, decision["sweep"]),
            *failed,
            *where,
        ]
    )


def _summary_lines(found: Mapping[str, Any]) -> list[str]:
    """Who leads over all tasks by which count; nothing where there is one eval set."""
    if not found:
        return []
    tasks, types = sum(map(len, found["types"].values())), len(found["types"])
    leads: dict[str, list[str]] = {}
    for key, name in (("mean_task", "mean by task"), ("mean_type", "mean by type")):
        known = [line for line in found["lines"] if line[key] is not None]
        for best in sorted(known, key=lambda line: -line[key])[:1]:
            leads.setdefault(best["label"], []).append(f"{name} {best[key]:.4f}")
    leads.setdefault(found["lines"][0]["label"], []).append("Borda rank 1")
    named = "; ".join(f"{label} ({', '.join(counts)})" for label, counts in leads.items())
    mind = ". Read what to mind about these on the page" if found["warnings"] else ""
    return [f"Summary    {counted(tasks, 'task')} of {counted(types, 'type')}: {named}{mind}"]


def _published(rows: Sequence[Row], sweep: str) -> list[str]:
    """The best published results on each public set, which were not measured here and decide nothing."""
    lines = []
    for task in dict.fromkeys(row["task"] for row in rows):
        own = [row for row in rows if row["task"] == task]
        best = ", ".join(f"{row['model']} {row['main_score']:.4f}" for row in own[:_PUBLISHED])
        more = f" and {len(own) - _PUBLISHED} more: harness table {sweep}" if len(own) > _PUBLISHED else ""
        lines.append(f"Published  {task}: {best}{more} (not run here, never decided on)")
    return lines


def _lost(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Candidates without a result, one line for each reason."""
    by_reason: dict[str, list[str]] = {}
    for entry in entries:
        by_reason.setdefault(entry["why_not"], []).append(entry["label"])
    return [
        f"  {len(labels)} x {reason}  ({', '.join(labels[:3])}{' ...' if len(labels) > 3 else ''})"
        for reason, labels in by_reason.items()
    ]


def label_in(decision: Mapping[str, Any], candidate_id: str) -> str:
    """The label of a candidate of the decision."""
    return next(str(c["label"]) for c in decision["candidates"] if c["id"] == candidate_id)


def decision_text(decision: Mapping[str, Any]) -> str:
    """The candidates that meet the limits, best first, the pick marked, and the sentence of the decision."""
    entries = [c for c in decision["candidates"] if c["difference"] is not None]
    head = ["", "configuration", metric(decision["metric"]), "vs reference [at worst]", "p95 ms", "B/doc"]
    own = (decision["pick"], decision["reference"])
    body = [_entry(c, decision) for i, c in enumerate(entries) if i < _BEST or c["id"] in own]
    left = len(entries) - len(body)
    lines = [_meeting(decision, len(body)), columns(head, body)] if body else []
    if left > 0:
        lines.append(f"   and {left} more: harness table {decision['sweep']}")
    return "\n".join([*lines, *_out(decision), decision["sentence"], *(f"! {c}" for c in decision["caveats"])])


def _meeting(decision: Mapping[str, Any], shown: int) -> str:
    """How many meet the limits, and which of them follow."""
    within, finished = decision["funnel"]["within_limits"], decision["funnel"]["with_result"]
    few = f"the best {_BEST}{', pick and reference' if shown > _BEST else ''}" if shown < within else "best first"
    return f"Within every limit: {within} of {counted(finished, 'candidate')} with a result; {few}:"


def _out(decision: Mapping[str, Any]) -> list[str]:
    """How many are out because of which limit, and each that is out by its bound alone; nothing where none is."""
    out = [c["breaches"] for c in decision["candidates"] if c["score"] is not None and c["breaches"]]
    told = []
    for key, value in decision["policy"]["limits"].items():
        found = [text for texts in out for text in texts if text.startswith(limit(key))]
        unknown = sum(": not known" in text for text in found)
        known = f", not known for {unknown}" if unknown else ""
        told += [f"{limit(key, value)} ({len(found)}{known})"] if found else []
    near = [f"  {one['label']}: {one['text']}" for one in decision["borderline"]]
    return [f"{len(out)} out: {'; '.join(told)}", *near] if out else []


def _entry(c: Mapping[str, Any], decision: Mapping[str, Any]) -> list[str]:
    versus = "reference" if c["id"] == decision["reference"] else f"{signed(c['difference'])} [{signed(c['lower'])}]"
    p95 = c["costs"]["query_p95_ms"]
    mark = "\u25b6" if c["id"] == decision["pick"] else ""
    cost = c["costs"]["bytes_per_doc"]
    costs = ["" if p95 is None else f"{p95:.2f}", "" if cost is None else f"{cost:.0f}"]
    return [mark, c["label"], f"{c['score']:.4f}", versus, *costs]


def findings(head: str, notes: Sequence[Note], unchecked: Sequence[str]) -> str:
    """The data doctor's findings: errors, then warnings, then information, and what was not checked."""
    order = {"error": 0, "warning": 1, "info": 2}
    lines = [head]
    for note in sorted(notes, key=lambda n: order.get(n.level, 3)):
        where = f" at {note.place}" if note.place and not note.message.startswith(note.place) else ""
        lines.append(f"{note.level:8} {note.code}{where}: {note.message}")
        told = (("example", note.example), ("effect", note.effect), ("fix", note.fix))
        lines += [f"         {name}: {text}" for name, text in told if text]
    return clean("\n".join([*lines, "not checked:", *(f"  - {one}" for one in unchecked)]))


def run_help() -> str:
    """Every option of `harness run` with its default and one line, from configs/config.yaml and its groups."""
    text = (shipped("configs") / "config.yaml").read_text(encoding="utf-8")
    options = [line for line in text.splitlines() if line and not line.startswith((" ", "defaults", "hydra"))]
    lines = ["groups: NAME chooses a YAML, NAME.KEY=VALUE sets one of its values (policy.margin=0.01, model.path=DIR)"]
    for default in yaml.safe_load(text)["defaults"]:
        for name, value in default.items() if isinstance(default, dict) else ():
            if not name.startswith("override "):
                lines.append(_group_line(name.removeprefix("optional "), value))
    lines += ["", "single values:", *(f"  {option}" for option in options), *_keys_of("executor", "local")]
    usage = "usage: harness run [OPTION=VALUE ...]   several values, comma-separated, are a sweep"
    more = "--cfg job prints the composed configuration; --json prints the decision; --plain shows progress as lines.\n"
    more += "harness list names everything."
    return "\n".join([usage, "", *lines, "", more])


def _keys_of(group: str, name: str) -> list[str]:
    """The values of one YAML with their comments, as they are typed."""
    text = (shipped("configs") / group / f"{name}.yaml").read_text(encoding="utf-8")
    return [f"  {group}.{line}" for line in text.splitlines() if not line.startswith(("_", "#", " ")) and line]


def _group_line(name: str, default: str | None) -> str:
    names = list(yamls(name))
    more = f" ... ({len(names)}: harness list)" if len(names) > 6 else ""
    return f"  {name}: {default or 'none'}".ljust(30) + f"{', '.join(names[:6])}{more}"
