"""TREC folders: topics, qrels and documents."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.formats.trec import Trec
from harness.types import HarnessError

TOPICS = """<top>
<num> Number: 301
<title> International Organized Crime

<desc> Description:
Identify organizations.
</top>

<top>
<num> Number: 302
<title> Polio &amp; vaccine
<desc> Description: Is it over?
</top>
"""
DOCS = """<DOC>
<DOCNO> FT-1 </DOCNO>
<DATE>1994</DATE>
<HEADLINE>AT&amp;T grows</HEADLINE>
<TEXT>
First <P>paragraph</P>.
</TEXT>
</DOC>
<DOC><DOCNO>FT-2</DOCNO> only words </DOC>
"""
QRELS = "301 0 FT-1 1\n301 0 FT-2 0\n302 Q0 FT-2 2\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "topics.txt").write_text(TOPICS)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "ft.sgml").write_text(DOCS)
    (tmp_path / "qrels.txt").write_text(QRELS)
    return tmp_path


def test_topics_documents_and_judgements_are_read(folder: Path) -> None:
    raw = Trec(path=str(folder)).read()
    assert raw.queries.ids == ("301", "302")
    assert raw.queries.texts == ("International Organized Crime", "Polio & vaccine")
    assert raw.documents.ids == ("FT-1", "FT-2")
    assert raw.documents.texts[0].split() == ["AT&T", "grows", "First", "paragraph", "."]
    assert raw.documents.texts[1] == "only words"
    assert [(j.query_id, j.document_id, j.grade) for j in raw.judgements] == [
        ("301", "FT-1", 1), ("301", "FT-2", 0), ("302", "FT-2", 2),
    ]  # fmt: skip


def test_tags_that_are_not_read_are_counted(folder: Path) -> None:
    messages = [n.message for n in Trec(path=str(folder)).read().notes]
    assert messages == [
        "documents have tags that are not read: <date> in 1",
        "topics have tags that are not read: <desc> in 2",
    ]


def test_the_manifest_chooses_the_topic_tag(folder: Path) -> None:
    assert Trec(path=str(folder), columns={"query": "desc"}).read().queries.texts[1] == "Is it over?"
    with pytest.raises(HarnessError, match=r"topics\.txt:1 has no <narr>; it has <num>, <title>, <desc>"):
        Trec(path=str(folder), columns={"query": "narr"}).read()


def test_topics_and_documents_may_be_lines_of_id_and_text(tmp_path: Path) -> None:
    (tmp_path / "topics.tsv").write_text("1\twing flow\n")
    (tmp_path / "docs.tsv").write_text("id\ttext\nd1\tthe wing\nd2\t\n")
    (tmp_path / "qrels.tsv").write_text("1\t0\td1\t1\n")
    raw = Trec(path=str(tmp_path)).read()
    assert raw.queries.texts == ("wing flow",)
    assert raw.documents.texts == ("the wing", "")


def test_of_several_qrels_files_the_split_decides(folder: Path) -> None:
    (folder / "qrels.txt").rename(folder / "qrels.dev.txt")
    (folder / "qrels.test.txt").write_text("301 0 FT-2 1\n")
    assert len(Trec(path=str(folder)).read().judgements) == 1
    with pytest.raises(HarnessError, match=r'has qrels.dev.txt, qrels.test.txt: 0 are of the split "train"'):
        Trec(path=str(folder), split="train").read()


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("docs/ft.sgml", "<DOC>\n<DOCNO>1</DOCNO>\n<DOC>\n", r"ft\.sgml:1 opens <doc>, which is not closed before"),
        ("docs/ft.sgml", "<DOC>\n<DOCNO>1</DOCNO>\n", r"ft\.sgml:1 opens <doc>, which is never closed"),
        ("docs/ft.sgml", "\n<DOC>\nx\n</DOC>\n", r"ft\.sgml:2 has no <docno>"),
        ("docs/ft.sgml", "<DOC><DOCNO>1</DOCNO></DOC>\nlost\n", r"ft\.sgml:2 has text outside <doc>: 'lost'"),
        ("topics.txt", "301 crime\n", r"topics\.txt:1 has 1 columns, expected 2"),
        ("qrels.txt", "301 0 FT-1 1\n301 0 FT-2 x\n", r"qrels\.txt:2 has the grade 'x'"),
    ],
)
def test_each_mistake_is_named_with_file_and_line(folder: Path, file: str, text: str, expected: str) -> None:
    (folder / file).write_text(text)
    with pytest.raises(HarnessError, match=expected):
        Trec(path=str(folder)).read()


def test_a_folder_without_documents_says_what_it_holds(folder: Path) -> None:
    (folder / "docs" / "ft.sgml").write_text("nothing")
    with pytest.raises(HarnessError, match=r"has no <DOC> files, corpus.jsonl or docs.tsv; it has docs/, qrels.txt"):
        Trec(path=str(folder)).read()


def test_files_that_are_no_documents_are_counted(folder: Path) -> None:
    (folder / "README").write_text("About this set")
    notes = {n.code: n for n in Trec(path=str(folder)).read().notes}
    assert notes["unread-files"].count == 1
    assert "README" in notes["unread-files"].message
