"""`harness export`: a sweep's results for others: mteb's files, TREC runs, or tables with the score of every item."""

from __future__ import annotations

import hashlib
import io
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness.evalsets import load_task
from harness.launch import shipped
from harness.leaderboard import OWN, Entry, distinct, entry_of, public_name, safe
from harness.published import read_published
from harness.store import write_atomically
from harness.table import Sweep, read_sweep, rows
from harness.taskresult import folder_of, known, languages_of, write_meta, write_result
from harness.terminal import guarded, write_table
from harness.types import HarnessError, Record, Unwritable
from harness.wording import called, counted

_NO_METRIC = ("query_ids", "top", "unscored_ids", "unscored_top")
# What mteb calls a score, among the facts of a record.
_METRIC = re.compile(
    r"((cosine|dot|euclidean|manhattan|similarity|max)_)?"
    r"(accuracy|f1|ap|precision|recall|pearson|spearman|v_measure)(_weighted|_macro|_threshold|_std)?"
    r"|(ndcg|map|mrr|recall|precision|hit_rate)_at_\d+"
)
_KINDS = {"bm25": "sparse", "learned_sparse": "sparse", "late_interaction": "late-interaction"}


class Result(NamedTuple):
    """A candidate's record on one eval set; `about` is what the manifest says of the set."""

    task: str
    about: Mapping[str, Any]
    variant: Mapping[str, Any]
    record: Record


class Place(NamedTuple):
    """Where a result belongs in mteb's files, `languages` as these have them; `own`: data that mteb did not load."""

    task: str
    subset: str
    split: str
    revision: str
    languages: Sequence[str]
    own: bool


def export_text(folder: Path, form: str, out: Path) -> str:
    """Write the results of a sweep's folder in a form (mteb, trec, csv, jsonl, parquet) below `out`; what was written.

    Texts never leave: only names, ids and scores do. HarnessError where there is nothing that the form can hold.
    """
    sweep = read_sweep(folder)
    try:
        if form == "mteb":
            return _mteb(sweep, out)
        return _trec(sweep, out) if form == "trec" else _tables(sweep, form, out)
    except Unwritable as error:
        why = getattr(error.__cause__, "strerror", None) or error
        raise HarnessError(f"{out} cannot be written ({why}); free space, or choose another -o") from error


def _results(sweep: Sweep) -> list[Result]:
    """Every good record once, in the order of the manifest."""
    found = {}
    for variant in sweep.manifest["variants"]:
        record = sweep.records.get(variant["quality"])
        if record is not None and record.status == "ok":
            about = sweep.manifest["evalsets"][variant["task"]]
            found[variant["candidate_id"], variant["task"]] = Result(variant["task"], about, variant, record)
    return list(found.values())


def _whole(sweep: Sweep) -> tuple[list[Result], list[str]]:
    """Results on whole eval sets, and lines about what was left out."""
    found = _results(sweep)
    kept = [result for result in found if not result.about["sample"]]
    lost = sum(row["status"] != "ok" for row in rows(sweep))
    said = [f"left out: {counted(lost, 'row')} without a score"] if lost else []
    samples = sorted({result.task for result in found} - {result.task for result in kept})
    said += [f"left out: {name}, which is sub-sampled (limit_queries, limit_docs)" for name in samples]
    if not kept:
        raise HarnessError("; ".join(["nothing to export: no score on a whole eval set", *said]))
    return kept, said


def _mteb(sweep: Sweep, out: Path) -> str:
    kept, said = _whole(sweep)
    names = distinct(result.task for result in kept)
    folders = _folders(kept)
    placed: dict[tuple[Path, str], list[tuple[Place, Result]]] = {}
    for result, (folder, entry) in zip(kept, folders, strict=True):
        place, why = _place(result, names[result.task])
        said += [line for line in (why, *_claims(result, place, entry)) if line]
        placed.setdefault((folder, place.task), []).append((place, result))
    files = [(f, task, _revision(parts), _by_split(parts)) for (f, task), parts in placed.items()]
    for folder, task, revision, scores in files:  # made before the first is written: a refusal leaves nothing behind
        write_result(out / "results" / folder / f"{task}.json", task, revision, scores, sweep.manifest["created"])
    metas = {folder: (entry, result) for result, (folder, entry) in zip(kept, folders, strict=True)}
    for folder, (entry, result) in metas.items():
        write_meta(out / "results" / folder, entry, _model_facts(result))
    candidates = len({result.variant["candidate_id"] for result in kept})
    head = f"{counted(len(placed), 'TaskResult file')} of {counted(candidates, 'candidate')} in {out / 'results'}"
    return "\n".join([f"{head}; mteb.ResultCache({str(out)!r}) reads them", *dict.fromkeys(said)])


