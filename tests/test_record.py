"""The decision as JSON and as Markdown: its schema, its front matter, hostile names, and the same bytes again."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

import harness
from harness.acceptance import with_state
from harness.decide import DECIDED, decide
from harness.markdown import plain, shortened
from harness.policy import Policy, read_policy
from harness.record import render_record
from harness.table import Sweep
from tests.on_disk import keep
from tests.small_sweep import FOUR, POLICY, candidate, failed, small_sweep

SCHEMA = json.loads((files("harness") / "schemas" / "decision.schema.json").read_text("utf-8"))
ROOT = Path(harness.__file__).parent.parent
HOSTILE = {
    "script": "</script><script>alert(1)</script>",
    "image": "<img src=x onerror=alert(1)>",
    "link": "[here](javascript:alert(1))",
    "formula": '=HYPERLINK("http://evil.example","x")',
    "escape": "red\x1b[31m\x07\x9b2J",
    "right to left": "abc\u202egpj.exe",
    "table": "a|b\n| c | d |\n\n# heading\n---\n",
    "fence": "`code` ```",
    "long": "x" * 10_000,
}


def values(sweep: Sweep, policy: Policy = POLICY, **changed: Any) -> dict[str, Any]:
    """decision.json as it is read back."""
    return json.loads(json.dumps(with_state(sweep, decide(sweep, policy)) | changed))


def kinds() -> dict[str, tuple[Sweep, Policy]]:
    few = [FOUR[0], candidate("large", "int8", 0.59, 750)]
    lost = small_sweep()
    for at in range(4):
        lost = failed(lost, at, "out of memory")
    sampled = small_sweep()
    sampled.manifest["evalsets"]["helpdesk"]["sample"] = "60 of 900 queries"
    types = {"alike": "sts", "topics": "clustering"}
    priced = read_policy({"draws": 300, "prices": {"machine_per_hour": 1.5}, "limits": {"query_p95_ms": 30}})
    ghost = {"model": "ghost", "retriever": "dense", "pooling": "-", "dim": "-", "quantization": "-", "index": "-"}
    return {
        "decided": (small_sweep(), POLICY),
        "insufficient": (small_sweep(few, queries=12, noise=0.1), POLICY),
        "one query": (small_sweep(queries=1), POLICY),
        "nothing": (small_sweep(), Policy(draws=300, limits={"query_p95_ms": 1})),
        "failed": (lost, POLICY),
        "no record": (small_sweep()._replace(records={}), POLICY),
        "one candidate": (small_sweep(FOUR[:1]), POLICY),
        "sub-sampled": (sampled, POLICY),
        "unplanned": (small_sweep(unplanned=[ghost | {"task": "helpdesk", "status": "skipped", "reason": "no"}]), POLICY),
        "sts alone": (small_sweep(tasks=("alike",), types=types), Policy(draws=300)),
        "four sets of three types": (small_sweep(tasks=("a", "b", "alike", "topics"), types=types), Policy(draws=300)),
        "held out": (small_sweep(queries=450), POLICY),
        "priced": (small_sweep(), priced),
        "any": (small_sweep(), Policy(draws=300, reference="any")),
        "any, nothing proven": (small_sweep(noise=0.3), Policy(draws=300, reference="any")),
    }  # fmt: skip


# Schema --------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("kind", kinds())
def test_every_kind_of_decision_meets_the_schema(kind: str) -> None:
    sweep, policy = kinds()[kind]
    found = Draft202012Validator(SCHEMA).iter_errors(values(sweep, policy))
    assert [f"{list(error.absolute_path)}: {error.message[:200]}" for error in found] == []


def test_the_schema_is_one_and_names_its_version() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    version = decide(small_sweep(), POLICY)["schema"]
    assert SCHEMA["properties"]["schema"] == {"const": version}
    assert SCHEMA["$id"] == f"urn:embedding-harness:decision:{version}"


def test_a_missing_or_a_misspelt_or_a_wrong_value_fails() -> None:
    right, check = values(small_sweep()), Draft202012Validator(SCHEMA).is_valid
    assert check(right)
    for key in right:
        assert not check({k: v for k, v in right.items() if k != key}), f"without {key}"
    assert not check(right | {"sentense": right["sentence"]})
    for wrong in ({"schema": 1}, {"status": "done"}, {"id": "xyz"}, {"state": "signed"}, {"accepted": "yesterday"}):
        assert not check(right | wrong), wrong
    for name, without in (("score", None), ("difference", None), ("verdict", None), ("p_value", None)):
        entries = [{k: v for k, v in entry.items() if k != name} for entry in right["candidates"]]
        assert not check(right | {"candidates": entries}), name
        assert not check(right | {"candidates": [e | {f"{name}s ": without} for e in right["candidates"]]}), name


# Markdown ------------------------------------------------------------------------------------------------------


def front(text: str) -> dict[str, Any]:
    return yaml.safe_load(text.split("---\n")[1])


def test_the_front_matter_says_who_accepted_when_and_what_it_replaces() -> None:
    sweep = small_sweep()
    proposed = front(render_record(values(sweep), sweep.manifest))
    assert proposed["status"] == "proposed" and proposed["decision-makers"] == [] and proposed["supersedes"] is None
    signed = {"state": "accepted", "decision_makers": ["Ada", 'B "x": #y'], "accepted": "2026-08-31",
              "supersedes": "123456789012"}  # fmt: skip
    text = render_record(values(sweep, **signed), sweep.manifest)
    found = front(text)
    assert (found["status"], found["decision-makers"]) == ("accepted", ["Ada", 'B "x": #y'])
    assert (str(found["date"]), str(found["review-by"])) == ("2026-08-31", "2027-02-28")
    assert found["supersedes"] == "123456789012", "an id of digits stays text"
    assert "Accepted by Ada and B" in text and "It replaces 123456789012." in text
    old = {"label": "*old*", "by": "Bo", "date": "2026-01-31"}
    told = render_record(values(sweep, **signed, replaces=old), sweep.manifest)
    assert "It replaces \\*old\\*, accepted by Bo on 2026-01-31, record 123456789012." in told
    gone = values(sweep, **signed, superseded_by="abcdefabcdef") | {"state": "superseded"}
    assert front(render_record(gone, sweep.manifest))["status"] == "superseded by abcdefabcdef"


def test_shares_that_somebody_chose_keep_their_digits() -> None:
    eight = small_sweep(tasks=[f"set{i}" for i in range(8)])
    assert "weight 1 (12.5 % of the score)" in render_record(decide(eight, POLICY), eight.manifest)
    policy = Policy(draws=300, confidence=0.975)
    assert "at 97.5 % confidence" in render_record(decide(small_sweep(), policy), small_sweep().manifest)


def test_weights_prices_and_costs_of_the_policy_are_written() -> None:
    sweep = small_sweep(tasks=("a", "b"))
    policy = read_policy({
        "draws": 300, "weights": {"a": 3}, "prices": {"machine_per_hour": 3.6, "currency": "EUR"},
    })  # fmt: skip
    for variant in sweep.manifest["variants"]:
        variant["card"]["price_per_million_tokens"] = 0
    text = render_record(decide(sweep, policy), sweep.manifest)
    assert "a: 500 documents, 60 scored queries, retrieval by nDCG@10, weight 3 (75 % of the score)" in text
    assert "Prices: an hour of the machine 3.6 EUR." in text
    assert "cost 10.0 EUR" in text, "a million documents at 100 a second are 10 000 s, each 1e-3 EUR"


def test_borderline_p_values_verdicts_and_held_out_items_are_where_they_belong() -> None:
    sweep = small_sweep(queries=450)
    decision = decide(sweep, POLICY)
    assert decision["held_out"] and decision["status"] == DECIDED
    text = render_record(decision, sweep.manifest)
    section = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", text, re.M | re.S))
    assert "| p | verdict |" in section["Candidates compared"]
    assert "| the reference |" in section["Candidates compared"] and "| equivalent |" in section["Candidates compared"]
    assert "On 70 % of the queries the rule picks" in section["Evidence quality"]
    near = [{"id": "x", "label": "slow | one", "text": "query p95 29 at its upper 95 % bound, limit 30"}]
    funnel = render_record(decision | {"borderline": near}, sweep.manifest)
    assert "* slow \\| one: query p95 29 at its upper 95 % bound, limit 30" in funnel
    drawn = [{"id": "a", "label": "first", "share": 0.8}, {"id": "b", "label": "second", "share": 0.2}]
    varied = render_record(decision | {"weights_drawn": drawn, "other_sets": drawn}, sweep.manifest)
    assert varied.count("the whole procedure picks first in 80 % and second in 20 %.") == 2


def test_labels_that_favour_one_engine_are_told_with_both_picks() -> None:
    holes = {"as_scored": "bm25", "condensed": "mini", "low": 0.3, "high": 0.9, "low_label": "mini", "high_label": "bm25"}  # fmt: skip
    sweep = small_sweep()
    text = render_record(decide(sweep, POLICY) | {"holes": holes}, sweep.manifest)
    assert "as they stand bm25 would be picked; with documents that nobody judged left out, mini would be." in text
    assert "90 % are judged for bm25 and 30 % for mini" in text


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_names_stay_text_and_break_no_table(kind: str) -> None:
    evil = HOSTILE[kind]
    sweep = small_sweep([c | {"model": f"{c['model']}{evil}"} for c in FOUR], tasks=("helpdesk", evil))
    sweep.manifest["sweep"] = sweep.manifest["command"] = evil
    sweep.manifest["evalsets"]["helpdesk"]["label_source"] = evil
    policy = Policy(name=evil, draws=300, limits={"query_p95_ms": 30})
    decision = values(sweep, policy, decision_makers=[evil], accepted="2026-04-01", state="accepted")
    text = render_record(decision, sweep.manifest)
    assert not set(text) & {"\x1b", "\x07", "\x9b", "\u202e"}
    prose = re.sub(r"^    .*$", "", text.split("---\n", 2)[2], flags=re.M)  # but for the command, an indented block
    assert not re.search(r"(?<!\\)[<\[`]", prose)
    assert max(map(len, prose.splitlines())) < 4000
    assert [line for line in text.splitlines() if re.match(r"#+ heading|\s*---$", line)] == ["---", "---"]
    rows = [line for line in prose.splitlines() if line.startswith("|")]
    head = next(i for i, line in enumerate(rows) if "vs reference" in line)
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows[head : head + 6]} == {10}
    found = front(text)
    assert list(found)[:3] == ["id", "status", "date"] and len(found["decision-makers"]) == 1


def test_text_is_escaped_where_markdown_would_act_on_it_and_nowhere_else() -> None:
    assert plain("a_b*c|d") == r"a\_b\*c\|d"
    assert plain("- item") == r"\- item" and plain("1. item") == r"1\. item" and plain("=====") == r"\====="
    assert plain("3.11.7") == "3.11.7" and plain("-0.5") == "-0.5"
    assert plain("a\n\tb\r\nc") == "a b c"


def test_two_long_names_that_begin_alike_stay_two() -> None:
    first, second = "x" * 500 + "a", "x" * 500 + "b"
    found = shortened({first: [f"use {first}"], second: f"not {second}"}, [first, second, "short"])
    assert len(found) == 2 and max(map(len, found)) < 100
    assert all(f"use {name}" in value or f"not {name}" in value for name, value in found.items())


# Reproducible --------------------------------------------------------------------------------------------------


@pytest.mark.processes
def test_two_processes_with_other_hash_seeds_write_the_same_bytes(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "s"
    keep(small_sweep(tasks=("a", "b", "c")), folder, policy={"draws": 300})
    entry = {"id": "0" * 12, "by": "Ada", "date": "2026-04-01", "status": "decided", "pick": "x", "label": "x",
             "policy": "", "supersedes": ""}  # fmt: skip
    (folder / "accepted.json").write_text(json.dumps({"schema": 1, "accepted": [entry]}))
    for seed in ("1", "2"):
        command = [sys.executable, "-m", "harness.cli", "report", "s", "-o", f"out{seed}"]
        env = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed}
        subprocess.run(command, check=True, cwd=tmp_path, env=env, capture_output=True)  # noqa: S603
    for name in ("index.html", "decision.md", "decision.json"):
        assert (tmp_path / "out1" / name).read_bytes() == (tmp_path / "out2" / name).read_bytes(), name
    assert json.loads((tmp_path / "out1" / "decision.json").read_text())["supersedes"] == "0" * 12
