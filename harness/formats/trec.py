"""A TREC folder: topics, qrels and documents as TREC's own tools read them."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.columns import check_columns
from harness.complaints import Broken, complain
from harness.parts import place
from harness.rawsets import CORPUS, QRELS, Item, assemble, judgements, texts
from harness.reading import Row, Table, lines, listing, open_qrels, open_table, shown
from harness.types import HarnessError, Note, RawSet

TABLES = ("corpus.jsonl", "corpus.jsonl.gz", "docs.tsv", "docs.tsv.gz")
TEXT_TAGS = ("title", "headline", "hl", "head", "text")
_ID_HEADERS = ("id", "_id", "qid", "docid", "docno", "query_id", "query-id", "doc_id")
_LABEL = re.compile(r"^\s*(number|topic|title|description|narrative)\s*:", re.IGNORECASE)
_OPENING = re.compile(r"<([a-z][\w.-]*)[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-z][^<>]*>", re.IGNORECASE)
_ELEMENT = re.compile(r"<([a-z][\w.-]*)[^<>]*>(.*?)</\1\s*>", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Trec:
    """A folder with topics*, qrels* and documents.

    Topics are <top> blocks or lines of id TAB text; `columns.query` names the tag to ask with (default: title).
    Documents are <DOC> blocks in any number of files (text: title, headline and text tags, else everything), or
    corpus.jsonl, or docs.tsv of id TAB text. Of several topics or qrels files, the one named after the split counts.
    """

    path: str = place()
    split: str = "test"
    columns: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def claims(path: str) -> bool:
        """A folder with a file whose name starts with topics."""
        return any(p.is_file() for p in Path(path).glob("topics*"))

    def read(self) -> RawSet:
        """The set as written; whatever is missing, broken or ambiguous is a HarnessError with its place."""
        folder = Path(self.path)
        topics, judged = self._one(folder, "topics"), self._one(folder, "qrels")
        files, table, notes = _documents(folder)
        qrels = open_qrels(judged, self.columns.values())
        renamed = {role: name for role, name in self.columns.items() if role != "query"}
        check_columns(renamed, [(qrels, QRELS)] + ([(table, CORPUS)] if table else []))
        documents, unread = (list(texts(table, CORPUS, renamed)), []) if table else _docs(files)
        queries, unasked = _topics(topics, self.columns.get("query", "title").lower())
        where = (shown(folder), shown(topics), shown(judged))
        raw = assemble(documents, queries, judgements(qrels, renamed), where)
        return raw._replace(notes=(*raw.notes, *notes, *unread, *unasked))

    def _one(self, folder: Path, prefix: str) -> Path:
        found = sorted(p for p in folder.glob(f"{prefix}*") if p.is_file())
        chosen = found if len(found) == 1 else [p for p in found if self.split in p.name]
        if len(chosen) == 1:
            return chosen[0]
        if not found:
            raise HarnessError(f"{shown(folder)} has no file {prefix}*; {listing(folder)}.")
        names = ", ".join(p.name for p in found)
        raise HarnessError(f'{shown(folder)} has {names}: {len(chosen)} are of the split "{self.split}". Set split.')


def _documents(folder: Path) -> tuple[list[Path], Table | None, list[Note]]:
    """The files of <DOC> blocks or the one table, and a note of the files that are neither."""
    others = [p for p in sorted(folder.rglob("*")) if p.is_file() and not p.name.startswith((".", "topics", "qrels"))]
    tables = [p for p in others if p.name in TABLES]
    files = [] if tables else [p for p in others if any("<DOC>" in line.upper() for _, line in lines(p))]
    if len(tables) > 1:
        raise HarnessError(f"{shown(folder)} has both {tables[0].name} and {tables[1].name}; keep one of them.")
    if not tables + files:
        raise HarnessError(f"{shown(folder)} has no <DOC> files, corpus.jsonl or docs.tsv; {listing(folder)}.")
    unread = [p for p in others if p not in tables + files]
    message = f"{len(unread)} files are not part of the set, such as {unread[0].name}" if unread else ""
    notes = [Note("unread-files", "info", shown(folder), message, count=len(unread))] if unread else []
    if not tables:
        return files, None, notes
    return [], _id_text(tables[0]) if ".tsv" in tables[0].suffixes else open_table(tables[0]), notes


def _id_text(path: Path) -> Table:
    """Lines of id TAB text; a first line that names the columns is a header."""
    return Table(shown(path), ("_id", "text"), _id_text_rows(path))


def _id_text_rows(path: Path) -> Iterator[Row]:
    for number, (where, line) in enumerate(lines(path)):
        fields = line.split("\t")
        if not line.strip() or (number == 0 and fields[0].lower() in _ID_HEADERS):
            continue
        if len(fields) != 2:
            wrong = f"{where} has {len(fields)} columns, expected 2 (id, text), separated by TAB."
            complain(Broken(wrong, "column-count"))
            continue
        yield Row(where, {"_id": fields[0].strip(), "text": fields[1]})


def _topics(path: Path, tag: str) -> tuple[list[Item], list[Note]]:
    if not any("<top>" in line.lower() for _, line in lines(path)):
        if tag != "title":
            raise HarnessError(f"{shown(path)} has no <top> blocks, so columns.query has nothing to choose.")
        return list(texts(_id_text(path), CORPUS, {})), []
    items, unread = [], Counter[str]()
    for where, block in _blocks(path, "top"):
        split = _OPENING.split(block)
        fields = dict(zip((name.lower() for name in split[1::2]), split[2::2], strict=True))
        for needed in ("num", tag):
            if needed not in fields:
                has = ", ".join(f"<{name}>" for name in fields)
                raise Broken(
                    f"{where} has no <{needed}>; it has {has}. Add it, or set columns.query to a tag.", "bad-block"
                )
        items.append(_item(_LABEL.sub("", fields["num"]), _LABEL.sub("", fields[tag]), where, "num"))
        unread.update(fields.keys() - {"num", tag})
    return items, _unread(unread, path, "topics")


def _docs(files: Sequence[Path]) -> tuple[list[Item], list[Note]]:
    items, unread = [], Counter[str]()
    for file in files:
        for where, block in _blocks(file, "doc"):
            fields: dict[str, list[str]] = {}
            for name, content in _ELEMENT.findall(block):
                fields.setdefault(name.lower(), []).append(_plain(content))
            told = [text for name in TEXT_TAGS for text in fields.get(name, [])]
            rest = _ELEMENT.sub(lambda m: "" if m[1].lower() == "docno" else m[0], block)
            items.append(_item(" ".join(fields.get("docno", [])), " ".join(told) if told else rest, where, "docno"))
            unread.update(fields.keys() - {"docno", *TEXT_TAGS} if told else ())
    return items, _unread(unread, files[0], "documents")


def _unread(tags: Counter[str], path: Path, what: str) -> list[Note]:
    if not tags:
        return []
    named = ", ".join(f"<{name}> in {count}" for name, count in sorted(tags.items()))
    return [Note("unread-tags", "info", shown(path), f"{what} have tags that are not read: {named}", count=len(tags))]


def _item(name: str, text: str, where: str, tag: str) -> Item:
    if not _plain(name):
        raise Broken(f"{where} has no <{tag}> with an id. Each block needs one.", "bad-block")
    return Item(_plain(name), _plain(text), where)


def _plain(text: str) -> str:
    """Text without tags, with character entities decoded."""
    return html.unescape(_TAG.sub(" ", text)).strip()


def _blocks(path: Path, tag: str) -> Iterator[tuple[str, str]]:
    """(`file:line` of the opening tag, what stands between the tags) for each block, in file order."""
    start, kept = "", list[str]()
    for where, line in lines(path):
        pieces = re.split(rf"(</?{tag}>)", line, flags=re.IGNORECASE)
        for piece in pieces:
            if piece.lower() == f"<{tag}>":
                if start:
                    raise Broken(
                        f"{start} opens <{tag}>, which is not closed before {where}. Add </{tag}>.", "bad-block"
                    )
                start, kept = where, []
            elif piece.lower() == f"</{tag}>":
                yield start, "".join(kept)
                start = ""
            elif start:
                kept.append(piece)
            elif piece.strip():
                raise Broken(
                    f"{where} has text outside <{tag}>: {piece.strip()!r:.40}. Put it in a block.", "bad-block"
                )
        kept.append("\n")
    if start:
        raise Broken(f"{start} opens <{tag}>, which is never closed. Add </{tag}>.", "bad-block")
