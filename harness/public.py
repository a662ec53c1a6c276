"""A task of mteb's registry as an eval set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from harness.classes import numbers
from harness.hub import loaded
from harness.judgements import resolved
from harness.parts import find
from harness.portions import Part, part_of
from harness.rawsets import CORPUS, Item, assemble, titled
from harness.reading import Table, numbered
from harness.registry import Registry, names, registry
from harness.splits import Content, Layout, Splits
from harness.types import EvalSet, HarnessError, Ints, Judgement, Note, RawSet, Texts

_ENDLESS = {"min_score": float("-inf"), "max_score": float("inf")}  # public scores are as they are
_NAMES = {key: want.names[0] for key, want in CORPUS.items()} | {"id": "id"}  # as mteb's loader calls them


def load_public(name: str, say: Callable[[str], None] = lambda _: None) -> EvalSet:
    """The eval set of `mteb/NAME`, with `/SUBSET` where the task has several and `@SPLIT` for another than test.

    Texts are those that mteb hands to a model: title and text joined and stripped, instructions of single queries
    behind them. The task's own settings, evaluator and main score count, so that scores compare with published ones.
    Queries that mteb never scores are left out. HarnessError for an unknown name or broken data; Unavailable for data
    that cannot be had.
    """
    known = registry(None)
    part = part_of(name, known)
    if part.entry.refusal:
        raise HarnessError(f"{name}: {part.entry.refusal}")
    task = loaded(part.entry.name, part.subset, part.split, say)
    data = _data(part, task)
    if part.entry.type in ("retrieval", "reranking"):
        content = _ranked(data[part.split], f"{part.entry.path}[{part.split}]")
    else:
        content = _unlike(part, task, data) or _read(part, task, data)
    return _evalset(part, task, known, content)


def _evalset(part: Part, task: Any, known: Registry, content: Content) -> EvalSet:
    """What its registry says of a task, around its data."""
    about = task.metadata
    prompt = about.prompt or ""
    ranked = part.entry.type in ("retrieval", "reranking")
    kind = ("reranking" if "candidates" in content.targets else "retrieval") if ranked else part.entry.type
    return EvalSet(
        name=part.task, type=kind, documents=content.documents, queries=content.queries, qrels=content.qrels,
        languages=tuple(names(part.entry.subsets[part.subset], known)), notes=content.notes, source=part.entry.path,
        exclude_self=ranked and bool(task.ignore_identical_ids), public=part.public, targets=content.targets,
        instruction=prompt if isinstance(prompt, str) else prompt.get("query", ""),
        settings={"main": about.main_score} if ranked else {"task": about.name},
    )  # fmt: skip


def _data(part: Part, task: Any) -> Mapping[str, Any]:
    """The subset's data by split; a task may keep all of one or of several subsets."""
    held = task.dataset.get(part.subset, task.dataset)
    if part.split not in held:
        raise HarnessError(f"{part.task}: no split {part.split!r}; mteb scores {', '.join(part.entry.splits)}")
    return dict(held)


def _ranked(held: Mapping[str, Any], where: str) -> Content:
    """Documents, queries and judgements; with candidates, the documents that are one, or judged."""
    judged = {str(query): grades for query, grades in held["relevant_docs"].items() if len(grades)}
    named = held.get("top_ranked")
    wanted = {str(d) for some in (*named.values(), *judged.values()) for d in some} if named else None
    queries = [one for one in _queries(held["queries"], where) if one.id in judged]
    asked = {one.id for one in queries}
    judgements = [  # mteb's loader gives them in another order each time
        Judgement(query, str(document), _grade(grade, where), where)
        for query in sorted(asked)
        for document, grade in sorted(judged[query].items())
    ]
    raw = assemble(_documents(held["corpus"], wanted, where), queries, judgements, (where,) * 3)
    qrels, notes = resolved(raw)
    left = len(held["queries"]) - len(queries), len(judged) - len(asked)
    targets = {"candidates": _candidates(raw, named, where)} if named else {}
    return Content(raw.documents, raw.queries, targets, qrels, (*raw.notes, *notes, *_left_out(left, where)))


