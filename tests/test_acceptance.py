"""Accepting a decision: who may, what is kept, what it makes of page and record, what supersedes what."""

from __future__ import annotations

import json
import shlex
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


@pytest.mark.parametrize("by", ["Ren\udce9", "\u200b\u200d", "\u3164", "\u2060 \ufeff", "...", "Ada\x1b[2J"])
def test_a_name_that_nobody_can_read_accepts_nothing(by: str) -> None:
    sweep = swept()
    with pytest.raises(HarnessError, match="cannot be read as a name"):
        accept(sweep, NODE, by)
    assert not (sweep.folder / "accepted.json").exists()


@pytest.mark.parametrize("by", ["René", "李小龙", "علي", "O'Neil-Łuk", "7"])
def test_a_name_in_any_script_accepts(by: str) -> None:
    sweep = swept()
    accept(sweep, NODE, by)
    assert [e.by for e in read_accepted(sweep.folder)] == [by]


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
    assert state(sweep.folder)["replaces"] == new["replaces"] == {
        "label": "large · mean · 768 · int8", "by": "Ada", "date": "2026-04-01",
    }  # fmt: skip
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


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("by", 5), ("by", "\u200b"), ("by", "Ren\udce9"), ("date", "yesterday"), ("date", "20260401"), ("date", None),
        ("supersedes", 3), ("supersedes", None), ("pick", ""), ("id", ["x"]), ("label", {}), ("replaces", None),
        ("replaces", {"label": "a"}), ("replaces", {"label": "a", "by": "b", "date": "soon"}),
        ("replaces", {"label": 1, "by": "b", "date": "2026-01-01"}),
    ],
)  # fmt: skip
def test_an_acceptance_with_a_field_of_another_kind_is_one_line_with_one_advice(field: str, value: Any) -> None:
    sweep = swept()
    accept(sweep, NODE, "Ada")
    path = sweep.folder / "accepted.json"
    held = json.loads(path.read_text())
    held["accepted"][0][field] = value
    path.write_text(json.dumps(held))
    with pytest.raises(HarnessError, match=rf"accepted\.json cannot be read \(acceptance 1: .*{field}") as caught:
        state(sweep.folder)
    assert "\n" not in str(caught.value)
    assert "restore it, or move it away" in str(caught.value) and "delete" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ({"schema": 2, "accepted": []}, "schema 1"), ({"accepted": []}, "schema 1"), ([], "schema 1"),
        ({"schema": 1, "accepted": {}}, "a list"), ({"schema": 1, "accepted": []}, "a list"),
        ({"schema": 1}, "a list"), ({"schema": 1, "accepted": ["Ada"]}, "objects"),
        ({"schema": 1, "accepted": [{"more": 1}]}, "more"),
    ],
)  # fmt: skip
def test_a_file_of_another_form_is_damage_and_never_means_that_nobody_signed(value: Any, line: str) -> None:
    sweep = swept()
    (sweep.folder / "accepted.json").write_text(json.dumps(value))
    with pytest.raises(HarnessError, match=line):
        read_accepted(sweep.folder)


def test_an_accepted_decision_of_another_sweep_can_be_superseded() -> None:
    first, second = swept("first"), swept("second")
    with pytest.raises(HarnessError, match="no decision of that sweep was accepted"):
        accept(second, NODE, "Ada", first.folder)
    accept(first, NODE, "Ada")
    accept(second, NODE, "Bo", first.folder)
    found = state(second.folder)
    assert found["supersedes"] == f"first:{state(first.folder)['id']}"
    assert found["replaces"] == {"label": "large · mean · 768 · int8", "by": "Ada", "date": "2026-04-01"}
    accept(second, NODE, "Cy")
    joined = state(second.folder)
    assert (joined["supersedes"], joined["replaces"]) == (found["supersedes"], found["replaces"]), "who joins in"


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


def test_the_command_that_is_proposed_signs_what_was_shown_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    swept("a b")
    harness(monkeypatch, "decide", "--accept", "--by", "Ada")
    words = ["policy.limits.bytes_per_doc=500", "policy.limits.licences=[mit, apache-2.0]", "--results-dir", "results"]
    assert harness(monkeypatch, "decide", *words) == 3
    shown, errors = capsys.readouterr()
    proposed = shlex.split(shown.rpartition("To accept it: ")[2])
    assert proposed == ["harness", "decide", "a b", *words, "--accept", "--by", "NAME"]
    assert "it would replace large · mean · 768 · int8, accepted by Ada on 2026-04-01, record" in shown
    assert harness(monkeypatch, *proposed[1:-1], "Bo") == 0
    out = capsys.readouterr().out
    picked = json.loads(Path("reports/a b/decision.json").read_text())
    label = next(c["label"] for c in picked["candidates"] if c["id"] == picked["pick"])
    assert label == "large · mean · 768 · binary"
    assert f"Use {label}" in shown and f"): use {label}. It replaces large · mean · 768 · int8, accepted by Ada" in out
    record = Path("reports/a b/decision.md").read_text()
    assert "It replaces large · mean · 768 · int8, accepted by Ada on 2026-04-01, record" in record
    assert f"replaces {'large · mean · 768 · int8'}, accepted by Ada" in Path("reports/index.html").read_text()


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


@pytest.mark.parametrize("blocked", ["reports/s", "reports/s/decision.md/x", "reports/index.html/x"])
def test_where_the_report_cannot_be_written_nothing_is_accepted(
    blocked: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = swept()
    before = (sweep.folder / "sweep.json").read_bytes()
    Path(blocked).parent.mkdir(parents=True)
    Path(blocked).touch()
    assert harness(monkeypatch, "decide", "s", "--accept", "--by", "Ada", "policy.margin=0.03") == 1
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1 and "nothing was accepted, for its report could not be written" in err
    assert not (sweep.folder / "accepted.json").exists() and (sweep.folder / "sweep.json").read_bytes() == before
    assert not list(Path("reports").glob("s/index.html")) and not list(Path("reports").glob("s/decision-*.md"))


def test_a_report_that_cannot_be_rendered_leaves_the_last_one_and_what_was_accepted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = swept()
    harness(monkeypatch, "decide", "s", "--accept", "--by", "Ada")
    folders = (sweep.folder, Path("reports/s"))
    before = {path: path.read_bytes() for folder in folders for path in folder.glob("*") if path.is_file()}

    def broken(*_: Any) -> bytes:
        raise ValueError("a number that is not finite")

    monkeypatch.setattr("harness.report.write_figures", broken)  # the last step of a report
    capsys.readouterr()
    assert harness(monkeypatch, "decide", "s", "--accept", "--by", "Bo", "policy.margin=0.03") == 1
    assert "nothing was accepted" in capsys.readouterr().err
    assert {path: path.read_bytes() for folder in folders for path in folder.glob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (("--accept",), 1, "--by NAME"),
        (("--accept", "--by", ""), 1, "--by NAME"),
        (("--accept", "--by", "Ren\udce9"), 1, "in UTF-8: --by NAME"),
        (("--accept", "--by", "Ada", "policy.limits.bytes_per_doc=.inf"), 1, "policy.limits.bytes_per_doc"),
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
