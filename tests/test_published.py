"""Published scores, reached through the whole path: manifest, store, search, metrics, records."""

import json

import pytest

from harness.launch import compose
from harness.progress import Watch
from harness.runner import run_sweep
from harness.table import read_sweep, rows

pytestmark = pytest.mark.real

MINILM, BM25 = "all-minilm-l6-v2", "bm25"
PUBLISHED = {"all-minilm-l6-v2": "sentence-transformers/all-MiniLM-L6-v2", "bm25": "mteb/baseline-bm25s"}
SETS = ("scifact", "xquad-en", "xquad-de", "cranfield", "cacm", "vaswani")


@pytest.fixture(scope="module")
def sweep(tmp_path_factory, shared):
    """BM25 and WordLlama on every shared set, MiniLM in fp32 on those with a published score."""
    folder = tmp_path_factory.mktemp("published")
    (folder / "tasks").mkdir()
    for name in SETS:
        manifest = {"name": name, "type": "retrieval", "path": str(shared / "retrieval" / name)}
        (folder / "tasks" / f"{name}.yaml").write_text(json.dumps(manifest))
    found = {}
    for words in (f"model=bm25,wordllama task={','.join(SETS)}", f"model={MINILM} task=scifact,xquad-en,xquad-de"):
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            outcome = run_sweep(compose([*words.split(), "timing=none"]), words, Watch())
            assert (outcome.failed, outcome.skipped) == (0, 0)
            found |= {(r["model"], r["task"]): r for r in rows(read_sweep(folder / outcome.folder))}
    return found


@pytest.mark.parametrize(("key", "value"), [
    ("ndcg_at_10", 0.64508), ("mrr_at_10", 0.60472), ("recall_at_10", 0.78333), ("recall_at_100", 0.925),
])  # fmt: skip
def test_minilm_on_scifact_reaches_the_published_scores(sweep, key, value):
    assert sweep[MINILM, "scifact"][key] == pytest.approx(value, abs=0.0005)


@pytest.mark.parametrize(("model", "language"), [(MINILM, "en"), (MINILM, "de"), (BM25, "en")])
def test_xquad_reaches_the_published_scores(sweep, shared, model, language):
    published = json.loads((shared / "published.json").read_text())
    expected = published[PUBLISHED[model]]["XQuADRetrieval"][f"validation/{language}"]["ndcg_at_10"]
    assert sweep[model, f"xquad-{language}"]["ndcg_at_10"] == pytest.approx(expected, abs=0.0005)


def test_bm25_on_this_copy_of_scifact_scores_as_the_bm25s_library_does(sweep):
    assert sweep[BM25, "scifact"]["ndcg_at_10"] == pytest.approx(0.6863, abs=0.0005)


@pytest.mark.parametrize("task", SETS)
def test_every_row_is_sane(sweep, task):
    for model in (BM25, "wordllama"):
        row = sweep[model, task]
        assert 0.05 < row["ndcg_at_10"] < 1
        assert row["recall_at_10"] <= row["recall_at_100"] <= 1
        assert row["status"] == "ok"
    assert sweep[BM25, task]["ndcg_at_10"] > sweep["wordllama", task]["ndcg_at_10"] - 0.05


def test_the_helpdesk_set_separates_three_kinds_of_system(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = f"model=bm25,wordllama,{MINILM} task=helpdesk timing=none"
    outcome = run_sweep(compose(words.split()), words, Watch())
    scores = sorted(r["ndcg_at_10"] for r in rows(read_sweep(tmp_path / outcome.folder)))
    assert scores[0] >= 0.35
    assert scores[-1] <= 0.90
    assert min(b - a for a, b in zip(scores, scores[1:], strict=False)) >= 0.05
