"""Pools of unjudged pairs, the sheet that people fill, and the judged set: hand-made rankings, no model."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import log2
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from harness import judging
from harness.evalsets import load_task
from harness.judging import Asked, labels_text, pool_text
from harness.relabelled import with_grades, write_copy
from harness.review import labels, pool
from harness.sheet import Graded, Sheet, read_sheet, sheet_bytes
from harness.table import Sweep
from harness.types import EvalSet, HarnessError, Qrels
from harness.unjudged import Pair, Pool, Ranked, in_question, in_reading_order, needed, unjudged
from tests.material import evalset
from tests.sweeping import DOCUMENTS, QRELS, QUERIES, invented, sweep, write_task

Found = Mapping[str, Mapping[str, Sequence[str]]]  # candidate -> query -> documents, best first
A = {"q1": ["d1", "d2", "d3"], "q2": ["d2", "d1", "d3"], "q3": ["d3", "d4", "d5"]}
B = {"q1": ["d1", "d2", "d4"], "q2": ["d6", "d2", "d1"], "q3": ["d3", "d4", "d5"]}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def ranked(found: Mapping[str, Sequence[str]], name: str = "a", documents: Sequence[str] = tuple(DOCUMENTS)) -> Ranked:
    rows = [[documents.index(d) for d in row] for row in found.values()]
    return Ranked(name, tuple(found), np.array(rows, dtype=np.int32))


def small(**more: Any) -> EvalSet:
    grades: dict[str, dict[str, int]] = {}
    for query, document, grade in QRELS:
        grades.setdefault(query, {})[document] = grade
    return evalset(DOCUMENTS, QUERIES, grades, **more)


def named(chosen: EvalSet, pairs: Sequence[Pair]) -> list[tuple[str, str]]:
    return [(chosen.queries.ids[p.query], chosen.documents.ids[p.document]) for p in pairs]


def swept(found: Found = {"a": A, "b": B}, **about: Any) -> Sweep:  # noqa: B006  never written
    """A sweep on the task `tiny` as it lies on disk, with these rankings as its records."""
    chosen = load_task("tiny", [Path("tasks")])
    scores = {name: {"tiny": [0.5 + 0.1 * i] * len(rows)} for i, (name, rows) in enumerate(found.items())}
    made = invented(scores, dict.fromkeys(found, 100), about={"tiny": {"sha256": chosen.sha256, **about}})
    records = {}
    for name, rows in found.items():
        one, record = ranked(rows, name, chosen.documents.ids), made.records[f"{name}-tiny"]
        arrays = dict(record.arrays) | {"query_ids": np.array(one.queries), "top": one.top}
        records[record.key] = replace(record, arrays=arrays)
    return made._replace(records=records)


def rows_of(path: str | Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(Path(path).read_bytes().decode("utf-8-sig"), newline="")))


def filled(rows: Sequence[Mapping[str, str]], grades: Mapping[tuple[str, str], str], **form: Any) -> Path:
    """A sheet with these grades, every other row empty."""
    path = Path("filled.csv")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), **form)
        writer.writeheader()
        writer.writerows({**row, "grade": grades.get((row["query_id"], row["document_id"]), "")} for row in rows)
    return path


# Which candidates, which pairs, in which order ----------------------------------------------------------------------


def entry(name: str, **more: Any) -> dict[str, Any]:
    usual = {"difference": -0.1, "proven": False, "interval": [-0.2, -0.05], "judged_at_10": {"t": 0.9}}
    return {"id": name, "scores": {"t": 0.5}, **usual, **more}


def decision(*entries: dict[str, Any], pick: str | None = "pick") -> dict[str, Any]:
    return {"candidates": list(entries), "pick": pick, "reference": "ref", "policy": {"margin": 0.02}}


def test_in_question_are_pick_and_reference_then_what_is_proven_open_or_full_of_holes() -> None:
    found = decision(
        entry("open", interval=[-0.2, -0.01]), entry("holes", judged_at_10={"t": 0.4}), entry("ref"), entry("beaten"),
        entry("proven", proven=True), entry("over a limit", difference=None), entry("pick"),
    )  # fmt: skip
    assert in_question(found, "t") == ["ref", "pick", "proven", "open", "holes"]


def test_where_one_alone_is_in_question_all_with_a_result_are_pooled_and_never_more_than_twelve() -> None:
    lone = decision(entry("ref"), entry("beaten"), entry("failed", scores={}, difference=None), pick=None)
    assert in_question(lone, "t") == ["ref", "beaten"]
    many = decision(entry("ref"), *(entry(f"p{i}", proven=True) for i in range(20)))
    assert in_question(many, "t") == ["ref", *(f"p{i}" for i in range(11))]


def test_a_pair_is_pooled_once_and_never_where_it_is_judged() -> None:
    chosen = small()
    found = unjudged(chosen, [ranked(A), ranked(B)], 3)
    assert sorted(named(chosen, found.pairs)) == [
        ("q1", "d2"), ("q1", "d3"), ("q1", "d4"), ("q2", "d1"), ("q2", "d3"), ("q2", "d6"), ("q3", "d4"), ("q3", "d5"),
    ]  # fmt: skip
    assert named(chosen, unjudged(chosen, [ranked(A), ranked(B)], 1).pairs) == [("q2", "d6")]


def test_a_pair_moves_two_candidates_by_the_gain_that_one_has_of_it_and_the_other_has_not() -> None:
    chosen = small()
    moves = {(q, d): p.moves for p in unjudged(chosen, [ranked(A), ranked(B)], 3).pairs for q, d in named(chosen, [p])}
    # q1 knows grades 2 and 1: with one more 2 the ideal is 2 + 2/log2(3) + 1/log2(4); rank 3 gains 1/log2(4).
    assert moves["q1", "d3"] == pytest.approx(2 * 0.5 / (2 + 2 / log2(3) + 0.5))
    # q2 knows one of grade 1: the ideal is 2 + 1/log2(3); d1 is second in A and third in B.
    assert moves["q2", "d1"] == pytest.approx(2 * (1 / log2(3) - 0.5) / (2 + 1 / log2(3)))
    assert moves["q2", "d6"] == pytest.approx(2 * 1 / (2 + 1 / log2(3)))
    assert (moves["q1", "d2"], moves["q3", "d4"], moves["q3", "d5"]) == (0, 0, 0), "ranked alike, they move nothing"


def test_of_three_candidates_the_mean_over_their_pairs_counts_and_ranks_past_ten_gain_nothing() -> None:
    chosen = small()
    three = [ranked({"q4": ["d1"]}), ranked({"q4": ["d2"]}), ranked({"q4": ["d2"]})]
    moves = {d: p.moves for p in unjudged(chosen, three, 10).pairs for _, d in named(chosen, [p])}
    assert moves["d1"] == pytest.approx(moves["d2"]) == pytest.approx(2 / 3 * 2 / (2 + 1 / log2(3)))
    ids = [f"d{i}" for i in range(12)]
    long = evalset({name: name for name in ids}, {"q": "q"}, {"q": {"d0": 1}})
    deep = unjudged(long, [ranked({"q": ids}, "a", ids), ranked({"q": ids[:10] + ids[:9:-1]}, "b", ids)], 12)
    assert {p.moves for p in deep.pairs} == {0.0}


def test_the_sheet_goes_query_by_query_the_decisive_first_and_fewer_pairs_are_the_most_decisive() -> None:
    chosen = small()
    found = unjudged(chosen, [ranked(A), ranked(B)], 3)
    queries = [q for q, _ in named(chosen, in_reading_order(chosen, found.pairs))]
    assert [q for i, q in enumerate(queries) if q not in queries[:i]] == ["q2", "q1", "q3"]
    assert queries == sorted(queries, key=["q2", "q1", "q3"].index)
    assert named(chosen, found.pairs[:1]) == [("q2", "d6")]
    assert [p.moves for p in found.pairs] == sorted((p.moves for p in found.pairs), reverse=True)


def test_neither_the_order_of_candidates_nor_the_rank_shows_in_the_order_of_a_querys_documents() -> None:
    ids = [f"d{i:02}" for i in range(40)]
    chosen = evalset({name: name for name in ids}, {f"q{i}": "x" for i in range(30)}, {"q0": {"d00": 1}})
    rows = {f"q{i}": ids[1:11] for i in range(30)}, {f"q{i}": ids[11:21] for i in range(30)}
    one, other = (ranked(row, "x", ids) for row in rows)
    order = in_reading_order(chosen, unjudged(chosen, [one, other], 10).pairs)
    assert named(chosen, order) == named(chosen, in_reading_order(chosen, unjudged(chosen, [other, one], 10).pairs))
    from_first = [p.document <= 10 for p in order]
    assert 8 <= sum(from_first[::20]) <= 22, "the first row of a query is of either candidate"
    by_place = np.array([p.document for p in order]).reshape(30, 20)
    assert abs(np.corrcoef(np.arange(20), by_place.mean(axis=0))[0, 1]) < 0.6, "and the rank does not show"


def test_the_judgements_needed_are_those_after_which_the_rest_is_below_the_margin() -> None:
    one_sided = [Pair(0, i, (0.3, 0.0)) for i in range(4)]
    # With k left, 0.5 x 0.3 k + 1.96 x 0.5 x 0.3 x sqrt(k) over 10 queries: 0.044, 0.072, 0.096, 0.119.
    assert [needed(Pool((), 0.5), one_sided, 10, margin) for margin in (0.13, 0.1, 0.08, 0.05, 0.04)] == [0, 1, 2, 3, 4]
    both_sides = [Pair(0, i, (0.3 * (i % 2), 0.3 * (1 - i % 2))) for i in range(4)]
    # What is expected of two opposite ones cancels; with 2 left 1.96 x 0.5 x 0.3 x sqrt(2) over 10: 0.042.
    assert needed(Pool((), 0.5), both_sides, 10, 0.043) == 2
    alike = [Pair(0, i, (0.3, 0.3)) for i in range(4)]
    assert needed(Pool((), 0.5), alike, 10, 0.001) == 0


# harness pool ------------------------------------------------------------------------------------------------------


def test_pool_writes_a_sheet_without_source_and_says_what_comes_next() -> None:
    write_task()
    text = pool_text(swept(), Asked(depth=3), Path("pool.csv"))
    assert "pool.csv: 8 pairs of 3 queries to judge, from the first 3 documents of 2 candidates" in text
    assert "1 query without a relevant document" in text, "q4 has no rank in these records"
    assert text.endswith("then  harness labels pool.csv tiny") and "from 0 (not relevant) to 2" in text
    rows = rows_of("pool.csv")
    assert list(rows[0]) == ["query", "document", "grade", "note", "query_id", "document_id", "pair", "of"]
    assert {(r["query"], r["document"]) for r in rows} == {
        (QUERIES[r["query_id"]], DOCUMENTS[r["document_id"]]) for r in rows
    }
    assert {r["grade"] + r["note"] for r in rows} == {""}


def test_a_large_pool_says_where_to_begin_and_how_to_get_a_small_one(monkeypatch: pytest.MonkeyPatch) -> None:
    write_task()
    assert "--most" not in pool_text(swept(), Asked(depth=3), Path("small.csv"))
    monkeypatch.setattr("harness.judging._MANY", 7)
    text = pool_text(swept(), Asked(depth=3), Path("large.csv"))
    assert "Begin at the top" in text and "8 pairs are many: --most 200 -o FILE" in text


def test_the_same_records_give_the_same_sheet_whatever_the_order_of_candidates() -> None:
    write_task()
    sheets = []
    for number, found in enumerate(({"a": A, "b": B}, {"b": B, "a": A}, {"b": A, "a": B})):
        pool_text(swept(found), Asked(depth=3), Path(f"{number}.csv"))
        sheets.append(Path(f"{number}.csv").read_bytes())
    assert sheets[0] == sheets[1] == sheets[2]


def test_most_keeps_the_decisive_pairs_and_says_how_many_there_are() -> None:
    write_task()
    assert "1 pair of 1 query to judge, the most decisive of 8" in pool_text(swept(), Asked(None, 3, 1), Path("p.csv"))
    assert [(r["query_id"], r["document_id"]) for r in rows_of("p.csv")] == [("q2", "d6")]


def test_queries_that_no_engine_was_given_credit_for_are_pooled_where_records_hold_them() -> None:
    write_task(qrels=QRELS[:3])
    made = swept({"a": {"q1": ["d1"], "q2": ["d2"]}, "b": {"q1": ["d2"], "q2": ["d2"]}})
    more = {"unscored_ids": np.array(["q3", "q4"]), "unscored_top": np.array([[2], [5]], dtype=np.int32)}
    records = {key: replace(r, arrays=dict(r.arrays) | more) for key, r in made.records.items()}
    text = pool_text(made._replace(records=records), Asked(depth=1), Path("p.csv"))
    assert {r["query_id"] for r in rows_of("p.csv")} == {"q1", "q3", "q4"} and "without a relevant" not in text


def test_where_all_is_judged_nothing_is_written() -> None:
    write_task()
    same = {"q1": ["d1"], "q2": ["d2"]}
    assert "is judged on tiny: nothing to pool" in pool_text(
        swept({"a": same, "b": same}), Asked(depth=1), Path("p.csv")
    )
    assert not Path("p.csv").exists()


@pytest.mark.parametrize(
    ("asked", "about", "line"),
    [
        (Asked(depth=4), {}, "--depth 4: records hold the first 3 documents of a query.*keep_ranks=4"),
        (Asked(depth=0), {}, "--depth 0: expected a whole number of at least 1"),
        (Asked(most=0), {}, "--most 0: expected a whole number"),
        (Asked("tin"), {}, "--evalset tin is not in this sweep. Did you mean tiny"),
        (Asked(), {"sha256": "0"}, "tiny has changed since the sweep invented ran"),
        (Asked(), {"sample": "3 of 4 queries"}, "tiny is sub-sampled in this sweep"),
        (Asked(), {"type": "reranking"}, "0 retrieval sets"),
        (Asked("tiny"), {"type": "reranking"}, "--evalset tiny is reranking; only retrieval sets"),
    ],
)
def test_what_cannot_be_pooled_is_one_line(asked: Asked, about: dict[str, Any], line: str) -> None:
    write_task()
    with pytest.raises(HarnessError, match=line):
        pool_text(swept(**about), asked, Path("p.csv"))
    assert not Path("p.csv").exists()


def test_of_several_sets_one_must_be_named_and_a_sheet_is_never_overwritten() -> None:
    write_task()
    made = swept()
    both = {**made.manifest["evalsets"], "other": made.manifest["evalsets"]["tiny"]}
    with pytest.raises(HarnessError, match="2 retrieval sets; name one with --evalset: tiny, other"):
        pool_text(made._replace(manifest=made.manifest | {"evalsets": both}), Asked(), Path("p.csv"))
    Path("p.csv").write_text("grades")
    with pytest.raises(HarnessError, match="p.csv is there already and may hold grades"):
        pool_text(made, Asked(depth=3), Path("p.csv"))
    assert Path("p.csv").read_text() == "grades"


# The sheet ---------------------------------------------------------------------------------------------------------

HOSTILE = (
    "=HYPERLINK(\"http://x\",\"y\")", "+1+1", "-2+3", "@SUM(1)", "'quoted", "\ttab", "\r\ncarriage\rreturns", "a,b;c\"d\"",
    "<script>alert(1)</script>", "\x1b[31mred\x00", "\u202eright to left", "x" * 10_000, "", "-",
)  # fmt: skip


def hostile() -> EvalSet:
    ids = ["=1+1", "-1", "+x", "@y", "'z", "a b", "001", "d,e", 'f"g', "1e5", "ü", "<b>", "x" * 300, "-"]
    queries = {f"'={i}": text for i, text in zip(ids, reversed(HOSTILE), strict=True)}
    return evalset(dict(zip(ids, HOSTILE, strict=True)), queries, {"'=001": {"001": 3}})


def all_pairs(chosen: EvalSet) -> list[tuple[int, int]]:
    return [(q, d) for q in range(len(chosen.queries)) for d in range(len(chosen.documents))]


def test_hostile_ids_and_texts_come_back_through_pandas_and_no_cell_runs() -> None:
    chosen = hostile()
    Path("sheet.csv").write_bytes(sheet_bytes(chosen, all_pairs(chosen), 196))
    frame = pd.read_csv("sheet.csv", dtype=str, keep_default_na=False)
    assert list(frame.columns) == ["query", "document", "grade", "note", "query_id", "document_id", "pair", "of"]
    assert not frame.map(lambda cell: cell.startswith(("=", "+", "-", "@", "\t", "\n"))).to_numpy().any()
    assert not frame.map(lambda cell: any(c in cell for c in "\r\x1b\x00")).to_numpy().any()
    assert frame.document.str.len().max() <= 4000 + len(" [...]")
    frame["grade"] = [str(i % 4) for i in range(len(frame))]
    for form in ({}, {"sep": ";"}, {"sep": "\t"}, {"encoding": "utf-8-sig", "lineterminator": "\r\n"}):
        frame[reversed(frame.columns)].sample(frac=1, random_state=1).to_csv("back.csv", index=False, **form)
        found = read_sheet(Path("back.csv"), chosen)
        assert {(g.query, g.document): g.grade for g in found.graded} == {
            pair: i % 4 for i, pair in enumerate(all_pairs(chosen))
        }


def test_ids_are_known_again_where_a_spreadsheet_took_the_quote_off() -> None:
    chosen = hostile()
    Path("sheet.csv").write_bytes(sheet_bytes(chosen, [(6, 0)], 1))
    (row,) = rows_of("sheet.csv")
    assert (row["query_id"], row["document_id"]) == ("''=001", "'=1+1")
    (row["document_id"], row["grade"]) = ("=1+1", "2")
    path = filled([row], {("''=001", "=1+1"): "2"})
    assert read_sheet(path, chosen).graded[0][1:] == (6, 0, 2)


def test_an_id_with_a_control_character_is_refused() -> None:
    with pytest.raises(HarnessError, match="has a control character"):
        sheet_bytes(evalset({"a\tb": "x"}, {"q": "x"}, {"q": {"a\tb": 1}}), [(0, 0)], 1)


def sheet_of(chosen: EvalSet) -> list[dict[str, str]]:
    Path("sheet.csv").write_bytes(sheet_bytes(chosen, [(0, 1), (0, 2), (1, 2)], 3))
    return rows_of("sheet.csv")


def test_a_partly_filled_sheet_counts_what_is_empty_and_spreadsheets_may_write_one_as_1_0() -> None:
    chosen = small()
    path = filled(sheet_of(chosen), {("q1", "d2"): " 1.0 ", ("q2", "d3"): "0"})
    path.write_text(path.read_text() + ",,,,,,\n\n")
    assert read_sheet(path, chosen) == Sheet((Graded("filled.csv:2", 0, 1, 1), Graded("filled.csv:4", 1, 2, 0)), 1, 3)


@pytest.mark.parametrize(
    ("column", "value", "line"),
    [
        (
            "query_id",
            "q9",
            r"^filled.csv:2 has the query id 'q9', which made lacks: a spreadsheet may have rewritten it",
        ),
        ("document_id", "d9", r"^filled.csv:2 has the document id 'd9'"),
        ("document_id", "d6", r"^filled.csv:2: query_id, document_id and pair do not belong together"),
        ("pair", "", r"^filled.csv:2: query_id, document_id and pair do not belong"),
        ("grade", "3", r"^filled.csv:2 has the grade '3'; expected a whole number from 0 \(not relevant\) to 2"),
        ("grade", "-1", "has the grade '-1'"),
        ("grade", "0.5", "has the grade '0.5'"),
        ("grade", "1,0", "has the grade '1,0'"),
        ("grade", "nan", "has the grade 'nan'"),
        ("grade", "yes", "has the grade 'yes'"),
        ("of", "all", "^filled.csv:2: of='all': expected the whole number"),
    ],
)
def test_a_changed_row_or_a_grade_off_the_scale_is_a_line_with_its_place(column: str, value: str, line: str) -> None:
    rows = sheet_of(small())
    rows[0] |= {"grade": "1", column: value}
    path = filled(rows, {(rows[0]["query_id"], rows[0]["document_id"]): rows[0]["grade"]})
    with pytest.raises(HarnessError, match=line):
        read_sheet(path, small())


def test_a_text_that_changed_since_is_told_from_a_new_row_of_labels() -> None:
    rows = sheet_of(small())
    changed = evalset({**DOCUMENTS, "d2": "other"}, QUERIES, {"q1": {"d1": 2}})
    with pytest.raises(HarnessError, match="a cell was changed, or a text of made since"):
        read_sheet(filled(rows, {("q1", "d2"): "1"}), changed)


def test_two_grades_for_a_pair_are_refused_unless_they_agree() -> None:
    rows = sheet_of(small())
    path = filled([rows[0], rows[0]], {("q1", "d2"): "1"})
    assert len(read_sheet(path, small()).graded) == 1
    path.write_text(path.read_text()[::-1].replace(",1,", ",2,", 1)[::-1])
    with pytest.raises(HarnessError, match=r"^filled.csv:3 gives the pair of filled.csv:2 grade 2, not 1. Keep one."):
        read_sheet(path, small())


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (None, "sheet.csv does not exist"),
        (b"", 'sheet.csv:1: expected the column "grade" once'),
        (b"query_id,document_id,pair\n", 'expected the column "grade" once, found not; it has query_id'),
        (b"grade,grade,query_id,document_id,pair\n", '"grade" once, found twice'),
        (b"grade,query_id,document_id,pair\n1,q1,d2,p,more\n", "sheet.csv:2 has 5 columns, the header 4"),
        (b'grade,query_id,document_id,pair\n1,"q1"x,d2,p\n', "sheet.csv:2 is not CSV"),
        ("grade,ü".encode("latin-1"), "is not UTF-8"),
        ("grade".encode("utf-16"), "NUL byte|not UTF-8"),
    ],
)
def test_a_broken_sheet_is_one_line(content: bytes | None, line: str) -> None:
    if content is not None:
        Path("sheet.csv").write_bytes(content)
    with pytest.raises(HarnessError, match=line):
        read_sheet(Path("sheet.csv"), small())


# harness labels ----------------------------------------------------------------------------------------------------


def judged(grades: Mapping[tuple[str, str], str], **manifest: Any) -> str:
    write_task(**manifest)
    pool_text(swept(), Asked(depth=3), Path("pool.csv"))
    return labels_text(filled(rows_of("pool.csv"), grades), "tiny", None, None, Path("results"))


def test_labels_writes_a_task_of_its_own_with_old_and_new_judgements() -> None:
    given = {"weight": 2, "guard": True, "languages": ["en"], "label_source": "bm25-top10", "public": "SciFact"}
    more = {"instruction": "Find it", "prompts": {"query": "q: "}}
    text = judged({("q2", "d6"): "2", ("q1", "d4"): "0"}, **given, **more)
    assert text.startswith("tasks/tiny-judged: 2 judgements added (1 relevant) to 5\n")
    assert "! 6 of 8 pairs of the pool have no grade" in text and "so label_source stays bm25-top10" in text
    assert "not with those on tiny" in text and "harness run -m model=... task=tiny-judged" in text
    before, after = (load_task(name, [Path("tasks")]) for name in ("tiny", "tiny-judged"))
    assert (after.documents, after.queries) == (before.documents, before.queries)
    pairs = {(after.queries.ids[q], after.documents.ids[d]): g for q, d, g in zip(*after.qrels, strict=True)}
    assert pairs == {(q, d): g for q, d, g in QRELS} | {("q2", "d6"): 2, ("q1", "d4"): 0}
    assert (after.name, after.label_source, after.weight, after.guard) == ("tiny-judged", "bm25-top10", 2, True), (
        "half a pool"
    )
    assert (after.languages, after.exclude_self, after.public) == (("en",), False, "")
    assert (after.instruction, after.prompts) == ("Find it", {"query": "q: "})
    assert yaml.safe_load(Path("tasks/tiny-judged/task.yaml").read_text())["path"] == "."


def test_a_sheet_that_is_graded_whole_says_nothing_of_empty_rows_and_is_a_human_pool() -> None:
    write_task(label_source="bm25-top10")
    pool_text(swept(), Asked(depth=3), Path("pool.csv"))
    rows = rows_of("pool.csv")
    sheet = filled(rows, {(row["query_id"], row["document_id"]): "0" for row in rows})
    assert "no grade" not in labels_text(sheet, "tiny", None, None, Path("results"))
    assert load_task("tiny-judged", [Path("tasks")]).label_source == "human-pool"


@pytest.mark.parametrize(
    ("most", "kept", "without", "line"),
    [
        (3, 8, "", "! 5 of 8 pairs of the pool have no grade"),
        (None, 3, "", "! 5 of 8 pairs of the pool have no grade"),
        (None, 8, "of", "! the sheet lost its column of"),
    ],
    ids=["the most decisive alone", "rows deleted", "column deleted"],
)
def test_a_few_pairs_of_a_pool_never_make_the_set_a_human_pool(
    most: int | None, kept: int, without: str, line: str
) -> None:
    write_task(label_source="bm25-top10")
    pool_text(swept(), Asked(None, 3, most), Path("pool.csv"))
    rows = [{k: v for k, v in row.items() if k != without} for row in rows_of("pool.csv")[:kept]]
    sheet = filled(rows, {(row["query_id"], row["document_id"]): "1" for row in rows})
    text = labels_text(sheet, "tiny", None, None, Path("results"))
    assert line in text and "so label_source stays bm25-top10" in text
    assert load_task("tiny-judged", [Path("tasks")]).label_source == "bm25-top10"


def test_the_sheet_of_another_set_is_asked_about_and_no_row_is_blamed() -> None:
    rows = sheet_of(small())
    other = evalset({f"x{d}": t for d, t in DOCUMENTS.items()}, QUERIES, {"q1": {"xd1": 2}})
    with pytest.raises(HarnessError, match=r"^filled.csv: 3 of 3 rows .* made lacks: is this the sheet of another set"):
        read_sheet(filled(rows, {("q1", "d2"): "1"}), other)


def test_the_judged_share_is_of_queries_with_a_relevant_document_as_in_the_records() -> None:
    grades = {"q1": {"d1": 2, "d5": 1}, "q2": {"d2": 1}, "q3": {"d3": 1}}
    chosen = evalset(DOCUMENTS, QUERIES, grades)  # q4 has no relevant document
    scored = judging._share(ranked(A), chosen, chosen.qrels)
    assert scored == pytest.approx(np.mean([known(q, A[q]) for q in A]))
    assert judging._share(ranked(A | {"q4": ["d1", "d2", "d3"]}), chosen, chosen.qrels) == scored
    row = zip(chosen.qrels, (3, 0, 1), strict=True)  # d1 is relevant to q4
    more = Qrels(*(np.append(column, value).astype(np.int32) for column, value in row))
    every = [*(known(q, A[q]) for q in A), 1 / 3]
    assert judging._share(ranked(A | {"q4": ["d1", "d2", "d3"]}), chosen, more) == pytest.approx(np.mean(every))


def known(query: str, found: Sequence[str]) -> float:
    return sum((query, d) in {(q, d) for q, d, _ in QRELS} for d in found) / len(found)


def test_a_folder_that_holds_something_is_never_written_into() -> None:
    judged({("q2", "d6"): "1"})
    before = Path("tasks/tiny-judged/qrels/test.tsv").read_bytes()
    with pytest.raises(HarnessError, match="tasks/tiny-judged is there already: it has corpus.jsonl"):
        labels_text(filled(rows_of("pool.csv"), {("q2", "d6"): "2"}), "tiny", None, None, Path("results"))
    assert Path("tasks/tiny-judged/qrels/test.tsv").read_bytes() == before


def test_a_sheet_without_grades_and_a_set_that_is_not_searched_are_one_line() -> None:
    with pytest.raises(HarnessError, match="filled.csv has no grade in 8 rows. Fill the column grade."):
        judged({})
    Path("pairs.jsonl").write_text("".join(f'{{"sentence1": "a", "sentence2": "b", "score": {i}}}\n' for i in range(3)))
    Path("tasks/pairs.yaml").write_text("path: ../pairs.jsonl\ntype: sts\n")
    with pytest.raises(HarnessError, match="pairs is sts; only retrieval sets"):
        labels_text(Path("filled.csv"), "pairs", None, None, Path("results"))


def test_a_grade_that_contradicts_a_label_is_refused_and_one_that_repeats_it_is_counted() -> None:
    chosen = small()
    assert with_grades(chosen, [Graded("s.csv:2", 0, 0, 2), Graded("s.csv:3", 0, 1, 1)])[1:] == (1, 1, 1)
    with pytest.raises(HarnessError, match=r"^s.csv:2 has grade 1, but made already says 2 for this pair. Empty"):
        with_grades(chosen, [Graded("s.csv:2", 0, 0, 1)])


def test_judgements_of_absent_documents_keep_their_weight_and_queries_that_hold_tabs_are_refused() -> None:
    chosen = evalset({"d1": "x", "absent-1": "y"}, {"q1": "x"}, {"q1": {"d1": 1, "gone": 1, "away": 2}})
    write_copy(chosen, chosen.qrels, Path("tasks/copy"))
    again = load_task("copy", [Path("tasks")])
    assert [column.tolist() for column in again.qrels] == [[0, 0, 0], [0, -1, -1], [1, 1, 2]]
    spaced = evalset({"d\t1": "x"}, {"q1": "x"}, {"q1": {"d\t1": 1}})
    with pytest.raises(HarnessError, match=r"the id 'd\\t1' has a tab"):
        write_copy(spaced, spaced.qrels, Path("tasks/spaced"))
    assert not Path("tasks/spaced").exists()


def test_from_a_sweep_to_the_judged_sweep_by_the_commands_that_are_printed() -> None:
    write_task(label_source="bm25-top10")
    sweep("model=hashing,bm25", "sweep=first")
    said = pool(["first", "--depth", "2"]).text
    assert "of 2 candidates (" in said and said.endswith("then  harness labels pool.csv tiny")
    rows = rows_of("pool.csv")
    grades = {(row["query_id"], row["document_id"]): str(i % 2) for i, row in enumerate(rows)}
    told = labels([str(filled(rows, grades)), "tiny"]).text
    assert "judged@10 of bm25: " in told and " now\n" in told
    assert told.endswith("task=tiny-judged sweep=first-judged  # stored embeddings are used again")
    manifest = json.loads((sweep("model=hashing,bm25", "task=tiny-judged").folder / "sweep.json").read_text())
    about = manifest["evalsets"]["tiny-judged"]
    assert (about["judgements"], about["label_source"]) == (5 + len(rows), "human-pool")
