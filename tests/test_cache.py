"""What the store holds is counted by model and eval set; what is pruned is what was named."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from harness.cache import cache_text, entries, prune
from harness.shelf import Shelf, text_keys
from harness.types import HarnessError, Vectors

MINI, BGE = "a1" * 16, "b2" * 16
TODAY = datetime.now(UTC).date()


def put(store: Path, model: str, pooling: str, origin: str, n: int, dtype: str = "float32") -> Path:
    zeros = np.zeros(n, dtype=np.int32)
    folder = store / "vectors" / model / pooling
    before = set(folder.glob("*"))
    keys = text_keys(origin, [str(i) for i in range(n)])
    Shelf(folder, dtype).append(keys, Vectors(np.zeros((n, 4), dtype=np.float32), zeros, zeros), origin)
    (made,) = set(folder.glob("*")) - before
    return made


def about(store: Path, model: str, label: str, poolings: dict[str, str], used: date = TODAY) -> None:
    value = {"model": label, "encoder": {}, "poolings": poolings, "used": used.isoformat()}
    (store / "vectors" / model / "about.json").write_text(json.dumps(value))


def filled(store: Path) -> Path:
    """MiniLM with two poolings on two eval sets, BGE on one; 24 bytes and 16 of row for each vector, 256 a shard."""
    for pooling in ("p1", "p2"):
        put(store, MINI, pooling, "helpdesk document", 10)
        put(store, MINI, pooling, "helpdesk query", 2)
    put(store, MINI, "p1", "scifact document", 100)
    put(store, BGE, "p1", "helpdesk document", 10)
    about(store, MINI, "minilm", {"p1": "native", "p2": "cls"})
    about(store, BGE, "bge", {"p1": "native"}, TODAY - timedelta(days=40))
    return store


def left(store: Path) -> dict[tuple[str, str], int]:
    counts: dict[tuple[str, str], int] = {}
    for e in entries(store):
        counts[e.model, e.evalset] = counts.get((e.model, e.evalset), 0) + e.vectors
    return counts


ALL = {("minilm", "helpdesk"): 24, ("minilm", "scifact"): 100, ("bge", "helpdesk"): 10}


# Showing -------------------------------------------------------------------------------------------------------


def test_vectors_are_counted_by_model_pooling_eval_set_and_role(tmp_path: Path) -> None:
    found = entries(filled(tmp_path))
    assert [(e.model, e.evalset, e.pooling, e.role, e.vectors, e.bytes) for e in found] == [
        ("bge", "helpdesk", "native", "document", 10, 656),
        ("minilm", "helpdesk", "cls", "document", 10, 656),
        ("minilm", "helpdesk", "cls", "query", 2, 336),
        ("minilm", "helpdesk", "native", "document", 10, 656),
        ("minilm", "helpdesk", "native", "query", 2, 336),
        ("minilm", "scifact", "native", "document", 100, 4256),
    ]
    assert sum(e.bytes for e in found) == sum(p.stat().st_size for p in tmp_path.rglob("*.shard"))
    assert {e.model: e.used for e in found} == {"bge": TODAY - timedelta(days=40), "minilm": TODAY}


def test_shards_of_one_origin_make_one_entry(tmp_path: Path) -> None:
    for n in (1, 2, 3):
        put(tmp_path, MINI, "p1", "helpdesk document", n)
    (one,) = entries(tmp_path)
    assert one.bytes == 3 * 256 + 6 * 40


def test_a_text_in_several_shards_of_a_pooling_counts_once(tmp_path: Path) -> None:
    for n in (2, 3, 1):
        put(tmp_path, MINI, "p1", "helpdesk document", n)
        put(tmp_path, MINI, "p2", "helpdesk document", n)
    put(tmp_path, MINI, "p1", "helpdesk query", 4)
    assert [(e.pooling, e.role, e.vectors) for e in entries(tmp_path)] == [
        ("p1", "document", 3), ("p1", "query", 4), ("p2", "document", 3),
    ]  # fmt: skip
    assert "10 vectors" in cache_text(entries(tmp_path), tmp_path).splitlines()[-1]


def test_half_precision_is_said_beside_the_model(tmp_path: Path) -> None:
    put(tmp_path, MINI, "p1", "helpdesk document", 1)
    put(tmp_path, BGE, "p1", "helpdesk document", 1, "float16")
    about(tmp_path, BGE, "bge", {"p1": "native"})
    rows = cache_text(entries(tmp_path), tmp_path).splitlines()[1:3]
    assert [row.split()[:2] for row in rows] == [["a1a1a1a1", "a1a1a1a1"], ["bge", "(float16)"]]
    assert prune(tmp_path, model="bge").files == 1


def test_texts_outside_an_eval_set_are_other_and_can_be_pruned(tmp_path: Path) -> None:
    put(filled(tmp_path), BGE, "p1", "", 7)
    shown = [line.split() for line in cache_text(entries(tmp_path), tmp_path).splitlines()]
    assert [row[3:5] for row in shown if row[0] == "bge"] == [["helpdesk", "10"], ["other", "7"]]
    assert prune(tmp_path, evalset="other").files == 1
    assert left(tmp_path) == ALL


def test_the_table_shows_sizes_by_model_and_eval_set_and_the_total(tmp_path: Path) -> None:
    text = cache_text(entries(filled(tmp_path)), tmp_path)
    assert [line.split() for line in text.splitlines()] == [
        ["model", "id", "poolings", "eval", "set", "vectors", "size", "last", "used"],
        ["bge", "b2b2b2b2", "native", "helpdesk", "10", "656", "B", (TODAY - timedelta(days=40)).isoformat()],
        ["minilm", "a1a1a1a1", "cls,", "native", "helpdesk", "24", "1.98", "KB", TODAY.isoformat()],
        ["minilm", "a1a1a1a1", "native", "scifact", "100", "4.26", "KB", TODAY.isoformat()],
        ["134", "vectors,", "6.90", "KB", "in", str(tmp_path)],
    ]


@pytest.mark.parametrize(
    "text",
    [None, "", "{", "[]", "{}", '{"model": "m", "used": 3, "poolings": {}}', '{"used": "2026-01-01", "poolings": 3}'],
)
def test_a_model_without_a_sound_about_json_is_called_by_its_digits(tmp_path: Path, text: str | None) -> None:
    shard = put(tmp_path, MINI, "c3" * 16, "helpdesk document", 1)
    if text is not None:
        (tmp_path / "vectors" / MINI / "about.json").write_text(text)
    os.utime(shard, (86400 * 365.25 * 30,) * 2)
    (entry,) = entries(tmp_path)
    assert (entry.model, entry.pooling, entry.used) == ("a1a1a1a1", "c3c3c3c3", date(2000, 1, 1))


def test_two_identities_of_one_model_are_two_lines(tmp_path: Path) -> None:
    for model in (MINI, BGE):
        put(tmp_path, model, "p1", "helpdesk document", 1)
        about(tmp_path, model, "minilm", {"p1": "native"})
    assert [e.id for e in entries(tmp_path)] == ["a1a1a1a1", "b2b2b2b2"]
    assert len(cache_text(entries(tmp_path), tmp_path).splitlines()) == 4


def test_damaged_files_and_older_schemas_are_counted_apart(tmp_path: Path) -> None:
    shard = put(filled(tmp_path), MINI, "p1", "helpdesk document", 5)
    shard.rename(shard.with_suffix(".damaged"))
    old = tmp_path / "vectors.schema-1" / "m" / "p" / "a.shard"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"x" * 3000)
    assert [(e.model, e.evalset, e.vectors, e.damaged) for e in entries(tmp_path) if e.damaged] == [
        ("minilm", "", 0, 456)
    ]
    lines = cache_text(entries(tmp_path), tmp_path).splitlines()
    put(tmp_path, MINI, "p1", "", 1)
    shown = [line.split() for line in cache_text(entries(tmp_path), tmp_path).splitlines()]
    assert [row[3:7] for row in shown if row[3] in ("damaged", "other")] == [
        ["damaged", "0", "456", "B"], ["other", "1", "296", "B"],
    ]  # fmt: skip
    assert "456 B of that are damaged" in lines[-2] and "3.00 KB more are vectors of an older version" in lines[-1]


def test_a_store_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    assert entries(tmp_path / "none") == []
    assert cache_text([], tmp_path / "none") == f"no vectors in {tmp_path / 'none'}"
    assert prune(tmp_path / "none", everything=True) == (0, 0)


# Pruning -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "gone", "files"),
    [
        ({"model": "minilm"}, [("minilm", "helpdesk"), ("minilm", "scifact")], 5),
        ({"model": "a1a1a1a1"}, [("minilm", "helpdesk"), ("minilm", "scifact")], 5),
        ({"evalset": "helpdesk"}, [("minilm", "helpdesk"), ("bge", "helpdesk")], 5),
        ({"model": "minilm", "evalset": "helpdesk"}, [("minilm", "helpdesk")], 4),
        ({"older_than_days": 39}, [("bge", "helpdesk")], 1),
        ({"older_than_days": 40}, [], 0),
        ({"older_than_days": 1, "evalset": "scifact"}, [], 0),
        ({"damaged": True}, [], 0),
        ({"everything": True}, list(ALL), 6),
    ],
)
def test_what_is_named_goes_and_nothing_else(
    tmp_path: Path, chosen: dict[str, object], gone: list[tuple[str, str]], files: int
) -> None:
    filled(tmp_path)
    before = {p: p.stat().st_size for p in tmp_path.rglob("*.shard")}
    pruned = prune(tmp_path, **chosen)  # type: ignore[arg-type]
    assert left(tmp_path) == {key: n for key, n in ALL.items() if key not in gone}
    removed = [size for path, size in before.items() if not path.exists()]
    assert pruned == (files, sum(removed)) and len(removed) == files
    models = {p.name for p in (tmp_path / "vectors").iterdir()}
    assert models == {MINI if model == "minilm" else BGE for model, _ in left(tmp_path)}


@pytest.mark.parametrize(
    "chosen",
    [
        {},
        {"damaged": True, "everything": True},
        {"model": "minilm", "damaged": True},
        {"evalset": "x", "everything": True},
    ],
)
def test_nothing_named_or_too_much_is_refused(tmp_path: Path, chosen: dict[str, object]) -> None:
    filled(tmp_path)
    with pytest.raises(HarnessError, match="say what to prune"):
        prune(tmp_path, **chosen)  # type: ignore[arg-type]
    assert left(tmp_path) == ALL


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"model": "minilmm"}, "no stored vectors of model 'minilmm'. Did you mean minilm?"),
        ({"evalset": "helpdsk"}, "no stored vectors of eval set 'helpdsk'. Did you mean helpdesk?"),
        ({"evalset": ""}, "no stored vectors of eval set ''. Known: helpdesk, scifact."),
        ({"model": "minilm", "evalset": "zzz"}, "Known: helpdesk, scifact."),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(tmp_path: Path, chosen: dict[str, str], message: str) -> None:
    filled(tmp_path)
    with pytest.raises(HarnessError) as caught:
        prune(tmp_path, **chosen)  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert left(tmp_path) == ALL


def test_damaged_files_older_schemas_and_their_folders_go_and_sound_vectors_stay(tmp_path: Path) -> None:
    shard = put(filled(tmp_path), MINI, "p9", "helpdesk document", 5)
    shard.rename(shard.with_suffix(".damaged"))
    old = tmp_path / "vectors.schema-1" / "m" / "p" / "a.shard"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"x" * 3000)
    assert prune(tmp_path, damaged=True) == (2, 3456)
    assert left(tmp_path) == ALL
    assert not (tmp_path / "vectors.schema-1").exists() and not shard.parent.exists()


def test_empty_folders_go_with_their_vectors_but_a_writer_at_work_keeps_its_own(tmp_path: Path) -> None:
    filled(tmp_path)
    writing = tmp_path / "vectors" / BGE / "p1" / ".x.shard.0000.tmp"
    killed = tmp_path / "vectors" / MINI / "p1" / ".x.shard.0000.tmp"
    for path in (writing, killed):
        path.write_bytes(b"half")
    os.utime(killed, (time.time() - 3700,) * 2)
    prune(tmp_path, everything=True)
    assert [p.name for p in (tmp_path / "vectors").iterdir()] == [BGE]
    assert writing.exists() and (tmp_path / "vectors" / BGE / "about.json").exists()


def test_a_sweep_that_runs_while_its_vectors_are_pruned_finds_them_missing(tmp_path: Path) -> None:
    filled(tmp_path)
    shelf, keys = Shelf(tmp_path / "vectors" / BGE / "p1"), text_keys("helpdesk document", [str(i) for i in range(10)])
    rows = shelf.load(keys)
    prune(tmp_path, model="bge")
    assert shelf.missing(keys).all() and shelf.dropped == []
    shelf.append(keys, rows, "helpdesk document")
    assert not shelf.missing(keys).any()


def test_an_unreadable_shard_is_no_entry_of_an_eval_set_and_goes_with_its_model(tmp_path: Path) -> None:
    put(filled(tmp_path), BGE, "p1", "helpdesk query", 3).write_bytes(b"x" * 100)
    assert [e.bytes for e in entries(tmp_path) if e.model == "bge" and not e.evalset] == [100]
    prune(tmp_path, evalset="helpdesk")
    assert ("bge", "") in left(tmp_path)
    prune(tmp_path, model="bge")
    assert left(tmp_path) == {("minilm", "scifact"): 100}
