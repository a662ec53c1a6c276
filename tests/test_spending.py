"""One cap for a whole run, whatever its processes: a real server counts what was sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.table import read_sweep
from tests.encoders.endpoint_server import EndpointServer, serving
from tests.sweeping import sweep, write_task

pytestmark = pytest.mark.processes

MODEL = """_target_: harness.encoders.api.Api
id: {name}
base_url: {url}
max_batch: 1
card: {{price_per_million_tokens: 10000}}
"""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EndpointServer]:
    monkeypatch.chdir(tmp_path)
    write_task()
    Path("configs/model").mkdir(parents=True)
    with serving() as own:
        for name in ("one", "two"):
            Path(f"configs/model/{name}.yaml").write_text(MODEL.format(name=name, url=own.url))
        yield own


def cents(server: EndpointServer) -> int:
    """What the server has been asked for since the last look, a cent a word."""
    words = sum(len(text.split()) for texts in server.texts() for text in texts)
    server.seen.clear()
    return words


def test_models_in_processes_of_their_own_and_their_timing_spend_one_budget_a_run(server: EndpointServer) -> None:
    words = (
        "model=one,two",
        "timing=quick",
        "timing.query.calls=20",
        "timing.query.seconds=0",
        "timing.start=null",
        "retry=failed",
        "sweep=s",
    )
    run = (*words, "executor=local", "executor.workers=2")
    said: list[str] = []
    assert sweep(*run, "max_cost=0.3", said=said).done == 0, "either costs 46 cents"
    assert 15 <= cents(server) <= 30
    assert sum("max_cost=0.3 reached after" in line for line in said) == 2
    outcome = sweep(*run, "max_cost=1")
    assert outcome.done == 2, "a new run has a new budget, and what is stored is not paid for twice"
    assert 70 <= cents(server) <= 100, "timing spends the rest"
    found = [r for r in read_sweep(outcome.folder).records.values() if r.status == "failed"]
    assert {r.labels["kind"] for r in found} >= {"encode"}
    assert all("max_cost=1 reached after" in r.reason for r in found)
