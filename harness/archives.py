"""Zip archives of BEIR folders: unpacked once, beside one another, under the hash of what they hold.

An archive comes from anywhere, so nothing it says of itself is believed: names are checked before anything is written,
and bytes are counted as they are read.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from lzma import LZMAError
from pathlib import Path, PurePosixPath

from harness.parts import did_you_mean
from harness.reading import shown
from harness.types import HarnessError, Unwritable
from harness.wording import size

MOST_BYTES = 64 * 10**9
_MOST_TIMES = 100  # what text shrinks to a hundredth is no text; the largest of BEIR's archives shrinks to a third
_ALWAYS_BYTES = 20 * 10**6
_PIECE = 2**20
_MOST_NAME, _MOST_PATH = 255, 2000  # bytes
_TEXTS = re.compile(r"(corpus|queries)\.jsonl(\.gz)?")
_LAYOUT = re.compile(r"(.*/)?((corpus|queries)\.jsonl(\.gz)?|qrels/[^/.][^/]*\.tsv)")
_BROKEN = (zipfile.BadZipFile, zlib.error, LZMAError, EOFError, NotImplementedError, ValueError, RuntimeError)


def in_archive(path: Path) -> tuple[Path, str] | None:
    """A path to a zip file, or to a folder inside one (`cqadupstack.zip/android`), as that file and the inner path."""
    for file in (path, *path.parents):
        if file.suffix.lower() == ".zip" and file.is_file():
            return file, "/".join(path.relative_to(file).parts)
    return None


def beir_folder(path: Path, store: Path, most_bytes: int = MOST_BYTES) -> Path:
    """The BEIR folder that `path` names in an archive (see `in_archive`), unpacked below `store` if it is not yet.

    Corpora, queries and qrels alone are written, below a folder named after the archive's sha256, all or none: names
    that leave the folder, links, encrypted or damaged members, names that clash, more than a hundred times the bytes of
    the archive or more than `most_bytes` are a HarnessError, a disk that takes no more is Unwritable. Archives inside
    the archive are not opened. Where several folders are inside, `path` must name one.
    """
    archive, inner = in_archive(path) or (path, "")
    folder = store / sha256_of(archive)
    if not folder.is_dir():
        with _reading(archive), zipfile.ZipFile(archive) as opened:
            wanted = _wanted(archive, opened.infolist())
            _chosen(archive, inner, [_path(m) for m in wanted])
            limit = min(most_bytes, max(_ALWAYS_BYTES, _MOST_TIMES * archive.stat().st_size))
            _unpack(opened, wanted, folder, limit)
    return folder / _chosen(archive, inner, [p.relative_to(folder).as_posix() for p in folder.rglob("*.jsonl*")])


def sha256_of(file: Path) -> str:
    """The hash of a file; of one that is as long and as old as when it was last asked, remembered."""
    return digest_of(file, "sha256")


def digest_of(file: Path, algorithm: str) -> str:
    """A hash of a file in hex digits, remembered within this process by its path, length and date."""
    try:
        about = file.stat()
        return _digest(file, algorithm, about.st_size, about.st_mtime_ns)
    except OSError as error:
        raise HarnessError(f"{shown(file)} cannot be read: {error.strerror}.") from error


@cache
def _digest(file: Path, algorithm: str, *_: int) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()


@contextmanager
def _reading(archive: Path) -> Iterator[None]:
    """Whatever zipfile and its decompressors raise for a damaged archive, as one line."""
    try:
        yield
    except _BROKEN as error:
        problem = str(error).splitlines()[0] if str(error) else type(error).__name__
        advice = "Download or copy it again, or unpack it and name the folder."
        raise HarnessError(f"{shown(archive)} is no sound zip archive: {problem}. {advice}") from error
    except OSError as error:
        raise HarnessError(f"{shown(archive)} cannot be read: {error.strerror or error}.") from error


def _wanted(archive: Path, members: Sequence[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    """The files of the BEIR layout, once every member is found harmless."""
    spelled: dict[str, str] = {}
    for member in members:
        problem = _name_problem(member) or _kind_problem(member) or _clash(member, spelled)
        if problem:
            raise HarnessError(f"{shown(archive)}: member {member.orig_filename!r} {problem}. Nothing was unpacked.")
    wanted = [m for m in members if not m.is_dir() and _LAYOUT.fullmatch(_path(m))]
    if not _sets(_path(m) for m in wanted):
        raise HarnessError(
            f"{shown(archive)} holds no BEIR folder (corpus.jsonl, queries.jsonl, qrels/test.tsv); it has "
            f"{_few([_path(m) for m in members])}. Unpack it and name the folder."
        )
    if long := [_path(m) for m in wanted if _long(_path(m))]:
        raise HarnessError(
            f"{shown(archive)}: member {long[0]!r:.60}... has a name too long for a disk. Nothing was unpacked."
        )
    return wanted


def _long(path: str) -> bool:
    """Over what file systems take for a name, or near what they take for a path with the store's own before it."""
    raw = path.encode("utf-8", "surrogateescape")
    return len(raw) > _MOST_PATH or any(len(part) > _MOST_NAME for part in raw.split(b"/"))


