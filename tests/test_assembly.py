"""From options to retrievers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.assembly import Assembly
from harness.cards import combined
from harness.launch import compose
from harness.parts import identity, name_of
from harness.plan import make_plan, other_sets
from harness.types import HarnessError, Inapplicable
from tests.material import small_set


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def assembled(*words: str, **sets: Any) -> Any:
    (job,) = compose([*words, "model=hashing"] if not any(w.startswith("model=") for w in words) else list(words))
    return Assembly(sets=sets).of(job.config, job.choices["retriever"])


def labels(*words: str) -> dict[str, Any]:
    (variant,) = make_plan(compose(list(words))).variants
    return dict(variant.labels)


def test_without_a_pipeline_the_encoder_is_searched_by_its_vectors_and_bm25_is_itself() -> None:
    dense = assembled("dim=16", "quantization=int8", "rescore=2")
    assert name_of(dense.part) == dense.called == "dense"
    assert (dense.part.reduction.dim, name_of(dense.part.quantizer), dense.part.rescore) == (16, "int8", 2)
    assert name_of(assembled("model=bm25").part) == "bm25"


def test_members_are_the_runs_own_model_another_one_a_pipeline_or_replaced_options() -> None:
    hybrid = assembled("retriever=hybrid", "dim=16")
    assert [name_of(member) for member in hybrid.part.of] == ["bm25", "dense"]
    assert hybrid.part.of[1].reduction.dim == 16
    assert hybrid.called == "hybrid(bm25, dense)"
    funnel = assembled("retriever=funnel", "retriever.first.dim=8", "+retriever.first.quantization=binary", "dim=32")
    assert (funnel.part.first.reduction.dim, funnel.part.second.reduction.dim) == (8, 32)
    assert [name_of(stage.quantizer) for stage in (funnel.part.first, funnel.part.second)] == ["binary", "float32"]
    deep = assembled("retriever=rerank", "retriever.first=hybrid", "retriever.reranker=word_overlap")
    assert deep.called == "rerank(hybrid(bm25, dense), word_overlap)"
    assert name_of(deep.part.first.of[1]) == "dense"


def test_a_pipeline_that_holds_itself_is_refused_and_not_followed_for_ever(tmp_path: Path) -> None:
    (tmp_path / "configs/retriever").mkdir(parents=True)
    for name, other in (("ping", "pong"), ("pong", "ping"), ("selfy", "selfy")):
        text = f"_target_: harness.retrievers.hybrid.Hybrid\nof: [{other}, model]\n"
        (tmp_path / f"configs/retriever/{name}.yaml").write_text(text)
    with pytest.raises(HarnessError, match="retriever selfy holds itself"):
        assembled("retriever=selfy")
    with pytest.raises(HarnessError, match="retriever ping holds itself \\(ping > pong > ping\\)"):
        assembled("retriever=ping")


def test_one_broken_model_folder_is_a_failure_and_the_others_are_planned(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "modules.json").write_text("{")
    folders = f"model.path={tmp_path}/broken,{tmp_path}/nowhere"
    plan = make_plan(compose(["-m", "model=local,hashing", folders]))
    assert len(plan.failures) == 2 and {f.status for f in plan.failures} == {"failed"}
    assert [v.labels["model"] for v in plan.variants] == ["hashing"]
    with pytest.raises(HarnessError, match="no such folder"):
        make_plan(compose(["model=local", "model.path=nowhere"]))


def test_a_pipeline_asks_for_the_forward_passes_of_its_members_once() -> None:
    plan = make_plan(compose(["-m", "model=hashing", "retriever=native,hybrid,funnel", "dim=32"]))
    assert len(plan.variants) == 3
    assert len(plan.needs()) == 1


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["retriever=hybrid", "retriever.of=[bm25, minilm]"], "no member 'minilm'"),
        (["retriever=hybrid", "retriever.of=[]"], "expected a list of members"),
        (["retriever=funnel", "+retriever.first.dimm=8"], "cannot set 'dimm'. Did you mean dim"),
        (["retriever=rerank", "retriever.reranker=word_overlapp"], "Did you mean word_overlap"),
        (["retriever=rerank", "retriever.reranker=word_overlap", "retriever.depth=many"], "depth = 'many'"),
        (["retriever=funnel", "retriever.first={dimm: 8}"], "with +retriever.first.NAME=VALUE"),
        (["retriever=native", "retriever.depth=8"], "retriever.depth does not go with the retriever that is chosen"),
        (["chunking=words", "aggregate=top"], "expected max, mean, or top and a number"),
        (
            ["retriever=rerank", "retriever.reranker={name: api, base_url: 'http://h/v1', id: m}", "max_cost=0.5"],
            "max_cost=0.5 cannot hold for m: what its service charges is not counted",
        ),
        (["retriever=funnel", "+retriever.first.max_cost=0"], "max_cost=0: expected a number above 0"),
    ],
)
def test_what_describes_no_retriever_is_refused_in_one_line(words: Sequence[str], expected: str) -> None:
    with pytest.raises(HarnessError, match="^[^\n]*$") as refused:
        assembled(*words)
    assert expected in str(refused.value)


def test_chunking_puts_the_models_own_way_into_passages_inside_a_pipeline_too() -> None:
    part = assembled("chunking=words", "chunking.size=50", "aggregate=top2").part
    assert (name_of(part), part.aggregate, part.top, part.chunking.size) == ("in_passages", "top", 2, 50)
    inside = assembled("chunking=words", "retriever=hybrid").part
    assert [name_of(member) for member in inside.of] == ["in_passages", "in_passages"]
    assert labels("model=hashing", "chunking=words", "chunking.size=50")["chunking"] == "words size=50 max"


def test_what_is_fitted_elsewhere_follows_that_sets_content() -> None:
    words = ["reduction=pca", "dim=8", "fit_on=archive"]
    (job,) = compose(["model=hashing", *words])
    assert other_sets(job) == {"archive"}
    part = assembled(*words, archive=small_set()).part
    other = assembled(*words, archive=small_set(exclude_self=True)).part
    assert part.fit_sha256 == small_set().sha256
    assert identity(part) != identity(other)
    tuned = assembled("retriever=hybrid", "retriever.tune_on=archive", archive=small_set()).part
    assert tuned.tuned_sha256 == small_set().sha256


def test_rescoring_by_codes_names_their_quantizer_and_the_label_says_so() -> None:
    words = ["quantization=binary", "rescore=4", "rescore_with=int8"]
    assert name_of(assembled(*words).part.rescorer) == "int8"
    assert labels("model=hashing", *words)["quantization"] == "binary+rescore4 int8"
    assert assembled("quantization=binary", "rescore=4").part.rescorer is None


def test_the_prompt_option_reaches_the_encoder_and_bm25_takes_none() -> None:
    part = assembled("prompt=instruct", "instruction=Find it").part
    assert part.encoder.prompts == dict.fromkeys(("query", "text"), "Instruct: Find it\nQuery: ") | {"document": ""}
    assert name_of(assembled("model=bm25", "prompt=none").part) == "bm25"


def test_prompts_that_change_nothing_make_no_other_candidate() -> None:
    plan = make_plan(compose(["-m", "model=hashing", "prompt=native,none"]))
    assert (len(plan.variants), plan.merged) == (1, 1)
    assert len(make_plan(compose(["-m", "model=hashing", "prompt=native,instruct", "instruction=Find"])).variants) == 2


def test_labels_show_what_was_set_by_hand_and_nothing_else() -> None:
    plain = labels("model=hashing")
    assert (plain["index"], plain["retriever"], plain["prompt"], plain["chunking"]) == (
        "flat",
        "dense",
        "native",
        "none",
    )
    assert labels("model=hashing", "index=hnsw", "index.ef_search=16")["index"] == "hnsw ef_search=16"
    pipeline = labels("model=hashing", "retriever=hybrid", "retriever.k=10")
    assert pipeline["retriever"] == "hybrid(bm25, dense) k=10"


def test_one_card_holds_for_all_models_of_a_pipeline() -> None:
    free = {"licence": "mit", "languages": ["en", "de"], "max_tokens": 512, "price_per_million_tokens": 0.0}
    paid = {"licence": "cc-by-nc-4.0", "languages": ["en"], "max_tokens": 0, "price_per_million_tokens": 0.1}
    words = {"licence": "mit", "languages": ["multilingual"], "max_tokens": 0, "price_per_million_tokens": 0.0}
    both = combined([free, paid, words])
    assert both["licences"] == ["mit", "cc-by-nc-4.0", "mit"]
    assert both["licence"] == "mit + cc-by-nc-4.0"
    assert (both["languages"], both["max_tokens"], both["price_per_million_tokens"]) == (["en"], 512, 0.1)
    assert combined([free, {}])["price_per_million_tokens"] is None
    assert "licence" not in combined([free, {}])
    assert combined([free]) == free
    unknown = combined([free, {"licence": "mit"}])
    assert "languages" not in unknown and "max_tokens" not in unknown, "unknown of one is unknown of all"


def test_words_are_read_however_many_there_are() -> None:
    (card,) = assembled("model=bm25").cards
    assert card["max_tokens"] == 0


def test_what_changes_nothing_makes_no_other_candidate() -> None:
    archive = small_set()
    plain, named = assembled("dim=8", archive=archive), assembled("dim=8", "fit_on=archive", archive=archive)
    assert identity(plain.part) == identity(named.part), "nothing is fitted by a cut"
    own, word = ("reduction=pca", "dim=8", "task=tiny"), "fit_on=tiny"
    assert identity(assembled(*own).part) == identity(assembled(*own, word, tiny=archive).part), "that is the corpus"
    assert labels("model=hashing", *own, word)["reduction"] == "pca"
    one, other = (
        assembled("model=api", f"model.base_url={url}", "model.id=m") for url in ("http://h/v1", "http://h/v1/")
    )
    assert identity(one.part) == identity(other.part)


def test_a_model_that_gives_something_else_is_not_searched_as_dense() -> None:
    with pytest.raises(Inapplicable, match="bm25"):
        assembled("model=bm25", "+retriever._target_=harness.retrievers.dense.Dense")


@pytest.mark.parametrize("model", ["hashing", "bm25", "wordllama"])
def test_an_unknown_dtype_is_refused_for_every_model_with_the_known_words(model: str) -> None:
    with pytest.raises(HarnessError, match="dtype=bf16: expected float32, float16, bfloat16, auto"):
        assembled(f"model={model}", "dtype=bf16")
