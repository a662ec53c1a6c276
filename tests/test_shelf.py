"""Stored vectors come back byte for byte, or not at all."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
import zlib
from pathlib import Path

import numpy as np
import pytest

from harness.ragged import chosen
from harness.shard import SCHEMA, Shard, read_shard
from harness.shelf import Incomplete, Shelf, open_store, text_keys
from harness.types import HarnessError, Vectors

HEADER = 256


def vectors(n: int, d: int = 3, start: int = 0) -> Vectors:
    rows = np.arange(start, start + n * d, dtype=np.float32).reshape(n, d)
    return Vectors(rows, np.arange(n, dtype=np.int32), np.arange(n, dtype=np.int32) + 5)


def shelved(folder: Path, n: int = 4) -> tuple[np.ndarray, Vectors, Path]:
    keys, stored = text_keys("", [f"text {i}" for i in range(n)]), vectors(n)
    Shelf(folder).append(keys, stored, "helpdesk document")
    return keys, stored, next(folder.glob("*.shard"))


def raw_keys(*keys: bytes) -> np.ndarray:
    return np.frombuffer(b"".join(keys), dtype="S16")


# What is stored comes back -------------------------------------------------------------------------------------


def test_vectors_come_back_in_the_order_asked_for_with_their_token_counts(tmp_path: Path) -> None:
    keys, stored, _ = shelved(tmp_path)
    order = [2, 0, 3, 3, 1]
    loaded = Shelf(tmp_path).load(keys[order])
    for mine, theirs in zip(loaded[:3], stored[:3], strict=True):
        np.testing.assert_array_equal(mine, theirs[order])
        assert mine.dtype == theirs.dtype


def test_an_unknown_text_is_missing_and_loading_it_is_refused(tmp_path: Path) -> None:
    shelved(tmp_path)
    asked = text_keys("", ["text 0", "text 9"])
    assert Shelf(tmp_path).missing(asked).tolist() == [False, True]
    with pytest.raises(Incomplete, match="1 of 2"):
        Shelf(tmp_path).load(asked)


def test_a_folder_that_does_not_exist_holds_nothing(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "none")
    assert shelf.missing(text_keys("", ["a"])).all() and shelf.width == 0
    with pytest.raises(Incomplete):
        shelf.load(text_keys("", ["a"]))


def test_no_texts_are_a_question_with_an_empty_answer_and_leave_no_file(tmp_path: Path) -> None:
    shelf, none = Shelf(tmp_path), text_keys("", [])
    shelf.append(none, vectors(0))
    assert list(tmp_path.iterdir()) == []
    assert shelf.missing(none).shape == (0,) and shelf.load(none).rows.shape == (0, 0)
    shelved(tmp_path)
    assert shelf.missing(none).shape == (0,) and shelf.load(none).rows.shape == (0, 3)


def test_many_shards_answer_one_question_in_any_order(tmp_path: Path) -> None:
    shelf, n = Shelf(tmp_path), 700
    keys, stored = text_keys("p", [str(i) for i in range(n)]), vectors(n, d=5)
    for part in np.array_split(np.arange(n), [1, 3, 300, 301]):  # one of them larger than what is gathered at once
        shelf.append(keys[part], chosen(stored, part))
    order = np.random.default_rng(0).integers(0, n, 2000)
    for mine, theirs in zip(shelf.load(keys[order])[:3], stored[:3], strict=True):
        np.testing.assert_array_equal(mine, theirs[order])
    assert shelf.width == 5


def test_keys_that_share_their_first_half_are_told_apart(tmp_path: Path) -> None:
    same = b"same 8by"
    keys = raw_keys(*(same + bytes([i] * 8) for i in (9, 2, 0, 255, 7)), b"\0" * 16, b"\xff" * 16)
    shelf, stored = Shelf(tmp_path), vectors(len(keys))
    shelf.append(keys[::2], chosen(stored, np.arange(0, len(keys), 2)))
    shelf.append(keys[1::2], chosen(stored, np.arange(1, len(keys), 2)))
    np.testing.assert_array_equal(shelf.load(keys).rows, stored.rows)
    unknown = raw_keys(same + b"\1" * 8, same + b"\xfe" * 8, same[:7] + b"\0" + b"\2" * 8, b"\xff" * 15 + b"\xfe")
    assert shelf.missing(np.concatenate([unknown, keys])).tolist() == [True] * len(unknown) + [False] * len(keys)


def test_of_a_key_in_several_shards_the_first_file_by_name_is_served_also_when_it_comes_last(tmp_path: Path) -> None:
    keys, _, path = shelved(tmp_path, n=2)
    shelf = Shelf(tmp_path)
    shelf.load(keys)
    Shelf(tmp_path / "other").append(keys, vectors(2, start=100))
    late = next((tmp_path / "other").iterdir())
    late.rename(tmp_path / "000.shard")
    path.rename(tmp_path / "fff.shard")
    assert shelf.load(keys).rows[:, 0].tolist() == Shelf(tmp_path).load(keys).rows[:, 0].tolist() == [100, 103]


def test_what_another_shelf_on_the_folder_writes_is_seen_and_old_files_are_not_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def counted(path: Path) -> Shard | None:
        opened.append(path.name)
        return read_shard(path)

    monkeypatch.setattr("harness.shelf.read_shard", counted)
    mine, theirs = Shelf(tmp_path), Shelf(tmp_path)
    first, second = text_keys("", ["a", "b"]), text_keys("", ["c"])
    mine.append(first, vectors(2))
    assert not theirs.missing(first).any()
    mine.append(second, vectors(1, start=100))
    assert not theirs.missing(second).any()
    assert theirs.load(np.concatenate([second, first])).rows[:, 0].tolist() == [100, 0, 3]
    assert len(opened) == len(set(opened)) == 2


def test_more_shards_than_a_process_may_have_open_files_are_served(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    shelf, keys = Shelf(tmp_path), text_keys("", [str(i) for i in range(60)])
    for i in range(60):
        shelf.append(keys[i : i + 1], vectors(1, start=i))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    inherited = max(int(path.name) for path in Path("/dev/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (inherited + 20, hard))
    try:
        assert shelf.load(keys).rows[:, 0].tolist() == list(range(60))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_half_precision_takes_half_the_room_and_comes_back_as_float32(tmp_path: Path) -> None:
    keys = text_keys("", [str(i) for i in range(100)])
    rows = np.random.default_rng(0).standard_normal((100, 64), dtype=np.float32)
    given = Vectors(rows, np.zeros(100, dtype=np.int32), np.zeros(100, dtype=np.int32))
    for dtype in ("float16", "float32"):
        Shelf(tmp_path / dtype, dtype).append(keys, given)
    sizes = {p.parent.name: p.stat().st_size for p in tmp_path.glob("*/*.shard")}
    assert sizes["float32"] - sizes["float16"] == 100 * 64 * 2
    loaded = Shelf(tmp_path / "float16", "float16").load(keys).rows
    assert loaded.dtype == np.float32
    np.testing.assert_array_equal(loaded, rows.astype(np.float16).astype(np.float32))
    np.testing.assert_array_equal(Shelf(tmp_path / "float32").load(keys).rows, rows)


@pytest.mark.parametrize("value", [65520.0, -1e6, 3e38])
def test_a_value_beyond_half_precision_is_refused_and_never_becomes_infinite(tmp_path: Path, value: float) -> None:
    keys, given = text_keys("", ["a", "b"]), vectors(2)
    given.rows[1, 2] = value
    with pytest.raises(HarnessError, match="store_dtype=float32"):
        Shelf(tmp_path, "float16").append(keys, given)
    assert list(tmp_path.iterdir()) == []
    given.rows[1, 2] = 65504
    Shelf(tmp_path, "float16").append(keys, given)
    assert Shelf(tmp_path, "float16").load(keys).rows[1, 2] == 65504


def test_only_two_precisions_can_be_stored(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="store_dtype=bfloat16"):
        Shelf(tmp_path, "bfloat16")


def test_a_model_that_changes_its_width_is_an_error_and_spoils_no_stored_vector(tmp_path: Path) -> None:
    keys, stored, _ = shelved(tmp_path)
    shelf = Shelf(tmp_path)
    assert not shelf.missing(keys).any()
    with pytest.raises(HarnessError, match="vectors of 3 and of 7 dimensions"):
        shelf.append(text_keys("", ["new"]), vectors(1, d=7))
    np.testing.assert_array_equal(Shelf(tmp_path).load(keys).rows, stored.rows)


def test_a_width_is_remembered_from_what_was_just_written(tmp_path: Path) -> None:
    shelf, keys = Shelf(tmp_path), text_keys("", ["a", "b"])
    shelf.append(keys[:1], vectors(1))
    with pytest.raises(HarnessError, match="vectors of 3 and of 7 dimensions"):
        shelf.append(keys[1:], vectors(1, d=7))
    assert Shelf(tmp_path).missing(keys).tolist() == [False, True]


@pytest.mark.parametrize(
    ("origin", "kept"),
    [
        ("helpdesk document", "helpdesk document"),
        ("", ""),
        ("ü" * 300 + " document", "document"),
        ('"' * 300 + " query", "query"),
        ("\ud800 query", "query"),
        ("x" * 400, "x"),
    ],
)
def test_the_header_says_whose_texts_they_are_cut_to_fit(tmp_path: Path, origin: str, kept: str) -> None:
    keys = text_keys("", ["a"])
    Shelf(tmp_path).append(keys, vectors(1), origin)
    found = read_shard(next(tmp_path.glob("*.shard")))
    assert found is not None and found.head.origin.endswith(kept)
    assert len(origin) > 100 or found.head.origin == origin
    assert not Shelf(tmp_path).missing(keys).any()


# Damage --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("left", [0, 10, HEADER - 1, HEADER, HEADER + 20, HEADER + 64, HEADER + 96, HEADER + 97, -1])
def test_a_truncated_shard_is_named_set_aside_and_never_served(tmp_path: Path, left: int) -> None:
    keys, _, path = shelved(tmp_path)
    path.write_bytes(path.read_bytes()[:left])
    shelf = Shelf(tmp_path)
    assert shelf.missing(keys).all()
    assert shelf.dropped == [path.name]
    assert not path.exists() and path.with_suffix(".damaged").exists()


def test_a_shard_with_something_behind_it_is_not_served(tmp_path: Path) -> None:
    keys, _, path = shelved(tmp_path)
    path.write_bytes(path.read_bytes() + b"\0")
    assert Shelf(tmp_path).missing(keys).all()


def test_every_single_flipped_bit_is_found(tmp_path: Path) -> None:
    keys, _, path = shelved(tmp_path, n=1)
    whole = path.read_bytes()
    rows = len(whole) - 12
    in_header = [9 * byte - byte // 8 * 8 for byte in range(HEADER)]  # one bit of each byte: the first, the second, ...
    for position in (*in_header, *range(8 * HEADER, 8 * len(whole))):
        damaged = bytearray(whole)
        damaged[position // 8] ^= 1 << position % 8
        path.write_bytes(damaged)
        shelf = Shelf(tmp_path)
        if position // 8 < rows:
            assert shelf.missing(keys).all(), position
        else:  # rows are read, and so verified, when they are asked for
            assert not shelf.missing(keys).any(), position
            with pytest.raises(Incomplete):
                shelf.load(keys)
            assert shelf.missing(keys).all(), position
        assert shelf.dropped == [path.name]


@pytest.mark.parametrize("head", [b"{}", b"[]", b"3", b"null", b"\xff" * HEADER, b'{"head": 1, "schema": 2, "n": 1}'])
def test_a_foreign_file_is_not_served(tmp_path: Path, head: bytes) -> None:
    keys, _, path = shelved(tmp_path)
    path.write_bytes(head.ljust(HEADER) + path.read_bytes()[HEADER:])
    shelf = Shelf(tmp_path)
    assert shelf.missing(keys).all() and shelf.dropped == [path.name]


@pytest.mark.parametrize(
    ("field", "value"),
    [("schema", SCHEMA + 1), ("dtype", "float64"), ("n", 4.0), ("n", -4), ("d", 3.0), ("origin", 3)],
)
def test_a_header_of_other_values_is_not_served_even_with_a_right_checksum(
    tmp_path: Path, field: str, value: object
) -> None:
    keys, _, path = shelved(tmp_path)
    raw = path.read_bytes()
    head = json.loads(raw[:HEADER]) | {field: value, "head": 0}
    body = raw[HEADER : HEADER + 24 * 4]
    head["head"] = zlib.crc32(body, zlib.crc32(json.dumps(head).encode().ljust(HEADER)))
    path.write_bytes(json.dumps(head).encode().ljust(HEADER) + raw[HEADER:])
    assert Shelf(tmp_path).missing(keys).all()


def test_a_shard_of_the_other_precision_is_not_served(tmp_path: Path) -> None:
    keys, _, path = shelved(tmp_path)
    half = Shelf(tmp_path, "float16")
    assert half.missing(keys).all() and half.dropped == [path.name]


def test_damaged_rows_cost_their_shard_only_and_all_of_them_are_found_in_one_load(tmp_path: Path) -> None:
    shelf, keys = Shelf(tmp_path), text_keys("", list("abcdef"))
    for i in range(6):
        shelf.append(keys[i : i + 1], vectors(1, start=10 * i))
    broken = [
        p
        for p in tmp_path.glob("*.shard")
        if p.read_bytes()[-12:] in (vectors(1, start=s).rows.tobytes() for s in (10, 40))
    ]
    for path in broken:
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert not shelf.missing(keys).any()
    with pytest.raises(Incomplete, match="2 of 6"):
        shelf.load(keys)
    assert sorted(shelf.dropped) == sorted(p.name for p in broken)
    assert shelf.missing(keys).tolist() == [False, True, False, False, True, False]
    shelf.append(
        keys[[1, 4]],
        Vectors(*(np.concatenate(c) for c in zip(vectors(1, start=10)[:3], vectors(1, start=40)[:3], strict=True))),
    )
    assert shelf.load(keys).rows[:, 0].tolist() == [0, 10, 20, 30, 40, 50]


def test_of_two_copies_of_a_key_the_sound_one_is_served_once_the_other_is_found_damaged(tmp_path: Path) -> None:
    keys, stored, path = shelved(tmp_path)
    (tmp_path / "zzz.shard").write_bytes(path.read_bytes())
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    shelf = Shelf(tmp_path)
    with pytest.raises(Incomplete):
        shelf.load(keys)
    assert not shelf.missing(keys).any()
    np.testing.assert_array_equal(shelf.load(keys).rows, stored.rows)


def test_rows_that_were_cut_after_the_shard_was_opened_are_not_served(tmp_path: Path) -> None:
    keys, _, path = shelved(tmp_path)
    shelf = Shelf(tmp_path)
    assert not shelf.missing(keys).any()
    os.truncate(path, path.stat().st_size - 4)
    with pytest.raises(Incomplete):
        shelf.load(keys)
    assert shelf.missing(keys).all() and shelf.dropped == [path.name]


def test_rows_are_verified_once_however_often_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys, _, _ = shelved(tmp_path)
    shelf, verified = Shelf(tmp_path), []
    shelf.missing(keys)
    real = zlib.crc32
    monkeypatch.setattr("zlib.crc32", lambda *args: verified.append(1) or real(*args))
    for _ in range(3):
        shelf.load(keys)
    assert len(verified) == 1


def test_a_damaged_shard_that_cannot_be_set_aside_is_named_once_and_not_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, _, path = shelved(tmp_path)
    path.write_bytes(b"broken")

    def read_only(self: Path, target: Path) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "replace", read_only)
    shelf = Shelf(tmp_path)
    assert shelf.missing(keys).all() and shelf.missing(keys).all()
    assert shelf.dropped == [path.name] and path.exists()


def test_a_shard_that_the_system_cannot_read_is_one_line_that_names_it(tmp_path: Path) -> None:
    keys, _, path = shelved(tmp_path)
    path.unlink()
    path.mkdir()
    with pytest.raises(HarnessError, match=rf"{path.name} cannot be read \(Is a directory\)"):
        Shelf(tmp_path).missing(keys)


# Other processes -----------------------------------------------------------------------------------------------


def test_a_file_left_by_a_killed_writer_is_never_read_and_goes_after_an_hour(tmp_path: Path) -> None:
    keys, _, path = shelved(tmp_path)
    old, new = (tmp_path / f".{path.name}.{i}.tmp" for i in range(2))
    for left in (old, new):
        left.write_bytes(path.read_bytes())
    os.utime(old, (time.time() - 3700,) * 2)
    shelf = Shelf(tmp_path)
    assert not shelf.missing(keys).any() and shelf.dropped == []
    assert not old.exists() and new.exists()


def test_a_shard_that_vanishes_between_listing_and_opening_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, _, path = shelved(tmp_path)
    path.unlink()
    monkeypatch.setattr(Path, "iterdir", lambda self: iter([path]))
    shelf = Shelf(tmp_path)
    assert shelf.missing(keys).all() and shelf.dropped == []


def test_shards_pruned_under_a_running_sweep_are_missing_and_encoded_again(tmp_path: Path) -> None:
    keys, stored, path = shelved(tmp_path)
    shelf = Shelf(tmp_path)
    shelf.load(keys)
    path.unlink()
    assert shelf.missing(keys).all() and shelf.dropped == []
    shelf.append(keys, stored)
    np.testing.assert_array_equal(shelf.load(keys).rows, stored.rows)


def test_a_shard_that_vanishes_while_it_is_loaded_is_told_as_incomplete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, _, path = shelved(tmp_path)
    shelf = Shelf(tmp_path)
    shelf.missing(keys)
    listed = [path]
    path.unlink()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "iterdir", lambda self: iter(listed))
        with pytest.raises(Incomplete, match="4 of 4"):
            shelf.load(keys)
    assert shelf.missing(keys).all() and shelf.dropped == []


def _append(folder: Path, number: int) -> None:
    for i in range(10):
        Shelf(folder).append(text_keys("", [f"{number} {i}", f"both {i}"]), vectors(2, start=i))


def test_two_processes_append_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_append, args=(tmp_path, n)) for n in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    texts = [f"{n} {i}" for n in range(2) for i in range(10)] + [f"both {i}" for i in range(10)]
    shelf = Shelf(tmp_path)
    assert not shelf.missing(text_keys("", texts)).any() and shelf.dropped == []
    assert len(list(tmp_path.glob("*.shard"))) == 20


def _append_for_ever(folder: Path) -> None:
    for i in range(10**6):
        Shelf(folder).append(text_keys("", [f"{i} {k}" for k in range(8)]), vectors(8, d=2000, start=i))


def test_a_writer_killed_at_any_moment_leaves_whole_shards_only(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    for wait_s in np.random.default_rng(0).uniform(0.02, 0.1, 5):
        writer = context.Process(target=_append_for_ever, args=(tmp_path,))
        writer.start()
        time.sleep(float(wait_s))
        writer.kill()
        writer.join()
    shelf, shards = Shelf(tmp_path), list(tmp_path.glob("*.shard"))
    keys = text_keys("", [f"{i} {k}" for i in range(len(shards)) for k in range(8)])
    there = keys[~shelf.missing(keys)]
    assert len(there) >= 8 and len(there) % 8 == 0
    assert shelf.load(there).rows.shape == (len(there), 2000) and shelf.dropped == []


# Keys ----------------------------------------------------------------------------------------------------------


def test_prompt_and_text_that_concatenate_alike_have_different_keys() -> None:
    pairs = [
        ("a", "bc"),
        ("ab", "c"),
        ("", "abc"),
        ("abc", ""),
        ("1|a|", "b"),
        ("", "1|a|b"),
        ("3|", "a"),
        ("", "3|a"),
        ("0||", ""),
    ]
    keys = [text_keys(prompt, [text])[0] for prompt, text in pairs]
    assert len(set(keys)) == len(pairs)


def test_a_text_that_is_no_unicode_has_a_key_too() -> None:
    assert len(text_keys("", ["\ud800", "\udfff", ""])) == 3


# The store's schema --------------------------------------------------------------------------------------------


def schema_1(store: Path) -> Path:
    old = store / "vectors" / "model" / "pooling" / "a.shard"
    old.parent.mkdir(parents=True)
    old.write_bytes(b'{"schema": 1}'.ljust(1500))
    return old


def test_a_new_store_says_its_schema_and_opens_again_without_a_word(tmp_path: Path) -> None:
    said: list[str] = []
    for _ in range(2):
        open_store(tmp_path / "store", said.append)
        assert json.loads((tmp_path / "store" / "store.json").read_text()) == {"schema": SCHEMA}
    assert said == []


def test_vectors_of_an_older_schema_are_set_aside_with_one_line(tmp_path: Path) -> None:
    schema_1(tmp_path)
    said: list[str] = []
    open_store(tmp_path, said.append)
    open_store(tmp_path, said.append)
    (line,) = said
    assert "\n" not in line and "schema 1, 1.50 KB" in line and "vectors.schema-1" in line
    assert (tmp_path / "vectors.schema-1" / "model" / "pooling" / "a.shard").exists()
    assert not (tmp_path / "vectors").exists()


def test_what_was_set_aside_before_is_not_overwritten(tmp_path: Path) -> None:
    for _ in range(3):
        schema_1(tmp_path)
        open_store(tmp_path, lambda line: None)
        (tmp_path / "store.json").unlink()
    names = sorted(p.name for p in tmp_path.glob("vectors*"))
    assert names == ["vectors.schema-1", "vectors.schema-1-1", "vectors.schema-1-2"]


def test_an_empty_vectors_folder_is_no_older_schema(tmp_path: Path) -> None:
    (tmp_path / "vectors").mkdir()
    said: list[str] = []
    open_store(tmp_path, said.append)
    assert said == [] and (tmp_path / "vectors").exists()


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    old = schema_1(tmp_path)
    (tmp_path / "store.json").write_text('{"schema": 99}')
    with pytest.raises(HarnessError, match="schema 99"):
        open_store(tmp_path, lambda line: None)
    assert old.exists()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema": null}', '{"schema": "two"}'])
def test_a_damaged_store_json_is_one_line_and_nothing_is_set_aside(tmp_path: Path, text: str) -> None:
    old = schema_1(tmp_path)
    (tmp_path / "store.json").write_text(text)
    with pytest.raises(HarnessError, match=r'store.json is damaged. Write \{"schema": 2\} into it'):
        open_store(tmp_path, lambda line: None)
    assert old.exists()


def _open_and_append(store: Path) -> None:
    open_store(store, lambda line: (store / f"said-{os.getpid()}").touch())
    Shelf(store / "vectors" / "model" / "pooling").append(text_keys("", [str(os.getpid())]), vectors(1))


def test_processes_that_open_an_old_store_at_once_set_it_aside_once_and_keep_what_they_write(tmp_path: Path) -> None:
    schema_1(tmp_path)
    context = multiprocessing.get_context("fork")
    openers = [context.Process(target=_open_and_append, args=(tmp_path,)) for _ in range(6)]
    for opener in openers:
        opener.start()
    for opener in openers:
        opener.join()
    assert [o.exitcode for o in openers] == [0] * 6
    assert len(list(tmp_path.glob("said-*"))) == 1 and len(list(tmp_path.glob("vectors.schema-*"))) == 1
    keys = text_keys("", [str(o.pid) for o in openers])
    assert not Shelf(tmp_path / "vectors" / "model" / "pooling").missing(keys).any()
