"""Downloads from a server on loopback: what is kept, what is continued, what is never served."""

from __future__ import annotations

import fcntl
import hashlib
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import downloads
from harness.downloads import Remote, download, told
from harness.types import HarnessError, Unavailable
from tests.web_file import WebFile, serving

CONTENT = random.Random(0).randbytes(700_000)
KEPT = 500_000


@pytest.fixture
def web() -> Iterator[WebFile]:
    with serving(WebFile(CONTENT)) as server:
        yield server


def remote(web: WebFile, content: bytes = CONTENT) -> Remote:
    return Remote(web.url, len(content), hashlib.md5(content).hexdigest())


def fetch(wanted: Remote, folder: Path) -> list[int]:
    """The bytes that the progress saw."""
    seen: list[int] = []

    def progress(done: int, total: int) -> None:
        assert total == wanted.size
        seen.append(done)

    assert download(wanted, folder / "file.zip", progress) == folder / "file.zip"
    assert (folder / "file.zip").read_bytes() == CONTENT
    return seen


def refused(wanted: Remote, folder: Path) -> str:
    with pytest.raises(HarnessError) as caught:
        download(wanted, folder / "file.zip", lambda *_: None)
    assert "\n" not in str(caught.value)
    assert not (folder / "file.zip").exists()
    return str(caught.value)


def visible(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))


def test_a_file_is_downloaded_with_its_progress_and_nothing_else_is_left(web: WebFile, tmp_path: Path) -> None:
    seen = fetch(remote(web), tmp_path / "new")
    assert seen == sorted(seen) and seen[-1] == len(CONTENT) and len(seen) > 5
    assert visible(tmp_path / "new") == ["file.zip"]


def test_a_sound_file_is_not_asked_for_again_nor_touched(web: WebFile, tmp_path: Path) -> None:
    fetch(remote(web), tmp_path)
    before = (tmp_path / "file.zip").stat()
    assert fetch(remote(web), tmp_path) == []
    assert (tmp_path / "file.zip").stat() == before
    assert len(web.asked) == 1


def test_a_file_that_was_changed_is_downloaded_again(web: WebFile, tmp_path: Path) -> None:
    (tmp_path / "file.zip").write_bytes(CONTENT[:-1] + b"x")
    fetch(remote(web), tmp_path)


def test_a_lost_connection_is_continued_where_it_stopped(web: WebFile, tmp_path: Path) -> None:
    web.cuts = [KEPT]
    fetch(remote(web), tmp_path)
    assert web.asked[0] == "" and len(web.asked) == 2
    assert 0 < int(web.asked[1].removeprefix("bytes=").rstrip("-")) <= KEPT


def test_what_came_before_an_interruption_is_kept_for_the_next_call_and_never_served(
    web: WebFile, tmp_path: Path
) -> None:
    web.cuts = [KEPT, 0]
    message = refused(remote(web), tmp_path)
    assert f"{web.url} stopped after" in message and "the same command goes on from there" in message
    assert visible(tmp_path) == ["file.zip.part", "file.zip.part.version"]
    have = (tmp_path / "file.zip.part").stat().st_size
    assert fetch(remote(web), tmp_path)[0] > have
    assert web.asked[-1] == f"bytes={have}-"


@pytest.mark.parametrize("change", [{"ranges": False}, {"etag": '"two"'}, {"etag": ""}])
def test_a_server_without_ranges_or_with_a_new_version_starts_anew(
    web: WebFile, tmp_path: Path, change: dict[str, str]
) -> None:
    web.cuts = [KEPT, 0]
    refused(remote(web), tmp_path)
    vars(web).update(change)
    assert fetch(remote(web), tmp_path)[0] < KEPT


def test_a_weak_version_is_not_continued(web: WebFile, tmp_path: Path) -> None:
    web.etag, web.cuts = 'W/"weak"', [KEPT, 0, 0, 0, 0]
    refused(remote(web), tmp_path)
    assert set(web.asked) == {""}


def test_a_whole_part_is_checked_and_used_without_a_request(web: WebFile, tmp_path: Path) -> None:
    (tmp_path / "file.zip.part").write_bytes(CONTENT)
    assert fetch(remote(web), tmp_path) == [] and web.asked == []


def test_a_body_in_chunks_without_a_length_is_taken(web: WebFile, tmp_path: Path) -> None:
    web.chunked = True
    fetch(remote(web), tmp_path)


def test_a_wrong_checksum_deletes_the_file_and_says_both(web: WebFile, tmp_path: Path) -> None:
    wanted = remote(web)._replace(md5="0" * 32)
    message = refused(wanted, tmp_path)
    assert f"md5 {remote(web).md5}, expected {'0' * 32}" in message and "it was deleted" in message
    assert visible(tmp_path) == []


