"""Two candidates query by query: counts and order by hand, names, hostile texts, and the command from end to end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from harness import review
from harness.candidates import candidates, chosen_by
from harness.comparison import bins, compare_text
from harness.excerpts import Excerpt
from harness.querywise import Comparison, best_of, compare, losses, plain, worst_of
from harness.table import Sweep, read_sweep
from harness.types import HarnessError, Record
from tests.on_disk import with_ids
from tests.small_sweep import FOUR, candidate, small_sweep
from tests.sweeping import DOCUMENTS, QUERIES, invented, sweep, write_task

A, B = (1.0, 0.5, 0.0, 0.2), (0.5, 0.5, 1.0, 0.4)
KEPT = Excerpt(
    {"q1": "one", "q3": "three"},
    {0: ("d0", "zero"), 1: ("d1", "uno"), 2: ("d2", "due"), 3: ("d3", "tre"), 4: ("d4", "four")},
    {"q1": {0: 2}, "q3": {0: 0, 1: 1, 4: 3}},
)


def by_hand(a: Sequence[float] = A, b: Sequence[float] = B, names: Sequence[str] = ("q1", "q2", "q3", "q4")) -> Sweep:
    """Candidates a and b on one set; a ranks d0 to d3 for each query, b the other way round."""
    found = invented({"a": {"set": a}, "b": {"set": b}}, {"a": 100, "b": 200})
    for one in "ab":
        record = found.records[f"{one}-set"]
        order = [0, 1, 2, 3][:: 1 if one == "a" else -1]
        arrays = {**record.arrays, "query_ids": np.asarray(names), "top": np.tile(np.int32(order), (len(a), 1))}
        found.records[record.key] = Record(record.key, "quality", "ok", record.labels, record.values, arrays)
    return found


def compared(found: Sweep, kept: Excerpt = KEPT) -> Comparison:
    return compare(found, {"set": kept}, "id-a", "id-b")


def test_who_wins_which_query_by_how_much_and_what_both_ranked_first() -> None:
    found = compared(by_hand())
    one = found.sets[0]
    assert (one.outcome.wins, one.outcome.ties, one.outcome.losses) == (1, 1, 2)
    assert one.outcome.difference == pytest.approx((0.5 + 0 - 1 - 0.2) / 4)
    assert [(item.id, round(item.difference, 6)) for item in one.worst] == [("q3", -1.0), ("q4", -0.2)]
    assert [item.id for item in one.best] == ["q1"]
    worst = one.worst[0]
    assert worst.text == "three"
    assert [(d.id, d.label) for d in worst.first.documents] == [
        ("d0", "grade 0"),
        ("d1", "grade 1"),
        ("d2", "not judged"),
    ]
    assert [d.id for d in worst.second.documents] == ["d3", "d2", "d1"]
    assert (worst.first.first_relevant, worst.second.first_relevant) == (2, 3)
    assert [(d.id, d.grade) for d in worst.wanted] == [("d4", 3)]  # d1 is relevant too and already shown


def test_an_item_of_which_nothing_was_kept_is_neither_judged_nor_unjudged() -> None:
    last = compared(by_hand()).sets[0].worst[1]
    assert (last.id, last.text, last.first.first_relevant) == ("q4", "", None)
    assert {d.label for d in last.first.documents} == {""}
    bare = compare(by_hand(), {}, "id-a", "id-b").sets[0]
    assert (bare.how, bare.worst[0].first.documents[0].id) == ("", "document 1 of the set")


def test_the_other_way_round_wins_are_losses() -> None:
    there, back = (compare(by_hand(), {}, *pair) for pair in (("id-a", "id-b"), ("id-b", "id-a")))
    assert [i.id for i in there.sets[0].worst] == [i.id for i in back.sets[0].best]
    assert there.sets[0].outcome.difference == -back.sets[0].outcome.difference
    assert losses(there) == back.sets[0].outcome.wins


def test_losses_of_the_same_size_stand_in_order_of_their_ids_and_no_more_than_twenty() -> None:
    names = [f"q{n:02d}" for n in range(40)][::-1]
    found = compared(by_hand([0.0] * 40, [0.5] * 40, names))
    assert [item.id for item in found.sets[0].worst] == sorted(names)[:20]
    assert (found.sets[0].outcome.losses, len(worst_of(found, 5)), best_of(found, 5)) == (40, 5, [])


@pytest.mark.parametrize(
    ("gap", "verdict"), [(0.0, "equivalent"), (0.3, "better"), (-0.3, "better"), (0.013, "inconclusive")]
)
def test_the_verdict_is_one_of_three_words(gap: float, verdict: str) -> None:
    apart = np.tile([1.0, -1.0], 200) * (0.3 if gap == 0.013 else 0.01)  # standard error 0.015, else 0.0005
    names = [str(n) for n in range(400)]
    outcome = compared(by_hand(list(0.5 + gap + apart), [0.5] * 400, names)).sets[0]
    assert outcome.outcome.verdict == verdict
    low, high = outcome.outcome.interval or (0, 0)
    assert low <= outcome.outcome.difference <= high


def test_under_thirty_items_there_is_no_interval_and_no_verdict() -> None:
    outcome = compared(by_hand([1.0] * 29, [0.0] * 29, [str(n) for n in range(29)])).sets[0].outcome
    assert (outcome.interval, outcome.verdict, outcome.difference) == (None, "inconclusive", 1.0)


def test_several_sets_have_a_weighted_outcome_and_one_without_a_result_is_named() -> None:
    scores = {"a": {"x": [1.0] * 30, "y": [0.0] * 30, "z": [1.0]}, "b": {"x": [0.0] * 30, "y": [0.5] * 30}}
    found = compare(invented(scores, {"a": 1, "b": 1}, about={"x": {"weight": 3.0}}), {}, "id-a", "id-b")
    assert found.overall is not None
    assert found.overall.difference == pytest.approx(0.75 * 1.0 - 0.25 * 0.5)
    assert (found.overall.wins, found.overall.losses, found.absent) == (30, 30, ("z",))


def test_candidates_of_different_items_or_metrics_or_without_a_common_set_are_refused() -> None:
    two = by_hand()
    record = two.records["b-set"]
    other = {**record.arrays, "query_ids": np.asarray(["q1", "q2", "q3", "q9"])}
    two.records["b-set"] = Record(record.key, "quality", "ok", record.labels, record.values, other)
    with pytest.raises(HarnessError, match="on different items"):
        compared(two)
    two.records["b-set"] = Record(record.key, "quality", "failed", record.labels, reason="out of memory")
    with pytest.raises(HarnessError, match="no eval set on which both have a result"):
        compared(two)
    with pytest.raises(HarnessError, match="with itself"):
        compare(by_hand(), {}, "id-a", "id-a")
    with pytest.raises(HarnessError, match="no value for some items"):
        compared(by_hand([np.nan, 1, 1, 1]))


def test_a_candidate_that_was_never_planned_is_one_line_with_its_reason() -> None:
    lost = {"model": "broken", "retriever": "dense", "pooling": "native", "dim": "full", "quantization": "float32",
            "index": "flat", "task": "set", "status": "failed", "reason": "no weights"}  # fmt: skip
    two = by_hand()
    two.manifest["unplanned"].append(lost)
    with pytest.raises(HarnessError, match=r"^broken · native · full · float32: failed: no weights; it has no result"):
        compare(two, {}, "id-a", "unplanned broken · native · full · float32")


def named(sweep: Sweep, name: str) -> str:
    return chosen_by(candidates(sweep), name, "unit").id


def test_a_candidate_is_named_by_its_id_its_label_or_the_first_parts_of_it() -> None:
    found = small_sweep()
    assert named(found, "id01") == "id01"
    assert named(found, "large · mean · 768 · int8") == named(found, "large/mean/768/int8") == "id01"
    assert named(found, "small") == "id03"
    with pytest.raises(HarnessError, match=r"'large' fits 3 candidates of unit; .*int8 \(id01\)"):
        named(found, "large")
    with pytest.raises(HarnessError, match="Did you mean small"):
        named(found, "smal")


def test_of_several_candidates_of_one_model_the_pick_is_meant_else_the_best_and_the_text_says_so(
    tmp_path: Path,
) -> None:
    found = with_ids(small_sweep([*FOUR, candidate("small", "int8", 0.46, 250)]))
    text = compare_text(found, ("large", "small"), tmp_path, as_json=False)
    assert "A is large · mean · 768 · int8, the pick among 3 that fit 'large'" in text
    assert "B is small · mean · 768 · int8, the best of 2 that fit 'small'" in text
    assert "for these two alone" in text and "for these two alone. The sweep" in next(tmp_path.iterdir()).read_text()
    plain_text = compare_text(found, ("id01", "id04"), tmp_path, as_json=False)
    assert text.partition("\nA  ")[2] == plain_text.partition("A  ")[2] and "that fit" not in plain_text


def test_a_name_that_fits_several_models_lists_five_and_counts_the_rest(tmp_path: Path) -> None:
    found = small_sweep([candidate(f"team/m{n}", "int8", 0.5, n + 1) for n in range(7)])
    with pytest.raises(HarnessError, match=r"'team' fits 7 candidates of unit; .*\(id04\); and 2 more$"):
        compare_text(found, ("team", "id00"), tmp_path, as_json=False)


def test_a_whole_label_is_itself_though_others_begin_with_it() -> None:
    found = small_sweep([candidate("x", "int8", 0.5, 1), candidate("x", "int8", 0.5, 1)])
    found.manifest["variants"][1]["chunking"] = "words"
    assert named(found, "x/mean/768/int8") == "id00"


def test_bins_are_even_about_zero_and_hold_every_item() -> None:
    found = bins(np.array([-1.0, 0.0, 0.0, 0.01, 0.5]))
    assert sum(one.items for one in found) == 5
    assert (found[0].low, found[-1].high, found[0].items, found[7].items, found[7].share) == (-1.0, 1.0, 1, 3, 1.0)
    assert bins(np.zeros(3)) == ()


HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m\u202e" + "x" * 5000


def test_hostile_names_and_texts_do_no_harm_to_page_json_and_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = by_hand(names=(HOSTILE, "q2", "q3", "q4"))
    for variant in found.manifest["variants"]:
        variant["model"] = variant["candidate_id"] + HOSTILE
    kept = Excerpt({HOSTILE: HOSTILE}, dict.fromkeys(range(5), (HOSTILE, HOSTILE)), {HOSTILE: {0: 1}, "q3": {}})
    monkeypatch.setattr("harness.comparison.read_excerpts", lambda _: {"set": kept})
    text = compare_text(found, ("id-a", "id-b"), tmp_path, as_json=False)
    page = next(tmp_path.iterdir())
    html = page.read_text("utf-8")
    assert "<script" not in html and "<img" not in html and "\x1b" not in html and "\u202e" not in html
    assert len(page.name) < 200 and page.name.isascii()
    assert text.splitlines()[-1] == f"Page       {page}"
    lines = text[text.index("Where A is") :].splitlines()[:-1]
    assert max(map(len, lines)) <= 160
    assert json.loads(compare_text(found, ("id-a", "id-b"), tmp_path, as_json=True))["sets"][0]["worst"]


def test_the_command_compares_writes_a_page_and_gives_everything_as_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_task()
    folder = sweep("model=hashing,bm25").folder
    answer = review.compare(["bm25", "hashing", str(folder)])
    assert "compare-bm25-vs-" in Path("reports/index.html").read_text("utf-8")
    assert "A  bm25" in answer.text and "forgot my password" in answer.text + page_of(tmp_path)
    everything = json.loads(review.compare(["bm25", "hashing", str(folder), "--json"]).text)
    one = everything["sets"][0]
    assert (one["ids"], len(one["differences"])) == (list(QUERIES), 4)
    assert one["outcome"]["wins"] + one["outcome"]["ties"] + one["outcome"]["losses"] == 4
    assert everything["first"][1] == "bm25" and Path(everything["page"]).exists()
    ids = [v["candidate_id"] for v in read_sweep(folder).manifest["variants"]]
    assert everything == plain(compare(read_sweep(folder), kept_of(folder), *reversed(ids))) | {
        "page": everything["page"]
    }


def kept_of(folder: Path) -> dict[str, Excerpt]:
    from harness.excerpts import read_excerpts

    found = read_excerpts(read_sweep(folder))
    assert set(found) == {"tiny"}
    return found


def page_of(folder: Path) -> str:
    return next((folder / "reports").rglob("compare-bm25-vs-*.html")).read_text("utf-8")


@pytest.mark.parametrize("how", ["hashed", "none"])
def test_without_leave_to_show_texts_none_reaches_the_reports_and_asking_again_brings_them_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    from harness.decide import decide
    from harness.policy import Policy
    from harness.report import write_report

    def written(words: str) -> str:
        outcome = sweep("model=hashing,bm25", "sweep=s", f"report.query_text={words}")
        found = read_sweep(outcome.folder)
        write_report(found, decide(found, Policy(draws=200)), Path("reports/s"))
        said = compare_text(found, ("bm25", "hashing"), Path("reports/s"), as_json=False)
        files = [p.read_text("utf-8") for p in Path("reports/s").rglob("*") if p.suffix in (".html", ".md", ".json")]
        return "\n".join([said, *files])

    monkeypatch.chdir(tmp_path)
    write_task()
    hidden = written(how)
    assert not [text for text in (*DOCUMENTS.values(), *QUERIES.values()) if text in hidden]
    assert f"report.query_text is {how}" in hidden
    assert DOCUMENTS["d1"] in written("full")


def test_a_sweep_of_sts_and_clusters_is_compared_without_rankings() -> None:
    found = small_sweep(FOUR, tasks=("alike", "topics"), types={"alike": "sts", "topics": "clustering"})
    first = compare(found, {}, "id02", "id00")
    assert [one.metric for one in first.sets] == ["cosine_spearman", "v_measure"]
    assert not first.sets[0].worst[0].first.documents
    assert first.overall is not None and first.overall.verdict == "better"
