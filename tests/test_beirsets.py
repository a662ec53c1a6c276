"""BEIR's sets by name: the table, the words for what is not there, and a set from a server on loopback."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import beirsets
from harness.beirsets import FORUMS, SETS, Published, names
from harness.evalsets import load_task
from harness.types import EvalSet, HarnessError, Unavailable
from tests.web_file import WebFile, serving

FILES = {
    "corpus.jsonl": '{"_id": "d1", "title": "Printer", "text": "is offline"}\n',
    "queries.jsonl": '{"_id": "q1", "text": "printer"}\n{"_id": "q2", "text": "offline"}\n',
    "qrels/test.tsv": "query-id\tcorpus-id\tscore\nq1\td1\t2\n",
    "qrels/dev.tsv": "query-id\tcorpus-id\tscore\nq2\td1\t1\n",
}


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[WebFile]:
    """Every archive of BEIR is one small file: scifact, msmarco and two forums."""
    with zipfile.ZipFile(tmp_path / "served.zip", "w") as archive:
        for folder in ("android", "gis"):
            for name, content in FILES.items():
                archive.writestr(f"cqadupstack/{folder}/{name}", content)
    forums = (tmp_path / "served.zip").read_bytes()
    with serving(WebFile(forums)) as server:
        monkeypatch.setattr(beirsets, "HOST", server.url.removesuffix("/file.zip"))
        md5 = hashlib.md5(forums).hexdigest()
        monkeypatch.setitem(SETS, "cqadupstack", SETS["cqadupstack"]._replace(size=len(forums), md5=md5))
        yield server


@pytest.fixture
def one(web: WebFile, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> WebFile:
    with zipfile.ZipFile(tmp_path / "one.zip", "w") as archive:
        for name, content in FILES.items():
            archive.writestr(f"set/{name}", content)
    web.content = (tmp_path / "one.zip").read_bytes()
    for name in ("scifact", "msmarco"):
        md5 = hashlib.md5(web.content).hexdigest()
        monkeypatch.setitem(SETS, name, SETS[name]._replace(size=len(web.content), md5=md5))
    return web


def loaded(task: str, folder: Path, lines: list[str] | None = None) -> EvalSet:
    return load_task(task, [], folder / "cache", (lines if lines is not None else []).append)


def refused(task: str, folder: Path) -> str:
    with pytest.raises(HarnessError) as caught:
        loaded(task, folder)
    assert "\n" not in str(caught.value)
    assert not (folder / "cache").exists()
    return str(caught.value)


def test_a_set_is_downloaded_once_and_said_to_be_what_it_is(one: WebFile, tmp_path: Path) -> None:
    lines: list[str] = []
    evalset = loaded("beir/scifact", tmp_path, lines)
    assert (evalset.name, evalset.public, evalset.languages) == ("beir/scifact", "SciFact", ("en",))
    assert evalset.documents.texts == ("Printer is offline",)
    assert evalset.qrels.query.tolist() == [0]
    assert [n.message for n in evalset.notes if n.code == "licence"] == ["SciFact, licence: CC BY-NC 2.0"]
    assert lines[0].startswith(f"beir/scifact: downloading {len(one.content)} B from http://127.0.0.1")
    assert lines[0].endswith("/scifact.zip") and lines[-1].endswith("(100 %)")
    again: list[str] = []
    assert loaded("beir/scifact", tmp_path, again).sha256 == evalset.sha256
    assert again == [] and len(one.asked) == 1


def test_the_split_is_beirs_own_unless_another_is_named(one: WebFile, tmp_path: Path) -> None:
    assert loaded("beir/msmarco", tmp_path).qrels.query.tolist() == [1]
    assert loaded("beir/msmarco", tmp_path).public == "MSMARCO@dev"
    assert loaded("beir/scifact@dev", tmp_path).public == "SciFact@dev"
    with pytest.raises(HarnessError, match=r"qrels/train\.tsv does not exist: in qrels, it has dev\.tsv, test\.tsv"):
        loaded("beir/scifact@train", tmp_path)


def test_a_forum_is_a_set_of_its_own_in_one_download(web: WebFile, tmp_path: Path) -> None:
    both = [loaded(f"beir/cqadupstack/{forum}", tmp_path) for forum in ("android", "gis")]
    assert [e.public for e in both] == ["CQADupstackAndroidRetrieval", "CQADupstackGisRetrieval"]
    assert len(web.asked) == 1
    message = refused("beir/cqadupstack", tmp_path / "other")
    assert message.startswith("beir/cqadupstack holds 12 sets. Name one: beir/cqadupstack/android, english,")


def test_a_download_that_is_not_the_set_is_refused(one: WebFile, tmp_path: Path) -> None:
    one.content = one.content[:-1] + b"x"
    with pytest.raises(HarnessError, match="it was deleted"):
        loaded("beir/scifact", tmp_path)
    assert [p.name for p in (tmp_path / "cache" / "beir").iterdir()] == []


def test_without_a_network_one_line_says_how_to_place_the_file(one: WebFile, tmp_path: Path) -> None:
    one.status = 503
    with pytest.raises(Unavailable) as caught:
        loaded("beir/scifact", tmp_path)
    assert str(caught.value) == (
        f"{beirsets.HOST}/scifact.zip answers 503 Service Unavailable. "
        "Or get scifact.zip by other means and name it in a manifest: path: ./scifact.zip"
    )


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("beir/scifct", "BEIR has no data set 'scifct'. Did you mean beir/scifact"),
        ("beir/touche2020", "Did you mean beir/webis-touche2020"),
        ("beir/cqadupstack/andriod", "Did you mean beir/cqadupstack/android"),
        ("beir/", "BEIR has no data set ''"),
        ("beir/../../etc", "BEIR has no data set '../../etc'"),
        ("beir/robust04", "BEIR does not publish robust04. Ask trec.nist.gov/data/cd45"),
        ("beir/bioasq", "BEIR does not publish bioasq"),
        ("beir/signal1m", "BEIR does not publish signal1m"),
        ("beir/trec-news", "BEIR does not publish trec-news"),
    ],
)
def test_a_name_that_is_not_there_is_one_line_and_no_request(tmp_path: Path, task: str, expected: str) -> None:
    assert expected in refused(task, tmp_path)


def test_the_table_names_beirs_public_sets_with_mtebs_names_and_splits() -> None:
    import mteb

    assert len(names()) == len(SETS) - 1 + len(FORUMS) == 26
    assert len({about.md5 for about in SETS.values()}) == len(SETS)
    known = {task.metadata.name: task.metadata for task in mteb.get_benchmark("BEIR").tasks}
    assert {about.public for about in SETS.values()} <= {name.removesuffix("Retrieval") for name in known} | set(known)
    assert {known[about.public].eval_splits[0] for name, about in SETS.items() if name == "msmarco"} == {"dev"}
    for forum in FORUMS:
        assert mteb.get_task(f"CQADupstack{forum.capitalize()}Retrieval").metadata.eval_splits == ["test"]
    assert isinstance(SETS["scifact"], Published)