def test_another_length_is_refused_before_a_byte_is_written(web: WebFile, tmp_path: Path) -> None:
    message = refused(remote(web)._replace(size=100), tmp_path)
    assert "gives another file (700,000 bytes, expected 100)" in message
    assert visible(tmp_path) == []


def test_an_answer_that_does_not_end_is_cut_at_the_expected_length(web: WebFile, tmp_path: Path) -> None:
    web.chunked = True
    seen: list[int] = []
    with pytest.raises(HarnessError, match=r"more than 300,000 bytes\); it was deleted"):
        download(remote(web)._replace(size=300_000), tmp_path / "file.zip", lambda done, _: seen.append(done))
    assert visible(tmp_path) == [] and 200_000 < max(seen) <= 300_000


def test_an_answer_in_chunks_that_is_too_short_is_kept_as_a_part(web: WebFile, tmp_path: Path) -> None:
    web.chunked = True
    assert "stopped after 700 KB of 900 KB" in refused(remote(web)._replace(size=900_000), tmp_path)


@pytest.mark.parametrize("status", [404, 403, 500, 503])
def test_a_refusal_is_one_line_that_says_how_to_place_the_file(web: WebFile, tmp_path: Path, status: int) -> None:
    web.cuts = [KEPT, 0]
    refused(remote(web), tmp_path)
    web.status = status
    message = refused(remote(web), tmp_path)
    assert f"{web.url} answers {status}" in message and "path: ./file.zip" in message
    assert (tmp_path / "file.zip.part").exists()


def test_a_part_that_the_server_cannot_continue_is_given_up(web: WebFile, tmp_path: Path) -> None:
    web.cuts = [KEPT, 0]
    refused(remote(web), tmp_path)
    web.status = 416
    assert "answers 416" in refused(remote(web), tmp_path)
    web.status = 200
    fetch(remote(web), tmp_path)
    assert web.asked[-1] == ""


def test_a_closed_port_is_unavailable_in_one_line(tmp_path: Path) -> None:
    with serving(WebFile(CONTENT)) as web:
        wanted = remote(web)
    with pytest.raises(Unavailable, match=r"cannot be reached: Connection refused\. Or get file\.zip by other means"):
        download(wanted, tmp_path / "file.zip", lambda *_: None)
    assert list(tmp_path.iterdir()) == [], "not even the lock"


def test_a_server_that_says_nothing_is_left(web: WebFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "_TIMEOUT_S", (1, 0.1))
    web.silent = True
    assert "cannot be reached: timed out" in refused(remote(web), tmp_path)


def test_a_redirect_is_followed_to_the_web_alone(web: WebFile, tmp_path: Path) -> None:
    web.redirect = "/moved"
    fetch(remote(web), tmp_path / "web")
    secret = tmp_path / "secret"
    secret.write_bytes(CONTENT)
    web.redirect = secret.as_uri()
    assert "No connection adapters were found" in refused(remote(web), tmp_path / "file")


def test_two_at_once_make_one_download(web: WebFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "_WAIT_S", 0.01)
    web.silent = True
    both = [threading.Thread(target=fetch, args=(remote(web), tmp_path)) for _ in range(2)]
    for one in both:
        one.start()
    web.released.set()
    for one in both:
        one.join()
    assert web.asked == [""]


def test_who_waited_for_a_lock_that_was_removed_takes_a_new_one(
    web: WebFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "_WAIT_S", 0.01)
    lock, waiting = tmp_path / ".file.zip.lock", threading.Event()
    with lock.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        target = tmp_path / "file.zip"
        other = threading.Thread(target=download, args=(remote(web), target, lambda *_: waiting.set()))
        other.start()
        assert waiting.wait(10)
        lock.unlink()
    other.join()
    assert target.read_bytes() == CONTENT and lock.exists(), "a lock on a removed file locks nobody out"


def test_a_folder_that_cannot_be_made_is_one_line(web: WebFile, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HarnessError, match=r"file cannot take file\.zip \(.*\)\. Free space there\."):
        download(remote(web), tmp_path / "file" / "file.zip", lambda *_: None)


def test_progress_is_said_every_ten_seconds_and_at_the_end() -> None:
    lines: list[str] = []
    times = iter([0.0, 4.0, 11.0, 12.0, 13.0, 14.0])
    progress = told(lines.append, "scifact.zip", lambda: next(times))
    for done in (100_000, 1_000_000, 1_500_000, 2_000_000):
        progress(done, 2_000_000)
    assert lines == ["scifact.zip: 1.00 MB of 2.00 MB (50 %)", "scifact.zip: 2.00 MB of 2.00 MB (100 %)"]
