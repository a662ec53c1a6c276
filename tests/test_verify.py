"""Golden files: each line's command is run once and its score compared."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from harness.types import HarnessError
from harness.verify import COLUMNS, read_golden, verdicts, verified, verified_text, verified_values

HEAD = ",".join(COLUMNS)


class Quiet:
    """A watch that shows nothing."""

    def __getattr__(self, _: str) -> Any:
        return lambda *_, **__: None


def golden(tmp_path: Path, *lines: str, head: str = HEAD) -> Path:
    path = tmp_path / "golden.csv"
    path.write_text("\n".join([head, *lines]) + "\n")
    return path


@pytest.fixture
def command(tmp_path: Path) -> str:
    return f"harness run model=bm25 task=helpdesk timing=none executor=inline results_dir={tmp_path}/results"


@pytest.fixture
def score(tmp_path: Path, command: str) -> float:
    """What BM25 has on the bundled set, from a line that expects nonsense."""
    (only,) = verified(read_golden(golden(tmp_path, f'bm25,helpdesk,test,ndcg_at_10,0,1,"{command}"')), Quiet())
    assert only.found is not None
    return only.found


def test_a_score_is_ok_within_the_tolerance_close_within_three_times_it_and_else_fails(
    tmp_path: Path, command: str, score: float
) -> None:
    line = 'bm25,helpdesk,test,ndcg_at_10,{value},0.001,"{command}"'
    gaps = (0.0009, -0.0009, 0.0029, 0.0031)
    lines = [line.format(value=score - gap, command=command) for gap in gaps]
    checks = verified(read_golden(golden(tmp_path, *lines)), Quiet())
    assert [check.verdict for check in checks] == ["OK", "OK", "close", "FAIL"]
    assert [check.difference for check in checks] == pytest.approx(gaps)
    assert verdicts(checks) == {"OK": 2, "close": 1, "FAIL": 1, "missing": 0}
    assert verified_text(checks).endswith("2 OK, 1 close, 1 FAIL of 4 known scores")
    assert json.loads(json.dumps(verified_values(checks)))[3]["verdict"] == "FAIL"


def test_each_distinct_command_is_run_once(tmp_path: Path, command: str, score: float) -> None:
    from harness.runner import run_sweep

    asked = []

    def counted(jobs: Any, text: str, watch: Any) -> Any:
        asked.append(text)
        return run_sweep(jobs, text, watch)

    lines = [f'bm25,helpdesk,test,{metric},0.5,1,"{command}"' for metric in ("ndcg_at_10", "recall_at_10")]
    checks = verified(read_golden(golden(tmp_path, *lines)), Quiet(), counted)
    assert asked == [command]
    assert len({check.found for check in checks}) == 2


def test_what_has_no_score_says_why_and_is_no_pass(tmp_path: Path, command: str) -> None:
    lines = (
        f'minilm,helpdesk,test,ndcg_at_10,0.5,1,"{command}"',
        f'bm25,scifact,test,ndcg_at_10,0.5,1,"{command}"',
        f'bm25,helpdesk,test,ndcg_at_11,0.5,1,"{command}"',
        'bm25,helpdesk,test,ndcg_at_10,0.5,1,"harness run model=bm26 task=helpdesk"',
        f'bm25,helpdesk,dev,ndcg_at_10,0.5,1,"{command}"',
        f'bm25,helpdesk,test,ndcg_at_10,0.5,1,"{command} limit_queries=5"',
        f'bm25,helpdesk-sts,test,cosine_spearman,0.5,1,"{command} task=helpdesk,helpdesk-sts"',
    )
    checks = verified(read_golden(golden(tmp_path, *lines)), Quiet())
    assert [check.verdict for check in checks] == ["missing"] * 7
    reasons = [check.reason for check in checks]
    assert "runs no minilm on helpdesk; it runs bm25 there" in reasons[0]
    assert "runs no bm25 on scifact; it runs nothing there" in reasons[1]
    assert "no metric ndcg_at_11; there are" in reasons[2]
    assert "model=bm26: no such model" in reasons[3]
    assert "reads the split test of helpdesk, not dev" in reasons[4]
    assert "scores 5 of 150 queries of helpdesk, not all" in reasons[5]
    assert "bm25 has none" in reasons[6]
    assert verified_text(checks).endswith("7 missing of 7 known scores")


@pytest.mark.real
def test_several_candidates_of_one_model_are_no_one_score(tmp_path: Path, command: str) -> None:
    wide = command.replace("model=bm25 task=helpdesk", "-m model=wordllama dim=32,64 task=helpdesk-rerank")
    line = f'wordllama,helpdesk-rerank,test,map_at_1000,0.5,1,"{wide}"'
    (only,) = verified(read_golden(golden(tmp_path, line)), Quiet())
    assert only.verdict == "missing" and "runs 2 candidates of wordllama; narrow it to one" in only.reason


def test_the_readmes_table_has_every_line_of_the_golden_file() -> None:
    root = Path(__file__).parent.parent
    readme = (root / "README.md").read_text(encoding="utf-8")
    for line in read_golden(root / "benchmarks" / "golden" / "shared.csv"):
        shown = re.search(
            rf"^\| {line.task} \| {line.metric} \| {line.value:.5f} \| (\S+) \| (\w+) \|", readme, re.MULTILINE
        )
        assert shown, f"{line.task} is not in the README's table"
        near = abs(float(shown[1]) - line.value) <= line.tolerance + 5e-6
        assert shown[2] == ("OK" if near else "close")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("bm25,helpdesk,test,ndcg_at_10,high,1,harness run task=helpdesk", "has the value 'high'; expected a number"),
        ("bm25,helpdesk,test,ndcg_at_10,nan,1,harness run task=helpdesk", "expected a number"),
        ("bm25,helpdesk,test,ndcg_at_10,0.5,0,harness run task=helpdesk", "tolerance 0; expected a number above 0"),
        ("bm25,helpdesk,test,ndcg_at_10,0.5,1,rm -rf results", "expected one that starts with harness run"),
        (",helpdesk,test,ndcg_at_10,0.5,1,harness run", "has no model"),
        ("bm25,helpdesk,test,ndcg_at_10,0.5,1,harness run model='x", "cannot be read: No closing quotation"),
    ],
)
def test_a_wrong_line_is_named_before_anything_runs(tmp_path: Path, line: str, complaint: str) -> None:
    with pytest.raises(HarnessError, match="golden.csv:2") as error:
        read_golden(golden(tmp_path, line))
    assert complaint in str(error.value)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"value": True}, "value True; expected a number"),
        ({"value": 10**400}, "expected a number"),
        ({"task": ["b"]}, "task ['b']; expected a text"),
        ({"command": None}, "has no command"),
        ({"model": ...}, "has no model"),
    ],
)
def test_a_wrong_value_in_json_is_named(tmp_path: Path, values: dict[str, Any], complaint: str) -> None:
    good = dict(zip(COLUMNS, ("bm25", "helpdesk", "test", "ndcg_at_10", 0.5, 1, "harness run"), strict=True))
    given = {name: value for name, value in (good | values).items() if value is not ...}
    path = tmp_path / "golden.jsonl"
    path.write_text(f"{json.dumps(good)}\n{json.dumps(given)}\n")
    with pytest.raises(HarnessError, match="golden.jsonl:2") as error:
        read_golden(path)
    assert complaint in str(error.value)


def test_a_file_without_a_column_or_without_lines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="has no column tolerance"):
        read_golden(golden(tmp_path, head=HEAD.replace("tolerance,", "")))
    with pytest.raises(HarnessError, match="is empty"):
        read_golden(golden(tmp_path))
