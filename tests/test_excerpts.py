"""Texts beside the records: which are kept, how short, what hashed and none leave out, and what damage does."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import excerpts
from harness.excerpts import Excerpt, keep_excerpts, read_excerpts
from harness.table import Sweep
from harness.types import EvalSet, Qrels, Record, Texts
from tests.sweeping import DOCUMENTS, QRELS, QUERIES


def tiny() -> EvalSet:
    queries, documents = (Texts(tuple(t), tuple(t.values())) for t in (QUERIES, DOCUMENTS))
    rows = [(queries.ids.index(q), documents.ids.index(d), g) for q, d, g in QRELS]
    return EvalSet("tiny", "retrieval", documents, queries, Qrels(*np.asarray(rows, dtype=np.int32).T))


def record(evalset: EvalSet, scores: list[float], top: list[list[int]], ids: tuple[str, ...] = ()) -> Record:
    arrays = {
        "ndcg_at_10": np.asarray(scores),
        "query_ids": np.asarray(ids or evalset.queries.ids),
        "top": np.asarray(top, dtype=np.int32).reshape(len(scores), -1),
    }
    made_from = {"data_sha256": evalset.sha256}
    return Record("k", "quality", "ok", {"task": "old name"}, {"main": "ndcg_at_10"}, arrays, provenance=made_from)


def kept(folder: Path, evalset: EvalSet, *records: Record, how: str = "full") -> Excerpt:
    keep_excerpts(folder, [evalset], records, how)
    return read_excerpts(sweep_in(folder, evalset, how))[evalset.name]


def sweep_in(folder: Path, evalset: EvalSet, how: str) -> Sweep:
    return Sweep(folder, {"evalsets": {evalset.name: {"sha256": evalset.sha256}}, "report": {"query_text": how}}, {})


def test_the_first_three_of_any_candidate_and_the_relevant_ones_have_a_text_the_first_ten_a_grade(
    tmp_path: Path,
) -> None:
    data = tiny()
    first = record(data, [1, 0, 0, 0], [[0, 1, 2, 3], [1, 2, 0, 3], [2, 1, 0, 5], [5, 1, 2, 3]])
    second = record(data, [0, 0, 0, 0], [[1, 2, 0, 3], [1, 2, 0, 3], [2, 1, -1, -1], [5, 1, -1, -1]])
    found = kept(tmp_path, data, first, second)
    assert found.queries == QUERIES
    shown = {
        at: pair for at, pair in enumerate(DOCUMENTS.items()) if at != 3
    }  # d4 is fourth at best, d5 relevant to q1
    assert found.documents == shown
    assert found.grades == {"q1": {0: 2, 4: 1}, "q2": {1: 1}, "q3": {2: 1}, "q4": {5: 1}}
    assert found.left_out == 0


def test_long_texts_are_cut_and_line_breaks_become_spaces(tmp_path: Path) -> None:
    data = EvalSet(
        "tiny", "retrieval", Texts(("d" * 200,), ("long " * 100,)), Texts(("q",), ("a\n\n b" + "c" * 400,)),
        Qrels(*np.asarray([[0], [0], [1]], dtype=np.int32)),
    )  # fmt: skip
    found = kept(tmp_path, data, record(data, [1], [[0]]))
    assert found.queries["q"].startswith("a bccc") and len(found.queries["q"]) == 300
    name, text = found.documents[0]
    assert (len(name), len(text)) == (80, 240) and text.endswith("…")


@pytest.mark.parametrize("how", ["hashed", "none"])
def test_no_text_is_on_disk_unless_texts_are_asked_for(tmp_path: Path, how: str) -> None:
    data = tiny()
    one = record(data, [1, 0, 0, 0], [[0, 1], [1, 2], [2, 1], [5, 1]])
    kept(tmp_path, data, one)
    found = kept(tmp_path, data, one, how=how)  # the full file of before is written over
    on_disk = b"".join(gzip.decompress(p.read_bytes()) for p in tmp_path.rglob("*.gz")).decode()
    assert not [text for text in (*DOCUMENTS.values(), *QUERIES.values()) if text in on_disk]
    assert found.documents[0][0] == "d1"
    shown = (found.queries["q1"], found.documents[0][1])
    assert shown == (("", "") if how == "none" else ("sha256:11f24fee7044", "sha256:8b7f09ba91be"))


def test_a_file_kept_under_another_setting_or_damaged_or_of_another_set_is_as_if_absent(tmp_path: Path) -> None:
    data = tiny()
    one = record(data, [1, 0, 0, 0], [[0], [1], [2], [5]])
    kept(tmp_path, data, one)
    assert read_excerpts(sweep_in(tmp_path, data, "none")) == {}
    path = next(tmp_path.rglob("*.gz"))
    whole = path.read_bytes()
    wrong = [whole[:40], b"", b"text", gzip.compress(b"[]"), gzip.compress(b'{"queries": 3}'), whole[:20] + whole[30:]]
    for damaged in wrong:
        path.write_bytes(damaged)
        assert read_excerpts(sweep_in(tmp_path, data, "full")) == {}
    keep_excerpts(tmp_path, [data], [], "full")  # no candidate has a result any more
    assert not list(tmp_path.rglob("*.gz"))


def test_the_same_records_give_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    data = tiny()
    both = [record(data, [1, 0, 0, 0], [[0], [1], [2], [5]]), record(data, [0, 0, 1, 0], [[3], [4], [2], [5]])]
    for folder, order in (("a", both), ("b", both[::-1])):
        keep_excerpts(tmp_path / folder, [data], order, "full")
    first, second = (next((tmp_path / folder).rglob("*.gz")).read_bytes() for folder in "ab")
    assert first == second


def test_too_many_texts_leave_out_the_queries_on_which_candidates_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(excerpts, "_MOST", 150)
    data = tiny()
    best = record(data, [0.5, 0.1, 0.9, 0.5], [[0], [1], [2], [5]])
    found = kept(tmp_path, data, best, record(data, [0.5, 0.2, 0.1, 0.5], [[0], [1], [2], [5]]))
    assert set(found.queries) == {"q3", "q2"}
    assert found.left_out == 2


def unranked(kind: str, targets: dict[str, Any], queries: bool = True) -> EvalSet:
    first = Texts(("a", "b"), ("text a", "text b")) if queries else Texts((), ())
    return EvalSet("set", kind, Texts(("x", "y"), ("text x", "text y")), first, Qrels(*np.zeros((3, 0), np.int32)),
                   targets=targets)  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "targets", "grades"),
    [
        ("sts", {"score": np.array([4.5, 0.0])}, {"a": {0: 4.5}, "b": {1: 0.0}}),
        ("pair_classification", {"label": np.array([1, 0])}, {"a": {0: 1}, "b": {1: 0}}),
        ("bitext", {"gold": np.array([1, 0])}, {"a": {1: 1}, "b": {0: 1}}),
        ("classification", {"label": np.array([1, 0])}, {"a": {}, "b": {}}),
    ],
)
def test_items_that_rank_nothing_have_their_text_and_the_other_side(
    tmp_path: Path, kind: str, targets: dict[str, Any], grades: dict[str, Any]
) -> None:
    data = unranked(kind, targets)
    found = kept(tmp_path, data, record(data, [1, 0], []))
    assert found.queries == {"a": "text a", "b": "text b"}
    assert found.grades == grades
    assert found.documents == ({} if kind == "classification" else {0: ("x", "text x"), 1: ("y", "text y")})


def test_texts_of_clusters_are_documents_and_groups_of_items_have_none(tmp_path: Path) -> None:
    data = unranked("clustering", {"label": np.array([[0], [1]]), "group": np.zeros(2, np.int32)}, queries=False)
    assert kept(tmp_path / "a", data, record(data, [1, 0], [], ("x", "y"))).queries == {"x": "text x", "y": "text y"}
    found = kept(tmp_path / "b", data, record(data, [1, 0], [], ("draw-0", "draw-1")))
    assert (found.queries, found.left_out) == ({}, 0)


def test_a_text_that_was_summed_up_is_shown_by_its_first_human_summary(tmp_path: Path) -> None:
    data = unranked(
        "summarization", {"score": np.zeros(2), "text": np.array([7, 7]), "document_text": np.array([7, 7])}
    )
    assert kept(tmp_path, data, record(data, [1], [], ("text-7",))).queries == {"text-7": "text x"}


def test_lone_surrogates_and_markup_come_back_as_they_were(tmp_path: Path) -> None:
    texts = ("\udc80 </script>", "\u202e right to left")
    data = EvalSet("tiny", "retrieval", Texts(("d",), (texts[1],)), Texts(("q",), (texts[0],)),
                   Qrels(*np.asarray([[0], [0], [1]], dtype=np.int32)))  # fmt: skip
    for how in ("full", "hashed"):
        found = kept(tmp_path, data, record(data, [1], [[0]]), how=how)
        assert json.dumps(found._asdict())
    assert kept(tmp_path, data, record(data, [1], [[0]])).queries["q"] == texts[0]
