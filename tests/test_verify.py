"""Golden files: each line's command is run once and its score compared."""

from __future__ import annotations

import json
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
        f'bm25,helpdesk,test,ndcg_at_10,0.5,1,"{command} -m +model.k1=0.9,1.2"',
    )
    checks = verified(read_golden(golden(tmp_path, *lines)), Quiet())
    assert [check.verdict for check in checks] == ["missing"] * 5
    reasons = [check.reason for check in checks]
    assert "runs no minilm on helpdesk; it runs bm25 there" in reasons[0]
    assert "runs no bm25 on scifact; it runs nothing there" in reasons[1]
    assert "no metric ndcg_at_11; there are" in reasons[2]
    assert "model=bm26: no such model" in reasons[3]
    assert verified_text(checks).endswith("5 missing of 5 known scores")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("bm25,helpdesk,test,ndcg_at_10,high,1,harness run task=helpdesk", "has the value 'high'; expected a number"),
        ("bm25,helpdesk,test,ndcg_at_10,nan,1,harness run task=helpdesk", "expected a number"),
        ("bm25,helpdesk,test,ndcg_at_10,0.5,0,harness run task=helpdesk", "tolerance 0; expected a number above 0"),
        ("bm25,helpdesk,test,ndcg_at_10,0.5,1,rm -rf results", "expected one that starts with harness run"),
        (",helpdesk,test,ndcg_at_10,0.5,1,harness run", "has no model"),
    ],
)
def test_a_wrong_line_is_named_before_anything_runs(tmp_path: Path, line: str, complaint: str) -> None:
    with pytest.raises(HarnessError, match="golden.csv:2") as error:
        read_golden(golden(tmp_path, line))
    assert complaint in str(error.value)


def test_a_file_without_a_column_or_without_lines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="has no column tolerance"):
        read_golden(golden(tmp_path, head=HEAD.replace("tolerance,", "")))
    with pytest.raises(HarnessError, match="is empty"):
        read_golden(golden(tmp_path))
