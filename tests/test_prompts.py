"""Which text is put before queries, documents and plain texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.assembly import Assembly
from harness.candidates import candidates
from harness.encoders.hashing import Hashing
from harness.encoders.sentence_transformer import SentenceTransformer
from harness.launch import compose, shipped
from harness.parts import identity
from harness.plan import Plan, make_plan
from harness.prompts import plain, prompted, read_as
from harness.table import read_sweep
from harness.types import EvalSet, HarnessError
from tests.material import small_pairs, small_set
from tests.sweeping import sweep, write_task

E5 = {"prompts": {"query": "query: ", "document": "passage: "}}
TEMPLATE = {"prompts": {"query": "Instruct: {instruction}\nQuery: "}, "instruction": "Find passages"}
NATIVE = {"query": None, "document": None}
NONE = {"query": "", "document": ""}


def prompts(node: dict[str, Any], prompt: Any = None, instruction: Any = None, **about: Any) -> Any:
    return prompts_on(small_set(**about), node, prompt, instruction)


def prompts_on(evalset: EvalSet | None, node: dict[str, Any], prompt: Any = None, instruction: Any = None) -> Any:
    config = {"prompt": prompt or NATIVE, "instruction": instruction, "task": "made"}
    return prompted(node, config, evalset)


def texts(kind: str, **about: Any) -> EvalSet:
    """A set of a type whose texts neither ask nor answer."""
    made = small_pairs()
    return EvalSet("made", kind, made.documents, made.queries, made.qrels, targets=made.targets, **about)


def test_the_models_own_prompts_are_left_to_the_model_and_those_of_its_yaml_are_given() -> None:
    assert prompts({}) == ({}, ())
    assert prompts(E5) == (E5, ())


def test_no_prompt_is_a_choice_and_is_said_for_each_role_that_had_one() -> None:
    found, warnings = prompts(E5, NONE)
    assert found == {"prompts": NONE}
    assert warnings == (
        "the query prompt is ''; the model's YAML has 'query: '",
        "the document prompt is ''; the model's YAML has 'passage: '",
    )
    assert prompts({}, NONE) == ({"prompts": NONE}, ())


def test_the_option_wins_over_the_eval_set_that_over_the_yaml_for_a_task_and_that_over_its_prompts() -> None:
    node = E5 | {"task_prompts": {"made": {"query": "made: "}, "other": {"query": "other: "}}}
    assert prompts(node)[0]["prompts"] == {"query": "made: ", "document": "passage: "}
    manifest = {"prompts": {"query": "ticket: "}}
    assert prompts(node, **manifest)[0]["prompts"] == {"query": "ticket: ", "document": "passage: "}
    chosen = {"query": "typed: ", "document": None}
    assert prompts(node, chosen, **manifest)[0]["prompts"] == {"query": "typed: ", "document": "passage: "}


def test_an_instruction_fills_the_template_the_option_first_then_the_manifest_then_the_yaml() -> None:
    def query(typed: Any, of_the_set: str) -> str:
        config = {"prompt": NATIVE, "instruction": typed, "task": "made"}
        found, warnings = prompted(TEMPLATE, config, small_set(instruction=of_the_set))
        assert warnings == ()
        return str(found["prompts"]["query"])

    assert query(None, "") == "Instruct: Find passages\nQuery: "
    assert query(None, "Find answers") == "Instruct: Find answers\nQuery: "
    assert query("Find duplicates", "Find answers") == "Instruct: Find duplicates\nQuery: "


def test_a_template_without_an_instruction_is_refused_with_what_to_write() -> None:
    with pytest.raises(HarnessError, match="add `instruction:` to its manifest"):
        prompts({"prompts": TEMPLATE["prompts"]})


@pytest.mark.parametrize("node", [{"prompts": "query: "}, {"prompts": {"qeury": "q"}}, {"prompts": {"query": 3}}])
def test_prompts_that_are_none_are_refused(node: dict[str, Any]) -> None:
    with pytest.raises(HarnessError, match="of the model"):
        prompts(node)


@pytest.mark.parametrize(
    "node", [{"task_prompts": ["made"]}, {"task_prompts": {"made": "q"}}, {"task_prompts": {"made": {"texts": "q"}}}]
)
def test_prompts_for_tasks_that_are_none_are_refused(node: dict[str, Any]) -> None:
    with pytest.raises(HarnessError, match="task_prompts of the model"):
        prompts(node)


# Texts that neither ask nor answer ------------------------------------------------------------------------------

NOMIC = {
    "prompts": {"query": "search_query: ", "document": "search_document: ", "text": "classification: "},
    "task_prompts": {"clustering": {"text": "clustering: "}, "made": {"query": "made: "}},
}


def test_a_text_gets_the_option_then_the_manifests_then_the_yamls_for_task_type_and_any() -> None:
    def text(kind: str, node: dict[str, Any] = NOMIC, prompt: Any = None, **about: Any) -> str:
        return str(prompts_on(texts(kind, **about), node, prompt)[0]["prompts"]["text"])

    assert text("sts") == "classification: "
    assert text("clustering") == "clustering: "
    assert text("clustering", NOMIC | {"task_prompts": {"made": {"text": "a"}, "clustering": {"text": "b"}}}) == "a"
    assert text("clustering", prompts={"text": "ticket: "}) == "ticket: "
    assert text("clustering", prompt={"text": "typed: "}, prompts={"text": "ticket: "}) == "typed: "


def test_what_the_yaml_says_for_a_task_or_type_is_no_override_and_only_the_roles_that_are_read_are_warned_of() -> None:
    assert prompts_on(texts("clustering"), NOMIC)[1] == ()
    found = prompts_on(texts("clustering"), NOMIC, {"query": "", "document": "", "text": ""})[1]
    assert found == ("the text prompt is ''; the model's YAML has 'clustering: '",)
    found = prompts(NOMIC, {"query": "", "document": "", "text": ""})[1]
    assert [warning.split()[1] for warning in found] == ["query", "document"]


def test_an_instruction_for_searches_fills_no_template_of_texts() -> None:
    template = "Instruct: {instruction}\nQuery: "
    both: dict[str, Any] = {"prompts": {"query": template, "text": template}, "instruction": "Find passages"}
    sts = {"task_prompts": {"sts": {"instruction": "Compare"}}}
    assert prompts(both | sts)[0]["prompts"]["query"] == "Instruct: Find passages\nQuery: "
    assert prompts_on(texts("sts"), both | sts)[0]["prompts"]["text"] == "Instruct: Compare\nQuery: "
    said = texts("sts", instruction="Match")
    assert prompts_on(said, both | sts)[0]["prompts"]["text"] == "Instruct: Match\nQuery: "
    assert prompts_on(said, both, instruction="Typed")[0]["prompts"]["text"] == "Instruct: Typed\nQuery: "
    with pytest.raises(HarnessError, match="says nothing of its task"):
        prompts_on(texts("clustering"), both | sts)


def test_a_template_of_a_role_that_is_not_read_needs_no_instruction() -> None:
    node = {"prompts": {"query": "Instruct: {instruction}\n", "text": "plain: "}}
    assert prompts_on(texts("sts"), node)[0]["prompts"] == {"text": "plain: "}


def test_a_service_is_told_what_texts_are_for_by_task_or_type() -> None:
    node: dict[str, Any] = {
        "role_options": {"query": {"input_type": "q"}, "text": {"input_type": "any"}},
        "task_role_options": {"clustering": {"text": {"input_type": "groups"}}},
    }
    assert prompts_on(texts("sts"), node)[0] == {}
    assert prompts_on(texts("clustering"), node)[0]["role_options"] == {
        "query": {"input_type": "q"},
        "text": {"input_type": "groups"},
    }
    with pytest.raises(HarnessError, match="task_role_options of the model"):
        prompts_on(texts("sts"), {"task_role_options": {"sts": {"text": "groups"}}})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model whose files name prompts as mteb does, and one for whatever has none."""
    own = {"query": "ask: ", "STS": "alike: ", "Clustering": "groups: ", "any": "any: "}
    settings = {"prompts": own, "default_prompt_name": "any"}
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "config_sentence_transformers.json").write_text(json.dumps(settings))
    return tmp_path


