"""What speaks against timings, labels and eval sets, said before anybody signs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.decide import DECIDED, decide
from harness.narrative import consequences
from harness.noise import by_speed
from harness.report import read_report
from harness.sections.decision import Decision
from harness.table import Sweep
from tests.small_sweep import POLICY, candidate, small_sweep
from tests.sweeping import sweep, write_task

UNTIMED = replace(POLICY, limits={})
ROOMY = replace(POLICY, limits={"query_p95_ms": 100})


def caveats(found: Sweep, policy: Any = ROOMY) -> list[str]:
    decision = decide(found, policy)
    assert decision["status"] == DECIDED and len(decision["caveats"]) <= 3
    return list(decision["caveats"])


def starting(lines: list[str], words: str) -> list[str]:
    return [line for line in lines if line.startswith(words)]


# Timings -------------------------------------------------------------------------------------------------------


def shaken(found: Sweep, at: int, *factors: float) -> Sweep:
    """The rounds of a candidate's timings, each a so many times the measured one."""
    name = f"{at}-helpdesk"
    changed = {
        key: replace(record, arrays={"seconds": (record.arrays["seconds"].T * factors).T})
        for key, record in found.records.items()
        if record.kind == "timing" and key[1:] == name
    }
    assert len(changed) == 3
    return found._replace(records={**found.records, **changed})


def test_repeats_far_apart_are_a_caveat_and_marked_in_cards_and_consequences() -> None:
    noisy = shaken(small_sweep(), 1, 1, 1, 1.4)
    (said, *_) = starting(caveats(noisy), "Timings are noisy")
    assert "repeats of candidates lie up to 29 % (query p95) and 40 % (indexing) apart" in said, (
        "p95 of all rounds is the slowest"
    )
    assert "a limit or the order goes by them" in said
    cards = Decision().render(read_report(noisy, decide(noisy, ROOMY)))
    assert cards.count("(noisy)") == 2
    assert "by a noisy timing (repeats 40 % apart)" in consequences(decide(noisy, ROOMY))[1]


def test_steady_repeats_are_no_caveat() -> None:
    steady = shaken(small_sweep(), 1, 1, 1, 1.1)
    assert not starting(caveats(steady), "Timings")
    assert "(noisy)" not in Decision().render(read_report(steady, decide(steady, ROOMY)))


def test_another_candidates_noise_counts_where_a_limit_goes_by_it() -> None:
    noisy = shaken(small_sweep(), 3, 1, 1, 2)
    assert starting(caveats(noisy), "Timings are noisy")
    assert not starting(caveats(noisy, UNTIMED), "Timings")


def test_noise_that_decides_nothing_comes_last_and_is_never_left_out() -> None:
    noisy = shaken(small_sweep(), 1, 1, 1, 2)
    noisy.manifest["evalsets"]["helpdesk"]["label_source"] = "synthetic"
    noisy.manifest["policy_changed"] = "2026-04-01"
    lines = caveats(noisy, UNTIMED)
    assert len(lines) == 3 and lines[2].startswith("Timings are noisy")


def test_a_limit_that_puts_somebody_out_by_noise_comes_first() -> None:
    noisy = shaken(small_sweep(), 0, 1, 1, 2)  # 20 ms, 40 ms in one round
    noisy.manifest["evalsets"]["helpdesk"]["label_source"] = "synthetic"
    first = caveats(noisy, replace(POLICY, limits={"query_p95_ms": 30}))[0]
    assert first.startswith("Noise may have put candidates out: the limit on query p95 puts out 1 of 4 candidates")


def test_noise_in_a_cost_that_decides_after_ties_is_said_to_decide() -> None:
    pair = (candidate("large", "float32", 0.60, 1000, 20.0), candidate("small", "float32", 0.60, 1000, 2.0))
    by_size = replace(UNTIMED, order=("bytes_per_doc", "query_p95_ms"))
    (said,) = starting(caveats(shaken(small_sweep(pair), 1, 1, 1, 2), by_size), "Timings are noisy")
    assert "a limit or the order goes by them" in said
    other = (pair[0], candidate("small", "float32", 0.60, 900, 2.0))
    (said,) = starting(caveats(shaken(small_sweep(other), 1, 1, 1, 2), by_size), "Timings are noisy")
    assert "order goes by them" not in said


@pytest.mark.parametrize("key", ["docs_per_s", "serve_rate_per_s"])
def test_a_limit_on_a_rate_goes_by_timings(key: str) -> None:
    decision = decide(small_sweep(), UNTIMED)
    assert not by_speed(decision)
    limited = {**decision["policy"], "limits": {key: 1.0}}
    assert by_speed({**decision, "policy": limited})


@pytest.mark.parametrize(("load", "told"), [(4.5, False), (9.0, True), (float("nan"), False)])
def test_a_load_far_over_the_cores_is_said(load: float, told: bool) -> None:
    busy = small_sweep()
    key = "s1-helpdesk"
    record = busy.records[key]
    busy = busy._replace(
        records={**busy.records, key: replace(record, values=dict(record.values) | {"load_before": load})}
    )
    assert bool([c for c in caveats(busy) if "the machine was busy, at a load of 9.0 on 4 cores" in c]) == told


