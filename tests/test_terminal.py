"""What is printed: every format holds what the rows hold, and no cell can do harm."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from harness.decide import decide
from harness.policy import Policy
from harness.table import KEYS, MORE, Row, Sweep
from harness.terminal import decision_text, run_help, write_table
from harness.types import HarnessError
from tests.small_sweep import FOUR, candidate, small_sweep


def row(**values: Any) -> Row:
    known = {"sweep": "s", "task": "a", "model": "m", "pooling": "native", "dim": 8, "quantization": "int8", "status": "ok",
             "batch_size": 32, "ndcg_at_10": 0.5, "queries": 4, "warnings": [], "reason": ""}  # fmt: skip
    return dict.fromkeys(KEYS + MORE) | known | values


def as_csv(*rows: Row) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(write_table(rows, "csv", None))))


def test_jsonl_has_every_stable_key_in_every_row_and_null_where_nothing_was_measured() -> None:
    text = write_table([row(), row(status="failed", reason="no hub", ndcg_at_10=None, warnings=["w"])], "jsonl", None)
    found = [json.loads(line) for line in text.splitlines()]
    assert len(found) == 2 and all(set(KEYS) <= set(one) for one in found)
    assert found[0]["query_p95_ms"] is None and found[1]["ndcg_at_10"] is None and found[1]["status"] == "failed"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_jsonl_is_json_whatever_the_numbers(value: float) -> None:
    assert json.loads(write_table([row(map_at_100=value)], "jsonl", None))["map_at_100"] is None


def test_csv_numbers_are_numbers_and_unmeasured_cells_are_empty() -> None:
    one, other = as_csv(row(), row(batch_size=None, dim="-", queries=None, ndcg_at_10=-0.25))
    assert (one["batch_size"], one["dim"], one["queries"], one["ndcg_at_10"]) == ("32", "8", "4", "0.5")
    assert (other["batch_size"], other["dim"], other["queries"], other["ndcg_at_10"]) == ("", "-", "", "-0.25")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1+2", "@SUM(A1)", "\tx", "\rx", "\nx", "\x00x", "\x1bx"])
def test_csv_text_that_a_spreadsheet_would_run_gets_a_quote(text: str) -> None:
    (found,) = as_csv(row(model=text, reason=text, warnings=[text]))
    assert found["model"].startswith("'") and found["reason"].startswith("'") and found["warnings"].startswith("'")


def test_control_characters_and_marks_that_turn_direction_reach_no_file(tmp_path: Path) -> None:
    bad = row(model="m\x1b[31m\u202ered", reason="r\x07", status="failed")
    for form in ("text", "md", "csv"):
        write_table([bad], form, tmp_path / form)
        written = (tmp_path / form).read_text(encoding="utf-8")
        assert not set("\x1b\x07\u202e") & set(written) and "\ufffd" in written, form


def test_markdown_cells_are_text_whatever_they_hold() -> None:
    text = write_table([row(model="<script>`x`</script>[a](b)&lt;")], "md", None)
    assert r"\<script\>\`x\`\</script\>\[a\](b)\&lt;" in text


def test_csv_keeps_commas_quotes_and_lines_inside_their_cell() -> None:
    (found,) = as_csv(row(reason='a,"b"\nc'))
    assert found["reason"] == 'a,"b"\nc'


@pytest.mark.parametrize("text", ["a|b", "a\\|b", "a\nb", "a\r\nb", "a\\"])
def test_a_markdown_cell_stays_one_cell(text: str) -> None:
    head, rule, line = write_table([row(model=text)], "md", None).split("\n")
    bare = line.replace("\\\\", "").replace("\\|", "")
    assert bare.count("|") == head.count("|") == rule.count("|")
    assert "\r" not in line


def test_text_columns_line_up_and_failures_say_why() -> None:
    text = write_table(
        [row(), row(model="longer-name", status="failed", reason="no\nhub", ndcg_at_10=None)], "text", None
    )
    head, first, second = text.split("\n")
    assert head.index("pooling") == first.index("native") == second.index("native")
    assert "failed: no hub" in second and "status" in head
    assert "status" not in write_table([row()], "text", None)


@pytest.mark.parametrize("form", ["text", "md"])
@pytest.mark.parametrize("key", ["retriever", "index", "reduction", "prompt", "chunking", "device"])
def test_a_table_for_people_shows_what_its_rows_differ_in(form: str, key: str) -> None:
    alike = write_table([row(**{key: "one"}), row(**{key: "one"}), row(**{key: "-"})], form, None)
    assert key not in alike and "one" not in alike
    head, *lines = write_table([row(**{key: "one"}), row(**{key: "two"})], form, None).split("\n")
    assert key in head and "one" in lines[-2] and "two" in lines[-1]


@pytest.mark.parametrize("form", ["text", "md", "csv", "jsonl"])
def test_a_file_gets_what_else_were_printed(tmp_path: Path, form: str) -> None:
    assert write_table([row()], form, tmp_path / "out") == ""
    assert (tmp_path / "out").read_text().rstrip("\n") == write_table([row()], form, None)


@pytest.mark.parametrize("form", ["text", "csv", "parquet"])
def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path, form: str) -> None:
    with pytest.raises(HarnessError, match="cannot be written"):
        write_table([row()], form, tmp_path / "none" / "out")


def test_parquet_comes_back_with_every_key(tmp_path: Path) -> None:
    import pandas as pd

    write_table([row(), row(batch_size=None, dim="full")], "parquet", tmp_path / "out")
    frame = pd.read_parquet(tmp_path / "out")
    assert set(KEYS) <= set(frame.columns) and frame["dim"].tolist() == ["8", "full"]
    with pytest.raises(HarnessError, match="-o FILE"):
        write_table([row()], "parquet", None)


def test_an_empty_sweep_is_an_empty_table() -> None:
    for form in ("text", "md", "csv", "jsonl"):
        write_table([], form, None)


# The decision --------------------------------------------------------------------------------------------------


def told(sweep: Sweep, **limits: Any) -> list[str]:
    return decision_text(decide(sweep, Policy(draws=300, limits=limits))).splitlines()


def test_how_many_meet_every_limit_is_not_how_many_are_shown() -> None:
    many = small_sweep([candidate(f"m{n}", "int8", 0.5 + n / 100, 100 + n) for n in range(11)])
    lines = told(many)
    assert lines[0] == "Within every limit: 11 of 11 candidates with a result; the best 8:"
    assert sum(" · 768 · int8 " in line for line in lines[:12]) == 8 and "and 3 more: harness table unit" in lines[10]
    assert told(small_sweep())[0] == "Within every limit: 4 of 4 candidates with a result; best first:"
    assert "out:" not in "\n".join(lines)


def test_limits_say_how_many_they_put_out() -> None:
    lines = told(small_sweep([*FOUR, candidate("untimed", "int8", 0.5, 750, None)]), query_p95_ms=15, bytes_per_doc=900)
    assert "Within every limit: 0 of" not in lines[0]
    (out,) = [line for line in lines if " out: " in line]
    assert out == "5 out: query p95 at most 15 ms (4, not known for 1); bytes per document at most 900 B (2)"


# Help ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_help_of_run_names_every_option_with_its_default(elsewhere: Path) -> None:
    from harness.launch import option_names

    text = run_help()
    for name in option_names():
        assert f"{name}:" in text
    assert "batch_size: 32" in text
