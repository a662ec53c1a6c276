"""Archives from anywhere: what is unpacked, what is refused, and that a refusal leaves nothing behind."""

from __future__ import annotations

import io
import random
import resource
import stat
import struct
import zipfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.archives import beir_folder, in_archive, sha256_of
from harness.types import HarnessError, Unwritable

CORPUS = '{"_id": "d1", "title": "Printer", "text": "is offline"}\n'
QUERIES = '{"_id": "q1", "text": "printer"}\n'
QRELS = "query-id\tcorpus-id\tscore\nq1\td1\t2\n"
FILES = {"scifact/corpus.jsonl": CORPUS, "scifact/queries.jsonl": QUERIES, "scifact/qrels/test.tsv": QRELS}


def zipped(file: Path, members: Mapping[str, str | bytes] = FILES) -> Path:
    """An archive of these members."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file


def renamed(file: Path, old: str, new: str) -> Path:
    """The archive with a member's name replaced by one as long, where zipfile itself would mend or refuse it."""
    assert len(old) == len(new) and file.read_bytes().count(old.encode()) == 2
    file.write_bytes(file.read_bytes().replace(old.encode(), new.encode()))
    return file


def refused(path: Path, store: Path, **limits: int) -> str:
    with pytest.raises(HarnessError) as caught:
        beir_folder(path, store, **limits)
    assert "\n" not in str(caught.value)
    assert not store.exists() or list(store.iterdir()) == []
    return str(caught.value)


def relative(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file()}


# What is unpacked -------------------------------------------------------------------------------------------------


def test_a_set_is_unpacked_under_the_hash_of_its_archive(tmp_path: Path) -> None:
    archive, store = zipped(tmp_path / "scifact.zip"), tmp_path / "store"
    folder = beir_folder(archive, store)
    assert folder == store / sha256_of(archive) / "scifact"
    assert relative(folder) == {"corpus.jsonl": CORPUS, "queries.jsonl": QUERIES, "qrels/test.tsv": QRELS}
    assert [p.name for p in store.iterdir()] == [sha256_of(archive)]


def test_a_set_may_lie_at_the_top(tmp_path: Path) -> None:
    top = {name.removeprefix("scifact/"): content for name, content in FILES.items()}
    folder = beir_folder(zipped(tmp_path / "a.ZIP", top), tmp_path / "store")
    assert sorted(relative(folder)) == ["corpus.jsonl", "qrels/test.tsv", "queries.jsonl"]


def test_nothing_but_corpus_queries_and_qrels_is_unpacked(tmp_path: Path) -> None:
    inner = zipped(tmp_path / "inner.zip").read_bytes()
    more = {
        "README.md": "a", "inner.zip": inner, "scifact/qrels/notes.txt": "a", "__MACOSX/scifact/._corpus.jsonl": "a",
        "__MACOSX/scifact/qrels/._test.tsv": "a", "scifact/corpus.jsonl.bak": "a",
    }  # fmt: skip
    folder = beir_folder(zipped(tmp_path / "a.zip", {**FILES, **more}), tmp_path / "store")
    assert relative(folder.parent) == FILES


def test_what_is_unpacked_is_remembered_by_content(tmp_path: Path) -> None:
    archive, store = zipped(tmp_path / "a.zip"), tmp_path / "store"
    folder = beir_folder(archive, store)
    (folder / "mark").touch()
    copy = tmp_path / "copy.zip"
    copy.write_bytes(archive.read_bytes())
    assert (beir_folder(copy, store) / "mark").exists()
    other = beir_folder(zipped(archive, {**FILES, "scifact/qrels/dev.tsv": QRELS}), store)
    assert other != folder and (other / "qrels" / "dev.tsv").exists()


def test_many_at_once_leave_one_folder(tmp_path: Path) -> None:
    archive, store = zipped(tmp_path / "a.zip"), tmp_path / "store"
    with ThreadPoolExecutor(8) as pool:
        folders = set(pool.map(lambda _: beir_folder(archive, store), range(16)))
    assert len(folders) == 1 and relative(folders.pop().parent) == FILES
    assert len(list(store.iterdir())) == 1


@pytest.mark.parametrize("named", ["cqadupstack/android", "android", "android/"])
def test_one_of_several_sets_is_named_by_its_path_or_the_end_of_it(tmp_path: Path, named: str) -> None:
    archive = several(tmp_path)
    assert in_archive(archive / named) == (archive, named.rstrip("/"))
    folder = beir_folder(archive / named, tmp_path / "store")
    assert folder.name == "android" and relative(folder)["corpus.jsonl"] == "android"