def watched(**values: float) -> Sweep:
    """The meters' readings in one timing."""
    found = small_sweep()
    record = found.records["s1-helpdesk"]
    quiet = {"busy_elsewhere": 0.0, "stolen": 0.0, "clock_gap_s": 0.0, "watched_s": 10.0}
    return found._replace(
        records={**found.records, record.key: replace(record, values={**record.values, **quiet, **values})}
    )


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"busy_elsewhere": 0.34}, "other programs used up to 34 % of the cores"),
        ({"stolen": 0.08}, "a hypervisor gave up to 8 % of the cores' time to other machines"),
        ({"clock_gap_s": 2.5}, "two clocks disagreed by up to 2.50 s"),
        ({"busy_elsewhere": 0.05}, ""),
    ],
)
def test_what_the_meters_saw_is_a_caveat(values: dict[str, float], told: str) -> None:
    said = starting(caveats(watched(**values)), "Timings are noisy")
    assert [f"Timings are noisy: {told}." in line for line in said] == ([True] if told else [])


def faster(cosine: float | None, difference: float | None) -> list[str]:
    """The caveats of a pick that is a faster path of this parity."""
    found = small_sweep()
    pick = found.records["q1-helpdesk"]
    score = pick.values["main_score"]
    plain = replace(pick, key="plain", values={**pick.values, "main_score": score - (difference or 0.0)})
    told = {"parity_cosine": cosine, "parity_record": "plain"}
    records = {**found.records, pick.key: replace(pick, values={**pick.values, **told}), "plain": plain}
    return starting(caveats(found._replace(records=records)), "The speed of the pick")


def test_a_pick_without_parity_is_a_caveat_with_cosine_and_loss() -> None:
    (said,) = faster(0.9712, -0.05)
    assert "its vectors' lowest cosine to float32 is 0.9712 and it scores 0.050 lower than in float32" in said
    assert len(faster(0.9712, 0.0)) == len(faster(0.9999, -0.05)) == 1
    assert faster(0.9999, -0.001) == []


# Labels --------------------------------------------------------------------------------------------------------


def judged(share: float, relevant: float, source: str = "human-pool") -> Sweep:
    found = small_sweep()
    found.manifest["evalsets"]["helpdesk"]["label_source"] = source
    changed = {
        key: replace(r, values=dict(r.values) | {"judged_at_10": share, "precision_at_10": relevant})
        for key, r in found.records.items()
        if r.kind == "quality"
    }
    return found._replace(records={**found.records, **changed})


def test_few_judged_documents_are_a_caveat_unless_nothing_is_judged_irrelevant() -> None:
    (said, *_) = caveats(judged(0.15, 0.05))
    assert said.startswith("Of the ten documents shown first only 15 % (helpdesk) were judged: scores are lower bounds")
    assert not starting(caveats(judged(0.15, 0.15)), "Of the ten")
    assert not starting(caveats(judged(0.60, 0.05)), "Of the ten")


@pytest.mark.parametrize("source", ["bm25-top10", "clicks"])
def test_labels_of_one_engine_are_a_caveat(source: str) -> None:
    assert starting(caveats(judged(1.0, 0.3, source)), f"Labels come from what one engine showed (helpdesk: {source})")
    assert not starting(caveats(judged(1.0, 0.3)), "Labels come")


# Eval sets with the same queries -------------------------------------------------------------------------------


def test_eval_sets_with_the_same_queries_are_a_caveat() -> None:
    twice = small_sweep(tasks=("first", "second", "third"))
    for name, known in (("first", "a"), ("second", "b"), ("third", "a")):
        twice.manifest["evalsets"][name]["queries_sha256"] = known
    assert starting(caveats(twice), "first and third hold the same queries and count as independent")
    assert not [line for line in caveats(small_sweep(tasks=("first", "second"))) if "independent" in line]


def test_the_manifest_knows_the_same_queries_under_other_ids_and_in_another_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_task()
    write_task("again", queries={"q4": "forgot my password", "q1": "black monitor", "q2": "paper jam in printer",
                                 "q3": "invoice paid twice"})  # fmt: skip
    write_task("other", queries={"q1": "a", "q2": "b", "q3": "c", "q4": "d"})
    outcome = sweep("model=hashing", "task=tiny,again,other")
    about = json.loads((outcome.folder / "sweep.json").read_text())["evalsets"]
    hashes = [about[name]["queries_sha256"] for name in ("tiny", "again", "other")]
    assert hashes[0] == hashes[1] != hashes[2]


# What is not measured, and what would settle it ------------------------------------------------------------------


@pytest.mark.parametrize(("queries", "share"), [(60, "5 %"), (299, "1 %"), (300, "")])
def test_losses_too_rare_for_so_few_queries_are_not_measured(queries: int, share: str) -> None:
    told = starting(decide(small_sweep(queries=queries), POLICY)["not_measured"], "Losses so rare")
    assert [f"up to about {share} of all" in line for line in told] == ([True] if share else [])


def test_what_more_queries_would_buy_is_said() -> None:
    half = (candidate("large", "float32", 0.60, 3000), candidate("large", "int4", 0.59, 1500))
    said = decide(small_sweep(half, noise=0.1), POLICY)["sentence"]
    assert "settle it for large · mean · 768 · int4, which may save 50 % of the bytes per document" in said


def test_few_queries_name_what_may_go_unseen() -> None:
    two = (candidate("large", "float32", 0.45, 3000), candidate("small", "float32", 0.60, 1000))
    (said, *_) = starting(caveats(small_sweep(two, noise=0.2)), "Few queries")
    assert "may go unseen (80 % power)" in said and not np.isnan(float(said.split(" under ")[1].split()[0]))