def test_the_models_own_files_may_have_a_prompt_for_a_type_before_their_default(folder: Path) -> None:
    part = SentenceTransformer(path=str(folder))
    found = {kind: read_as(part, texts(kind))[0].prompt("text") for kind in ("sts", "clustering", "classification")}
    assert found == {"sts": "alike: ", "clustering": "groups: ", "classification": "any: "}
    asked, warnings = read_as(part, texts("sts"))
    assert (asked.prompt("query"), asked.prompt("document"), warnings) == ("ask: ", "any: ", ())
    assert asked.traits().warnings == ()
    assert read_as(part, small_set()) == read_as(part, None) == (part, ())
    assert read_as(Hashing(), texts("sts")) == (Hashing(), ())


def test_a_prompt_that_is_given_for_texts_stays_and_says_what_it_replaces(folder: Path) -> None:
    given = SentenceTransformer(path=str(folder), prompts={"text": ""})
    part, warnings = read_as(given, texts("sts"))
    assert part == given
    assert warnings == ("the text prompt '' overrides the model's own 'alike: '",)
    assert read_as(SentenceTransformer(path=str(folder), prompts={"text": "alike: "}), texts("sts"))[1] == ()


def test_a_given_prompt_is_only_left_out_where_it_says_what_the_files_say_for_every_type(folder: Path) -> None:
    bare = SentenceTransformer(path=str(folder))
    assert plain(SentenceTransformer(path=str(folder), prompts={"query": "ask: "})) == bare
    given = SentenceTransformer(path=str(folder), prompts={"text": "any: "})
    assert plain(given) == given, "sts would get another"
    settings = {"prompts": {"any": "any: "}, "default_prompt_name": "any"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(settings))
    assert plain(given) == bare


