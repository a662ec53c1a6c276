"""Accepting a decision: who may, what is kept, what it makes of page and record, what supersedes what."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from harness import acceptance, cli
from harness.acceptance import Undecided, accept, identity, read_accepted, with_state
from harness.decide import decide
from harness.policy import read_policy
from harness.table import Sweep, read_sweep
from harness.types import HarnessError
from tests.on_disk import keep
from tests.small_sweep import FOUR, candidate, small_sweep

NODE = {"draws": 300}
OTHER = {"draws": 300, "margin": 0.3}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(acceptance, "_today", lambda: "2026-04-01")


def swept(name: str = "s", **manifest: Any) -> Sweep:
    return keep(small_sweep(), Path("results") / name, **{"policy": NODE, **manifest})


def state(folder: Path) -> dict[str, Any]:
    sweep = read_sweep(folder)
    return with_state(sweep, decide(sweep, read_policy(sweep.manifest["policy"])))


def harness(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["harness", *words])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return int(caught.value.code or 0)


def test_a_decision_is_proposed_until_a_named_person_accepts_it() -> None:
    sweep = swept()
    before = state(sweep.folder)
    assert (before["state"], before["decision_makers"], before["accepted"], before["supersedes"]) == (
        "proposed", [], "", "",
    )  # fmt: skip
    accept(sweep, NODE, "Ada Lovelace")
    after = state(sweep.folder)
    assert (after["state"], after["decision_makers"], after["accepted"]) == ("accepted", ["Ada Lovelace"], "2026-04-01")
    assert after["id"] == before["id"]
    entry = read_accepted(sweep.folder)[0]
    assert (entry.status, entry.pick, entry.label) == ("decided", after["pick"], "large · mean · 768 · int8")


def test_accepting_twice_is_harmless_and_a_second_person_is_added() -> None:
    sweep = swept()
    accept(sweep, NODE, "Ada")
    first = (sweep.folder / "accepted.json").read_bytes()
    accept(sweep, NODE, "Ada")
    assert (sweep.folder / "accepted.json").read_bytes() == first
    accept(sweep, NODE, "  Bo\n Li ")
    assert state(sweep.folder)["decision_makers"] == ["Ada", "Bo Li"]
    assert state(sweep.folder)["supersedes"] == ""


@pytest.mark.parametrize("by", [None, "", "  \n", "x" * 201])
def test_nobody_and_no_name_accept_nothing(by: str | None) -> None:
    sweep = swept()
    with pytest.raises(HarnessError, match="--by NAME"):
        accept(sweep, NODE, by)
    assert not (sweep.folder / "accepted.json").exists()


@pytest.mark.parametrize(
    ("sweep", "node"),
    [
        (small_sweep([FOUR[0], candidate("large", "int8", 0.59, 750)], queries=12, noise=0.1), NODE),
        (small_sweep(), {"draws": 300, "limits": {"bytes_per_doc": 1}}),
        (small_sweep()._replace(records={}), NODE),
    ],
    ids=["insufficient", "nothing within the limits", "no record"],
)
def test_what_is_not_decided_cannot_be_accepted(sweep: Sweep, node: dict[str, Any]) -> None:
    kept = keep(sweep, Path("results/s"), policy=NODE)
    with pytest.raises(Undecided, match="nothing to accept") as caught:
        accept(kept, node, "Ada")
    assert caught.value.exit_code == 4
    assert "\n" not in str(caught.value)
    assert read_sweep(kept.folder).manifest["policy"] == NODE


def test_a_smoke_test_cannot_be_accepted_even_where_the_policy_decides_on_it() -> None:
    sweep = small_sweep()
    sweep.manifest["evalsets"]["helpdesk"]["sample"] = "60 of 900 queries"
    node = NODE | {"allow_sample": True}
    kept = keep(sweep, Path("results/s"), policy=node)
    assert decide(kept, read_policy(node))["status"] == "decided"
    with pytest.raises(Undecided, match="smoke test"):
        accept(kept, node, "Ada")


def test_new_data_make_a_new_proposed_record_that_supersedes_the_accepted_one() -> None:
    sweep = swept()
    accept(sweep, NODE, "Ada")
    old = state(sweep.folder)["id"]
    better = [*FOUR, candidate("new", "int8", 0.7, 96)]
    keep(small_sweep(better), sweep.folder, policy=NODE, created="2026-05-01T00:00:00+00:00")
    new = state(sweep.folder)
    assert (new["state"], new["supersedes"], new["decision_makers"]) == ("proposed", old, [])
    accept(read_sweep(sweep.folder), NODE, "Bo")
    assert (state(sweep.folder)["state"], state(sweep.folder)["supersedes"]) == ("accepted", old)
    keep(small_sweep(), sweep.folder, policy=NODE)
    back = state(sweep.folder)
    assert (back["state"], back["superseded_by"]) == ("superseded", new["id"]), "the first data again"
    accept(read_sweep(sweep.folder), NODE, "Ada")
    assert state(sweep.folder)["state"] == "accepted"
    assert [e.by for e in read_accepted(sweep.folder)] == ["Ada", "Bo", "Ada"], "nothing is ever deleted"


def test_a_policy_that_was_shown_and_accepted_becomes_the_sweeps_own_with_the_date() -> None:
    sweep = swept()
    shown = identity(decide(sweep, read_policy(OTHER)))
    accept(sweep, OTHER, "Ada")
    found = state(sweep.folder)
    assert found["state"] == "accepted"
    assert found["policy"]["margin"] == 0.3
    assert found["policy_changed"] == read_sweep(sweep.folder).manifest["policy_changed"][:10] != ""
    assert found["id"] != shown, "the record says when the policy was changed, the look ahead said in this call"
    assert (
        found["pick"]
        == decide(keep(small_sweep(), Path("results/t"), policy=OTHER), read_policy(OTHER))["pick"]
        != decide(sweep, read_policy(NODE))["pick"]
    )


def test_the_id_is_of_the_content_alone_and_arithmetic_in_the_last_digits_does_not_change_it() -> None:
    decision = decide(small_sweep(), read_policy(NODE))
    assert len(identity(decision)) == 12
    assert identity(decision | {"state": "accepted", "decision_makers": ["Ada"]}) == identity(decision)
    entries = [c | {"score": c["score"] * (1 + 1e-15)} for c in decision["candidates"]]
    assert identity(decision | {"candidates": entries}) == identity(decision)
    entries = [c | {"score": c["score"] + 1e-4} for c in decision["candidates"]]
    assert identity(decision | {"candidates": entries}) != identity(decision)
    assert identity(decision | {"caveats": ["another"]}) != identity(decision)


@pytest.mark.parametrize("text", ["", "[]", '{"accepted": [{"id": "x"}]}', "{broken"])
def test_a_damaged_list_of_acceptances_is_an_error_and_never_means_proposed(text: str) -> None:
    sweep = swept()
    (sweep.folder / "accepted.json").write_text(text)
    with pytest.raises(HarnessError, match=r"accepted\.json cannot be read"):
        state(sweep.folder)


def test_an_accepted_decision_of_another_sweep_can_be_superseded() -> None:
    first, second = swept("first"), swept("second")
    with pytest.raises(HarnessError, match="no decision of that sweep was accepted"):
        accept(second, NODE, "Ada", first.folder)
    accept(first, NODE, "Ada")
    accept(second, NODE, "Ada", first.folder)
    assert state(second.folder)["supersedes"] == f"first:{state(first.folder)['id']}"


# The command ---------------------------------------------------------------------------------------------------


def test_the_command_accepts_and_makes_page_record_and_overview_anew(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    swept()
    assert harness(monkeypatch, "decide", "s") == 0
    assert "harness decide s --accept --by NAME" in capsys.readouterr().out
    assert harness(monkeypatch, "decide", "s", "--accept", "--by", "Ada") == 0
    out = capsys.readouterr().out
    decision = json.loads(Path("reports/s/decision.json").read_text())
    assert f"Accepted by Ada on 2026-04-01 (record {decision['id']})" in out
    assert decision["state"] == "accepted"
    record = Path("reports/s/decision.md").read_text()
    assert "\nstatus: accepted\n" in record and 'decision-makers: ["Ada"]' in record and "date: 2026-04-01" in record
    assert Path(f"reports/s/decision-{decision['id']}.md").read_text() == record
    assert "accepted by Ada on 2026-04-01" in Path("reports/index.html").read_text()
    assert harness(monkeypatch, "decide", "s", "--accept", "--by", "Ada") == 0, "twice is harmless"
    assert harness(monkeypatch, "report", "s") == 0
    assert Path("reports/s/decision.md").read_text() == record, "the same records and acceptances, the same bytes"


def test_a_signed_record_stays_beside_the_one_that_would_replace_it(monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = swept()
    harness(monkeypatch, "decide", "s", "--accept", "--by", "Ada")
    signed = json.loads(Path("reports/s/decision.json").read_text())["id"]
    kept = Path(f"reports/s/decision-{signed}.md").read_bytes()
    keep(small_sweep([*FOUR, candidate("new", "int8", 0.7, 96)]), sweep.folder, policy=NODE)
    harness(monkeypatch, "report", "s")
    assert Path(f"reports/s/decision-{signed}.md").read_bytes() == kept
    assert f'supersedes: "{signed}"' in Path("reports/s/decision.md").read_text()


def test_a_pick_other_than_the_accepted_one_is_exit_3_with_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = swept()
    harness(monkeypatch, "decide", "s", "--accept", "--by", "Ada")
    assert harness(monkeypatch, "decide", "s") == 0
    keep(small_sweep([*FOUR, candidate("new", "int8", 0.7, 96)]), sweep.folder, policy=NODE)
    capsys.readouterr()
    assert harness(monkeypatch, "decide", "s") == 3
    out, err = capsys.readouterr()
    assert "The accepted pick is large · mean · 768 · int8 (by Ada on 2026-04-01)" in err
    assert "Proposed" in out


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (("--accept",), 1, "--by NAME"),
        (("--accept", "--by", ""), 1, "--by NAME"),
        (("--by", "Ada"), 1, "go with --accept"),
        (("--accept", "--by", "Ada", "--supersedes", "nowhere"), 1, "no sweep nowhere"),
        (("--accept", "--by", "Ada", "policy.limits.bytes_per_doc=1"), 4, "nothing to accept"),
        (("--accept", "--by", "Ada", "model=bm25"), 1, "policy=... overrides only"),
    ],
)
def test_mistakes_of_the_command_are_one_line_and_write_nothing(
    words: tuple[str, ...], code: int, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = swept()
    before = (sweep.folder / "sweep.json").read_bytes()
    assert harness(monkeypatch, "decide", "s", *words) == code
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1 and line in err
    assert not Path("reports").exists() and not (sweep.folder / "accepted.json").exists()
    assert (sweep.folder / "sweep.json").read_bytes() == before
