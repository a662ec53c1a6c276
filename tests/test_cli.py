"""The command line: exit codes, one line for a mistake, nothing half-written, results apart from progress."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness import cli
from harness.types import HarnessError
from tests.sweeping import DOCUMENTS, QUERIES, write_task

TINY = ("task=tiny", "timing=none", "executor=inline")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")


def main(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["harness", *words])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return int(caught.value.code or 0)


def mistake(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line that a mistake prints; checks that it is one, that nothing was printed or left behind."""
    capsys.readouterr()
    assert main(monkeypatch, *words) == 1
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if not line.startswith("[")]
    assert out == "" and "Traceback" not in err
    assert lines[-1].startswith("harness: ") and sum(line.startswith("harness: ") for line in lines) == 1
    assert not list(Path("results").glob("*/sweep.json")) and not list(Path("results").glob("*/records"))
    assert not Path("reports").exists()
    return lines[-1]


@pytest.fixture
def wrong(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda *words: mistake(monkeypatch, capsys, *words)


# Bad input -----------------------------------------------------------------------------------------------------


def test_an_unknown_model_or_quantization_or_command(wrong: Any) -> None:
    write_task()
    assert "Did you mean hashing" in wrong("run", "model=hashng", *TINY)
    assert "Did you mean int8" in wrong("run", "model=hashing", "quantization=int9", *TINY)
    assert "Did you mean run" in wrong("rum")
    assert "Did you mean report" in wrong("reprot")
    assert "no such folder" in wrong("run", "model=local", "model.path=nowhere", *TINY)


def test_an_unknown_task_or_a_missing_file(wrong: Any) -> None:
    write_task()
    assert "Did you mean tiny" in wrong("run", "model=bm25", "task=tinny", "timing=none")
    Path("tasks/gone.yaml").write_text("path: ../data/gone")
    assert "gone" in wrong("run", "model=bm25", "task=gone", "timing=none")
    Path("data/tiny/queries.jsonl").unlink()
    assert "queries" in wrong("run", "model=bm25", *TINY)


def test_a_broken_line_is_named_by_file_and_number(wrong: Any) -> None:
    folder = write_task()
    (folder / "corpus.jsonl").write_text('{"_id": "d1", "text": "a"}\n{"_id": "d2", "text": \n')
    assert "corpus.jsonl:2" in wrong("run", "model=bm25", *TINY)


def test_a_wrong_column_names_what_is_there(wrong: Any) -> None:
    folder = write_task()
    (folder / "corpus.jsonl").write_text('{"_id": "d1", "body": "a"}\n')
    line = wrong("run", "model=bm25", *TINY)
    assert "corpus.jsonl" in line and "text" in line and "body" in line


def test_an_empty_corpus_and_judgements_for_nothing(wrong: Any) -> None:
    folder = write_task()
    (folder / "corpus.jsonl").write_text("")
    assert "corpus.jsonl" in wrong("run", "model=bm25", *TINY)
    write_task(qrels=[])
    wrong("run", "model=bm25", *TINY)
    write_task(qrels=[("q1", "d1", 0)])
    assert "no query has a relevant document" in wrong("run", "model=bm25", *TINY)
    write_task(qrels=[("q99", "d1", 1)])
    assert '"q99"' in wrong("run", "model=bm25", *TINY)


def test_a_dimension_larger_than_the_model(wrong: Any) -> None:
    write_task()
    assert "64 dimensions" in wrong("run", "model=hashing", "dim=65", *TINY)


def test_a_policy_that_does_not_exist_in_this_form(wrong: Any) -> None:
    write_task()
    assert "Did you mean policy.limits.query_p95_ms" in wrong("run", "model=bm25", "policy.limits.query_p95=20", *TINY)
    assert "policy.margin" in wrong("run", "model=bm25", "policy.margin=-1", *TINY)
    assert "Did you mean" in wrong("run", "model=bm25", "+policy.limits.price=20", *TINY)


@pytest.mark.parametrize("command", ["table", "report", "decide"])
def test_an_unknown_sweep_or_flag(wrong: Any, command: str) -> None:
    assert "no sweep" in wrong(command, "nope")
    assert "harness run" in wrong(command)
    assert "--nope" in wrong(command, "--nope")


def test_an_output_that_cannot_be_written(wrong: Any) -> None:
    write_task()
    Path("file").write_text("")
    assert "cannot be written" in wrong(
        "run", "model=hashing", "store_dir=file/store", "results_dir=file/results", *TINY
    )


def test_reports_that_cannot_be_written_are_found_before_anything_runs(wrong: Any) -> None:
    write_task()
    Path("file").write_text("")
    said = wrong("run", "model=hashing", "reports_dir=file/reports", *TINY)
    assert "reports_dir=file/reports" in said and "file is a file" in said
    assert not Path("results").exists()


def test_an_abbreviation_deletes_nothing_and_a_bare_name_is_asked_for(wrong: Any) -> None:
    assert "--prun" in wrong("cache", "--prun", "--all")
    assert "--forma" in wrong("table", "--forma", "csv")
    assert "say --model foo or --evalset foo" in wrong("cache", "--prune", "foo")


def test_the_help_of_run_names_the_executors_values_and_its_flags(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.dispatch(["run", "--help"]) == 0
    text = capsys.readouterr().out
    for name in ("workers", "timeout_s", "memory_gb"):
        assert any(line.startswith(f"  executor.{name}: ") and "#" in line for line in text.splitlines())
    assert "--plain" in text and "--json" in text


def test_no_words_is_a_usage_error_and_help_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(monkeypatch) == 1
    for words in (["--help"], ["help"], *([name, "--help"] for name in cli.COMMANDS)):
        assert main(monkeypatch, *words) == 0
        assert "usage" in capsys.readouterr().out


# Whole runs ----------------------------------------------------------------------------------------------------


def test_a_sweep_ends_with_results_on_stdout_and_progress_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_task()
    assert main(monkeypatch, "run", "model=hashing,bm25", "sweep=s", *TINY) == 0
    out, err = capsys.readouterr()
    assert "2 done, 0 failed" in out and "reports/s/index.html" in out and "on tiny: ndcg_at_10" not in out
    assert err.count("on tiny: ndcg_at_10") == 2
    for name in ("index.html", "decision.md", "decision.json"):
        assert (Path("reports/s") / name).stat().st_size > 0
    assert main(monkeypatch, "run", "model=hashing,bm25", "sweep=s", *TINY) == 0
    assert "nothing computed" in capsys.readouterr().out
    assert main(monkeypatch, "table", "s", "--format", "jsonl") == 0
    assert [json.loads(line)["model"] for line in capsys.readouterr().out.splitlines()] == ["hashing", "bm25"]
    assert main(monkeypatch, "run", "--json", "model=hashing,bm25", "sweep=s", *TINY) == 0
    assert json.loads(capsys.readouterr().out)["sweep"] == "s"


def test_the_report_again_is_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    write_task()
    main(monkeypatch, "run", "model=hashing,bm25", "sweep=s", *TINY)
    assert main(monkeypatch, "report", "s", "-o", "again") == 0
    for name in ("index.html", "decision.md", "decision.json"):
        assert (Path("again") / name).read_bytes() == (Path("reports/s") / name).read_bytes()


def test_some_failed_is_exit_2_with_the_command_that_retries(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from harness.poolings.cls import Cls

    def explode(*_: Any) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(Cls, "pool", explode)
    write_task()
    assert main(monkeypatch, "run", "model=hashing", "pooling=mean,cls", "sweep=s", *TINY) == 2
    out = capsys.readouterr().out
    assert "1 failed" in out and "RuntimeError: boom" in out and "retry=failed" in out
    assert Path("reports/s/index.html").exists()


def test_decide_exits_4_when_nothing_meets_the_limits_and_0_when_something_is_decided(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_task()
    main(monkeypatch, "run", "model=hashing", "sweep=s", *TINY)
    assert main(monkeypatch, "decide", "s") == 0
    capsys.readouterr()
    assert main(monkeypatch, "decide", "s", "policy.limits.bytes_per_doc=1") == 4
    assert "Nothing meets the limits" in capsys.readouterr().out
    assert main(monkeypatch, "decide", "s", "policy.limits.bytes_per_doc=1", "--json") == 4
    assert json.loads(capsys.readouterr().out)["status"] == "nothing meets the limits"
    assert main(monkeypatch, "decide", "s", "model=bm25") == 1


def test_a_name_with_control_characters_does_not_reach_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "m\x1b]0;title\x07\x9b31m\u202e"
    write_task()
    Path("configs/model").mkdir(parents=True)
    Path("configs/model/evil.yaml").write_text(f"_target_: harness.encoders.hashing.Hashing\nid: {json.dumps(evil)}\n")
    write_task("tiny", documents=DOCUMENTS, queries=QUERIES)
    main(monkeypatch, "run", "model=bm25,hashing", "sweep=s", *TINY)
    manifest = Path("results/s/sweep.json")
    found = json.loads(manifest.read_text())
    for variant in found["variants"]:
        variant["model"] = evil
    manifest.write_text(json.dumps(found))
    for words in (["table", "s"], ["table", "s", "--format", "md"], ["table", "s", "--format", "csv"],
                  ["table", "s", "--format", "jsonl"], ["decide", "s"], ["decide", "s", "--json"], ["list", "models"],
                  ["run", f"model={evil}"]):  # fmt: skip
        main(monkeypatch, *words)
        out, err = capsys.readouterr()
        assert not set(out + err) & {"\x1b", "\x07", "\x9b", "\u202e"}, words


def test_an_interrupt_is_130_with_the_command_that_continues(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(_: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setitem(cli.COMMANDS, "run", stop)
    assert main(monkeypatch, "run", "model=a,b", "sweep=my sweep") == 130
    assert "harness run model=a,b 'sweep=my sweep'" in capsys.readouterr().err


def test_a_bug_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(_: list[str]) -> int:
        raise ZeroDivisionError

    monkeypatch.setitem(cli.COMMANDS, "run", bug)
    monkeypatch.setattr(sys, "argv", ["harness", "run"])
    with pytest.raises(ZeroDivisionError):
        cli.main()


def test_dispatch_raises_what_main_prints() -> None:
    with pytest.raises(HarnessError, match="no command"):
        cli.dispatch(["nonsense"])


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "harness.cli", "--help"]
    root = str(Path(cli.__file__).parent.parent)
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=tmp_path, env=os.environ | {"PYTHONPATH": root}
    )  # noqa: S603
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "harness" in loaded and "usage: harness" in done.stdout
    assert not loaded & {
        "torch",
        "hydra",
        "omegaconf",
        "pandas",
        "numpy.random",
        "sklearn",
        "transformers",
        "matplotlib",
        "mteb",
    }


def test_a_policy_changed_after_results_existed_is_said_and_dated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_task()
    words = ("run", "model=hashing,bm25", "sweep=s", *TINY)
    main(monkeypatch, *words)
    assert "policy was changed" not in capsys.readouterr().out
    first = json.loads(Path("results/s/sweep.json").read_text())
    main(monkeypatch, *words, "policy.margin=0.4")
    assert "policy was changed on" in capsys.readouterr().out
    second = json.loads(Path("results/s/sweep.json").read_text())
    assert first["policy_changed"] == "" and second["policy_changed"]
    assert second["created"] == first["created"]
    assert "after results existed" in Path("reports/s/decision.md").read_text()
    assert "the policy was changed after results existed" in Path("reports/s/index.html").read_text()


def test_decide_exits_3_when_the_pick_changes_and_keeps_the_rest_of_the_sweeps_policy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    many = {f"{number}": f"word{number} thing" for number in range(40)}
    write_task(documents=many, queries=many, qrels=[(key, key, 1) for key in many])
    main(monkeypatch, "run", "model=hashing", "quantization=float32,int8", "sweep=s", *TINY, "policy.margin=0.3")
    capsys.readouterr()
    main(monkeypatch, "decide", "s", "policy.seed=7", "--json")
    assert json.loads(capsys.readouterr().out)["policy"]["margin"] == 0.3, "the sweep's own, not the default's"
    main(monkeypatch, "decide", "s", "--json")
    picked = json.loads(capsys.readouterr().out)
    assert picked["policy"]["margin"] == 0.3
    limit = next(c for c in picked["candidates"] if c["id"] == picked["pick"])["costs"]["bytes_per_doc"]
    code = main(monkeypatch, "decide", "s", f"policy.limits.bytes_per_doc={limit - 1}")
    assert code == (3 if limit > min(c["costs"]["bytes_per_doc"] for c in picked["candidates"]) else 4)


def test_a_sweep_that_has_not_finished_is_never_decided(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_task()
    main(monkeypatch, "run", "model=hashing,bm25", "sweep=s", *TINY)
    next(Path("results/s/records").glob("*.record")).unlink()
    capsys.readouterr()
    assert main(monkeypatch, "decide", "s") == 4
    out = capsys.readouterr().out
    assert "Only provisional" in out and "1 of 2 candidates has no result yet" in out
    assert main(monkeypatch, "report", "s") == 0
    page = Path("reports/s/index.html").read_text()
    assert "Not all candidates have run" in page and "Decided by the policy" not in page


def test_judgements_that_meet_no_document_are_an_error(wrong: Any) -> None:
    write_task(qrels=[("q1", "x1", 1), ("q2", "x2", 1)])
    assert "no relevant document is in the corpus" in wrong("run", "model=hashing", *TINY)