def _documents(corpus: Any, wanted: Iterable[str] | None, where: str) -> Iterable[Item]:
    for row in numbered(where, corpus):
        name = str(row.values["id"])
        if wanted is None or name in wanted:
            yield Item(name, titled(row, _NAMES, CORPUS).strip(), row.place)


def _queries(queries: Any, where: str) -> Iterable[Item]:
    """Texts as mteb's models read them: turns of a conversation joined, an instruction behind the query."""
    from mteb._create_dataloaders import _retrieval_texts
    from mteb.types import PromptType

    plain = "instruction" not in queries.column_names and all(isinstance(text, str) for text in queries["text"])
    found = list(queries["text"]) if plain else _retrieval_texts(queries, PromptType.query)
    for number, (name, text) in enumerate(zip(queries["id"], found, strict=True), start=1):
        yield Item(str(name), text, f"{where}:{number}")


def _grade(value: Any, where: str) -> int:
    if int(value) != value:
        raise HarnessError(f"{where} has the grade {value!r}; expected an integer such as 0, 1 or 2.")
    return int(value)


def _candidates(raw: RawSet, named: Mapping[str, Sequence[str]], where: str) -> Ints:
    """int32 [q, c], by position, so that their order tells nothing; -1 beyond a query's number."""
    places = {name: i for i, name in enumerate(raw.documents.ids)}
    rows = []
    for query in raw.queries.ids:
        lost = [d for d in named.get(query, ()) if str(d) not in places]
        if lost or not named.get(query):
            what = f'the candidate "{lost[0]}", which the corpus lacks' if lost else "no candidates"
            raise HarnessError(f'{where}: the query "{query}" has {what}.')
        rows.append(sorted({places[str(d)] for d in named[query]}))
    found = np.full((len(rows), max(map(len, rows))), -1, dtype=np.int32)
    for row, some in zip(found, rows, strict=True):
        row[: len(some)] = some
    return found


def _left_out(left: tuple[int, int], where: str) -> list[Note]:
    counts = zip(left, ("queries without judgements", "judged queries without a text"), strict=True)
    said = [f"{count} {what}" for count, what in counts if count]
    return (
        [Note("never-scored", "info", where, f"left out as in mteb: {' and '.join(said)}", count=sum(left))]
        if said
        else []
    )


def _unlike(part: Part, task: Any, data: Mapping[str, Any]) -> Content | None:
    """The forms that no layout has: public classes and sets of texts, and translations among other sentences."""
    rows = data[part.split]
    if part.entry.type == "clustering":
        where = f"{part.entry.path}[{part.split}]"
        return _levels(task, rows, where) if hasattr(task, "max_documents_per_cluster") else _sets(task, rows)
    if part.entry.type == "bitext" and "gold" in rows:
        gold = np.array([pair[1] for pair in rows["gold"]], dtype=np.int32)
        return Content(_texts("second", rows["sentence2"]), _texts("first", rows["sentence1"]), {"gold": gold})
    return None


def _sets(task: Any, rows: Any) -> Content:
    """Texts that are clustered set by set."""
    sets = [(row[task.input_column_name], row[task.label_column_name]) for row in rows]
    texts = tuple(text for some, _ in sets for text in some)
    labels = [str(label) for _, some in sets for label in some]
    group = np.repeat(np.arange(len(sets), dtype=np.int32), [len(some) for some, _ in sets])
    targets = {"label": numbers(labels, labels)[:, None], "group": group}
    return Content(_texts("text", texts), _texts("", ()), targets)