def _folders(kept: Sequence[Result]) -> list[tuple[Path, Entry]]:
    """Folder and entry of each result; candidates that would share a folder, letter case apart, get their id into it.

    A candidate has several where eval sets bring prompts of their own.
    """
    found = [(folder_of(entry), entry) for entry in map(_entry, kept)]
    sharing: dict[str, set[str]] = {}
    for result, (folder, _) in zip(kept, found, strict=True):
        sharing.setdefault(str(folder).casefold(), set()).add(result.variant["candidate_id"])
    for number, (folder, entry) in enumerate(found):
        if len(sharing[str(folder).casefold()]) > 1:
            name = kept[number].variant["candidate_id"]
            apart = entry._replace(experiment={**entry.experiment, "candidate": name})
            found[number] = folder_of(apart), apart
    return found


def _entry(result: Result) -> Entry:
    public = result.about.get("public")
    registered = known(public_name(public).task) if public else None
    usual = registered.instruction if registered else ""
    return entry_of(result.variant, result.record.provenance.get("candidate", {}), result.about, usual)


def _claims(result: Result, place: Place, entry: Entry) -> Iterator[str]:
    """What a file under a public name does not claim."""
    if place.own and not place.task.startswith(OWN):
        yield (
            f"{result.task}: not loaded as mteb/{place.task}; its file's dataset_revision is the hash of our data, "
            "so it does not claim the leaderboard's"
        )
    if any(key.startswith("set_") for key in entry.experiment):
        yield f"{result.task}: scored with the set's own prompts, so filed as an experiment, not as the plain model"


def _revision(parts: Sequence[tuple[Place, Result]]) -> str:
    """The one revision of a file's data, the registry's or ours: of several sets of ours, a hash of their hashes."""
    found, by_kind = sorted({place.revision for place, _ in parts}), {place.own: r.task for place, r in parts}
    if len(by_kind) > 1:
        raise HarnessError(
            f"{by_kind[False]} is mteb's own data and {by_kind[True]} is not; a file of {parts[0][0].task} holds data "
            "of one revision, so run and export them apart"
        )
    return found[0] if len(found) == 1 else hashlib.sha256("".join(found).encode()).hexdigest()


def _place(result: Result, own: str) -> tuple[Place, str]:
    """A public set's own place where mteb knows it and its main metric was computed, else one among in-house sets."""
    about, why = result.about, ""
    if about.get("public"):
        wanted = public_name(about["public"])
        registered = known(wanted.task)
        if registered is None or wanted.subset not in registered.languages:
            why = f"{result.task}: mteb has no {about['public']}"
        elif registered.main not in _scores(result.record):
            why = f"{result.task}: {registered.main}, the main metric of {wanted.task}, was not computed"
        else:
            own_data = about.get("hub") != registered.path
            revision = about["sha256"] if own_data else registered.revision
            return Place(*wanted, revision, list(registered.languages[wanted.subset]), own_data), ""
        why += "; exported under its own name"
    return Place(f"{OWN}.{own}", "default", "test", about["sha256"], languages_of(about["languages"]), True), why


def _by_split(parts: Iterable[tuple[Place, Result]]) -> dict[str, list[dict[str, Any]]]:
    """mteb's entries: `languages`, `hf_subset`, `main_score` and every metric."""
    found: dict[str, list[dict[str, Any]]] = {}
    taken: dict[tuple[str, str], str] = {}
    for place, result in parts:
        before = taken.setdefault((place.split, place.subset), result.task)
        if before != result.task:
            raise HarnessError(f"{before} and {result.task} both say public: {result.about['public']}; only one can be")
        scores = _scores(result.record)
        registered = known(place.task)
        main = registered.main if registered else str(result.record.values["main"])
        named = {"hf_subset": place.subset, "languages": list(place.languages), "main_score": scores[main]}
        found.setdefault(place.split, []).append(scores | named)
    return found


def _scores(record: Record) -> dict[str, float]:
    """Metrics of a record by name, without facts such as sizes."""
    named = [k for k in record.arrays if k not in _NO_METRIC] + [k for k in record.values if _METRIC.fullmatch(k)]
    values = {k: record.values.get(k) for k in sorted(set(named))}
    return {k: float(v) for k, v in values.items() if isinstance(v, int | float) and math.isfinite(v)}


