"""Public tasks: from a hub of our own to an eval set, again without it, and what is said when it is not to be had."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.encoders.hashing import Hashing
from harness.evalsets import load_task
from harness.hub import kept, loaded
from harness.indexes.flat import Flat
from harness.launch import compose
from harness.plan import tasktype_of
from harness.poolings.native import Native
from harness.progress import Lines
from harness.public import load_public
from harness.quantizers.float32 import Float32
from harness.reductions.truncate import Truncate
from harness.registry import registry
from harness.retrievers.dense import Dense
from harness.runner import run_sweep
from harness.spaces import prepared
from harness.table import read_sweep
from harness.types import EvalSet, HarnessError, Unavailable
from harness.validate import validate
from tests.hub import Hub, serving
from tests.material import Encoding
from tests.public_data import CLASSIFICATION, RETRIEVAL, SETS, on_the_hub, published

DENSE = Dense(Hashing(), Native(), Truncate(), Float32(), Flat())
CLOSED = "http://127.0.0.1:9"  # nothing listens on the port of `discard`
Place = Callable[..., None]


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Sets which hub is asked and which cache is used, in place of the environment, which is read on import."""
    from datasets import config
    from huggingface_hub import constants

    monkeypatch.chdir(tmp_path)

    def place(url: str, cache: str = "cache", offline: bool = False) -> None:
        for module in (config, constants):
            monkeypatch.setattr(module, "HF_HUB_OFFLINE", offline)
        monkeypatch.setattr(config, "HF_ENDPOINT", url)
        monkeypatch.setattr(config, "HF_DATASETS_CACHE", tmp_path / cache / "datasets")
        monkeypatch.setattr(config, "HF_UPDATE_DOWNLOAD_COUNTS", False)
        monkeypatch.setattr(constants, "ENDPOINT", url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / cache / "hub"))

    return place


@contextmanager
def hub_with(at: Place, *names: str, **more: Any) -> Iterator[Hub]:
    with serving(Hub(on_the_hub(names), (401, "RepoNotFound"))) as hub:
        at(hub.url, **more)
        yield hub


def ours(evalset: EvalSet) -> float:
    """The main score of a candidate on the set, as a sweep computes it."""
    tasktype = tasktype_of(compose([])[0], evalset)
    found = tasktype.evaluate(evalset, prepared(DENSE, evalset, Encoding()))
    return float(np.mean(found.per_query[found.main]))


class Reference:
    """A plain model for mteb: what `Hashing` gives for a text, compared by cosine; nothing of ours around it."""

    def __init__(self) -> None:
        from mteb.models.model_meta import ModelMeta

        self.mteb_model_meta = ModelMeta.create_empty({"name": "test/reference", "modalities": ["text"]})

    def encode(self, inputs: Any, **_: Any) -> Any:
        texts = [text for batch in inputs for text in batch["text"]]
        return Hashing().open("cpu").encode(texts, "document", [Native()], 32).vectors[0]

    def similarity(self, first: Any, second: Any) -> Any:
        from sentence_transformers.util import cos_sim

        return cos_sim(first, second)

    def similarity_pairwise(self, first: Any, second: Any) -> Any:
        from sentence_transformers.util import pairwise_cos_sim

        return pairwise_cos_sim(first, second)


def theirs(name: str) -> float:
    """What mteb's own route gives for the same model on the task as its own loader loads it."""
    task, _, subset = name.partition("/")
    found = loaded(task, subset or "default", "test", lambda _: None)
    return float(found.evaluate(Reference(), "test", encode_kwargs={})[subset or "default"]["main_score"])


@pytest.mark.processes
@pytest.mark.parametrize("name", SETS)
@pytest.mark.filterwarnings("ignore")  # mteb's own evaluator is the oracle here, with all that it warns of
def test_a_public_task_of_each_form_scores_as_mteb_scores_it(at: Place, name: str) -> None:
    with hub_with(at, name) as hub:
        lines: list[str] = []
        fetched = load_public(f"mteb/{name}", lines.append)
        assert lines == [f"mteb/{name.partition('/')[0]}: fetching {fetched.source} from the hub"]
        asked = len(hub.asked)
        again = load_public(f"mteb/{name}", lines.append)
        assert len(hub.asked) == asked and len(lines) == 1, "what lies in the cache is read without the hub"
    assert again.sha256 == fetched.sha256
    at(CLOSED)
    assert load_public(f"mteb/{name}").sha256 == fetched.sha256
    at(CLOSED, offline=True)
    assert load_public(f"mteb/{name}").sha256 == fetched.sha256
    assert ours(fetched) == pytest.approx(theirs(name), abs=1e-5) and 0 < ours(fetched) < 1
    assert fetched.public == name and fetched.name == f"mteb/{name}"
    assert not [note for note in validate(fetched) if note.level == "error"]