@pytest.mark.parametrize("kind", ["retrieval", "sts", "clustering", "classification", "bitext", "summarization"])
def test_every_model_that_asks_for_prompts_has_one_for_every_type_or_asks_for_an_instruction(kind: str) -> None:
    for path in sorted((shipped("configs") / "model").glob("*.yaml")):
        node = yaml.safe_load(path.read_text(encoding="utf-8"))
        made = small_set() if kind == "retrieval" else texts(kind)
        if "instruction" in node and kind in ("clustering", "classification"):
            with pytest.raises(HarnessError, match="says nothing of its task"):
                prompts_on(made, node)
        else:
            found, warnings = prompts_on(made, node)
            assert warnings == () and "{" not in str(found.get("prompts", {}).values()), path.stem


# One candidate over sets that bring their own ------------------------------------------------------------------


def planned(*words: str, **sets: EvalSet) -> Plan:
    jobs = compose(["-m", "model=hashing", f"task={','.join(sets)}", *words])
    return make_plan(jobs, Assembly(sets=sets))


def test_a_model_with_an_instruction_a_set_is_one_candidate_with_one_name() -> None:
    sets = {"cars": small_set(instruction="Find cars"), "boats": small_set(instruction="Find boats")}
    plan = planned("prompt=instruct", "dim=8,16", **sets)
    assert len(plan.variants) == 4 and len({v.identity for v in plan.variants}) == 4
    assert len({v.candidate_id for v in plan.variants}) == 2
    by_candidate: dict[str, set[str]] = {}
    for variant in plan.variants:
        by_candidate.setdefault(variant.candidate_id, set()).add(variant.task)
        assert variant.labels["model"] == "hashing"
        asked = variant.retriever.needs()[0].encoder.prompt("query")
        assert asked == f"Instruct: Find {variant.task}\nQuery: "
    assert set(map(frozenset, by_candidate.values())) == {frozenset(sets)}


def test_what_is_the_same_on_one_set_and_not_on_another_is_two_candidates_on_both() -> None:
    sets = {"plain": small_set(), "own": small_set(prompts={"query": "ask "})}
    plan = planned("prompt=native,none", **sets)
    assert len(plan.variants) == 4 and plan.merged == 0
    ids = {v.candidate_id: {w.task for w in plan.variants if w.candidate_id == v.candidate_id} for v in plan.variants}
    assert [tasks == set(sets) for tasks in ids.values()] == [True, True]
    same = [v.identity for v in plan.variants if v.task == "plain"]
    assert same[0] == same[1], "so its record is made once"
    alone = planned("prompt=native,none", plain=small_set())
    assert (len(alone.variants), alone.merged) == (1, 1)
    assert alone.variants[0].candidate_id == identity(alone.variants[0].retriever)[:12]


def test_a_prompt_for_each_type_makes_one_candidate() -> None:
    words = ("+model.task_prompts.sts.text='alike: '", "+model.task_prompts.clustering.text='groups: '")
    plan = planned(*words, a=small_set(), b=texts("sts"), c=texts("clustering"))
    assert len({v.candidate_id for v in plan.variants}) == 1
    found = [v.retriever.needs()[0].encoder.prompt("text") for v in plan.variants]
    assert found == ["", "alike: ", "groups: "]


def test_a_model_with_an_instruction_a_set_stands_in_the_decision_with_both_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("cars", "boats"):
        write_task(name, instruction=f"Find {name}")
    found = candidates(read_sweep(sweep("-m", "task=cars,boats", "model=hashing", "prompt=instruct").folder))
    assert [(set(one.scores), one.lost) for one in found] == [({"cars", "boats"}, "")]
