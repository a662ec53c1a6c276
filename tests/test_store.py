"""What is stored comes back byte for byte, or not at all."""

from __future__ import annotations

import json
import shutil
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from harness.store import Records, check_writable, read_json, write_atomically, write_json
from harness.types import HarnessError, Record

# Records -------------------------------------------------------------------------------------------------------


def record(**fields: object) -> Record:
    known = {"key": "k", "kind": "quality", "status": "ok", "labels": {"model": "ü"}, "values": {"main": "ndcg", "main_score": 0.5, "x": None},
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


def sealed(head: bytes, arrays: bytes = b"") -> bytes:
    """A file whose checksum holds."""
    body = len(head).to_bytes(8, "little") + head + arrays
    return zlib.crc32(body).to_bytes(8, "little") + body


@pytest.mark.parametrize("head", [b"", b"hello", b"[1]", b"{}", b'{"key": "k", "warnings": []}', b"\xff\xfe"])
def test_a_file_whose_checksum_holds_is_still_no_record_without_its_fields(tmp_path: Path, head: bytes) -> None:
    arrays = BytesIO()
    np.savez_compressed(arrays, ndcg=np.asarray([0.1, 0.9]))
    (tmp_path / "k.record").write_bytes(sealed(head, arrays.getvalue()))
    assert Records(tmp_path).get("k") is None and Records(tmp_path).damaged("k")


def test_the_record_of_another_key_is_not_believed_and_a_folder_is_no_record(tmp_path: Path) -> None:
    store = Records(tmp_path)
    store.put(record())
    (tmp_path / "other.record").write_bytes((tmp_path / "k.record").read_bytes())
    (tmp_path / "folder.record").mkdir()
    assert [store.get(key) is None for key in ("k", "other", "folder", "absent")] == [False, True, True, True]
    assert [store.damaged(key) for key in ("k", "other", "folder", "absent")] == [False, True, True, False]


@pytest.mark.parametrize("odd", [
    {"values": {"main_score": 0.5}}, {"values": {"main": "ndcg"}}, {"values": {"main": "map", "main_score": 0.5}},
    {"values": {"main": "ndcg", "main_score": "0.5"}}, {"status": "fine"}, {"kind": "timing"},
    {"arrays": {"ndcg": np.zeros(2), "query_ids": np.asarray(["a", "b", "c"])}},
])  # fmt: skip
def test_a_record_without_what_its_readers_take_counts_as_damaged(tmp_path: Path, odd: dict[str, object]) -> None:
    Records(tmp_path).put(record(**odd))
    assert Records(tmp_path).get("k") is None and Records(tmp_path).damaged("k")


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
    with pytest.raises(HarnessError, match=r"another folder \(results_dir=, store_dir=, --reports-dir, -o\)") as caught:
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


def test_a_folder_with_room_is_made_and_left_empty(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "store", need_bytes=1)
    assert list((tmp_path / "new" / "store").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named_before_work_begins(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HarnessError, match=r"inside cannot be written .*results_dir=") as caught:
        check_writable(tmp_path / "file" / "inside")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("number", [28, 30])  # no space left, read-only file system
def test_a_disk_that_takes_no_byte_is_found_by_the_probe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(_: int) -> None:
        raise OSError(number, "refused")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(HarnessError, match=r"cannot be written \(refused\)"):
        check_writable(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_too_little_room_is_told_with_what_there_is_and_what_is_needed(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    with pytest.raises(HarnessError, match=r"has [\d,]+ MB free and [\d,]+ MB are needed.*store_dir=") as caught:
        check_writable(tmp_path, need_bytes=free + 10**12)
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


def test_equal_values_are_equal_bytes_whatever_the_order_of_keys(tmp_path: Path) -> None:
    write_json(tmp_path / "a", {"x": 1, "y": "ü\ud800"})
    write_json(tmp_path / "b", {"y": "ü\ud800", "x": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_half_a_surrogate_pair_is_valid_json_and_comes_back(tmp_path: Path) -> None:
    write_json(tmp_path / "a", {"y": "ü\ud800"})
    assert json.loads((tmp_path / "a").read_bytes().decode("utf-8")) == {"y": "ü\ud800"} == read_json(tmp_path / "a")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_json_does_not_have_is_refused_and_nothing_is_written(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError, match="decision.json would hold a number that is not finite"):
        write_json(tmp_path / "decision.json", {"candidates": [{"score": value}]})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", "[1]", "3", "\udcff"])
def test_a_broken_json_file_is_one_line_that_names_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "sweep.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(HarnessError, match=r"sweep\.json"):
        read_json(tmp_path / "sweep.json")