def _path(member: zipfile.ZipInfo) -> str:
    return str(PurePosixPath(member.filename))


def _name_problem(member: zipfile.ZipInfo) -> str:
    name = member.orig_filename  # as written; `filename` is mended by zipfile
    if "\0" in name or "\\" in name:
        return "has a NUL or a backslash in its name"
    if name.startswith("/") or re.match("[A-Za-z]:", name) or ".." in PurePosixPath(name).parts:
        return "would lie outside the folder"
    return "" if PurePosixPath(name).parts else "has no name"


def _kind_problem(member: zipfile.ZipInfo) -> str:
    if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device, not a file"
    return "is encrypted" if member.flag_bits & 0x1 else ""


def _clash(member: zipfile.ZipInfo, spelled: dict[str, str]) -> str:
    """A second member of one name, or one that a file system may take for another; `spelled` collects the names."""
    path = PurePosixPath(member.filename)
    for part in (*path.parents, path):
        known = spelled.setdefault(_folded(str(part)), str(part))
        if known != str(part):
            return f"differs from {known!r} in case or accents alone"
    if f"file {path}" in spelled or any(f"file {parent}" in spelled for parent in path.parents):
        return "is there twice, or is both a file and a folder"
    if not member.is_dir():
        spelled[f"file {path}"] = ""
    return ""


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return ", ".join(repr(name) for name in names[:8]) + more if names else "nothing"


def _unpack(opened: zipfile.ZipFile, wanted: Iterable[zipfile.ZipInfo], folder: Path, limit: int) -> None:
    """Write the members aside and rename them into place; another process that was first wins."""
    aside = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.tmp")
    written = 0
    try:
        for member in wanted:
            for piece in _pieces(opened, member, aside / _path(member)):
                written += piece
                if written > limit:
                    raise HarnessError(
                        f"{shown(Path(str(opened.filename)))} unpacks to more than the {size(limit)} that it may. If "
                        "it is what you want, unpack it and name the folder."
                    )
        with _writing(folder):
            aside.rename(folder)
    except Unwritable:
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _pieces(opened: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> Iterator[int]:
    """Write a member piece by piece, saying how many bytes each has; at its end its checksum is compared."""
    with _writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        file = target.open("xb")
    with file, opened.open(member) as source:
        while piece := source.read(_PIECE):
            yield len(piece)
            with _writing(target):
                file.write(piece)
        with _writing(target):
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = next(path for path in target.parents if path.exists())
        raise Unwritable(f"{shown(where)} takes no unpacked files ({error.strerror}). Free space there.") from error


def _chosen(archive: Path, inner: str, files: Iterable[str]) -> str:
    """The one folder with a BEIR set, or the one that `inner` names by its whole path or the end of it."""
    sets = _sets(files)
    fitting = [name for name in sets if not inner or f"/{name}".endswith(f"/{inner}")]
    if not fitting:
        near = did_you_mean(inner, [PurePosixPath(name).name for name in sets])
        raise HarnessError(f"{shown(archive)} holds no set {inner!r}. {near}")
    if len(fitting) > 1:
        example = shown(archive / fitting[-1])
        raise HarnessError(f"{shown(archive)} holds {len(fitting)} sets: {_few(fitting)}. Name one of them: {example}")
    return fitting[0]


def _sets(files: Iterable[str]) -> list[str]:
    """The folders with a corpus and queries; one alone is no set, such as what a packer's own folders hold."""
    found: dict[str, set[str]] = {}
    for path in map(PurePosixPath, files):
        if _TEXTS.fullmatch(path.name):
            found.setdefault(str(path.parent), set()).add(path.name.partition(".")[0])
    return sorted(folder for folder, texts in found.items() if len(texts) == 2)