def several(tmp_path: Path) -> Path:
    forums = ("android", "gis", "tex")
    members = {f"cqadupstack/{f}/{n}.jsonl": f for f in forums for n in ("corpus", "queries")}
    return zipped(tmp_path / "cqadupstack.zip", members)


def test_several_sets_ask_which_one(tmp_path: Path) -> None:
    archive = several(tmp_path)
    assert refused(archive, tmp_path / "store").endswith(
        "holds 3 sets: 'cqadupstack/android', 'cqadupstack/gis', 'cqadupstack/tex'. "
        f"Name one of them: {archive}/cqadupstack/tex"
    )
    assert "holds no set 'andriod'. Did you mean android?" in refused(archive / "andriod", tmp_path / "store")
    beir_folder(archive / "gis", tmp_path / "known")
    with pytest.raises(HarnessError, match="holds 3 sets"):
        beir_folder(archive, tmp_path / "known")


def test_a_folder_that_is_called_zip_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "a.zip").mkdir()
    assert in_archive(tmp_path / "a.zip" / "b") is None


# What is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../corpus.jsonl", "would lie outside the folder"),
        ("scifact/../../x", "would lie outside the folder"),
        ("/etc/corpus.jsonl", "would lie outside the folder"),
        ("C:/corpus.jsonl", "would lie outside the folder"),
        ("c:corpus.jsonl", "would lie outside the folder"),
        ("..\\corpus.jsonl", "has a NUL or a backslash in its name"),
        (".", "has no name"),
        ("Scifact/corpus.jsonl", "differs from 'scifact' in case or accents alone"),
        ("scifact/Corpus.jsonl", "differs from 'scifact/corpus.jsonl' in case or accents alone"),
        ("scifact/corpus.jsonl/a", "is there twice, or is both a file and a folder"),
        ("scifact//corpus.jsonl", "is there twice"),
        ("./scifact/corpus.jsonl", "is there twice"),
    ],
)
def test_a_name_that_could_do_harm_refuses_the_whole_archive(tmp_path: Path, name: str, expected: str) -> None:
    message = refused(zipped(tmp_path / "a.zip", {**FILES, name: "x"}), tmp_path / "store")
    assert f"a.zip: member {name!r} {expected}" in message and message.endswith("Nothing was unpacked.")


def test_names_that_zipfile_would_mend_are_refused(tmp_path: Path) -> None:
    nul = renamed(zipped(tmp_path / "a.zip", {**FILES, "corpus.jsonl_x": "x"}), "corpus.jsonl_x", "corpus.jsonl\0x")
    assert "has a NUL or a backslash" in refused(nul, tmp_path / "store")
    twice = renamed(zipped(tmp_path / "b.zip", {**FILES, "scifact/corpus.jsonX": "x"}), "jsonX", "jsonl")
    assert "is there twice" in refused(twice, tmp_path / "store")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    link = zipfile.ZipInfo("scifact/qrels/link")
    link.external_attr = (kind | 0o777) << 16
    archive = zipped(tmp_path / "a.zip")
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr(link, "/etc/passwd")
    assert "member 'scifact/qrels/link' is a link or a device, not a file" in refused(archive, tmp_path / "store")


