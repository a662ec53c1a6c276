"""What is stored comes back byte for byte, or not at all."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from harness.store import _HEADER, Records, Shelf, read_json, text_keys, write_atomically, write_json
from harness.types import HarnessError, Record, Vectors


def vectors(n: int, d: int = 3, start: int = 0) -> Vectors:
    rows = np.arange(start, start + n * d, dtype=np.float32).reshape(n, d)
    return Vectors(rows, np.arange(n, dtype=np.int32), np.arange(n, dtype=np.int32) + 5)


def shelved(folder: Path, n: int = 4) -> tuple[np.ndarray, Vectors, Path]:
    keys, stored = text_keys("", [f"text {i}" for i in range(n)]), vectors(n)
    Shelf(folder).append(keys, stored)
    return keys, stored, next(folder.glob("*.shard"))


# Vectors -------------------------------------------------------------------------------------------------------


def test_vectors_come_back_in_the_order_asked_for_with_their_token_counts(tmp_path: Path) -> None:
    keys, stored, _ = shelved(tmp_path)
    order = [2, 0, 3, 3, 1]
    loaded = Shelf(tmp_path).load(keys[order])
    for mine, theirs in zip(loaded, stored, strict=True):
        np.testing.assert_array_equal(mine, theirs[order])


def test_an_unknown_text_is_missing_and_loading_it_is_refused(tmp_path: Path) -> None:
    shelved(tmp_path)
    asked = text_keys("", ["text 0", "text 9"])
    assert Shelf(tmp_path).missing(asked).tolist() == [False, True]
    with pytest.raises(KeyError, match="1 of 2"):
        Shelf(tmp_path).load(asked)


def test_a_folder_that_does_not_exist_holds_nothing(tmp_path: Path) -> None:
    assert Shelf(tmp_path / "none").missing(text_keys("", ["a"])).all()


def test_several_shards_answer_one_question(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    first, second = text_keys("", ["a", "b"]), text_keys("", ["c"])
    shelf.append(first, vectors(2))
    shelf.append(second, vectors(1, start=100))
    assert shelf.load(np.concatenate([second, first])).rows[:, 0].tolist() == [100, 0, 3]


@pytest.mark.parametrize("left", [0, 10, _HEADER - 1, _HEADER, _HEADER + 20, -1])
def test_a_truncated_shard_is_named_set_aside_and_never_served(tmp_path: Path, left: int) -> None:
    keys, _, path = shelved(tmp_path)
    path.write_bytes(path.read_bytes()[:left])
    shelf = Shelf(tmp_path)
    assert shelf.missing(keys).all()
    assert shelf.dropped == [path.name]
    assert not path.exists() and path.with_suffix(".damaged").exists()


def test_every_single_flipped_bit_is_found_or_changes_nothing(tmp_path: Path) -> None:
    keys, stored, path = shelved(tmp_path, n=1)
    whole = path.read_bytes()
    header = whole[:_HEADER].rstrip()
    checked = [*range(len(header) + 2), *range(_HEADER, len(whole))]
    served = 0
    for position in (8 * byte + bit for byte in checked for bit in range(8)):
        damaged = bytearray(whole)
        damaged[position // 8] ^= 1 << position % 8
        path.write_bytes(damaged)
        shelf = Shelf(tmp_path)
        if not shelf.missing(keys).all():
            served += 1
            np.testing.assert_array_equal(shelf.load(keys).rows, stored.rows)
    assert served < 20  # a space of the header may become another kind of space


def test_a_shard_of_another_schema_is_not_served(tmp_path: Path) -> None:
    keys, _, path = shelved(tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"schema": 1', b'"schema": 2', 1))
    assert Shelf(tmp_path).missing(keys).all()


def test_a_file_left_by_a_killed_writer_is_ignored(tmp_path: Path) -> None:
    keys, _, path = shelved(tmp_path)
    (tmp_path / f".{path.name}.0000.tmp").write_bytes(b"half")
    shelf = Shelf(tmp_path)
    assert not shelf.missing(keys).any() and shelf.dropped == []


def test_a_shard_that_another_process_set_aside_in_between_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, _, path = shelved(tmp_path)
    listed = [path]
    path.unlink()
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter(listed))
    assert Shelf(tmp_path).missing(keys).all()


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


# Records -------------------------------------------------------------------------------------------------------


def record(**fields: object) -> Record:
    known = {"key": "k", "kind": "quality", "status": "ok", "labels": {"model": "ü"}, "values": {"main_score": 0.5, "x": None},
             "arrays": {"ndcg": np.asarray([0.1, 0.9])}, "warnings": ("one", "two"), "provenance": {"p": [1]}}  # fmt: skip
    return Record(**known | fields)  # type: ignore[arg-type]


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    Records(tmp_path).put(record())
    got = Records(tmp_path).get("k")
    assert got is not None
    np.testing.assert_array_equal(got.arrays["ndcg"], [0.1, 0.9])
    assert {k: v for k, v in got.__dict__.items() if k != "arrays"} == {
        k: v for k, v in record().__dict__.items() if k != "arrays"
    }


@pytest.mark.parametrize("damage", [b"", b"\0" * 8, b"\0" * 16, b"\0" * 400, b"text that is no record"])
def test_a_damaged_record_is_no_record(tmp_path: Path, damage: bytes) -> None:
    Records(tmp_path).put(record())
    (tmp_path / "k.record").write_bytes(damage)
    assert Records(tmp_path).get("k") is None


@pytest.mark.parametrize("cut", [1, 7, 100])
def test_a_record_cut_short_or_altered_is_no_record(tmp_path: Path, cut: int) -> None:
    Records(tmp_path).put(record())
    path = tmp_path / "k.record"
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    assert Records(tmp_path).get("k") is None
    path.write_bytes(whole[:cut] + bytes([whole[cut] ^ 1]) + whole[cut + 1 :])
    assert Records(tmp_path).get("k") is None


def test_a_record_is_replaced_whole(tmp_path: Path) -> None:
    Records(tmp_path).put(record(status="failed", reason="first", arrays={}))
    Records(tmp_path).put(record())
    got = Records(tmp_path).get("k")
    assert got is not None and got.status == "ok" and got.reason == ""
    assert [p.name for p in tmp_path.iterdir()] == ["k.record"]


# Files ---------------------------------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_written_is_one_line_with_the_option_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HarnessError, match="results_dir= or store_dir=") as caught:
        write_atomically(tmp_path / "file" / "inside", b"x")
    assert "\n" not in str(caught.value)


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_atomically(tmp_path / "a", b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(HarnessError, match="No space left"):
        write_atomically(tmp_path / "a", b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["a"] and (tmp_path / "a").read_bytes() == b"old"


def test_equal_values_are_equal_bytes_whatever_the_order_of_keys(tmp_path: Path) -> None:
    write_json(tmp_path / "a", {"x": 1, "y": "ü\ud800"})
    write_json(tmp_path / "b", {"y": "ü\ud800", "x": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("text", ["", "{", "[1]", "3", "\udcff"])
def test_a_broken_json_file_is_one_line_that_names_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "sweep.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(HarnessError, match=r"sweep\.json"):
        read_json(tmp_path / "sweep.json")
