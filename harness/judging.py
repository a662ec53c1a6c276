"""`harness pool` and `harness labels`: what to judge so that a decision can be made, and the judged set as a task."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from harness.decide import decide
from harness.evalsets import load_task, open_evalset
from harness.launch import shipped
from harness.parts import did_you_mean
from harness.policy import read_policy
from harness.reading import shown
from harness.relabelled import Added, judged_folder, with_grades, write_copy
from harness.sheet import Sheet, read_sheet, sheet_bytes
from harness.store import write_atomically
from harness.table import Sweep, read_sweep
from harness.types import EvalSet, HarnessError, Qrels, Unwritable
from harness.unjudged import Pair, Pool, Ranked, in_question, in_reading_order, needed, rankings, top_grade, unjudged
from harness.wording import counted, percent, whole

_SHOWN = 10  # documents that judged@10 looks at
_FEW, _MANY = 200, 500  # pairs: a first sheet, and from where on one is proposed


class Asked(NamedTuple):
    """What a pool is asked for: eval set, ranks of each candidate, at most so many pairs, a further folder of sets."""

    evalset: str | None = None
    depth: int = 10
    most: int | None = None
    task_path: Path | None = None


def pool_text(sweep: Sweep, asked: Asked, out: Path) -> str:
    """Write the sheet of unjudged pairs for one retrieval set of a sweep; gives what to print.

    The pairs are the first `depth` documents of the candidates in question (`in_question`), each pair once, without
    those that are judged, query by query as `in_reading_order` says. HarnessError where the set is not that of the
    sweep any more, where records are not as deep, and where `out` is there already: it may hold grades.
    """
    task = _chosen(sweep, asked)
    evalset = _as_searched(sweep, task, asked.task_path)
    decision = decide(sweep, read_policy(sweep.manifest["policy"]))
    chosen, labels = in_question(decision, task), {e["id"]: e["label"] for e in decision["candidates"]}
    if not chosen:
        raise HarnessError(f"no candidate has a result on {task}; there is nothing to pool")
    found = rankings(sweep, task, chosen, labels)
    _check_depth(found, asked.depth, len(evalset.documents))
    pool = unjudged(evalset, found, asked.depth)
    if not pool.pairs:
        return f"every document among the first {asked.depth} of {_named(found)} is judged on {task}: nothing to pool"
    kept = in_reading_order(evalset, pool.pairs[: asked.most])
    _write(out, sheet_bytes(evalset, [(pair.query, pair.document) for pair in kept], len(pool.pairs)))
    margin = decision["policy"]["margin"]
    enough = needed(pool, [*kept, *pool.pairs[len(kept) :]], len(found[0].queries), margin)
    lines = [_head(out, kept, pool, found, asked.depth), _outlook(enough, pool, margin), _first(len(kept))]
    lines += _unranked(evalset, found)
    return "\n".join([*lines, _how(evalset), f"then  {_labels_command(out, task, asked.task_path)}"])


def _chosen(sweep: Sweep, asked: Asked) -> str:
    """The eval set to pool; HarnessError for numbers below 1, an unknown set, one that is not searched, or several."""
    for option, value in (("--depth", asked.depth), ("--most", asked.most)):
        if value is not None and value < 1:
            raise HarnessError(f"{option} {value}: expected a whole number of at least 1")
    about = sweep.manifest["evalsets"]
    fits = [name for name, one in about.items() if one["type"] == "retrieval"]
    if asked.evalset and asked.evalset not in about:
        raise HarnessError(f"--evalset {asked.evalset} is not in this sweep. {did_you_mean(asked.evalset, about)}")
    if asked.evalset and asked.evalset not in fits:
        kind = about[asked.evalset]["type"]
        raise HarnessError(f"--evalset {asked.evalset} is {kind}; only retrieval sets have documents nobody judged")
    if not asked.evalset and len(fits) != 1:
        several = f"name one with --evalset: {', '.join(fits)}" if fits else "only these have documents nobody judged"
        raise HarnessError(f"this sweep has {counted(len(fits), 'retrieval set')}; {several}")
    return asked.evalset or fits[0]


def _as_searched(sweep: Sweep, task: str, extra: Path | None) -> EvalSet:
    """The eval set as it is now, which must be that of the records."""
    about = sweep.manifest["evalsets"][task]
    if about["sample"]:
        raise HarnessError(f"{task} is sub-sampled in this sweep ({about['sample']}); run it whole, then pool")
    evalset = load_task(task, _folders(extra))
    if evalset.sha256 != about["sha256"]:
        raise HarnessError(f"{task} has changed since the sweep {sweep.folder.name} ran; run it again, then pool")
    return evalset


def _folders(extra: Path | None) -> list[Path]:
    return [shipped("tasks"), Path.cwd() / "tasks", *([extra] if extra else [])]


def _check_depth(found: Sequence[Ranked], depth: int, documents: int) -> None:
    kept = min(one.top.shape[1] for one in found)
    if min(depth, documents) > kept:
        raise HarnessError(
            f"--depth {depth}: records hold the first {kept} documents of a query. Run the sweep again with "
            f"keep_ranks={depth}, or ask for less"
        )


def _write(out: Path, sheet: bytes) -> None:
    if out.exists():
        raise HarnessError(f"{shown(out)} is there already and may hold grades. Choose another with -o.")
    try:
        write_atomically(out, sheet)
    except Unwritable as error:
        why = getattr(error.__cause__, "strerror", None) or error
        raise HarnessError(f"{shown(out)} cannot be written ({why}); choose another -o") from error


def _named(found: Sequence[Ranked]) -> str:
    return "; ".join(one.label for one in found)


def _head(out: Path, kept: Sequence[Pair], pool: Pool, found: Sequence[Ranked], depth: int) -> str:
    queries = counted(len({pair.query for pair in kept}), "query")
    left = f", the most decisive of {whole(len(pool.pairs))}" if len(kept) < len(pool.pairs) else ""
    source = f"the first {depth} documents of {counted(len(found), 'candidate')} ({_named(found)})"
    return f"{shown(out)}: {counted(len(kept), 'pair')} of {queries} to judge{left}, from {source}"


def _outlook(enough: int, pool: Pool, margin: float) -> str:
    share = percent(pool.relevant_share)
    return (
        f"after about {whole(enough)} of them the rest should move no two candidates apart by the margin ({margin:g}), "
        f"if {share} of the rest are relevant, as of the judged documents in these ranks"
    )


def _first(pairs: int) -> str:
    many = f" {whole(pairs)} pairs are many: --most {_FEW} -o FILE writes the {_FEW} most decisive alone."
    return f"Begin at the top: the queries whose grades decide most come first.{many if pairs > _MANY else ''}"


def _unranked(evalset: EvalSet, found: Sequence[Ranked]) -> list[str]:
    left = len(set(evalset.queries.ids) - {name for one in found for name in one.queries})
    if not left:
        return []
    return [
        f"! {counted(left, 'query')} without a relevant document had no place in these records, so none of their "
        "documents are here; what one engine missed altogether stays unseen"
    ]


def _how(evalset: EvalSet) -> str:
    return (
        f"grade: a whole number from 0 (not relevant) to {top_grade(evalset)}, the best grade of {evalset.name}; empty "
        "where you did not judge. note is yours. No row says which candidate found it"
    )


def _labels_command(out: Path, task: str, extra: Path | None) -> str:
    where = f" --task-path {shlex.quote(str(extra))}" if extra else ""
    return f"harness labels {shlex.quote(shown(out))} {shlex.quote(task)}{where}"


def labels_text(judged: Path, evalset: str, task_path: Path | None, out: Path | None, results: Path) -> str:
    """Write a copy of a retrieval set with the grades of a sheet beside its own judgements; gives what to print.

    The copy is a task of its own in `out` or `tasks/NAME-judged`, never in place. Where a sweep below `results` ran on
    the set, judged@10 of the candidates in question before and after, and the command that runs it again. HarnessError
    for whatever `read_sheet` refuses, a sheet without grades, and labels that contradict those there are.
    """
    before = open_evalset(evalset, _folders(task_path))
    if before.type != "retrieval":
        raise HarnessError(f"{before.name} is {before.type}; only retrieval sets have documents nobody judged")
    sheet = read_sheet(judged, before)
    if not sheet.graded:
        raise HarnessError(f"{shown(judged)} has no grade in {counted(sheet.empty, 'row')}. Fill the column grade.")
    added = with_grades(before, sheet.graded)
    folder = out or judged_folder(before)
    source = "human-pool" if sheet.whole else before.label_source  # half a pool leaves the labels lopsided
    write_copy(before, added.qrels, folder, source)
    known = f", {added.known} that were known" if added.known else ""
    return "\n".join([
        f"{shown(folder)}: {counted(added.new, 'judgement')} added ({added.relevant} relevant) to "
        f"{whole(len(before.qrels.grade))}{known}",
        f"it is a task of its own: compare scores on {folder.name} with one another, not with those on {before.name}",
        *_half(sheet, before),
        *_again(before, added, folder, results),
    ])  # fmt: skip


def _half(sheet: Sheet, before: EvalSet) -> list[str]:
    """What a partly graded pool means."""
    if sheet.whole:
        return []
    rows = max(sheet.pool, sheet.empty + len(sheet.graded))
    left = f"{whole(rows - len(sheet.graded))} of {whole(rows)} pairs of the pool have no grade, and they matter"
    if not sheet.pool:
        left = "the sheet lost its column of, which says how many pairs the pool had"
    return [
        f"! {left}: part of a pool can favour a candidate as the old labels did, so label_source stays "
        f"{before.label_source}. Grade the rest, then run this again with another -o"
    ]


def _again(before: EvalSet, added: Added, folder: Path, results: Path) -> list[str]:
    """judged@10 of the candidates of the newest sweep on this set, then and now, and its command with the new task."""
    newest = _newest(before, results)
    where = "" if folder.resolve().parent == Path.cwd() / "tasks" else f" task_path={shlex.quote(str(folder.parent))}"
    if newest is None:
        return [f"then  harness run -m model=... task={shlex.quote(folder.name)}{where}"]
    sweep, task = newest
    decision = decide(sweep, read_policy(sweep.manifest["policy"]))
    labels = {e["id"]: e["label"] for e in decision["candidates"]}
    found = rankings(sweep, task, in_question(decision, task), labels)
    shares = [[_share(one, before, qrels) for qrels in (before.qrels, added.qrels)] for one in found]
    lines = [
        f"judged@10 of {one.label}: {old:.2f} before, {new:.2f} now"
        for one, (old, new) in zip(found, shares, strict=True)
    ]
    return [*lines, f"then  {_command(sweep, task, folder.name)}{where}  # stored embeddings are used again"]


def _newest(evalset: EvalSet, results: Path) -> tuple[Sweep, str] | None:
    """The newest sweep that ran on this very set, and what it calls it."""
    for path in sorted(results.glob("*/sweep.json"), key=lambda p: p.stat().st_mtime, reverse=True):
        try:
            sweep = read_sweep(path.parent)
        except HarnessError:  # of another version, or broken: not the sweep that was pooled
            continue
        task = next((t for t, one in sweep.manifest["evalsets"].items() if one["sha256"] == evalset.sha256), None)
        if task is not None:
            return sweep, task
    return None


def _share(found: Ranked, evalset: EvalSet, qrels: Qrels) -> float:
    """Mean over the queries with a relevant document of the judged share of the first 10; 0 where nothing was found."""
    place = {name: i for i, name in enumerate(evalset.queries.ids)}
    size = len(evalset.documents)
    top = found.top[:, :_SHOWN].astype(np.int64)
    pairs = np.array([place[name] for name in found.queries], dtype=np.int64)[:, None] * size + top
    there = qrels.document >= 0
    known = np.isin(pairs, qrels.query[there].astype(np.int64) * size + qrels.document[there]) & (top >= 0)
    relevant = np.unique(qrels.query[qrels.grade > 0])
    scored = np.isin([place[name] for name in found.queries], relevant)
    filled = (top >= 0).sum(axis=1) * scored
    return float((known.sum(axis=1)[filled > 0] / filled[filled > 0]).mean()) if filled.any() else 0.0


def _command(sweep: Sweep, task: str, name: str) -> str:
    """The sweep's command with the new task in place of the old one, as a sweep of its own."""
    words = [w for w in shlex.split(str(sweep.manifest["command"])) if not w.startswith("sweep=")]
    given = next((i for i, w in enumerate(words) if re.fullmatch(r"\+*task=.*", w)), None)
    if given is None:
        words.append(f"task={name}")
    else:
        key, _, value = words[given].partition("=")
        words[given] = f"{key}={','.join(name if one == task else one for one in value.split(','))}"
    return shlex.join([*words, f"sweep={sweep.folder.name}-judged"])