def test_encrypted_members_are_refused(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip")
    raw = bytearray(archive.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(signature) + offset] |= 1
    archive.write_bytes(raw)
    assert "member 'scifact/corpus.jsonl' is encrypted" in refused(archive, tmp_path / "store")


def test_a_bomb_is_stopped_while_it_unpacks(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {**FILES, "scifact/corpus.jsonl": b"0" * 30_000_000})
    assert archive.stat().st_size < 50_000
    assert "unpacks to more than the 20.0 MB that it may" in refused(archive, tmp_path / "store")


def test_the_limit_holds_for_all_members_together_whatever_the_headers_say(tmp_path: Path) -> None:
    texts = {f"scifact/{n}.jsonl": random.Random(n).randbytes(3000) for n in ("corpus", "queries")}
    archive = zipped(tmp_path / "a.zip", texts)
    assert beir_folder(archive, tmp_path / "enough", 6000).is_dir()
    assert "unpacks to more than the 6.00 KB that it may" in refused(archive, tmp_path / "store", most_bytes=5999)
    raw = archive.read_bytes()
    archive.write_bytes(raw.replace(struct.pack("<L", 3000), struct.pack("<L", 10)))
    refused(archive, tmp_path / "store", most_bytes=5999)


def test_text_that_repeats_itself_is_no_bomb(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {**FILES, "scifact/corpus.jsonl": CORPUS * 100_000})
    assert archive.stat().st_size * 100 < 5_000_000
    assert beir_folder(archive, tmp_path / "store").is_dir()


def test_damage_is_one_line(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for name, content in FILES.items():
            opened.writestr(name, content)
    raw = archive.read_bytes()
    archive.write_bytes(raw.replace(b"is offline", b"is OFFLINE"))
    assert "is no sound zip archive: Bad CRC-32 for file 'scifact/corpus.jsonl'" in refused(archive, tmp_path / "store")
    archive.write_bytes(raw[:-30])
    assert "is no sound zip archive: File is not a zip file" in refused(archive, tmp_path / "store")
    archive.write_bytes(b"")
    assert "Download or copy it again" in refused(archive, tmp_path / "store")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_no_damage_gives_other_content_or_another_error(tmp_path: Path, method: int) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as opened:
        for name, content in FILES.items():
            opened.writestr(name, content)
    sound, draw, outcomes = buffer.getvalue(), random.Random(method), set()
    for number in range(60):
        raw = bytearray(sound)
        for _ in range(draw.randint(1, 3)):
            raw[draw.randrange(len(raw))] = draw.randrange(256)
        archive, store = tmp_path / f"{number}.zip", tmp_path / f"store{number}"
        archive.write_bytes(raw[: draw.choice((len(raw), draw.randrange(len(raw))))])
        try:
            found = relative(beir_folder(archive, store))
        except HarnessError:
            found = {}
            assert not store.exists() or list(store.iterdir()) == []
        assert set(found.values()) <= set(FILES.values())
        outcomes.add(bool(found))
    assert outcomes == {True, False}


def test_an_archive_without_a_set_says_what_is_inside(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"data/a.csv": "", "data/qrels/test.tsv": QRELS})
    message = refused(archive, tmp_path / "store")
    assert "holds no BEIR folder" in message and "it has 'data/a.csv', 'data/qrels/test.tsv'." in message
    assert "it has nothing." in refused(zipped(tmp_path / "b.zip", {}), tmp_path / "store")


def test_a_disk_that_takes_no_more_is_one_line_and_nothing_stays(tmp_path: Path) -> None:
    archive, store = zipped(tmp_path / "a.zip", {**FILES, "scifact/corpus.jsonl": b"0" * 3_000_000}), tmp_path / "store"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, limits[1]))
    try:
        with pytest.raises(Unwritable, match=r"takes no unpacked files \(File too large\)\. Free space there\."):
            beir_folder(archive, store)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(store.iterdir()) == []


def test_a_store_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "store").touch()
    with pytest.raises(Unwritable, match="takes no unpacked files"):
        beir_folder(zipped(tmp_path / "a.zip"), tmp_path / "store")


def test_a_kill_leaves_nothing_that_is_taken_for_a_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive, store = zipped(tmp_path / "a.zip"), tmp_path / "store"
    rename: Callable[..., Path] = Path.rename

    def stopped(*_: object) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", stopped)
    with pytest.raises(KeyboardInterrupt):
        beir_folder(archive, store)
    monkeypatch.setattr(Path, "rename", rename)
    assert list(store.iterdir()) == []
    assert relative(beir_folder(archive, store).parent) == FILES


@pytest.mark.parametrize(
    "name", ["scifact/qrels/" + "q" * 300 + ".tsv", "d/" * 1500 + "corpus.jsonl"], ids=["file", "path"]
)
def test_a_name_too_long_for_a_disk_is_said_to_be(tmp_path: Path, name: str) -> None:
    message = refused(zipped(tmp_path / "a.zip", {**FILES, name: QRELS}), tmp_path / "store")
    assert "has a name too long for a disk. Nothing was unpacked." in message and len(message) < 300


def test_a_corpus_without_queries_is_no_set_and_none_beside_one(tmp_path: Path) -> None:
    alone = zipped(tmp_path / "a.zip", {"scifact/corpus.jsonl": CORPUS})
    assert "holds no BEIR folder" in refused(alone, tmp_path / "store")
    beside = zipped(tmp_path / "b.zip", {**FILES, "__MACOSX/scifact/corpus.jsonl": "x"})
    assert beir_folder(beside, tmp_path / "store").name == "scifact"