def test_a_retrieval_set_is_read_as_mteb_hands_it_to_a_model(at: Place) -> None:
    with hub_with(at, "SciFact"):
        found = load_public("mteb/scifact")
    assert found.documents.texts[:2] == ("account printer account", "printer  printer password printer")
    assert found.queries.ids == ("q0", "q1", "q2", "q3"), "q4 is judged by nobody"
    assert (found.qrels.document == -1).sum() == 1, "a judged document that the corpus lacks stays in the denominators"
    assert found.languages == ("en",) and found.type == "retrieval" and not found.exclude_self
    assert found.instruction.startswith("Given a scientific claim")
    assert [note.code for note in found.notes] == ["dangling-judgements"]


def test_candidates_survive_a_cache_without_the_hub(at: Place) -> None:
    with hub_with(at, "AskUbuntuDupQuestions"):
        load_public("mteb/AskUbuntuDupQuestions")
    at(CLOSED, offline=True)
    found = load_public("mteb/AskUbuntuDupQuestions")
    assert found.type == "reranking" and found.targets["candidates"].shape == (3, 4)
    names = [{found.documents.ids[i] for i in row if i >= 0} for row in found.targets["candidates"]]
    assert names == [{"d0", "d1", "d3", "d7"}, {"d1", "d2", "d3", "d7"}, {"d1", "d3", "d4", "d7"}]
    assert "d8" not in found.documents.ids, "what is neither a candidate nor judged need not be encoded"


def test_translations_among_other_sentences_keep_their_places(at: Place) -> None:
    with hub_with(at, "BUCC/de-en"):
        found = load_public("mteb/BUCC/DE-EN")
    assert (len(found.queries), len(found.documents)) == (3, 9) and found.targets["gold"].tolist() == [1, 3, 8]
    assert found.languages == ("de", "en")


def leveled(kind: Callable[[int], str | int]) -> dict[str, Any]:
    """Texts of six levels, of which the task scores five; not all have the second, and the sixth tells nothing."""
    levels = [[i % 3, i % 2, i % 4, i % 2, 0, i][: 6 if i % 3 else 1] for i in range(24)]
    words = SETS["TwentyNewsgroupsClustering"]["default/test"][0]["sentences"]
    rows = [
        {"sentences": f"{words[i % 12]} {i % 5}", "labels": [kind(one) for one in row]} for i, row in enumerate(levels)
    ]
    return {"default/test": rows}


@pytest.mark.processes
@pytest.mark.filterwarnings("ignore")
def test_public_labels_that_are_text_and_that_are_numbers_score_as_mteb_scores_them(
    at: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mteb

    name = "SNLHierarchicalClusteringP2P"
    monkeypatch.setattr(mteb.get_task(name).__class__, "max_documents_per_cluster", 300)  # for speed
    entry, scores = registry(None).tasks[name], []
    for kind, none in ((str, -2), (int, -1)):
        files = published(leveled(kind))
        with serving(Hub({entry.path: (entry.revision, files)}, (404, ""))) as hub:
            at(hub.url, cache=kind.__name__)
            found = load_public(f"mteb/{name}")
        assert found.targets["label"].shape == (24, 5), "the sixth level, a label for each text, is never scored"
        assert (found.targets["label"] == none).sum() == 8 * 4 and found.targets["label"].min() == none
        assert not [note for note in validate(found) if note.level == "error"]
        scores.append((ours(found), theirs(name)))
    for our, their in scores:
        assert our == pytest.approx(their, abs=1e-9)
    assert abs(scores[0][0] - scores[1][0]) > 0.01


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"sentences": "a", "labels": None}, r"\[test\]:25 has 'a' with the label \[None\]; expected text and labels"),
        ({"sentences": None, "labels": ["x"]}, r"\[test\]:25 has None with the label"),
    ],
)
def test_a_public_text_or_label_that_is_absent_is_named_with_its_row(at: Place, row: Any, said: str) -> None:
    entry = registry(None).tasks["SNLHierarchicalClusteringP2P"]
    files = published({"default/test": [*leveled(str)["default/test"], row]})
    with serving(Hub({entry.path: (entry.revision, files)}, (404, ""))) as hub:
        at(hub.url)
        with pytest.raises(HarnessError, match=said):
            load_public("mteb/SNLHierarchicalClusteringP2P")