def _model_facts(result: Result) -> dict[str, Any]:
    """What mteb's ModelMeta also asks for."""
    card, kind = result.variant["card"], _KINDS.get(result.variant["retriever"])
    dims = result.record.values.get("dimensions")
    facts = {"embed_dim": int(dims) if dims else None, "n_parameters": card.get("parameters")}
    return facts | {"max_tokens": card.get("max_tokens") or None} | ({"model_type": [kind]} if kind else {})


def _trec(sweep: Sweep, out: Path) -> str:
    kept, said = _whole(sweep)
    names = distinct(result.task for result in kept)
    ids: dict[str, Sequence[str] | str] = {result.task: _document_ids(result) for result in kept}
    written = depth = 0
    for result in kept:
        documents = ids[result.task]
        if isinstance(documents, str):
            continue
        tag = f"{safe(result.variant['model'])}-{result.variant['candidate_id']}"
        lines = "".join(_run_lines(result.record, documents, tag))
        write_atomically(out / names[result.task] / f"{tag}.run", lines.encode())
        written, depth = written + 1, max(depth, result.record.arrays["top"].shape[1])
    said += [why for why in ids.values() if isinstance(why, str)]
    if not written:
        raise HarnessError("; ".join(["nothing to export as TREC runs", *said]))
    note = (
        f"each has the first {depth} documents of a query, which is what a record keeps: metrics that look deeper come "
        "out lower than in the table (harness run keep_ranks=100 keeps more). The scores are ranks from the end, so "
        "that every tool gives back our order."
    )
    return "\n".join([f"{counted(written, 'run')} below {out} (SET/CANDIDATE.run)", note, *said])


def _document_ids(result: Result) -> Sequence[str] | str:
    """Ids by position, from the eval set as it is now; a text says why there are none."""
    if not result.record.arrays["top"].shape[1]:
        return f"left out: {result.task}, where nothing is ranked ({result.about['type']})"
    try:
        evalset = load_task(result.task, [shipped("tasks"), Path.cwd() / "tasks"])
    except HarnessError as error:
        return f"left out: {result.task}, whose document ids are needed: {error}"
    if evalset.sha256 != result.about["sha256"]:
        return f"left out: {result.task}, whose data changed since; run the sweep again"
    spaced = next((name for name in (*evalset.queries.ids, *evalset.documents.ids) if name.split() != [name]), None)
    if spaced is not None:
        return f"left out: {result.task}, whose id {spaced!r} has white space, which a TREC run cannot hold"
    return evalset.documents.ids


def _run_lines(record: Record, documents: Sequence[str], tag: str) -> Iterator[str]:
    """`query Q0 document rank score tag`; trec_eval reads scores as float32, so ours are small whole numbers."""
    top = record.arrays["top"]
    for query, found in zip(record.arrays["query_ids"].tolist(), top.tolist(), strict=True):
        for place, document in enumerate(position for position in found if position >= 0):
            yield f"{query} Q0 {documents[document]} {place + 1} {top.shape[1] - place} {tag}\n"


def _tables(sweep: Sweep, form: str, out: Path) -> str:
    table, items, beside = out / f"table.{form}", out / f"items.{form}", read_published(sweep)
    frame = _items(_results(sweep))
    write_atomically(items, _WRITERS[form](frame))  # first, since it makes the folder
    write_table([*rows(sweep), *beside.rows], form, table)
    said = [f"{table}: the rows of harness table", f"{items}: {counted(len(frame), 'score')} of single items"]
    return "\n".join(said + beside.notes)


def _items(results: Sequence[Result]) -> Any:
    """A frame of one row for each eval set, candidate, item and metric."""
    import pandas as pd

    frames = [
        pd.DataFrame({
            "task": result.task, "candidate_id": result.variant["candidate_id"],
            "configuration": called(result.variant), "item": result.record.arrays["query_ids"], "metric": metric,
            "value": values,
        })
        for result in results
        for metric, values in result.record.arrays.items()
        if metric not in _NO_METRIC
    ]  # fmt: skip
    if not frames:
        raise HarnessError("nothing to export: no candidate has a score")
    return pd.concat(frames, ignore_index=True)


def _csv(frame: Any) -> bytes:
    texts = ["task", "configuration", "item"]
    return str(frame.assign(**{k: frame[k].map(guarded) for k in texts}).to_csv(index=False)).encode()


def _jsonl(frame: Any) -> bytes:
    return str(frame.to_json(orient="records", lines=True, double_precision=15)).encode()


def _parquet(frame: Any) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    return buffer.getvalue()


_WRITERS: Mapping[str, Callable[[Any], bytes]] = {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}