def _levels(task: Any, rows: Any, where: str) -> Content:
    """Texts with labels on the levels that the task scores, whatever these are: mteb scores them all.

    mteb writes -1 for a level that a text lacks and leaves out what equals -1. Among labels that are text this becomes
    the text "-1", which does not: such texts are one more class of the level, here -2. Among numbers they are -1.
    """
    texts, labels = list(rows[task.input_column_name]), list(rows[task.label_column_name])
    given = [label if isinstance(label, list) else [label] for label in labels]
    for number, (text, some) in enumerate(zip(texts, given, strict=True), start=1):
        if not isinstance(text, str) or not all(isinstance(one, str | int) for one in some):
            raise HarnessError(
                f"{where}:{number} has {text!r:.40} with the label {some!r:.40}; expected text and labels"
            )
    depth = max(map(len, given), default=0)
    if not depth:
        raise HarnessError(f"{where} has no labels; expected at least one text with its label")
    none = -2 if any(isinstance(one, str) for some in given for one in some) else -1
    levels = [_level(given, level, none) for level in range(min(depth, task.max_depth or depth))]
    targets = {"label": np.stack(levels, axis=1), "group": np.zeros(len(texts), dtype=np.int32)}
    return Content(_texts("text", texts), _texts("", ()), targets)


def _level(given: Sequence[Sequence[Any]], level: int, none: int) -> Ints:
    """int32 [n] numbers of classes on one level."""
    labels = [some[level] if level < len(some) else -1 for some in given]
    found = numbers([None if one == -1 else str(one) for one in labels], (str(one) for one in labels if one != -1))
    return np.where(found < 0, np.int32(none), found)


def _texts(kind: str, texts: Sequence[str]) -> Texts:
    return Texts(tuple(f"{kind}-{i}" for i in range(1, len(texts) + 1)), tuple(texts))


def _read(part: Part, task: Any, data: Mapping[str, Any]) -> Content:
    """Through the layout of the type, from tables whose columns are called as it calls them."""
    columns = _columns(part, task)
    splits = {"test": part.split}
    if part.entry.type == "classification":
        splits["train"] = part.split if task.is_cross_validation else task.train_split
    if absent := [split for split in splits.values() if split not in data]:
        raise HarnessError(f"{part.task}: {part.entry.path} has no split {absent[0]!r}, from which the task learns")
    whole = part.entry.type == "pair_classification"
    tables = {}
    for ours, theirs in splits.items():
        rows = _unpacked(data[theirs]) if whole else data[theirs]
        tables[ours] = _opener(rows, columns, f"{part.entry.path}[{theirs}]")
    layout: Layout = find("layouts", part.entry.type)(settings=_ENDLESS)
    return layout.read(Splits(part.entry.path, tables))


def _unpacked(rows: Any) -> Any:
    """One row of lists, the form of older pairs, is as many rows, as in mteb."""
    if len(rows) != 1:
        return rows
    from datasets import Dataset

    return Dataset.from_dict(rows[0])


def _columns(part: Part, task: Any) -> Mapping[str, str]:
    """What the layout of the type calls each column of the task."""
    kind = part.entry.type
    if kind == "bitext":
        pair = part.subset.split("-") if task.parallel_subsets else task._DEFAULT_PAIR[0]
        return dict(zip(pair, ("sentence1", "sentence2"), strict=True))
    if kind == "sts":
        return dict(zip(task.column_names, ("sentence1", "sentence2"), strict=True)) | {"score": "score"}
    if kind == "pair_classification":
        pairs = {task.input1_column_name: "sentence1", task.input2_column_name: "sentence2"}
        return pairs | {task.label_column_name: "label"}
    if kind == "summarization":
        lists = task.human_summaries_column_name, task.machine_summaries_column_name, task.relevancy_column_name
        return dict(zip(lists, ("human_summaries", "machine_summaries", "relevance"), strict=True))
    return {task.input_column_name: "text", task.label_column_name: "label"}


def _opener(rows: Any, columns: Mapping[str, str], where: str) -> Callable[[], Table]:
    there = [name for name in columns if name in rows.column_names]
    renamed = ({columns[name]: row[name] for name in there} for row in rows)
    return lambda: Table(where, tuple(columns[name] for name in there), numbered(where, renamed))
