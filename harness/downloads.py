"""Large files from the web: a download goes on where it stopped, and nobody sees a file that was not checked."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import requests

from harness.archives import digest_of
from harness.cause import cause
from harness.reading import shown
from harness.types import HarnessError, Unavailable, Unwritable
from harness.wording import percent, size

Progress = Callable[[int, int], None]  # bytes that are here, bytes in all
_TIMEOUT_S = (10, 30)  # to connect, and between two pieces
_PIECE = 2**16
_TRIES = 5
_SAY_S = 10
_WAIT_S = 0.5


class Remote(NamedTuple):
    """A file on the web: its address, its length in bytes and its md5, as its publisher gives them."""

    url: str
    size: int
    md5: str


def download(remote: Remote, target: Path, progress: Progress) -> Path:
    """`target`, with the checked content of `remote`; a sound file is left as it is and no request is made.

    What has come is kept in `target`.part and continued with Range and If-Range (RFC 9110, 13.1.5) by the next call,
    also of another process; a server that does not know Range starts anew. Unavailable: the server cannot be reached,
    refuses, or stops. HarnessError: the length or the checksum is another; then nothing is kept. Unwritable: no room.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(target, remote, progress):
            if not _sound(target, remote):
                _fetch(remote, _part(target), progress)
                _check(remote, _part(target))
                _part(target).replace(target)
                _forget(_part(target))
    except OSError as error:
        folder = shown(target.parent)
        raise Unwritable(f"{folder} cannot take {target.name} ({error.strerror}). Free space there.") from error
    return target


def told(say: Callable[[str], None], name: str, clock: Callable[[], float] = time.monotonic) -> Progress:
    """Progress as lines: one every ten seconds and one at the end. `clock`: seconds."""
    said = clock()

    def progress(done: int, total: int) -> None:
        nonlocal said
        if done == total or clock() - said >= _SAY_S:
            said = clock()
            say(f"{name}: {size(done)} of {size(total)} ({percent(done / total)})")

    return progress


def _part(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def _version_file(part: Path) -> Path:
    """Which version of the file the part is of, as the server named it."""
    return part.with_name(f"{part.name}.version")


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _version_file(part).unlink(missing_ok=True)


def _length(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


@contextmanager
def _alone(target: Path, remote: Remote, progress: Progress) -> Iterator[None]:
    """Under the lock of `target`, whose file goes with the lock where nothing of the download was kept.

    Who waited for a file that was removed meanwhile holds nothing, and takes the lock anew.
    """
    path = target.with_name(f".{target.name}.lock")
    while True:
        with path.open("a") as lock:
            _take(lock, target, remote, progress)
            if not _lies_at(lock, path):
                continue
            try:
                yield
            finally:
                if not target.exists() and not _part(target).exists():
                    path.unlink(missing_ok=True)
            return


def _take(lock: IO[str], target: Path, remote: Remote, progress: Progress) -> None:
    """The lock, until the file is closed; while another process downloads, its progress."""
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(_length(_part(target)), remote.size)
            time.sleep(_WAIT_S)


def _lies_at(lock: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(lock.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _sound(file: Path, remote: Remote) -> bool:
    return file.is_file() and _length(file) == remote.size and digest_of(file, "md5") == remote.md5


def _fetch(remote: Remote, part: Path, progress: Progress) -> None:
    """Bytes until the part has its full length; a connection that breaks is tried again while it brings some."""
    for _ in range(_TRIES):
        before = _length(part)
        try:
            if before < remote.size:
                _receive(remote, part, progress)
            return
        except requests.RequestException as error:
            problem = f"stopped after {size(_length(part))}" if _length(part) else "cannot be reached"
            failure = _unavailable(remote, part, f"{problem}: {cause(error)}")
            if _length(part) <= before:
                raise failure from error
    raise failure


def _receive(remote: Remote, part: Path, progress: Progress) -> None:
    known, have = _version_file(part), _length(part)
    version = known.read_text(encoding="latin-1") if known.exists() else ""
    headers = {"Accept-Encoding": "identity"}
    if have and version:
        headers |= {"Range": f"bytes={have}-", "If-Range": version}
    with requests.get(remote.url, headers=headers, stream=True, timeout=_TIMEOUT_S) as response:
        go_on = response.status_code == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if response.status_code != 200 and not go_on:
            if response.status_code in (206, 416):  # the part cannot be continued
                _forget(part)
            raise _unavailable(remote, part, f"answers {response.status_code} {response.reason}")
        _expect(remote, response, have if go_on else 0)
        with part.open("ab" if go_on else "wb") as file:
            if not go_on:  # only once the old part is gone
                known.write_text(_version(response), encoding="latin-1")
            _save(remote, response, file, progress)


def _expect(remote: Remote, response: requests.Response, have: int) -> None:
    announced = response.headers.get("Content-Length", "")
    if announced.isdigit() and have + int(announced) != remote.size:
        found = f"{have + int(announced):,} bytes, expected {remote.size:,}"
        raise Unavailable(f"{remote.url} gives another file ({found}). {_by_hand(remote)}")


def _save(remote: Remote, response: requests.Response, file: IO[bytes], progress: Progress) -> None:
    for piece in response.iter_content(_PIECE):
        file.write(piece)
        if file.tell() > remote.size:  # an endless answer must not fill the disk
            return
        progress(file.tell(), remote.size)


def _version(response: requests.Response) -> str:
    """What If-Range may name: a strong ETag or a date; empty where there is neither, and then nothing is continued."""
    tag = response.headers.get("ETag", "")
    return response.headers.get("Last-Modified", "") if not tag or tag.startswith("W/") else tag


def _check(remote: Remote, part: Path) -> None:
    have = _length(part)
    if have < remote.size:
        raise _unavailable(remote, part, f"stopped after {size(have)} of {size(remote.size)}")
    md5 = digest_of(part, "md5") if have == remote.size else "unknown"
    if md5 != remote.md5:
        _forget(part)
        found = f"md5 {md5}, expected {remote.md5}" if have == remote.size else f"more than {remote.size:,} bytes"
        raise HarnessError(f"{remote.url} gave a wrong file ({found}); it was deleted. Try again. {_by_hand(remote)}")


def _unavailable(remote: Remote, part: Path, why: str) -> Unavailable:
    kept = f" {size(_length(part))} are kept, and the same command goes on from there." if _length(part) else ""
    return Unavailable(f"{remote.url} {why}.{kept} {_by_hand(remote)}")


def _by_hand(remote: Remote) -> str:
    name = remote.url.rpartition("/")[2]
    return f"Or get {name} by other means and name it in a manifest: path: ./{name}"
