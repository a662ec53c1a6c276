"""A manifest that somebody edited is read, or refused in one line with the place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.table import read_sweep
from harness.types import HarnessError
from tests.on_disk import keep
from tests.small_sweep import small_sweep

WRONG: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda m: m.update(variants=None), r"variants is None, expected a list"),
    (lambda m: m["variants"].append(3), r"variants\[4\] is 3, expected an object"),
    (lambda m: m["variants"][3].pop("model"), r"variants\[3\] has no model"),
    (lambda m: m["variants"][0].pop("card"), r"variants\[0\] has no card"),
    (lambda m: m["variants"][0].pop("dim"), r"variants\[0\] has no dim"),
    (lambda m: m["variants"][0].update(task="zzz"), r"variants\[0\]\.task is 'zzz', which evalsets does not have"),
    (lambda m: m["variants"][0].update(quality=5), r"variants\[0\]\.quality is 5, expected text"),
    (lambda m: m["variants"][0].update(quality="../x"), r"variants\[0\]\.quality is '../x', expected the key of a rec"),
    (lambda m: m["variants"][0]["timings"].update(search=None), r"variants\[0\]\.search is None, expected the key"),
    (lambda m: m.update(evalsets={}), r"evalsets names none"),
    (lambda m: m.pop("evalsets"), r"it has no evalsets"),
    (lambda m: m.pop("policy"), r"it has no policy"),
    (lambda m: m.pop("machine"), r"it has no machine"),
    (lambda m: m.pop("created"), r"created is None"),
    (lambda m: m.update(created="yesterday"), r"created is 'yesterday', expected a date and time"),
    (
        lambda m: m["evalsets"]["helpdesk"].update(weight=0),
        r"evalsets\.helpdesk\.weight is 0, expected a number above 0",
    ),
    (lambda m: m["evalsets"]["helpdesk"].update(weight="x"), r"weight is 'x'"),
    (lambda m: m["evalsets"]["helpdesk"].update(weight=True), r"weight is True"),
    (lambda m: m["evalsets"]["helpdesk"].update(weight=1e308), r"weight is 1e\+308, .* at most 1,000,000,000"),
    (lambda m: m["evalsets"]["helpdesk"].update(weight=float("nan")), r"weight is nan"),
    (lambda m: m["evalsets"]["helpdesk"].update(type="nonsense"), r"type is 'nonsense', expected one of retrieval"),
    (lambda m: m["evalsets"]["helpdesk"].update(documents=True), r"documents is True, expected a whole number"),
    (lambda m: m.update(spaces=[{"key": "x"}]), r"spaces\[0\] has no name"),
    (lambda m: m.update(spaces="x"), r"spaces is 'x', expected a list"),
    (lambda m: m.update(unplanned=[{}]), r"unplanned\[0\] has no model"),
    (lambda m: m.update(superseded="x"), r"superseded is 'x', expected a list"),
]


@pytest.mark.parametrize(("change", "said"), WRONG, ids=[said for _, said in WRONG])
def test_what_is_missing_or_of_another_kind_is_one_line_with_its_place(
    tmp_path: Path, change: Callable[[dict[str, Any]], Any], said: str
) -> None:
    folder = tmp_path / "unit"
    keep(small_sweep(), folder)
    manifest = json.loads((folder / "sweep.json").read_text())
    change(manifest)
    (folder / "sweep.json").write_text(json.dumps(manifest))
    with pytest.raises(HarnessError, match=rf"sweep\.json: .*{said}.*; run the sweep again$") as caught:
        read_sweep(folder)
    assert "\n" not in str(caught.value)


def test_a_manifest_of_before_spaces_reports_and_samples_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "unit"
    keep(small_sweep(), folder)
    manifest = json.loads((folder / "sweep.json").read_text())
    for later in ("spaces", "report", "superseded", "retired", "policy_changed"):
        manifest.pop(later, None)
    manifest["evalsets"]["helpdesk"].pop("sample")
    (folder / "sweep.json").write_text(json.dumps(manifest))
    assert read_sweep(folder).manifest["evalsets"]["helpdesk"]["sample"] == ""