def test_a_split_that_is_not_scored_by_mteb_can_be_named_and_one_that_is_absent_is_refused(at: Place) -> None:
    entry = registry(None).tasks["SciFact"]
    tables = {**RETRIEVAL, "default/train": [{"query-id": "q4", "corpus-id": "d4", "score": 1}]}
    with serving(Hub({entry.path: (entry.revision, published(tables))}, (404, "RepoNotFound"))) as hub:
        at(hub.url)
        found = load_public("mteb/SciFact@train")
        with pytest.raises(HarnessError, match="no split 'dev'; mteb scores test"):
            load_public("mteb/SciFact@dev")
    assert found.public == "SciFact@train" and found.queries.ids == ("q4",)
    with (
        hub_with(at, "SciFact", cache="other"),
        pytest.raises(HarnessError, match="no split 'train'; mteb scores test"),
    ):
        load_public("mteb/SciFact@train")  # mteb's loader would hand out the only split there is


def test_a_set_without_the_texts_to_learn_from_is_refused(at: Place) -> None:
    entry = registry(None).tasks["Banking77Classification"]
    tables = {"default/test": CLASSIFICATION["default/test"]}
    with serving(Hub({entry.path: (entry.revision, published(tables))}, (404, "RepoNotFound"))) as hub:
        at(hub.url)
        with pytest.raises(HarnessError, match="has no split 'train', from which the task learns"):
            load_public("mteb/Banking77Classification")


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (401, "GatedRepo", "accept its licence: do so at http://127.0.0.1:.*/datasets/mteb/scifact, then set HF_TOKEN"),
        (403, "GatedRepo", "accept its licence"),
        (401, "RepoNotFound", "gone, or private"),
        (404, "RevisionNotFound", "other revisions only"),
        (503, "", "status 503; try again later"),
    ],
)
def test_what_the_hub_refuses_is_one_line_and_leaves_nothing(
    at: Place, tmp_path: Path, status: int, code: str, said: str
) -> None:
    with serving(Hub({}, (status, code))) as hub:
        at(hub.url)
        with pytest.raises(Unavailable, match=said) as caught:
            load_public("mteb/SciFact")
        assert len(hub.asked) == 1
    assert "\n" not in str(caught.value) and "mteb/scifact at d56462d0e63a is not in the local cache" in str(
        caught.value
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("offline", "said"), [(False, "does not answer"), (True, "HF_HUB_OFFLINE is set; unset it")])
def test_without_a_hub_what_is_missing_is_one_line_and_leaves_nothing(
    at: Place, tmp_path: Path, capfd: pytest.CaptureFixture[str], offline: bool, said: str
) -> None:
    at(CLOSED, offline=offline)
    with pytest.raises(Unavailable, match=said):
        load_public("mteb/STSBenchmark")
    assert not list(tmp_path.iterdir()) and capfd.readouterr() == ("", "")


def test_another_revision_in_the_cache_is_not_taken_for_this_one(at: Place) -> None:
    entry = registry(None).tasks["STSBenchmark"]
    other = "f" * 40
    with serving(Hub({entry.path: (other, published(SETS["STSBenchmark"]))}, (404, "RepoNotFound"))) as hub:
        at(hub.url)
        load_public("mteb/STSBenchmark")
    assert kept(entry.path, entry.revision) == () and kept(entry.path, other)
    at(CLOSED, offline=True)
    with pytest.raises(Unavailable, match=r"is not in the local cache, .*, which has another revision, ffffffffffff"):
        load_public("mteb/STSBenchmark")


def test_a_loading_script_is_refused_with_its_successor(at: Place) -> None:
    entry = registry(None).tasks["BUCC"]
    with serving(Hub({entry.path: (entry.revision, {"README.md": "# old\n", "BUCC.py": "1 / 0\n"})}, (404, ""))) as hub:
        at(hub.url)
        with pytest.raises(Unavailable, match=r"is a program that loads data.*Take mteb/BUCC\.v2 in its place"):
            load_public("mteb/BUCC/de-en")


