"""Which text is put before queries and documents."""

from __future__ import annotations

from typing import Any

import pytest

from harness.prompts import prompted
from harness.types import HarnessError
from tests.material import small_set

E5 = {"prompts": {"query": "query: ", "document": "passage: "}}
TEMPLATE = {"prompts": {"query": "Instruct: {instruction}\nQuery: "}, "instruction": "Find passages"}
NATIVE = {"query": None, "document": None}
NONE = {"query": "", "document": ""}


def prompts(node: dict[str, Any], prompt: Any = None, instruction: Any = None, **about: Any) -> Any:
    config = {"prompt": prompt or NATIVE, "instruction": instruction, "task": "made"}
    return prompted(node, config, small_set(**about))


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