def test_broken_data_is_one_line(at: Place) -> None:
    entry = registry(None).tasks["STSBenchmark"]
    files = published(SETS["STSBenchmark"]) | {"default/test.jsonl": '{"sentence1": "a", \n'}
    with serving(Hub({entry.path: (entry.revision, files)}, (404, ""))) as hub:
        at(hub.url)
        with pytest.raises(Unavailable, match="mteb/stsbenchmark-sts could not be loaded: ") as caught:
            load_public("mteb/STSBenchmark")
    assert "\n" not in str(caught.value)


def test_a_folder_of_the_data_sets_name_is_not_read_in_its_place(at: Place, tmp_path: Path) -> None:
    at(CLOSED, offline=True)
    (tmp_path / "mteb" / "scifact").mkdir(parents=True)
    with pytest.raises(HarnessError, match="the folder mteb/scifact here would be read"):
        load_public("mteb/SciFact")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mteb/SciFct", "no task or benchmark 'SciFct'. Did you mean SciFact"),
        ("mteb/Tatoeba/deu", "no subset 'deu'; each has two languages. Take mteb/Tatoeba/deu-eng$"),
        ("mteb/NanoBEIR", "mteb/NanoBEIR is 13 sets; name one of mteb/NanoArguAnaRetrieval"),
        ("mteb/MindSmallReranking", "its main score, max_over_subqueries_map_at_1000, is of its own making"),
        ("mteb/Core17InstructionRetrieval", "its type, InstructionReranking, is none of"),
        ("mteb/Caltech101", "it needs image"),
    ],
)
def test_a_name_that_stands_for_no_set_is_one_line(name: str, said: str) -> None:
    with pytest.raises(HarnessError, match=said) as caught:
        load_public(name)
    assert "\n" not in str(caught.value)


def manifest(folder: Path, text: str) -> Path:
    (folder / "tasks").mkdir(exist_ok=True)
    (folder / "tasks" / "mine.yaml").write_text(text)
    return folder / "tasks"


def test_a_manifest_may_name_a_public_set_and_weigh_it(at: Place, tmp_path: Path) -> None:
    folder = manifest(tmp_path, "path: mteb/STSBenchmark\nweight: 3\nguard: true\nprompts: {text: 'query: '}\n")
    with hub_with(at, "STSBenchmark"):
        found, plain = load_task("mine", [folder]), load_task("mteb/STSBenchmark", [])
    assert (found.name, found.weight, found.guard, found.prompts) == ("mine", 3.0, True, {"text": "query: "})
    assert (
        found.sha256 == plain.sha256 and found.public == "STSBenchmark" and found.settings == {"task": "STSBenchmark"}
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("split: train", "split: mteb/STSBenchmark brings its own"),
        ("columns: {first: a}", "columns: mteb/STSBenchmark brings its own"),
        ("type: clustering", "type: clustering: mteb/STSBenchmark is sts"),
    ],
)
def test_a_manifest_cannot_change_what_a_public_set_is(at: Place, tmp_path: Path, line: str, said: str) -> None:
    folder = manifest(tmp_path, f"path: mteb/STSBenchmark\n{line}\n")
    with hub_with(at, "STSBenchmark"), pytest.raises(HarnessError, match=said):
        load_task("mine", [folder])


@pytest.mark.processes
def test_a_sweep_over_public_sets_is_remembered_without_the_hub(at: Place) -> None:
    words = [
        "model=hashing",
        "task=mteb/stsbenchmark,mteb/Tatoeba",
        "languages=[deu,eng]",
        "timing=none",
        "executor=inline",
    ]
    with hub_with(at, "STSBenchmark", "Tatoeba/deu-eng"):
        first = run_sweep(compose(["-m", *words]), "harness run", Lines([]))
    at(CLOSED)
    again = run_sweep(compose(["-m", *words]), "harness run", Lines([]))
    assert (first.done, first.computed, again.done, again.computed) == (2, 2, 2, 0)
    sets = read_sweep(first.folder).manifest["evalsets"]
    assert {name: about["public"] for name, about in sets.items()} == {
        "mteb/STSBenchmark": "STSBenchmark", "mteb/Tatoeba/deu-eng": "Tatoeba/deu-eng",
    }  # fmt: skip
